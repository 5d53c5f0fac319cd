/* SPDX-License-Identifier: Apache-2.0 */
/* A real token through its bad days; tests/servers/run.py softhsm starts it. */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "provider/backends.h"
#include "provider/provider.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

/* One line to the runner of the servers, and its answer. */
static void control(const char *line)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char answer[256] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", getenv("BULLA_SERVERS_CONTROL"));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_true(write(fd, line, strlen(line)) > 0);
    assert_true(read(fd, answer, sizeof answer - 1) > 0);
    if (strncmp(answer, "ok", 2) != 0) fail_msg("%s: %s", line, answer);
    (void)close(fd);
}

typedef struct load {
    bulla_provider *key;
    int stop, served, other; /* other: what is neither served nor an outage */
} load;

static void *load_run(void *arg)
{
    load *self = arg;
    while (__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE) == 0) {
        bulla_call call;
        bulla_call_init(&call, NULL);
        bulla_call_deadline_set(&call, 5000);
        bulla_status status = both_ways(self->key, &call);
        if (status == BULLA_OK) (void)__atomic_add_fetch(&self->served, 1, __ATOMIC_RELAXED);
        bool is_expected = status == BULLA_OK || bulla_status_class(status) == BULLA_CLASS_RETRY;
        if (!is_expected) (void)fprintf(stderr, "%s: %s\n", bulla_status_name(status), call.why);
        if (!is_expected) (void)__atomic_add_fetch(&self->other, 1, __ATOMIC_RELAXED);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return NULL;
}

static void wait_for_more(load *all)
{
    int before = __atomic_load_n(&all->served, __ATOMIC_RELAXED);
    for (int i = 0; i < 1000 && __atomic_load_n(&all->served, __ATOMIC_RELAXED) < before + 20; i++)
        (void)nanosleep(&(struct timespec){0, 10000000}, NULL);
    assert_true(__atomic_load_n(&all->served, __ATOMIC_RELAXED) >= before + 20);
}

static void test_a_token_that_is_pulled_and_put_back_serves_again(void **state)
{
    (void)state;
    token_kit kit;
    pthread_t threads[4];
    kit_open(&kit, (bulla_kms_config){.pool.max_connections = 2}, getenv("BULLA_SOFTHSM_URI"));
    load all = {.key = kit.key};
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_run, &all), 0);
    wait_for_more(&all);
    control("softhsm stop\n");
    (void)nanosleep(&(struct timespec){0, 300000000}, NULL);
    control("softhsm start\n");
    wait_for_more(&all);
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
    kit_open(&kit, (bulla_kms_config){.pool.max_connections = 1}, getenv("BULLA_SOFTHSM_URI"));
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
    kit_open(&kit, (bulla_kms_config){0}, getenv("BULLA_SOFTHSM_URI"));
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
    const char *path = getenv("BULLA_SOFTHSM_PIN_FILE");
    assert_int_equal(chmod(path, 0644), 0);
    kit_open(&kit, (bulla_kms_config){0}, getenv("BULLA_SOFTHSM_URI"));
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
        cmocka_unit_test(test_a_token_that_is_pulled_and_put_back_serves_again),
    };
    if (getenv("BULLA_SOFTHSM_URI") == NULL) {
        (void)fprintf(stderr, "BULLA_SOFTHSM_URI is not set: run this through tests/servers/run.py softhsm\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
