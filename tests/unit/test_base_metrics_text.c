/* SPDX-License-Identifier: Apache-2.0 */
/* The text is read back line by line, strictly by the rules of the format. */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/metrics.h"

#include "cmocka_all.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "[a-zA-Z_][a-zA-Z0-9_]*"
#define LABEL NAME "=\"([^\"\\\n]|\\\\[\\\\\"n])*\""

static void fill(bulla_metrics *metrics)
{
    bulla_metric_add(bulla_metrics_counter(metrics, "bulla_calls_total", "store=\"a\",call=\"unwrap\"", "Calls."), 3);
    bulla_metric_add(bulla_metrics_counter(metrics, "bulla_calls_total", "store=\"a\\\"\\\\\",call=\"wrap\"", "Calls."),
                     1);
    bulla_metric_set(bulla_metrics_gauge(metrics, "bulla_state", "", "Back\\slash\nand line."), -2);
    bulla_metric *timed = bulla_metrics_histogram(metrics, "bulla_call_seconds", "store=\"a\"", "Durations.");
    bulla_metric *plain = bulla_metrics_histogram(metrics, "bulla_plain_seconds", "", "Durations.");
    for (int64_t ns = 1; ns < INT64_C(300000000000); ns *= 3) {
        bulla_metric_observe(timed, ns);
        bulla_metric_observe(plain, ns);
    }
}

static char *text_of(void)
{
    bulla_metrics *metrics = NULL;
    char *text = NULL;
    assert_int_equal(bulla_metrics_new(NULL, &metrics), BULLA_OK);
    fill(metrics);
    assert_int_equal(bulla_metrics_format(metrics, NULL, &text), BULLA_OK);
    bulla_metrics_unref(metrics);
    return text;
}

static bool matches(const char *pattern, const char *line)
{
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool is_match = regexec(&compiled, line, 0, NULL, 0) == 0;
    regfree(&compiled);
    return is_match;
}

static void test_every_line_is_of_the_format(void **state)
{
    (void)state;
    char *text = text_of(), *rest = text;
    size_t len = strlen(text), num = 0;
    assert_int_equal(text[len - 1], '\n');
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest), num++) {
        bool is_good = matches("^# HELP " NAME " ([^\\]|\\\\[\\n])*$", line) ||
                       matches("^# TYPE " NAME " (counter|gauge|histogram)$", line) ||
                       matches("^" NAME "(\\{" LABEL "(," LABEL ")*\\})? -?[0-9]+(\\.[0-9]+)?$", line);
        if (!is_good) fail_msg("%s", line);
    }
    assert_in_range(num, 60, 90);
    bulla_free(bulla_env_default(), text);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("missing: %s in\n%s", part, text);
}

static void test_names_are_told_once_and_numbers_in_base_units(void **state)
{
    (void)state;
    char *text = text_of();
    assert_has(text, "# HELP bulla_calls_total Calls.\n# TYPE bulla_calls_total counter\n"
                     "bulla_calls_total{store=\"a\",call=\"unwrap\"} 3\n"
                     "bulla_calls_total{store=\"a\\\"\\\\\",call=\"wrap\"} 1\n");
    assert_has(text, "# HELP bulla_state Back\\\\slash\\nand line.\n# TYPE bulla_state gauge\nbulla_state -2\n");
    assert_has(text, "bulla_metrics_dropped_total 0\n");
    assert_has(text, "bulla_call_seconds_bucket{store=\"a\",le=\"0.000001\"} 7\n");
    assert_has(text, "bulla_call_seconds_bucket{store=\"a\",le=\"67.108864\"} 23\n");
    assert_has(text, "bulla_call_seconds_bucket{store=\"a\",le=\"+Inf\"} 25\n");
    assert_has(text, "bulla_call_seconds_sum{store=\"a\"} 423.644304721\n");
    assert_has(text, "bulla_call_seconds_count{store=\"a\"} 25\n");
    assert_has(text, "bulla_plain_seconds_bucket{le=\"0.001024\"} ");
    assert_has(text, "bulla_plain_seconds_count 25\n");
    assert_null(strstr(strstr(text, "# TYPE bulla_calls_total") + 1, "# TYPE bulla_calls_total"));
    bulla_free(bulla_env_default(), text);
}

static void test_buckets_are_cumulated_and_end_with_the_count(void **state)
{
    (void)state;
    char *text = text_of(), *rest = text;
    double bound_before = 0;
    unsigned long long before = 0, num = 0;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        static const char start[] = "bulla_plain_seconds_bucket{le=\"";
        if (strncmp(line, start, sizeof start - 1) != 0) continue;
        char *end = NULL;
        double bound = strtod(line + sizeof start - 1, &end);
        unsigned long long count = strtoull(end + strlen("\"} "), NULL, 10);
        assert_true(bound > bound_before && count >= before);
        bound_before = bound;
        before = count;
        num++;
    }
    assert_int_equal(num, 28);
    assert_int_equal(before, 25);
    bulla_free(bulla_env_default(), text);
}

static void test_text_of_nothing_is_empty(void **state)
{
    (void)state;
    char *text = NULL;
    assert_int_equal(bulla_metrics_format(NULL, NULL, &text), BULLA_OK);
    assert_string_equal(text, "");
    bulla_free(bulla_env_default(), text);
}

static void test_text_grows_with_its_series(void **state)
{
    (void)state;
    bulla_metrics *metrics = NULL;
    char *text = NULL, labels[64];
    assert_int_equal(bulla_metrics_new(NULL, &metrics), BULLA_OK);
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(labels, sizeof labels, "endpoint=\"host-%u:8200\"", i);
        bulla_metric_observe(bulla_metrics_histogram(metrics, "bulla_h_seconds", labels, "H."), 5000);
    }
    assert_int_equal(bulla_metrics_format(metrics, NULL, &text), BULLA_OK);
    size_t num = 0;
    for (const char *at = text; (at = strstr(at, "_count{")) != NULL; at++)
        num++;
    assert_int_equal(num, 300);
    bulla_metrics_unref(metrics);
    bulla_free(bulla_env_default(), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_line_is_of_the_format),
        cmocka_unit_test(test_names_are_told_once_and_numbers_in_base_units),
        cmocka_unit_test(test_buckets_are_cumulated_and_end_with_the_count),
        cmocka_unit_test(test_text_of_nothing_is_empty),
        cmocka_unit_test(test_text_grows_with_its_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
