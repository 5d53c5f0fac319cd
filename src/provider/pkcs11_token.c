/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token: its slot and its sessions. A module runs as many requests at a time as there are sessions, and a request has
 * one to itself.
 *
 * An era ends when token, session or login turn out to be lost. What belongs to an older one (slot, sessions, handles
 * of objects) is not used again.
 */
#include "provider/pkcs11_token.h"
#include "base/bytes.h"
#include "base/mem.h"

#define DEFAULT_SESSIONS 8u
#define DEFAULT_IDLE_MS 60000u
#define MAX_SLOTS 256u
#define LIMIT_NS (INT64_C(10) * 1000000000) /* how long the token is believed that it has no further session */

const char *bulla_pkcs11_store(const bulla_pkcs11_token *token)
{
    return token->client->config->name;
}

const char *bulla_pkcs11_token_label(const bulla_pkcs11_token *token)
{
    return token->uri.token[0] != '\0' ? token->uri.token : token->uri.serial[0] != '\0' ? token->uri.serial : "?";
}

bulla_status bulla_pkcs11_fail(bulla_pkcs11_lease *lease, bulla_call *call, const char *verb, CK_RV rv)
{
    char name[32];
    bulla_status status = bulla_pkcs11_status(rv);
    lease->rv = rv;
    status =
        bulla_fail(call, status, "key store \"%s\": token \"%.32s\" cannot %s: %s", bulla_pkcs11_store(lease->token),
                   bulla_pkcs11_token_label(lease->token), verb, bulla_pkcs11_name(rv, name));
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
                          bulla_pkcs11_store(token), num_found, bulla_pkcs11_token_label(token));
    return bulla_fail(call, BULLA_EUNAVAIL, "key store \"%s\": no token \"%.32s\" is there; %zu slots have others",
                      bulla_pkcs11_store(token), bulla_pkcs11_token_label(token), num_slots);
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

/* --- sessions --- */

/* With the module's life all of its sessions have ended; a forked child has none of its parent's, and may not even
 * close them. Their numbers are given out again. */
static void life_check(bulla_pkcs11_token *token, const bulla_pkcs11_lease *lease)
{
    if (token->life == lease->life) return;
    token->life = lease->life;
    token->num_idle = token->num_open = token->limit = 0;
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
    life_check(token, lease);
    *out_surplus = 0;
    lease->era = token->era;
    lease->generation = bulla_pkcs11_generation();
    lease->slot = token->slot;
    memcpy(lease->serial, token->serial, sizeof lease->serial);
    lease->session = 0;
    if (!lease->is_rw && token->num_idle != 0) {
        lease->session = token->idle[--token->num_idle].session;
        return true;
    }
    if (token->num_open < limit_now(token)) {
        token->num_open++;
        return true;
    }
    if (token->num_idle == 0) return false;
    *out_surplus = token->idle[--token->num_idle].session; /* makes room for one that may write */
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
    bulla_status status = bulla_pkcs11_log_in(lease, call);
    if (status != BULLA_OK) (void)lease->functions->C_CloseSession(lease->session);
    return status;
}

/* After a session could not be opened. The token may serve fewer than we may have: then those are shared. */
static bool may_share(bulla_pkcs11_lease *lease)
{
    bulla_pkcs11_token *token = lease->token;
    const bulla_env *env = token->client->env;
    bulla_pkcs11_lock();
    token->num_open--;
    bool is_full = lease->rv == CKR_SESSION_COUNT && token->num_open != 0;
    if (is_full) {
        token->limit = token->num_open;
        token->limit_until_ns = env->ticks_ns(env->arg) + LIMIT_NS;
    }
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
    return is_full;
}

static bulla_status session_wait(bulla_pkcs11_lease *lease, bulla_call *call, CK_SESSION_HANDLE *out_surplus)
{
    bulla_status status = BULLA_OK;
    bulla_pkcs11_lock();
    while (!session_take(lease->token, lease, out_surplus)) {
        status = bulla_call_check(call);
        if (status != BULLA_OK) break;
        bulla_pkcs11_doze(INT64_C(1000000000));
    }
    bulla_pkcs11_unlock();
    return status;
}

/* With the lock held. Those at the bottom lie there the longest. They count as open until they are closed. */
static size_t overdue_take(bulla_pkcs11_token *token, CK_SESSION_HANDLE out[BULLA_PKCS11_MAX_SESSIONS])
{
    const bulla_env *env = token->client->env;
    const uint32_t given_ms = token->client->config->pool.idle_timeout_ms;
    int64_t since_ns =
        env->ticks_ns(env->arg) - (int64_t)(given_ms == 0 ? DEFAULT_IDLE_MS : given_ms) * INT64_C(1000000);
    size_t num = 0;
    while (num < token->num_idle && token->idle[num].since_ns <= since_ns) {
        out[num] = token->idle[num].session;
        num++;
    }
    token->num_idle -= num;
    memmove(token->idle, token->idle + num, token->num_idle * sizeof token->idle[0]);
    return num;
}

/* By a request that has a session: with the last one of the token its login would end. */
static void overdue_close(const bulla_pkcs11_lease *lease)
{
    CK_SESSION_HANDLE overdue[BULLA_PKCS11_MAX_SESSIONS];
    bulla_pkcs11_token *token = lease->token;
    bulla_pkcs11_lock();
    size_t num = overdue_take(token, overdue);
    bulla_pkcs11_unlock();
    if (num == 0) return;
    for (size_t i = 0; i < num; i++)
        (void)lease->functions->C_CloseSession(overdue[i]);
    bulla_pkcs11_lock(); /* only now there is room for others */
    token->num_open -= num;
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
}

static bulla_status acquire_inside(bulla_pkcs11_lease *lease, bulla_call *call)
{
    CK_SESSION_HANDLE surplus = 0;
    for (;;) {
        BULLA_TRY(bulla_call_check(call));
        BULLA_TRY(session_wait(lease, call, &surplus));
        if (surplus != 0) (void)lease->functions->C_CloseSession(surplus);
        lease->rv = CKR_OK;
        bulla_status status = lease->session != 0 ? BULLA_OK : session_open(lease, call);
        if (status == BULLA_OK) break;
        if (!may_share(lease)) return status;
    }
    overdue_close(lease);
    return BULLA_OK;
}

/* Whoever is to enter waits in module_ready while the module restarts. */
static bulla_status enter_and_acquire(bulla_pkcs11_lease *lease, bulla_call *call)
{
    bulla_pkcs11_module *module = lease->token->module;
    lease->rv = CKR_OK;
    do {
        BULLA_TRY(bulla_call_check(call));
        BULLA_TRY(bulla_pkcs11_module_ready(module, call));
        lease->functions = bulla_pkcs11_module_enter(module, &lease->life);
    } while (lease->functions == NULL);
    bulla_status status = acquire_inside(lease, call);
    if (status == BULLA_OK) return BULLA_OK;
    if (bulla_pkcs11_is_loss(lease->rv)) bulla_pkcs11_lost(lease);
    bulla_pkcs11_module_leave(module, NULL, 0);
    return status;
}

bulla_status bulla_pkcs11_acquire(bulla_pkcs11_token *token, bulla_call *call, bool is_rw,
                                  bulla_pkcs11_lease *out_lease)
{
    *out_lease = (bulla_pkcs11_lease){.token = token, .is_rw = is_rw};
    bulla_status status = enter_and_acquire(out_lease, call);
    if (status != BULLA_EUNAVAIL) return status;
    if (bulla_pkcs11_module_restart(token->module, token->serial, call)) return enter_and_acquire(out_lease, call);
    BULLA_TRY(bulla_call_check(call));
    return status;
}

/* With the lock held. Of an older life, or of the process that this one was forked from: its number may be another's.
 */
static bool is_own(const bulla_pkcs11_lease *lease)
{
    return lease->life == lease->token->life && lease->generation == bulla_pkcs11_generation();
}

void bulla_pkcs11_give_back(bulla_pkcs11_lease *lease, bool failed)
{
    bulla_pkcs11_token *token = lease->token;
    const bulla_env *env = token->client->env;
    int64_t now_ns = env->ticks_ns(env->arg);
    bulla_pkcs11_lock();
    bool has_it = is_own(lease), is_kept = has_it && !failed && !lease->is_rw && lease->era == token->era;
    if (is_kept) token->idle[token->num_idle++] = (bulla_pkcs11_idle){lease->session, now_ns};
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
    if (has_it && !is_kept) {
        (void)lease->functions->C_CloseSession(lease->session);
        bulla_pkcs11_lock(); /* only now there is room for another */
        token->num_open--;
        bulla_pkcs11_wake();
        bulla_pkcs11_unlock();
    }
    bulla_pkcs11_module_leave(token->module, failed ? NULL : lease, now_ns);
}

void bulla_pkcs11_lost(const bulla_pkcs11_lease *lease)
{
    bulla_pkcs11_idle idle[BULLA_PKCS11_MAX_SESSIONS];
    size_t num_idle = 0;
    bulla_pkcs11_token *token = lease->token;
    bulla_pkcs11_lock();
    if (is_own(lease) && token->era == lease->era) {
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
        (void)lease->functions->C_CloseSession(idle[i].session);
    if (lease->rv == CKR_CRYPTOKI_NOT_INITIALIZED) bulla_pkcs11_module_forget(token->module);
}

/* --- clients --- */

static void token_free(bulla_pkcs11_token *token)
{
    size_t life = 0;
    const CK_FUNCTION_LIST *functions = bulla_pkcs11_module_enter(token->module, &life);
    for (size_t i = 0; functions != NULL && life == token->life && i < token->num_idle; i++)
        (void)functions->C_CloseSession(token->idle[i].session);
    if (functions != NULL) bulla_pkcs11_module_leave(token->module, NULL, 0);
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
