/* SPDX-License-Identifier: Apache-2.0 */
/* The circuit breaker: when it opens, whom it lets through while it is open, what closes it. */
#include "base/bytes.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "provider/wrappers.h"
#include "store_kit.h"

#include <pthread.h>

static bulla_metrics *metrics;

static void breaker_open(bulla_breaker_options options)
{
    const bulla_wrapper_site site = {"store=\"test\"", metrics};
    assert_ok(bulla_breaker_new(&kit.call, &kit.script->base.base, &options, &site, &kit.key));
}

static int setup(void **state)
{
    return kit_start(state) != 0 || bulla_metrics_new(&kit.call, &metrics) != BULLA_OK;
}

static int teardown(void **state)
{
    bulla_provider_unref(BULLA_TAKE(kit.key));
    bulla_metrics_unref(metrics);
    return kit_stop(state);
}

static bulla_status unwrap(void)
{
    return kit_unwrap(0);
}

static uint64_t gauge(void)
{
    return bulla_metric_value(bulla_metrics_gauge(metrics, "bulla_kms_breaker_state", "store=\"test\"", ""));
}

static void answer_times(bulla_status status, int num)
{
    const scripted_step step = {.status = status};
    for (int i = 0; i < num; i++) {
        scripted_provider_play(kit.script, &step, 1);
        assert_status(unwrap(), status);
        assert_int_equal(kit.script->num_calls, 1);
    }
    scripted_provider_play(kit.script, NULL, 0);
}

static void assert_open(void)
{
    assert_status(unwrap(), BULLA_EUNAVAIL);
    assert_int_equal(kit.script->num_calls, 0);
    assert_non_null(strstr(kit.call.why, "is not asked for the next"));
    assert_true(kit.call.retry_after_ms > 0);
    assert_int_equal(gauge(), 2);
}

static void assert_closed(void)
{
    scripted_provider_play(kit.script, NULL, 0);
    assert_ok(unwrap());
    assert_int_equal(kit.script->num_calls, 1);
    assert_int_equal(gauge(), 0);
}

static void test_it_opens_when_most_requests_fail(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){0});
    answer_times(BULLA_OK, 5);
    answer_times(BULLA_EUNAVAIL, 5);
    assert_open();
    assert_int_equal(kit.fake.num_logged, 1);
}

static void test_it_stays_closed_while_fewer_fail(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){0});
    answer_times(BULLA_OK, 6);
    answer_times(BULLA_EUNAVAIL, 5);
    assert_closed();
}

static void test_a_few_requests_decide_nothing(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.min_calls = 20});
    answer_times(BULLA_EUNAVAIL, 19);
    scripted_provider_play(kit.script, NULL, 0);
    memory_provider_down_set(kit.memory, true);
    assert_status(unwrap(), BULLA_EUNAVAIL);
    assert_int_equal(kit.script->num_calls, 1);
    scripted_provider_play(kit.script, NULL, 0);
    assert_open();
}

static void test_many_failures_in_a_row_open_it_whatever_went_well_before(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.min_calls = 10});
    answer_times(BULLA_OK, 100);
    answer_times(BULLA_EUNAVAIL, 9);
    assert_closed(); /* a request that goes well, too */
    answer_times(BULLA_EUNAVAIL, 9);
    assert_closed();
    answer_times(BULLA_EUNAVAIL, 10);
    assert_open();
}

static void test_failures_are_forgotten_with_the_window(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.window_ms = 10000});
    answer_times(BULLA_EUNAVAIL, 9);
    fake_env_advance_ms(&kit.fake, 11000); /* another slice of the ring: the old one is still in it */
    answer_times(BULLA_EUNAVAIL, 9);
    assert_closed();
}

static void test_each_kind_of_failure_counts(void **state)
{
    (void)state;
    static const bulla_status kinds[] = {BULLA_EUNAVAIL, BULLA_ETHROTTLED, BULLA_EBUSY, BULLA_EUNKNOWN,
                                         BULLA_EDEADLINE};
    for (size_t i = 0; i < BULLA_LEN(kinds); i++) {
        breaker_open((bulla_breaker_options){0});
        answer_times(kinds[i], 10);
        assert_open();
        bulla_provider_unref(BULLA_TAKE(kit.key));
    }
}

static void test_a_store_that_refuses_is_alive(void **state)
{
    (void)state;
    static const bulla_status kinds[] = {BULLA_ENOKEY,     BULLA_EAUTHZ,     BULLA_ESTATE,
                                         BULLA_EINTEGRITY, BULLA_ECANCELLED, BULLA_EUNTRUSTED};
    breaker_open((bulla_breaker_options){0});
    for (size_t i = 0; i < BULLA_LEN(kinds); i++)
        answer_times(kinds[i], 20);
    assert_closed();
}

static void test_a_probe_that_succeeds_closes_it(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    answer_times(BULLA_EUNAVAIL, 10);
    fake_env_advance_ms(&kit.fake, 999);
    assert_open();
    fake_env_advance_ms(&kit.fake, 502); /* half as much again is the most that chance adds */
    assert_closed();
    answer_times(BULLA_EUNAVAIL, 9); /* and begins with an empty window */
    assert_closed();
}

static void test_a_probe_that_is_refused_closes_it_too(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    answer_times(BULLA_EUNAVAIL, 10);
    fake_env_advance_ms(&kit.fake, 1501);
    answer_times(BULLA_ENOKEY, 1);
    assert_closed();
}

/* Else nobody would hear of the certificate for as long as the breaker is open. */
static void test_a_probe_that_meets_somebody_else_lets_everybody_hear_of_it(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    answer_times(BULLA_EUNAVAIL, 10);
    fake_env_advance_ms(&kit.fake, 1501);
    answer_times(BULLA_EUNTRUSTED, 20);
    assert_non_null(strstr(kit.fake.last_line, "the script says EUNTRUSTED"));
    assert_closed();
}

static void test_a_probe_that_fails_opens_it_again(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    answer_times(BULLA_EUNAVAIL, 10);
    for (int i = 0; i < 3; i++) {
        fake_env_advance_ms(&kit.fake, 1501);
        answer_times(BULLA_EDEADLINE, 1);
        assert_open();
    }
}

static void test_a_cancelled_probe_says_nothing(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    answer_times(BULLA_EUNAVAIL, 10);
    fake_env_advance_ms(&kit.fake, 1501);
    answer_times(BULLA_ECANCELLED, 1);
    assert_closed();
}

static void cancel_it(void *arg)
{
    bulla_call_cancel(arg);
}

/* What a cancellation leaves unknown is no failure of the store's, of a probe as little as of others. */
static void cancelled_times(int num)
{
    kit.script->hook = cancel_it;
    kit.script->hook_arg = &kit.call;
    for (int i = 0; i < num; i++) {
        answer_times(BULLA_EUNKNOWN, 1);
        kit.call.cancelled = 0;
    }
    kit.script->hook = NULL;
}

static void test_what_a_cancellation_leaves_unknown_says_nothing(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    cancelled_times(20);
    assert_closed();
    answer_times(BULLA_EUNAVAIL, 9);
    assert_open();
    fake_env_advance_ms(&kit.fake, 1501);
    cancelled_times(1);
    assert_closed();
}

static void test_the_store_may_ask_for_a_longer_rest(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    answer_times(BULLA_EUNAVAIL, 9);
    const scripted_step step = {.status = BULLA_ETHROTTLED, .retry_after_ms = 30000};
    scripted_provider_play(kit.script, &step, 1);
    assert_status(unwrap(), BULLA_ETHROTTLED);
    scripted_provider_play(kit.script, NULL, 0);
    fake_env_advance_ms(&kit.fake, 29999);
    assert_open();
    fake_env_advance_ms(&kit.fake, 1);
    assert_closed();
}

/* What the others get while a probe is under way, seen from inside it. */
static bulla_status during;
static size_t asked_during;

static void try_during(void *arg)
{
    bulla_call other;
    bulla_call_init(&other, &kit.fake.env);
    (void)arg;
    kit.script->hook = NULL;
    size_t before = kit.script->num_calls;
    during = kit_unwrap_with(&other, 0);
    asked_during = kit.script->num_calls - before;
    assert_int_equal(gauge(), 1);
}

static void test_one_probe_at_a_time(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){.open_ms = 1000});
    answer_times(BULLA_EUNAVAIL, 10);
    fake_env_advance_ms(&kit.fake, 1501);
    kit.script->hook = try_during;
    assert_ok(unwrap());
    assert_status(during, BULLA_EUNAVAIL);
    assert_int_equal(asked_during, 0);
    assert_closed();
}

/* A request from before: it fails when the breaker has been open and closed again. */
static void open_and_close(void *arg)
{
    (void)arg;
    kit.script->hook = NULL;
    answer_times(BULLA_EUNAVAIL, 10);
    fake_env_advance_ms(&kit.fake, 7501);
    answer_times(BULLA_OK, 1);
    answer_times(BULLA_EUNAVAIL, 9);
    static const scripted_step step = {.status = BULLA_EUNAVAIL};
    scripted_provider_play(kit.script, &step, 1);
}

static void test_what_was_asked_before_it_closed_says_nothing_now(void **state)
{
    (void)state;
    breaker_open((bulla_breaker_options){0});
    kit.script->hook = open_and_close;
    assert_status(unwrap(), BULLA_EUNAVAIL); /* the tenth failure, but of an earlier time */
    assert_closed();
}

/* --- many threads --- */

static size_t num_inside, most_inside, num_admitted;

static void enter(void *arg)
{
    (void)arg;
    size_t inside = __atomic_add_fetch(&num_inside, 1, __ATOMIC_ACQ_REL);
    (void)__atomic_fetch_add(&num_admitted, 1, __ATOMIC_RELAXED);
    size_t most = __atomic_load_n(&most_inside, __ATOMIC_RELAXED);
    while (inside > most &&
           !__atomic_compare_exchange_n(&most_inside, &most, inside, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    for (volatile int pause = 0; pause < 20000; pause++) {
    }
    (void)__atomic_fetch_sub(&num_inside, 1, __ATOMIC_ACQ_REL);
}

static void *ask_often(void *arg)
{
    bulla_call own;
    bulla_call_init(&own, &kit.fake.env);
    for (int i = 0; i < 300; i++) {
        (void)kit_unwrap_with(&own, 0);
        fake_env_advance_ms(&kit.fake, 50);
    }
    return arg;
}

static void test_threads_never_probe_together(void **state)
{
    (void)state;
    pthread_t threads[8];
    breaker_open((bulla_breaker_options){.open_ms = 100});
    answer_times(BULLA_EUNAVAIL, 10);
    memory_provider_down_set(kit.memory, true);
    kit.script->hook = enter;
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(most_inside, 1);
    assert_true(num_admitted > 10 && num_admitted < 8 * 300);
}

static void test_options_are_checked(void **state)
{
    (void)state;
    static const bulla_breaker_options bad[] = {{.failure_percent = 101}, {.window_ms = 19}};
    const bulla_wrapper_site site = {"", NULL};
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        assert_status(bulla_breaker_new(&kit.call, kit.memory, &bad[i], &site, &kit.key), BULLA_ECONFIG);
    assert_null(kit.key);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_it_opens_when_most_requests_fail),
        WITH(test_it_stays_closed_while_fewer_fail),
        WITH(test_a_few_requests_decide_nothing),
        WITH(test_many_failures_in_a_row_open_it_whatever_went_well_before),
        WITH(test_failures_are_forgotten_with_the_window),
        WITH(test_each_kind_of_failure_counts),
        WITH(test_a_store_that_refuses_is_alive),
        WITH(test_a_probe_that_succeeds_closes_it),
        WITH(test_a_probe_that_is_refused_closes_it_too),
        WITH(test_a_probe_that_meets_somebody_else_lets_everybody_hear_of_it),
        WITH(test_a_probe_that_fails_opens_it_again),
        WITH(test_a_cancelled_probe_says_nothing),
        WITH(test_what_a_cancellation_leaves_unknown_says_nothing),
        WITH(test_the_store_may_ask_for_a_longer_rest),
        WITH(test_one_probe_at_a_time),
        WITH(test_what_was_asked_before_it_closed_says_nothing_now),
        WITH(test_threads_never_probe_together),
        WITH(test_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
