/* SPDX-License-Identifier: Apache-2.0 */
/* Keys on a token: which mechanism, which IV, which token; and what is damaged. */
#include "base/mem.h"
#include "pkcs11_kit.h"

#include <stdlib.h>

#define KEY_WRAP 1 /* index of hsm->flags */

/* The key may do nothing but wrap and unwrap. */
static void app_wraps(hsm_object *app)
{
    app->encrypts = app->decrypts = CK_FALSE;
    app->wraps = app->unwraps = CK_TRUE;
}

static hsm_object *app_key(void)
{
    for (size_t i = 0; i < HSM_OBJECTS; i++)
        if (hsm->objects[i].is_there && memcmp(hsm->objects[i].label, "app", 4) == 0) return &hsm->objects[i];
    abort(); /* a new token has it */
}

/* --- mechanisms --- */

static void test_a_key_that_encrypts_seals_with_gcm_and_binds_the_context(void **state)
{
    pkcs11_kit *kit = *state;
    bulla_secret *stolen = NULL;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_true(bulla_view_is(kit->wrapped->info, "serial=0001;object=app;id=%01"));
    assert_int_equal(kit->wrapped->blob.data[0], 2);
    assert_int_equal(kit->wrapped->blob.len, 1 + 12 + 32 + 16);
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_status(bulla_provider_unwrap(kit->key, &kit->call, NULL, kit->wrapped, &stolen), BULLA_EINTEGRITY);
    assert_null(stolen);
}

static void test_a_key_that_wraps_wraps_an_inner_key_and_binds_the_context(void **state)
{
    pkcs11_kit *kit = *state;
    bulla_secret *stolen = NULL;
    app_wraps(app_key());
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_int_equal(kit->wrapped->blob.data[0], 1);
    assert_int_equal(hsm_count(HSM_WRAP), 1);
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_int_equal(hsm_count(HSM_UNWRAP), 1);
    assert_status(bulla_provider_unwrap(kit->key, &kit->call, NULL, kit->wrapped, &stolen), BULLA_EINTEGRITY);
    assert_int_equal(hsm->num_misused, 0);
}

static void test_a_token_without_gcm_encrypts_by_each_key_wrap(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_open(kit);
    hsm->flags[0] = 0;
    for (unsigned i = KEY_WRAP; i < HSM_MECHANISMS; i++) {
        for (unsigned k = KEY_WRAP; k < HSM_MECHANISMS; k++)
            hsm->flags[k] = k == i ? CKF_ENCRYPT | CKF_DECRYPT : 0;
        assert_ok(pkcs11_kit_wrap(kit));
        assert_ok(pkcs11_kit_unwrap(kit));
    }
    assert_int_equal(hsm_count(HSM_WRAP), 0);
    assert_int_equal(hsm_count(HSM_ENCRYPT), 3);
}

static void test_a_key_that_may_do_only_half_of_it_is_not_used(void **state)
{
    pkcs11_kit *kit = *state;
    hsm_object *app = app_key();
    app->decrypts = CK_FALSE;
    app->wraps = CK_TRUE;
    pkcs11_kit_open(kit);
    assert_status(pkcs11_kit_wrap(kit), BULLA_EUNSUPPORTED);
    assert_why(&kit->call, "no mechanism in common");
    assert_int_equal(hsm_count(HSM_ENCRYPT_INIT) + hsm_count(HSM_WRAP), 0);
}

static void test_a_key_that_may_leave_the_token_is_warned_of_once(void **state)
{
    pkcs11_kit *kit = *state;
    app_key()->is_extractable = CK_TRUE;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(bulla_provider_describe(kit->key, &kit->call, &(bulla_key_info){0}));
    assert_int_equal(kit->fake.num_logged, 1);
    assert_non_null(strstr(kit->fake.last_line, "may leave the token"));
}

/* --- IVs --- */

static void test_ivs_that_the_token_draws_are_stored_and_open_again(void **state)
{
    pkcs11_kit *kit = *state;
    static const uint8_t zeros[12];
    uint8_t first[12];
    hsm->ivs = HSM_IV_OWN;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    memcpy(first, kit->wrapped->blob.data + 1, sizeof first);
    assert_memory_not_equal(first, zeros, sizeof first);
    assert_ok(pkcs11_kit_unwrap(kit));
    size_t num_before = hsm_count(HSM_ENCRYPT_INIT);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_int_equal(hsm_count(HSM_ENCRYPT_INIT), num_before + 1); /* it is known by now */
    assert_memory_not_equal(first, kit->wrapped->blob.data + 1, sizeof first);
    assert_ok(pkcs11_kit_unwrap(kit));
}

static void test_a_token_that_seals_under_an_iv_of_zeros_wraps_nothing(void **state)
{
    pkcs11_kit *kit = *state;
    hsm->ivs = HSM_IV_LEFT_ZERO;
    pkcs11_kit_open(kit);
    assert_status(pkcs11_kit_wrap(kit), BULLA_EUNSUPPORTED);
    assert_why(&kit->call, "CKR_MECHANISM_PARAM_INVALID");
    assert_true(hsm_count(HSM_ENCRYPT) != 0); /* the token would have done it */
    assert_null(kit->wrapped);
}

/* --- damage --- */

static void assert_damage_is_seen(pkcs11_kit *kit, bulla_view blob)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bulla_wrapped damaged = *kit->wrapped;
    damaged.blob = blob;
    bulla_status status = bulla_provider_unwrap(kit->key, &kit->call, kit->context, &damaged, &dek);
    if (status != BULLA_EINTEGRITY && status != BULLA_ENOKEY)
        fail_msg("%s: %s (first byte %u, %zu bytes)", bulla_status_name(status), kit->call.why, blob.data[0], blob.len);
}

/* Each byte changed, each first byte that is a version, each length. */
static void assert_all_damage_is_seen(pkcs11_kit *kit)
{
    bulla_view blob = kit->wrapped->blob;
    uint8_t bytes[256];
    assert_true(blob.len < sizeof bytes);
    memcpy(bytes, blob.data, blob.len);
    for (size_t i = 0; i < blob.len; i++) {
        bytes[i] ^= 0x40;
        assert_damage_is_seen(kit, bulla_view_of(bytes, blob.len));
        bytes[i] ^= 0x40;
    }
    for (size_t len = 1; len < blob.len; len++)
        assert_damage_is_seen(kit, bulla_view_of(bytes, len));
    for (uint8_t version = 0; version < 8; version++) {
        if (version == blob.data[0]) continue;
        bytes[0] = version;
        for (size_t len = 1; len <= blob.len; len++)
            assert_damage_is_seen(kit, bulla_view_of(bytes, len));
    }
    assert_ok(pkcs11_kit_unwrap(kit));
}

/* What tokens have been seen to say of a wrong tag, and some more. */
static const CK_RV wrong_tags[] = {
    CKR_ENCRYPTED_DATA_INVALID,  CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_WRAPPED_KEY_INVALID, CKR_DATA_INVALID,
    CKR_GENERAL_ERROR,           CKR_FUNCTION_FAILED,          CKR_DEVICE_ERROR,        CKR_ARGUMENTS_BAD,
    CKR_MECHANISM_PARAM_INVALID, CKR_TEMPLATE_INCONSISTENT,    CKR_VENDOR_DEFINED | 7};

static void test_damage_is_damage_whatever_the_token_calls_it(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    for (size_t i = 0; i < BULLA_LEN(wrong_tags); i++) {
        HSM_SET(wrong_tag, wrong_tags[i]);
        assert_all_damage_is_seen(kit);
    }
    assert_int_equal(hsm_count(HSM_LOGIN), 1); /* nothing was taken for a loss */
    assert_int_equal(hsm->num_misused, 0);
}

static void test_damage_of_a_key_wrap_is_damage_whatever_the_token_calls_it(void **state)
{
    pkcs11_kit *kit = *state;
    app_wraps(app_key());
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    for (size_t i = 0; i < BULLA_LEN(wrong_tags); i++) {
        HSM_SET(wrong_tag, wrong_tags[i]);
        assert_all_damage_is_seen(kit);
    }
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
}

static void test_damage_is_seen_where_the_token_draws_the_ivs_and_has_no_further_session(void **state)
{
    pkcs11_kit *kit = *state;
    hsm->ivs = HSM_IV_OWN;
    hsm->wrong_tag = CKR_GENERAL_ERROR;
    hsm->max_sessions = 1;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_all_damage_is_seen(kit);
}

static void test_an_error_that_passes_is_not_taken_for_damage(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    hsm_fail(HSM_DECRYPT, (hsm_fault){CKR_DEVICE_ERROR, 0, 1, false});
    assert_ok(pkcs11_kit_unwrap(kit));
}

static void test_an_error_that_stays_is_an_outage_and_no_damage(void **state)
{
    pkcs11_kit *kit = *state;
    for (int i = 0; i < 2; i++) {
        HSM_SET(ivs, i == 0 ? HSM_IV_GIVEN : HSM_IV_OWN);
        if (kit->key == NULL) pkcs11_kit_open(kit);
        assert_ok(pkcs11_kit_wrap(kit));
        hsm_fail(HSM_DECRYPT, (hsm_fault){CKR_DEVICE_ERROR, 0, HSM_ALWAYS, false});
        assert_status(pkcs11_kit_unwrap(kit), BULLA_EUNAVAIL);
        assert_why(&kit->call, "CKR_DEVICE_ERROR");
        hsm_fail(HSM_DECRYPT, (hsm_fault){0});
        assert_ok(pkcs11_kit_unwrap(kit));
    }
}

/* --- tokens and keys that are not there, or twice --- */

static void test_two_tokens_of_one_label_are_told_apart_by_serial_or_not_at_all(void **state)
{
    pkcs11_kit *kit = *state;
    BULLA_AUTO(bulla_provider) *second = NULL;
    HSM_SET(tokens[1].is_there, true);
    hsm_key_add("app", 1)->token = 1;
    pkcs11_kit_open(kit);
    assert_status(pkcs11_kit_wrap(kit), BULLA_ECONFIG);
    assert_why(&kit->call, "2 tokens are meant by \"prod\"");
    assert_int_equal(hsm_count(HSM_LOGIN), 0);
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:token=prod;serial=0002;object=app", &second));
    assert_ok(pkcs11_both_ways(second, &kit->call));
}

static void test_a_key_of_the_same_name_on_another_token_is_no_key_of_this_message(void **state)
{
    pkcs11_kit *kit = *state;
    BULLA_AUTO(bulla_provider) *second = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    HSM_SET(tokens[1].is_there, true);
    hsm_key_add("app", 1)->token = 1;
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:serial=0001;object=app", &kit->key));
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:slot-id=1;object=app", &second));
    assert_ok(pkcs11_kit_wrap(kit));
    bulla_status status = bulla_provider_unwrap(second, &kit->call, kit->context, kit->wrapped, &dek);
    assert_status(status, BULLA_ENOKEY);
    assert_why(&kit->call, "serial number \"0001\"");
}

static void test_a_copy_of_the_token_opens_what_the_token_wrapped(void **state)
{
    pkcs11_kit *kit = *state;
    BULLA_AUTO(bulla_provider) *copy = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    HSM_SET(tokens[1].is_there, true);
    hsm_object *twin = hsm_key_add("app", 1);
    twin->token = 1;
    memcpy(twin->value, app_key()->value, sizeof twin->value);
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:serial=0001;object=app", &kit->key));
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:slot-id=1;object=app", &copy));
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(bulla_provider_unwrap(copy, &kit->call, kit->context, kit->wrapped, &dek));
}

static void test_keys_of_one_name_whose_ids_do_not_count_them_wrap_nothing(void **state)
{
    pkcs11_kit *kit = *state;
    (void)hsm_key_add("app", 1);
    pkcs11_kit_open(kit);
    assert_status(pkcs11_kit_wrap(kit), BULLA_ECONFIG);
    assert_why(&kit->call, "add id=");
}

static void test_each_request_is_in_the_latencies_of_its_token(void **state)
{
    pkcs11_kit *kit = *state;
    char *text = NULL;
    bulla_metrics *metrics = NULL;
    assert_ok(bulla_metrics_new(&kit->call, &metrics));
    assert_ok(bulla_kms_new(&kit->call, &kit->config, 1, metrics, &kit->kms));
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_ok(bulla_metrics_format(metrics, &kit->call, &text));
    assert_non_null(strstr(text, "_seconds_count{store=\"hsm\",endpoint=\"prod\",call=\"wrap\"} 1\n"));
    assert_non_null(strstr(text, "_seconds_count{store=\"hsm\",endpoint=\"prod\",call=\"unwrap\"} 2\n"));
    bulla_free(&kit->fake.env, text);
    bulla_metrics_unref(metrics);
}

/* --- listing --- */

static bulla_status count_key(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    (void)call;
    (void)address;
    (void)info;
    ++*(size_t *)arg;
    return BULLA_OK;
}

static void test_a_token_that_is_lost_under_a_list_gives_no_half_of_it(void **state)
{
    pkcs11_kit *kit = *state;
    size_t num_all = 0, num_again = 0, num_lost = 0;
    pkcs11_kit_open(kit);
    assert_ok(bulla_provider_list(kit->key, &kit->call, count_key, &num_all));
    hsm_fail(HSM_ATTRIBUTES, (hsm_fault){CKR_DEVICE_REMOVED, 1, 1, false});
    assert_ok(bulla_provider_list(kit->key, &kit->call, count_key, &num_again));
    hsm_fail(HSM_ATTRIBUTES, (hsm_fault){CKR_DEVICE_REMOVED, 1, HSM_ALWAYS, false});
    assert_status(bulla_provider_list(kit->key, &kit->call, count_key, &num_lost), BULLA_EUNAVAIL);
    assert_int_equal(num_all, 2);
    assert_int_equal(num_again, 2);
    assert_int_equal(num_lost, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pkcs11_kit_setup, pkcs11_kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_key_that_encrypts_seals_with_gcm_and_binds_the_context),
        TEST(test_a_key_that_wraps_wraps_an_inner_key_and_binds_the_context),
        TEST(test_a_token_without_gcm_encrypts_by_each_key_wrap),
        TEST(test_a_key_that_may_do_only_half_of_it_is_not_used),
        TEST(test_a_key_that_may_leave_the_token_is_warned_of_once),
        TEST(test_ivs_that_the_token_draws_are_stored_and_open_again),
        TEST(test_a_token_that_seals_under_an_iv_of_zeros_wraps_nothing),
        TEST(test_damage_is_damage_whatever_the_token_calls_it),
        TEST(test_damage_of_a_key_wrap_is_damage_whatever_the_token_calls_it),
        TEST(test_damage_is_seen_where_the_token_draws_the_ivs_and_has_no_further_session),
        TEST(test_an_error_that_passes_is_not_taken_for_damage),
        TEST(test_an_error_that_stays_is_an_outage_and_no_damage),
        TEST(test_two_tokens_of_one_label_are_told_apart_by_serial_or_not_at_all),
        TEST(test_a_key_of_the_same_name_on_another_token_is_no_key_of_this_message),
        TEST(test_a_copy_of_the_token_opens_what_the_token_wrapped),
        TEST(test_keys_of_one_name_whose_ids_do_not_count_them_wrap_nothing),
        TEST(test_each_request_is_in_the_latencies_of_its_token),
        TEST(test_a_token_that_is_lost_under_a_list_gives_no_half_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
