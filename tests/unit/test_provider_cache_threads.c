/* SPDX-License-Identifier: Apache-2.0 */
/* The unwrap cache under many threads: right keys, exact limits, and nothing that was purged comes back. */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/memory_provider.h"
#include "provider/provider.h"

#include <pthread.h>

#define NUM_THREADS 8u
#define NUM_KEYS 24u
#define ROUNDS 3000u

static fake_env fake;
static bulla_call main_call;
static bulla_provider *memory, *cache;
static bulla_wrapped *wrapped[NUM_KEYS];
static bulla_secret *deks[NUM_KEYS];

typedef struct worker {
    pthread_t thread;
    unsigned number;
    bool failed;
} worker;

static int setup(void **state)
{
    (void)state;
    fake_env_init(&fake);
    bulla_call_init(&main_call, &fake.env);
    bool failed = memory_provider_new(&main_call, "key", 1, &memory) != BULLA_OK;
    for (size_t i = 0; i < NUM_KEYS && !failed; i++)
        failed = bulla_provider_datakey(memory, &main_call, NULL, 32, &deks[i], &wrapped[i]) != BULLA_OK;
    return failed;
}

static int teardown(void **state)
{
    (void)state;
    bulla_provider_unref(BULLA_TAKE(cache));
    bulla_provider_unref(BULLA_TAKE(memory));
    for (size_t i = 0; i < NUM_KEYS; i++) {
        bulla_wrapped_free(BULLA_TAKE(wrapped[i]));
        bulla_secret_unref(BULLA_TAKE(deks[i]));
    }
    return fake.num_live != 0;
}

static void cache_open(bulla_cache_options options)
{
    options.size = sizeof options;
    assert_ok(bulla_cache_new(&main_call, memory, &options, &cache));
}

static void run_all(void *(*work)(void *arg))
{
    worker workers[NUM_THREADS];
    for (unsigned i = 0; i < NUM_THREADS; i++) {
        workers[i] = (worker){.number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < NUM_THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_false(workers[i].failed);
    }
}

static bool opens_right(bulla_call *call, size_t key)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    return bulla_provider_unwrap(cache, call, NULL, wrapped[key], &dek) == BULLA_OK &&
           bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(deks[key]));
}

/* Some keys are everybody's, some one thread's; time passes; somebody purges now and then. */
static void *use_and_disturb(void *arg)
{
    worker *self = arg;
    bulla_call call;
    bulla_call_init(&call, &fake.env);
    for (unsigned i = 0; i < ROUNDS && !self->failed; i++) {
        self->failed = !opens_right(&call, i % 3 == 0 ? i % 4 : (i * 7 + self->number) % NUM_KEYS);
        if (i % 50 == 49) fake_env_advance_ms(&fake, 1);
        if (i % 500 == 499) bulla_provider_purge(cache, i % 1000 == 999 ? (bulla_view){NULL, 0} : wrapped[0]->info);
    }
    return NULL;
}

static void test_every_thread_gets_the_right_keys(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 20, .max_entries = 16});
    run_all(use_and_disturb);
    bulla_cache_stats got;
    assert_ok(bulla_cache_stats_get(cache, &main_call, &got));
    assert_true(got.entries <= 16 && got.hits > 0 && got.hits + got.misses >= NUM_THREADS * ROUNDS);
}

static void *use_one(void *arg)
{
    worker *self = arg;
    bulla_call call;
    bulla_call_init(&call, &fake.env);
    for (unsigned i = 0; i < ROUNDS && !self->failed; i++)
        self->failed = !opens_right(&call, 0);
    return NULL;
}

static void test_a_key_that_all_use_is_asked_for_by_few(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    run_all(use_one);
    bulla_cache_stats got;
    assert_ok(bulla_cache_stats_get(cache, &main_call, &got));
    assert_in_range(memory_provider_counts(memory).unwraps, 1, NUM_THREADS);
    assert_int_equal(got.hits, NUM_THREADS * ROUNDS - got.misses);
}

static void test_use_limits_hold_over_all_threads(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000, .max_uses = 10});
    run_all(use_one);
    assert_true(memory_provider_counts(memory).unwraps >= NUM_THREADS * ROUNDS / 11);
}

/* While `closed`, the key is disabled and purged: no thread that starts to ask then may get it. */
static unsigned closed;

static void *ask_when_closed(void *arg)
{
    worker *self = arg;
    bulla_call call;
    bulla_call_init(&call, &fake.env);
    for (unsigned i = 0; i < ROUNDS && !self->failed; i++) {
        unsigned before = __atomic_load_n(&closed, __ATOMIC_ACQUIRE);
        bool opened = opens_right(&call, i % 2);
        unsigned after = __atomic_load_n(&closed, __ATOMIC_ACQUIRE);
        if (opened && before == after && before % 2 == 1) self->failed = true;
    }
    return NULL;
}

static void *close_and_open(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 200; i++) {
        memory_provider_down_set(memory, true);
        bulla_provider_purge(cache, (bulla_view){NULL, 0});
        (void)__atomic_fetch_add(&closed, 1, __ATOMIC_ACQ_REL);
        for (volatile unsigned pause = 0; pause < 3000; pause++) {
        }
        (void)__atomic_fetch_add(&closed, 1, __ATOMIC_ACQ_REL);
        memory_provider_down_set(memory, false);
        for (volatile unsigned pause = 0; pause < 3000; pause++) {
        }
    }
    return NULL;
}

static void *ask_or_close(void *arg)
{
    return ((worker *)arg)->number == 0 ? close_and_open(arg) : ask_when_closed(arg);
}

static void test_nothing_purged_comes_back(void **state)
{
    (void)state;
    closed = 0;
    cache_open((bulla_cache_options){.ttl_ms = 100000});
    run_all(ask_or_close);
    assert_int_equal(closed, 400);
}

/* One use of key 0 in a thread of its own, and which secret it was given (not to be looked into). */
typedef struct visitor {
    pthread_t thread;
    bulla_status status;
    const void *dek;
} visitor;

static void *visit(void *arg)
{
    visitor *self = arg;
    bulla_secret *dek = NULL;
    bulla_call call;
    bulla_call_init(&call, &fake.env);
    self->status = bulla_provider_unwrap(cache, &call, NULL, wrapped[0], &dek);
    self->dek = dek;
    bulla_secret_unref(dek);
    return NULL;
}

static visitor visit_once(void)
{
    visitor made = {.status = BULLA_EINTERNAL};
    assert_int_equal(pthread_create(&made.thread, NULL, visit, &made), 0);
    assert_int_equal(pthread_join(made.thread, NULL), 0);
    return made;
}

/* Fills the copies of every lane: one thread after another, more often than there are lanes. */
static void visit_all(void)
{
    for (int i = 0; i < 100; i++)
        assert_ok(visit_once().status);
}

static void test_a_key_that_threads_share_is_copied_for_them(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    visit_all();
    visitor one = visit_once(), two = visit_once();
    assert_ptr_not_equal(one.dek, two.dek);
    assert_int_equal(memory_provider_counts(memory).unwraps, 1);
}

static void test_copies_are_purged_too(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    visit_all();
    memory_provider_down_set(memory, true);
    visit_all();
    bulla_provider_purge(cache, bulla_view_text("key"));
    for (int i = 0; i < 40; i++)
        assert_status(visit_once().status, BULLA_EUNAVAIL);
}

static void test_copies_expire_with_what_they_are_copies_of(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    assert_ok(visit_once().status);
    fake_env_advance_ms(&fake, 900);
    visit_all(); /* a copy made late is as old as what it is a copy of */
    fake_env_advance_ms(&fake, 100);
    memory_provider_down_set(memory, true);
    for (int i = 0; i < 40; i++)
        assert_status(visit_once().status, BULLA_EUNAVAIL);
}

static void *visit_often(void *arg)
{
    for (int i = 0; i < 150000; i++)
        (void)visit(arg);
    return NULL;
}

/* The originals are in one table, the hits in another. */
static void test_expired_originals_go_while_only_copies_are_hit(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    visit_all();
    size_t before = fake.num_live;
    for (size_t i = 1; i < NUM_KEYS; i++)
        assert_true(opens_right(&main_call, i));
    fake_env_advance_ms(&fake, 1000);
    visit_all();
    visitor often = {.status = BULLA_EINTERNAL};
    assert_int_equal(pthread_create(&often.thread, NULL, visit_often, &often), 0);
    assert_int_equal(pthread_join(often.thread, NULL), 0);
    assert_int_equal(fake.num_live, before);
}

static void test_with_a_use_limit_there_are_no_copies(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000, .max_uses = 10});
    for (int i = 0; i < 110; i++)
        assert_ok(visit_once().status);
    assert_int_equal(memory_provider_counts(memory).unwraps, 10); /* each asks once and serves ten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_thread_gets_the_right_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_that_all_use_is_asked_for_by_few, setup, teardown),
        cmocka_unit_test_setup_teardown(test_use_limits_hold_over_all_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_purged_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_that_threads_share_is_copied_for_them, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies_are_purged_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies_expire_with_what_they_are_copies_of, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired_originals_go_while_only_copies_are_hit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_a_use_limit_there_are_no_copies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
