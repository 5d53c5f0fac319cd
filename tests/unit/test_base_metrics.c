/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/metrics.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bulla_metrics *registry_new(void)
{
    bulla_metrics *metrics = NULL;
    assert_int_equal(bulla_metrics_new(NULL, &metrics), BULLA_OK);
    return metrics;
}

static void test_a_series_is_found_again(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    bulla_metric *first = bulla_metrics_counter(metrics, "a_total", "k=\"1\"", "A.");
    bulla_metric *other = bulla_metrics_counter(metrics, "a_total", "k=\"2\"", "A.");
    assert_ptr_not_equal(first, other);
    assert_ptr_equal(bulla_metrics_counter(metrics, "a_total", "k=\"1\"", "A."), first);
    bulla_metric_add(first, 2);
    bulla_metric_add(first, 40);
    assert_int_equal(bulla_metric_value(first), 42);
    assert_int_equal(bulla_metric_value(other), 0);
}

static void test_without_a_registry_nothing_is_counted(void **state)
{
    (void)state;
    bulla_metric *metric = bulla_metrics_counter(NULL, "a_total", "", "A.");
    assert_non_null(metric);
    bulla_metric_add(metric, 1);
    bulla_metric_set(bulla_metrics_gauge(NULL, "a", "", "A."), 5);
    bulla_metric_observe(bulla_metrics_histogram(NULL, "a_seconds", "", "A."), 5);
    assert_int_equal(bulla_metric_value(metric), 0);
    assert_int_equal(bulla_metric_quantile_ns(metric, 95, 0), 0);
    bulla_metrics_unref(NULL);
}

static void test_a_gauge_keeps_what_was_set_last(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    bulla_metric *gauge = bulla_metrics_gauge(metrics, "state", "", "S.");
    bulla_metric_set(gauge, 7);
    bulla_metric_set(gauge, -3);
    assert_int_equal((int64_t)bulla_metric_value(gauge), -3);
}

static void test_what_is_changed_as_another_kind_stays(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    bulla_metric *gauge = bulla_metrics_gauge(metrics, "g", "", "G.");
    bulla_metric *timed = bulla_metrics_histogram(metrics, "h", "", "H.");
    bulla_metric_add(gauge, 5);
    bulla_metric_observe(gauge, 5);
    bulla_metric_add(timed, 5);
    bulla_metric_set(timed, 5);
    assert_int_equal(bulla_metric_value(gauge), 0);
    assert_int_equal(bulla_metric_value(timed), 0);
}

typedef struct seen {
    size_t num;
    const char *last_name, *last_labels;
    bulla_metric_sample sample; /* of the histogram */
    uint64_t buckets[256];
} seen;

static bulla_status look(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    seen *all = arg;
    (void)call;
    if (all->num++ != 0) {
        int order = strcmp(all->last_name, sample->name);
        assert_true(order < 0 || (order == 0 && strcmp(all->last_labels, sample->labels) < 0));
    }
    all->last_name = sample->name;
    all->last_labels = sample->labels;
    if (sample->kind != BULLA_METRIC_HISTOGRAM) return BULLA_OK;
    assert_true(sample->num_buckets < BULLA_LEN(all->buckets));
    all->sample = *sample;
    memcpy(all->buckets, sample->buckets, sample->num_buckets * sizeof(uint64_t));
    return BULLA_OK;
}

/* Where the one observation of `ns` went; the bounds around it are told. */
static void observe_one(int64_t ns, int64_t *out_below, int64_t *out_bound)
{
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    bulla_metric_observe(bulla_metrics_histogram(metrics, "h_seconds", "", "H."), ns);
    seen all = {.num = 0};
    assert_int_equal(bulla_metrics_each(metrics, NULL, look, &all), BULLA_OK);
    assert_int_equal(all.sample.count, 1);
    assert_int_equal(all.sample.sum_ns, ns < 0 ? 0 : ns);
    size_t at = 0;
    while (all.buckets[at] == 0)
        at++;
    *out_below = at == 0 ? -1 : all.sample.bounds_ns[at - 1];
    *out_bound = all.sample.bounds_ns[at];
    assert_true(all.sample.bounds_ns[all.sample.num_buckets - 1] == INT64_MAX);
}

static void test_an_observation_goes_below_its_bound_and_above_the_one_before(void **state)
{
    (void)state;
    static const int64_t rows[] = {0,           1,           999,          1000,       1001,    1250,
                                   1251,        1999,        2000,         2001,       123456,  1000000,
                                   67108864000, 67108864001, 999999999,    INT64_MAX,  7999999, 8000000,
                                   134217728,   67108863999, 134217728000, 33554432001};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        int64_t below = 0, bound = 0;
        observe_one(rows[i], &below, &bound);
        assert_true(below < rows[i] && rows[i] <= bound);
        if (bound != INT64_MAX && below >= 1000) assert_true(bound - below <= below / 4);
    }
    int64_t below = 0, bound = 0;
    observe_one(-5, &below, &bound); /* a clock that went back */
    assert_int_equal(bound, 1000);
}

static void test_a_quantile_is_a_bound_that_so_many_do_not_exceed(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    bulla_metric *timed = bulla_metrics_histogram(metrics, "h_seconds", "", "H.");
    assert_int_equal(bulla_metric_quantile_ns(timed, 95, 0), 0);
    for (int i = 1; i <= 100; i++)
        bulla_metric_observe(timed, (int64_t)i * 1000000);
    assert_int_equal(bulla_metric_quantile_ns(timed, 95, 101), 0);
    int64_t p50 = bulla_metric_quantile_ns(timed, 50, 100), p95 = bulla_metric_quantile_ns(timed, 95, 100);
    assert_in_range(p50, 50000000, 62500000);
    assert_in_range(p95, 95000000, 118750000);
    assert_true(bulla_metric_quantile_ns(timed, 100, 1) >= 100000000);
    for (int i = 0; i < 10000; i++)
        bulla_metric_observe(timed, INT64_C(3600000000000));
    assert_int_equal(bulla_metric_quantile_ns(timed, 50, 1), INT64_C(67108864000));
}

static uint64_t num_dropped(bulla_metrics *metrics)
{
    return bulla_metric_value(bulla_metrics_counter(metrics, "bulla_metrics_dropped_total", "", ""));
}

static void test_what_is_not_well_formed_is_dropped(void **state)
{
    (void)state;
    static const char *const labels[] = {"k",          "k=1",      "k=\"1",    "k=\"1\"x",         "k=\"1\",",
                                         ",k=\"1\"",   "=\"1\"",   "1k=\"1\"", "k=\"a\nb\"",       "k=\"\\x\"",
                                         "k=\"\xFF\"", "k =\"1\"", "k=\"\\",   "k=\"1\",,j=\"2\"", "k=\"1\" "};
    static const char *const names[] = {"", "1a", "a-b", "a b", "a\n"};
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    for (size_t i = 0; i < BULLA_LEN(labels); i++)
        bulla_metric_add(bulla_metrics_counter(metrics, "a_total", labels[i], "A."), 1);
    for (size_t i = 0; i < BULLA_LEN(names); i++)
        bulla_metric_add(bulla_metrics_counter(metrics, names[i], "", "A."), 1);
    char longest[BULLA_METRICS_MAX_LABELS + 8] = "k=\"";
    memset(longest + 3, 'x', sizeof longest - 5);
    longest[sizeof longest - 2] = '"';
    bulla_metric_add(bulla_metrics_counter(metrics, "a_total", longest, "A."), 1);
    assert_int_equal(num_dropped(metrics), BULLA_LEN(labels) + BULLA_LEN(names) + 1);
    seen all = {.num = 0};
    assert_int_equal(bulla_metrics_each(metrics, NULL, look, &all), BULLA_OK);
    assert_int_equal(all.num, 1);
}

static void test_one_name_is_of_one_kind(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    (void)bulla_metrics_counter(metrics, "m", "k=\"2\"", "M.");
    bulla_metric_set(bulla_metrics_gauge(metrics, "m", "k=\"1\"", "M."), 1);
    bulla_metric_set(bulla_metrics_gauge(metrics, "m", "k=\"2\"", "M."), 1);
    bulla_metric_set(bulla_metrics_gauge(metrics, "m", "k=\"3\"", "M."), 1);
    assert_int_equal(num_dropped(metrics), 3);
}

static void test_series_are_bounded(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    char labels[32];
    for (unsigned i = 0; i < BULLA_METRICS_MAX_SERIES + 5; i++) {
        (void)snprintf(labels, sizeof labels, "k=\"%u\"", i * 7919 % 10007);
        bulla_metric_add(bulla_metrics_counter(metrics, "a_total", labels, "A."), 1);
    }
    assert_int_equal(num_dropped(metrics), 6);
    seen all = {.num = 0};
    assert_int_equal(bulla_metrics_each(metrics, NULL, look, &all), BULLA_OK);
    assert_int_equal(all.num, BULLA_METRICS_MAX_SERIES);
}

static bulla_status stop_at_second(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    (void)sample;
    return ++*(size_t *)arg == 2 ? bulla_fail(call, BULLA_ECANCELLED, "enough") : BULLA_OK;
}

static void test_a_visitor_ends_the_walk(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_metrics) *metrics = registry_new();
    for (size_t i = 0; i < 4; i++)
        (void)bulla_metrics_counter(metrics, (const char *[]){"a", "b", "c", "d"}[i], "", "A.");
    size_t num = 0;
    assert_int_equal(bulla_metrics_each(metrics, NULL, stop_at_second, &num), BULLA_ECANCELLED);
    assert_int_equal(num, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_series_is_found_again),
        cmocka_unit_test(test_without_a_registry_nothing_is_counted),
        cmocka_unit_test(test_a_gauge_keeps_what_was_set_last),
        cmocka_unit_test(test_what_is_changed_as_another_kind_stays),
        cmocka_unit_test(test_an_observation_goes_below_its_bound_and_above_the_one_before),
        cmocka_unit_test(test_a_quantile_is_a_bound_that_so_many_do_not_exceed),
        cmocka_unit_test(test_what_is_not_well_formed_is_dropped),
        cmocka_unit_test(test_one_name_is_of_one_kind),
        cmocka_unit_test(test_series_are_bounded),
        cmocka_unit_test(test_a_visitor_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
