/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a token makes: how, and never one too many, whatever becomes of the answer. */
#include "pkcs11_kit.h"
#include "provider/wrappers.h"

static const bulla_wrapper_site site = {"store=\"hsm\"", NULL};

/* A key "new", which is not there, with the retries of the stack around it where `retries`. */
static void new_open(pkcs11_kit *kit, bool retries)
{
    BULLA_AUTO(bulla_provider) *bare = NULL;
    const bulla_retry_options options = {.budget_percent = 100};
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:token=prod;object=new", &bare));
    if (!retries) kit->key = BULLA_TAKE(bare);
    if (retries) assert_ok(bulla_retry_new(&kit->call, bare, &options, &site, &kit->key));
}

static void app_open(pkcs11_kit *kit, bool retries)
{
    BULLA_AUTO(bulla_provider) *bare = NULL;
    const bulla_retry_options options = {.budget_percent = 100};
    assert_ok(pkcs11_kit_open_at(kit, PKCS11_KEY, &bare));
    if (!retries) kit->key = BULLA_TAKE(bare);
    if (retries) assert_ok(bulla_retry_new(&kit->call, bare, &options, &site, &kit->key));
}

static const hsm_object *object_of(const char *label)
{
    for (size_t i = 0; i < HSM_OBJECTS; i++) {
        const hsm_object *object = &hsm->objects[i];
        if (object->is_there && object->label_len == strlen(label) &&
            memcmp(object->label, label, object->label_len) == 0)
            return object;
    }
    fail_msg("there is no \"%s\"", label);
    return NULL;
}

static const CK_RV losses[] = {CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID, CKR_GENERAL_ERROR, CKR_FUNCTION_CANCELED,
                               CKR_VENDOR_DEFINED | 1};

/* --- create --- */

static void test_a_key_that_is_made_stays_on_the_token_and_can_do_no_more_than_it_must(void **state)
{
    pkcs11_kit *kit = *state;
    new_open(kit, false);
    assert_status(pkcs11_kit_wrap(kit), BULLA_ENOKEY);
    assert_ok(bulla_provider_create(kit->key, &kit->call));
    const hsm_object *made = object_of("new");
    assert_true(made->session == 0 && made->is_sensitive && made->is_private && !made->is_extractable);
    assert_true(made->encrypts && made->decrypts && !made->wraps && !made->unwraps);
    assert_int_equal(made->value_len, 32);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_status(bulla_provider_create(kit->key, &kit->call), BULLA_EEXISTS);
}

static void test_a_token_with_nothing_but_key_wrap_makes_keys_that_only_wrap(void **state)
{
    pkcs11_kit *kit = *state;
    hsm->flags[0] = 0;
    hsm->flags[1] = CKF_WRAP | CKF_UNWRAP;
    hsm->flags[2] = hsm->flags[3] = 0;
    new_open(kit, false);
    assert_ok(bulla_provider_create(kit->key, &kit->call));
    const hsm_object *made = object_of("new");
    assert_true(!made->encrypts && !made->decrypts && made->wraps && made->unwraps);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(pkcs11_kit_unwrap(kit));
}

static void test_a_create_whose_answer_is_lost_is_unsure_and_not_done_again(void **state)
{
    pkcs11_kit *kit = *state;
    new_open(kit, false);
    for (size_t i = 0; i < BULLA_LEN(losses); i++) {
        size_t before = hsm_count(HSM_GENERATE);
        hsm_fail(HSM_GENERATE, (hsm_fault){losses[i], 0, 1, true});
        assert_status(bulla_provider_create(kit->key, &kit->call), BULLA_EUNKNOWN);
        assert_why(&kit->call, "may have made a key");
        assert_int_equal(hsm_count(HSM_GENERATE), before + 1);
        assert_int_equal(hsm_key_count("new"), 1);
        HSM_SET(objects[object_of("new") - hsm->objects].is_there, false);
    }
}

static void test_a_create_that_is_unsure_is_looked_up_and_found(void **state)
{
    pkcs11_kit *kit = *state;
    new_open(kit, true);
    hsm_fail(HSM_GENERATE, (hsm_fault){CKR_DEVICE_REMOVED, 0, HSM_ALWAYS, true});
    assert_ok(bulla_provider_create(kit->key, &kit->call));
    assert_int_equal(hsm_count(HSM_GENERATE), 1);
    assert_int_equal(hsm_key_count("new"), 1);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(pkcs11_kit_unwrap(kit));
}

static void test_a_create_that_did_not_happen_is_put_again_after_a_look(void **state)
{
    pkcs11_kit *kit = *state;
    new_open(kit, true);
    hsm_fail(HSM_GENERATE, (hsm_fault){CKR_DEVICE_REMOVED, 0, 1, false});
    size_t before = hsm_count(HSM_FIND);
    assert_ok(bulla_provider_create(kit->key, &kit->call));
    assert_int_equal(hsm_count(HSM_GENERATE), 2);
    assert_true(hsm_count(HSM_FIND) > before);
    assert_int_equal(hsm_key_count("new"), 1);
}

static void test_a_key_that_was_made_and_cannot_be_looked_at_is_unsure_and_not_made_again(void **state)
{
    pkcs11_kit *kit = *state;
    new_open(kit, false);
    hsm_fail(HSM_FIND, (hsm_fault){CKR_DEVICE_REMOVED, 6, HSM_ALWAYS, false}); /* the looks before it take six calls */
    assert_status(bulla_provider_create(kit->key, &kit->call), BULLA_EUNKNOWN);
    assert_why(&kit->call, "made a key, and then was lost");
    assert_int_equal(hsm_count(HSM_GENERATE), 1);
    assert_int_equal(hsm_key_count("new"), 1);
    hsm_fail(HSM_FIND, (hsm_fault){0});
    assert_status(bulla_provider_create(kit->key, &kit->call), BULLA_EEXISTS);
}

static void test_a_refusal_to_make_a_key_is_no_matter_of_doubt(void **state)
{
    pkcs11_kit *kit = *state;
    new_open(kit, true);
    hsm_fail(HSM_GENERATE, (hsm_fault){CKR_TOKEN_WRITE_PROTECTED, 0, HSM_ALWAYS, false});
    assert_status(bulla_provider_create(kit->key, &kit->call), BULLA_EAUTHZ);
    assert_int_equal(hsm_count(HSM_GENERATE), 1);
}

static void test_of_two_that_make_a_key_at_the_same_time_none_leaves_one(void **state)
{
    pkcs11_kit *kit = *state;
    new_open(kit, false);
    hsm->makes_twins = true;
    assert_status(bulla_provider_create(kit->key, &kit->call), BULLA_EBUSY);
    assert_int_equal(hsm_key_count("new"), 1); /* the other's, who does the same */
    assert_int_equal(hsm_count(HSM_DESTROY), 1);
}

/* --- rotate --- */

static void test_a_rotation_makes_the_next_version_and_the_old_one_still_opens(void **state)
{
    pkcs11_kit *kit = *state;
    uint32_t version = 0;
    app_open(kit, false);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(bulla_provider_rotate(kit->key, &kit->call, &version));
    assert_int_equal(version, 2);
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_ok(pkcs11_kit_wrap(kit));
    assert_true(bulla_view_is(kit->wrapped->info, "serial=0001;object=app;id=%02"));
    assert_ok(pkcs11_kit_unwrap(kit));
}

static void test_a_rotation_whose_answer_is_lost_is_unsure_and_makes_one_version(void **state)
{
    pkcs11_kit *kit = *state;
    uint32_t version = 0;
    app_open(kit, false);
    for (size_t i = 0; i < BULLA_LEN(losses); i++) {
        hsm_fail(HSM_GENERATE, (hsm_fault){losses[i], 0, 1, true});
        assert_status(bulla_provider_rotate(kit->key, &kit->call, &version), BULLA_EUNKNOWN);
        assert_int_equal(hsm_count(HSM_GENERATE), i + 1);
        assert_int_equal(hsm_key_count("app"), i + 2);
    }
    assert_int_equal(version, 0);
}

static void test_a_rotation_that_is_unsure_is_looked_up_and_found(void **state)
{
    pkcs11_kit *kit = *state;
    uint32_t version = 0;
    app_open(kit, true);
    hsm_fail(HSM_GENERATE, (hsm_fault){CKR_DEVICE_REMOVED, 0, HSM_ALWAYS, true});
    assert_ok(bulla_provider_rotate(kit->key, &kit->call, &version));
    assert_int_equal(version, 2);
    assert_int_equal(hsm_count(HSM_GENERATE), 1);
    assert_int_equal(hsm_key_count("app"), 2);
}

static void test_a_key_of_as_many_versions_as_can_be_is_not_rotated_and_works_on(void **state)
{
    pkcs11_kit *kit = *state;
    uint32_t version = 0;
    for (uint8_t id = 2; id <= 64; id++)
        (void)hsm_key_add("app", id);
    app_open(kit, false);
    assert_status(bulla_provider_rotate(kit->key, &kit->call, &version), BULLA_ELIMIT);
    assert_why(&kit->call, "64 versions");
    assert_int_equal(hsm_count(HSM_GENERATE), 0);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(pkcs11_kit_unwrap(kit));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pkcs11_kit_setup, pkcs11_kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_key_that_is_made_stays_on_the_token_and_can_do_no_more_than_it_must),
        TEST(test_a_token_with_nothing_but_key_wrap_makes_keys_that_only_wrap),
        TEST(test_a_create_whose_answer_is_lost_is_unsure_and_not_done_again),
        TEST(test_a_create_that_is_unsure_is_looked_up_and_found),
        TEST(test_a_create_that_did_not_happen_is_put_again_after_a_look),
        TEST(test_a_key_that_was_made_and_cannot_be_looked_at_is_unsure_and_not_made_again),
        TEST(test_a_refusal_to_make_a_key_is_no_matter_of_doubt),
        TEST(test_of_two_that_make_a_key_at_the_same_time_none_leaves_one),
        TEST(test_a_rotation_makes_the_next_version_and_the_old_one_still_opens),
        TEST(test_a_rotation_whose_answer_is_lost_is_unsure_and_makes_one_version),
        TEST(test_a_rotation_that_is_unsure_is_looked_up_and_found),
        TEST(test_a_key_of_as_many_versions_as_can_be_is_not_rotated_and_works_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
