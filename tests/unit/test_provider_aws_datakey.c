/* SPDX-License-Identifier: Apache-2.0 */
/* Data keys of AWS KMS: as long as the store is told to make them, or never seen. */
#include "aws_kit.h"

#define DATAKEY(plaintext) "{\"CiphertextBlob\":\"YmxvYg==\",\"KeyId\":\"" AWS_KEY_ARN "\"" plaintext "}"
#define PLAINTEXT_16 ",\"Plaintext\":\"AAECAwQFBgcICQoLDA0ODw==\""

/* Asks for a data key of any length, and tells its length; 0: none is wanted. */
static size_t datakey_len(aws_kit *kit, bool is_wanted)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    if (kit->key == NULL) assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_ok(bulla_provider_datakey(kit->key, &kit->call, NULL, 0, is_wanted ? &dek : NULL, &wrapped));
    assert_true(bulla_view_is(wrapped->blob, "blob"));
    return bulla_secret_borrow(dek).len;
}

static void test_a_data_key_of_no_length_has_the_length_of_data_key_spec(void **state)
{
    aws_kit *kit = *state;
    kit->config.data_key_spec = "AES_128";
    aws_kit_say(kit, 200, DATAKEY(PLAINTEXT_16));
    assert_int_equal(datakey_len(kit, true), 16);
    assert_non_null(strstr(kit->kms_body, "\"KeySpec\":\"AES_128\""));
    kit->config.data_key_spec = NULL;
    aws_kit_close(kit);
    assert_int_equal(datakey_len(kit, false), 0);
    assert_non_null(strstr(kit->kms_body, "\"KeySpec\":\"AES_256\""));
}

static void test_a_length_that_is_asked_for_counts_more_than_data_key_spec(void **state)
{
    aws_kit *kit = *state;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    kit->config.data_key_spec = "AES_128";
    aws_kit_say(kit, 200, DATAKEY(PLAINTEXT_16));
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_status(bulla_provider_datakey(kit->key, &kit->call, NULL, 32, &dek, &wrapped), BULLA_EUNAVAIL);
    assert_non_null(strstr(kit->kms_body, "\"KeySpec\":\"AES_256\""));
    assert_true(dek == NULL && wrapped == NULL);
}

static void test_a_data_key_that_nobody_wants_is_not_shown(void **state)
{
    aws_kit *kit = *state;
    kit->config.data_key_spec = "AES_128";
    aws_kit_say(kit, 200, DATAKEY(""));
    assert_int_equal(datakey_len(kit, false), 0);
    assert_string_equal(kit->operation[0], "GenerateDataKeyWithoutPlaintext");
    assert_non_null(strstr(kit->kms_body, "\"KeySpec\":\"AES_128\""));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aws_kit_setup, aws_kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_data_key_of_no_length_has_the_length_of_data_key_spec),
        TEST(test_a_length_that_is_asked_for_counts_more_than_data_key_spec),
        TEST(test_a_data_key_that_nobody_wants_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
