/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>

#define NUM_THREADS 8u
#define NUM_ROUNDS 20000u

static bulla_metrics *metrics;

static void *count_and_make(void *arg)
{
    unsigned number = *(const unsigned *)arg;
    char labels[32];
    bulla_metric *shared = bulla_metrics_counter(metrics, "shared_total", "", "S.");
    bulla_metric *timed = bulla_metrics_histogram(metrics, "timed_seconds", "", "T.");
    for (unsigned i = 0; i < NUM_ROUNDS; i++) {
        bulla_metric_add(shared, 1);
        bulla_metric_observe(timed, (int64_t)i * 100);
        if (i % 500 != 0) continue;
        (void)snprintf(labels, sizeof labels, "n=\"%u\",t=\"%u\"", i / 500, number % 2);
        bulla_metric_add(bulla_metrics_counter(metrics, "own_total", labels, "O."), 1);
    }
    return NULL;
}

static bulla_status add_up(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    (void)call;
    if (sample->name[0] == 'o') *(int64_t *)arg += sample->value;
    return BULLA_OK;
}

static int64_t sum_of_own(void)
{
    int64_t sum = 0;
    assert_int_equal(bulla_metrics_each(metrics, NULL, add_up, &sum), BULLA_OK);
    return sum;
}

static void test_nothing_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[NUM_THREADS];
    unsigned numbers[NUM_THREADS];
    assert_int_equal(bulla_metrics_new(NULL, &metrics), BULLA_OK);
    for (unsigned i = 0; i < NUM_THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, count_and_make, &numbers[i]), 0);
    }
    for (int64_t before = 0, now = 0, i = 0; i < 200; i++, before = now) {
        now = sum_of_own();
        assert_true(now >= before);
    }
    for (unsigned i = 0; i < NUM_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(bulla_metric_value(bulla_metrics_counter(metrics, "shared_total", "", "")),
                     NUM_THREADS * NUM_ROUNDS);
    assert_int_equal(bulla_metric_value(bulla_metrics_histogram(metrics, "timed_seconds", "", "")),
                     NUM_THREADS * NUM_ROUNDS);
    assert_int_equal(sum_of_own(), NUM_THREADS * (NUM_ROUNDS / 500));
    bulla_metrics_unref(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_lost_between_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
