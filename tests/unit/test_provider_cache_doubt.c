/* SPDX-License-Identifier: Apache-2.0 */
/* The unwrap cache is told that a data key is not the right one: when it asks again, and when it does not. */
#include "base/bytes.h"
#include "base/context.h"
#include "base/secret.h"
#include "provider/wrappers.h"
#include "store_kit.h"

#include <pthread.h>

#define NUM_LANES 16u

/* The store answers once with the data key of another. */
static void lie_once(void)
{
    static scripted_step step;
    step = (scripted_step){.instead = kit.deks[1]};
    scripted_provider_play(kit.script, &step, 1);
}

static bool opens_to(size_t number, const bulla_secret *expected)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bulla_call own;
    bulla_call_init(&own, &kit.fake.env);
    return bulla_provider_unwrap(kit.key, &own, NULL, kit.wrapped[number], &dek) == BULLA_OK &&
           bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(expected));
}

static void doubt(void)
{
    bulla_provider_forget(kit.key, NULL, kit.wrapped[0]);
}

static void test_a_doubted_data_key_is_asked_for_again(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
    lie_once();
    assert_true(opens_to(0, kit.deks[1]));
    assert_true(opens_to(0, kit.deks[1]));
    assert_int_equal(kit_times_asked(), 1);
    doubt();
    for (int i = 0; i < 10; i++)
        assert_ok(kit_unwrap(0));
    assert_int_equal(kit_times_asked(), 2);
}

static void test_only_the_one_that_is_named_is_doubted(void **state)
{
    (void)state;
    const bulla_pair pair = {bulla_view_text("table"), bulla_view_text("one")};
    BULLA_AUTO(bulla_context) *context = NULL;
    assert_ok(bulla_context_new(&kit.call, &pair, 1, &context));
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
    assert_ok(kit_unwrap(0));
    assert_ok(kit_unwrap(2));
    doubt();
    bulla_provider_forget(kit.key, context, kit.wrapped[2]);
    bulla_provider_forget(kit.key, NULL, kit.wrapped[3]); /* never opened */
    assert_ok(kit_unwrap(2));
    assert_int_equal(kit_times_asked(), 2);
}

static void doubt_often(void)
{
    for (int i = 0; i < 100; i++) {
        assert_ok(kit_unwrap(0));
        doubt();
    }
    assert_ok(kit_unwrap(0));
}

/* Else anybody who damages messages could have the store asked as often as he likes. */
static void test_what_the_store_says_twice_is_doubted_once_a_second(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
    doubt_often();
    assert_int_equal(kit_times_asked(), 3);
    for (size_t second = 1; second <= 10; second++) {
        fake_env_advance_ms(&kit.fake, 999);
        doubt_often();
        assert_int_equal(kit_times_asked(), 2 + second);
        fake_env_advance_ms(&kit.fake, 1);
        doubt_often();
        assert_int_equal(kit_times_asked(), 3 + second);
    }
}

/* Ten that are renewed within a second: ten may be doubted within it. */
static void test_of_many_entries_as_many_are_doubted_as_are_renewed(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    for (size_t i = 0; i < 10; i++)
        assert_ok(kit_unwrap(i));
    doubt_often();
    assert_int_equal(kit_times_asked(), 10 + 2);
    for (size_t i = 1; i < 10; i++) {
        fake_env_advance_ms(&kit.fake, 99);
        doubt_often();
        assert_int_equal(kit_times_asked(), 10 + 1 + i);
        fake_env_advance_ms(&kit.fake, 1);
        doubt_often();
        assert_int_equal(kit_times_asked(), 10 + 2 + i);
    }
}

static void test_a_lie_that_is_told_twice_is_found_out_too(void **state)
{
    (void)state;
    const scripted_step steps[2] = {{.instead = kit.deks[1]}, {.instead = kit.deks[1]}};
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
    scripted_provider_play(kit.script, steps, 2);
    assert_true(opens_to(0, kit.deks[1]));
    doubt();
    assert_true(opens_to(0, kit.deks[1]));
    doubt();
    assert_ok(kit_unwrap(0));
}

static bool is_refreshed(void)
{
    return kit_stats().refreshed == 1;
}

static void test_a_refresh_that_says_it_once_more_leaves_it_settled(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .refresh_ahead_ms = 500});
    assert_ok(kit_unwrap(0));
    doubt();
    fake_env_advance_ms(&kit.fake, 1);
    doubt_often();
    assert_int_equal(kit_times_asked(), 3);
    fake_env_advance_ms(&kit.fake, 800);
    assert_ok(kit_unwrap(0));
    assert_true(kit_comes_true(is_refreshed));
    doubt_often();
    assert_int_equal(kit_times_asked(), 4);
}

static void test_another_answer_may_be_doubted_in_its_turn(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
    for (size_t i = 0; i < 5; i++) {
        const scripted_step step = {.instead = kit.deks[i + 1]};
        scripted_provider_play(kit.script, &step, 1);
        assert_true(opens_to(0, kit.deks[i + 1]));
        assert_int_equal(kit_times_asked(), 1);
        doubt();
    }
    scripted_provider_play(kit.script, NULL, 0);
    assert_ok(kit_unwrap(0));
}

/* Nor may he take away what an outage has to be lived through with. */
static void test_a_doubted_data_key_serves_where_the_store_does_not_answer(void **state)
{
    (void)state;
    static const uint32_t windows[] = {0, 5000};
    for (size_t i = 0; i < BULLA_LEN(windows); i++) {
        kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = windows[i]});
        assert_ok(kit_unwrap(0));
        doubt();
        memory_provider_down_set(kit.memory, true);
        assert_ok(kit_unwrap(0));
        assert_ok(kit_unwrap(0));
        fake_env_advance_ms(&kit.fake, 1000 + windows[i]);
        assert_status(kit_unwrap(0), BULLA_EUNAVAIL);
        memory_provider_down_set(kit.memory, false);
        bulla_provider_unref(BULLA_TAKE(kit.key));
    }
}

static void test_what_the_store_refuses_the_second_time_is_gone(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000, .offline_window_ms = 5000});
    assert_ok(kit_unwrap(0));
    doubt();
    memory_provider_state_set(kit.memory, BULLA_KEY_DISABLED);
    assert_status(kit_unwrap(0), BULLA_ESTATE);
    memory_provider_down_set(kit.memory, true);
    assert_status(kit_unwrap(0), BULLA_EUNAVAIL);
}

/* --- copies of an entry that many threads use --- */

static void *open_thrice(void *expected)
{
    bool is_right = true;
    for (int i = 0; i < 3; i++)
        is_right = opens_to(0, expected) && is_right;
    return is_right ? expected : NULL;
}

/* One thread after the other: each is in a lane of its own, has a copy made, and uses it. */
static void each_lane_opens(bulla_secret *expected)
{
    for (size_t i = 0; i < 2 * NUM_LANES; i++) {
        pthread_t thread;
        void *result = NULL;
        assert_int_equal(pthread_create(&thread, NULL, open_thrice, expected), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_non_null(result);
    }
}

static void test_its_copies_are_doubted_with_it(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
    lie_once();
    each_lane_opens(kit.deks[1]);
    assert_int_equal(kit_times_asked(), 1);
    doubt();
    each_lane_opens(kit.deks[0]);
    assert_int_equal(kit_times_asked(), 2);
}

/* Where there is no room even for what is in use, the entry goes and its copies stay. */
static void test_copies_of_an_entry_that_made_room_are_doubted_too(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 100000, .max_entries = 1});
    lie_once();
    each_lane_opens(kit.deks[1]);
    assert_ok(kit_unwrap(2));
    assert_int_equal(kit_stats().evicted, 1);
    each_lane_opens(kit.deks[1]);
    assert_int_equal(kit_times_asked(), 2);
    doubt();
    each_lane_opens(kit.deks[0]);
    assert_int_equal(kit_times_asked(), 3);
}

/* Hits go to the copies; but when they end, the entry must be there, above all in an outage. */
static void test_an_entry_whose_copies_are_used_does_not_make_room(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = 5000, .max_entries = 8});
    each_lane_opens(kit.deks[0]);
    for (size_t i = 1; i < KIT_KEYS; i++) {
        pthread_t thread;
        assert_ok(kit_unwrap(i));
        if (i % 2 != 0) assert_ok(kit_unwrap(i)); /* so that the clock's hand comes round */
        assert_int_equal(pthread_create(&thread, NULL, open_thrice, kit.deks[0]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_in_range(kit_stats().evicted, KIT_KEYS - 8, KIT_KEYS);
    memory_provider_down_set(kit.memory, true);
    fake_env_advance_ms(&kit.fake, 2000);
    assert_ok(kit_unwrap(0));
    assert_status(kit_unwrap(1), BULLA_EUNAVAIL);
}

/* --- behind wrappers --- */

static void wrap_in(bulla_status (*make)(bulla_provider *inner, bulla_provider **out_provider))
{
    BULLA_AUTO(bulla_provider) *inner = BULLA_TAKE(kit.key);
    assert_ok(make(inner, &kit.key));
}

static const bulla_wrapper_site nowhere = {"", NULL};

static bulla_status make_retry(bulla_provider *inner, bulla_provider **out_provider)
{
    return bulla_retry_new(&kit.call, inner, &(bulla_retry_options){0}, &nowhere, out_provider);
}

static bulla_status make_breaker(bulla_provider *inner, bulla_provider **out_provider)
{
    return bulla_breaker_new(&kit.call, inner, &(bulla_breaker_options){0}, &nowhere, out_provider);
}

static bulla_status make_failover(bulla_provider *inner, bulla_provider **out_provider)
{
    bulla_provider *const both[2] = {&kit.script->base.base, inner};
    return bulla_failover_new(&kit.call, both, 2, true, &(bulla_failover_options){0}, &nowhere, out_provider);
}

static bulla_status make_cache(bulla_provider *inner, bulla_provider **out_provider)
{
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 100000};
    return bulla_cache_new(&kit.call, inner, &options, out_provider);
}

static void test_wrappers_pass_it_on(void **state)
{
    (void)state;
    bulla_status (*const makes[])(bulla_provider *, bulla_provider **) = {make_retry, make_breaker, make_cache,
                                                                          make_failover};
    for (size_t i = 0; i < BULLA_LEN(makes); i++) {
        kit_cache_open((bulla_cache_options){.ttl_ms = 100000});
        BULLA_AUTO(bulla_provider) *inmost = bulla_provider_ref(kit.key);
        assert_status(kit_unwrap(0), BULLA_OK);
        wrap_in(makes[i]);
        scripted_provider_play(kit.script, NULL, 0);
        doubt();
        bulla_provider_unref(BULLA_TAKE(kit.key));
        kit.key = BULLA_TAKE(inmost);
        assert_status(kit_unwrap(0), BULLA_OK);
        assert_int_equal(kit_times_asked(), 1);
        bulla_provider_unref(BULLA_TAKE(kit.key));
    }
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, kit_start, kit_stop)
    const struct CMUnitTest tests[] = {
        WITH(test_a_doubted_data_key_is_asked_for_again),
        WITH(test_only_the_one_that_is_named_is_doubted),
        WITH(test_what_the_store_says_twice_is_doubted_once_a_second),
        WITH(test_of_many_entries_as_many_are_doubted_as_are_renewed),
        WITH(test_a_lie_that_is_told_twice_is_found_out_too),
        WITH(test_a_refresh_that_says_it_once_more_leaves_it_settled),
        WITH(test_another_answer_may_be_doubted_in_its_turn),
        WITH(test_a_doubted_data_key_serves_where_the_store_does_not_answer),
        WITH(test_what_the_store_refuses_the_second_time_is_gone),
        WITH(test_its_copies_are_doubted_with_it),
        WITH(test_copies_of_an_entry_that_made_room_are_doubted_too),
        WITH(test_an_entry_whose_copies_are_used_does_not_make_room),
        WITH(test_wrappers_pass_it_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
