/* SPDX-License-Identifier: Apache-2.0 */
/* The vault: back end against a real OpenBao, with nothing around it, beyond what the contract asks of all. */
#include "base/bytes.h"
#include "base/context.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "provider/backends.h"
#include "provider/provider.h"
#include "stores/control.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A key store as one client sees it. */
typedef struct store {
    bulla_call call;
    bulla_kms_config config;
    bulla_metrics *metrics; /* NULL unless the test makes it before it opens */
    bulla_kms *kms;
    bulla_provider *key;
    bulla_secret *token;
    bulla_context *context;
    bulla_wrapped *wrapped; /* what was wrapped last */
} store;

static bulla_env env;

static const char *look_up(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

/* By default over plain HTTP with the token that may do everything to keys. */
static void store_init(store *s, const char *token)
{
    const bulla_pair pair = {bulla_view_text("tenant"), bulla_view_text("acme")};
    memset(s, 0, sizeof *s);
    env = *bulla_env_default();
    env.lookup = look_up;
    bulla_call_init(&s->call, &env);
    bulla_call_deadline_set(&s->call, 60000);
    assert_int_equal(bulla_context_new(&s->call, &pair, 1, &s->context), BULLA_OK);
    if (token != NULL) assert_int_equal(bulla_secret_copy(&s->call, bulla_view_text(token), &s->token), BULLA_OK);
    s->config = (bulla_kms_config){.size = sizeof s->config,
                                   .name = "main",
                                   .provider = "vault",
                                   .address = fact("OPENBAO_ADDR"),
                                   .token = s->token,
                                   .timeout_ms = 5000};
}

static void store_open(store *s, const char *mount, const char *name)
{
    const bulla_kms_config *config = NULL;
    char address[256];
    (void)snprintf(address, sizeof address, "vault:%s/keys/%s", mount, name);
    assert_int_equal(bulla_kms_new(&s->call, &s->config, 1, s->metrics, &s->kms), BULLA_OK);
    assert_int_equal(bulla_kms_find(s->kms, &s->call, "vault", NULL, &config), BULLA_OK);
    bulla_status status = bulla_vault_backend.open(s->kms, &s->call, config, address, 0, &s->key);
    if (status != BULLA_OK) fail_msg("%s", s->call.why);
}

static void store_done(store *s)
{
    bulla_wrapped_free(s->wrapped);
    bulla_provider_unref(s->key);
    bulla_kms_free(s->kms);
    bulla_metrics_unref(s->metrics);
    bulla_secret_unref(s->token);
    bulla_context_unref(s->context);
}

static bulla_status wrap(store *s)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bulla_wrapped_free(s->wrapped);
    s->wrapped = NULL;
    return bulla_provider_datakey(s->key, &s->call, s->context, 32, &dek, &s->wrapped);
}

static bulla_status unwrap(store *s, bulla_context *context)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    return bulla_provider_unwrap(s->key, &s->call, context, s->wrapped, &dek);
}

static void assert_is(const store *s, bulla_status status, bulla_status expected)
{
    if (status != expected)
        fail_msg("%s instead of %s: %s", bulla_status_name(status), bulla_status_name(expected), s->call.why);
}

static void assert_why(const store *s, const char *part)
{
    if (strstr(s->call.why, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", s->call.why, part);
}

/* A new key, by the administrator. */
static void key_make(const char *name)
{
    control("openbao request POST transit/keys/%s {\"type\":\"aes256-gcm96\"}", name);
}

static void test_the_policy_of_the_guide_is_enough_and_no_more(void **state)
{
    (void)state;
    store s;
    bulla_key_info info;
    uint32_t version = 0;
    store_init(&s, fact("OPENBAO_USE_TOKEN"));
    store_open(&s, "transit", "bulla");
    assert_is(&s, wrap(&s), BULLA_OK);
    assert_is(&s, unwrap(&s, s.context), BULLA_OK);
    assert_is(&s, bulla_provider_describe(s.key, &s.call, &info), BULLA_OK);
    assert_int_equal(info.type, BULLA_KEY_AES256_GCM);
    assert_is(&s, bulla_provider_check(s.key, &s.call), BULLA_OK);
    assert_is(&s, bulla_provider_rotate(s.key, &s.call, &version), BULLA_EAUTHZ);
    store_done(&s);
    store_init(&s, fact("OPENBAO_USE_TOKEN"));
    store_open(&s, "transit", "forbidden");
    assert_is(&s, wrap(&s), BULLA_EAUTHZ);
    store_done(&s);
}

/* Transit makes a missing key when somebody who may create it encrypts. */
static void test_root_makes_no_key_by_wrapping(void **state)
{
    (void)state;
    store s;
    bulla_key_info info;
    store_init(&s, fact("OPENBAO_ROOT_TOKEN"));
    store_open(&s, "transit", "bulla-missing");
    assert_is(&s, wrap(&s), BULLA_ENOKEY);
    assert_is(&s, bulla_provider_describe(s.key, &s.call, &info), BULLA_ENOKEY);
    store_done(&s);
}

static void test_a_mount_that_is_none_is_a_mistake_in_the_configuration(void **state)
{
    (void)state;
    store s;
    store_init(&s, fact("OPENBAO_ROOT_TOKEN"));
    store_open(&s, "nowhere", "bulla");
    assert_is(&s, wrap(&s), BULLA_ECONFIG);
    store_done(&s);
}

static void test_versions_go_as_the_store_says(void **state)
{
    (void)state;
    store s;
    uint32_t version = 0;
    BULLA_AUTO(bulla_wrapped) *again = NULL;
    key_make("bulla-versions");
    store_init(&s, fact("OPENBAO_TOKEN"));
    store_open(&s, "transit", "bulla-versions");
    assert_is(&s, wrap(&s), BULLA_OK);
    assert_is(&s, bulla_provider_rotate(s.key, &s.call, &version), BULLA_OK);
    assert_int_equal(version, 2);
    assert_is(&s, bulla_provider_rewrap(s.key, &s.call, s.context, s.wrapped, &again), BULLA_OK);
    assert_memory_equal(again->blob.data, "vault:v2:", 9);
    control("openbao request POST transit/keys/bulla-versions/config {\"min_decryption_version\":2}");
    assert_is(&s, unwrap(&s, s.context), BULLA_ESTATE);
    assert_why(&s, "min_decryption_version");
    bulla_wrapped_free(s.wrapped);
    s.wrapped = BULLA_TAKE(again);
    assert_is(&s, unwrap(&s, s.context), BULLA_OK);
    assert_is(&s, unwrap(&s, NULL), BULLA_EINTEGRITY);
    store_done(&s);
}

static void test_without_context_the_store_rewraps(void **state)
{
    (void)state;
    store s;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *again = NULL;
    uint32_t version = 0;
    key_make("bulla-bare");
    store_init(&s, fact("OPENBAO_TOKEN"));
    store_open(&s, "transit", "bulla-bare");
    assert_is(&s, bulla_provider_datakey(s.key, &s.call, NULL, 32, &dek, &s.wrapped), BULLA_OK);
    assert_is(&s, bulla_provider_rotate(s.key, &s.call, &version), BULLA_OK);
    assert_is(&s, bulla_provider_rewrap(s.key, &s.call, NULL, s.wrapped, &again), BULLA_OK);
    assert_memory_equal(again->blob.data, "vault:v2:", 9);
    bulla_wrapped_free(s.wrapped);
    s.wrapped = BULLA_TAKE(again);
    assert_is(&s, unwrap(&s, NULL), BULLA_OK);
    assert_is(&s, unwrap(&s, s.context), BULLA_EINTEGRITY);
    store_done(&s);
}

static void test_a_key_deleted_softly_is_told_from_a_missing_one(void **state)
{
    (void)state;
    store s;
    bulla_key_info info;
    key_make("bulla-soft");
    store_init(&s, fact("OPENBAO_TOKEN"));
    store_open(&s, "transit", "bulla-soft");
    assert_is(&s, wrap(&s), BULLA_OK);
    control("openbao request DELETE transit/keys/bulla-soft/soft-delete");
    assert_is(&s, unwrap(&s, s.context), BULLA_ESTATE);
    assert_is(&s, bulla_provider_describe(s.key, &s.call, &info), BULLA_OK);
    assert_int_equal(info.state, BULLA_KEY_DISABLED);
    store_done(&s);
}

static void test_keys_that_bind_no_context_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"bulla-rsa", "bulla-derived"};
    for (size_t i = 0; i < BULLA_LEN(names); i++) {
        store s;
        store_init(&s, fact("OPENBAO_TOKEN"));
        store_open(&s, "transit", names[i]);
        assert_is(&s, wrap(&s), BULLA_EUNSUPPORTED);
        store_done(&s);
    }
}

static void test_namespaces_and_other_mounts_have_their_own_keys(void **state)
{
    (void)state;
    store s, other;
    store_init(&s, fact("OPENBAO_NAMESPACE_TOKEN"));
    s.config.namespace_ = fact("OPENBAO_NAMESPACE");
    store_open(&s, "transit", "bulla");
    assert_is(&s, wrap(&s), BULLA_OK);
    assert_is(&s, unwrap(&s, s.context), BULLA_OK);
    assert_true(bulla_view_is(s.wrapped->info, "team-b/transit/keys/bulla"));
    store_init(&other, fact("OPENBAO_USE_TOKEN"));
    store_open(&other, fact("OPENBAO_OTHER_MOUNT"), "bulla");
    assert_is(&other, wrap(&other), BULLA_OK);
    assert_is(&other, unwrap(&other, other.context), BULLA_OK);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    assert_is(&other, bulla_provider_unwrap(other.key, &other.call, s.context, s.wrapped, &dek), BULLA_ENOKEY);
    store_done(&other);
    store_done(&s);
}

static bulla_status count_key(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    (void)call;
    if (strcmp(info->name, "bulla") == 0 && strcmp(address, "vault:transit/keys/bulla") == 0) ++*(unsigned *)arg;
    return BULLA_OK;
}

static void test_the_list_has_the_key(void **state)
{
    (void)state;
    store s;
    unsigned num = 0;
    store_init(&s, fact("OPENBAO_TOKEN"));
    store_open(&s, "transit", "bulla");
    assert_is(&s, bulla_provider_list(s.key, &s.call, count_key, &num), BULLA_OK);
    assert_int_equal(num, 1);
    store_done(&s);
}

static void test_a_key_is_made_once(void **state)
{
    (void)state;
    store s;
    bulla_key_info info;
    store_init(&s, fact("OPENBAO_TOKEN"));
    store_open(&s, "transit", "bulla-made");
    assert_is(&s, bulla_provider_create(s.key, &s.call), BULLA_OK);
    assert_is(&s, bulla_provider_describe(s.key, &s.call, &info), BULLA_OK);
    assert_int_equal(info.type, BULLA_KEY_AES256_GCM);
    assert_is(&s, wrap(&s), BULLA_OK);
    assert_is(&s, bulla_provider_create(s.key, &s.call), BULLA_EEXISTS);
    assert_is(&s, unwrap(&s, s.context), BULLA_OK);
    store_done(&s);
    store_init(&s, fact("OPENBAO_USE_TOKEN"));
    store_open(&s, "transit", "bulla-forbidden");
    assert_is(&s, bulla_provider_create(s.key, &s.call), BULLA_EAUTHZ);
    store_done(&s);
}

/* --- many at once --- */

#define NUM_KEYS 200u
#define NUM_THREADS 32u
#define STRANGE 77u /* asked for with another context */

typedef struct start_up {
    store *s;
    bulla_secret *deks[NUM_KEYS];
    bulla_wrapped *wrapped[NUM_KEYS];
    bulla_status statuses[NUM_KEYS];
    size_t next;
} start_up;

static void *open_next(void *arg)
{
    start_up *all = arg;
    bulla_call call;
    bulla_call_init(&call, &env);
    bulla_call_deadline_set(&call, 60000);
    for (size_t i = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED); i < NUM_KEYS;
         i = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED)) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        bulla_context *context = i == STRANGE ? NULL : all->s->context;
        all->statuses[i] = bulla_provider_unwrap(all->s->key, &call, context, all->wrapped[i], &dek);
        bool is_same = bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(all->deks[i]));
        if (all->statuses[i] == BULLA_OK && !is_same) all->statuses[i] = BULLA_ECONTRACT;
    }
    return NULL;
}

static void test_many_at_once_are_few_requests_and_each_has_its_own_key(void **state)
{
    (void)state;
    static start_up all;
    pthread_t threads[NUM_THREADS];
    store s;
    store_init(&s, fact("OPENBAO_USE_TOKEN"));
    assert_int_equal(bulla_metrics_new(&s.call, &s.metrics), BULLA_OK);
    store_open(&s, "transit", "bulla");
    all = (start_up){.s = &s};
    for (size_t i = 0; i < NUM_KEYS; i++)
        assert_is(&s, bulla_provider_datakey(s.key, &s.call, s.context, 32, &all.deks[i], &all.wrapped[i]), BULLA_OK);
    for (size_t i = 0; i < NUM_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_next, &all), 0);
    for (size_t i = 0; i < NUM_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < NUM_KEYS; i++) {
        assert_string_equal(bulla_status_name(all.statuses[i]), i == STRANGE ? "EINTEGRITY" : "OK");
        bulla_secret_unref(all.deks[i]);
        bulla_wrapped_free(all.wrapped[i]);
    }
    uint64_t batched =
        bulla_metric_value(bulla_metrics_counter(s.metrics, "bulla_kms_unwraps_batched_total", "store=\"main\"", ""));
    print_message("%u of %u by requests for several\n", (unsigned)batched, NUM_KEYS);
    assert_true(batched > 0);
    store_done(&s);
}

/* --- TLS --- */

static bulla_status wrap_over_tls(const char *address, bulla_tls_options tls)
{
    store s;
    store_init(&s, fact("OPENBAO_TOKEN"));
    s.config.address = fact(address);
    s.config.tls = tls;
    store_open(&s, "transit", "bulla");
    bulla_status status = wrap(&s);
    store_done(&s);
    return status;
}

static void test_only_the_right_server_is_spoken_to(void **state)
{
    (void)state;
    const bulla_tls_options good = {.ca_cert = fact("OPENBAO_CA")}, other = {.ca_cert = fact("OPENBAO_OTHER_CA")};
    static const char *const bad[] = {"OPENBAO_EXPIRED_ADDR", "OPENBAO_EARLY_ADDR", "OPENBAO_WRONG_HOST_ADDR",
                                      "OPENBAO_SELF_SIGNED_ADDR"};
    assert_int_equal(wrap_over_tls("OPENBAO_TLS_ADDR", good), BULLA_OK);
    assert_int_equal(wrap_over_tls("OPENBAO_TLS_ADDR", other), BULLA_EUNTRUSTED);
    assert_int_equal(wrap_over_tls("OPENBAO_TLS_ADDR", (bulla_tls_options){.ca_cert = NULL}), BULLA_EUNTRUSTED);
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        assert_int_equal(wrap_over_tls(bad[i], good), BULLA_EUNTRUSTED);
}

static void test_versions_and_client_certificates_are_as_wanted(void **state)
{
    (void)state;
    const char *ca = fact("OPENBAO_CA");
    const bulla_tls_options newest = {.ca_cert = ca, .min_version = "1.3"}, usual = {.ca_cert = ca};
    const bulla_tls_options own = {
        .ca_cert = ca, .client_cert = fact("OPENBAO_CLIENT_CERT"), .client_key = fact("OPENBAO_CLIENT_KEY")};
    const bulla_tls_options strange = {.ca_cert = ca,
                                       .client_cert = fact("OPENBAO_OTHER_CLIENT_CERT"),
                                       .client_key = fact("OPENBAO_OTHER_CLIENT_KEY")};
    assert_int_equal(wrap_over_tls("OPENBAO_TLS12_ADDR", usual), BULLA_OK);
    assert_int_equal(wrap_over_tls("OPENBAO_TLS12_ADDR", newest), BULLA_EUNAVAIL);
    assert_int_equal(wrap_over_tls("OPENBAO_MTLS_ADDR", own), BULLA_OK);
    assert_int_equal(wrap_over_tls("OPENBAO_MTLS_ADDR", usual), BULLA_EUNAVAIL);
    assert_int_equal(wrap_over_tls("OPENBAO_MTLS_ADDR", strange), BULLA_EUNAVAIL);
}

/* --- bad days --- */

static void store_init_approle(store *s, const char *role_id, const char *secret_id)
{
    store_init(s, NULL);
    assert_int_equal(bulla_secret_copy(&s->call, bulla_view_text(fact(secret_id)), &s->token), BULLA_OK);
    s->config.role_id = fact(role_id);
    s->config.secret_id = s->token;
}

static void test_a_sealed_store_says_so_and_comes_back(void **state)
{
    (void)state;
    store s;
    store_init_approle(&s, "OPENBAO_ROLE_ID", "OPENBAO_SECRET_ID");
    store_open(&s, "transit", "bulla");
    assert_is(&s, wrap(&s), BULLA_OK);
    control("openbao seal");
    assert_is(&s, unwrap(&s, s.context), BULLA_EUNAVAIL);
    assert_why(&s, "sealed");
    assert_is(&s, bulla_provider_check(s.key, &s.call), BULLA_EUNAVAIL);
    assert_why(&s, "sealed");
    control("openbao unseal");
    for (unsigned i = 0; i < 100 && bulla_provider_check(s.key, &s.call) != BULLA_OK; i++)
        (void)usleep(50000);
    assert_is(&s, unwrap(&s, s.context), BULLA_OK);
    store_done(&s);
}

typedef struct crowd {
    store *s;
    int is_over; /* atomic */
    unsigned num_ok, num_down, num_wrong;
} crowd;

/* Unwraps until it is over; only "no answer" is a good excuse. */
static void *unwrap_on(void *arg)
{
    crowd *all = arg;
    bulla_call call;
    bulla_call_init(&call, &env);
    while (__atomic_load_n(&all->is_over, __ATOMIC_RELAXED) == 0) {
        bulla_secret *dek = NULL;
        bulla_call_deadline_set(&call, 10000);
        bulla_status status = bulla_provider_unwrap(all->s->key, &call, all->s->context, all->s->wrapped, &dek);
        bulla_secret_unref(dek);
        unsigned *num = status == BULLA_OK ? &all->num_ok : status == BULLA_EUNAVAIL ? &all->num_down : &all->num_wrong;
        if (__atomic_fetch_add(num, 1, __ATOMIC_RELAXED) == 0 && num == &all->num_wrong)
            print_message("%s: %s\n", bulla_status_name(status), call.why);
        if (status != BULLA_OK) (void)usleep(10000);
    }
    return NULL;
}

/* What four threads meet that unwrap all the time, logged in by AppRole. */
static crowd crowd_run(const char *role_id, const char *secret_id, void (*meanwhile)(void))
{
    store s;
    pthread_t threads[4];
    store_init_approle(&s, role_id, secret_id);
    store_open(&s, "transit", "bulla");
    assert_is(&s, wrap(&s), BULLA_OK);
    crowd all = {.s = &s};
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, unwrap_on, &all), 0);
    meanwhile();
    __atomic_store_n(&all.is_over, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(all.num_wrong, 0);
    assert_is(&s, unwrap(&s, s.context), BULLA_OK);
    store_done(&s);
    all.s = NULL;
    return all;
}

static void restart_twice(void)
{
    for (unsigned i = 0; i < 2; i++) {
        (void)usleep(300000);
        control("openbao restart");
    }
    (void)usleep(300000);
}

static void test_a_restart_is_nothing_but_an_outage(void **state)
{
    (void)state;
    crowd all = crowd_run("OPENBAO_ROLE_ID", "OPENBAO_SECRET_ID", restart_twice);
    assert_true(all.num_ok > 10 && all.num_down > 0);
}

static void wait_14_s(void)
{
    (void)usleep(14 * 1000000);
}

/* Leases of 4 seconds that can be renewed up to 12. */
static void test_brief_leases_are_never_noticed(void **state)
{
    (void)state;
    crowd all = crowd_run("OPENBAO_BRIEF_ROLE_ID", "OPENBAO_BRIEF_SECRET_ID", wait_14_s);
    assert_int_equal(all.num_down, 0);
    assert_true(all.num_ok > 100);
}

static void revoke_all(void)
{
    for (unsigned i = 0; i < 3; i++) {
        (void)usleep(200000);
        control("openbao request PUT sys/leases/revoke-prefix/auth/approle/login");
    }
    (void)usleep(200000);
}

static void test_tokens_that_are_taken_back_are_replaced(void **state)
{
    (void)state;
    crowd all = crowd_run("OPENBAO_ROLE_ID", "OPENBAO_SECRET_ID", revoke_all);
    assert_int_equal(all.num_down, 0);
    assert_true(all.num_ok > 20);
}

static void test_a_limit_on_the_rate_is_told(void **state)
{
    (void)state;
    store s;
    store_init(&s, fact("OPENBAO_TOKEN"));
    store_open(&s, "transit", "bulla");
    assert_is(&s, wrap(&s), BULLA_OK);
    control("openbao rate_limit 1");
    bulla_status status = BULLA_OK;
    for (unsigned i = 0; i < 10 && status == BULLA_OK; i++)
        status = unwrap(&s, s.context);
    control("openbao rate_limit 0");
    assert_is(&s, status, BULLA_ETHROTTLED);
    assert_is(&s, unwrap(&s, s.context), BULLA_OK);
    store_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_policy_of_the_guide_is_enough_and_no_more),
        cmocka_unit_test(test_root_makes_no_key_by_wrapping),
        cmocka_unit_test(test_a_mount_that_is_none_is_a_mistake_in_the_configuration),
        cmocka_unit_test(test_versions_go_as_the_store_says),
        cmocka_unit_test(test_without_context_the_store_rewraps),
        cmocka_unit_test(test_a_key_deleted_softly_is_told_from_a_missing_one),
        cmocka_unit_test(test_keys_that_bind_no_context_are_refused),
        cmocka_unit_test(test_namespaces_and_other_mounts_have_their_own_keys),
        cmocka_unit_test(test_the_list_has_the_key),
        cmocka_unit_test(test_a_key_is_made_once),
        cmocka_unit_test(test_many_at_once_are_few_requests_and_each_has_its_own_key),
        cmocka_unit_test(test_only_the_right_server_is_spoken_to),
        cmocka_unit_test(test_versions_and_client_certificates_are_as_wanted),
        cmocka_unit_test(test_a_sealed_store_says_so_and_comes_back),
        cmocka_unit_test(test_a_restart_is_nothing_but_an_outage),
        cmocka_unit_test(test_brief_leases_are_never_noticed),
        cmocka_unit_test(test_tokens_that_are_taken_back_are_replaced),
        cmocka_unit_test(test_a_limit_on_the_rate_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
