/* SPDX-License-Identifier: Apache-2.0 */
/* A real token through its bad days; tests/servers/run.py softhsm starts it. */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "provider/backends.h"
#include "provider/provider.h"
#include "stores/control.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Asked by ThreadSanitizer: SoftHSM's own threads are its own affair (it writes its log's dates with gmtime). */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libsofthsm2.so\n";
}

typedef struct token_kit {
    bulla_call call;
    bulla_kms *kms;
    bulla_provider *key;
} token_kit;

static void kit_open(token_kit *kit, bulla_kms_config config, const char *address)
{
    config.size = sizeof config;
    config.name = config.provider = "pkcs11";
    bulla_call_init(&kit->call, NULL);
    assert_int_equal(bulla_kms_new(&kit->call, &config, 1, NULL, &kit->kms), BULLA_OK);
    bulla_status status =
        bulla_pkcs11_backend.open(kit->kms, &kit->call, bulla_kms_at(kit->kms, 0), address, 0, &kit->key);
    if (status != BULLA_OK) fail_msg("%s", kit->call.why);
}

static void kit_close(token_kit *kit)
{
    bulla_provider_unref(kit->key);
    bulla_kms_free(kit->kms);
}

static bulla_status both_ways(bulla_provider *key, bulla_call *call)
{
    BULLA_AUTO(bulla_secret) *dek = NULL, *back = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    BULLA_TRY(bulla_provider_datakey(key, call, NULL, 32, &dek, &wrapped));
    BULLA_TRY(bulla_provider_unwrap(key, call, NULL, wrapped, &back));
    return bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(back)) ? BULLA_OK : BULLA_EINTERNAL;
}

typedef struct load {
    bulla_provider *key;
    int stop, served, failed, other; /* failed: told as an outage; other: neither, as a wrong answer */
} load;

static void *load_run(void *arg)
{
    load *self = arg;
    while (__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE) == 0) {
        bulla_call call;
        bulla_call_init(&call, NULL);
        bulla_call_deadline_set(&call, 20000);
        bulla_status status = both_ways(self->key, &call);
        bool is_outage = bulla_status_class(status) == BULLA_CLASS_RETRY;
        int *counter = status == BULLA_OK ? &self->served : is_outage ? &self->failed : &self->other;
        (void)__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
        if (counter == &self->other) (void)fprintf(stderr, "%s: %s\n", bulla_status_name(status), call.why);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return NULL;
}

static void wait_for_more(const int *counter, int num)
{
    int wanted = __atomic_load_n(counter, __ATOMIC_RELAXED) + num;
    for (int i = 0; i < 6000 && __atomic_load_n(counter, __ATOMIC_RELAXED) < wanted; i++)
        (void)nanosleep(&(struct timespec){0, 10000000}, NULL);
    assert_true(__atomic_load_n(counter, __ATOMIC_RELAXED) >= wanted);
}

static void test_a_token_that_is_restarted_under_load_serves_again_and_never_lies(void **state)
{
    (void)state;
    token_kit kit;
    pthread_t threads[8];
    kit_open(&kit, (bulla_kms_config){.pool.max_connections = 4}, fact("SOFTHSM_URI"));
    load all = {.key = kit.key};
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_run, &all), 0);
    for (int i = 0; i < 3; i++) {
        wait_for_more(&all.served, 50);
        control("softhsm stop");
        wait_for_more(&all.failed, 10); /* it is gone, and they say so */
        control("softhsm start");
    }
    wait_for_more(&all.served, 50);
    __atomic_store_n(&all.stop, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(all.other, 0);
    kit_close(&kit);
}

static void test_a_forked_child_has_sessions_of_its_own(void **state)
{
    (void)state;
    token_kit kit;
    int how = -1;
    kit_open(&kit, (bulla_kms_config){.pool.max_connections = 1}, fact("SOFTHSM_URI"));
    assert_int_equal(both_ways(kit.key, &kit.call), BULLA_OK);
    pid_t child = fork();
    if (child == 0) _exit(both_ways(kit.key, &kit.call) == BULLA_OK ? 0 : 1);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_int_equal(both_ways(kit.key, &kit.call), BULLA_OK);
    kit_close(&kit);
}

static void test_a_rotation_makes_a_version_and_the_old_one_still_opens(void **state)
{
    (void)state;
    token_kit kit;
    BULLA_AUTO(bulla_secret) *dek = NULL, *back = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL, *again = NULL;
    uint32_t version = 0;
    kit_open(&kit, (bulla_kms_config){0}, fact("SOFTHSM_URI"));
    assert_int_equal(bulla_provider_create(kit.key, &kit.call), BULLA_EEXISTS);
    assert_int_equal(bulla_provider_datakey(kit.key, &kit.call, NULL, 32, &dek, &wrapped), BULLA_OK);
    assert_int_equal(bulla_provider_rotate(kit.key, &kit.call, &version), BULLA_OK);
    assert_int_equal(version, 2);
    assert_int_equal(bulla_provider_unwrap(kit.key, &kit.call, NULL, wrapped, &back), BULLA_OK);
    assert_int_equal(bulla_provider_rewrap(kit.key, &kit.call, NULL, wrapped, &again), BULLA_OK);
    assert_false(bulla_view_equal(wrapped->info, again->info));
    kit_close(&kit);
}

static void test_a_loose_pin_file_is_not_read(void **state)
{
    (void)state;
    token_kit kit;
    const char *path = fact("SOFTHSM_PIN_FILE");
    assert_int_equal(chmod(path, 0644), 0);
    kit_open(&kit, (bulla_kms_config){0}, fact("SOFTHSM_URI"));
    bulla_status status = both_ways(kit.key, &kit.call);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(status, BULLA_EAUTHZ);
    assert_int_equal(both_ways(kit.key, &kit.call), BULLA_OK);
    kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loose_pin_file_is_not_read),
        cmocka_unit_test(test_a_forked_child_has_sessions_of_its_own),
        cmocka_unit_test(test_a_rotation_makes_a_version_and_the_old_one_still_opens),
        cmocka_unit_test(test_a_token_that_is_restarted_under_load_serves_again_and_never_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
