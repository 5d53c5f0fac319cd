/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/rand.h"

#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bulla_call call;
static size_t num_asked, len_asked; /* of the kernel; atomic */

/* Stands before libc's. */
ssize_t getrandom(void *out, size_t len, unsigned flags)
{
    __atomic_add_fetch(&num_asked, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&len_asked, len, __ATOMIC_RELAXED);
    return syscall(SYS_getrandom, out, len, flags);
}

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 12);
}

static void test_no_two_nonces_are_alike(void **state)
{
    (void)state;
    enum { NUM = 20000 };
    static uint8_t nonces[NUM][12];
    for (int i = 0; i < NUM; i++)
        assert_ok(bulla_rand(&call, nonces[i], sizeof nonces[i]));
    qsort(nonces, NUM, sizeof nonces[0], by_bytes);
    for (int i = 1; i < NUM; i++)
        assert_memory_not_equal(nonces[i - 1], nonces[i], sizeof nonces[i]);
}

/* A generator that leaves bytes out would leave them as they were. */
static void test_every_byte_is_drawn_at_every_length(void **state)
{
    (void)state;
    uint8_t bytes[600], seen[600];
    for (size_t len = 0; len <= 520; len += 7) {
        memset(seen, 0, sizeof seen);
        for (int round = 0; round < 8; round++) {
            memset(bytes, 0, sizeof bytes);
            assert_ok(bulla_rand(&call, bytes, len));
            assert_int_equal(bytes[len], 0);
            for (size_t i = 0; i < len; i++)
                seen[i] |= bytes[i];
        }
        for (size_t i = 0; i < len; i++)
            assert_true(seen[i] != 0); /* fails by chance once in 2^64 bytes */
    }
    assert_ok(bulla_rand(NULL, NULL, 0));
}

static void test_bits_are_balanced(void **state)
{
    (void)state;
    size_t ones = 0, total = 0;
    for (int i = 0; i < 4000; i++) {
        uint8_t bytes[32];
        assert_ok(bulla_rand(&call, bytes, sizeof bytes));
        for (size_t j = 0; j < sizeof bytes; j++)
            ones += (size_t)__builtin_popcount(bytes[j]);
        total += 8 * sizeof bytes;
    }
    assert_in_range(ones, total / 2 - 4000, total / 2 + 4000); /* 8 standard deviations */
}

/* The child must not draw what the parent draws next from the batch both had. */
static void test_a_forked_child_draws_other_bytes(void **state)
{
    (void)state;
    uint8_t first[16], mine[16];
    uint8_t *theirs = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(theirs, MAP_FAILED);
    assert_ok(bulla_rand(&call, first, sizeof first));
    pid_t child = fork();
    if (child == 0) _exit(bulla_rand(NULL, theirs, 16) == BULLA_OK ? 0 : 1);
    assert_ok(bulla_rand(&call, mine, sizeof mine));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    const uint8_t zeros[16] = {0};
    assert_memory_not_equal(theirs, mine, 16);
    assert_memory_not_equal(theirs, zeros, 16);
    (void)munmap(theirs, 16);
}

/* Through several batches: the parent has a generator of OpenSSL's by now, the child must not go on with its state. */
static bool draw_batches(uint8_t out[16])
{
    for (int i = 0; i < 1000; i++)
        if (bulla_rand(NULL, out, 16) != BULLA_OK) return false;
    return true;
}

static void test_a_forked_child_draws_other_batches(void **state)
{
    (void)state;
    uint8_t mine[16], *theirs = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(theirs, MAP_FAILED);
    assert_true(draw_batches(mine));
    pid_t child = fork();
    if (child == 0) _exit(draw_batches(theirs) ? 0 : 1);
    assert_true(draw_batches(mine));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_memory_not_equal(theirs, mine, 16);
    (void)munmap(theirs, 16);
}

static void *draw(void *arg)
{
    for (int i = 0; i < 1000; i++)
        if (bulla_rand(NULL, arg, 12) != BULLA_OK) return NULL;
    return arg;
}

static void test_threads_draw_apart_and_give_their_batches_back(void **state)
{
    (void)state;
    uint8_t nonces[8][12];
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw, nonces[i]), 0);
    for (size_t i = 0; i < 8; i++) {
        void *is_right = NULL;
        assert_int_equal(pthread_join(threads[i], &is_right), 0);
        assert_non_null(is_right);
    }
    qsort(nonces, 8, sizeof nonces[0], by_bytes);
    for (size_t i = 1; i < 8; i++)
        assert_memory_not_equal(nonces[i - 1], nonces[i], 12);
}

static bulla_status sevens(void *arg, uint8_t *out, size_t len)
{
    ++*(int *)arg;
    memset(out, 7, len);
    return BULLA_OK;
}

static bulla_status broken(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    (void)out;
    (void)len;
    return BULLA_EIO;
}

static void test_the_programs_own_source_is_used_for_every_draw(void **state)
{
    (void)state;
    int draws = 0;
    bulla_env env = *bulla_env_default();
    env.arg = &draws;
    env.random = sevens;
    bulla_call own;
    bulla_call_init(&own, &env);
    uint8_t bytes[3] = {0};
    assert_ok(bulla_rand(&own, bytes, sizeof bytes));
    assert_ok(bulla_rand(&own, bytes, sizeof bytes));
    assert_int_equal(draws, 2);
    assert_memory_equal(bytes, "\7\7\7", 3);
}

static void test_a_source_that_fails_gives_no_key(void **state)
{
    (void)state;
    bulla_env env = *bulla_env_default();
    env.random = broken;
    bulla_call own;
    bulla_call_init(&own, &env);
    uint8_t bytes[3];
    bulla_secret *secret = NULL;
    assert_status(bulla_rand(&own, bytes, sizeof bytes), BULLA_ECRYPTO);
    assert_status(bulla_secret_random(&own, 32, &secret), BULLA_ECRYPTO);
    assert_null(secret);
}

static void test_random_secrets_have_their_length_and_differ(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *one = NULL;
    BULLA_AUTO(bulla_secret) *two = NULL;
    assert_ok(bulla_secret_random(&call, 32, &one));
    assert_ok(bulla_secret_random(&call, 32, &two));
    assert_int_equal(bulla_secret_borrow(one).len, 32);
    assert_false(bulla_view_equal(bulla_secret_borrow(one), bulla_secret_borrow(two)));
    bulla_secret *none = NULL;
    assert_status(bulla_secret_random(&call, 0, &none), BULLA_EINVAL);
    assert_null(none);
}

static void test_each_key_is_a_draw_of_its_own_from_the_kernel(void **state)
{
    (void)state;
    uint8_t key[32];
    BULLA_AUTO(bulla_secret) *secret = NULL;
    assert_ok(bulla_rand(&call, key, sizeof key)); /* there is a batch */
    size_t num = num_asked, len = len_asked;
    assert_ok(bulla_rand_key(&call, key, sizeof key));
    assert_ok(bulla_secret_random(&call, 32, &secret));
    assert_int_equal(num_asked - num, 2);
    assert_int_equal(len_asked - len, 64);
}

static void test_the_kernel_gives_nonces_a_part_of_each_batch_only(void **state)
{
    (void)state;
    enum { NUM = 20000 };
    uint8_t nonce[12];
    assert_ok(bulla_rand(&call, nonce, sizeof nonce)); /* the first batch is all the kernel's */
    size_t len = len_asked;
    for (int i = 0; i < NUM; i++)
        assert_ok(bulla_rand(&call, nonce, sizeof nonce));
    assert_in_range(len_asked - len, NUM * sizeof nonce / 4096 * 32, NUM * sizeof nonce / 10);
}

/* As a thread may that goes on when main has returned. Nothing here can use OpenSSL afterwards. */
static void test_nonces_are_drawn_when_openssl_has_cleaned_up(void **state)
{
    (void)state;
    uint8_t before[16], after[16];
    assert_true(draw_batches(before));
    OPENSSL_cleanup();
    assert_true(draw_batches(after));
    assert_memory_not_equal(before, after, sizeof before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_two_nonces_are_alike),
        cmocka_unit_test(test_every_byte_is_drawn_at_every_length),
        cmocka_unit_test(test_bits_are_balanced),
        cmocka_unit_test(test_a_forked_child_draws_other_bytes),
        cmocka_unit_test(test_a_forked_child_draws_other_batches),
        cmocka_unit_test(test_threads_draw_apart_and_give_their_batches_back),
        cmocka_unit_test(test_the_programs_own_source_is_used_for_every_draw),
        cmocka_unit_test(test_a_source_that_fails_gives_no_key),
        cmocka_unit_test(test_random_secrets_have_their_length_and_differ),
        cmocka_unit_test(test_each_key_is_a_draw_of_its_own_from_the_kernel),
        cmocka_unit_test(test_the_kernel_gives_nonces_a_part_of_each_batch_only),
        cmocka_unit_test(test_nonces_are_drawn_when_openssl_has_cleaned_up), /* the last */
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
