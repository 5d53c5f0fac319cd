/* SPDX-License-Identifier: Apache-2.0 */
/* Headers looked at and made again for other recipients, while the body stays. */
#include "message_kit.h"
#include "old_message.h"

#include "base/context.h"
#include "envelope/keys.h"
#include "envelope/opener.h"

#include <stdlib.h>
#include <string.h>

#define LEN 200u
#define FRAME 64u

static bulla_message *open_message(bulla_view bytes)
{
    bulla_message *message = NULL;
    memory_source memory = {.bytes = bytes, .step = 7};
    bulla_source source = memory_source_of(&memory);
    assert_ok(bulla_message_open(&kit.call, &source, &message));
    assert_int_equal(memory.at, kit_header_len(bytes)); /* not a byte of the body */
    return message;
}

static bulla_rewrap_options opened_by_ann(void)
{
    return (bulla_rewrap_options){.size = sizeof(bulla_rewrap_options), .open = kit.ann_only, .num_open = 1};
}

/* The old body behind the new header. */
static bulla_bytes rewrapped(bulla_view old, const bulla_rewrap_options *options)
{
    bulla_bytes header = {0};
    bulla_message *message = open_message(old);
    assert_ok(bulla_message_rewrap(message, &kit.call, options, &header));
    size_t old_len = bulla_message_info_get(message)->header_len, body_len = old.len - old_len;
    bulla_bytes out = {malloc(header.len + body_len), header.len + body_len, &kit.env};
    memcpy(out.data, header.data, header.len);
    memcpy(out.data + header.len, old.data + old_len, body_len);
    bulla_message_close(message);
    bulla_bytes_done(&header);
    return out;
}

static size_t count_recipients(bulla_view bytes)
{
    bulla_message *message = open_message(bytes);
    size_t num = bulla_message_info_get(message)->num_recipients;
    bulla_message_close(message);
    return num;
}

static void opens_with(bulla_provider *provider, bulla_view message)
{
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = &provider;
    kit_opens(&options, message, LEN);
}

static void fails_with(bulla_provider *provider, bulla_view message, bulla_status expected)
{
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = &provider;
    kit_fails(&options, message, expected);
}

static void test_a_message_tells_what_its_header_says(void **state)
{
    (void)state;
    bulla_bytes bytes = kit_message(LEN, FRAME);
    bulla_message *message = open_message(kit_view(bytes));
    const bulla_message_info *info = bulla_message_info_get(message);
    assert_int_equal(info->version, 2);
    assert_int_equal(info->suite, BULLA_SUITE_COMMIT);
    assert_string_equal(info->suite_name, "AES-256-GCM, HKDF-SHA-512, key commitment");
    assert_true(info->committing && info->framed && !info->is_signed);
    assert_int_equal(info->message_id.len, 32);
    assert_true(bulla_view_equal(bulla_context_bytes(info->context), bulla_context_bytes(kit.context)));
    assert_int_equal(info->num_recipients, 2);
    assert_true(bulla_view_is(info->recipients[1].info, "bob"));
    assert_int_equal(info->frame_len, FRAME);
    assert_int_equal(info->header_len, kit_header_len(kit_view(bytes)));
    bulla_message_close(message);
    bulla_bytes_done(&bytes);
}

static void test_a_header_cut_off_anywhere_ends_early(void **state)
{
    (void)state;
    bulla_bytes bytes = kit_message(LEN, FRAME);
    size_t header_len = kit_header_len(kit_view(bytes));
    for (size_t len = 0; len < header_len; len++) {
        bulla_message *message = NULL;
        memory_source memory = {.bytes = bulla_view_of(bytes.data, len), .step = 1000};
        bulla_source source = memory_source_of(&memory);
        assert_status(bulla_message_open(&kit.call, &source, &message), BULLA_EINTEGRITY);
        assert_null(message);
    }
    bulla_bytes_done(&bytes);
}

static void test_a_renewed_recipient_opens_and_the_others_stay(void **state)
{
    (void)state;
    bulla_bytes old = kit_message(LEN, FRAME);
    bulla_rewrap_options options = opened_by_ann();
    options.renew = kit.bob_only;
    options.num_renew = 1;
    bulla_bytes message = rewrapped(kit_view(old), &options);
    assert_int_equal(message.len, old.len);
    assert_memory_not_equal(message.data, old.data, kit_header_len(kit_view(old)));
    opens_with(&kit.ann.base, kit_view(message));
    opens_with(&kit.bob.base, kit_view(message));
    assert_int_equal(count_recipients(kit_view(message)), 2);
    bulla_bytes_done(&old);
    bulla_bytes_done(&message);
}

static void test_a_recipient_is_added_and_another_dropped(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    encrypt.num_recipients = 1;
    bulla_bytes old = kit_message_with(&encrypt, LEN);
    fails_with(&kit.bob.base, kit_view(old), BULLA_ENORECIPIENT);
    bulla_rewrap_options options = opened_by_ann();
    options.add = kit.bob_only;
    options.num_add = 1;
    options.drop = kit.ann_only;
    options.num_drop = 1;
    bulla_bytes message = rewrapped(kit_view(old), &options);
    assert_int_equal(count_recipients(kit_view(message)), 1);
    opens_with(&kit.bob.base, kit_view(message));
    fails_with(&kit.ann.base, kit_view(message), BULLA_ENORECIPIENT);
    bulla_bytes_done(&old);
    bulla_bytes_done(&message);
}

static void test_two_wrapped_keys_of_one_renewing_key_become_one(void **state)
{
    (void)state;
    bulla_provider *twice[] = {&kit.ann.base, &kit.ann.base, &kit.bob.base};
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    encrypt.recipients = twice;
    encrypt.num_recipients = 3;
    bulla_bytes old = kit_message_with(&encrypt, LEN);
    bulla_rewrap_options options = opened_by_ann();
    options.renew = kit.ann_only;
    options.num_renew = 1;
    bulla_bytes message = rewrapped(kit_view(old), &options);
    assert_int_equal(count_recipients(kit_view(old)), 3);
    assert_int_equal(count_recipients(kit_view(message)), 2);
    opens_with(&kit.ann.base, kit_view(message));
    opens_with(&kit.bob.base, kit_view(message));
    bulla_bytes_done(&old);
    bulla_bytes_done(&message);
}

static void rewrap_fails(bulla_view bytes, const bulla_rewrap_options *options, bulla_status expected)
{
    bulla_bytes header = {0};
    bulla_message *message = open_message(bytes);
    assert_status(bulla_message_rewrap(message, &kit.call, options, &header), expected);
    assert_null(header.data);
    bulla_message_close(message);
}

static void test_a_message_without_recipients_is_not_made(void **state)
{
    (void)state;
    bulla_bytes old = kit_message(LEN, FRAME);
    bulla_rewrap_options options = opened_by_ann();
    options.drop = kit.ann_bob;
    options.num_drop = 2;
    rewrap_fails(kit_view(old), &options, BULLA_EINVAL);
    bulla_bytes_done(&old);
}

static void test_an_altered_header_is_not_made_again(void **state)
{
    (void)state;
    bulla_bytes old = kit_message(LEN, FRAME);
    bulla_rewrap_options options = opened_by_ann();
    size_t header_len = kit_header_len(kit_view(old));
    old.data[header_len - 1] ^= 1; /* the tag */
    rewrap_fails(kit_view(old), &options, BULLA_EINTEGRITY);
    old.data[header_len - 1] ^= 1;
    old.data[header_len - 17] ^= 1; /* the commitment */
    rewrap_fails(kit_view(old), &options, BULLA_EINTEGRITY);
    old.data[header_len - 17] ^= 1;
    old.data[header_len - 49] ^= 1; /* the frame length */
    rewrap_fails(kit_view(old), &options, BULLA_EINTEGRITY);
    bulla_bytes_done(&old);
}

static void test_rewrapping_needs_a_key_that_opens(void **state)
{
    (void)state;
    bulla_bytes old = kit_message(LEN, FRAME);
    bulla_rewrap_options options = opened_by_ann();
    options.open = kit.eve_only;
    rewrap_fails(kit_view(old), &options, BULLA_EINTEGRITY);
    options.num_open = 0;
    rewrap_fails(kit_view(old), &options, BULLA_EINVAL);
    bulla_bytes_done(&old);
}

static void test_a_signed_message_is_not_rewrapped(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    encrypt.suite = BULLA_SUITE_COMMIT_SIGNED;
    bulla_bytes old = kit_message_with(&encrypt, LEN);
    bulla_rewrap_options options = opened_by_ann();
    rewrap_fails(kit_view(old), &options, BULLA_ESTATE);
    assert_non_null(strstr(kit.call.why, "encrypt it again"));
    bulla_bytes_done(&old);
}

static void test_a_message_of_version_1_is_not_rewrapped(void **state)
{
    (void)state;
    const old_message what = {0x0178, FRAME, LEN, false};
    bulla_bytes old = old_message_make(&what);
    bulla_rewrap_options options = opened_by_ann();
    rewrap_fails(kit_view(old), &options, BULLA_EUNSUPPORTED);
    bulla_bytes_done(&old);
}

static const bulla_pair tenant = {{(const uint8_t *)"tenant", 6}, {(const uint8_t *)"acme", 4}};

/* A message bound to purpose and tenant whose header writes the purpose alone (message-header.md, AAD; the required
 * encryption context CMM makes such). */
static bulla_bytes message_without_tenant(void)
{
    const bulla_keyring ann = {kit.ann_only, 1, NULL};
    const bulla_pair purpose = {bulla_view_text("purpose"), bulla_view_text("test")};
    BULLA_AUTO(bulla_binding) binding = {bulla_context_ref(kit.context), NULL};
    BULLA_AUTO(bulla_header) header = {0};
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_aead) *aead = NULL;
    BULLA_AUTO(bulla_buffer) fresh = {0};
    bulla_bytes whole = kit_message(LEN, FRAME);
    size_t need = 0;
    assert_ok(bulla_header_decode(&kit.call, kit_view(whole), &header, &need));
    assert_ok(bulla_header_unlock(&kit.call, &ann, &header, &binding, &dek, &aead));
    assert_ok(bulla_context_new(&kit.call, &tenant, 1, &binding.unwritten));
    bulla_context_unref(header.context);
    assert_ok(bulla_context_new(&kit.call, &purpose, 1, &header.context));
    assert_ok(bulla_header_write(&kit.call, &header, bulla_context_bytes(binding.unwritten), aead, &fresh));
    assert_true(fresh.len < header.len);
    memmove(whole.data + fresh.len, whole.data + header.len, whole.len - header.len);
    memcpy(whole.data, fresh.data, fresh.len);
    whole.len -= header.len - fresh.len;
    return whole;
}

static void test_a_pair_that_is_not_written_is_brought_along(void **state)
{
    (void)state;
    bulla_bytes old = message_without_tenant();
    bulla_decrypt_options decrypt = kit_decrypt_options();
    bulla_rewrap_options options = opened_by_ann();
    options.add = kit.bob_only;
    options.num_add = 1;
    options.require = &tenant;
    options.num_require = 1;
    bulla_bytes message = rewrapped(kit_view(old), &options);
    assert_int_equal(count_recipients(kit_view(message)), 3);
    decrypt.recipients = kit.bob_only;
    kit_fails(&decrypt, kit_view(message), BULLA_EINTEGRITY);
    decrypt.require = &tenant;
    decrypt.num_require = 1;
    kit_opens(&decrypt, kit_view(message), LEN);
    bulla_bytes_done(&old);
    bulla_bytes_done(&message);
}

static void test_a_pair_that_is_not_bound_is_refused(void **state)
{
    (void)state;
    const bulla_pair wrong[] = {{tenant.key, bulla_view_text("other")}, {bulla_view_text("colour"), tenant.value}};
    bulla_bytes unwritten = message_without_tenant(), written = kit_message(LEN, FRAME);
    bulla_rewrap_options options = opened_by_ann();
    rewrap_fails(kit_view(unwritten), &options, BULLA_EINTEGRITY); /* nobody brings it */
    options.num_require = 1;
    for (size_t i = 0; i < 2; i++) {
        options.require = &wrong[i];
        rewrap_fails(kit_view(unwritten), &options, BULLA_EINTEGRITY);
        rewrap_fails(kit_view(written), &options, BULLA_EINTEGRITY);
        assert_non_null(strstr(kit.call.why, "not bound to the required context"));
    }
    bulla_bytes_done(&unwritten);
    bulla_bytes_done(&written);
}

static void test_more_recipients_than_the_limit_are_not_made(void **state)
{
    (void)state;
    bulla_provider *many[BULLA_MAX_RECIPIENTS];
    for (size_t i = 0; i < BULLA_MAX_RECIPIENTS; i++)
        many[i] = &kit.bob.base;
    bulla_bytes old = kit_message(LEN, FRAME);
    bulla_rewrap_options options = opened_by_ann();
    options.add = many;
    options.num_add = BULLA_MAX_RECIPIENTS;
    rewrap_fails(kit_view(old), &options, BULLA_ELIMIT);
    options.num_add = BULLA_MAX_RECIPIENTS - 2;
    bulla_bytes message = rewrapped(kit_view(old), &options);
    assert_int_equal(count_recipients(kit_view(message)), BULLA_MAX_RECIPIENTS);
    bulla_bytes_done(&old);
    bulla_bytes_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_tells_what_its_header_says),
        cmocka_unit_test(test_a_header_cut_off_anywhere_ends_early),
        cmocka_unit_test(test_a_renewed_recipient_opens_and_the_others_stay),
        cmocka_unit_test(test_a_recipient_is_added_and_another_dropped),
        cmocka_unit_test(test_two_wrapped_keys_of_one_renewing_key_become_one),
        cmocka_unit_test(test_a_message_without_recipients_is_not_made),
        cmocka_unit_test(test_an_altered_header_is_not_made_again),
        cmocka_unit_test(test_rewrapping_needs_a_key_that_opens),
        cmocka_unit_test(test_a_signed_message_is_not_rewrapped),
        cmocka_unit_test(test_a_message_of_version_1_is_not_rewrapped),
        cmocka_unit_test(test_a_pair_that_is_not_written_is_brought_along),
        cmocka_unit_test(test_a_pair_that_is_not_bound_is_refused),
        cmocka_unit_test(test_more_recipients_than_the_limit_are_not_made),
    };
    return cmocka_run_group_tests(tests, kit_start, kit_stop);
}
