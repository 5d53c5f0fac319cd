/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of AWS KMS: what is sent, what comes back, and what refusals mean. */
#include "aws_kit.h"

#include "base/context.h"

#include <stdio.h>

static bulla_context *context_of(aws_kit *kit, const char *key, const char *value)
{
    const bulla_pair pair = {bulla_view_text(key), bulla_view_text(value)};
    bulla_context *context = NULL;
    assert_ok(bulla_context_new_reserved(&kit->call, &pair, 1, &context));
    return context;
}

static bulla_wrapped wrapped_under(const char *arn)
{
    return (bulla_wrapped){bulla_view_text("aws-kms"), bulla_view_text(arn), bulla_view_text("blob")};
}

/* --- requests --- */

static void test_what_is_wrapped_is_as_the_sdks_keyring_has_it(void **state)
{
    aws_kit *kit = *state;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    BULLA_AUTO(bulla_context) *context = context_of(kit, "aws-crypto-public-key", "AbC=");
    assert_ok(aws_kit_open(kit, "aws:alias/app"));
    assert_ok(bulla_secret_copy(&kit->call, bulla_view_text("0123456789abcdef"), &dek));
    assert_ok(bulla_provider_wrap(kit->key, &kit->call, context, dek, &wrapped));
    assert_true(bulla_view_is(wrapped->provider, "aws-kms"));
    assert_true(bulla_view_is(wrapped->info, AWS_KEY_ARN));
    assert_true(bulla_view_is(wrapped->blob, "blob"));
    assert_string_equal(kit->operation[0], "Encrypt");
    assert_string_equal(kit->signer[0], "AKIACONFIG");
    assert_string_equal(kit->kms_body, "{\"KeyId\":\"alias/app\",\"Plaintext\":\"MDEyMzQ1Njc4OWFiY2RlZg==\","
                                       "\"EncryptionContext\":{\"aws-crypto-public-key\":\"AbC=\"}}");
}

static void test_the_configurations_context_is_bound_besides_the_callers(void **state)
{
    aws_kit *kit = *state;
    static const char *const pairs[] = {"app=orders", "team=a=b"};
    BULLA_AUTO(bulla_context) *context = context_of(kit, "app", "orders");
    const bulla_wrapped wrapped = wrapped_under(AWS_KEY_ARN);
    kit->config.encryption_context = pairs;
    kit->config.num_encryption_context = 2;
    assert_ok(aws_kit_ask(kit));
    assert_non_null(strstr(kit->kms_body, "\"EncryptionContext\":{\"app\":\"orders\",\"team\":\"a=b\"}"));
    BULLA_AUTO(bulla_secret) *dek = NULL;
    assert_ok(bulla_provider_unwrap(kit->key, &kit->call, context, &wrapped, &dek));
    assert_non_null(strstr(kit->kms_body, "\"EncryptionContext\":{\"app\":\"orders\",\"team\":\"a=b\"}"));
}

static void test_two_values_for_one_name_in_the_context_are_refused(void **state)
{
    aws_kit *kit = *state;
    static const char *const pairs[] = {"app=orders"};
    BULLA_AUTO(bulla_context) *context = context_of(kit, "app", "billing");
    const bulla_wrapped wrapped = wrapped_under(AWS_KEY_ARN);
    bulla_secret *dek = NULL;
    kit->config.encryption_context = pairs;
    kit->config.num_encryption_context = 1;
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_status(bulla_provider_unwrap(kit->key, &kit->call, context, &wrapped, &dek), BULLA_EINVAL);
    assert_int_equal(kit->num_kms, 0);
    assert_null(dek);
}

static void test_an_answer_for_another_key_is_not_believed(void **state)
{
    aws_kit *kit = *state;
    aws_kit_means(kit, 200,
                  "{\"KeyId\":\"arn:aws:kms:eu-central-1:111122223333:key/other\",\"Plaintext\":"
                  "\"AAECAwQFBgcICQoLDA0ODw==\"}",
                  BULLA_EUNAVAIL);
}

static void test_a_success_that_is_none_of_kms_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    aws_kit_means(kit, 200, "<html>Please log in</html>", BULLA_EUNAVAIL);
    aws_kit_means(kit, 200, "{}", BULLA_EUNAVAIL);
}

static void test_an_answer_without_end_is_an_outage(void **state)
{
    aws_kit *kit = *state;
    static char page[300u << 10];
    memset(page, 'x', sizeof page - 1);
    aws_kit_means(kit, 200, page, BULLA_EUNAVAIL);
}

static void test_what_was_opened_and_is_no_data_key_is_damage(void **state)
{
    aws_kit *kit = *state;
    aws_kit_means(kit, 200, "{\"KeyId\":\"" AWS_KEY_ARN "\",\"Plaintext\":\"c2hvcnQ=\"}", BULLA_EINTEGRITY);
}

/* --- refusals --- */

static void test_refusals_mean_what_their_code_says_whatever_the_http_status(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bulla_awskms_op op;
        int http;
        bulla_status status;
    } cases[] = {
        {"AccessDeniedException", BULLA_AWSKMS_DECRYPT, 400, BULLA_EAUTHZ},
        {"UnrecognizedClientException", BULLA_AWSKMS_DECRYPT, 400, BULLA_EAUTHN},
        {"InvalidSignatureException", BULLA_AWSKMS_DECRYPT, 403, BULLA_EAUTHN},
        {"ExpiredTokenException", BULLA_AWSKMS_DECRYPT, 400, BULLA_EAUTHN},
        {"ThrottlingException", BULLA_AWSKMS_DECRYPT, 400, BULLA_ETHROTTLED},
        {"", BULLA_AWSKMS_DECRYPT, 429, BULLA_ETHROTTLED},
        {"KMSInternalException", BULLA_AWSKMS_DECRYPT, 500, BULLA_EUNAVAIL},
        {"KeyUnavailableException", BULLA_AWSKMS_DECRYPT, 500, BULLA_EUNAVAIL},
        {"DependencyTimeoutException", BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND, 503, BULLA_EUNKNOWN},
        {"", BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND, 502, BULLA_EUNKNOWN},
        {"", BULLA_AWSKMS_DECRYPT, 502, BULLA_EUNAVAIL},
        {"", BULLA_AWSKMS_DECRYPT, 404, BULLA_EUNAVAIL}, /* somebody else's page */
        {"NotFoundException", BULLA_AWSKMS_DECRYPT, 400, BULLA_ENOKEY},
        {"DisabledException", BULLA_AWSKMS_DECRYPT, 400, BULLA_ESTATE},
        {"KMSInvalidStateException", BULLA_AWSKMS_DECRYPT, 400, BULLA_ESTATE},
        {"InvalidKeyUsageException", BULLA_AWSKMS_ENCRYPT, 400, BULLA_EUNSUPPORTED},
        {"InvalidCiphertextException", BULLA_AWSKMS_DECRYPT, 400, BULLA_EINTEGRITY},
        {"IncorrectKeyException", BULLA_AWSKMS_DECRYPT, 400, BULLA_EINTEGRITY},
        {"NewsToUsException", BULLA_AWSKMS_DECRYPT, 400, BULLA_EINVAL},
    };
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        bulla_awskms_error error = {.message = ""};
        (void)snprintf(error.code, sizeof error.code, "%s", cases[i].code);
        assert_status(bulla_aws_refusal_of(cases[i].op, cases[i].http, &error).status, cases[i].status);
    }
}

static void test_a_ciphertext_that_names_another_key_is_damage_and_no_matter_of_rights(void **state)
{
    aws_kit *kit = *state;
    aws_kit_means(kit, 400,
                  "{\"__type\":\"AccessDeniedException\",\"message\":\"The ciphertext refers to a customer master key "
                  "that does not exist\"}",
                  BULLA_EINTEGRITY);
}

static void test_a_refusal_says_what_failed_for_which_key_and_what_to_do(void **state)
{
    aws_kit *kit = *state;
    kit->kms_answers[0] = (aws_answer){
        .code = 400,
        .headers = "Retry-After: 7\r\n",
        .body =
            "{\"__type\":\"AccessDeniedException\",\"message\":\"User x is not authorized to perform: kms:Decrypt\"}"};
    assert_status(aws_kit_ask(kit), BULLA_EAUTHZ);
    assert_non_null(strstr(kit->call.why, "Decrypt"));
    assert_non_null(strstr(kit->call.why, AWS_KEY_ARN));
    assert_non_null(strstr(kit->call.why, "AccessDeniedException"));
    assert_non_null(strstr(kit->call.why, "policy"));
    assert_int_equal(kit->call.native, 400);
    assert_int_equal(kit->call.retry_after_ms, 7000);
}

static void test_damage_is_told_without_its_kind(void **state)
{
    aws_kit *kit = *state;
    char first[sizeof kit->call.why];
    aws_kit_means(kit, 400, "{\"__type\":\"InvalidCiphertextException\"}", BULLA_EINTEGRITY);
    memcpy(first, kit->call.why, sizeof first);
    aws_kit_means(kit, 400, "{\"__type\":\"IncorrectKeyException\",\"message\":\"hm\"}", BULLA_EINTEGRITY);
    assert_string_equal(kit->call.why, first);
}

/* --- which wrapped keys are a key's --- */

static bool matches(aws_kit *kit, const char *address, const char *arn)
{
    BULLA_AUTO(bulla_provider) *key = NULL;
    const bulla_wrapped wrapped = wrapped_under(arn);
    assert_ok(aws_kit_open_at(kit, address, 0, &key));
    return bulla_provider_matches(key, &wrapped);
}

static void test_a_key_knows_what_it_wrapped_by_the_arn(void **state)
{
    aws_kit *kit = *state;
    assert_true(matches(kit, "aws:" AWS_KEY_ARN, AWS_KEY_ARN));
    assert_false(matches(kit, "aws:" AWS_KEY_ARN, "arn:aws:kms:eu-central-1:111122223333:key/other"));
    assert_true(matches(kit, "aws:1234abcd-12ab-34cd-56ef-1234567890ab", AWS_KEY_ARN));
    assert_false(matches(kit, "aws:1234abcd-12ab-34cd-56ef-1234567890ab?region=us-east-1", AWS_KEY_ARN));
    assert_true(matches(kit, "aws:mrk-1?region=us-east-1", "arn:aws:kms:eu-central-1:1:key/mrk-1"));
    assert_true(matches(kit, "aws:alias/app", AWS_KEY_ARN));
    assert_false(matches(kit, "aws:arn:aws:kms:eu-central-1:999:alias/app", AWS_KEY_ARN));
    assert_false(matches(kit, "aws:alias/app", "arn:aws:kms:us-east-1:111122223333:key/a"));
    assert_false(matches(kit, "aws:alias/app", "no arn"));
}

static void assert_not_opened(aws_kit *kit, const char *address, bulla_status status)
{
    bulla_provider *key = NULL;
    assert_status(aws_kit_open_at(kit, address, 0, &key), status);
    assert_null(key);
}

static void test_addresses_that_cannot_be_keys_are_refused(void **state)
{
    aws_kit *kit = *state;
    assert_not_opened(kit, "aws:", BULLA_EINVAL);
    assert_not_opened(kit, "aws:alias/", BULLA_EINVAL);
    assert_not_opened(kit, "aws:arn:aws:s3:::bucket", BULLA_EINVAL);
    assert_not_opened(kit, "aws:" AWS_KEY_ARN "?region=us-east-1", BULLA_EINVAL);
    assert_not_opened(kit, "aws:k?regoin=us-east-1", BULLA_EINVAL);
    assert_not_opened(kit, "aws:k?region=evil.example/", BULLA_ECONFIG);
}

static void test_configurations_that_cannot_work_are_refused(void **state)
{
    aws_kit *kit = *state;
    static const char *const pairs[] = {"novalue"};
    const bulla_kms_config good = kit->config;
    bulla_kms_config bad[5];
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        bad[i] = good;
    bad[0].data_key_spec = "AES_512";
    bad[1].external_id = "x";
    bad[2].encryption_context = pairs;
    bad[2].num_encryption_context = 1;
    bad[3].region = NULL;
    bad[4].endpoint = "https://kms.example.com/?x=y";
    for (size_t i = 0; i < BULLA_LEN(bad); i++) {
        kit->config = bad[i];
        assert_not_opened(kit, "aws:k", BULLA_ECONFIG);
        aws_kit_close(kit);
    }
    kit->config = good;
}

/* --- endpoints --- */

static void test_an_endpoint_may_have_the_region_in_its_name(void **state)
{
    aws_kit *kit = *state;
    char url[BULLA_AWS_MAX_URL];
    kit->config.endpoint = "https://vpce-1.kms.{region}.vpce.amazonaws.com";
    assert_ok(bulla_aws_url_format(&kit->call, &kit->config, "kms", "eu-west-1", url));
    assert_string_equal(url, "https://vpce-1.kms.eu-west-1.vpce.amazonaws.com");
    kit->config.endpoint = NULL;
    assert_ok(bulla_aws_url_format(&kit->call, &kit->config, "kms", "cn-north-1", url));
    assert_string_equal(url, "https://kms.cn-north-1.amazonaws.com.cn/");
    aws_kit_var(kit, "AWS_ENDPOINT_URL", "https://all.example");
    assert_ok(bulla_aws_url_format(&kit->call, &kit->config, "kms", "eu-west-1", url));
    assert_string_equal(url, "https://all.example");
}

static void test_plain_http_elsewhere_is_refused_or_told(void **state)
{
    aws_kit *kit = *state;
    char url[BULLA_AWS_MAX_URL];
    kit->config.endpoint = NULL;
    aws_kit_var(kit, "AWS_ENDPOINT_URL_KMS", "http://kms.example:4566");
    assert_status(bulla_aws_url_format(&kit->call, &kit->config, "kms", "eu-west-1", url), BULLA_ECONFIG);
    kit->config.endpoint = "http://kms.example:4566";
    assert_status(bulla_aws_url_format(&kit->call, &kit->config, "kms", "eu-west-1", url), BULLA_ECONFIG);
    assert_non_null(strstr(kit->call.why, "tls.accept_unencrypted_http"));
    kit->config.tls.accept_unencrypted_http = true;
    assert_ok(bulla_aws_url_format(&kit->call, &kit->config, "kms", "eu-west-1", url));
    assert_non_null(strstr(kit->log, "tls.accept_unencrypted_http is set"));
    assert_non_null(strstr(kit->log, "kms.example"));
}

/* --- TLS --- */

static bulla_status ask_by_tls(aws_kit *kit, http_tls kind)
{
    http_server *server = http_server_start(&(http_server_options){.handler = aws_kit_answer, .arg = kit, .tls = kind});
    kit->config.endpoint = http_server_url(server);
    kit->config.tls.ca_cert = http_server_ca();
    bulla_status status = aws_kit_ask(kit);
    aws_kit_close(kit);
    http_server_stop(server);
    return status;
}

static void test_servers_that_cannot_prove_who_they_are_get_no_request(void **state)
{
    aws_kit *kit = *state;
    static const http_tls kinds[] = {HTTP_TLS_WRONG_HOST, HTTP_TLS_EXPIRED, HTTP_TLS_NOT_YET, HTTP_TLS_SELF_SIGNED,
                                     HTTP_TLS_OTHER_CA};
    for (size_t i = 0; i < BULLA_LEN(kinds); i++) {
        assert_status(ask_by_tls(kit, kinds[i]), BULLA_EUNTRUSTED);
        assert_non_null(strstr(kit->call.why, "certificate"));
    }
    assert_int_equal(kit->num_kms, 0);
    assert_ok(ask_by_tls(kit, HTTP_TLS_GOOD));
    assert_int_equal(kit->num_kms, 1);
}

static void test_a_store_that_is_silent_holds_nobody_beyond_the_deadline(void **state)
{
    aws_kit *kit = *state;
    kit->kms_answers[0] = (aws_answer){.code = 200, .body = "{}", .fault = HTTP_SILENCE};
    kit->config.timeout_ms = 60000;
    bulla_call_deadline_set(&kit->call, 200);
    int64_t start_ns = kit->env.ticks_ns(kit);
    assert_status(aws_kit_ask(kit), BULLA_EDEADLINE);
    assert_true(kit->env.ticks_ns(kit) - start_ns < INT64_C(30000000000));
}

/* --- looking after keys --- */

static void test_the_version_of_a_key_counts_its_rotations_and_the_one_under_way(void **state)
{
    aws_kit *kit = *state;
    bulla_key_info info;
    aws_kit_say(kit, 200, AWS_KEY("Enabled", "SYMMETRIC_DEFAULT"));
    aws_kit_say(kit, 200,
                "{\"KeyRotationEnabled\":true,\"RotationPeriodInDays\":90,\"OnDemandRotationStartDate\":1.7E9}");
    aws_kit_say(kit, 200, "{\"Rotations\":[{\"RotationDate\":1.61E9}],\"Truncated\":true,\"NextMarker\":\"m\"}");
    aws_kit_say(kit, 200, "{\"Rotations\":[{\"RotationDate\":1.65E9}]}");
    assert_ok(aws_kit_open(kit, "aws:alias/app"));
    assert_ok(bulla_provider_describe(kit->key, &kit->call, &info));
    assert_int_equal(info.primary_version, 4);
    assert_int_equal(info.rotated_s, 1650000000);
    assert_int_equal(info.rotation_period_s, 90 * 86400);
    assert_string_equal(info.id, "1234abcd-12ab-34cd-56ef-1234567890ab");
    assert_string_equal(info.name, "alias/app");
    assert_non_null(strstr(kit->kms_body, "\"KeyId\":\"" AWS_KEY_ARN "\"")); /* these take no alias */
}

static void test_who_may_not_see_rotations_sees_the_rest(void **state)
{
    aws_kit *kit = *state;
    bulla_key_info info;
    aws_kit_say(kit, 200, AWS_KEY("Disabled", "SYMMETRIC_DEFAULT"));
    aws_kit_say(kit, 400, "{\"__type\":\"AccessDeniedException\"}");
    aws_kit_say(kit, 400, "{\"__type\":\"AccessDeniedException\"}");
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_ok(bulla_provider_describe(kit->key, &kit->call, &info));
    assert_int_equal(info.state, BULLA_KEY_DISABLED);
    assert_int_equal(info.primary_version, 1);
    assert_int_equal(kit->call.status, BULLA_OK);
}

static void test_a_check_tells_keys_that_would_not_serve(void **state)
{
    aws_kit *kit = *state;
    aws_kit_say(kit, 200, AWS_KEY("Enabled", "SYMMETRIC_DEFAULT"));
    aws_kit_say(kit, 200, AWS_KEY("PendingDeletion", "SYMMETRIC_DEFAULT"));
    aws_kit_say(kit, 200, AWS_KEY("Enabled", "RSA_2048"));
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_ok(bulla_provider_check(kit->key, &kit->call));
    assert_status(bulla_provider_check(kit->key, &kit->call), BULLA_ESTATE);
    assert_status(bulla_provider_check(kit->key, &kit->call), BULLA_EUNSUPPORTED);
}

static void test_a_rotation_whose_answer_is_lost_is_unsure_and_not_repeated(void **state)
{
    aws_kit *kit = *state;
    uint32_t version = 0;
    aws_kit_say(kit, 200, AWS_KEY("Enabled", "SYMMETRIC_DEFAULT"));
    aws_kit_say(kit, 200, "{\"Rotations\":[]}");
    kit->kms_answers[2] = (aws_answer){.code = 200, .body = "{}", .fault = HTTP_CLOSE_BEFORE};
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_status(bulla_provider_rotate(kit->key, &kit->call, &version), BULLA_EUNKNOWN);
    assert_int_equal(kit->num_kms, 3);
    assert_string_equal(kit->operation[2], "RotateKeyOnDemand");
    kit->kms_at = 0;
    kit->kms_answers[2].fault = HTTP_NO_FAULT;
    assert_ok(bulla_provider_rotate(kit->key, &kit->call, &version));
    assert_int_equal(version, 2);
}

static bulla_status key_collect(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    char *text = arg;
    (void)snprintf(text + strlen(text), 200, "%s %s\n", address, info->name);
    return info->id[0] == 'z' ? bulla_fail(call, BULLA_ELIMIT, "enough") : BULLA_OK;
}

static void test_keys_are_listed_with_their_aliases_over_several_pages(void **state)
{
    aws_kit *kit = *state;
    char seen[1000] = "";
    aws_kit_say(kit, 200, "{\"Aliases\":[{\"AliasName\":\"alias/two\",\"TargetKeyId\":\"b\"}],\"Truncated\":false}");
    aws_kit_say(kit, 200,
                "{\"Keys\":[{\"KeyId\":\"a\",\"KeyArn\":\"arn:a\"}],\"Truncated\":true,\"NextMarker\":\"m\"}");
    aws_kit_say(kit, 200,
                "{\"Keys\":[{\"KeyId\":\"b\",\"KeyArn\":\"arn:b\"},{\"KeyId\":\"z\",\"KeyArn\":\"arn:z\"},"
                "{\"KeyId\":\"c\",\"KeyArn\":\"arn:c\"}]}");
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_status(bulla_provider_list(kit->key, &kit->call, key_collect, seen), BULLA_ELIMIT); /* the visitor's own */
    assert_string_equal(seen, "aws:arn:a?kms=main \naws:arn:b?kms=main alias/two\naws:arn:z?kms=main \n");
    assert_string_equal(kit->call.why, "enough");
}

/* --- the clock --- */

static void test_a_clock_that_is_off_is_corrected_by_the_answers_date(void **state)
{
    aws_kit *kit = *state;
    kit->kms_answers[0] = (aws_answer){.code = 403,
                                       .headers = "Date: Mon, 21 Sep 2026 16:13:20 GMT\r\n", /* two hours ahead */
                                       .body = "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature "
                                               "expired\"}"};
    assert_ok(aws_kit_ask(kit));
    assert_int_equal(kit->num_kms, 2);
    assert_string_equal(kit->kms_date, "20260921T161320Z");
    assert_ok(aws_kit_ask(kit)); /* and stays so */
    assert_string_equal(kit->kms_date, "20260921T161320Z");
    assert_int_equal(kit->num_kms, 3);
}

static void test_requests_signed_at_one_wrong_time_correct_the_clock_once(void **state)
{
    aws_kit *kit = *state;
    int64_t skew_s = 0, signed_s = bulla_aws_now_s(&kit->call, &skew_s);
    const bulla_http_answer answer = {.code = 403, .date_s = signed_s + 7200};
    assert_true(bulla_aws_skew_note(&kit->call, &skew_s, &answer, signed_s));
    assert_true(bulla_aws_skew_note(&kit->call, &skew_s, &answer, signed_s)); /* another's, sent at the same time */
    assert_int_equal(bulla_aws_now_s(&kit->call, &skew_s), signed_s + 7200);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aws_kit_setup, aws_kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_wrapped_is_as_the_sdks_keyring_has_it),
        TEST(test_the_configurations_context_is_bound_besides_the_callers),
        TEST(test_two_values_for_one_name_in_the_context_are_refused),
        TEST(test_an_answer_for_another_key_is_not_believed),
        TEST(test_a_success_that_is_none_of_kms_is_an_outage),
        TEST(test_an_answer_without_end_is_an_outage),
        TEST(test_what_was_opened_and_is_no_data_key_is_damage),
        TEST(test_refusals_mean_what_their_code_says_whatever_the_http_status),
        TEST(test_a_ciphertext_that_names_another_key_is_damage_and_no_matter_of_rights),
        TEST(test_a_refusal_says_what_failed_for_which_key_and_what_to_do),
        TEST(test_damage_is_told_without_its_kind),
        TEST(test_a_key_knows_what_it_wrapped_by_the_arn),
        TEST(test_addresses_that_cannot_be_keys_are_refused),
        TEST(test_configurations_that_cannot_work_are_refused),
        TEST(test_an_endpoint_may_have_the_region_in_its_name),
        TEST(test_plain_http_elsewhere_is_refused_or_told),
        TEST(test_servers_that_cannot_prove_who_they_are_get_no_request),
        TEST(test_a_store_that_is_silent_holds_nobody_beyond_the_deadline),
        TEST(test_the_version_of_a_key_counts_its_rotations_and_the_one_under_way),
        TEST(test_who_may_not_see_rotations_sees_the_rest),
        TEST(test_a_check_tells_keys_that_would_not_serve),
        TEST(test_a_rotation_whose_answer_is_lost_is_unsure_and_not_repeated),
        TEST(test_keys_are_listed_with_their_aliases_over_several_pages),
        TEST(test_a_clock_that_is_off_is_corrected_by_the_answers_date),
        TEST(test_requests_signed_at_one_wrong_time_correct_the_clock_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
