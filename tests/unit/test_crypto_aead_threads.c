/* SPDX-License-Identifier: Apache-2.0 */
/* One key in many threads, and across a fork. */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "crypto/aead.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define EMPTY ((bulla_view){NULL, 0})
#define NUM_THREADS 40 /* more than an engine keeps contexts for */
#define NUM_ROUNDS 300u

static bulla_call call;
static const uint8_t key[32] = {9, 8, 7};
static const char *const engines[] = {"openssl", "ipsec-mb"};

/* False, with a line, where the build or the processor has no such engine. */
static bool take_engine(const char *name)
{
    bulla_call_init(&call, NULL);
    if (bulla_aead_engine_set(&call, name) == BULLA_OK) return true;
    (void)printf("%s left out: %s\n", name, call.why);
    return false;
}

typedef struct worker {
    pthread_t thread;
    bulla_aead *aead;
    uint8_t number;
    bool is_right;
} worker;

static void *seal_and_open(void *arg)
{
    worker *mine = arg;
    uint8_t text[64], sealed[64], opened[64], tag[BULLA_TAG_LEN], nonce[BULLA_NONCE_LEN] = {mine->number};
    memset(text, mine->number, sizeof text);
    mine->is_right = true;
    for (uint32_t round = 0; round < NUM_ROUNDS && mine->is_right; round++) {
        bulla_put_u32(nonce + 4, round);
        bulla_view in = bulla_view_of(text, sizeof text), view = bulla_view_of(sealed, sizeof sealed);
        mine->is_right = bulla_aead_seal(mine->aead, NULL, nonce, EMPTY, in, sealed, tag) == BULLA_OK &&
                         bulla_aead_open(mine->aead, NULL, nonce, EMPTY, view, tag, opened) == BULLA_OK &&
                         memcmp(opened, text, sizeof text) == 0;
        tag[0] ^= 1;
        mine->is_right =
            mine->is_right && bulla_aead_open(mine->aead, NULL, nonce, EMPTY, view, tag, opened) == BULLA_EINTEGRITY;
    }
    bulla_aead_unref(mine->aead);
    return NULL;
}

static void test_any_number_of_threads_share_a_key(void **state)
{
    (void)state;
    for (size_t e = 0; e < BULLA_LEN(engines); e++) {
        if (!take_engine(engines[e])) continue;
        BULLA_AUTO(bulla_aead) *aead = NULL;
        assert_ok(bulla_aead_new(&call, bulla_view_of(key, sizeof key), &aead));
        worker workers[NUM_THREADS];
        for (int i = 0; i < NUM_THREADS; i++) {
            workers[i] = (worker){.aead = bulla_aead_ref(aead), .number = (uint8_t)i};
            assert_int_equal(pthread_create(&workers[i].thread, NULL, seal_and_open, &workers[i]), 0);
        }
        for (int i = 0; i < NUM_THREADS; i++) {
            assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
            assert_true(workers[i].is_right);
        }
    }
}

static void *choose(void *arg)
{
    (void)arg;
    bulla_aead *aead = NULL;
    for (int i = 0; i < 20; i++) {
        if (bulla_aead_engine_set(NULL, i % 2 == 0 ? "auto" : "openssl") != BULLA_OK) return NULL;
        if (bulla_aead_new(NULL, bulla_view_of(key, sizeof key), &aead) != BULLA_OK) return NULL;
        bulla_aead_unref(aead);
    }
    return arg;
}

static void test_any_thread_may_choose_the_engine(void **state)
{
    (void)state;
    pthread_t threads[8];
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, choose, &call), 0);
    for (size_t i = 0; i < BULLA_LEN(threads); i++) {
        void *is_right = NULL;
        assert_int_equal(pthread_join(threads[i], &is_right), 0);
        assert_non_null(is_right);
    }
}

/* What a child does with the parent's key and with one of its own. */
static bool child_is_right(bulla_aead *aead)
{
    uint8_t nonce[BULLA_NONCE_LEN] = {0}, out[4] = {0}, tag[BULLA_TAG_LEN] = {0};
    bulla_view in = bulla_view_text("text");
    bool is_refused = bulla_aead_seal(aead, NULL, nonce, EMPTY, in, out, tag) == BULLA_ECRYPTO &&
                      bulla_aead_open(aead, NULL, nonce, EMPTY, in, tag, out) == BULLA_ECRYPTO &&
                      memcmp(out, "\0\0\0", sizeof out) == 0;
    bulla_aead_unref(aead);
    bulla_aead *own = NULL;
    bool works = bulla_aead_new(NULL, bulla_view_of(key, sizeof key), &own) == BULLA_OK &&
                 bulla_aead_seal(own, NULL, nonce, EMPTY, in, out, tag) == BULLA_OK;
    bulla_aead_unref(own);
    return is_refused && works;
}

static void test_a_forked_child_refuses_to_use_the_parents_key(void **state)
{
    (void)state;
    for (size_t e = 0; e < BULLA_LEN(engines); e++) {
        if (!take_engine(engines[e])) continue;
        BULLA_AUTO(bulla_aead) *aead = NULL;
        uint8_t nonce[BULLA_NONCE_LEN] = {0}, tag[BULLA_TAG_LEN];
        assert_ok(bulla_aead_new(&call, bulla_view_of(key, sizeof key), &aead));
        assert_ok(bulla_aead_seal(aead, &call, nonce, EMPTY, EMPTY, NULL, tag));
        pid_t child = fork();
        if (child == 0) _exit(child_is_right(aead) ? 0 : 1);
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_ok(bulla_aead_open(aead, &call, nonce, EMPTY, EMPTY, tag, NULL));
    }
}

static void *no_memory(void *arg, size_t len)
{
    (void)arg;
    (void)len;
    return NULL;
}

static void test_a_key_without_memory_is_refused(void **state)
{
    (void)state;
    bulla_env env = *bulla_env_default();
    env.alloc = no_memory;
    bulla_call poor;
    bulla_call_init(&poor, &env);
    bulla_aead *aead = NULL;
    assert_status(bulla_aead_new(&poor, bulla_view_of(key, sizeof key), &aead), BULLA_ENOMEM);
    assert_null(aead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_thread_may_choose_the_engine),
        cmocka_unit_test(test_any_number_of_threads_share_a_key),
        cmocka_unit_test(test_a_forked_child_refuses_to_use_the_parents_key),
        cmocka_unit_test(test_a_key_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
