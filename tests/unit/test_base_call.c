/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/wait.h"
#include "cmocka_all.h"

#include <string.h>

static int64_t now_ns;

static int64_t fake_ticks(void *arg)
{
    (void)arg;
    return now_ns;
}

static bulla_env fake_env(void)
{
    bulla_env env = *bulla_env_default();
    env.ticks_ns = fake_ticks;
    return env;
}

static void test_every_status_has_its_own_name_and_text(void **state)
{
    (void)state;
    for (int a = BULLA_OK; a <= BULLA_EINTERNAL; a++) {
        assert_true(strlen(bulla_status_text((bulla_status)a)) > 1);
        for (int b = BULLA_OK; b < a; b++) {
            assert_string_not_equal(bulla_status_name((bulla_status)a), bulla_status_name((bulla_status)b));
            assert_string_not_equal(bulla_status_text((bulla_status)a), bulla_status_text((bulla_status)b));
        }
    }
}

static void test_only_ok_has_the_class_of_success(void **state)
{
    (void)state;
    assert_int_equal(bulla_status_class(BULLA_OK), BULLA_CLASS_OK);
    for (int code = BULLA_OK + 1; code <= BULLA_EINTERNAL; code++)
        assert_int_not_equal(bulla_status_class((bulla_status)code), BULLA_CLASS_OK);
    assert_int_equal(bulla_status_class(BULLA_EUNKNOWN), BULLA_CLASS_UNSURE);
    assert_int_equal(bulla_status_class(BULLA_EUNAVAIL), BULLA_CLASS_RETRY);
    assert_int_equal(bulla_status_class(BULLA_ENOKEY), BULLA_CLASS_CALLER);
}

static void test_a_call_ends_at_its_deadline(void **state)
{
    (void)state;
    bulla_env env = fake_env();
    bulla_call call;
    now_ns = 1000;
    bulla_call_init(&call, &env);
    assert_ok(bulla_call_check(&call));
    bulla_call_deadline_set(&call, 5);
    now_ns = 1000 + 5 * 1000000 - 1;
    assert_ok(bulla_call_check(&call));
    now_ns++;
    assert_status(bulla_call_check(&call), BULLA_EDEADLINE);
    bulla_call_deadline_set(&call, 0);
    assert_ok(bulla_call_check(&call));
}

static void test_who_waits_for_another_looks_up_at_the_deadline_and_at_every_step(void **state)
{
    (void)state;
    static const struct {
        int64_t left_ns, doze_ns;
    } cases[] = {{INT64_C(3600000000000), BULLA_WAIT_STEP_NS},
                 {BULLA_WAIT_STEP_NS + 1, BULLA_WAIT_STEP_NS},
                 {7000000, 7000000},
                 {1, 1000000}, /* no busy loop */
                 {-5, 1000000}};
    bulla_env env = fake_env();
    bulla_call call;
    bulla_call_init(&call, &env);
    assert_int_equal(bulla_doze_ns(&call), BULLA_WAIT_STEP_NS);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        call.deadline_ns = now_ns + 1000 + cases[i].left_ns;
        now_ns += 1000;
        assert_int_equal(bulla_doze_ns(&call), cases[i].doze_ns);
    }
}

static void test_a_cancelled_call_stays_cancelled(void **state)
{
    (void)state;
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_call_cancel(&call);
    assert_status(bulla_call_check(&call), BULLA_ECANCELLED);
    assert_status(bulla_call_check(&call), BULLA_ECANCELLED);
}

static void test_fail_keeps_the_sentence_within_its_room(void **state)
{
    (void)state;
    char longer[600];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    bulla_call call;
    bulla_call_init(&call, NULL);
    assert_status(bulla_fail(&call, BULLA_EIO, "%s", longer), BULLA_EIO);
    assert_int_equal(strlen(call.why), sizeof call.why - 1);
    assert_int_equal(call.status, BULLA_EIO);
    assert_status(bulla_fail(NULL, BULLA_EIO, "nobody listens"), BULLA_EIO);
}

static char logged[600];

static void keep_line(void *arg, bulla_log_level level, const char *line)
{
    (void)arg;
    (void)level;
    strncpy(logged, line, sizeof logged - 1);
}

static void test_the_log_hears_what_its_level_wants(void **state)
{
    (void)state;
    bulla_env env = fake_env();
    env.log = keep_line;
    env.log_level = BULLA_LOG_INFO;
    bulla_log(&env, BULLA_LOG_DEBUG, "not this");
    assert_string_equal(logged, "");
    bulla_log(&env, BULLA_LOG_INFO, "this %d", 1);
    assert_string_equal(logged, "this 1");
    bulla_log(&env, BULLA_LOG_INFO, "\"%s\" is one line", "a\nb\x1b[1m\x7f\xc3\xa9");
    assert_string_equal(logged, "\"a?b?[1m?\xc3\xa9\" is one line");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_status_has_its_own_name_and_text),
        cmocka_unit_test(test_only_ok_has_the_class_of_success),
        cmocka_unit_test(test_a_call_ends_at_its_deadline),
        cmocka_unit_test(test_who_waits_for_another_looks_up_at_the_deadline_and_at_every_step),
        cmocka_unit_test(test_a_cancelled_call_stays_cancelled),
        cmocka_unit_test(test_fail_keeps_the_sentence_within_its_room),
        cmocka_unit_test(test_the_log_hears_what_its_level_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
