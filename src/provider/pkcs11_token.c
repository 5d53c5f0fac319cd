/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token: its slot, its sessions, its login. A module runs as many requests at a time as there are sessions, and a
 * request has one to itself. The login is the token's, not the session's (PKCS #11 2.40, 6.7.4): the first session of
 * an era logs in, alone.
 *
 * An era ends when token, session or login turn out to be lost. What belongs to an older one (slot, sessions, handles
 * of objects) is not used again.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/keyfile.h"
#include "provider/pkcs11.h"

#include <stdio.h>

#define DEFAULT_SESSIONS 8u
#define MAX_SLOTS 256u
#define MAX_PIN 256u
#define LIMIT_NS (INT64_C(10) * 1000000000) /* how long the token is believed that it has no further session */

struct bulla_pkcs11_token {
    struct bulla_pkcs11_token *next;
    bulla_pkcs11_client *client;
    bulla_pkcs11_module *module;
    bulla_pkcs11_uri uri;

    /* Under the lock. */
    size_t generation, era;
    CK_SESSION_HANDLE idle[BULLA_PKCS11_MAX_SESSIONS];
    size_t num_idle, num_open; /* open: idle ones and those in use */
    size_t limit;              /* of num_open */
    int64_t limit_until_ns;
    bool has_slot;
    CK_SLOT_ID slot;
    char serial[17];
    size_t login_busy; /* a generation */
    CK_RV refusal;     /* why the token refused the PIN; 0: it has not */
    bulla_secret *refused_pin;
};

const char *bulla_pkcs11_store(const bulla_pkcs11_token *token)
{
    return token->client->config->name;
}

static const char *label_of(const bulla_pkcs11_token *token)
{
    return token->uri.token[0] != '\0' ? token->uri.token : token->uri.serial[0] != '\0' ? token->uri.serial : "?";
}

bulla_status bulla_pkcs11_fail(bulla_pkcs11_lease *lease, bulla_call *call, const char *verb, CK_RV rv)
{
    char name[32];
    bulla_status status = bulla_pkcs11_status(rv);
    lease->rv = rv;
    status = bulla_fail(call, status, "key store \"%s\": token \"%.32s\" cannot %s: %s",
                        bulla_pkcs11_store(lease->token), label_of(lease->token), verb, bulla_pkcs11_name(rv, name));
    if (call != NULL) call->native = (long)rv;
    return status;
}

/* --- the slot --- */

/* Text in CK_TOKEN_INFO is padded with blanks. */
static void padded_read(const unsigned char *from, size_t len, char *out)
{
    while (len != 0 && (from[len - 1] == ' ' || from[len - 1] == '\0'))
        len--;
    memcpy(out, from, len);
    out[len] = '\0';
}

static bool padded_is(const unsigned char *from, size_t len, const char *wanted)
{
    char text[33];
    padded_read(from, len, text);
    return wanted[0] == '\0' || strcmp(text, wanted) == 0;
}

static bool is_wanted(const bulla_pkcs11_uri *uri, CK_SLOT_ID slot, const CK_TOKEN_INFO *info)
{
    return (info->flags & CKF_TOKEN_INITIALIZED) != 0 && (!uri->has_slot || uri->slot == slot) &&
           padded_is(info->label, sizeof info->label, uri->token) &&
           padded_is(info->serialNumber, sizeof info->serialNumber, uri->serial) &&
           padded_is(info->manufacturerID, sizeof info->manufacturerID, uri->manufacturer) &&
           padded_is(info->model, sizeof info->model, uri->model);
}

/* The list may grow between its length and itself; asking for the length is what makes modules look for new ones. */
static CK_RV slots_read(const CK_FUNCTION_LIST *functions, CK_SLOT_ID slots[MAX_SLOTS], CK_ULONG *out_num)
{
    CK_ULONG num = 0;
    CK_RV rv = functions->C_GetSlotList(CK_TRUE, NULL, &num);
    if (rv != CKR_OK) return rv;
    num = MAX_SLOTS;
    rv = functions->C_GetSlotList(CK_TRUE, slots, &num);
    *out_num = num;
    return rv;
}

static bulla_status slot_fail(const bulla_pkcs11_token *token, bulla_call *call, size_t num_found, size_t num_slots)
{
    if (num_found > 1)
        return bulla_fail(call, BULLA_ECONFIG,
                          "key store \"%s\": %zu tokens are meant by \"%.32s\"; add serial= to the address",
                          bulla_pkcs11_store(token), num_found, label_of(token));
    return bulla_fail(call, BULLA_EUNAVAIL, "key store \"%s\": no token \"%.32s\" is there; %zu slots have others",
                      bulla_pkcs11_store(token), label_of(token), num_slots);
}

static bulla_status slot_find(bulla_pkcs11_lease *lease, bulla_call *call)
{
    CK_SLOT_ID slots[MAX_SLOTS];
    CK_ULONG num_slots = 0;
    size_t num_found = 0;
    CK_RV rv = slots_read(lease->functions, slots, &num_slots);
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "be found", rv);
    for (CK_ULONG i = 0; i < num_slots; i++) {
        CK_TOKEN_INFO info;
        memset(&info, 0, sizeof info);
        if (lease->functions->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
        if (!is_wanted(&lease->token->uri, slots[i], &info)) continue;
        num_found++;
        lease->slot = slots[i];
        padded_read(info.serialNumber, sizeof info.serialNumber, lease->serial);
    }
    if (num_found != 1) return slot_fail(lease->token, call, num_found, num_slots);
    return BULLA_OK;
}

/* --- logging in --- */

/* At each login: a new PIN in the file is one to try. */
static bulla_status pin_file_read(bulla_call *call, const char *path, bulla_secret **out_pin)
{
    BULLA_AUTO(bulla_secret) *all = NULL;
    bulla_keyfile file;
    BULLA_TRY(bulla_keyfile_open(call, path, MAX_PIN, &file));
    bulla_status status = bulla_keyfile_private_check(call, &file);
    if (status == BULLA_OK) status = bulla_keyfile_read(call, &file, &all);
    bulla_keyfile_close(&file);
    BULLA_TRY(status);
    bulla_view text = bulla_secret_borrow(all);
    while (text.len != 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (text.len == 0) return bulla_fail(call, BULLA_ECONFIG, "%.160s: empty, where a PIN should be", path);
    return bulla_secret_copy(call, text, out_pin);
}

static bulla_status pin_read(const bulla_pkcs11_token *token, bulla_call *call, bulla_secret **out_pin)
{
    BULLA_AUTO(bulla_secret) *pin = NULL;
    const bulla_kms_config *config = token->client->config;
    if (token->uri.pin_source[0] != '\0')
        BULLA_TRY(pin_file_read(call, token->uri.pin_source, &pin));
    else
        pin = bulla_secret_ref(config->pin);
    if (bulla_secret_borrow(pin).len == 0)
        return bulla_fail(call, BULLA_EAUTHN, "key store \"%s\": there is no PIN%s", config->name,
                          pin == NULL ? "; set pin, or pin-source in the address"
                                      : " in a forked process: open the key store after the fork, or use pin-source");
    *out_pin = BULLA_TAKE(pin);
    return BULLA_OK;
}

static bulla_status pin_fail(const bulla_pkcs11_token *token, bulla_call *call, CK_RV rv)
{
    char name[32];
    const char *what = rv == CKR_PIN_LOCKED                 ? "has locked its PIN; the security officer must unlock it"
                       : rv == CKR_PIN_EXPIRED              ? "wants a new PIN to be set first"
                       : rv == CKR_USER_PIN_NOT_INITIALIZED ? "has no user PIN yet"
                                                            : "refuses the PIN, which is not tried again: too many "
                                                              "wrong ones lock it. Give the right one";
    bulla_status status = bulla_fail(call, BULLA_EAUTHN, "key store \"%s\": token \"%.32s\" %s (%s)",
                                     bulla_pkcs11_store(token), label_of(token), what, bulla_pkcs11_name(rv, name));
    if (call != NULL) call->native = (long)rv;
    return status;
}

/* A PIN that was refused is not given to the token again, in this process and its children. */
static bulla_status refusal_check(const bulla_pkcs11_token *token, bulla_call *call, const bulla_secret *pin)
{
    if (token->refusal == CKR_OK) return BULLA_OK;
    bulla_view refused = bulla_secret_borrow(token->refused_pin), given = bulla_secret_borrow(pin);
    bool is_other =
        refused.len != 0 && (refused.len != given.len || !bulla_equal_ct(refused.data, given.data, given.len));
    return is_other ? BULLA_OK : pin_fail(token, call, token->refusal);
}

static bool is_logged_in(const bulla_pkcs11_lease *lease)
{
    CK_SESSION_INFO info;
    memset(&info, 0, sizeof info);
    return lease->functions->C_GetSessionInfo(lease->session, &info) == CKR_OK &&
           (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS);
}

/* One more wrong PIN would lock the token: that is for a person to try. */
static bulla_status last_try_check(bulla_pkcs11_lease *lease, bulla_call *call, bool *out_needs_login)
{
    CK_TOKEN_INFO info;
    memset(&info, 0, sizeof info);
    CK_RV rv = lease->functions->C_GetTokenInfo(lease->slot, &info);
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "be looked at", rv);
    *out_needs_login = (info.flags & CKF_LOGIN_REQUIRED) != 0;
    if ((info.flags & CKF_USER_PIN_LOCKED) != 0) return pin_fail(lease->token, call, CKR_PIN_LOCKED);
    if ((info.flags & CKF_USER_PIN_FINAL_TRY) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_EAUTHN,
                      "key store \"%s\": one more wrong PIN locks token \"%.32s\"; log in by hand once, with the right "
                      "one",
                      bulla_pkcs11_store(lease->token), label_of(lease->token));
}

static bulla_status pin_give(bulla_pkcs11_lease *lease, bulla_call *call, bulla_secret *pin)
{
    BULLA_WIPED(unsigned char, bytes, MAX_PIN);
    bulla_pkcs11_token *token = lease->token;
    bulla_view text = bulla_secret_borrow(pin);
    if (text.len > sizeof bytes)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the PIN has over %u bytes", bulla_pkcs11_store(token),
                          MAX_PIN);
    bulla_copy(bytes, text.data, text.len);
    CK_RV rv = lease->functions->C_Login(lease->session, CKU_USER, bytes, (CK_ULONG)text.len);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        token->refusal = CKR_OK;
        return BULLA_OK;
    }
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_EXPIRED) {
        bulla_secret_unref(token->refused_pin);
        token->refused_pin = bulla_secret_ref(pin);
        token->refusal = rv;
    }
    if (bulla_pkcs11_status(rv) == BULLA_EAUTHN) return pin_fail(token, call, rv);
    return bulla_pkcs11_fail(lease, call, "log in", rv);
}

static bulla_status log_in_alone(bulla_pkcs11_lease *lease, bulla_call *call)
{
    BULLA_AUTO(bulla_secret) *pin = NULL;
    bool needs_login = false;
    if (is_logged_in(lease)) return BULLA_OK; /* somebody was faster */
    BULLA_TRY(last_try_check(lease, call, &needs_login));
    if (!needs_login) return BULLA_OK;
    BULLA_TRY(pin_read(lease->token, call, &pin));
    BULLA_TRY(refusal_check(lease->token, call, pin));
    return pin_give(lease, call, pin);
}

static bulla_status log_in(bulla_pkcs11_lease *lease, bulla_call *call)
{
    bulla_pkcs11_token *token = lease->token;
    if (is_logged_in(lease)) return BULLA_OK;
    bulla_pkcs11_lock();
    bulla_status status = bulla_pkcs11_busy_take(call, &token->login_busy);
    bulla_pkcs11_unlock();
    BULLA_TRY(status);
    status = log_in_alone(lease, call);
    bulla_pkcs11_lock();
    token->login_busy = 0;
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
    return status;
}

/* --- sessions --- */

/* A forked child has none of its parent's sessions, and may not even close them. */
static void generation_check(bulla_pkcs11_token *token)
{
    if (token->generation == bulla_pkcs11_generation()) return;
    token->generation = bulla_pkcs11_generation();
    token->num_idle = token->num_open = 0;
    token->has_slot = false;
    token->era++;
}

static size_t limit_now(bulla_pkcs11_token *token)
{
    const bulla_env *env = token->client->env;
    const uint32_t most = token->client->config->pool.max_connections;
    size_t limit = most == 0 ? DEFAULT_SESSIONS : most;
    if (limit > BULLA_PKCS11_MAX_SESSIONS) limit = BULLA_PKCS11_MAX_SESSIONS;
    bool is_low = token->limit != 0 && env->ticks_ns(env->arg) < token->limit_until_ns;
    return is_low && token->limit < limit ? token->limit : limit;
}

/* With the lock held. True: the lease has a session, or, with session 0, the right to open one. */
static bool session_take(bulla_pkcs11_token *token, bulla_pkcs11_lease *lease, CK_SESSION_HANDLE *out_surplus)
{
    generation_check(token);
    *out_surplus = 0;
    lease->era = token->era;
    lease->generation = token->generation;
    lease->slot = token->slot;
    memcpy(lease->serial, token->serial, sizeof lease->serial);
    lease->session = 0;
    if (!lease->is_rw && token->num_idle != 0) {
        lease->session = token->idle[--token->num_idle];
        return true;
    }
    if (token->num_open < limit_now(token)) {
        token->num_open++;
        return true;
    }
    if (token->num_idle == 0) return false;
    *out_surplus = token->idle[--token->num_idle]; /* makes room for one that may write */
    return true;
}

static bulla_status slot_know(bulla_pkcs11_lease *lease, bulla_call *call)
{
    bulla_pkcs11_token *token = lease->token;
    bulla_pkcs11_lock();
    bool has_slot = token->has_slot && token->era == lease->era;
    bulla_pkcs11_unlock();
    if (has_slot) return BULLA_OK;
    BULLA_TRY(slot_find(lease, call));
    bulla_pkcs11_lock();
    if (token->era == lease->era) {
        token->slot = lease->slot;
        memcpy(token->serial, lease->serial, sizeof token->serial);
        token->has_slot = true;
    }
    bulla_pkcs11_unlock();
    return BULLA_OK;
}

static bulla_status session_open(bulla_pkcs11_lease *lease, bulla_call *call)
{
    CK_FLAGS flags = CKF_SERIAL_SESSION | (lease->is_rw ? CKF_RW_SESSION : 0);
    BULLA_TRY(slot_know(lease, call));
    CK_RV rv = lease->functions->C_OpenSession(lease->slot, flags, NULL, NULL, &lease->session);
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "open a session", rv);
    bulla_status status = log_in(lease, call);
    if (status != BULLA_OK) (void)lease->functions->C_CloseSession(lease->session);
    return status;
}

/* After a session could not be opened. The token may serve fewer than we may have: then those are shared. */
static bool may_share(bulla_pkcs11_lease *lease)
{
    bulla_pkcs11_token *token = lease->token;
    const bulla_env *env = token->client->env;
    bulla_pkcs11_lock();
    if (token->generation == lease->generation) token->num_open--;
    bool is_full = lease->rv == CKR_SESSION_COUNT && token->num_open != 0;
    if (is_full) {
        token->limit = token->num_open;
        token->limit_until_ns = env->ticks_ns(env->arg) + LIMIT_NS;
    }
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
    return is_full;
}

static bulla_status session_wait(bulla_pkcs11_token *token, bulla_call *call, bulla_pkcs11_lease *lease,
                                 CK_SESSION_HANDLE *out_surplus)
{
    bulla_status status = BULLA_OK;
    bulla_pkcs11_lock();
    while (!session_take(token, lease, out_surplus)) {
        status = bulla_call_check(call);
        if (status != BULLA_OK) break;
        bulla_pkcs11_doze(INT64_C(1000000000));
    }
    bulla_pkcs11_unlock();
    return status;
}

static bulla_status acquire_once(bulla_pkcs11_token *token, bulla_call *call, bool is_rw, bulla_pkcs11_lease *out_lease)
{
    bulla_pkcs11_lease lease = {.token = token, .is_rw = is_rw, .functions = out_lease->functions};
    CK_SESSION_HANDLE surplus = 0;
    for (;;) {
        BULLA_TRY(bulla_call_check(call));
        BULLA_TRY(session_wait(token, call, &lease, &surplus));
        if (surplus != 0) (void)lease.functions->C_CloseSession(surplus);
        lease.rv = CKR_OK;
        bulla_status status = lease.session != 0 ? BULLA_OK : session_open(&lease, call);
        if (status == BULLA_OK) break;
        if (may_share(&lease)) continue;
        *out_lease = lease; /* for what failed */
        return status;
    }
    *out_lease = lease;
    return BULLA_OK;
}

/* Whoever is to enter waits in module_ready while the module restarts. */
static bulla_status enter_and_acquire(bulla_pkcs11_token *token, bulla_call *call, bool is_rw,
                                      bulla_pkcs11_lease *out_lease)
{
    do {
        BULLA_TRY(bulla_call_check(call));
        BULLA_TRY(bulla_pkcs11_module_ready(token->module, call, &out_lease->functions));
    } while (!bulla_pkcs11_module_enter(token->module));
    bulla_status status = acquire_once(token, call, is_rw, out_lease);
    if (status != BULLA_OK) bulla_pkcs11_module_leave(token->module);
    return status;
}

bulla_status bulla_pkcs11_acquire(bulla_pkcs11_token *token, bulla_call *call, bool is_rw,
                                  bulla_pkcs11_lease *out_lease)
{
    out_lease->functions = NULL;
    bulla_status status = enter_and_acquire(token, call, is_rw, out_lease);
    if (status != BULLA_EUNAVAIL || !bulla_pkcs11_module_restart(token->module, call)) return status;
    return enter_and_acquire(token, call, is_rw, out_lease);
}

void bulla_pkcs11_give_back(bulla_pkcs11_lease *lease, bool failed)
{
    bulla_pkcs11_token *token = lease->token;
    bulla_pkcs11_lock();
    bool is_own = lease->generation == bulla_pkcs11_generation() && token->generation == lease->generation;
    bool is_kept = is_own && !failed && !lease->is_rw && lease->era == token->era;
    if (is_kept) token->idle[token->num_idle++] = lease->session;
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
    if (!is_own || is_kept) {
        bulla_pkcs11_module_leave(token->module);
        return;
    }
    (void)lease->functions->C_CloseSession(lease->session);
    bulla_pkcs11_module_leave(token->module);
    bulla_pkcs11_lock(); /* only now there is room for another */
    if (token->generation == lease->generation) token->num_open--;
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
}

void bulla_pkcs11_lost(const bulla_pkcs11_lease *lease)
{
    CK_SESSION_HANDLE idle[BULLA_PKCS11_MAX_SESSIONS];
    size_t num_idle = 0;
    bulla_pkcs11_token *token = lease->token;
    bulla_pkcs11_lock();
    if (token->generation == lease->generation && token->era == lease->era) {
        num_idle = token->num_idle;
        memcpy(idle, token->idle, num_idle * sizeof idle[0]);
        token->num_idle = 0;
        token->num_open -= num_idle;
        token->has_slot = false;
        token->limit = 0;
        token->era++;
    }
    bulla_pkcs11_unlock();
    for (size_t i = 0; i < num_idle; i++)
        (void)lease->functions->C_CloseSession(idle[i]);
    if (lease->rv == CKR_CRYPTOKI_NOT_INITIALIZED) bulla_pkcs11_module_forget(token->module);
}

/* --- clients --- */

static void token_free(bulla_pkcs11_token *token)
{
    CK_FUNCTION_LIST *functions = NULL;
    bulla_pkcs11_lock();
    bool has_sessions = token->num_idle != 0 && token->generation == bulla_pkcs11_generation();
    bulla_pkcs11_unlock();
    if (has_sessions && bulla_pkcs11_module_ready(token->module, NULL, &functions) == BULLA_OK)
        for (size_t i = 0; i < token->num_idle; i++)
            (void)functions->C_CloseSession(token->idle[i]);
    bulla_secret_unref(token->refused_pin);
    bulla_free(token->client->env, token);
}

static void client_destroy(bulla_client *base)
{
    bulla_pkcs11_client *client = (bulla_pkcs11_client *)(void *)base;
    while (client->tokens != NULL) {
        bulla_pkcs11_token *token = client->tokens;
        client->tokens = token->next;
        token_free(token);
    }
    bulla_free(client->env, client);
}

bulla_status bulla_pkcs11_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                                     bulla_client **out_client)
{
    void *memory = NULL;
    (void)kms;
    (void)endpoint;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_pkcs11_client), &memory));
    bulla_pkcs11_client *client = memory;
    client->base = (bulla_client){client_destroy, 1};
    client->env = bulla_env_of(call);
    client->config = config;
    *out_client = &client->base;
    return BULLA_OK;
}

/* What finds the token, opens it and logs in. */
static bool is_same_token(const bulla_pkcs11_token *token, const bulla_pkcs11_module *module,
                          const bulla_pkcs11_uri *uri)
{
    const bulla_pkcs11_uri *own = &token->uri;
    return token->module == module && strcmp(own->token, uri->token) == 0 && strcmp(own->serial, uri->serial) == 0 &&
           strcmp(own->manufacturer, uri->manufacturer) == 0 && strcmp(own->model, uri->model) == 0 &&
           own->has_slot == uri->has_slot && own->slot == uri->slot && strcmp(own->pin_source, uri->pin_source) == 0;
}

bulla_status bulla_pkcs11_token_get(bulla_pkcs11_client *client, bulla_call *call, const bulla_pkcs11_uri *uri,
                                    bulla_pkcs11_token **out_token)
{
    bulla_pkcs11_module *module = NULL;
    void *memory = NULL;
    BULLA_TRY(bulla_pkcs11_module_get(call, uri->module, &module));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_pkcs11_token), &memory));
    bulla_pkcs11_token *fresh = memory, *found = NULL;
    fresh->client = client;
    fresh->module = module;
    fresh->uri = *uri;
    bulla_pkcs11_lock();
    for (bulla_pkcs11_token *token = client->tokens; token != NULL && found == NULL; token = token->next)
        if (is_same_token(token, module, uri)) found = token;
    if (found == NULL) {
        fresh->next = client->tokens;
        client->tokens = found = fresh;
    }
    bulla_pkcs11_unlock();
    if (found != fresh) bulla_free(client->env, fresh);
    *out_token = found;
    return BULLA_OK;
}
