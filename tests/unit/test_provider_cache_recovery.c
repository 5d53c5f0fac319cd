/* SPDX-License-Identifier: Apache-2.0 */
/* The unwrap cache when an outage is over: what ended meanwhile is renewed as on other days, and not all at once. */
#include "base/bytes.h"
#include "base/secret.h"
#include "store_kit.h"

#define NUM_KEYS 40u
#define TTL_MS 16000u
#define PACE_MS (TTL_MS / NUM_KEYS)

static bool is_online(void)
{
    return !kit_stats().is_offline;
}

static size_t num_expected;

static bool is_asked_as_expected(void)
{
    return kit_times_asked() == num_expected && kit_stats().refreshed == num_expected;
}

static void use_all(void)
{
    for (size_t i = 0; i < NUM_KEYS; i++)
        assert_ok(kit_unwrap(i));
}

/* All keys are past their end, and the store has been gone for `ms`. A request finds that it is back, and data key 0 is
 * renewed by that. */
static void live_through_outage(int64_t ms, uint32_t window_ms)
{
    kit_cache_open((bulla_cache_options){.ttl_ms = TTL_MS, .offline_window_ms = window_ms});
    use_all();
    fake_env_advance_ms(&kit.fake, TTL_MS);
    memory_provider_down_set(kit.memory, true);
    use_all();
    fake_env_advance_ms(&kit.fake, ms);
    memory_provider_down_set(kit.memory, false);
    scripted_provider_play(kit.script, NULL, 0);
    assert_ok(kit_unwrap(0));
    assert_true(kit_comes_true(is_online));
    num_expected = 1;
    assert_true(kit_comes_true(is_asked_as_expected));
}

static void test_after_an_outage_the_store_is_asked_as_often_as_before(void **state)
{
    (void)state;
    live_through_outage(60000, 600000);
    for (num_expected = 2; num_expected <= NUM_KEYS; num_expected++) {
        use_all(); /* each of them in every while, and one of them has its turn */
        assert_true(kit_comes_true(is_asked_as_expected));
        use_all();
        fake_env_advance_ms(&kit.fake, PACE_MS);
    }
    size_t num_late = kit_stats().offline_hits;
    for (int i = 0; i < 3; i++)
        use_all();
    assert_int_equal(kit_times_asked(), NUM_KEYS); /* and each of them once */
    assert_int_equal(kit_stats().offline_hits, num_late);
}

/* Of four whiles of three quarters three have a turn in them. */
static void test_who_comes_late_for_his_turn_does_not_delay_the_next(void **state)
{
    (void)state;
    live_through_outage(60000, 600000);
    for (int i = 0; i < 16; i++) {
        use_all();
        if (i % 4 != 1) num_expected++;
        assert_true(kit_comes_true(is_asked_as_expected));
        fake_env_advance_ms(&kit.fake, PACE_MS * 3 / 4);
    }
    assert_int_equal(num_expected, 1 + 12);
}

static void test_it_takes_no_longer_than_the_outage_did(void **state)
{
    (void)state;
    live_through_outage(1000, 600000);
    fake_env_advance_ms(&kit.fake, 999);
    assert_ok(kit_unwrap(1)); /* still late, with the first turn */
    num_expected = 2;
    assert_true(kit_comes_true(is_asked_as_expected));
    fake_env_advance_ms(&kit.fake, 1);
    size_t num_late = kit_stats().offline_hits;
    for (size_t i = 2; i < 10; i++)
        assert_ok(kit_unwrap(i));
    assert_int_equal(kit_times_asked(), 2 + 8);
    assert_int_equal(kit_stats().offline_hits, num_late);
}

static void test_it_takes_no_longer_than_the_ttl(void **state)
{
    (void)state;
    live_through_outage(60000, 600000);
    fake_env_advance_ms(&kit.fake, TTL_MS);
    size_t num_late = kit_stats().offline_hits;
    use_all();
    assert_int_equal(kit_times_asked(), 1 + NUM_KEYS);
    assert_int_equal(kit_stats().offline_hits, num_late);
}

static void test_the_window_is_not_longer_for_it(void **state)
{
    (void)state;
    live_through_outage(20000, 25000);
    fake_env_advance_ms(&kit.fake, 4999);
    use_all();
    num_expected = 2;
    assert_true(kit_comes_true(is_asked_as_expected));
    fake_env_advance_ms(&kit.fake, 1);
    size_t num_late = kit_stats().offline_hits;
    use_all();
    assert_int_equal(kit_stats().offline_hits, num_late);
}

/* Whoever was taken away is not to serve until its turn comes. */
static void test_the_first_refusal_ends_it(void **state)
{
    (void)state;
    static const bulla_status refusals[] = {BULLA_ESTATE, BULLA_EDESTROYED, BULLA_EAUTHZ,
                                            BULLA_ENOKEY, BULLA_EAUTHN,     BULLA_EUNTRUSTED};
    for (size_t i = 0; i < BULLA_LEN(refusals); i++) {
        const scripted_step steps[2] = {{.status = refusals[i]}, {.status = refusals[i]}};
        live_through_outage(60000, 600000);
        scripted_provider_play(kit.script, steps, 2);
        BULLA_AUTO(bulla_secret) *dek = NULL;
        /* One that the cache does not know tells. */
        assert_status(bulla_provider_unwrap(kit.key, &kit.call, NULL, kit.wrapped[NUM_KEYS], &dek), refusals[i]);
        assert_status(kit_unwrap(5), refusals[i]);
        scripted_provider_play(kit.script, NULL, 0);
        bulla_provider_unref(BULLA_TAKE(kit.key));
    }
}

static void test_a_store_that_comes_back_and_refuses_is_heard(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = TTL_MS, .offline_window_ms = 600000});
    use_all();
    fake_env_advance_ms(&kit.fake, TTL_MS);
    memory_provider_down_set(kit.memory, true);
    use_all();
    fake_env_advance_ms(&kit.fake, 60000);
    memory_provider_down_set(kit.memory, false);
    memory_provider_state_set(kit.memory, BULLA_KEY_DISABLED);
    assert_ok(kit_unwrap(0)); /* served, and a thread asks */
    assert_true(kit_comes_true(is_online));
    assert_status(kit_unwrap(5), BULLA_ESTATE);
}

/* A second outage in the middle of it: what the first one left to do is not forgotten. */
static void test_a_second_outage_adds_to_the_first(void **state)
{
    (void)state;
    static const scripted_step gone = {.status = BULLA_EUNAVAIL};
    live_through_outage(60000, 600000);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    scripted_provider_play(kit.script, &gone, 1);
    assert_status(bulla_provider_unwrap(kit.key, &kit.call, NULL, kit.wrapped[NUM_KEYS], &dek), BULLA_EUNAVAIL);
    assert_true(kit_stats().is_offline);
    scripted_provider_play(kit.script, NULL, 0);
    assert_ok(kit_unwrap(NUM_KEYS + 1)); /* never opened: it is asked for, and the store is back */
    assert_false(kit_stats().is_offline);
    fake_env_advance_ms(&kit.fake, TTL_MS / 2);
    size_t num_late = kit_stats().offline_hits;
    use_all();
    assert_int_equal(kit_stats().offline_hits, num_late + NUM_KEYS - 1);
}

static void test_a_doubted_data_key_does_not_wait_for_its_turn(void **state)
{
    (void)state;
    live_through_outage(60000, 600000);
    bulla_provider_forget(kit.key, NULL, kit.wrapped[0]);
    size_t num_late = kit_stats().offline_hits;
    assert_ok(kit_unwrap(0));
    assert_int_equal(kit_times_asked(), 2);
    assert_int_equal(kit_stats().offline_hits, num_late);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, kit_start, kit_stop)
    const struct CMUnitTest tests[] = {
        WITH(test_after_an_outage_the_store_is_asked_as_often_as_before),
        WITH(test_who_comes_late_for_his_turn_does_not_delay_the_next),
        WITH(test_it_takes_no_longer_than_the_outage_did),
        WITH(test_it_takes_no_longer_than_the_ttl),
        WITH(test_the_window_is_not_longer_for_it),
        WITH(test_the_first_refusal_ends_it),
        WITH(test_a_store_that_comes_back_and_refuses_is_heard),
        WITH(test_a_second_outage_adds_to_the_first),
        WITH(test_a_doubted_data_key_does_not_wait_for_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
