/* SPDX-License-Identifier: Apache-2.0 */
#include "bulla/metrics.h"

#include "cmocka_all.h"

#include <string.h>

static bulla *house_open(bulla_call *call)
{
    bulla *house = NULL;
    const bulla_options options = {.size = sizeof options};
    bulla_call_init(call, NULL);
    if (bulla_open(call, &options, &house) != BULLA_OK) fail_msg("%s", call->why);
    return house;
}

static void test_the_text_of_a_house_is_prometheus(void **state)
{
    (void)state;
    bulla_call call;
    char *text = NULL;
    bulla *house = house_open(&call);
    assert_int_equal(bulla_metrics_text(house, &call, &text), BULLA_OK);
    assert_non_null(strstr(text, "# TYPE bulla_metrics_dropped_total counter\nbulla_metrics_dropped_total 0\n"));
    bulla_text_free(&call, text);
    bulla_text_free(&call, NULL);
    bulla_close(house);
}

static bulla_status count(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    (void)call;
    if (strcmp(sample->name, "bulla_metrics_dropped_total") == 0) ++*(unsigned *)arg;
    return BULLA_OK;
}

static void test_a_visitor_sees_every_series(void **state)
{
    (void)state;
    bulla_call call;
    unsigned num = 0;
    bulla *house = house_open(&call);
    assert_int_equal(bulla_metrics_visit(house, &call, count, &num), BULLA_OK);
    assert_int_equal(num, 1);
    bulla_close(house);
}

static void test_without_house_visitor_or_output_it_is_refused(void **state)
{
    (void)state;
    bulla_call call;
    char *text = NULL;
    bulla *house = house_open(&call);
    assert_int_equal(bulla_metrics_text(NULL, &call, &text), BULLA_EINVAL);
    assert_int_equal(bulla_metrics_text(house, &call, NULL), BULLA_EINVAL);
    assert_int_equal(bulla_metrics_visit(house, &call, NULL, NULL), BULLA_EINVAL);
    assert_int_equal(bulla_metrics_visit(NULL, &call, count, NULL), BULLA_EINVAL);
    assert_null(text);
    bulla_close(house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_of_a_house_is_prometheus),
        cmocka_unit_test(test_a_visitor_sees_every_series),
        cmocka_unit_test(test_without_house_visitor_or_output_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
