/* SPDX-License-Identifier: Apache-2.0 */
/* The unwrap cache past the plain hit: outages, refusals, refreshes, limits of bytes. */
#include "base/bytes.h"
#include "base/secret.h"
#include "provider/cachetable.h"
#include "provider/provider.h"
#include "store_kit.h"

#include <time.h>

#define NUM_KEYS 20u
#define ALL ((bulla_view){NULL, 0})

/* --- outages --- */

/* Data key 0 has served once past its time, which was a second, for the store is gone. */
static void bridge_outage(uint32_t window_ms)
{
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = window_ms});
    assert_ok(kit_unwrap(0));
    memory_provider_down_set(kit.memory, true);
    fake_env_advance_ms(&kit.fake, 1000);
    assert_ok(kit_unwrap(0));
}

static void test_an_outage_is_bridged_within_the_window_and_no_longer(void **state)
{
    (void)state;
    bridge_outage(5000);
    assert_status(kit.call.status, BULLA_OK);
    fake_env_advance_ms(&kit.fake, 4999);
    assert_ok(kit_unwrap(0));
    assert_int_equal(kit_stats().offline_hits, 2);
    assert_true(kit_stats().is_offline);
    fake_env_advance_ms(&kit.fake, 1);
    assert_status(kit_unwrap(0), BULLA_EUNAVAIL);
}

static void test_each_kind_of_silence_is_bridged_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        bulla_status answer;
        bool bridged;
    } cases[] = {{BULLA_EUNAVAIL, true},    {BULLA_ETHROTTLED, true}, {BULLA_EDEADLINE, true},
                 {BULLA_ECANCELLED, false}, {BULLA_EAUTHN, false},    {BULLA_EINTEGRITY, false},
                 {BULLA_ENOKEY, false},     {BULLA_ESTATE, false},    {BULLA_EAUTHZ, false},
                 {BULLA_EDESTROYED, false}, {BULLA_EBUSY, false},     {BULLA_ECONTRACT, false},
                 {BULLA_EUNTRUSTED, false}};
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        const scripted_step step = {.status = cases[i].answer};
        kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = 5000});
        assert_ok(kit_unwrap(0));
        fake_env_advance_ms(&kit.fake, 1000);
        scripted_provider_play(kit.script, &step, 1);
        assert_status(kit_unwrap(0), cases[i].bridged ? BULLA_OK : cases[i].answer);
        bulla_provider_unref(BULLA_TAKE(kit.key));
        scripted_provider_play(kit.script, NULL, 0);
    }
}

static void test_what_the_store_refused_once_is_gone(void **state)
{
    (void)state;
    static const bulla_status refusals[] = {BULLA_ESTATE, BULLA_EDESTROYED, BULLA_EAUTHZ, BULLA_ENOKEY,
                                            BULLA_EINTEGRITY};
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = 5000});
    for (size_t i = 0; i < BULLA_LEN(refusals); i++) {
        const scripted_step steps[] = {{.status = refusals[i]}, {.status = BULLA_EUNAVAIL}};
        assert_ok(kit_unwrap(i));
        fake_env_advance_ms(&kit.fake, 1000);
        scripted_provider_play(kit.script, steps, 2);
        assert_status(kit_unwrap(i), refusals[i]);
        assert_status(kit_unwrap(i), BULLA_EUNAVAIL);
        scripted_provider_play(kit.script, NULL, 0);
    }
}

/* In the table itself, where nothing has been swept. */
static void test_an_entry_past_its_window_is_not_given_before_it_is_swept(void **state)
{
    (void)state;
    bulla_cachetable table = {.env = &kit.fake.env};
    const bulla_cachekey key = {.hash = 7};
    const bulla_cachevalue value = {.dek = kit.deks[0], .soft_ns = 1000, .expires_ns = 1000};
    assert_ok(bulla_cachetable_init(&table, &kit.call, &kit.fake.env, 64, 0));
    table.keep_ns = 500;
    bulla_cachetable_put(&table, &key, &value, 0, 0);
    bulla_secret *kept = bulla_cachetable_find_stale(&table, &key, 1499).dek;
    assert_ptr_equal(kept, kit.deks[0]);
    bulla_secret_unref(kept);
    assert_null(bulla_cachetable_find_stale(&table, &key, 1500).dek);
    bulla_cachetable_done(&table);
}

static void test_what_was_purged_is_gone_in_an_outage_too(void **state)
{
    (void)state;
    bridge_outage(5000);
    bulla_provider_purge(kit.key, bulla_view_text("key"));
    assert_status(kit_unwrap(0), BULLA_EUNAVAIL);
}

static void test_an_outage_is_told_once_and_its_end_too(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = 60000});
    for (size_t i = 0; i < 5; i++)
        assert_ok(kit_unwrap(i));
    fake_env_advance_ms(&kit.fake, 1000);
    memory_provider_down_set(kit.memory, true);
    for (size_t i = 0; i < 5; i++)
        assert_ok(kit_unwrap(i));
    assert_int_equal(kit.fake.num_logged, 1);
    assert_non_null(strstr(kit.fake.last_line, "serve for up to 60000 ms past their time"));
    memory_provider_down_set(kit.memory, false);
    assert_ok(kit_unwrap(10)); /* never opened before: it is asked for */
    assert_int_equal(kit.fake.num_logged, 2);
    assert_non_null(strstr(kit.fake.last_line, "answers again"));
    assert_false(kit_stats().is_offline);
}

/* Once the outage is known, those who can be served are, and nobody waits for the store. */
static void test_a_known_outage_costs_one_request_a_second(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = 600000});
    for (size_t i = 0; i < NUM_KEYS; i++)
        assert_ok(kit_unwrap(i));
    memory_provider_down_set(kit.memory, true);
    fake_env_advance_ms(&kit.fake, 1000);
    scripted_provider_play(kit.script, NULL, 0);
    for (size_t second = 0; second < 30; second++) {
        for (size_t i = 0; i < NUM_KEYS; i++)
            assert_ok(kit_unwrap(i));
        fake_env_advance_ms(&kit.fake, 1000);
    }
    assert_in_range(kit_times_asked(), 1, 30);
    assert_int_equal(kit_stats().offline_hits, 30 * NUM_KEYS);
}

static bool is_online(void)
{
    return !kit_stats().is_offline;
}

static void test_the_end_of_an_outage_is_found_in_the_background(void **state)
{
    (void)state;
    bridge_outage(600000);
    memory_provider_down_set(kit.memory, false);
    assert_ok(kit_unwrap(0)); /* not yet */
    assert_true(kit_stats().is_offline);
    fake_env_advance_ms(&kit.fake, 1000);
    assert_ok(kit_unwrap(0)); /* served, and a thread asks */
    assert_true(kit_comes_true(is_online));
    assert_int_equal(kit_stats().offline_hits, 3);
}

/* Whoever takes the credentials away means to end it, and not to wait for the window's end. */
static void test_a_store_that_answers_and_does_not_know_us_ends_the_outage(void **state)
{
    (void)state;
    static const scripted_step stranger = {.status = BULLA_EAUTHN};
    bridge_outage(600000);
    memory_provider_down_set(kit.memory, false);
    scripted_provider_play(kit.script, &stranger, 1);
    fake_env_advance_ms(&kit.fake, 1000);
    assert_ok(kit_unwrap(0)); /* served, and a thread asks */
    assert_true(kit_comes_true(is_online));
    scripted_provider_play(kit.script, &stranger, 1);
    assert_status(kit_unwrap(0), BULLA_EAUTHN);
}

/* He could hold revocations back for as long as the window is open. */
static void test_somebody_in_the_stores_place_ends_the_outage(void **state)
{
    (void)state;
    static const scripted_step steps[2] = {{.status = BULLA_EUNTRUSTED}, {.status = BULLA_EUNTRUSTED}};
    bridge_outage(600000);
    scripted_provider_play(kit.script, steps, 2);
    fake_env_advance_ms(&kit.fake, 1000);
    assert_ok(kit_unwrap(0)); /* served, and a thread asks */
    assert_true(kit_comes_true(is_online));
    assert_status(kit_unwrap(0), BULLA_EUNTRUSTED);
    assert_false(kit_stats().is_offline);
    bulla_provider_unref(BULLA_TAKE(kit.key)); /* with its thread, which may be about to say so */
    assert_non_null(strstr(kit.fake.last_line, "whose certificate is not accepted"));
}

/* --- refusals --- */

static void test_a_refusal_of_the_bytes_is_remembered_for_a_moment(void **state)
{
    (void)state;
    static const bulla_status kinds[] = {BULLA_ENOKEY, BULLA_EINTEGRITY};
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .negative_ttl_ms = 100});
    for (size_t i = 0; i < BULLA_LEN(kinds); i++) {
        const scripted_step step = {.status = kinds[i]};
        scripted_provider_play(kit.script, &step, 1);
        for (int n = 0; n < 10; n++)
            assert_status(kit_unwrap(i), kinds[i]);
        assert_int_equal(kit_times_asked(), 1);
        assert_true(strlen(kit.call.provider) > 0 && strstr(kit.call.why, "ago") != NULL);
        assert_ok(kit_unwrap(10 + i)); /* and nobody else's */
        fake_env_advance_ms(&kit.fake, 100);
        assert_ok(kit_unwrap(i));
    }
    assert_int_equal(kit_stats().negative_hits, 18);
}

static void test_outages_and_states_are_never_remembered(void **state)
{
    (void)state;
    static const bulla_status kinds[] = {BULLA_EUNAVAIL, BULLA_ETHROTTLED, BULLA_EDEADLINE, BULLA_ESTATE,
                                         BULLA_EAUTHZ,   BULLA_EAUTHN,     BULLA_EDESTROYED};
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .negative_ttl_ms = 1000});
    for (size_t i = 0; i < BULLA_LEN(kinds); i++) {
        const scripted_step step = {.status = kinds[i]};
        scripted_provider_play(kit.script, &step, 1);
        assert_status(kit_unwrap(i), kinds[i]);
        assert_ok(kit_unwrap(i));
    }
    assert_int_equal(kit_stats().negative_hits, 0);
}

static void test_a_purge_forgets_refusals(void **state)
{
    (void)state;
    static const scripted_step step = {.status = BULLA_ENOKEY};
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .negative_ttl_ms = 1000});
    scripted_provider_play(kit.script, &step, 1);
    assert_status(kit_unwrap(0), BULLA_ENOKEY);
    bulla_provider_purge(kit.key, bulla_view_text("key"));
    assert_ok(kit_unwrap(0));
}

static void test_refusals_are_bounded(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .negative_ttl_ms = 100000});
    size_t before = kit.fake.num_live;
    bulla_wrapped damaged = *kit.wrapped[0];
    uint8_t blob[64];
    memcpy(blob, damaged.blob.data, damaged.blob.len);
    damaged.blob.data = blob;
    for (uint16_t i = 1; i < 5000; i++) {
        bulla_secret *dek = NULL;
        blob[0] = kit.wrapped[0]->blob.data[0] ^ (uint8_t)i;
        blob[1] = kit.wrapped[0]->blob.data[1] ^ (uint8_t)(i >> 8);
        assert_status(bulla_provider_unwrap(kit.key, &kit.call, NULL, &damaged, &dek), BULLA_EINTEGRITY);
    }
    assert_in_range(kit.fake.num_live - before, 900, 1024);
}

/* --- refreshing --- */

static bool is_refreshed(void)
{
    return kit_stats().refreshed == 1;
}

static void test_an_entry_in_use_is_renewed_before_its_end(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .refresh_ahead_ms = 200});
    assert_ok(kit_unwrap(0));
    fake_env_advance_ms(&kit.fake, 799);
    assert_ok(kit_unwrap(0));
    assert_int_equal(kit_times_asked(), 1);
    fake_env_advance_ms(&kit.fake, 101); /* chance takes away half of the time at most */
    for (int i = 0; i < 5; i++)
        assert_ok(kit_unwrap(0));
    assert_true(kit_comes_true(is_refreshed));
    assert_int_equal(kit_times_asked(), 2);
    fake_env_advance_ms(&kit.fake, 700); /* the old entry would be gone */
    memory_provider_down_set(kit.memory, true);
    assert_ok(kit_unwrap(0));
    assert_int_equal(kit_stats().misses, 1);
}

static bool is_one_refreshed(void)
{
    return kit_stats().refreshed != 0;
}

/* Until no more come for a while; late ones only make the test milder. */
static void await_refreshes(void)
{
    static const struct timespec while_ = {0, 100000000};
    uint64_t seen = 0;
    assert_true(kit_comes_true(is_one_refreshed));
    while (seen != kit_stats().refreshed) {
        seen = kit_stats().refreshed;
        (void)nanosleep(&while_, NULL);
    }
}

static void test_what_was_opened_together_is_not_renewed_together(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .refresh_ahead_ms = 200});
    for (size_t i = 0; i < KIT_KEYS; i++)
        assert_ok(kit_unwrap(i));
    fake_env_advance_ms(&kit.fake, 850); /* half of the time between the first renewals and the last ones */
    for (size_t i = 0; i < KIT_KEYS; i++)
        assert_ok(kit_unwrap(i));
    await_refreshes();
    fake_env_advance_ms(&kit.fake, 150); /* what was not renewed ends */
    for (size_t i = 0; i < KIT_KEYS; i++)
        assert_ok(kit_unwrap(i));
    assert_in_range(kit_stats().misses, KIT_KEYS + 1, 2 * KIT_KEYS - 1);
}

static void test_an_entry_that_nobody_uses_is_not_renewed(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .refresh_ahead_ms = 500});
    assert_ok(kit_unwrap(0));
    fake_env_advance_ms(&kit.fake, 1000);
    assert_ok(kit_unwrap(0));
    assert_int_equal(kit_stats().refreshed, 0);
    assert_int_equal(kit_stats().misses, 2);
}

static bool is_forgotten(void)
{
    return kit_stats().entries == 0;
}

static void test_a_refresh_that_is_refused_ends_the_entry_at_once(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .refresh_ahead_ms = 500, .offline_window_ms = 5000});
    assert_ok(kit_unwrap(0));
    memory_provider_state_set(kit.memory, BULLA_KEY_DISABLED);
    fake_env_advance_ms(&kit.fake, 800);
    assert_ok(kit_unwrap(0)); /* the last one */
    assert_true(kit_comes_true(is_forgotten));
    assert_status(kit_unwrap(0), BULLA_ESTATE);
}

static void purge_now(void *arg)
{
    (void)arg;
    if (kit_times_asked() == 2) bulla_provider_purge(kit.key, ALL);
}

static bool is_purged_and_refreshed(void)
{
    return kit_stats().refreshed == 1 && kit_stats().purged == 1;
}

static void test_a_purge_during_a_refresh_forbids_keeping_its_answer(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .refresh_ahead_ms = 500});
    assert_ok(kit_unwrap(0));
    kit.script->hook = purge_now;
    fake_env_advance_ms(&kit.fake, 800);
    assert_ok(kit_unwrap(0));
    assert_true(kit_comes_true(is_purged_and_refreshed));
    assert_int_equal(kit_stats().entries, 0);
}

/* --- limits --- */

static void test_the_limit_of_bytes_holds(void **state)
{
    (void)state;
    size_t each = 6 + kit.wrapped[0]->info.len + kit.wrapped[0]->blob.len;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .max_bytes = 5 * each + 1});
    for (size_t i = 0; i < NUM_KEYS; i++) {
        assert_ok(kit_unwrap(i));
        assert_true(kit_stats().bytes <= 5 * each + 1);
    }
    assert_int_equal(kit_stats().entries, 5);
    assert_int_equal(kit_stats().bytes, 5 * each);
    bulla_provider_purge(kit.key, ALL);
    assert_int_equal(kit_stats().bytes, 0);
}

static void test_what_is_larger_than_the_limit_is_not_kept(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .max_bytes = 10});
    assert_ok(kit_unwrap(0));
    assert_ok(kit_unwrap(0));
    assert_int_equal(kit_times_asked(), 2);
    assert_int_equal(kit_stats().entries, 0);
}

static void test_stats_state_the_bound_and_the_age(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .offline_window_ms = 7000});
    assert_int_equal(kit_stats().stale_bound_ms, 8000);
    assert_int_equal(kit_stats().oldest_ms, 0);
    assert_ok(kit_unwrap(0));
    fake_env_advance_ms(&kit.fake, 300);
    assert_ok(kit_unwrap(1));
    fake_env_advance_ms(&kit.fake, 200);
    assert_int_equal(kit_stats().oldest_ms, 500);
    bulla_provider_unref(BULLA_TAKE(kit.key));
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000});
    assert_int_equal(kit_stats().stale_bound_ms, 5000);
}

static void test_options_are_checked(void **state)
{
    (void)state;
    const bulla_cache_options bad[] = {{.ttl_ms = 1000, .refresh_ahead_ms = 1000},
                                       {.ttl_ms = 1000, .offline_window_ms = 604800001},
                                       {.ttl_ms = 1000, .reuse_ms = 86400001},
                                       {.ttl_ms = 1000, .negative_ttl_ms = 300001}};
    for (size_t i = 0; i < BULLA_LEN(bad); i++) {
        bulla_cache_options options = bad[i];
        options.size = sizeof options;
        assert_status(bulla_cache_new(&kit.call, kit.memory, &options, &kit.key), BULLA_EINVAL);
    }
    assert_null(kit.key);
}

static void test_every_shortage_of_memory_is_survived(void **state)
{
    (void)state;
    const bulla_cache_options options = {.size = sizeof options,
                                         .ttl_ms = 1000,
                                         .refresh_ahead_ms = 10,
                                         .offline_window_ms = 10,
                                         .negative_ttl_ms = 10,
                                         .reuse_ms = 10};
    size_t live = kit.fake.num_live, n = 1;
    for (; n < 20; n++) {
        fake_env_fail_alloc_in(&kit.fake, n);
        if (bulla_cache_new(&kit.call, kit.memory, &options, &kit.key) == BULLA_OK) break;
        assert_status(kit.call.status, BULLA_ENOMEM);
        assert_int_equal(kit.fake.num_live, live);
    }
    assert_in_range(n, 2, 10);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, kit_start, kit_stop)
    const struct CMUnitTest tests[] = {
        WITH(test_an_outage_is_bridged_within_the_window_and_no_longer),
        WITH(test_each_kind_of_silence_is_bridged_and_nothing_else),
        WITH(test_what_the_store_refused_once_is_gone),
        WITH(test_an_entry_past_its_window_is_not_given_before_it_is_swept),
        WITH(test_what_was_purged_is_gone_in_an_outage_too),
        WITH(test_an_outage_is_told_once_and_its_end_too),
        WITH(test_a_known_outage_costs_one_request_a_second),
        WITH(test_the_end_of_an_outage_is_found_in_the_background),
        WITH(test_a_store_that_answers_and_does_not_know_us_ends_the_outage),
        WITH(test_somebody_in_the_stores_place_ends_the_outage),
        WITH(test_a_refusal_of_the_bytes_is_remembered_for_a_moment),
        WITH(test_outages_and_states_are_never_remembered),
        WITH(test_a_purge_forgets_refusals),
        WITH(test_refusals_are_bounded),
        WITH(test_an_entry_in_use_is_renewed_before_its_end),
        WITH(test_what_was_opened_together_is_not_renewed_together),
        WITH(test_an_entry_that_nobody_uses_is_not_renewed),
        WITH(test_a_refresh_that_is_refused_ends_the_entry_at_once),
        WITH(test_a_purge_during_a_refresh_forbids_keeping_its_answer),
        WITH(test_the_limit_of_bytes_holds),
        WITH(test_what_is_larger_than_the_limit_is_not_kept),
        WITH(test_stats_state_the_bound_and_the_age),
        WITH(test_options_are_checked),
        WITH(test_every_shortage_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
