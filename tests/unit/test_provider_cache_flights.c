/* SPDX-License-Identifier: Apache-2.0 */
/* The unwrap cache when many miss at once: one request for all of them, each with its own patience; and warming up. */
#include "base/bytes.h"
#include "base/secret.h"
#include "provider/provider.h"
#include "store_kit.h"

#include <pthread.h>
#include <time.h>

#define MANY 200u

/* Those who ask the store wait here while it is closed. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static size_t num_at_gate;

static void pass_gate(void *arg)
{
    (void)arg;
    (void)__atomic_fetch_add(&num_at_gate, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
}

static int setup(void **state)
{
    num_at_gate = 0;
    if (kit_start(state) != 0) return 1;
    kit.script->hook = pass_gate;
    return 0;
}

/* Waits, for twenty seconds at most. */
static void until(bool (*is_so)(size_t num), size_t num)
{
    static const struct timespec millisecond = {0, 1000000};
    for (int i = 0; i < 20000 && !is_so(num); i++)
        (void)nanosleep(&millisecond, NULL);
    assert_true(is_so(num));
}

static bool are_waiting(size_t num)
{
    return kit_stats().shared_flights >= num;
}

static bool are_at_gate(size_t num)
{
    return __atomic_load_n(&num_at_gate, __ATOMIC_RELAXED) >= num;
}

/* One who asks for key 0. */
typedef struct asker {
    pthread_t thread;
    bulla_call call;
    bulla_status status;
} asker;

static void *ask(void *arg)
{
    asker *self = arg;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    self->status = bulla_provider_unwrap(kit.key, &self->call, NULL, kit.wrapped[0], &dek);
    return NULL;
}

static void start(asker *self)
{
    pthread_attr_t small;
    self->status = BULLA_EINTERNAL;
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, 256 * 1024), 0);
    assert_int_equal(pthread_create(&self->thread, &small, ask, self), 0);
    (void)pthread_attr_destroy(&small);
}

static bulla_status end(asker *self)
{
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    return self->status;
}

/* They ask, and one of them has to do it for all: then it may. */
static void all_wait_for_one(asker *askers, size_t num)
{
    (void)pthread_mutex_lock(&gate);
    for (size_t i = 0; i < num; i++) {
        bulla_call_init(&askers[i].call, &kit.fake.env);
        start(&askers[i]);
    }
    until(are_waiting, num - 1);
    (void)pthread_mutex_unlock(&gate);
}

static void test_many_misses_of_one_key_are_one_request(void **state)
{
    (void)state;
    static asker askers[1000];
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    all_wait_for_one(askers, BULLA_LEN(askers));
    for (size_t i = 0; i < BULLA_LEN(askers); i++)
        assert_ok(end(&askers[i]));
    assert_int_equal(kit_times_asked(), 1);
    assert_int_equal(kit_stats().entries, 1);
}

static void test_a_failure_of_the_store_is_everybodys(void **state)
{
    (void)state;
    static asker askers[MANY];
    static const scripted_step busy = {.status = BULLA_ETHROTTLED, .retry_after_ms = 700};
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    scripted_provider_play(kit.script, &busy, 1);
    all_wait_for_one(askers, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_status(end(&askers[i]), BULLA_ETHROTTLED);
        assert_int_equal(askers[i].call.retry_after_ms, 700);
        assert_string_equal(askers[i].call.why, "the script says ETHROTTLED");
        assert_string_equal(askers[i].call.provider, "memory");
    }
    assert_int_equal(kit_times_asked(), 1);
}

static void test_those_who_wait_have_their_own_deadlines(void **state)
{
    (void)state;
    asker first, late, cancelled;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    bulla_call_init(&first.call, &kit.fake.env);
    bulla_call_init(&late.call, &kit.fake.env);
    bulla_call_init(&cancelled.call, &kit.fake.env);
    bulla_call_deadline_set(&late.call, 100);
    (void)pthread_mutex_lock(&gate);
    start(&first);
    until(are_at_gate, 1);
    start(&late);
    start(&cancelled);
    until(are_waiting, 2);
    fake_env_advance_ms(&kit.fake, 100);
    assert_status(end(&late), BULLA_EDEADLINE);
    bulla_call_cancel(&cancelled.call);
    assert_status(end(&cancelled), BULLA_ECANCELLED);
    (void)pthread_mutex_unlock(&gate);
    assert_ok(end(&first));
}

static void test_when_the_leader_has_no_time_left_another_asks(void **state)
{
    (void)state;
    static const scripted_step hangs = {.hangs = true};
    asker leader, other[20];
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    scripted_provider_play(kit.script, &hangs, 1);
    bulla_call_init(&leader.call, &kit.fake.env);
    start(&leader);
    until(are_at_gate, 1);
    for (size_t i = 0; i < BULLA_LEN(other); i++) {
        bulla_call_init(&other[i].call, &kit.fake.env);
        start(&other[i]);
    }
    until(are_waiting, BULLA_LEN(other));
    bulla_call_cancel(&leader.call);
    assert_status(end(&leader), BULLA_ECANCELLED);
    for (size_t i = 0; i < BULLA_LEN(other); i++)
        assert_ok(end(&other[i]));
    assert_int_equal(kit_times_asked(), 2);
}

static void test_who_comes_after_a_purge_is_not_given_what_was_asked_before(void **state)
{
    (void)state;
    asker before, after;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    bulla_call_init(&before.call, &kit.fake.env);
    bulla_call_init(&after.call, &kit.fake.env);
    (void)pthread_mutex_lock(&gate);
    start(&before);
    until(are_at_gate, 1);
    bulla_provider_purge(kit.key, (bulla_view){NULL, 0});
    start(&after);
    until(are_at_gate, 2);
    (void)pthread_mutex_unlock(&gate);
    assert_ok(end(&before));
    assert_ok(end(&after));
    assert_int_equal(kit_times_asked(), 2);
}

static void test_a_shared_flight_is_no_way_around_the_limit_of_uses(void **state)
{
    (void)state;
    static asker askers[41];
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .max_uses = 4});
    all_wait_for_one(askers, BULLA_LEN(askers));
    for (size_t i = 0; i < BULLA_LEN(askers); i++)
        assert_ok(end(&askers[i]));
    assert_in_range(kit_times_asked(), 9, 41); /* one request serves the one who made it and four more */
}

/* While time passes, entries are renewed, purged and asked for by many: every answer is right, and nothing is kept past
 * a purge. */
static void *use_and_purge(void *arg)
{
    bulla_call own;
    bulla_call_init(&own, &kit.fake.env);
    for (size_t i = 0; i < 400; i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        if (bulla_provider_unwrap(kit.key, &own, NULL, kit.wrapped[i % 5], &dek) != BULLA_OK) return arg;
        if (i % 3 == 0) fake_env_advance_ms(&kit.fake, 1);
        if (i % 50 == 49) bulla_provider_purge(kit.key, (bulla_view){NULL, 0});
    }
    return NULL;
}

static void test_refreshes_misses_and_purges_at_once(void **state)
{
    (void)state;
    pthread_t threads[8];
    int failed = 0;
    kit_cache_open(
        (bulla_cache_options){.ttl_ms = 20, .refresh_ahead_ms = 15, .offline_window_ms = 50, .negative_ttl_ms = 5});
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_purge, &failed), 0);
    for (size_t i = 0; i < BULLA_LEN(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    bulla_provider_purge(kit.key, (bulla_view){NULL, 0});
    memory_provider_state_set(kit.memory, BULLA_KEY_DISABLED);
    for (size_t i = 0; i < 5; i++) {
        bulla_secret *dek = NULL;
        assert_status(bulla_provider_unwrap(kit.key, &kit.call, NULL, kit.wrapped[i], &dek), BULLA_ESTATE);
    }
}

/* A refresh is under way when the cache goes: it is cancelled, and the cache waits for it. */
static void test_a_cache_that_goes_ends_its_refreshes(void **state)
{
    (void)state;
    static const scripted_step hangs = {.hangs = true};
    BULLA_AUTO(bulla_secret) *dek = NULL, *again = NULL;
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000, .refresh_ahead_ms = 99999});
    assert_ok(bulla_provider_unwrap(kit.key, &kit.call, NULL, kit.wrapped[0], &dek));
    fake_env_advance_ms(&kit.fake, 60000);
    scripted_provider_play(kit.script, &hangs, 1);
    num_at_gate = 0;
    assert_ok(bulla_provider_unwrap(kit.key, &kit.call, NULL, kit.wrapped[0], &again));
    until(are_at_gate, 1);
    bulla_provider_unref(BULLA_TAKE(kit.key));
}

/* --- warming up --- */

static void items_fill(bulla_cache_item items[KIT_KEYS])
{
    for (size_t i = 0; i < KIT_KEYS; i++)
        items[i] = (bulla_cache_item){.wrapped = kit.wrapped[i], .status = BULLA_EINTERNAL};
}

static void test_warming_opens_all_and_many_at_a_time(void **state)
{
    (void)state;
    bulla_cache_item items[KIT_KEYS];
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    items_fill(items);
    assert_ok(bulla_cache_warm(&kit.call, kit.key, items, KIT_KEYS, 16));
    for (size_t i = 0; i < KIT_KEYS; i++)
        assert_ok(items[i].status);
    assert_int_equal(kit_stats().entries, KIT_KEYS);
    assert_int_equal(kit_times_asked(), KIT_KEYS);
}

/* The gate opens when all eight stand before it: else this never ends. */
static void open_for_eight(void *arg)
{
    static const struct timespec millisecond = {0, 1000000};
    (void)arg;
    (void)__atomic_fetch_add(&num_at_gate, 1, __ATOMIC_RELAXED);
    while (!are_at_gate(8))
        (void)nanosleep(&millisecond, NULL);
}

static void test_warming_asks_as_many_at_a_time_as_it_is_told(void **state)
{
    (void)state;
    bulla_cache_item items[KIT_KEYS];
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    items_fill(items);
    kit.script->hook = open_for_eight;
    assert_ok(bulla_cache_warm(&kit.call, kit.key, items, 8, 8));
    assert_int_equal(kit_times_asked(), 8);
}

static void test_one_that_fails_keeps_nobody_back(void **state)
{
    (void)state;
    bulla_cache_item items[KIT_KEYS];
    bulla_wrapped damaged = *kit.wrapped[7];
    damaged.blob.len--;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    items_fill(items);
    items[7].wrapped = &damaged;
    items[9].wrapped = NULL;
    assert_status(bulla_cache_warm(&kit.call, kit.key, items, KIT_KEYS, 4), BULLA_EINTEGRITY);
    assert_status(kit.call.status, BULLA_EINTEGRITY);
    assert_status(items[7].status, BULLA_EINTEGRITY);
    assert_status(items[9].status, BULLA_EINVAL);
    assert_int_equal(kit_stats().entries, KIT_KEYS - 2);
}

static void *cancel_soon(void *arg)
{
    (void)arg;
    until(are_at_gate, 3);
    bulla_call_cancel(&kit.call);
    return NULL;
}

static void test_a_cancelled_warming_ends_at_once(void **state)
{
    (void)state;
    pthread_t thread;
    bulla_cache_item items[KIT_KEYS];
    scripted_step hang_all[KIT_KEYS];
    for (size_t i = 0; i < KIT_KEYS; i++)
        hang_all[i] = (scripted_step){.hangs = true};
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    items_fill(items);
    scripted_provider_play(kit.script, hang_all, KIT_KEYS);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    assert_status(bulla_cache_warm(&kit.call, kit.key, items, KIT_KEYS, 3), BULLA_ECANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(kit_times_asked(), 3);
    assert_status(items[KIT_KEYS - 1].status, BULLA_ECANCELLED);
}

static void test_warming_keeps_the_deadline(void **state)
{
    (void)state;
    bulla_cache_item items[KIT_KEYS];
    scripted_step slow[KIT_KEYS];
    for (size_t i = 0; i < KIT_KEYS; i++)
        slow[i] = (scripted_step){.takes_ms = 100};
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
    items_fill(items);
    scripted_provider_play(kit.script, slow, KIT_KEYS);
    bulla_call_deadline_set(&kit.call, 1000);
    assert_status(bulla_cache_warm(&kit.call, kit.key, items, KIT_KEYS, 1), BULLA_EDEADLINE);
    assert_in_range(kit_stats().entries, 8, 10);
    assert_status(items[KIT_KEYS - 1].status, BULLA_EDEADLINE);
}

static void test_warming_checks_its_arguments(void **state)
{
    (void)state;
    bulla_cache_item items[KIT_KEYS];
    items_fill(items);
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    assert_status(bulla_cache_warm(NULL, kit.key, items, 1, 1), BULLA_EINVAL);
    assert_status(bulla_cache_warm(&kit.call, NULL, items, 1, 1), BULLA_EINVAL);
    assert_status(bulla_cache_warm(&kit.call, kit.key, NULL, 1, 1), BULLA_EINVAL);
    assert_status(bulla_cache_warm(&kit.call, kit.key, items, 1, 0), BULLA_EINVAL);
    assert_status(bulla_cache_warm(&kit.call, kit.key, items, 1, 65), BULLA_EINVAL);
    assert_ok(bulla_cache_warm(&kit.call, kit.key, NULL, 0, 64));
    assert_int_equal(kit_times_asked(), 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, kit_stop)
    const struct CMUnitTest tests[] = {
        WITH(test_many_misses_of_one_key_are_one_request),
        WITH(test_a_failure_of_the_store_is_everybodys),
        WITH(test_those_who_wait_have_their_own_deadlines),
        WITH(test_when_the_leader_has_no_time_left_another_asks),
        WITH(test_who_comes_after_a_purge_is_not_given_what_was_asked_before),
        WITH(test_a_shared_flight_is_no_way_around_the_limit_of_uses),
        WITH(test_refreshes_misses_and_purges_at_once),
        WITH(test_a_cache_that_goes_ends_its_refreshes),
        WITH(test_warming_opens_all_and_many_at_a_time),
        WITH(test_warming_asks_as_many_at_a_time_as_it_is_told),
        WITH(test_one_that_fails_keeps_nobody_back),
        WITH(test_a_cancelled_warming_ends_at_once),
        WITH(test_warming_keeps_the_deadline),
        WITH(test_warming_checks_its_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
