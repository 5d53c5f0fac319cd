/* SPDX-License-Identifier: Apache-2.0 */
/* The aws: back end against moto, which checks signatures and rights. */
#include "stores/cloud.h"
#include "stores/control.h"

#include <stdio.h>
#include <string.h>

static cloud c;

static void user_set(const char *prefix)
{
    char id[64], secret[64];
    (void)snprintf(id, sizeof id, "MOTO_%sACCESS_KEY_ID", prefix);
    (void)snprintf(secret, sizeof secret, "MOTO_%sSECRET_ACCESS_KEY", prefix);
    bulla_secret_unref(c.config.access_key_secret);
    c.config.access_key_secret = NULL;
    c.config.access_key_id = fact(id);
    assert_ok(bulla_secret_copy(&c.call, bulla_view_text(fact(secret)), &c.config.access_key_secret));
}

static int start(void **state)
{
    (void)state;
    cloud_init(&c, "aws");
    c.config.endpoint = c.config.sts_endpoint = fact("MOTO_ADDR");
    c.config.region = fact("MOTO_REGION");
    user_set("");
    return 0;
}

static int end(void **state)
{
    (void)state;
    bulla_secret *secret = c.config.access_key_secret;
    cloud_done(&c);
    bulla_secret_unref(secret);
    return 0;
}

static void open_key(const char *name)
{
    char address[512];
    (void)snprintf(address, sizeof address, "aws:%s", fact(name));
    assert_ok(cloud_open(&c, address));
}

static void a_key_is_opened_by_any_of_its_names(void **state)
{
    (void)state;
    static const char *const names[] = {"MOTO_KEY_ARN", "MOTO_KEY_ID", "MOTO_ALIAS"};
    for (size_t i = 0; i < BULLA_LEN(names); i++) {
        open_key(names[i]);
        cloud_roundtrip(&c);
        assert_true(bulla_view_is(c.wrapped->info, fact("MOTO_KEY_ARN")));
        bulla_provider_unref(BULLA_TAKE(c.key));
        bulla_kms_free(BULLA_TAKE(c.kms));
    }
}

/* Of the length that the configuration says, and opened by KMS alone. */
static void a_data_key_is_made_that_this_process_does_not_see(void **state)
{
    (void)state;
    c.config.data_key_spec = "AES_128";
    open_key("MOTO_KEY_ARN");
    assert_ok(bulla_provider_datakey(c.key, &c.call, NULL, 0, NULL, &c.wrapped));
    BULLA_AUTO(bulla_secret) *dek = NULL;
    assert_ok(bulla_provider_unwrap(c.key, &c.call, NULL, c.wrapped, &dek));
    assert_int_equal(bulla_secret_borrow(dek).len, 16);
}

static void a_rotation_makes_the_next_version_and_old_data_keys_open(void **state)
{
    (void)state;
    bulla_key_info before, after;
    uint32_t version = 0;
    open_key("MOTO_OTHER_KEY_ARN");
    cloud_roundtrip(&c);
    assert_ok(bulla_provider_describe(c.key, &c.call, &before));
    assert_ok(bulla_provider_rotate(c.key, &c.call, &version));
    assert_ok(bulla_provider_describe(c.key, &c.call, &after));
    assert_int_equal(version, before.primary_version + 1);
    assert_int_equal(after.primary_version, version);
    assert_ok(cloud_unwrap(&c));
}

static bulla_status key_count(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    char wanted[256];
    (void)call;
    (void)snprintf(wanted, sizeof wanted, "aws:%s?kms=", fact("MOTO_KEY_ARN"));
    if (strncmp(address, wanted, strlen(wanted)) == 0 && strcmp(info->name, fact("MOTO_ALIAS")) == 0) ++*(int *)arg;
    return BULLA_OK;
}

static void the_keys_of_the_account_are_listed_with_their_aliases(void **state)
{
    (void)state;
    int num = 0;
    open_key("MOTO_KEY_ARN");
    assert_ok(bulla_provider_list(c.key, &c.call, key_count, &num));
    assert_int_equal(num, 1);
}

static void a_disabled_key_is_told(void **state)
{
    (void)state;
    open_key("MOTO_DISABLED_KEY_ARN");
    assert_status(cloud_wrap(&c), BULLA_ESTATE);
    assert_status(bulla_provider_check(c.key, &c.call), BULLA_ESTATE);
    assert_why(&c, "disabled");
}

static void who_may_only_use_a_key_may_not_rotate_it(void **state)
{
    (void)state;
    uint32_t version = 0;
    user_set("USE_");
    open_key("MOTO_KEY_ARN");
    cloud_roundtrip(&c);
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EAUTHZ);
    assert_why(&c, "policy");
}

static void who_may_nothing_is_told_so(void **state)
{
    (void)state;
    user_set("NO_");
    open_key("MOTO_KEY_ARN");
    assert_status(cloud_wrap(&c), BULLA_EAUTHZ);
    assert_why(&c, "AccessDenied");
}

/* moto knows rights of users, and no conditions in trust policies. */
static void a_role_is_assumed_by_who_may(void **state)
{
    (void)state;
    c.config.role_arn = fact("MOTO_ROLE_ARN");
    c.config.external_id = fact("MOTO_EXTERNAL_ID");
    open_key("MOTO_KEY_ARN");
    cloud_roundtrip(&c);
    bulla_provider_unref(BULLA_TAKE(c.key));
    bulla_kms_free(BULLA_TAKE(c.kms));
    user_set("NO_");
    open_key("MOTO_KEY_ARN");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "AWS STS does not give the role");
}

static void a_wrong_secret_and_an_unknown_access_key_are_told_apart(void **state)
{
    (void)state;
    bulla_secret_unref(c.config.access_key_secret);
    assert_ok(bulla_secret_copy(&c.call, bulla_view_text("not-the-secret"), &c.config.access_key_secret));
    open_key("MOTO_KEY_ARN");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "SignatureDoesNotMatch");
    bulla_provider_unref(BULLA_TAKE(c.key));
    bulla_kms_free(BULLA_TAKE(c.kms));
    c.config.access_key_id = "AKIAUNKNOWN";
    open_key("MOTO_KEY_ARN");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "InvalidClientTokenId");
}

static void a_key_that_is_not_there_is_told(void **state)
{
    (void)state;
    assert_ok(cloud_open(&c, "aws:alias/not-there"));
    assert_status(cloud_wrap(&c), BULLA_ENOKEY);
}

static void a_server_that_is_gone_and_comes_back_is_used_again(void **state)
{
    (void)state;
    open_key("MOTO_KEY_ARN");
    cloud_roundtrip(&c);
    control("moto pause");
    bulla_call_deadline_set(&c.call, 300);
    bulla_status status = cloud_unwrap(&c);
    control("moto resume");
    assert_status(status, BULLA_EDEADLINE);
    bulla_call_deadline_set(&c.call, 0);
    cloud_roundtrip(&c);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_opened_by_any_of_its_names),
        TEST(a_data_key_is_made_that_this_process_does_not_see),
        TEST(a_rotation_makes_the_next_version_and_old_data_keys_open),
        TEST(the_keys_of_the_account_are_listed_with_their_aliases),
        TEST(a_disabled_key_is_told),
        TEST(who_may_only_use_a_key_may_not_rotate_it),
        TEST(who_may_nothing_is_told_so),
        TEST(a_role_is_assumed_by_who_may),
        TEST(a_wrong_secret_and_an_unknown_access_key_are_told_apart),
        TEST(a_key_that_is_not_there_is_told),
        TEST(a_server_that_is_gone_and_comes_back_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
