/* SPDX-License-Identifier: Apache-2.0 */
/* Slow and hanging stores, and the calls that wait for them. */
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/memory_provider.h"
#include "fakes/waiting_providers.h"
#include "provider/provider.h"

#include <pthread.h>
#include <time.h>

static void test_a_slow_store_runs_into_the_deadline(void **state)
{
    (void)state;
    fake_env fake;
    bulla_call call;
    bulla_key_info info;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    BULLA_AUTO(bulla_provider) *slow = NULL;
    fake_env_init(&fake);
    bulla_call_init(&call, &fake.env);
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    assert_ok(slow_provider_new(&call, memory, &fake, 80, &slow));
    bulla_call_deadline_set(&call, 100);
    assert_ok(bulla_provider_describe(slow, &call, &info));
    assert_status(bulla_provider_describe(slow, &call, &info), BULLA_EDEADLINE);
    assert_string_equal(call.provider, "slow");
    assert_int_equal(memory_provider_counts(memory).describes, 1);
    assert_int_equal(bulla_status_class(call.status), BULLA_CLASS_STOP);
}

static void test_a_hanging_store_ends_with_the_deadline(void **state)
{
    (void)state;
    bulla_call call;
    bulla_key_info info;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    BULLA_AUTO(bulla_provider) *hanging = NULL;
    bulla_call_init(&call, NULL);
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    assert_ok(hanging_provider_new(&call, memory, &hanging));
    bulla_call_deadline_set(&call, 30);
    assert_status(bulla_provider_describe(hanging, &call, &info), BULLA_EDEADLINE);
    assert_string_equal(call.provider, "hanging");
}

static void *cancel_later(void *arg)
{
    static const struct timespec a_while = {0, 20000000};
    (void)nanosleep(&a_while, NULL);
    bulla_call_cancel(arg);
    return NULL;
}

static void test_a_hanging_store_ends_with_a_cancellation_from_another_thread(void **state)
{
    (void)state;
    bulla_call call;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    pthread_t thread;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    BULLA_AUTO(bulla_provider) *hanging = NULL;
    bulla_call_init(&call, NULL);
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    assert_ok(hanging_provider_new(&call, memory, &hanging));
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &call), 0);
    assert_status(bulla_provider_datakey(hanging, &call, NULL, 32, &dek, &wrapped), BULLA_ECANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(dek == NULL && wrapped == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_store_runs_into_the_deadline),
        cmocka_unit_test(test_a_hanging_store_ends_with_the_deadline),
        cmocka_unit_test(test_a_hanging_store_ends_with_a_cancellation_from_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
