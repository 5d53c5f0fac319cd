/* SPDX-License-Identifier: Apache-2.0 */
/* Retry: what is put again, how often, after which wait; and what never is. */
#include "base/bytes.h"
#include "base/secret.h"
#include "provider/wrappers.h"
#include "store_kit.h"

#define MS INT64_C(1000000)
#define DOWN                                                                                                           \
    {                                                                                                                  \
        .status = BULLA_EUNAVAIL                                                                                       \
    }

static const bulla_wrapper_site site = {"store=\"test\"", NULL};

static void retry_open(bulla_retry_options options)
{
    assert_ok(bulla_retry_new(&kit.call, &kit.script->base.base, &options, &site, &kit.key));
}

static bulla_status unwrap(void)
{
    return kit_unwrap(0);
}

#define PLAY(...)                                                                                                      \
    static const scripted_step steps[] = {__VA_ARGS__};                                                                \
    scripted_provider_play(kit.script, steps, BULLA_LEN(steps))

static void test_what_failed_without_effect_is_put_again(void **state)
{
    (void)state;
    PLAY(DOWN, {.status = BULLA_ETHROTTLED}, {.status = BULLA_EBUSY});
    retry_open((bulla_retry_options){0});
    assert_ok(unwrap());
    assert_int_equal(kit.script->num_calls, 4);
    assert_int_equal(kit.call.attempts, 4);
    assert_status(kit.call.status, BULLA_OK);
}

static void test_the_last_error_says_how_many_tries_there_were(void **state)
{
    (void)state;
    PLAY(DOWN, DOWN, DOWN, {.status = BULLA_ETHROTTLED}, DOWN);
    retry_open((bulla_retry_options){0});
    assert_status(unwrap(), BULLA_ETHROTTLED);
    assert_int_equal(kit.script->num_calls, 4);
    assert_int_equal(kit.call.attempts, 4);
    assert_non_null(strstr(kit.call.why, "the script says ETHROTTLED (tried 4 times)"));
    assert_string_equal(kit.call.provider, "memory");
}

static void test_refusals_are_not_put_again(void **state)
{
    (void)state;
    static const bulla_status answers[] = {BULLA_ENOKEY,    BULLA_ESTATE,     BULLA_EDESTROYED,
                                           BULLA_EAUTHZ,    BULLA_EINTEGRITY, BULLA_ECONTRACT,
                                           BULLA_EDEADLINE, BULLA_ECANCELLED, BULLA_EUNTRUSTED};
    retry_open((bulla_retry_options){0});
    for (size_t i = 0; i < BULLA_LEN(answers); i++) {
        const scripted_step step = {.status = answers[i]};
        scripted_provider_play(kit.script, &step, 1);
        assert_status(unwrap(), answers[i]);
        assert_int_equal(kit.script->num_calls, 1);
        assert_int_equal(kit.call.attempts, 1);
        assert_null(strstr(kit.call.why, "tried"));
    }
}

static void test_an_unsure_answer_is_put_again_only_where_that_does_no_harm(void **state)
{
    (void)state;
    PLAY({.status = BULLA_EUNKNOWN});
    retry_open((bulla_retry_options){0});
    assert_ok(unwrap());
    assert_int_equal(kit.script->num_calls, 2);
    kit.script->base.ops.idempotent = 0; /* the same store, less sure of itself */
    scripted_provider_play(kit.script, steps, 1);
    assert_status(unwrap(), BULLA_EUNKNOWN);
    assert_int_equal(kit.script->num_calls, 1);
}

static void test_waits_double_and_are_random_below_that(void **state)
{
    (void)state;
    static const scripted_step steps[] = {DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, DOWN};
    int64_t longest[6] = {0}, sum[6] = {0};
    for (int round = 0; round < 200; round++) {
        retry_open((bulla_retry_options){.max_retries = 6, .base_delay_ms = 100, .max_delay_ms = 1000});
        scripted_provider_play(kit.script, steps, BULLA_LEN(steps));
        assert_status(unwrap(), BULLA_EUNAVAIL);
        assert_int_equal(kit.script->num_calls, 7);
        bulla_provider_unref(BULLA_TAKE(kit.key));
        for (size_t i = 0; i < 6; i++) {
            int64_t waited = kit.script->asked_ns[i + 1] - kit.script->asked_ns[i];
            sum[i] += waited;
            if (waited > longest[i]) longest[i] = waited;
        }
    }
    static const int64_t limits[6] = {100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < 6; i++) {
        assert_in_range(longest[i], limits[i] * MS * 9 / 10, limits[i] * MS);
        assert_in_range(sum[i] / 200, limits[i] * MS / 3, limits[i] * MS * 2 / 3); /* not all long, not all short */
    }
}

static void test_a_store_that_says_when_is_asked_then(void **state)
{
    (void)state;
    PLAY({.status = BULLA_ETHROTTLED, .retry_after_ms = 700});
    retry_open((bulla_retry_options){.base_delay_ms = 10});
    assert_ok(unwrap());
    assert_in_range(kit.script->asked_ns[1] - kit.script->asked_ns[0], 700 * MS, 710 * MS);
}

static void test_a_store_that_wants_a_long_rest_is_left_alone(void **state)
{
    (void)state;
    PLAY({.status = BULLA_ETHROTTLED, .retry_after_ms = 2001});
    retry_open((bulla_retry_options){0});
    assert_status(unwrap(), BULLA_ETHROTTLED);
    assert_int_equal(kit.call.retry_after_ms, 2001);
    assert_int_equal(kit.script->num_calls, 1);
    assert_int_equal(kit.fake.num_sleeps, 0);
    assert_non_null(strstr(kit.call.why, "(tried once; the store asks to wait for 2001 ms)"));
}

static void test_a_wait_that_the_deadline_does_not_allow_is_not_begun(void **state)
{
    (void)state;
    PLAY({.status = BULLA_ETHROTTLED, .retry_after_ms = 500}, DOWN);
    retry_open((bulla_retry_options){0});
    bulla_call_deadline_set(&kit.call, 500);
    assert_status(unwrap(), BULLA_ETHROTTLED);
    assert_int_equal(kit.fake.num_sleeps, 0);
    assert_non_null(strstr(kit.call.why, "the deadline leaves no time for another try"));
    bulla_call_deadline_set(&kit.call, 0);
    assert_ok(unwrap()); /* the second step, without a deadline */
}

static void cancel_it(void *arg)
{
    bulla_call_cancel(arg);
}

static void test_a_wait_ends_with_cancellation(void **state)
{
    (void)state;
    PLAY({.status = BULLA_ETHROTTLED, .retry_after_ms = 1900});
    retry_open((bulla_retry_options){0});
    kit.fake.on_sleep = cancel_it;
    kit.fake.on_sleep_arg = &kit.call;
    assert_status(unwrap(), BULLA_ECANCELLED);
    assert_int_equal(kit.script->num_calls, 1);
    assert_int_equal(kit.fake.num_sleeps, 1);
    assert_true(kit.fake.slept_ns <= 50 * MS);
}

/* 1,000 requests to a store that is down: a tenth of them are put again, and the few that any one may. */
static void test_retries_never_exceed_their_part_of_the_requests(void **state)
{
    (void)state;
    retry_open((bulla_retry_options){.max_retries = 10});
    memory_provider_down_set(kit.memory, true);
    for (int i = 0; i < 1000; i++)
        assert_status(unwrap(), BULLA_EUNAVAIL);
    assert_in_range(kit.script->num_calls, 1000 + 100, 1000 + 100 + 10);
    assert_non_null(strstr(kit.call.why, "retries are limited to 10 % of the requests"));
}

static void test_a_good_time_saves_up_for_no_more_than_a_hundred_retries(void **state)
{
    (void)state;
    retry_open((bulla_retry_options){.max_retries = 10});
    for (int i = 0; i < 5000; i++)
        assert_ok(unwrap());
    memory_provider_down_set(kit.memory, true);
    for (int i = 0; i < 100; i++)
        assert_status(unwrap(), BULLA_EUNAVAIL);
    assert_in_range(kit.script->num_calls, 5000 + 100 + 100, 5000 + 100 + 110);
}

static void test_a_rotation_whose_answer_was_lost_is_found(void **state)
{
    (void)state;
    uint32_t version = 0;
    PLAY({.status = BULLA_EUNKNOWN, .acts = true, .only = BULLA_OP_ROTATE});
    retry_open((bulla_retry_options){0});
    assert_ok(bulla_provider_rotate(kit.key, &kit.call, &version));
    assert_int_equal(version, 2);
    assert_int_equal(memory_provider_counts(kit.memory).rotates, 1);
}

static void test_a_rotation_that_did_not_happen_is_put_again(void **state)
{
    (void)state;
    uint32_t version = 0;
    PLAY({.status = BULLA_EUNKNOWN, .only = BULLA_OP_ROTATE});
    retry_open((bulla_retry_options){0});
    assert_ok(bulla_provider_rotate(kit.key, &kit.call, &version));
    assert_int_equal(version, 2);
    assert_int_equal(memory_provider_counts(kit.memory).rotates, 1);
    assert_int_equal(memory_provider_counts(kit.memory).describes, 3); /* before, after the loss, after the wait */
    assert_int_equal(kit.call.attempts, 2);
}

static void test_a_rotation_that_nobody_can_look_up_is_not_put_again(void **state)
{
    (void)state;
    uint32_t version = 0;
    PLAY({.status = BULLA_EUNKNOWN, .only = BULLA_OP_ROTATE});
    kit.script->base.ops.can &= ~BULLA_OP_DESCRIBE;
    retry_open((bulla_retry_options){0});
    assert_status(bulla_provider_rotate(kit.key, &kit.call, &version), BULLA_EUNKNOWN);
    assert_int_equal(kit.script->num_calls, 1);
    assert_int_equal(version, 0);
}

static void test_a_rotation_stays_unknown_when_the_store_is_gone_after_it(void **state)
{
    (void)state;
    uint32_t version = 0;
    PLAY({.status = BULLA_OK, .only = BULLA_OP_DESCRIBE}, {.status = BULLA_EUNKNOWN, .only = BULLA_OP_ROTATE}, DOWN,
         DOWN, DOWN, DOWN);
    retry_open((bulla_retry_options){0});
    assert_status(bulla_provider_rotate(kit.key, &kit.call, &version), BULLA_EUNKNOWN);
    assert_non_null(strstr(kit.call.why, "the script says EUNKNOWN"));
    assert_int_equal(memory_provider_counts(kit.memory).rotates, 0);
}

static void cancel_late(void *arg)
{
    if (kit.script->num_calls == 3) bulla_call_cancel(arg); /* while it waits for the second look */
}

static void test_a_cancelled_search_for_a_rotation_says_that_nobody_knows(void **state)
{
    (void)state;
    uint32_t version = 0;
    PLAY({.status = BULLA_EUNKNOWN, .retry_after_ms = 100, .only = BULLA_OP_ROTATE});
    retry_open((bulla_retry_options){0});
    kit.fake.on_sleep = cancel_late;
    kit.fake.on_sleep_arg = &kit.call;
    assert_status(bulla_provider_rotate(kit.key, &kit.call, &version), BULLA_EUNKNOWN);
    assert_int_equal(memory_provider_counts(kit.memory).rotates, 0);
}

/* A store that loses the answer when a key is made. */
typedef struct maker {
    bulla_provider base;
    bool makes; /* loses the answer alone, not the request */
    bool is_there;
    size_t num_creates;
} maker;

static bulla_status maker_create(bulla_provider *provider, bulla_call *own)
{
    maker *self = (maker *)provider;
    self->is_there = self->makes;
    return self->num_creates++ == 0 ? bulla_fail(own, BULLA_EUNKNOWN, "the answer was lost") : BULLA_OK;
}

static bulla_status maker_describe(bulla_provider *provider, bulla_call *own, bulla_key_info *out_info)
{
    if (!((maker *)provider)->is_there) return bulla_fail(own, BULLA_ENOKEY, "no such key");
    *out_info = (bulla_key_info){.primary_version = 1};
    return BULLA_OK;
}

static void maker_destroy(bulla_provider *provider)
{
    (void)provider;
}

static bulla_status make_with(maker *store)
{
    static const bulla_provider_ops ops = {.size = sizeof ops,
                                           .name = "maker",
                                           .can = BULLA_OP_CREATE | BULLA_OP_DESCRIBE,
                                           .idempotent = BULLA_OP_DESCRIBE,
                                           .describe = maker_describe,
                                           .create = maker_create,
                                           .destroy = maker_destroy};
    const bulla_retry_options options = {0};
    bulla_provider_init(&store->base, &ops);
    assert_ok(bulla_retry_new(&kit.call, &store->base, &options, &site, &kit.key));
    bulla_status status = bulla_provider_create(kit.key, &kit.call);
    bulla_provider_unref(BULLA_TAKE(kit.key));
    return status;
}

static void test_a_key_whose_answer_was_lost_is_found_and_not_made_again(void **state)
{
    (void)state;
    maker store = {.makes = true};
    assert_ok(make_with(&store));
    assert_int_equal(store.num_creates, 1);
}

static void test_a_key_that_was_not_made_is_asked_for_again(void **state)
{
    (void)state;
    maker store = {.makes = false};
    assert_ok(make_with(&store));
    assert_int_equal(store.num_creates, 2);
}

static void test_a_cancelled_search_for_a_key_says_that_nobody_knows(void **state)
{
    (void)state;
    maker store = {.makes = false};
    kit.fake.on_sleep = cancel_it;
    kit.fake.on_sleep_arg = &kit.call;
    assert_status(make_with(&store), BULLA_EUNKNOWN);
    assert_non_null(strstr(kit.call.why, "the answer was lost"));
}

/* A store whose listing breaks off, before the first key or behind it. */
typedef struct listing {
    bulla_provider base;
    size_t num_lists, shown_before; /* keys that are shown before the first listing breaks off */
} listing;

static bulla_status list_keys(bulla_provider *provider, bulla_call *own, bulla_provider_visit visit, void *arg)
{
    listing *self = (listing *)provider;
    const bulla_key_info info = {.id = "key"};
    size_t shown = self->num_lists++ == 0 ? self->shown_before : 2;
    for (size_t i = 0; i < shown; i++)
        BULLA_TRY(visit(arg, own, "memory:key", &info));
    return shown == 2 ? BULLA_OK : bulla_fail(own, BULLA_EUNAVAIL, "the connection broke");
}

static void listing_destroy(bulla_provider *provider)
{
    (void)provider;
}

static bulla_status count_key(void *arg, bulla_call *own, const char *address, const bulla_key_info *info)
{
    (void)own;
    (void)address;
    (void)info;
    (*(size_t *)arg)++;
    return BULLA_OK;
}

static void test_a_list_that_has_shown_keys_is_not_begun_again(void **state)
{
    (void)state;
    static const bulla_provider_ops ops = {.size = sizeof ops,
                                           .name = "listing",
                                           .can = BULLA_OP_LIST,
                                           .idempotent = BULLA_OP_LIST,
                                           .list = list_keys,
                                           .destroy = listing_destroy};
    for (size_t before = 0; before < 2; before++) {
        listing store = {.shown_before = before};
        size_t num_shown = 0;
        const bulla_retry_options options = {0};
        bulla_provider_init(&store.base, &ops);
        assert_ok(bulla_retry_new(&kit.call, &store.base, &options, &site, &kit.key));
        assert_status(bulla_provider_list(kit.key, &kit.call, count_key, &num_shown),
                      before == 0 ? BULLA_OK : BULLA_EUNAVAIL);
        assert_int_equal(num_shown, before == 0 ? 2 : 1);
        bulla_provider_unref(BULLA_TAKE(kit.key));
    }
}

static void test_options_are_checked(void **state)
{
    (void)state;
    static const bulla_retry_options bad[] = {{.max_retries = 11}, {.budget_percent = 101}};
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        assert_status(bulla_retry_new(&kit.call, kit.memory, &bad[i], &site, &kit.key), BULLA_ECONFIG);
    assert_null(kit.key);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, kit_start, kit_stop)
    const struct CMUnitTest tests[] = {
        WITH(test_what_failed_without_effect_is_put_again),
        WITH(test_the_last_error_says_how_many_tries_there_were),
        WITH(test_refusals_are_not_put_again),
        WITH(test_an_unsure_answer_is_put_again_only_where_that_does_no_harm),
        WITH(test_waits_double_and_are_random_below_that),
        WITH(test_a_store_that_says_when_is_asked_then),
        WITH(test_a_store_that_wants_a_long_rest_is_left_alone),
        WITH(test_a_wait_that_the_deadline_does_not_allow_is_not_begun),
        WITH(test_a_wait_ends_with_cancellation),
        WITH(test_retries_never_exceed_their_part_of_the_requests),
        WITH(test_a_good_time_saves_up_for_no_more_than_a_hundred_retries),
        WITH(test_a_rotation_whose_answer_was_lost_is_found),
        WITH(test_a_rotation_that_did_not_happen_is_put_again),
        WITH(test_a_rotation_that_nobody_can_look_up_is_not_put_again),
        WITH(test_a_rotation_stays_unknown_when_the_store_is_gone_after_it),
        WITH(test_a_cancelled_search_for_a_rotation_says_that_nobody_knows),
        WITH(test_a_key_whose_answer_was_lost_is_found_and_not_made_again),
        WITH(test_a_key_that_was_not_made_is_asked_for_again),
        WITH(test_a_cancelled_search_for_a_key_says_that_nobody_knows),
        WITH(test_a_list_that_has_shown_keys_is_not_begun_again),
        WITH(test_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
