/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers of AWS KMS. */
#include "wire/awskms.h"

#include "base/context.h"
#include "cmocka_all.h"

#include <stdio.h>

#define ARN "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static const char *written(const bulla_awskms_request *request)
{
    static char text[4096];
    bulla_writer writer = bulla_writer_of((uint8_t *)text, sizeof text - 1);
    assert_ok(bulla_awskms_request_write(&call, request, &writer));
    text[writer.len] = '\0';
    return text;
}

static bulla_context *context_of(const char *key, const char *value)
{
    const bulla_pair pair = {bulla_view_text(key), bulla_view_text(value)};
    bulla_context *context = NULL;
    assert_ok(bulla_context_new_reserved(&call, &pair, 1, &context));
    return context;
}

/* --- requests --- */

static void test_requests_are_what_kms_reads(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_context) *context = context_of("aws-crypto-public-key", "a\"b");
    bulla_awskms_request request = {
        .op = BULLA_AWSKMS_ENCRYPT, .key_id = "alias/app", .plaintext = bulla_view_text("key"), .context = context};
    assert_string_equal(written(&request), "{\"KeyId\":\"alias/app\",\"Plaintext\":\"a2V5\","
                                           "\"EncryptionContext\":{\"aws-crypto-public-key\":\"a\\\"b\"}}");
    request = (bulla_awskms_request){.op = BULLA_AWSKMS_DECRYPT, .key_id = ARN, .blob = bulla_view_text("blob")};
    assert_string_equal(written(&request), "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"YmxvYg==\"}");
    request.op = BULLA_AWSKMS_RE_ENCRYPT;
    request.context = context;
    assert_string_equal(written(&request),
                        "{\"SourceKeyId\":\"" ARN "\",\"DestinationKeyId\":\"" ARN "\",\"CiphertextBlob\":\"YmxvYg==\","
                        "\"SourceEncryptionContext\":{\"aws-crypto-public-key\":\"a\\\"b\"},"
                        "\"DestinationEncryptionContext\":{\"aws-crypto-public-key\":\"a\\\"b\"}}");
}

static void test_a_data_key_is_asked_for_by_spec_or_by_length_and_never_by_both(void **state)
{
    (void)state;
    bulla_awskms_request request = {.op = BULLA_AWSKMS_GENERATE_DATA_KEY, .key_id = "k", .len = 32};
    assert_string_equal(written(&request), "{\"KeyId\":\"k\",\"KeySpec\":\"AES_256\"}");
    request.len = 16;
    assert_string_equal(written(&request), "{\"KeyId\":\"k\",\"KeySpec\":\"AES_128\"}");
    request.len = 24;
    request.op = BULLA_AWSKMS_GENERATE_DATA_KEY_WITHOUT_PLAINTEXT;
    assert_string_equal(written(&request), "{\"KeyId\":\"k\",\"NumberOfBytes\":24}");
    assert_string_equal(bulla_awskms_target(request.op), "TrentService.GenerateDataKeyWithoutPlaintext");
}

static void test_a_list_goes_on_from_its_marker(void **state)
{
    (void)state;
    bulla_awskms_request request = {.op = BULLA_AWSKMS_LIST_KEYS, .marker = ""};
    assert_string_equal(written(&request), "{\"Limit\":100}");
    request.op = BULLA_AWSKMS_LIST_KEY_ROTATIONS;
    request.key_id = "k";
    request.marker = "next";
    assert_string_equal(written(&request), "{\"KeyId\":\"k\",\"Limit\":100,\"Marker\":\"next\"}");
}

static void test_a_context_that_kms_cannot_take_is_refused_before_it_is_sent(void **state)
{
    (void)state;
    static char name[BULLA_AWSKMS_MAX_CONTEXT_KEY + 1];
    memset(name, 'n', BULLA_AWSKMS_MAX_CONTEXT_KEY);
    BULLA_AUTO(bulla_context) *context = context_of(name, "v");
    bulla_writer counter = bulla_writer_of(NULL, 0);
    const bulla_awskms_request request = {.op = BULLA_AWSKMS_ENCRYPT, .key_id = "k", .context = context};
    assert_status(bulla_awskms_request_write(&call, &request, &counter), BULLA_ELIMIT);
}

/* --- answers --- */

static void test_a_data_key_comes_out_of_its_answer(void **state)
{
    (void)state;
    BULLA_AWSKMS_ANSWER(answer);
    bulla_view body = bulla_view_text("{\"KeyOrigin\":\"AWS_KMS\",\"CiphertextBlob\":\"YmxvYg==\",\"KeyId\":\"" ARN
                                      "\",\"Plaintext\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}");
    assert_ok(bulla_awskms_answer_decode(&call, BULLA_AWSKMS_GENERATE_DATA_KEY, body, &answer));
    assert_string_equal(answer.key_arn, ARN);
    assert_true(bulla_view_is(bulla_view_of(answer.blob, answer.blob_len), "blob"));
    assert_true(bulla_view_is(bulla_secret_borrow(answer.plaintext), "0123456789abcdef"));
}

static void test_answers_that_lack_something_are_malformed(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "<html>",
        "{\"KeyId\":\"" ARN "\"}",
        "{\"KeyId\":\"x\",\"CiphertextBlob\":\"YmxvYg==\"}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"\"}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"!\"}",
        "{\"KeyId\":\"" ARN "\",\"CiphertextBlob\":\"YmxvYg==\"}", /* no plaintext */
        "{\"KeyId\":\"arn:aws:kms:r:1:alias/a\",\"CiphertextBlob\":\"YmxvYg==\",\"Plaintext\":\"YQ==\"}",
    };
    for (size_t i = 0; i < BULLA_LEN(bodies); i++) {
        BULLA_AWSKMS_ANSWER(answer);
        bulla_view body = bulla_view_text(bodies[i]);
        assert_status(bulla_awskms_answer_decode(&call, BULLA_AWSKMS_GENERATE_DATA_KEY, body, &answer), BULLA_EFORMAT);
        assert_null(answer.plaintext);
    }
}

static void test_a_key_is_described_with_its_dates_in_any_notation(void **state)
{
    (void)state;
    bulla_awskms_key key;
    bulla_view body = bulla_view_text(
        "{\"KeyMetadata\":{\"Arn\":\"" ARN "\",\"KeyId\":\"1234abcd-12ab-34cd-56ef-1234567890ab\",\"KeyState\":"
        "\"PendingDeletion\",\"CustomerMasterKeySpec\":\"SYMMETRIC_DEFAULT\",\"KeyUsage\":\"ENCRYPT_DECRYPT\","
        "\"Origin\":\"EXTERNAL\",\"CreationDate\":1.592412018521E9,\"DeletionDate\":1700000000}}");
    assert_ok(bulla_awskms_key_decode(&call, body, &key));
    assert_int_equal(key.state, BULLA_KEY_PENDING_DELETION);
    assert_true(key.is_symmetric && key.is_imported);
    assert_int_equal(key.created_s, 1592412018);
    assert_int_equal(key.deletion_s, 1700000000);
}

static void test_a_key_in_a_state_that_is_news_to_us_counts_as_unusable(void **state)
{
    (void)state;
    bulla_awskms_key key;
    bulla_view body =
        bulla_view_text("{\"KeyMetadata\":{\"Arn\":\"" ARN "\",\"KeyId\":\"k\",\"KeyState\":\"Unavailable\","
                        "\"KeySpec\":\"RSA_2048\",\"KeyUsage\":\"ENCRYPT_DECRYPT\"}}");
    assert_ok(bulla_awskms_key_decode(&call, body, &key));
    assert_int_equal(key.state, BULLA_KEY_DISABLED);
    assert_false(key.is_symmetric);
}

static void test_a_rotation_says_its_period_and_whether_one_is_running(void **state)
{
    (void)state;
    bulla_awskms_rotation rotation;
    assert_ok(bulla_awskms_rotation_decode(&call, bulla_view_text("{\"KeyRotationEnabled\":false}"), &rotation));
    assert_true(rotation.period_days == 0 && !rotation.is_running);
    assert_ok(bulla_awskms_rotation_decode(
        &call,
        bulla_view_text("{\"KeyRotationEnabled\":true,\"RotationPeriodInDays\":90,\"NextRotationDate\":1.7E9,"
                        "\"OnDemandRotationStartDate\":1.6E9}"),
        &rotation));
    assert_int_equal(rotation.period_days, 90);
    assert_int_equal(rotation.next_s, 1700000000);
    assert_true(rotation.is_running);
    assert_status(bulla_awskms_rotation_decode(&call, bulla_view_text("{}"), &rotation), BULLA_EFORMAT);
}

/* --- lists --- */

static bulla_status collect(void *arg, bulla_call *same_call, const char *name, const char *target)
{
    char *text = arg;
    (void)same_call;
    (void)snprintf(text + strlen(text), 200, "%s>%s ", name, target);
    return BULLA_OK;
}

static void test_a_page_of_a_list_shows_its_items_and_where_it_goes_on(void **state)
{
    (void)state;
    char seen[1000] = "";
    bulla_awskms_page page;
    bulla_view keys = bulla_view_text("{\"Keys\":[{\"KeyArn\":\"" ARN
                                      "\",\"KeyId\":\"k\"}],\"NextMarker\":\"m\",\"Truncated\":true}");
    assert_ok(bulla_awskms_page_decode(&call, BULLA_AWSKMS_LIST_KEYS, keys, collect, seen, &page));
    assert_string_equal(page.marker, "m");
    bulla_view aliases = bulla_view_text("{\"AliasCount\":2,\"Aliases\":[{\"AliasName\":\"alias/aws/s3\"},"
                                         "{\"AliasName\":\"alias/a\",\"TargetKeyId\":\"k\"}],\"Truncated\":false}");
    assert_ok(bulla_awskms_page_decode(&call, BULLA_AWSKMS_LIST_ALIASES, aliases, collect, seen, &page));
    assert_string_equal(page.marker, "");
    bulla_view rotations = bulla_view_text("{\"Rotations\":[{\"RotationDate\":1.7E9}]}");
    assert_ok(bulla_awskms_page_decode(&call, BULLA_AWSKMS_LIST_KEY_ROTATIONS, rotations, collect, seen, &page));
    assert_string_equal(seen, "k>" ARN " alias/a>k >1700000000 ");
}

static void test_a_list_that_goes_on_without_saying_where_is_malformed(void **state)
{
    (void)state;
    char seen[100] = "";
    bulla_awskms_page page;
    bulla_view body = bulla_view_text("{\"Keys\":[],\"Truncated\":true}");
    assert_status(bulla_awskms_page_decode(&call, BULLA_AWSKMS_LIST_KEYS, body, collect, seen, &page), BULLA_EFORMAT);
}

/* --- errors --- */

static void assert_error(const char *body, const char *header, const char *code, const char *message)
{
    bulla_awskms_error error;
    bulla_awskms_error_decode(bulla_view_text(body), header, &error);
    assert_string_equal(error.code, code);
    assert_string_equal(error.message, message);
}

static void test_errors_are_read_in_all_their_spellings(void **state)
{
    (void)state;
    assert_error("{\"__type\":\"InvalidCiphertextException\"}", "", "InvalidCiphertextException", "");
    assert_error("{\"__type\":\"com.amazonaws.kms#NotFoundException\",\"message\":\"no key\"}", "", "NotFoundException",
                 "no key");
    assert_error("{\"Message\":\"slow down\"}", "ThrottlingException:http://internal/", "ThrottlingException",
                 "slow down");
    assert_error("<ErrorResponse><Errors><Error><Code>SignatureDoesNotMatch</Code><Message>wrong</Message></Error>"
                 "</Errors></ErrorResponse>",
                 "", "SignatureDoesNotMatch", "wrong");
    assert_error("<html><body>502 Bad Gateway</body></html>", "", "", "");
    assert_error("", "", "", "");
}

static void test_what_an_error_says_is_one_printable_line(void **state)
{
    (void)state;
    bulla_awskms_error error;
    bulla_awskms_error_decode(bulla_view_text("{\"__type\":\"X\\u001b[2J\",\"message\":\"a\\u001b[2Jb\\u00e9\"}"), "",
                              &error);
    assert_string_equal(error.code, "X");
    for (const char *c = error.message; *c != '\0'; c++)
        assert_in_range(*c, 0x20, 0x7E);
}

/* --- ARNs --- */

static void test_names_of_keys_are_told_from_other_text(void **state)
{
    (void)state;
    static const char *const keys[] = {ARN, "arn:aws-cn:kms:cn-north-1:1:alias/a/b_C", "alias/x", "mrk-12ab", "k"};
    static const char *const others[] = {"",
                                         "alias/",
                                         "arn:aws:s3:::bucket",
                                         "arn:aws:kms:eu:1:key/",
                                         "a b",
                                         "k?x=y",
                                         "arn:aws:kms:EU:1:key/a",
                                         "arn:aws:kms:eu/x:1:key/a",
                                         "alias/\xC3\xA9"};
    for (size_t i = 0; i < BULLA_LEN(keys); i++)
        assert_true(bulla_awsarn_is_key(bulla_view_text(keys[i])));
    for (size_t i = 0; i < BULLA_LEN(others); i++)
        assert_false(bulla_awsarn_is_key(bulla_view_text(others[i])));
}

static bool is_same(const char *a, const char *b)
{
    return bulla_awsarn_is_same_key(bulla_view_text(a), bulla_view_text(b));
}

static void test_only_multi_region_keys_are_the_same_in_two_regions(void **state)
{
    (void)state;
    assert_true(is_same(ARN, ARN));
    assert_true(is_same("arn:aws:kms:a:1:key/mrk-1", "arn:aws:kms:b:1:key/mrk-1"));
    assert_false(is_same("arn:aws:kms:a:1:key/1", "arn:aws:kms:b:1:key/1"));
    assert_false(is_same("arn:aws:kms:a:1:key/mrk-1", "arn:aws:kms:b:2:key/mrk-1"));
    assert_false(is_same("arn:aws:kms:a:1:key/mrk-1", "arn:aws:kms:b:1:key/mrk-2"));
    assert_false(is_same("arn:aws:kms:a:1:alias/mrk-1", "arn:aws:kms:b:1:alias/mrk-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_requests_are_what_kms_reads, start),
        cmocka_unit_test_setup(test_a_data_key_is_asked_for_by_spec_or_by_length_and_never_by_both, start),
        cmocka_unit_test_setup(test_a_list_goes_on_from_its_marker, start),
        cmocka_unit_test_setup(test_a_context_that_kms_cannot_take_is_refused_before_it_is_sent, start),
        cmocka_unit_test_setup(test_a_data_key_comes_out_of_its_answer, start),
        cmocka_unit_test_setup(test_answers_that_lack_something_are_malformed, start),
        cmocka_unit_test_setup(test_a_key_is_described_with_its_dates_in_any_notation, start),
        cmocka_unit_test_setup(test_a_key_in_a_state_that_is_news_to_us_counts_as_unusable, start),
        cmocka_unit_test_setup(test_a_rotation_says_its_period_and_whether_one_is_running, start),
        cmocka_unit_test_setup(test_a_page_of_a_list_shows_its_items_and_where_it_goes_on, start),
        cmocka_unit_test_setup(test_a_list_that_goes_on_without_saying_where_is_malformed, start),
        cmocka_unit_test_setup(test_errors_are_read_in_all_their_spellings, start),
        cmocka_unit_test_setup(test_what_an_error_says_is_one_printable_line, start),
        cmocka_unit_test_setup(test_names_of_keys_are_told_from_other_text, start),
        cmocka_unit_test_setup(test_only_multi_region_keys_are_the_same_in_two_regions, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
