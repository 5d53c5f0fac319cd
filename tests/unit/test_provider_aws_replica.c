/* SPDX-License-Identifier: Apache-2.0 */
/* Multi-region keys of AWS KMS: in which regions a key is asked, and under which name. */
#include "aws_kit.h"

#include <stdio.h>

#define MRK(region, id) "arn:aws:kms:" region ":111122223333:key/mrk-" id

static void replicas_use(aws_kit *kit, const char *const *replicas, size_t num)
{
    kit->config.replica_keys = replicas;
    kit->config.num_replica_keys = num;
}

/* The regions that a key is asked in, in their order. */
static const char *regions_of(aws_kit *kit, const char *address)
{
    static char text[400];
    text[0] = '\0';
    for (size_t i = 0; i < bulla_aws_backend.endpoints(&kit->config, address); i++) {
        BULLA_AUTO(bulla_provider) *key = NULL;
        assert_ok(aws_kit_open_at(kit, address, i, &key));
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof text - len, "%s%s", len == 0 ? "" : " ",
                       ((bulla_aws_key *)(void *)key)->region);
    }
    return text;
}

static void test_a_key_is_asked_in_the_regions_of_its_own_replicas_and_no_others(void **state)
{
    aws_kit *kit = *state;
    static const char *const replicas[] = {MRK("us-east-1", "1"), MRK("eu-west-1", "2"), MRK("ap-south-1", "1")};
    kit->config.key_id = MRK("eu-central-1", "1");
    replicas_use(kit, replicas, 3);
    assert_string_equal(regions_of(kit, "aws:" MRK("eu-central-1", "1")), "eu-central-1 us-east-1 ap-south-1");
    assert_string_equal(regions_of(kit, "aws:" MRK("eu-central-1", "2") "?kms=main"), "eu-central-1 eu-west-1");
    assert_string_equal(regions_of(kit, "aws:mrk-2"), "eu-central-1 eu-west-1");
    assert_string_equal(regions_of(kit, "aws:" MRK("ap-south-1", "1")), "ap-south-1 us-east-1");
    assert_string_equal(regions_of(kit, "aws:" MRK("eu-central-1", "3")), "eu-central-1");
    assert_string_equal(regions_of(kit, "aws:arn:aws:kms:eu-central-1:999:key/mrk-1"), "eu-central-1");
    assert_string_equal(regions_of(kit, "aws:" AWS_KEY_ARN), "eu-central-1");
    assert_string_equal(regions_of(kit, "aws:alias/app"), "eu-central-1");
}

static void test_the_replicas_of_an_alias_are_those_of_the_alias_that_the_configuration_names(void **state)
{
    aws_kit *kit = *state;
    static const char *const replicas[] = {MRK("us-east-1", "1"), MRK("eu-west-1", "1")};
    kit->config.key_id = "alias/app";
    replicas_use(kit, replicas, 2);
    assert_string_equal(regions_of(kit, "aws:alias/app"), "eu-central-1 us-east-1 eu-west-1");
    assert_string_equal(regions_of(kit, "aws:alias/other"), "eu-central-1");
}

static void assert_replicas_refused(aws_kit *kit, const char *const *replicas, size_t num, const char *why)
{
    bulla_provider *key = NULL;
    replicas_use(kit, replicas, num);
    assert_status(aws_kit_open_at(kit, "aws:mrk-1", 0, &key), BULLA_ECONFIG);
    assert_non_null(strstr(kit->call.why, why));
    assert_null(key);
    aws_kit_close(kit);
}

static void test_replicas_that_cannot_be_are_refused(void **state)
{
    aws_kit *kit = *state;
    static const char *const alias[] = {"arn:aws:kms:us-east-1:111122223333:alias/mrk-1"}, *const single[] = {
                                                                                               AWS_KEY_ARN};
    static const char *const two[] = {MRK("us-east-1", "1"), MRK("us-east-1", "2")};
    static const char *const many[] = {MRK("r-1", "1"), MRK("r-2", "1"), MRK("r-3", "1"), MRK("r-4", "1"),
                                       MRK("r-5", "1"), MRK("r-6", "1"), MRK("r-7", "1"), MRK("r-8", "1")};
    assert_replicas_refused(kit, alias, 1, "multi-region");
    assert_replicas_refused(kit, single, 1, "multi-region");
    assert_replicas_refused(kit, many, 8, "over 7");
    replicas_use(kit, many, 7);
    assert_int_equal(bulla_aws_backend.endpoints(&kit->config, "aws:mrk-1"), BULLA_MAX_ENDPOINTS);
    kit->config.key_id = "alias/app";
    assert_replicas_refused(kit, two, 2, "alias");
}

static void test_a_replica_is_asked_by_its_own_name_for_what_its_relative_wrapped(void **state)
{
    aws_kit *kit = *state;
    static const char *const replicas[] = {MRK("us-east-1", "1")};
    const bulla_wrapped wrapped = {bulla_view_text("aws-kms"), bulla_view_text(MRK("eu-central-1", "1")),
                                   bulla_view_text("blob")};
    BULLA_AUTO(bulla_provider) *replica = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    replicas_use(kit, replicas, 1);
    assert_ok(aws_kit_open_at(kit, "aws:" MRK("eu-central-1", "1"), 1, &replica));
    assert_true(bulla_provider_matches(replica, &wrapped));
    aws_kit_say(kit, 200, "{\"KeyId\":\"" MRK("us-east-1", "1") "\",\"Plaintext\":\"AAECAwQFBgcICQoLDA0ODw==\"}");
    assert_ok(bulla_provider_unwrap(replica, &kit->call, NULL, &wrapped, &dek));
    assert_non_null(strstr(kit->kms_body, "\"KeyId\":\"" MRK("us-east-1", "1") "\""));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aws_kit_setup, aws_kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_key_is_asked_in_the_regions_of_its_own_replicas_and_no_others),
        TEST(test_the_replicas_of_an_alias_are_those_of_the_alias_that_the_configuration_names),
        TEST(test_replicas_that_cannot_be_are_refused),
        TEST(test_a_replica_is_asked_by_its_own_name_for_what_its_relative_wrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
