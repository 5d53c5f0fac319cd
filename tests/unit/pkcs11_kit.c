/* SPDX-License-Identifier: Apache-2.0 */
#include "pkcs11_kit.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

hsm_state *hsm;

/* --- the module --- */

static void lock(void)
{
    (void)pthread_mutex_lock(&hsm->lock);
}

static void unlock(void)
{
    (void)pthread_cond_broadcast(&hsm->changed);
    (void)pthread_mutex_unlock(&hsm->lock);
}

static void token_set(hsm_token *token, const char *label, const char *serial, bool is_there)
{
    *token = (hsm_token){.is_there = is_there, .pin = "2580"};
    (void)strncat(token->label, label, sizeof token->label - 1);
    (void)strncat(token->serial, serial, sizeof token->serial - 1);
}

/* As new, but for the life it is in. */
static void reset(void)
{
    static const CK_FLAGS both = CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP;
    lock();
    memset(hsm->faults, 0, sizeof hsm->faults);
    memset(hsm->is_held, 0, sizeof hsm->is_held);
    memset(hsm->objects, 0, sizeof hsm->objects);
    memset(hsm->num_calls, 0, sizeof hsm->num_calls);
    hsm->max_sessions = HSM_SESSIONS;
    hsm->gone = CKR_SESSION_HANDLE_INVALID;
    hsm->wrong_tag = CKR_ENCRYPTED_DATA_INVALID;
    hsm->ivs = HSM_IV_GIVEN;
    hsm->flags[0] = CKF_ENCRYPT | CKF_DECRYPT;
    hsm->flags[1] = hsm->flags[2] = hsm->flags[3] = both;
    hsm->makes_twins = false;
    hsm->most_open = hsm->num_misused = 0;
    token_set(&hsm->tokens[0], "prod", "0001", true);
    token_set(&hsm->tokens[1], "prod", "0002", false);
    unlock();
}

hsm_object *hsm_key_add(const char *label, uint8_t id)
{
    hsm_object *object = hsm->objects;
    lock();
    while (object->is_there)
        object++;
    *object = (hsm_object){.is_there = true,
                           .type = CKK_AES,
                           .label_len = strlen(label),
                           .id = {id},
                           .id_len = 1,
                           .value_len = 32,
                           .encrypts = CK_TRUE,
                           .decrypts = CK_TRUE,
                           .is_sensitive = CK_TRUE,
                           .is_private = CK_TRUE,
                           .is_local = CK_TRUE};
    memcpy(object->label, label, object->label_len);
    memset(object->value, (int)(object - hsm->objects) + 1, sizeof object->value);
    unlock();
    return object;
}

size_t hsm_key_count(const char *label)
{
    size_t num = 0;
    lock();
    for (size_t i = 0; i < HSM_OBJECTS; i++) {
        const hsm_object *object = &hsm->objects[i];
        bool is_named = object->label_len == strlen(label) && memcmp(object->label, label, object->label_len) == 0;
        num += object->is_there && is_named ? 1 : 0;
    }
    unlock();
    return num;
}

void hsm_fail(hsm_call call, hsm_fault fault)
{
    HSM_SET(faults[call], fault);
}

size_t hsm_count(hsm_call call)
{
    lock();
    size_t num = hsm->num_calls[call];
    unlock();
    return num;
}

size_t hsm_held(hsm_call call)
{
    lock();
    size_t num = hsm->num_held[call];
    unlock();
    return num;
}

void hsm_hold(hsm_call call)
{
    HSM_SET(is_held[call], true);
}

/* Somebody who never comes ends the test by its timeout. */
void hsm_held_wait(hsm_call call, size_t num)
{
    lock();
    while (hsm->num_held[call] < num)
        (void)pthread_cond_wait(&hsm->changed, &hsm->lock);
    unlock();
}

void hsm_release(hsm_call call)
{
    lock();
    hsm->is_held[call] = false;
    unlock();
}

void hsm_pull(size_t token)
{
    lock();
    hsm->tokens[token].is_there = hsm->tokens[token].is_logged_in = false;
    for (size_t i = 0; i < HSM_SESSIONS; i++) {
        hsm_session *session = &hsm->sessions[i];
        if (session->handle == 0 || session->token != token) continue;
        memset(session, 0, sizeof *session);
        hsm->num_open--;
    }
    for (size_t i = 0; i < HSM_OBJECTS; i++)
        if (hsm->objects[i].session != 0 && hsm->objects[i].token == token) hsm->objects[i].is_there = false;
    unlock();
}

void hsm_put_back(size_t token, bool is_seen)
{
    lock();
    hsm->tokens[token].is_there = is_seen;
    hsm->tokens[token].waits_for_init = !is_seen;
    hsm->shift++;
    unlock();
}

/* --- the key store --- */

static void *symbol_of(void *library, const char *name)
{
    void *symbol = library == NULL ? NULL : dlsym(library, name);
    if (symbol == NULL) fail_msg("%s", dlerror());
    return symbol;
}

void hsm_close_all(void)
{
    CK_C_GetFunctionList get = NULL;
    CK_FUNCTION_LIST *functions = NULL;
    void *library = dlopen(FAKE_HSM, RTLD_NOW | RTLD_LOCAL), *symbol = symbol_of(library, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof symbol);
    assert_int_equal(get(&functions), CKR_OK);
    (void)functions->C_Finalize(NULL);
    (void)dlclose(library);
}

static int64_t real_ticks_ns(void *arg)
{
    (void)arg;
    return bulla_env_default()->ticks_ns(bulla_env_default()->arg);
}

void pkcs11_kit_pin_set(pkcs11_kit *kit, const char *pin)
{
    bulla_secret_unref(kit->config.pin);
    kit->config.pin = NULL;
    if (pin != NULL) assert_ok(bulla_secret_copy(&kit->call, bulla_view_text(pin), &kit->config.pin));
}

int pkcs11_kit_setup(void **state)
{
    pkcs11_kit *kit = calloc(1, sizeof *kit);
    const bulla_pair pair = {bulla_view_text("tenant"), bulla_view_text("acme")};
    assert_non_null(kit);
    *state = kit;
    if (hsm == NULL) hsm = symbol_of(dlopen(FAKE_HSM, RTLD_NOW | RTLD_LOCAL), "fake_hsm_state");
    reset();
    (void)hsm_key_add("decoy", 1);
    (void)hsm_key_add("app", 1);
    fake_env_init(&kit->fake);
    kit->real = kit->fake.env;
    kit->real.ticks_ns = real_ticks_ns;
    kit->real.sleep_ns = NULL;
    bulla_call_init(&kit->call, &kit->fake.env);
    kit->config =
        (bulla_kms_config){.size = sizeof kit->config, .name = "hsm", .provider = "pkcs11", .module = FAKE_HSM};
    pkcs11_kit_pin_set(kit, "2580");
    assert_ok(bulla_context_new(&kit->call, &pair, 1, &kit->context));
    assert_ok(bulla_secret_random(&kit->call, 32, &kit->dek));
    return 0;
}

int pkcs11_kit_teardown(void **state)
{
    pkcs11_kit *kit = *state;
    bulla_provider_unref(kit->key);
    bulla_kms_free(kit->kms);
    bulla_wrapped_free(kit->wrapped);
    bulla_context_unref(kit->context);
    bulla_secret_unref(kit->dek);
    bulla_secret_unref(kit->config.pin);
    lock();
    size_t num_left = hsm->num_open + kit->fake.num_live;
    unlock();
    free(kit);
    return num_left != 0;
}

bulla_status pkcs11_kit_open_at(pkcs11_kit *kit, const char *address, bulla_provider **out_provider)
{
    if (kit->kms == NULL) assert_ok(bulla_kms_new(&kit->call, &kit->config, 1, NULL, &kit->kms));
    return bulla_pkcs11_backend.open(kit->kms, &kit->call, bulla_kms_at(kit->kms, 0), address, 0, out_provider);
}

void pkcs11_kit_open(pkcs11_kit *kit)
{
    assert_ok(pkcs11_kit_open_at(kit, PKCS11_KEY, &kit->key));
}

void pkcs11_kit_call(pkcs11_kit *kit, bulla_call *call, uint32_t deadline_ms)
{
    bulla_call_init(call, &kit->real);
    bulla_call_deadline_set(call, deadline_ms);
}

bulla_status pkcs11_kit_wrap(pkcs11_kit *kit)
{
    bulla_wrapped *fresh = NULL;
    BULLA_TRY(bulla_provider_wrap(kit->key, &kit->call, kit->context, kit->dek, &fresh));
    bulla_wrapped_free(kit->wrapped);
    kit->wrapped = fresh;
    return BULLA_OK;
}

bulla_status pkcs11_kit_unwrap(pkcs11_kit *kit)
{
    BULLA_AUTO(bulla_secret) *back = NULL;
    BULLA_TRY(bulla_provider_unwrap(kit->key, &kit->call, kit->context, kit->wrapped, &back));
    assert_true(bulla_view_equal(bulla_secret_borrow(back), bulla_secret_borrow(kit->dek)));
    return BULLA_OK;
}

bulla_status pkcs11_both_ways(bulla_provider *key, bulla_call *call)
{
    BULLA_AUTO(bulla_secret) *dek = NULL, *back = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    BULLA_TRY(bulla_provider_datakey(key, call, NULL, 32, &dek, &wrapped));
    BULLA_TRY(bulla_provider_unwrap(key, call, NULL, wrapped, &back));
    return bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(back)) ? BULLA_OK : BULLA_EINTERNAL;
}

void pkcs11_threads_run(void *(*run)(void *arg), void *arg)
{
    pthread_t threads[PKCS11_THREADS];
    for (size_t i = 0; i < PKCS11_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, arg), 0);
    for (size_t i = 0; i < PKCS11_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

void assert_why(const bulla_call *call, const char *part)
{
    if (strstr(call->why, part) == NULL) fail_msg("\"%s\" is not in \"%s\"", part, call->why);
}
