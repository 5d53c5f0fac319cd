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

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "KEY") == 0 ? "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" : NULL;
}

static void assert_in_text(bulla *house, bulla_call *call, const char *line)
{
    char *text = NULL;
    assert_int_equal(bulla_metrics_text(house, call, &text), BULLA_OK);
    if (strstr(text, line) == NULL) fail_msg("no %s in\n%s", line, text);
    bulla_text_free(call, text);
}

static void unwrap_once(bulla_provider *key, bulla_call *call, const bulla_wrapped *wrapped)
{
    bulla_secret *dek = NULL;
    if (bulla_provider_unwrap(key, call, NULL, wrapped, &dek) != BULLA_OK) fail_msg("%s", call->why);
    bulla_secret_unref(dek);
}

static void test_the_counts_of_all_caches_before_one_key_are_added_up(void **state)
{
    (void)state;
    static const bulla_cache_options cache = {.size = sizeof cache, .ttl_ms = 3600000};
    const bulla_options options = {.size = sizeof options, .cache = &cache};
    bulla_env env = *bulla_env_default();
    bulla_call call;
    bulla *house = NULL;
    bulla_provider *one = NULL, *other = NULL;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    env.lookup = lookup;
    bulla_call_init(&call, &env);
    assert_int_equal(bulla_open(&call, &options, &house), BULLA_OK);
    assert_int_equal(bulla_provider_open(house, &call, "env:KEY", &one), BULLA_OK);
    assert_int_equal(bulla_provider_open(house, &call, "env:KEY", &other), BULLA_OK);
    assert_int_equal(bulla_provider_datakey(one, &call, NULL, 32, &dek, &wrapped), BULLA_OK);
    unwrap_once(one, &call, wrapped);
    unwrap_once(one, &call, wrapped);
    unwrap_once(other, &call, wrapped);
    assert_in_text(house, &call, "# TYPE bulla_cache_hits_total counter\nbulla_cache_hits_total{key=\"env:KEY\"} 1\n");
    assert_in_text(house, &call, "bulla_cache_misses_total{key=\"env:KEY\"} 2\n");
    assert_in_text(house, &call, "# TYPE bulla_cache_entries gauge\nbulla_cache_entries{key=\"env:KEY\"} 2\n");
    assert_in_text(house, &call, "bulla_cache_stale_bound_milliseconds{key=\"env:KEY\"} 3600000\n");
    bulla_provider_unref(other);
    assert_in_text(house, &call, "bulla_cache_entries{key=\"env:KEY\"} 1\n");
    bulla_provider_unref(one);
    assert_in_text(house, &call, "bulla_cache_entries{key=\"env:KEY\"} 0\n");
    bulla_wrapped_free(wrapped);
    bulla_secret_unref(dek);
    bulla_close(house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_of_a_house_is_prometheus),
        cmocka_unit_test(test_a_visitor_sees_every_series),
        cmocka_unit_test(test_the_counts_of_all_caches_before_one_key_are_added_up),
        cmocka_unit_test(test_without_house_visitor_or_output_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
