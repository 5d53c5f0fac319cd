/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of the fake module: its life, slots, sessions and the login; the rest is in the other two files. */
#include "fakes/hsm.h"

#include <string.h>
#include <unistd.h>

hsm_state fake_hsm_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
static hsm_state *const hsm = &fake_hsm_state;

/* --- around each call --- */

static bool is_due(hsm_fault *fault)
{
    if (fault->times == 0) return false;
    if (fault->after != 0) {
        fault->after--;
        return false;
    }
    if (fault->times != HSM_ALWAYS) fault->times--;
    return true;
}

/* Takes the lock: counts the call, holds it as long as the test wants, says what it is answered with instead. */
static CK_RV begin(hsm_call call, CK_RV *out_late)
{
    (void)pthread_mutex_lock(&hsm->lock);
    hsm->num_calls[call]++;
    hsm->num_held[call]++;
    (void)pthread_cond_broadcast(&hsm->changed);
    while (hsm->is_held[call])
        (void)pthread_cond_wait(&hsm->changed, &hsm->lock);
    hsm->num_held[call]--;
    if (!hsm->is_initialised && call != HSM_INITIALIZE) return CKR_CRYPTOKI_NOT_INITIALIZED;
    hsm_fault *fault = &hsm->faults[call];
    if (!is_due(fault)) return CKR_OK;
    if (!fault->is_late) return fault->rv;
    *out_late = fault->rv;
    return CKR_OK;
}

static CK_RV end(CK_RV rv, CK_RV late)
{
    if (rv == CKR_OPERATION_ACTIVE || rv == CKR_OPERATION_NOT_INITIALIZED) hsm->num_misused++;
    (void)pthread_mutex_unlock(&hsm->lock);
    return late != CKR_OK ? late : rv;
}

#define SERVE(call, work)                                                                                              \
    do {                                                                                                               \
        CK_RV late_ = CKR_OK, rv_ = begin(call, &late_);                                                               \
        if (rv_ == CKR_OK) rv_ = (work);                                                                               \
        return end(rv_, late_);                                                                                        \
    } while (0)

/* With a session, which `work` sees as `session`. */
#define SERVE_SESSION(call, work)                                                                                      \
    do {                                                                                                               \
        CK_RV late_ = CKR_OK, rv_ = begin(call, &late_);                                                               \
        hsm_session *session = hsm_session_find(handle);                                                               \
        if (rv_ == CKR_OK && session == NULL) rv_ = hsm->gone;                                                         \
        if (rv_ == CKR_OK) rv_ = (work);                                                                               \
        return end(rv_, late_);                                                                                        \
    } while (0)

/* --- the module's life --- */

/* Nothing of an older life is left, and numbers start again. */
static void forget_sessions(void)
{
    memset(hsm->sessions, 0, sizeof hsm->sessions);
    hsm->num_open = 0;
    hsm->last_session = 0;
    for (size_t i = 0; i < HSM_TOKENS; i++)
        hsm->tokens[i].is_logged_in = false;
    for (size_t i = 0; i < HSM_OBJECTS; i++)
        if (hsm->objects[i].session != 0) hsm->objects[i].is_there = false;
}

/* As most modules do, it believes itself initialised in a forked child. Its lock may be taken there by a thread that is
 * not. */
static CK_RV hsm_initialize(void *args)
{
    CK_RV late = CKR_OK;
    (void)args;
    pid_t last = __atomic_exchange_n(&hsm->pid, getpid(), __ATOMIC_RELAXED);
    if (last != 0 && last != getpid()) {
        (void)pthread_mutex_init(&hsm->lock, NULL);
        (void)pthread_cond_init(&hsm->changed, NULL);
    }
    CK_RV rv = begin(HSM_INITIALIZE, &late);
    if (rv == CKR_OK && hsm->is_initialised) rv = CKR_CRYPTOKI_ALREADY_INITIALIZED;
    if (rv == CKR_OK) {
        forget_sessions();
        hsm->is_initialised = true;
        hsm->num_lives++;
        hsm->shift++;
        for (size_t i = 0; i < HSM_TOKENS; i++) {
            hsm->tokens[i].is_there = hsm->tokens[i].is_there || hsm->tokens[i].waits_for_init;
            hsm->tokens[i].waits_for_init = false;
        }
    }
    return end(rv, late);
}

static CK_RV hsm_finalize(void *reserved)
{
    (void)reserved;
    (void)pthread_mutex_lock(&hsm->lock);
    CK_RV rv = hsm->is_initialised ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;
    forget_sessions();
    hsm->is_initialised = false;
    (void)pthread_mutex_unlock(&hsm->lock);
    return rv;
}

/* --- slots and tokens --- */

static CK_RV slots(CK_SLOT_ID *out, CK_ULONG *num)
{
    CK_ULONG there = 0;
    for (size_t i = 0; i < HSM_TOKENS; i++) {
        if (!hsm->tokens[i].is_there) continue;
        if (out != NULL && there < *num) out[there] = (CK_SLOT_ID)i;
        there++;
    }
    bool fits = out == NULL || there <= *num;
    *num = there;
    return fits ? CKR_OK : CKR_BUFFER_TOO_SMALL;
}

static CK_RV hsm_slots(CK_BBOOL present, CK_SLOT_ID *out, CK_ULONG *num)
{
    (void)present;
    SERVE(HSM_SLOTS, slots(out, num));
}

static void padded(unsigned char *out, size_t len, const char *text)
{
    memset(out, ' ', len);
    memcpy(out, text, strnlen(text, len));
}

static CK_FLAGS token_flags(const hsm_token *token)
{
    CK_FLAGS flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
    if (token->hides_flags || token->wrong_pins == 0) return flags;
    flags |= CKF_USER_PIN_COUNT_LOW;
    if (token->wrong_pins == HSM_TRIES - 1) flags |= CKF_USER_PIN_FINAL_TRY;
    return token->wrong_pins >= HSM_TRIES ? flags | CKF_USER_PIN_LOCKED : flags;
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *out)
{
    if (slot >= HSM_TOKENS) return CKR_SLOT_ID_INVALID;
    const hsm_token *token = &hsm->tokens[slot];
    if (!token->is_there) return CKR_TOKEN_NOT_PRESENT;
    memset(out, 0, sizeof *out);
    padded(out->label, sizeof out->label, token->label);
    padded(out->serialNumber, sizeof out->serialNumber, token->serial);
    padded(out->manufacturerID, sizeof out->manufacturerID, "fake");
    padded(out->model, sizeof out->model, "fake");
    out->flags = token_flags(token);
    return CKR_OK;
}

static CK_RV hsm_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *out)
{
    SERVE(HSM_TOKEN_INFO, token_info(slot, out));
}

static CK_RV mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *out)
{
    static const CK_MECHANISM_TYPE types[HSM_MECHANISMS] = {CKM_AES_GCM, CKM_AES_KEY_WRAP, HSM_KEY_WRAP_KWP,
                                                            CKM_AES_KEY_WRAP_PAD};
    if (slot >= HSM_TOKENS || !hsm->tokens[slot].is_there) return CKR_TOKEN_NOT_PRESENT;
    for (size_t i = 0; i < HSM_MECHANISMS; i++) {
        if (types[i] != type || hsm->flags[i] == 0) continue;
        *out = (CK_MECHANISM_INFO){16, 32, hsm->flags[i]};
        return CKR_OK;
    }
    return CKR_MECHANISM_INVALID;
}

static CK_RV hsm_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *out)
{
    SERVE(HSM_MECHANISM_INFO, mechanism_info(slot, type, out));
}

/* --- sessions --- */

hsm_session *hsm_session_find(CK_SESSION_HANDLE handle)
{
    for (size_t i = 0; i < HSM_SESSIONS; i++)
        if (handle != 0 && hsm->sessions[i].handle == handle) return &hsm->sessions[i];
    return NULL;
}

static CK_RV session_open(CK_SLOT_ID slot, CK_FLAGS flags, CK_SESSION_HANDLE *out_handle)
{
    size_t at = 0;
    if (slot >= HSM_TOKENS || !hsm->tokens[slot].is_there) return CKR_SLOT_ID_INVALID;
    while (at < HSM_SESSIONS && hsm->sessions[at].handle != 0)
        at++;
    if (hsm->num_open >= hsm->max_sessions || at == HSM_SESSIONS) return CKR_SESSION_COUNT;
    hsm->sessions[at] =
        (hsm_session){.handle = ++hsm->last_session, .token = (size_t)slot, .is_rw = (flags & CKF_RW_SESSION) != 0};
    hsm->num_open++;
    if (hsm->num_open > hsm->most_open) hsm->most_open = hsm->num_open;
    *out_handle = hsm->last_session;
    return CKR_OK;
}

static CK_RV hsm_open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                              CK_SESSION_HANDLE *out_handle)
{
    (void)application;
    (void)notify;
    SERVE(HSM_OPEN, session_open(slot, flags, out_handle));
}

/* With the last session of a token its login ends. */
static CK_RV session_close(hsm_session *session)
{
    size_t left = 0, token = session->token;
    for (size_t i = 0; i < HSM_OBJECTS; i++)
        if (hsm->objects[i].session == session->handle) hsm->objects[i].is_there = false;
    memset(session, 0, sizeof *session);
    hsm->num_open--;
    for (size_t i = 0; i < HSM_SESSIONS; i++)
        left += hsm->sessions[i].handle != 0 && hsm->sessions[i].token == token ? 1 : 0;
    if (left == 0) hsm->tokens[token].is_logged_in = false;
    return CKR_OK;
}

static CK_RV hsm_close_session(CK_SESSION_HANDLE handle)
{
    SERVE_SESSION(HSM_CLOSE, session_close(session));
}

static CK_RV session_info(const hsm_session *session, CK_SESSION_INFO *out)
{
    bool is_in = hsm->tokens[session->token].is_logged_in;
    CK_STATE state = session->is_rw ? (is_in ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION)
                                    : (is_in ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION);
    *out = (CK_SESSION_INFO){.slotID = (CK_SLOT_ID)session->token, .state = state, .flags = CKF_SERIAL_SESSION};
    return CKR_OK;
}

static CK_RV hsm_session_info(CK_SESSION_HANDLE handle, CK_SESSION_INFO *out)
{
    SERVE_SESSION(HSM_SESSION_INFO, session_info(session, out));
}

static CK_RV login(hsm_token *token, const unsigned char *pin, CK_ULONG len)
{
    if (token->is_logged_in) return CKR_USER_ALREADY_LOGGED_IN;
    if (token->wrong_pins >= HSM_TRIES) return CKR_PIN_LOCKED;
    if (len != strlen(token->pin) || memcmp(pin, token->pin, len) != 0) {
        token->wrong_pins++;
        return CKR_PIN_INCORRECT;
    }
    token->wrong_pins = 0;
    token->is_logged_in = true;
    return CKR_OK;
}

static CK_RV hsm_login(CK_SESSION_HANDLE handle, CK_USER_TYPE user, unsigned char *pin, CK_ULONG len)
{
    (void)user;
    SERVE_SESSION(HSM_LOGIN, login(&hsm->tokens[session->token], pin, len));
}

/* --- objects --- */

static CK_RV hsm_find_init(CK_SESSION_HANDLE handle, CK_ATTRIBUTE *wanted, CK_ULONG num)
{
    SERVE_SESSION(HSM_FIND, hsm_search(session, wanted, num));
}

static CK_RV found_take(hsm_session *session, CK_OBJECT_HANDLE *out, CK_ULONG cap, CK_ULONG *out_num)
{
    CK_ULONG num = 0;
    if (!session->is_searching) return CKR_OPERATION_NOT_INITIALIZED;
    while (num < cap && session->num_found != 0)
        out[num++] = session->found[--session->num_found];
    *out_num = num;
    return CKR_OK;
}

static CK_RV hsm_find(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE *out, CK_ULONG cap, CK_ULONG *out_num)
{
    SERVE_SESSION(HSM_FIND, found_take(session, out, cap, out_num));
}

static CK_RV hsm_find_final(CK_SESSION_HANDLE handle)
{
    SERVE_SESSION(HSM_FIND, (session->is_searching = false, CKR_OK));
}

static CK_RV attributes_get(const hsm_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes, CK_ULONG num)
{
    const hsm_object *found = hsm_object_find(session, object);
    return found == NULL ? CKR_OBJECT_HANDLE_INVALID : hsm_attributes(found, attributes, num);
}

static CK_RV hsm_get_attributes(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                                CK_ULONG num)
{
    SERVE_SESSION(HSM_ATTRIBUTES, attributes_get(session, object, attributes, num));
}

static CK_RV hsm_create_object(CK_SESSION_HANDLE handle, CK_ATTRIBUTE *what, CK_ULONG num, CK_OBJECT_HANDLE *out)
{
    SERVE_SESSION(HSM_CREATE, hsm_object_make(session, what, num, out));
}

static CK_RV object_destroy(const hsm_session *session, CK_OBJECT_HANDLE object)
{
    hsm_object *found = hsm_object_find(session, object);
    if (found == NULL) return CKR_OBJECT_HANDLE_INVALID;
    found->is_there = false;
    return CKR_OK;
}

static CK_RV hsm_destroy_object(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object)
{
    SERVE_SESSION(HSM_DESTROY, object_destroy(session, object));
}

static CK_RV hsm_generate_key(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_ATTRIBUTE *what, CK_ULONG num,
                              CK_OBJECT_HANDLE *out)
{
    (void)mechanism;
    SERVE_SESSION(HSM_GENERATE, hsm_key_generate(session, what, num, out));
}

/* --- ciphers --- */

static CK_RV hsm_encrypt_init(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    SERVE_SESSION(HSM_ENCRYPT_INIT, hsm_cipher_begin(session, mechanism, key, true));
}

static CK_RV hsm_encrypt_all(CK_SESSION_HANDLE handle, unsigned char *in, CK_ULONG len, unsigned char *out,
                             CK_ULONG *out_len)
{
    SERVE_SESSION(HSM_ENCRYPT, hsm_encrypt(session, in, len, out, out_len));
}

static CK_RV hsm_decrypt_init(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    SERVE_SESSION(HSM_DECRYPT_INIT, hsm_cipher_begin(session, mechanism, key, false));
}

static CK_RV hsm_decrypt_all(CK_SESSION_HANDLE handle, unsigned char *in, CK_ULONG len, unsigned char *out,
                             CK_ULONG *out_len)
{
    SERVE_SESSION(HSM_DECRYPT, hsm_decrypt(session, in, len, out, out_len));
}

static CK_RV hsm_wrap_key(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE what,
                          unsigned char *out, CK_ULONG *out_len)
{
    SERVE_SESSION(HSM_WRAP, hsm_wrap(session, mechanism->mechanism, by, what, out, out_len));
}

static CK_RV unwrap_to(hsm_session *session, const CK_ATTRIBUTE *value, const CK_ATTRIBUTE *what, CK_ULONG num,
                       CK_OBJECT_HANDLE *out)
{
    CK_ATTRIBUTE all[16];
    if (num >= sizeof all / sizeof all[0]) return CKR_TEMPLATE_INCONSISTENT;
    memcpy(all, what, num * sizeof all[0]);
    all[num] = *value;
    return hsm_object_make(session, all, num + 1, out);
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE handle, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE by, unsigned char *in,
                  CK_ULONG len, CK_ATTRIBUTE *what, CK_ULONG num, CK_OBJECT_HANDLE *out)
{
    unsigned char bytes[32];
    CK_ATTRIBUTE value = {CKA_VALUE, bytes, 0};
    CK_RV late = CKR_OK, rv = begin(HSM_UNWRAP, &late);
    hsm_session *session = hsm_session_find(handle);
    if (rv == CKR_OK && session == NULL) rv = hsm->gone;
    if (rv == CKR_OK) rv = hsm_unwrap(session, mechanism->mechanism, by, in, len, bytes, &value.ulValueLen);
    if (rv == CKR_OK) rv = unwrap_to(session, &value, what, num, out);
    return end(rv, late);
}

/* --- the list --- */

static CK_FUNCTION_LIST functions = {
    .version = {2, 40},
    .C_Initialize = hsm_initialize,
    .C_Finalize = hsm_finalize,
    .C_GetFunctionList = C_GetFunctionList,
    .C_GetSlotList = hsm_slots,
    .C_GetTokenInfo = hsm_token_info,
    .C_GetMechanismInfo = hsm_mechanism_info,
    .C_OpenSession = hsm_open_session,
    .C_CloseSession = hsm_close_session,
    .C_GetSessionInfo = hsm_session_info,
    .C_Login = hsm_login,
    .C_FindObjectsInit = hsm_find_init,
    .C_FindObjects = hsm_find,
    .C_FindObjectsFinal = hsm_find_final,
    .C_GetAttributeValue = hsm_get_attributes,
    .C_CreateObject = hsm_create_object,
    .C_DestroyObject = hsm_destroy_object,
    .C_GenerateKey = hsm_generate_key,
    .C_EncryptInit = hsm_encrypt_init,
    .C_Encrypt = hsm_encrypt_all,
    .C_DecryptInit = hsm_decrypt_init,
    .C_Decrypt = hsm_decrypt_all,
    .C_WrapKey = hsm_wrap_key,
    .C_UnwrapKey = C_UnwrapKey,
};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out_functions)
{
    *out_functions = &functions;
    return CKR_OK;
}
