/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include "base/bytes.h"
#include "cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static void test_secret_keeps_its_bytes_for_every_size(void **state)
{
    (void)state;
    const size_t lens[] = {1, 16, 32, 55, 56, 57, 64, 440, 441, 2000, 8000, 8120, 8121, 65536, BULLA_MAX_SECRET};
    uint8_t *bytes = malloc(BULLA_MAX_SECRET);
    assert_non_null(bytes);
    memset(bytes, 0xA7, BULLA_MAX_SECRET);
    for (size_t i = 0; i < BULLA_LEN(lens); i++) {
        BULLA_AUTO(bulla_secret) *secret = NULL;
        assert_ok(bulla_secret_copy(&call, bulla_view_of(bytes, lens[i]), &secret));
        bulla_view seen = bulla_secret_borrow(secret);
        assert_int_equal(seen.len, lens[i]);
        assert_memory_equal(seen.data, bytes, lens[i]);
        assert_int_equal((uintptr_t)seen.data % 64, 0);
    }
    free(bytes);
}

static void test_secret_refuses_sizes_out_of_bounds(void **state)
{
    (void)state;
    bulla_secret *secret = NULL;
    assert_status(bulla_secret_new(&call, 0, &secret), BULLA_EINVAL);
    assert_status(bulla_secret_new(&call, BULLA_MAX_SECRET + 1, &secret), BULLA_EINVAL);
    assert_null(secret);
}

static void test_secret_is_wiped_when_the_last_reference_goes(void **state)
{
    (void)state;
    bulla_secret *secret = NULL;
    assert_ok(bulla_secret_copy(&call, bulla_view_text("thirty-two bytes of a secret key"), &secret));
    const uint8_t *bytes = bulla_secret_borrow(secret).data;
    bulla_secret *second = bulla_secret_ref(secret);
    bulla_secret_unref(secret);
    assert_memory_equal(bytes, "thirty-two", 10);
    bulla_secret_unref(second);
    for (size_t i = 0; i < 32; i++) /* the slab stays mapped: what was there can be looked at */
        assert_int_equal(bytes[i], 0);
}

static void test_many_secrets_do_not_touch_each_other(void **state)
{
    (void)state;
    enum { NUM = 3000 };
    static bulla_secret *secrets[NUM];
    for (int i = 0; i < NUM; i++) {
        uint8_t bytes[32];
        memset(bytes, i & 0xFF, sizeof bytes);
        assert_ok(bulla_secret_copy(&call, bulla_view_of(bytes, sizeof bytes), &secrets[i]));
    }
    for (int i = 0; i < NUM; i += 2)
        bulla_secret_unref(secrets[i]);
    for (int i = 1; i < NUM; i += 2) {
        bulla_view seen = bulla_secret_borrow(secrets[i]);
        assert_int_equal(seen.data[0], i & 0xFF);
        assert_int_equal(seen.data[31], i & 0xFF);
        bulla_secret_unref(secrets[i]);
    }
}

static void test_a_forked_child_sees_no_keys(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *secret = NULL;
    assert_ok(bulla_secret_copy(&call, bulla_view_text("the parent's"), &secret));
    pid_t child = fork();
    if (child == 0) {
        bool empty = bulla_secret_borrow(secret).len == 0 && bulla_secret_fill(secret) == NULL;
        bulla_secret *own = NULL;
        bool works = bulla_secret_copy(NULL, bulla_view_text("the child's"), &own) == BULLA_OK;
        works = works && bulla_secret_borrow(own).len == 11;
        bulla_secret_unref(own);
        _exit(empty && works ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(bulla_secret_borrow(secret).len, 12);
}

/* VmLck of this process in KiB. */
static long locked_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmLck: %ld", &kib) == 1) break;
    if (file != NULL) (void)fclose(file);
    return kib;
}

/* How a child ends that runs `work`, which says whether all is well. */
static int child_status(bool (*work)(void))
{
    pid_t child = fork();
    if (child == 0) _exit(work() ? 0 : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool locks_its_own(void)
{
    BULLA_AUTO(bulla_secret) *own = NULL;
    long before = locked_kib();
    return bulla_secret_copy(NULL, bulla_view_text("the child's"), &own) == BULLA_OK && locked_kib() > before;
}

static void test_a_forked_child_locks_its_own_keys(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *secret = NULL;
    assert_ok(bulla_secret_copy(&call, bulla_view_text("the parent's"), &secret));
    if (locked_kib() == 0) skip(); /* RLIMIT_MEMLOCK allows nothing, or a sanitizer takes mlock away */
    assert_int_equal(child_status(locks_its_own), 0);
}

static unsigned num_lines;

static void log_with_a_secret(void *arg, bulla_log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
    BULLA_AUTO(bulla_secret) *mine = NULL;
    if (num_lines++ == 0 && bulla_secret_copy(NULL, bulla_view_text("the log's"), &mine) != BULLA_OK) _exit(2);
}

static bool logs_that_it_cannot_lock(void)
{
    const struct rlimit none = {0, 0};
    bulla_env env = *bulla_env_default();
    bulla_call own_call;
    BULLA_AUTO(bulla_secret) *secret = NULL;
    env.log = log_with_a_secret;
    bulla_call_init(&own_call, &env);
    (void)alarm(10); /* a deadlock would last longer */
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0)) return false;
    return bulla_secret_new(&own_call, 9000, &secret) == BULLA_OK;
}

static void test_the_log_may_use_secrets_while_it_hears_of_them(void **state)
{
    (void)state;
    assert_int_equal(child_status(logs_that_it_cannot_lock), 0);
}

static void test_what_is_no_bytes_makes_no_secret(void **state)
{
    (void)state;
    bulla_secret *secret = NULL;
    assert_status(bulla_secret_copy(&call, (bulla_view){NULL, 32}, &secret), BULLA_EINVAL);
    assert_null(secret);
    assert_null(bulla_secret_ref(NULL));
}

static void test_writing_past_a_secret_ends_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        bulla_secret *secret = NULL;
        if (freopen("/dev/null", "w", stderr) == NULL || bulla_secret_new(NULL, 32, &secret) != BULLA_OK) _exit(1);
        volatile uint8_t *bytes = bulla_secret_fill(secret);
        bytes[32] ^= 1;
        bulla_secret_unref(secret);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_wiped_arrays_are_empty_after_their_scope(void **state)
{
    (void)state;
    uint8_t bytes[16];
    memset(bytes, 0xFF, sizeof bytes);
    bulla_wipe(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_keeps_its_bytes_for_every_size),
        cmocka_unit_test(test_secret_refuses_sizes_out_of_bounds),
        cmocka_unit_test(test_secret_is_wiped_when_the_last_reference_goes),
        cmocka_unit_test(test_many_secrets_do_not_touch_each_other),
        cmocka_unit_test(test_a_forked_child_sees_no_keys),
        cmocka_unit_test(test_a_forked_child_locks_its_own_keys),
        cmocka_unit_test(test_the_log_may_use_secrets_while_it_hears_of_them),
        cmocka_unit_test(test_what_is_no_bytes_makes_no_secret),
        cmocka_unit_test(test_writing_past_a_secret_ends_the_process),
        cmocka_unit_test(test_wiped_arrays_are_empty_after_their_scope),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
