/* SPDX-License-Identifier: Apache-2.0 */
/* Failover: who is asked, in which order, for how long, and what comes out when nobody answers. */
#include "base/bytes.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/memory_provider.h"
#include "fakes/scripted_provider.h"
#include "provider/wrappers.h"

#include <pthread.h>
#include <time.h>

#define NUM_MEMBERS 3u

static fake_env fake;
static bulla_call call;
static bulla_provider *stores[NUM_MEMBERS], *key;
static scripted_provider *scripts[NUM_MEMBERS];
static bulla_wrapped *wrapped[NUM_MEMBERS]; /* each by its own store */
static bulla_metrics *metrics;
static const char *ids[NUM_MEMBERS];

static int setup_with(const char *const key_ids[NUM_MEMBERS])
{
    fake_env_init(&fake);
    bulla_call_init(&call, &fake.env);
    key = NULL;
    bool failed = bulla_metrics_new(&call, &metrics) != BULLA_OK;
    for (size_t i = 0; i < NUM_MEMBERS && !failed; i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        ids[i] = key_ids[i];
        failed = memory_provider_new(&call, ids[i], 1, &stores[i]) != BULLA_OK ||
                 scripted_provider_new(&call, stores[i], &fake, &scripts[i]) != BULLA_OK ||
                 bulla_provider_datakey(stores[i], &call, NULL, 32, &dek, &wrapped[i]) != BULLA_OK;
    }
    return failed;
}

static int setup_one_key(void **state)
{
    static const char *const same[NUM_MEMBERS] = {"key", "key", "key"};
    (void)state;
    return setup_with(same);
}

static int setup_keys(void **state)
{
    static const char *const different[NUM_MEMBERS] = {"key-a", "key-b", "key-c"};
    (void)state;
    return setup_with(different);
}

static int teardown(void **state)
{
    (void)state;
    bulla_provider_unref(key);
    for (size_t i = 0; i < NUM_MEMBERS; i++) {
        bulla_provider_unref(&scripts[i]->base.base);
        bulla_provider_unref(stores[i]);
        bulla_wrapped_free(BULLA_TAKE(wrapped[i]));
    }
    bulla_metrics_unref(metrics);
    return fake.num_live != 0;
}

static void failover_open(size_t num, bulla_failover_options options)
{
    const bulla_wrapper_site site = {"store=\"test\"", metrics};
    bulla_provider *inners[NUM_MEMBERS];
    for (size_t i = 0; i < num; i++)
        inners[i] = &scripts[i]->base.base;
    bool is_one_key = strcmp(ids[0], ids[1]) == 0;
    assert_ok(bulla_failover_new(&call, inners, num, is_one_key, &options, &site, &key));
}

static void down(size_t member, bool is_down)
{
    memory_provider_down_set(stores[member], is_down);
}

static bulla_status unwrap_of(size_t member)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    return bulla_provider_unwrap(key, &call, NULL, wrapped[member], &dek);
}

static bulla_status unwrap(void)
{
    return unwrap_of(0);
}

/* Who wraps now: the number of the store, by the calls it got. */
static size_t who_makes_a_data_key(void)
{
    size_t before[NUM_MEMBERS], who = NUM_MEMBERS;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *made = NULL;
    for (size_t i = 0; i < NUM_MEMBERS; i++)
        before[i] = memory_provider_counts(stores[i]).datakeys;
    assert_ok(bulla_provider_datakey(key, &call, NULL, 32, &dek, &made));
    for (size_t i = 0; i < NUM_MEMBERS; i++)
        if (memory_provider_counts(stores[i]).datakeys > before[i]) who = i;
    return who;
}

static size_t asked(size_t member)
{
    return __atomic_load_n(&scripts[member]->num_calls, __ATOMIC_RELAXED);
}

static uint64_t gauge(void)
{
    return bulla_metric_value(bulla_metrics_gauge(metrics, "bulla_kms_failover_endpoint", "store=\"test\"", ""));
}

/* Waits, for ten seconds at most, until a thread has done something. */
static bool comes_true(bool (*is_so)(void))
{
    static const struct timespec millisecond = {0, 1000000};
    for (int i = 0; i < 10000 && !is_so(); i++)
        (void)nanosleep(&millisecond, NULL);
    return is_so();
}

static void test_the_first_that_answers_is_enough(void **state)
{
    (void)state;
    failover_open(3, (bulla_failover_options){0});
    assert_ok(unwrap());
    assert_int_equal(asked(0), 1);
    down(0, true);
    down(1, true);
    assert_ok(unwrap());
    assert_int_equal(asked(1) + asked(2), 2);
    assert_status(call.status, BULLA_OK);
    assert_int_equal(gauge(), 2);
}

static void test_it_stays_with_the_one_that_answered(void **state)
{
    (void)state;
    failover_open(3, (bulla_failover_options){0});
    down(0, true);
    assert_ok(unwrap());
    down(0, false);
    for (int i = 0; i < 10; i++)
        assert_ok(unwrap());
    assert_int_equal(asked(0), 1);
    assert_int_equal(asked(1), 11);
    assert_int_equal(fake.num_logged, 1);
}

static bool is_back(void)
{
    return gauge() == 0;
}

static bool is_checked_twice(void)
{
    return __atomic_load_n(&scripts[0]->num_calls, __ATOMIC_RELAXED) >= 3;
}

static void test_it_goes_back_to_the_first_when_its_check_succeeds(void **state)
{
    (void)state;
    failover_open(3, (bulla_failover_options){.health_check_interval_ms = 1000});
    down(0, true);
    assert_ok(unwrap());
    fake_env_advance_ms(&fake, 999);
    assert_ok(unwrap());
    assert_int_equal(asked(0), 1); /* no check before its time */
    for (int i = 0; i < 2; i++) {  /* checks that fail */
        fake_env_advance_ms(&fake, 1001);
        assert_ok(unwrap());
        assert_true(i == 0 || comes_true(is_checked_twice));
        assert_int_equal(gauge(), 1);
        static const struct timespec pause = {0, 20000000};
        (void)nanosleep(&pause, NULL);
    }
    down(0, false);
    fake_env_advance_ms(&fake, 1001);
    assert_ok(unwrap());
    assert_true(comes_true(is_back));
    size_t before = asked(0);
    assert_ok(unwrap());
    assert_int_equal(asked(0), before + 1);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static size_t num_waiting;

static void wait_at_gate(void *arg)
{
    (void)arg;
    (void)__atomic_fetch_add(&num_waiting, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
}

static bool is_waiting(void)
{
    return __atomic_load_n(&num_waiting, __ATOMIC_RELAXED) == 1;
}

static void test_no_request_waits_for_a_check_and_there_is_one_at_a_time(void **state)
{
    (void)state;
    failover_open(2, (bulla_failover_options){.health_check_interval_ms = 1000});
    down(0, true);
    assert_ok(unwrap());
    num_waiting = 0;
    scripts[0]->hook = wait_at_gate; /* the check hangs in it */
    (void)pthread_mutex_lock(&gate);
    for (int i = 0; i < 20; i++) {
        fake_env_advance_ms(&fake, 1001);
        assert_ok(unwrap());
        if (i == 0) assert_true(comes_true(is_waiting));
    }
    assert_true(is_waiting());
    (void)pthread_mutex_unlock(&gate);
}

static void test_an_endpoint_has_its_share_of_the_time(void **state)
{
    (void)state;
    static const scripted_step hangs = {.status = BULLA_OK, .takes_ms = 60000};
    failover_open(2, (bulla_failover_options){.failover_timeout_ms = 3000});
    scripted_provider_play(scripts[0], &hangs, 1);
    bulla_call_deadline_set(&call, 10000);
    int64_t deadline_ns = call.deadline_ns, start_ns = fake.ticks_ns;
    assert_ok(unwrap());
    assert_int_equal(fake.ticks_ns - start_ns, INT64_C(3000000000));
    assert_int_equal(call.deadline_ns, deadline_ns);
}

static void test_the_last_endpoint_has_what_is_left(void **state)
{
    (void)state;
    static const scripted_step hangs = {.status = BULLA_OK, .takes_ms = 60000};
    static const scripted_step slow = {.status = BULLA_OK, .takes_ms = 6000};
    failover_open(2, (bulla_failover_options){.failover_timeout_ms = 3000});
    scripted_provider_play(scripts[0], &hangs, 1);
    scripted_provider_play(scripts[1], &slow, 1);
    bulla_call_deadline_set(&call, 10000);
    assert_ok(unwrap());
}

static void test_the_callers_deadline_ends_it(void **state)
{
    (void)state;
    static const scripted_step hangs = {.status = BULLA_OK, .takes_ms = 60000};
    failover_open(3, (bulla_failover_options){.failover_timeout_ms = 3000});
    scripted_provider_play(scripts[0], &hangs, 1);
    scripted_provider_play(scripts[1], &hangs, 1);
    bulla_call_deadline_set(&call, 5000);
    assert_status(unwrap(), BULLA_EDEADLINE);
    assert_int_equal(asked(2), 0);
    assert_non_null(strstr(call.why, "1: no answer within 3000 ms; 2: "));
}

static void test_when_all_fail_each_has_its_say(void **state)
{
    (void)state;
    static const scripted_step steps[NUM_MEMBERS] = {{.status = BULLA_EUNAVAIL},
                                                     {.status = BULLA_ETHROTTLED, .retry_after_ms = 900},
                                                     {.status = BULLA_ETHROTTLED, .retry_after_ms = 500}};
    failover_open(3, (bulla_failover_options){0});
    for (size_t i = 0; i < NUM_MEMBERS; i++)
        scripted_provider_play(scripts[i], &steps[i], 1);
    assert_status(unwrap(), BULLA_EUNAVAIL);
    assert_string_equal(call.why, "no endpoint of the memory key store answered: 1: the script says EUNAVAIL; "
                                  "2: the script says ETHROTTLED; 3: the script says ETHROTTLED");
    assert_int_equal(call.retry_after_ms, 500);
    assert_string_equal(call.provider, "memory");
}

/* Behind each endpoint there may be retries. */
static void test_the_attempts_of_all_endpoints_are_counted(void **state)
{
    (void)state;
    const bulla_wrapper_site site = {"", NULL};
    const bulla_retry_options retry = {.max_retries = 2};
    BULLA_AUTO(bulla_provider) *first = NULL, *second = NULL;
    assert_ok(bulla_retry_new(&call, &scripts[0]->base.base, &retry, &site, &first));
    assert_ok(bulla_retry_new(&call, &scripts[1]->base.base, &retry, &site, &second));
    bulla_provider *both[2] = {first, second};
    assert_ok(bulla_failover_new(&call, both, 2, true, &(bulla_failover_options){0}, &site, &key));
    down(0, true);
    assert_ok(unwrap());
    assert_int_equal(call.attempts, 3 + 1);
    assert_ok(unwrap());
    assert_int_equal(call.attempts, 1);
    down(1, true);
    assert_status(unwrap(), BULLA_EUNAVAIL);
    assert_int_equal(call.attempts, 6);
}

static void test_when_all_are_busy_it_says_so(void **state)
{
    (void)state;
    static const scripted_step busy = {.status = BULLA_ETHROTTLED, .retry_after_ms = 900};
    failover_open(2, (bulla_failover_options){0});
    scripted_provider_play(scripts[0], &busy, 1);
    scripted_provider_play(scripts[1], &busy, 1);
    assert_status(unwrap(), BULLA_ETHROTTLED);
}

static void test_what_one_endpoint_of_a_key_refuses_is_refused(void **state)
{
    (void)state;
    static const bulla_status kinds[] = {BULLA_ENOKEY, BULLA_EAUTHZ,     BULLA_ESTATE,    BULLA_EDESTROYED,
                                         BULLA_EAUTHN, BULLA_EINTEGRITY, BULLA_ECONTRACT, BULLA_ECANCELLED};
    failover_open(3, (bulla_failover_options){0});
    for (size_t i = 0; i < BULLA_LEN(kinds); i++) {
        const scripted_step step = {.status = kinds[i]};
        scripted_provider_play(scripts[0], &step, 1);
        assert_status(unwrap(), kinds[i]);
        assert_int_equal(asked(1), 0);
    }
    const scripted_step steps[2] = {{.status = BULLA_EUNAVAIL}, {.status = BULLA_ESTATE}};
    scripted_provider_play(scripts[0], &steps[0], 1);
    scripted_provider_play(scripts[1], &steps[1], 1);
    assert_status(unwrap(), BULLA_ESTATE);
    assert_int_equal(asked(2), 0);
}

/* Whoever has the certificate that is not accepted has no say: the next is asked, and the first is not stayed with. */
static void test_somebody_in_an_endpoints_place_says_nothing_of_the_key(void **state)
{
    (void)state;
    static const scripted_step other = {.status = BULLA_EUNTRUSTED}, refused = {.status = BULLA_ESTATE};
    uint32_t version = 0;
    failover_open(2, (bulla_failover_options){0});
    scripted_provider_play(scripts[0], &other, 1);
    assert_ok(bulla_provider_rotate(key, &call, &version));
    assert_int_equal(asked(1), 1);
    assert_int_equal(gauge(), 1);
    scripted_provider_play(scripts[1], &other, 1); /* it is asked first now */
    scripted_provider_play(scripts[0], &refused, 1);
    assert_status(unwrap(), BULLA_ESTATE);
    assert_int_equal(gauge(), 0);
}

static void test_when_nobody_can_show_who_he_is_that_is_no_outage(void **state)
{
    (void)state;
    static const scripted_step other = {.status = BULLA_EUNTRUSTED}, gone = {.status = BULLA_EUNAVAIL};
    failover_open(2, (bulla_failover_options){0});
    scripted_provider_play(scripts[0], &other, 1);
    scripted_provider_play(scripts[1], &other, 1);
    assert_status(unwrap(), BULLA_EUNTRUSTED);
    assert_string_equal(call.why, "the script says EUNTRUSTED");
    scripted_provider_play(scripts[0], &other, 1);
    scripted_provider_play(scripts[1], &gone, 1);
    assert_status(unwrap(), BULLA_EUNAVAIL); /* one was silent, and is an endpoint as good as any */
    assert_non_null(strstr(call.why, "1: the script says EUNTRUSTED; 2: the script says EUNAVAIL"));
}

/* What another key does not know, the one that could not be asked may. */
static void test_of_different_keys_the_refusal_does_not_hide_the_certificate(void **state)
{
    (void)state;
    const bulla_wrapper_site site = {"", NULL};
    static const scripted_step other = {.status = BULLA_EUNTRUSTED}, no = {.status = BULLA_ENOKEY};
    bulla_provider *inners[2] = {&scripts[0]->base.base, &scripts[1]->base.base};
    assert_ok(bulla_failover_new(&call, inners, 2, false, &(bulla_failover_options){0}, &site, &key));
    for (size_t first = 0; first < 2; first++) {
        scripted_provider_play(scripts[first], &other, 1);
        scripted_provider_play(scripts[1 - first], &no, 1);
        assert_status(unwrap(), BULLA_EUNTRUSTED);
    }
}

static void test_a_rotation_is_not_put_to_another_when_it_may_have_happened(void **state)
{
    (void)state;
    uint32_t version = 0;
    static const scripted_step lost = {.status = BULLA_EUNKNOWN}, never = {.status = BULLA_EUNAVAIL};
    failover_open(2, (bulla_failover_options){0});
    scripted_provider_play(scripts[0], &lost, 1);
    assert_status(bulla_provider_rotate(key, &call, &version), BULLA_EUNKNOWN);
    assert_int_equal(asked(1), 0);
    scripted_provider_play(scripts[0], &never, 1);
    assert_ok(bulla_provider_rotate(key, &call, &version));
    assert_int_equal(asked(1), 1);
}

static void test_a_data_key_is_opened_by_who_knows_it(void **state)
{
    (void)state;
    failover_open(3, (bulla_failover_options){0});
    for (size_t i = 0; i < NUM_MEMBERS; i++) {
        assert_ok(unwrap_of(i));
        assert_int_equal(asked(i), 1);
    }
    assert_int_equal(gauge(), 0); /* says nothing of who should wrap */
    down(2, true);
    assert_status(unwrap_of(2), BULLA_EUNAVAIL);
    assert_string_equal(call.why, "the store is down");
}

static void test_another_key_stands_in_for_wrapping(void **state)
{
    (void)state;
    failover_open(3, (bulla_failover_options){0});
    down(0, true);
    assert_int_equal(who_makes_a_data_key(), 1);
    down(0, false);
    assert_int_equal(who_makes_a_data_key(), 1);
}

static void test_a_disabled_key_is_not_stood_in_for(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *made = NULL;
    failover_open(3, (bulla_failover_options){0});
    memory_provider_state_set(stores[0], BULLA_KEY_DISABLED);
    assert_status(bulla_provider_datakey(key, &call, NULL, 32, &dek, &made), BULLA_ESTATE);
    assert_int_equal(asked(1), 0);
}

static void test_what_a_stand_in_refuses_leaves_it_an_outage(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *made = NULL;
    failover_open(3, (bulla_failover_options){0});
    down(0, true);
    memory_provider_state_set(stores[1], BULLA_KEY_DISABLED);
    assert_int_equal(who_makes_a_data_key(), 2);
    down(2, true);
    assert_status(bulla_provider_datakey(key, &call, NULL, 32, &dek, &made), BULLA_EUNAVAIL);
}

static void test_what_is_about_one_key_is_the_first_ones(void **state)
{
    (void)state;
    uint32_t version = 0;
    bulla_key_info info;
    failover_open(3, (bulla_failover_options){0});
    down(0, true);
    assert_status(bulla_provider_rotate(key, &call, &version), BULLA_EUNAVAIL);
    assert_status(bulla_provider_describe(key, &call, &info), BULLA_EUNAVAIL);
    assert_int_equal(asked(1) + asked(2), 0);
    assert_ok(bulla_provider_check(key, &call)); /* somebody would serve */
}

/* Keys of one name, as files may have: each is asked for what it may have wrapped. */
static void test_of_different_keys_the_next_may_know_better(void **state)
{
    (void)state;
    const bulla_wrapper_site site = {"", NULL};
    static const scripted_step no = {.status = BULLA_EINTEGRITY}, gone = {.status = BULLA_EUNAVAIL};
    bulla_provider *inners[2] = {&scripts[0]->base.base, &scripts[1]->base.base};
    assert_ok(bulla_failover_new(&call, inners, 2, false, &(bulla_failover_options){0}, &site, &key));
    scripted_provider_play(scripts[0], &no, 1);
    assert_ok(unwrap());
    scripted_provider_play(scripts[0], &no, 1);
    scripted_provider_play(scripts[1], &no, 1);
    assert_status(unwrap(), BULLA_EINTEGRITY);
    scripted_provider_play(scripts[0], &gone, 1);
    scripted_provider_play(scripts[1], &no, 1);
    assert_status(unwrap(), BULLA_EUNAVAIL); /* the one that is silent may have the key */
    assert_non_null(strstr(call.why, "1: the script says EUNAVAIL; 2: the script says EINTEGRITY"));
}

static void test_options_are_checked(void **state)
{
    (void)state;
    const bulla_wrapper_site site = {"", NULL};
    bulla_provider *many[33];
    for (size_t i = 0; i < BULLA_LEN(many); i++)
        many[i] = stores[0];
    const bulla_failover_options options = {0};
    assert_status(bulla_failover_new(&call, many, 0, true, &options, &site, &key), BULLA_ECONFIG);
    assert_status(bulla_failover_new(&call, many, 33, true, &options, &site, &key), BULLA_ECONFIG);
    assert_null(key);
    assert_ok(bulla_failover_new(&call, many, 32, true, &options, &site, &key));
    assert_ok(unwrap());
}

static void test_every_shortage_of_memory_is_survived(void **state)
{
    (void)state;
    const bulla_wrapper_site site = {"", NULL};
    const bulla_failover_options options = {.hedge = true};
    bulla_provider *inners[2] = {&scripts[0]->base.base, &scripts[1]->base.base};
    size_t live = fake.num_live, n = 1;
    for (; n < 20; n++) {
        fake_env_fail_alloc_in(&fake, n);
        if (bulla_failover_new(&call, inners, 2, true, &options, &site, &key) == BULLA_OK) break;
        assert_status(call.status, BULLA_ENOMEM);
        assert_int_equal(fake.num_live, live);
    }
    assert_in_range(n, 3, 10);
}

/* --- many threads --- */

static void *use_it(void *arg)
{
    bulla_call own;
    bulla_call_init(&own, &fake.env);
    for (int i = 0; i < 500; i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        if (bulla_provider_unwrap(key, &own, NULL, wrapped[0], &dek) != BULLA_OK) return arg;
        fake_env_advance_ms(&fake, 10);
    }
    return NULL;
}

static void test_threads_find_the_one_that_answers(void **state)
{
    (void)state;
    pthread_t threads[8];
    int failed = 0;
    failover_open(3, (bulla_failover_options){.health_check_interval_ms = 100});
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_it, &failed), 0);
    for (size_t i = 0; i < 300; i++) { /* never all of them at once */
        static const struct timespec pause = {0, 100000};
        down(i % 2, true);
        (void)nanosleep(&pause, NULL);
        down(i % 2, false);
    }
    for (size_t i = 0; i < BULLA_LEN(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup_one_key, teardown)
#define KEYS(test) cmocka_unit_test_setup_teardown(test, setup_keys, teardown)
    const struct CMUnitTest tests[] = {
        ONE(test_the_first_that_answers_is_enough),
        ONE(test_it_stays_with_the_one_that_answered),
        ONE(test_it_goes_back_to_the_first_when_its_check_succeeds),
        ONE(test_no_request_waits_for_a_check_and_there_is_one_at_a_time),
        ONE(test_an_endpoint_has_its_share_of_the_time),
        ONE(test_the_last_endpoint_has_what_is_left),
        ONE(test_the_callers_deadline_ends_it),
        ONE(test_when_all_fail_each_has_its_say),
        ONE(test_the_attempts_of_all_endpoints_are_counted),
        ONE(test_when_all_are_busy_it_says_so),
        ONE(test_what_one_endpoint_of_a_key_refuses_is_refused),
        ONE(test_somebody_in_an_endpoints_place_says_nothing_of_the_key),
        ONE(test_when_nobody_can_show_who_he_is_that_is_no_outage),
        ONE(test_of_different_keys_the_refusal_does_not_hide_the_certificate),
        ONE(test_a_rotation_is_not_put_to_another_when_it_may_have_happened),
        ONE(test_of_different_keys_the_next_may_know_better),
        ONE(test_options_are_checked),
        ONE(test_every_shortage_of_memory_is_survived),
        ONE(test_threads_find_the_one_that_answers),
        KEYS(test_a_data_key_is_opened_by_who_knows_it),
        KEYS(test_another_key_stands_in_for_wrapping),
        KEYS(test_a_disabled_key_is_not_stood_in_for),
        KEYS(test_what_a_stand_in_refuses_leaves_it_an_outage),
        KEYS(test_what_is_about_one_key_is_the_first_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
