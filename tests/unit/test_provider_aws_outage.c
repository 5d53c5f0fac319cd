/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gives out credentials of AWS and does not answer: an outage, in which what was opened before may go on serving;
 * and who answers that there are none. What kind of machine runs this, and where its metadata service is, is said here,
 * in place of aws_machine.c.
 */
#include "aws_kit.h"

#include <stdio.h>
#include <unistd.h>

static bool is_ec2;
static const char *usual_url;

bool bulla_aws_is_ec2(const char *firmware)
{
    assert_string_equal(firmware, "/sys/class/dmi/id");
    return is_ec2;
}

const char *bulla_aws_instance_url(void)
{
    return usual_url;
}

/* Nothing says that there is a metadata service. */
static void nothing_use(aws_kit *kit, bool on_ec2)
{
    aws_kit_chain_use(kit);
    aws_kit_var(kit, "AWS_EC2_METADATA_DISABLED", "false");
    usual_url = kit->url;
    is_ec2 = on_ec2;
}

static void instance_silence(aws_kit *kit, int how)
{
    kit->imds_token_code = kit->imds_code = how;
}

/* An outage: the caller may try again, and the sentence names who is silent. */
static void assert_outage(aws_kit *kit, const char *who)
{
    assert_status(aws_kit_ask(kit), BULLA_EUNAVAIL);
    assert_non_null(strstr(kit->call.why, who));
    assert_int_equal(kit->num_kms, 0);
}

static void assert_none(aws_kit *kit, const char *why)
{
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    assert_non_null(strstr(kit->call.why, why));
    assert_int_equal(kit->num_kms, 0);
}

/* --- instances --- */

static void test_a_metadata_service_that_is_silent_on_a_machine_of_ec2_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    static const int hows[] = {AWS_CLOSED, AWS_SILENT};
    nothing_use(kit, true);
    for (size_t i = 0; i < BULLA_LEN(hows); i++) {
        instance_silence(kit, hows[i]);
        assert_outage(kit, "the metadata service of EC2 does not answer");
    }
    instance_silence(kit, 0);
    assert_ok(aws_kit_ask(kit));
}

static void test_where_nobody_answers_and_nobody_should_there_are_no_credentials(void **state)
{
    aws_kit *kit = *state;
    nothing_use(kit, false);
    instance_silence(kit, AWS_CLOSED);
    assert_none(kit, "no credentials for AWS in the configuration, the environment, the shared files or a container");
    assert_non_null(strstr(kit->call.why, "does not answer, nor is this a machine of EC2"));
    assert_int_equal(kit->num_imds_token, 1); /* and nobody waits for it twice */
    assert_int_equal(kit->num_imds, 0);
}

static void test_a_metadata_service_that_somebody_has_set_up_is_an_outage_when_it_is_silent(void **state)
{
    aws_kit *kit = *state;
    nothing_use(kit, false);
    instance_silence(kit, AWS_CLOSED);
    aws_kit_var(kit, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s", kit->url);
    assert_outage(kit, "the metadata service of EC2");
    aws_kit_var(kit, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s", "");
    aws_kit_var(kit, "AWS_CONFIG_FILE", "%s/config", kit->dir);
    aws_kit_file(kit, "config", "[default]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n");
    assert_outage(kit, "the metadata service of EC2");
}

static void test_a_metadata_service_that_has_answered_is_there(void **state)
{
    aws_kit *kit = *state;
    static const int tokens[] = {0, 404};
    nothing_use(kit, false);
    kit->imds_code = AWS_CLOSED;
    for (size_t i = 0; i < BULLA_LEN(tokens); i++) {
        kit->imds_token_code = tokens[i];
        assert_outage(kit, "the metadata service of EC2");
    }
}

static void test_without_the_first_version_a_token_service_that_is_silent_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    nothing_use(kit, true);
    kit->imds_token_code = AWS_CLOSED;
    aws_kit_var(kit, "AWS_EC2_METADATA_V1_DISABLED", "true");
    assert_outage(kit, "the metadata service of EC2");
    assert_int_equal(kit->num_imds, 0);
}

static void test_an_instance_without_a_role_has_no_credentials(void **state)
{
    aws_kit *kit = *state;
    nothing_use(kit, true);
    kit->imds_code = 404;
    assert_none(kit, "gives this machine no role");
}

static void test_a_metadata_service_that_is_switched_off_is_told(void **state)
{
    aws_kit *kit = *state;
    nothing_use(kit, true);
    aws_kit_var(kit, "AWS_EC2_METADATA_DISABLED", "true");
    assert_none(kit, "switched off");
    assert_int_equal(kit->num_imds_token, 0);
}

static void test_answers_of_a_metadata_service_mean_what_they_say(void **state)
{
    aws_kit *kit = *state;
    static const struct {
        int token_code, code;
        bulla_status status;
    } cases[] = {{500, 0, BULLA_EUNAVAIL}, {429, 0, BULLA_ETHROTTLED}, {302, 0, BULLA_EUNAVAIL},
                 {400, 0, BULLA_EAUTHN},   {0, 503, BULLA_EUNAVAIL},   {0, 429, BULLA_ETHROTTLED},
                 {0, 403, BULLA_EAUTHN},   {0, 408, BULLA_EUNAVAIL}};
    nothing_use(kit, true);
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        kit->imds_token_code = cases[i].token_code;
        kit->imds_code = cases[i].code;
        assert_status(aws_kit_ask(kit), cases[i].status);
    }
    assert_int_equal(kit->num_kms, 0);
}

/* --- containers --- */

static void test_a_container_service_that_does_not_answer_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    kit->container_code = AWS_CLOSED;
    assert_outage(kit, "the container's credential service does not answer");
    assert_int_equal(kit->num_container, 3);
    aws_kit_var(kit, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/container");
    assert_outage(kit, "the container's credential service does not answer");
}

static void test_answers_of_a_container_service_mean_what_they_say(void **state)
{
    aws_kit *kit = *state;
    static const struct {
        int code;
        bulla_status status;
    } cases[] = {{302, BULLA_EUNAVAIL}, {403, BULLA_EAUTHN}, {429, BULLA_ETHROTTLED}};
    aws_kit_container_use(kit);
    kit->login_headers = "Retry-After: 2\r\n";
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        kit->container_code = cases[i].code;
        assert_status(aws_kit_ask(kit), cases[i].status);
        assert_int_equal(kit->call.native, cases[i].code);
    }
    assert_int_equal(kit->call.retry_after_ms, 2000);
}

/* --- roles --- */

static void test_an_sts_that_does_not_answer_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    kit->config.role_arn = "arn:aws:iam::1:role/a";
    kit->sts_code = AWS_CLOSED;
    assert_outage(kit, "127.0.0.1");
    aws_kit_web_identity_use(kit);
    kit->config.role_arn = NULL;
    aws_kit_close(kit);
    assert_outage(kit, "127.0.0.1");
    kit->config.sts_endpoint = "http://127.0.0.1:1";
    aws_kit_close(kit);
    assert_outage(kit, "127.0.0.1:1");
}

static void test_an_identity_provider_that_sts_cannot_reach_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    aws_kit_web_identity_use(kit);
    kit->sts_code = 400;
    kit->sts_body =
        "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>Couldn't retrieve verification key "
        "from your identity provider</Message></Error></ErrorResponse>";
    assert_outage(kit, "identity provider");
    assert_int_equal(kit->num_sts, 2);
}

static void test_an_sts_that_refuses_the_role_does_not_know_the_caller(void **state)
{
    aws_kit *kit = *state;
    kit->config.role_arn = "arn:aws:iam::1:role/a";
    kit->sts_code = 403;
    kit->sts_body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    assert_none(kit, "AWS STS does not give the role arn:aws:iam::1:role/a: AccessDenied");
}

/* --- credentials that end in an outage --- */

static void test_expired_credentials_that_cannot_be_renewed_are_an_outage(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    assert_ok(aws_kit_ask(kit));
    kit->container_code = 500;
    aws_kit_advance(kit, 4000);
    aws_kit_means(kit, 400, AWS_EXPIRED, BULLA_EUNAVAIL);
    assert_non_null(strstr(kit->call.why, "ExpiredTokenException"));
    assert_non_null(strstr(kit->call.why, "container's credential service"));
    size_t asked = kit->num_container;
    aws_kit_means(kit, 400, AWS_EXPIRED, BULLA_EUNAVAIL); /* in the pause in which nobody asks for new ones */
    assert_int_equal(kit->num_container, asked);
    kit->container_code = 0;
    aws_kit_advance(kit, 120);
    assert_ok(aws_kit_ask(kit));
}

static void test_expired_credentials_that_are_not_given_any_more_are_none(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    assert_ok(aws_kit_ask(kit));
    kit->container_code = 403;
    aws_kit_advance(kit, 4000);
    aws_kit_means(kit, 400, AWS_EXPIRED, BULLA_EAUTHN);
    assert_non_null(strstr(kit->call.why, "ExpiredTokenException"));
}

static void test_a_cached_data_key_outlives_credentials_that_end_in_an_outage(void **state)
{
    aws_kit *kit = *state;
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 1, .offline_window_ms = 600000};
    const bulla_wrapped wrapped = {bulla_view_text("aws-kms"), bulla_view_text(AWS_KEY_ARN), bulla_view_text("blob")};
    BULLA_AUTO(bulla_provider) *cache = NULL;
    aws_kit_instance_use(kit);
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_ok(bulla_cache_new(&kit->call, kit->key, &options, &cache));
    for (int i = 0; i < 3; i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        assert_ok(bulla_provider_unwrap(cache, &kit->call, NULL, &wrapped, &dek));
        instance_silence(kit, AWS_CLOSED);
        aws_kit_advance(kit, 4000);
        aws_kit_say(kit, 400, AWS_EXPIRED);
        aws_kit_say(kit, 400, AWS_EXPIRED);
        (void)usleep(2000); /* past the TTL */
    }
    assert_true(kit->num_kms >= 2); /* KMS was asked in the outage, and refused */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aws_kit_setup, aws_kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_metadata_service_that_is_silent_on_a_machine_of_ec2_is_an_outage),
        TEST(test_where_nobody_answers_and_nobody_should_there_are_no_credentials),
        TEST(test_a_metadata_service_that_somebody_has_set_up_is_an_outage_when_it_is_silent),
        TEST(test_a_metadata_service_that_has_answered_is_there),
        TEST(test_without_the_first_version_a_token_service_that_is_silent_is_an_outage),
        TEST(test_an_instance_without_a_role_has_no_credentials),
        TEST(test_a_metadata_service_that_is_switched_off_is_told),
        TEST(test_answers_of_a_metadata_service_mean_what_they_say),
        TEST(test_a_container_service_that_does_not_answer_is_an_outage),
        TEST(test_answers_of_a_container_service_mean_what_they_say),
        TEST(test_an_sts_that_does_not_answer_is_an_outage),
        TEST(test_an_identity_provider_that_sts_cannot_reach_is_an_outage),
        TEST(test_an_sts_that_refuses_the_role_does_not_know_the_caller),
        TEST(test_expired_credentials_that_cannot_be_renewed_are_an_outage),
        TEST(test_expired_credentials_that_are_not_given_any_more_are_none),
        TEST(test_a_cached_data_key_outlives_credentials_that_end_in_an_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
