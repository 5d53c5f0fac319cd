/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "vault_kit.h"

#include <stdio.h>
#include <string.h>

static void test_a_data_key_is_wrapped_and_unwrapped(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    assert_ok(kit_wrap(&wrapped));
    assert_true(bulla_view_is(wrapped->provider, "vault"));
    assert_true(bulla_view_is(wrapped->info, "transit/keys/app"));
    assert_string_equal(kit.data, "AAEABXRhYmxlAAV1c2Vycw=="); /* one pair, "table" and "users", in canonical form */
    assert_ok(kit_unwrap(wrapped));
    assert_int_equal(kit.num_logins, 1);
    assert_string_equal(kit.login, "/v1/auth/approle/login {\"role_id\":\"the-role\",\"secret_id\":\"the secret id\"}");
}

static void test_another_context_does_not_open(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bulla_secret *dek = NULL;
    assert_ok(kit_wrap(&wrapped));
    assert_int_equal(bulla_provider_unwrap(kit.key, &kit.call, NULL, wrapped, &dek), BULLA_EINTEGRITY);
    assert_string_equal(kit.call.why, "the wrapped data key is damaged, or not for this context");
    assert_null(dek);
}

static void test_a_damaged_ciphertext_is_not_even_sent(void **state)
{
    (void)state;
    const bulla_wrapped wrapped = {bulla_view_text("vault"), bulla_view_text("transit/keys/app"),
                                   bulla_view_text("vault:v0:AAEC")};
    assert_int_equal(kit_unwrap(&wrapped), BULLA_EINTEGRITY);
    assert_int_equal(http_server_num_requests(kit.server), 0);
}

static void test_a_missing_key_is_not_made_by_wrapping(void **state)
{
    (void)state;
    bulla_wrapped *wrapped = NULL;
    kit.is_missing = true;
    kit_must_open();
    assert_int_equal(kit_wrap(&wrapped), BULLA_ENOKEY);
    assert_why("transit/keys/app");
    assert_int_equal(kit.num_encrypts, 0);
}

static void test_the_key_is_looked_at_once_a_minute(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
        assert_ok(kit_wrap(&wrapped));
    }
    assert_int_equal(kit.num_describes, 1);
    fake_env_advance_ms(&kit.fake, 61000);
    bulla_wrapped *none = NULL;
    kit.is_missing = true;
    assert_int_equal(kit_wrap(&none), BULLA_ENOKEY);
    assert_int_equal(kit.num_describes, 2);
}

static void test_a_key_that_was_replaced_is_noticed(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bulla_wrapped *none = NULL;
    kit.version = 3;
    kit_must_open();
    assert_ok(kit_wrap(&wrapped));
    kit.version = 1;
    assert_int_equal(kit_wrap(&none), BULLA_ESTATE);
    assert_why("replaced");
}

/* A data key that the store made without the context is dropped, and another one wrapped with it. */
static void test_data_keys_are_bound_even_where_the_store_does_not(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL, *back = NULL;
        BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
        assert_ok(bulla_provider_datakey(kit.key, &kit.call, kit.context, 32, &dek, &wrapped));
        assert_int_equal(kit.call.status, BULLA_OK);
        assert_ok(bulla_provider_unwrap(kit.key, &kit.call, kit.context, wrapped, &back));
        assert_true(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(back)));
    }
    assert_int_equal(kit.num_datakeys, 1);
    assert_int_equal(kit.num_encrypts, 2);
}

static void test_data_keys_without_context_come_from_the_store(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    assert_ok(bulla_provider_datakey(kit.key, &kit.call, NULL, 32, &dek, &wrapped));
    assert_int_equal(bulla_secret_borrow(dek).data[31], 31);
    assert_int_equal(kit.num_encrypts, 0);
}

static void test_a_store_that_binds_nothing_is_refused(void **state)
{
    (void)state;
    bulla_wrapped *wrapped = NULL;
    kit.ignores_data = true;
    kit_must_open();
    assert_int_equal(kit_wrap(&wrapped), BULLA_EUNSUPPORTED);
    assert_why("associated_data");
}

static void test_a_rewrap_keeps_the_context(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL, *again = NULL, *inside = NULL;
    assert_ok(kit_wrap(&wrapped));
    kit.version = 2;
    assert_ok(bulla_provider_rewrap(kit.key, &kit.call, kit.context, wrapped, &again));
    assert_int_equal(kit.num_rewraps, 0);
    assert_memory_equal(again->blob.data, "vault:v2:", 9);
    assert_ok(kit_unwrap(again));
    assert_ok(bulla_provider_rewrap(kit.key, &kit.call, NULL, wrapped, &inside));
    assert_int_equal(kit.num_rewraps, 1);
}

static void test_keys_that_bind_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {",\"derived\":true", ",\"soft_deleted\":true"};
    static const bulla_status statuses[] = {BULLA_EUNSUPPORTED, BULLA_ESTATE};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_wrapped *wrapped = NULL;
        kit_restart(NULL);
        kit.key_more = rows[i];
        kit_must_open();
        assert_int_equal(kit_wrap(&wrapped), statuses[i]);
        assert_int_equal(kit.num_encrypts, 0);
    }
}

static void test_a_rotation_tells_the_new_version(void **state)
{
    (void)state;
    uint32_t version = 0;
    assert_ok(bulla_provider_rotate(kit.key, &kit.call, &version));
    assert_int_equal(version, 2);
    kit.fault_path = "/rotate";
    kit.num_faults = 1;
    kit.fault = HTTP_CLOSE_BEFORE;
    assert_int_equal(bulla_provider_rotate(kit.key, &kit.call, &version), BULLA_EUNKNOWN);
}

static void test_a_key_is_made(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        kit_restart(NULL);
        kit_must_open();
        kit.is_missing = true;
        kit.is_terse = i == 1; /* as old servers are */
        assert_ok(bulla_provider_create(kit.key, &kit.call));
        assert_int_equal(kit.num_creates, 1);
        assert_string_equal(kit.made_type, "aes256-gcm96");
        assert_used();
    }
}

static void test_a_key_that_is_there_is_not_taken_for_a_new_one(void **state)
{
    (void)state;
    static const char *const mores[] = {NULL, ",\"warnings\":[\"key app already existed\"]"};
    static const unsigned versions[] = {2, 1};
    assert_status(bulla_provider_create(kit.key, &kit.call), BULLA_EEXISTS);
    assert_why("transit/keys/app already");
    assert_int_equal(kit.num_creates, 0);
    for (size_t i = 0; i < BULLA_LEN(mores); i++) { /* somebody else was faster */
        kit.is_missing = true;
        kit.version = versions[i];
        kit.made_more = mores[i];
        assert_status(bulla_provider_create(kit.key, &kit.call), BULLA_EEXISTS);
    }
}

static void test_a_making_with_a_lost_answer_is_unsure(void **state)
{
    (void)state;
    kit.is_missing = true;
    bulla_key_info info;
    assert_status(bulla_provider_describe(kit.key, &kit.call, &info), BULLA_ENOKEY);
    assert_why("bulla kms create");
    kit.loses_creates = true;
    assert_status(bulla_provider_create(kit.key, &kit.call), BULLA_EUNKNOWN);
}

static bulla_status add_address(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    (void)call;
    assert_non_null(strstr(address, info->name));
    strcat(arg, address);
    strcat(arg, " ");
    return BULLA_OK;
}

static void test_a_list_gives_addresses_that_open(void **state)
{
    (void)state;
    char all[256] = "";
    assert_ok(kit_open("vault:transit/keys/app?kms=main"));
    assert_ok(bulla_provider_list(kit.key, &kit.call, add_address, all));
    assert_string_equal(all, "vault:transit/keys/app?kms=main vault:transit/keys/other?kms=main ");
    kit_fault("list=true", 1, 404, "{\"errors\":[]}");
    all[0] = '\0';
    assert_ok(bulla_provider_list(kit.key, &kit.call, add_address, all));
    assert_string_equal(all, "");
    assert_int_equal(kit.call.status, BULLA_OK);
}

static void test_the_namespace_travels_and_is_in_the_name(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    kit.config.namespace_ = "/team/a/";
    kit_must_open();
    assert_ok(kit_wrap(&wrapped));
    assert_string_equal(kit.space, "team/a");
    assert_true(bulla_view_is(wrapped->info, "team/a/transit/keys/app"));
    assert_ok(bulla_provider_check(kit.key, &kit.call));
    assert_string_equal(kit.space, "");
}

static void test_addresses_that_name_no_key_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"vault:app",
                                       "vault:transit/app",
                                       "vault:transit/keys/",
                                       "vault:/keys/app",
                                       "vault:transit/keys/a/b",
                                       "vault:transit/../sys/keys/app",
                                       "vault:transit/keys/..",
                                       "vault:transit/keys/a%3Fb",
                                       "vault:tr%20ansit/keys/app",
                                       "vault:transit//x/keys/app",
                                       "vault:transit/keys/app?colour=red"};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        if (kit_open(rows[i]) != BULLA_EINVAL) fail_msg("%s: %s", rows[i], kit.call.why);
        assert_null(kit.key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN_CASE(test_a_data_key_is_wrapped_and_unwrapped),
        OPEN_CASE(test_another_context_does_not_open),
        OPEN_CASE(test_a_damaged_ciphertext_is_not_even_sent),
        CASE(test_a_missing_key_is_not_made_by_wrapping),
        OPEN_CASE(test_the_key_is_looked_at_once_a_minute),
        CASE(test_a_key_that_was_replaced_is_noticed),
        OPEN_CASE(test_data_keys_are_bound_even_where_the_store_does_not),
        OPEN_CASE(test_data_keys_without_context_come_from_the_store),
        CASE(test_a_store_that_binds_nothing_is_refused),
        OPEN_CASE(test_a_rewrap_keeps_the_context),
        CASE(test_keys_that_bind_nothing_are_refused),
        OPEN_CASE(test_a_rotation_tells_the_new_version),
        OPEN_CASE(test_a_key_is_made),
        OPEN_CASE(test_a_key_that_is_there_is_not_taken_for_a_new_one),
        OPEN_CASE(test_a_making_with_a_lost_answer_is_unsure),
        CASE(test_a_list_gives_addresses_that_open),
        CASE(test_the_namespace_travels_and_is_in_the_name),
        CASE(test_addresses_that_name_no_key_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
