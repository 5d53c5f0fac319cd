/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of AWS that end, are refused, or are wanted by many at once; and none of them in what is told. */
#include "aws_kit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

/* --- renewal --- */

static void test_credentials_are_renewed_before_they_end(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    assert_ok(aws_kit_ask(kit));
    aws_kit_advance(kit, 2600); /* of 3,600: not yet */
    assert_ok(aws_kit_ask(kit));
    assert_int_equal(kit->num_container, 1);
    aws_kit_advance(kit, 500); /* less than ten minutes left */
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(aws_kit_signer(kit), "ASIACONTAINER2");
}

static void test_expired_credentials_stay_in_use_while_there_are_no_new_ones(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    assert_ok(aws_kit_ask(kit));
    kit->container_code = 500;
    aws_kit_advance(kit, 4000);
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(aws_kit_signer(kit), "ASIACONTAINER1");
    assert_int_equal(kit->call.status, BULLA_OK);
    assert_non_null(strstr(kit->log, "have expired; they stay in use"));
    size_t asked = kit->num_container;
    assert_ok(aws_kit_ask(kit)); /* the service is left alone for a while */
    assert_int_equal(kit->num_container, asked);
    kit->container_code = 0;
    aws_kit_advance(kit, 120);
    assert_ok(aws_kit_ask(kit));
    assert_true(kit->num_container > asked);
    assert_string_not_equal(aws_kit_signer(kit), "ASIACONTAINER1");
}

static void test_credentials_that_aws_refuses_are_renewed_once_and_the_request_repeated(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    aws_kit_say(kit, 400, AWS_EXPIRED);
    assert_ok(aws_kit_ask(kit));
    assert_int_equal(kit->num_kms, 2);
    assert_string_equal(kit->signer[0], "ASIACONTAINER1");
    assert_string_equal(kit->signer[1], "ASIACONTAINER2");
}

static void test_credentials_that_are_refused_again_are_an_error(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    for (size_t i = 0; i < 7; i++)
        aws_kit_say(kit, 400, AWS_EXPIRED);
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    assert_in_range(kit->num_kms, 2, 3);
    assert_non_null(strstr(kit->call.why, "ExpiredTokenException"));
    assert_non_null(strstr(kit->call.why, "container"));
}

static void test_credentials_that_cannot_change_are_not_tried_again(void **state)
{
    aws_kit *kit = *state;
    aws_kit_means(kit, 400, "{\"__type\":\"UnrecognizedClientException\"}", BULLA_EAUTHN);
    assert_int_equal(kit->num_kms, 1);
}

/* --- many at once --- */

#define NUM_THREADS 8 /* threads = 8 */
#define PATIENCE_MS 120000u

typedef struct asker {
    aws_kit *kit;
    pthread_t thread;
    bulla_status status;
} asker;

static void *ask_in_thread(void *arg)
{
    asker *self = arg;
    bulla_call call;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    const bulla_wrapped wrapped = {bulla_view_text("aws-kms"), bulla_view_text(AWS_KEY_ARN), bulla_view_text("blob")};
    bulla_call_init(&call, &self->kit->env);
    self->status = bulla_provider_unwrap(self->kit->key, &call, NULL, &wrapped, &dek);
    return NULL;
}

static void asker_start(asker *self, aws_kit *kit)
{
    *self = (asker){.kit = kit};
    assert_int_equal(pthread_create(&self->thread, NULL, ask_in_thread, self), 0);
}

static bulla_status asker_end(const asker *self)
{
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    return self->status;
}

/* Credentials from somebody who is given all the time there is: he is asked once. */
static void slow_login_use(aws_kit *kit)
{
    aws_kit_web_identity_use(kit);
    kit->config.timeout_ms = PATIENCE_MS;
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
}

/* Whoever wants credentials looks at the clock first. */
static void await_wall_reads(aws_kit *kit, size_t num)
{
    for (unsigned ms = 0; ms < PATIENCE_MS && __atomic_load_n(&kit->num_wall_reads, __ATOMIC_ACQUIRE) < num; ms++)
        (void)usleep(1000);
}

/* One begins to log in; all the others come before he has an answer. */
static void all_ask(aws_kit *kit, bulla_status expected)
{
    asker askers[NUM_THREADS];
    aws_kit_login_hold(kit);
    asker_start(&askers[0], kit);
    aws_kit_login_await(kit);
    size_t num_reads = __atomic_load_n(&kit->num_wall_reads, __ATOMIC_ACQUIRE);
    for (size_t i = 1; i < NUM_THREADS; i++)
        asker_start(&askers[i], kit);
    await_wall_reads(kit, num_reads + NUM_THREADS - 1);
    aws_kit_login_release(kit);
    for (size_t i = 0; i < NUM_THREADS; i++)
        assert_status(asker_end(&askers[i]), expected);
}

static void test_many_callers_log_in_once(void **state)
{
    aws_kit *kit = *state;
    slow_login_use(kit);
    all_ask(kit, BULLA_OK);
    assert_int_equal(kit->num_sts, 1);
}

/* One that has looked at the clock and not yet at the login asks for himself: hence not exactly once. */
static void test_many_callers_share_a_login_that_fails(void **state)
{
    aws_kit *kit = *state;
    slow_login_use(kit);
    kit->sts_code = 403;
    kit->sts_body = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>";
    all_ask(kit, BULLA_EAUTHN);
    assert_in_range(kit->num_sts, 1, NUM_THREADS / 2);
}

static void test_a_caller_waits_for_a_login_no_longer_than_its_deadline(void **state)
{
    aws_kit *kit = *state;
    asker first;
    slow_login_use(kit);
    aws_kit_login_hold(kit);
    asker_start(&first, kit);
    aws_kit_login_await(kit);
    bulla_call_deadline_set(&kit->call, 100);
    bulla_status status = aws_kit_ask(kit);
    int hold = __atomic_load_n(&kit->login_hold, __ATOMIC_ACQUIRE);
    bool first_waits = pthread_tryjoin_np(first.thread, NULL) == EBUSY;
    aws_kit_login_release(kit);
    assert_status(status, BULLA_EDEADLINE);
    assert_true(first_waits && hold == AWS_HOLD_HAS_ONE);
    assert_ok(asker_end(&first));
    assert_int_equal(kit->num_sts, 1);
}

/* Else every request fails that has less time than the service has for its answer, while the credentials serve. */
static void test_a_renewal_that_hangs_leaves_the_request_its_time(void **state)
{
    aws_kit *kit = *state;
    slow_login_use(kit);
    assert_ok(aws_kit_ask(kit));
    aws_kit_advance(kit, 3100); /* of 3,600 */
    kit->sts_code = AWS_SILENT;
    bulla_call_deadline_set(&kit->call, 8000);
    assert_ok(aws_kit_ask(kit));
    bulla_call_deadline_set(&kit->call, 0);
    assert_ok(aws_kit_ask(kit)); /* the service is left alone for a while */
    assert_string_equal(aws_kit_signer(kit), "ASIAROLE1");
    assert_int_equal(kit->num_sts, 2);
    assert_non_null(strstr(kit->log, "are not renewed"));
}

/* --- nothing leaks --- */

static void test_no_credential_stands_in_an_error_or_in_the_log(void **state)
{
    aws_kit *kit = *state;
    static const char *const secrets[] = {"metasecret", "metatoken", "rolesecret",
                                          "roletoken",  "pod token", "configsecret"};
    aws_kit_container_use(kit);
    aws_kit_var(kit, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod token");
    kit->config.role_arn = "arn:aws:iam::1:role/a";
    assert_ok(aws_kit_ask(kit));
    for (size_t i = 0; i < 7; i++)
        aws_kit_say(kit, 400, AWS_EXPIRED);
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    kit->sts_body = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>";
    kit->sts_code = 403;
    aws_kit_advance(kit, 4000);
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    for (size_t i = 0; i < BULLA_LEN(secrets); i++) {
        assert_null(strstr(kit->log, secrets[i]));
        assert_null(strstr(kit->call.why, secrets[i]));
    }
    assert_non_null(strstr(kit->log, "role arn:aws:iam::1:role/a"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aws_kit_setup, aws_kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_credentials_are_renewed_before_they_end),
        TEST(test_expired_credentials_stay_in_use_while_there_are_no_new_ones),
        TEST(test_credentials_that_aws_refuses_are_renewed_once_and_the_request_repeated),
        TEST(test_credentials_that_are_refused_again_are_an_error),
        TEST(test_credentials_that_cannot_change_are_not_tried_again),
        TEST(test_many_callers_log_in_once),
        TEST(test_many_callers_share_a_login_that_fails),
        TEST(test_a_caller_waits_for_a_login_no_longer_than_its_deadline),
        TEST(test_a_renewal_that_hangs_leaves_the_request_its_time),
        TEST(test_no_credential_stands_in_an_error_or_in_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
