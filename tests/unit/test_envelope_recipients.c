/* SPDX-License-Identifier: Apache-2.0 */
/* Which key opens a message, why none does, and what the context has to say. */
#include "message_kit.h"
#include "old_message.h"

#include "base/context.h"
#include "envelope/frame.h"

#include <string.h>

#define FRAME 64u

static int fresh(void **state)
{
    (void)state;
    kit.ann.answer = kit.bob.answer = kit.eve.answer = BULLA_OK;
    kit.ann.dek_len = kit.bob.dek_len = kit.eve.dek_len = 0;
    return 0;
}

static void test_a_message_for_others_names_no_recipient(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    encrypt.recipients = kit.bob_only;
    encrypt.num_recipients = 1;
    bulla_bytes message = kit_message_with(&encrypt, 10);
    kit_fails(&options, kit_view(message), BULLA_ENORECIPIENT);
    bulla_bytes_done(&message);
}

static void test_another_key_of_the_same_name_fails_authentication(void **state)
{
    (void)state;
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = kit.eve_only;
    bulla_bytes message = kit_message(10, FRAME);
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
}

static void test_a_key_of_the_same_name_does_not_stand_in_the_way(void **state)
{
    (void)state;
    bulla_provider *both[] = {&kit.eve.base, &kit.bob.base};
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = both;
    options.num_recipients = 2;
    bulla_bytes message = kit_message(10, FRAME);
    kit_opens(&options, kit_view(message), 10);
    bulla_bytes_done(&message);
}

/* What ann and bob answer, and what the message's reader is told. */
static void test_the_cause_that_tells_most_is_reported(void **state)
{
    (void)state;
    static const struct {
        bulla_status ann, bob, told;
    } cases[] = {
        {BULLA_EDESTROYED, BULLA_EINTEGRITY, BULLA_EDESTROYED}, {BULLA_EINTEGRITY, BULLA_ESTATE, BULLA_ESTATE},
        {BULLA_EDESTROYED, BULLA_EUNAVAIL, BULLA_EUNAVAIL},     {BULLA_EUNAVAIL, BULLA_EINTEGRITY, BULLA_EUNAVAIL},
        {BULLA_ENOKEY, BULLA_EINTEGRITY, BULLA_EINTEGRITY},     {BULLA_ENOKEY, BULLA_ENOKEY, BULLA_ENORECIPIENT},
        {BULLA_EDESTROYED, BULLA_ESTATE, BULLA_EDESTROYED},     {BULLA_ECORRUPT, BULLA_EDESTROYED, BULLA_ECORRUPT},
        {BULLA_EUNAVAIL, BULLA_ETHROTTLED, BULLA_EUNAVAIL},     {BULLA_ENOKEY, BULLA_EDEADLINE, BULLA_EDEADLINE},
    };
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = kit.ann_bob;
    options.num_recipients = 2;
    bulla_bytes message = kit_message(10, FRAME);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kit.ann.answer = cases[i].ann;
        kit.bob.answer = cases[i].bob;
        kit_fails(&options, kit_view(message), cases[i].told);
        if (cases[i].told != BULLA_ENORECIPIENT) assert_non_null(strstr(kit.call.why, "was told to"));
    }
    kit.ann.answer = BULLA_EUNAVAIL;
    kit.bob.answer = BULLA_OK;
    kit_opens(&options, kit_view(message), 10);
    bulla_bytes_done(&message);
}

static void test_the_failing_provider_is_named(void **state)
{
    (void)state;
    bulla_decrypt_options options = kit_decrypt_options();
    bulla_bytes message = kit_message(10, FRAME);
    kit.ann.answer = BULLA_EUNAVAIL;
    kit_fails(&options, kit_view(message), BULLA_EUNAVAIL);
    assert_string_equal(kit.call.provider, "keyed");
    bulla_bytes_done(&message);
}

/* A certificate that ran out is as good as an outage here: the message is made, and bob is owed. */
static void test_a_store_that_cannot_show_who_it_is_is_owed_and_not_asked_twice(void **state)
{
    (void)state;
    static const char *const names[] = {"ann", "bob"};
    size_t num_owed = 0;
    bulla_provider *bob_twice[] = {&kit.bob.base, &kit.bob.base};
    bulla_decrypt_options decrypt = kit_decrypt_options();
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    encrypt.recipients = bob_twice;
    bulla_bytes message = kit_message_with(&encrypt, 10);
    kit.bob.answer = BULLA_EUNTRUSTED;
    decrypt.recipients = kit.bob_only;
    size_t before = kit.bob.num_unwraps;
    kit_fails(&decrypt, kit_view(message), BULLA_EUNTRUSTED);
    assert_int_equal(kit.bob.num_unwraps, before + 1);
    bulla_bytes_done(&message);
    encrypt.recipients = kit.ann_bob;
    encrypt.min_recipients = 1;
    encrypt.names = names;
    encrypt.num_owed = &num_owed;
    message = kit_message_with(&encrypt, 10);
    assert_int_equal(num_owed, 1);
    bulla_bytes_done(&message);
}

static void test_a_passed_deadline_asks_no_further_store(void **state)
{
    (void)state;
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = kit.ann_bob;
    options.num_recipients = 2;
    bulla_bytes message = kit_message(10, FRAME);
    size_t num_unwraps = kit.bob.num_unwraps;
    kit.ann.answer = BULLA_EDEADLINE;
    kit_fails(&options, kit_view(message), BULLA_EDEADLINE);
    assert_int_equal(kit.bob.num_unwraps, num_unwraps);
    bulla_bytes_done(&message);
}

/* Else whoever sends entries with forged RSA PKCS#1 v1.5 padding learns from the next entry which of them were good. */
static void test_a_data_key_of_another_length_fails_like_any_wrong_key(void **state)
{
    (void)state;
    static const size_t lens[] = {16, 24, 33, 64};
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = kit.ann_bob;
    options.num_recipients = 2;
    bulla_bytes message = kit_message(10, FRAME);
    for (size_t i = 0; i < BULLA_LEN(lens); i++) {
        size_t num_unwraps = kit.bob.num_unwraps;
        kit.ann.dek_len = lens[i];
        kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
        assert_non_null(strstr(kit.call.why, "commits to another data key"));
        assert_int_equal(kit.bob.num_unwraps, num_unwraps);
    }
    bulla_bytes_done(&message);
}

/* The commitment tells two data keys apart that would both pass for the message's. */
static void test_another_commitment_is_refused_before_anything_else(void **state)
{
    (void)state;
    bulla_decrypt_options options = kit_decrypt_options();
    bulla_bytes message = kit_message(10, FRAME);
    message.data[kit_header_len(kit_view(message)) - BULLA_TAG_LEN - 1] ^= 1;
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    assert_non_null(strstr(kit.call.why, "commits to another data key"));
    bulla_bytes_done(&message);
}

static void test_required_pairs_must_be_bound(void **state)
{
    (void)state;
    const bulla_pair right = {bulla_view_text("tenant"), bulla_view_text("acme")};
    const bulla_pair wrong = {bulla_view_text("tenant"), bulla_view_text("other")};
    const bulla_pair unknown = {bulla_view_text("colour"), bulla_view_text("red")};
    bulla_decrypt_options options = kit_decrypt_options();
    bulla_bytes message = kit_message(10, FRAME);
    options.num_require = 1;
    options.require = &right;
    kit_opens(&options, kit_view(message), 10);
    options.require = &wrong;
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    options.require = &unknown;
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    assert_non_null(strstr(kit.call.why, "colour=red"));
    kit.ann.answer = BULLA_EUNAVAIL; /* whether it is bound cannot be told now */
    kit_fails(&options, kit_view(message), BULLA_EUNAVAIL);
    bulla_bytes_done(&message);
}

static void test_a_reserved_key_in_an_unsigned_message_is_refused(void **state)
{
    (void)state;
    const bulla_pair pair = {bulla_view_text("aws-crypto-public-key"), bulla_view_text("x")};
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    bulla_context *context = NULL;
    assert_ok(bulla_context_new_reserved(&kit.call, &pair, 1, &context));
    encrypt.context = context;
    bulla_bytes message = kit_message_with(&encrypt, 10);
    kit_fails(&options, kit_view(message), BULLA_EFORMAT);
    bulla_bytes_done(&message);
    bulla_context_unref(context);
}

static void test_no_key_or_a_missing_one_is_the_callers_mistake(void **state)
{
    (void)state;
    bulla_provider *none[] = {NULL};
    bulla_decrypt_options options = kit_decrypt_options();
    bulla_bytes message = kit_message(10, FRAME);
    options.num_recipients = 0;
    kit_fails(&options, kit_view(message), BULLA_EINVAL);
    options.recipients = none;
    options.num_recipients = 1;
    kit_fails(&options, kit_view(message), BULLA_EINVAL);
    options.size = 0;
    kit_fails(&options, kit_view(message), BULLA_EINVAL);
    bulla_bytes_done(&message);
}

static void test_a_caller_built_with_shorter_options_gets_defaults(void **state)
{
    (void)state;
    bulla_decrypt_options options = kit_decrypt_options();
    const old_message what = {0x0178, FRAME, 10, false};
    bulla_bytes message = old_message_make(&what);
    options.legacy = true;
    options.size = offsetof(bulla_decrypt_options, legacy);
    kit_fails(&options, kit_view(message), BULLA_EUNSUPPORTED);
    bulla_bytes_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_message_for_others_names_no_recipient, fresh),
        cmocka_unit_test_setup(test_another_key_of_the_same_name_fails_authentication, fresh),
        cmocka_unit_test_setup(test_a_key_of_the_same_name_does_not_stand_in_the_way, fresh),
        cmocka_unit_test_setup(test_the_cause_that_tells_most_is_reported, fresh),
        cmocka_unit_test_setup(test_the_failing_provider_is_named, fresh),
        cmocka_unit_test_setup(test_a_store_that_cannot_show_who_it_is_is_owed_and_not_asked_twice, fresh),
        cmocka_unit_test_setup(test_a_passed_deadline_asks_no_further_store, fresh),
        cmocka_unit_test_setup(test_a_data_key_of_another_length_fails_like_any_wrong_key, fresh),
        cmocka_unit_test_setup(test_another_commitment_is_refused_before_anything_else, fresh),
        cmocka_unit_test_setup(test_required_pairs_must_be_bound, fresh),
        cmocka_unit_test_setup(test_a_reserved_key_in_an_unsigned_message_is_refused, fresh),
        cmocka_unit_test_setup(test_no_key_or_a_missing_one_is_the_callers_mistake, fresh),
        cmocka_unit_test_setup(test_a_caller_built_with_shorter_options_gets_defaults, fresh),
    };
    return cmocka_run_group_tests(tests, kit_start, kit_stop);
}
