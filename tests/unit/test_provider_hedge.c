/* SPDX-License-Identifier: Apache-2.0 */
/* Hedged unwraps: a second endpoint is asked when the first is slow, seldom enough, and nobody notices but by the time.
 */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/memory_provider.h"
#include "fakes/scripted_provider.h"
#include "provider/wrappers.h"

#include <pthread.h>
#include <time.h>

static fake_env fake;
static bulla_call call;
static bulla_provider *memory, *key;
static scripted_provider *first, *second;
static bulla_wrapped *wrapped;
static bulla_secret *dek;
static const scripted_step hangs = {.hangs = true};

static bulla_status unwrap_with(bulla_call *with)
{
    BULLA_AUTO(bulla_secret) *opened = NULL;
    bulla_status status = bulla_provider_unwrap(key, with, NULL, wrapped, &opened);
    if (status == BULLA_OK) assert_true(bulla_view_equal(bulla_secret_borrow(opened), bulla_secret_borrow(dek)));
    return status;
}

static bulla_status unwrap(void)
{
    return unwrap_with(&call);
}

/* A key of two endpoints, and a first one known to answer at once. */
static int setup(void **state)
{
    (void)state;
    fake_env_init(&fake);
    bulla_call_init(&call, &fake.env);
    const bulla_wrapper_site site = {"store=\"test\"", NULL};
    const bulla_failover_options options = {.hedge = true, .failover_timeout_ms = 2000};
    if (memory_provider_new(&call, "key", 1, &memory) != BULLA_OK ||
        scripted_provider_new(&call, memory, &fake, &first) != BULLA_OK ||
        scripted_provider_new(&call, memory, &fake, &second) != BULLA_OK ||
        bulla_provider_datakey(memory, &call, NULL, 32, &dek, &wrapped) != BULLA_OK)
        return 1;
    bulla_provider *both[2] = {&first->base.base, &second->base.base};
    if (bulla_failover_new(&call, both, 2, true, &options, &site, &key) != BULLA_OK) return 1;
    for (int i = 0; i < 64; i++)
        if (unwrap() != BULLA_OK) return 1;
    scripted_provider_play(first, NULL, 0);
    return second->num_calls != 0;
}

static int teardown(void **state)
{
    (void)state;
    bulla_provider_unref(key);
    bulla_provider_unref(&first->base.base);
    bulla_provider_unref(&second->base.base);
    bulla_provider_unref(memory);
    bulla_wrapped_free(wrapped);
    bulla_secret_unref(dek);
    return fake.num_live != 0;
}

static void test_a_slow_unwrap_is_put_to_the_second(void **state)
{
    (void)state;
    scripted_provider_play(first, &hangs, 1);
    int64_t start_ns = fake.ticks_ns;
    assert_ok(unwrap());
    assert_true(fake.ticks_ns - start_ns < INT64_C(1500000000)); /* the first was ended, and not waited for */
    assert_int_equal(second->num_calls, 1);
    assert_status(call.status, BULLA_OK);
    assert_int_equal(call.cancelled, 0);
    assert_ok(unwrap()); /* and the call goes on to work */
    assert_int_equal(first->num_calls, 2);
}

static void test_a_quick_one_is_not(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_ok(unwrap());
    assert_int_equal(first->num_calls, 100);
    assert_int_equal(second->num_calls, 0);
}

static void cancel_it(void *arg)
{
    bulla_call_cancel(arg);
}

static void test_a_cancellation_by_the_program_is_not_lost(void **state)
{
    (void)state;
    scripted_provider_play(first, &hangs, 1);
    second->hook = cancel_it;
    second->hook_arg = &call;
    (void)unwrap(); /* opened or cancelled: both came at once */
    assert_int_equal(call.cancelled, 1);
    assert_status(unwrap(), BULLA_ECANCELLED);
}

static size_t num_seen;

/* Every few requests the first endpoint takes a while. */
static void dawdle(void *arg)
{
    (void)arg;
    if (__atomic_add_fetch(&num_seen, 1, __ATOMIC_RELAXED) % 7 != 0) return;
    for (int i = 0; i < 20; i++) {
        static const struct timespec pause = {0, 50000};
        (void)nanosleep(&pause, NULL);
        fake_env_advance_ms(&fake, 1);
    }
}

/* The first endpoint takes until the second is asked, for ten seconds at most. */
static void linger(void *arg)
{
    static const struct timespec millisecond = {0, 1000000};
    (void)arg;
    fake_env_advance_ms(&fake, 5);
    for (int i = 0; i < 10000 && __atomic_load_n(&second->num_calls, __ATOMIC_RELAXED) == 0; i++)
        (void)nanosleep(&millisecond, NULL);
}

static void test_when_the_second_fails_the_first_may_still_answer(void **state)
{
    (void)state;
    static const scripted_step gone = {.status = BULLA_EUNAVAIL};
    scripted_provider_play(second, &gone, 1);
    first->hook = linger;
    assert_ok(unwrap());
    assert_int_equal(second->num_calls, 1);
    assert_status(call.status, BULLA_OK);
}

static void test_both_may_be_asked_at_once_and_fail_once(void **state)
{
    (void)state;
    scripted_provider_play(first, &hangs, 1);
    static const scripted_step no = {.status = BULLA_EUNAVAIL};
    const scripted_step both[] = {no, no};
    scripted_provider_play(second, both, 2);
    bulla_call_deadline_set(&call, 3000);
    assert_status(unwrap(), BULLA_EUNAVAIL);
    assert_non_null(strstr(call.why, "1: no answer within 2000 ms; 2: the script says EUNAVAIL"));
}

/* An endpoint that does not mind deadlines, nor cancellations. Time passes all the same. */
static int is_let_go;

static void hold(void *arg)
{
    static const struct timespec millisecond = {0, 1000000};
    (void)arg;
    for (; __atomic_load_n(&is_let_go, __ATOMIC_ACQUIRE) == 0; fake_env_advance_ms(&fake, 1))
        (void)nanosleep(&millisecond, NULL);
}

static void test_who_waits_for_the_second_has_his_own_deadline(void **state)
{
    (void)state;
    static const scripted_step gone = {.status = BULLA_EUNAVAIL};
    is_let_go = 0;
    scripted_provider_play(first, &gone, 1);
    first->hook = linger;
    second->hook = hold;
    bulla_call_deadline_set(&call, 100);
    assert_status(unwrap(), BULLA_EDEADLINE);
    assert_int_equal(__atomic_load_n(&second->num_calls, __ATOMIC_RELAXED), 1); /* it is still in there */
    __atomic_store_n(&is_let_go, 1, __ATOMIC_RELEASE);
}

/* Everything is slow: the second endpoint gets a tenth of the unwraps, and the few in advance. */
static void test_hedges_keep_within_their_budget(void **state)
{
    (void)state;
    scripted_step slow[60];
    for (size_t i = 0; i < BULLA_LEN(slow); i++)
        slow[i] = hangs;
    scripted_provider_play(first, slow, BULLA_LEN(slow));
    size_t num_hedged = 0, num_late = 0;
    for (int i = 0; i < 30; i++) {
        bulla_call_deadline_set(&call, 20);
        bulla_status status = unwrap();
        num_hedged += status == BULLA_OK;
        num_late += status == BULLA_EDEADLINE;
    }
    assert_int_equal(num_hedged + num_late, 30);
    assert_in_range(num_hedged, 5, 10 + (64 + 30) / 10);
}

static void *unwrap_often(void *arg)
{
    bulla_call own;
    bulla_call_init(&own, &fake.env);
    for (int i = 0; i < 300; i++)
        if (unwrap_with(&own) != BULLA_OK || own.cancelled != 0) return arg;
    return NULL;
}

static void test_many_threads_hedge_at_once(void **state)
{
    (void)state;
    pthread_t threads[8];
    int failed = 0;
    first->hook = dawdle;
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, unwrap_often, &failed), 0);
    for (size_t i = 0; i < BULLA_LEN(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_true(second->num_calls <= 10 + (64 + 8 * 300) / 10);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_a_slow_unwrap_is_put_to_the_second),
        WITH(test_a_quick_one_is_not),
        WITH(test_a_cancellation_by_the_program_is_not_lost),
        WITH(test_when_the_second_fails_the_first_may_still_answer),
        WITH(test_both_may_be_asked_at_once_and_fail_once),
        WITH(test_who_waits_for_the_second_has_his_own_deadline),
        WITH(test_hedges_keep_within_their_budget),
        WITH(test_many_threads_hedge_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
