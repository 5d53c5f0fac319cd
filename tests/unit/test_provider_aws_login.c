/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of AWS: where they come from, in which order, and what happens when they end. */
#include "aws_kit.h"

#include <stdio.h>

/* --- the order --- */

static void test_the_chain_takes_the_first_source_that_is_set_up(void **state)
{
    aws_kit *kit = *state;
    aws_kit_instance_use(kit);
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(aws_kit_signer(kit), "ASIAINSTANCE2");
    aws_kit_var(kit, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/container", kit->url);
    aws_kit_advance(kit, 4000); /* asked for again */
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(aws_kit_signer(kit), "ASIACONTAINER1");
    aws_kit_file(kit, "credentials", "[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key=filesecret\n");
    aws_kit_var(kit, "AWS_SHARED_CREDENTIALS_FILE", "%s/credentials", kit->dir);
    aws_kit_advance(kit, 4000);
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(aws_kit_signer(kit), "AKIAFILE");
}

static void test_the_environment_comes_before_the_files(void **state)
{
    aws_kit *kit = *state;
    aws_kit_chain_use(kit);
    aws_kit_file(kit, "credentials", "[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key=filesecret\n");
    aws_kit_var(kit, "AWS_SHARED_CREDENTIALS_FILE", "%s/credentials", kit->dir);
    aws_kit_var(kit, "AWS_ACCESS_KEY_ID", "AKIAENV");
    aws_kit_var(kit, "AWS_SECRET_ACCESS_KEY", "envsecret");
    aws_kit_var(kit, "AWS_SESSION_TOKEN", "envtoken");
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(aws_kit_signer(kit), "AKIAENV");
    assert_string_equal(kit->kms_token, "envtoken");
}

static void test_a_profile_in_the_configuration_means_that_profile(void **state)
{
    aws_kit *kit = *state;
    aws_kit_chain_use(kit);
    kit->config.profile = "prod";
    aws_kit_file(kit, "credentials", "[prod]\naws_access_key_id=AKIAPROD\naws_secret_access_key=filesecret\n");
    aws_kit_var(kit, "AWS_SHARED_CREDENTIALS_FILE", "%s/credentials", kit->dir);
    aws_kit_var(kit, "AWS_ACCESS_KEY_ID", "AKIAENV");
    aws_kit_var(kit, "AWS_SECRET_ACCESS_KEY", "envsecret");
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(aws_kit_signer(kit), "AKIAPROD");
}

static void test_half_of_a_pair_is_a_mistake_and_not_a_source_to_pass_over(void **state)
{
    aws_kit *kit = *state;
    aws_kit_chain_use(kit);
    aws_kit_var(kit, "AWS_ACCESS_KEY_ID", "AKIAENV");
    assert_status(aws_kit_ask(kit), BULLA_ECONFIG);
    assert_non_null(strstr(kit->call.why, "AWS_SECRET_ACCESS_KEY"));
    assert_int_equal(kit->num_kms, 0);
}

static void test_without_any_source_the_error_says_where_was_looked(void **state)
{
    aws_kit *kit = *state;
    aws_kit_chain_use(kit);
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    assert_non_null(strstr(kit->call.why, "shared files"));
}

/* --- profiles --- */

static void profiles_use(aws_kit *kit, const char *config)
{
    aws_kit_chain_use(kit);
    aws_kit_file(kit, "config", config);
    aws_kit_file(kit, "credentials", "[base]\naws_access_key_id=AKIABASE\naws_secret_access_key=basesecret\n");
    aws_kit_var(kit, "AWS_CONFIG_FILE", "%s/config", kit->dir);
    aws_kit_var(kit, "AWS_SHARED_CREDENTIALS_FILE", "%s/credentials", kit->dir);
    kit->config.profile = "app";
}

static void test_a_profile_assumes_its_role_with_the_credentials_of_its_source(void **state)
{
    aws_kit *kit = *state;
    profiles_use(kit, "[profile app]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = base\nexternal_id = e&1\n"
                      "role_session_name = me\nduration_seconds = 900\n");
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(kit->sts_signer, "AKIABASE");
    assert_string_equal(kit->sts_form, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa"
                                       "&RoleSessionName=me&ExternalId=e%261&DurationSeconds=900");
    assert_string_equal(aws_kit_signer(kit), "ASIAROLE1");
    assert_string_equal(kit->kms_token, "roletoken1");
}

static void test_roles_may_be_assumed_one_after_another(void **state)
{
    aws_kit *kit = *state;
    profiles_use(kit, "[profile app]\nrole_arn = r2\nsource_profile = middle\n"
                      "[profile middle]\nrole_arn = r1\nsource_profile = base\n");
    kit->config.role_arn = "r3";
    kit->config.external_id = "x";
    assert_ok(aws_kit_ask(kit));
    assert_int_equal(kit->num_sts, 3);
    assert_string_equal(kit->sts_signer, "ASIAROLE2");
    assert_non_null(strstr(kit->sts_form, "RoleArn=r3&RoleSessionName=bulla&ExternalId=x"));
    assert_string_equal(aws_kit_signer(kit), "ASIAROLE3");
}

static void test_a_profile_may_be_the_source_of_itself(void **state)
{
    aws_kit *kit = *state;
    profiles_use(kit, "[profile base]\nrole_arn = r\nsource_profile = base\n");
    kit->config.profile = "base";
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(kit->sts_signer, "AKIABASE");
}

static void test_sources_that_go_round_end(void **state)
{
    aws_kit *kit = *state;
    profiles_use(kit, "[profile app]\nrole_arn = r\nsource_profile = other\n"
                      "[profile other]\nrole_arn = r\nsource_profile = app\n");
    assert_status(aws_kit_ask(kit), BULLA_ECONFIG);
    assert_non_null(strstr(kit->call.why, "goes round"));
    assert_int_equal(kit->num_sts, 0);
}

static void assert_profile_refused(void **state, const char *config, bulla_status status, const char *why)
{
    aws_kit *kit = *state;
    profiles_use(kit, config);
    assert_status(aws_kit_ask(kit), status);
    assert_non_null(strstr(kit->call.why, why));
}

static void test_a_profile_that_runs_a_program_is_refused(void **state)
{
    assert_profile_refused(state, "[profile app]\ncredential_process = /bin/echo x\n", BULLA_EUNSUPPORTED,
                           "credential_process");
}

static void test_a_profile_that_wants_a_person_is_refused(void **state)
{
    assert_profile_refused(state, "[profile app]\nrole_arn = r\nsource_profile = base\nmfa_serial = m\n", BULLA_ECONFIG,
                           "mfa_serial");
}

static void test_a_profile_that_is_nowhere_is_a_mistake(void **state)
{
    assert_profile_refused(state, "[profile other]\nregion = x\n", BULLA_ECONFIG, "none of the shared files");
}

static void test_a_file_that_is_malformed_is_shown_with_its_line(void **state)
{
    assert_profile_refused(state, "[profile app]\nwhat is this\n", BULLA_ECONFIG, "line 2");
}

static void test_the_profiles_region_is_used_when_there_is_no_other(void **state)
{
    aws_kit *kit = *state;
    profiles_use(kit, "[profile app]\nregion = ap-south-1\n");
    kit->config.region = NULL;
    assert_ok(aws_kit_open(kit, "aws:alias/app"));
    assert_string_equal(((bulla_aws_key *)(void *)kit->key)->region, "ap-south-1");
}

/* --- web identity --- */

static void test_a_web_identity_is_exchanged_unsigned_and_its_file_read_each_time(void **state)
{
    aws_kit *kit = *state;
    aws_kit_web_identity_use(kit);
    aws_kit_var(kit, "AWS_ROLE_SESSION_NAME", "pod-1");
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(kit->sts_signer, "");
    assert_non_null(strstr(kit->sts_form, "RoleSessionName=pod-1&WebIdentityToken=eyJ.first"));
    assert_string_equal(aws_kit_signer(kit), "ASIAROLE1");
    aws_kit_file(kit, "token", "eyJ.second");
    aws_kit_advance(kit, 4000);
    assert_ok(aws_kit_ask(kit));
    assert_non_null(strstr(kit->sts_form, "WebIdentityToken=eyJ.second"));
}

static void test_a_token_that_sts_does_not_take_is_tried_twice(void **state)
{
    aws_kit *kit = *state;
    aws_kit_web_identity_use(kit);
    kit->sts_code = 400;
    kit->sts_body =
        "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>old</Message></Error></ErrorResponse>";
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    assert_int_equal(kit->num_sts, 2);
    assert_non_null(strstr(kit->call.why, "InvalidIdentityToken"));
    assert_null(strstr(kit->call.why, "eyJ"));
}

static void test_an_answer_of_sts_without_end_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    static char page[300u << 10];
    memset(page, 'x', sizeof page - 1);
    aws_kit_web_identity_use(kit);
    kit->sts_body = page;
    assert_status(aws_kit_ask(kit), BULLA_EUNAVAIL);
}

static void test_refusals_of_sts_mean_what_they_say(void **state)
{
    aws_kit *kit = *state;
    static const struct {
        int code;
        const char *name;
        bulla_status status;
    } cases[] = {{403, "AccessDenied", BULLA_EAUTHN},         {403, "IDPRejectedClaim", BULLA_EAUTHN},
                 {400, "Throttling", BULLA_ETHROTTLED},       {400, "ValidationError", BULLA_ECONFIG},
                 {403, "InvalidClientTokenId", BULLA_EAUTHN}, {503, "ServiceUnavailable", BULLA_EUNAVAIL}};
    static char bodies[BULLA_LEN(cases)][256]; /* one each: the server's thread may still be at the last one */
    aws_kit_web_identity_use(kit);
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        kit->sts_code = cases[i].code;
        (void)snprintf(bodies[i], sizeof bodies[i], "<ErrorResponse><Error><Code>%s</Code></Error></ErrorResponse>",
                       cases[i].name);
        kit->sts_body = bodies[i];
        assert_status(aws_kit_ask(kit), cases[i].status);
        assert_int_equal(kit->call.native, cases[i].code);
    }
    kit->sts_code = 200;
    kit->sts_body = "<html>";
    assert_status(aws_kit_ask(kit), BULLA_EUNAVAIL);
}

/* --- containers --- */

static void test_a_containers_token_file_is_read_each_time(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    aws_kit_file(kit, "token", "pod token one\n");
    aws_kit_var(kit, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "%s/token", kit->dir);
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(kit->container_token, "pod token one");
    assert_string_equal(kit->kms_token, "metatoken1");
    aws_kit_file(kit, "token", "pod token two");
    aws_kit_advance(kit, 4000);
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(kit->container_token, "pod token two");
}

static void test_a_token_with_a_line_break_is_not_sent(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    aws_kit_var(kit, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "one\r\nX-Evil: two");
    assert_status(aws_kit_ask(kit), BULLA_ECONFIG);
    assert_int_equal(kit->num_container, 0);
}

static void test_container_credentials_are_not_fetched_by_plain_http_from_elsewhere(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    aws_kit_var(kit, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://credentials.example/container");
    assert_status(aws_kit_ask(kit), BULLA_ECONFIG);
    assert_non_null(strstr(kit->call.why, "credentials.example"));
}

static void test_a_container_service_that_fails_is_asked_three_times(void **state)
{
    aws_kit *kit = *state;
    aws_kit_container_use(kit);
    kit->container_code = 500;
    assert_status(aws_kit_ask(kit), BULLA_EUNAVAIL);
    assert_int_equal(kit->num_container, 3);
    kit->container_code = 404;
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    assert_int_equal(kit->num_container, 4);
}

/* --- instances --- */

static void test_an_instance_is_asked_with_a_session_token(void **state)
{
    aws_kit *kit = *state;
    aws_kit_instance_use(kit);
    assert_ok(aws_kit_ask(kit));
    assert_int_equal(kit->num_imds_token, 1);
    assert_string_equal(kit->imds_sent_token, "imds-token-1");
    assert_string_equal(kit->kms_token, "metatoken2");
}

static void test_a_session_token_that_has_ended_is_fetched_anew(void **state)
{
    aws_kit *kit = *state;
    aws_kit_instance_use(kit);
    kit->imds_stale = 1;
    assert_ok(aws_kit_ask(kit));
    assert_int_equal(kit->num_imds_token, 2);
    assert_string_equal(kit->imds_sent_token, "imds-token-2");
}

static void test_the_first_version_is_used_only_where_the_second_is_not_there_and_it_is_allowed(void **state)
{
    aws_kit *kit = *state;
    aws_kit_instance_use(kit);
    kit->imds_token_code = 404;
    assert_ok(aws_kit_ask(kit));
    assert_string_equal(kit->imds_sent_token, "");
    aws_kit_var(kit, "AWS_EC2_METADATA_V1_DISABLED", "true");
    aws_kit_close(kit);
    size_t before = kit->num_imds;
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    assert_int_equal(kit->num_imds, before);
}

static void test_a_token_service_that_refuses_is_not_gone_round(void **state)
{
    aws_kit *kit = *state;
    aws_kit_instance_use(kit);
    kit->imds_token_code = 400;
    assert_status(aws_kit_ask(kit), BULLA_EAUTHN);
    assert_int_equal(kit->num_imds, 0);
}

static void test_a_machine_of_ec2_is_known_by_its_firmware(void **state)
{
    aws_kit *kit = *state;
    assert_false(bulla_aws_is_ec2(kit->dir));
    aws_kit_file(kit, "sys_vendor", "QEMU\n");
    aws_kit_file(kit, "bios_version", "1.16.0-amazonia\n");
    assert_false(bulla_aws_is_ec2(kit->dir));
    aws_kit_file(kit, "sys_vendor", "Amazon EC2\n");
    assert_true(bulla_aws_is_ec2(kit->dir));
    aws_kit_file(kit, "sys_vendor", "Xen\n");
    aws_kit_file(kit, "bios_version", "4.11.amazon\n");
    assert_true(bulla_aws_is_ec2(kit->dir));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aws_kit_setup, aws_kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_chain_takes_the_first_source_that_is_set_up),
        TEST(test_the_environment_comes_before_the_files),
        TEST(test_a_profile_in_the_configuration_means_that_profile),
        TEST(test_half_of_a_pair_is_a_mistake_and_not_a_source_to_pass_over),
        TEST(test_without_any_source_the_error_says_where_was_looked),
        TEST(test_a_profile_assumes_its_role_with_the_credentials_of_its_source),
        TEST(test_roles_may_be_assumed_one_after_another),
        TEST(test_a_profile_may_be_the_source_of_itself),
        TEST(test_sources_that_go_round_end),
        TEST(test_a_profile_that_runs_a_program_is_refused),
        TEST(test_a_profile_that_wants_a_person_is_refused),
        TEST(test_a_profile_that_is_nowhere_is_a_mistake),
        TEST(test_a_file_that_is_malformed_is_shown_with_its_line),
        TEST(test_the_profiles_region_is_used_when_there_is_no_other),
        TEST(test_a_web_identity_is_exchanged_unsigned_and_its_file_read_each_time),
        TEST(test_a_token_that_sts_does_not_take_is_tried_twice),
        TEST(test_an_answer_of_sts_without_end_is_an_outage),
        TEST(test_refusals_of_sts_mean_what_they_say),
        TEST(test_a_containers_token_file_is_read_each_time),
        TEST(test_a_token_with_a_line_break_is_not_sent),
        TEST(test_container_credentials_are_not_fetched_by_plain_http_from_elsewhere),
        TEST(test_a_container_service_that_fails_is_asked_three_times),
        TEST(test_an_instance_is_asked_with_a_session_token),
        TEST(test_a_session_token_that_has_ended_is_fetched_anew),
        TEST(test_the_first_version_is_used_only_where_the_second_is_not_there_and_it_is_allowed),
        TEST(test_a_token_service_that_refuses_is_not_gone_round),
        TEST(test_a_machine_of_ec2_is_known_by_its_firmware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
