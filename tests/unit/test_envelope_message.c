/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in memory: what opens, what does not, and what the reason is. */
#include "message_kit.h"

#include "envelope/frame.h"

#include <stdlib.h>
#include <string.h>

#define FRAME 64u

static void test_every_length_around_frames_comes_back(void **state)
{
    (void)state;
    bulla_decrypt_options options = kit_decrypt_options();
    for (size_t len = 0; len <= 3 * FRAME + 1; len++) {
        bulla_bytes message = kit_message(len, FRAME);
        size_t expected = kit_header_len(kit_view(message)) + len + len / FRAME * BULLA_FRAME_OVERHEAD;
        assert_int_equal(message.len, expected + BULLA_FINAL_OVERHEAD);
        kit_opens(&options, kit_view(message), len);
        bulla_bytes_done(&message);
    }
}

static void test_frame_lengths_from_one_byte_to_a_mebibyte_work(void **state)
{
    (void)state;
    static const uint32_t lens[] = {0, 1, 2, 15, 16, 17, 4096, 65536, 1u << 20, BULLA_MAX_FRAME};
    bulla_decrypt_options options = kit_decrypt_options();
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        size_t len = lens[i] < 4096 && lens[i] != 0 ? 300 : 100000;
        bulla_bytes message = kit_message(len, lens[i]);
        kit_opens(&options, kit_view(message), len);
        bulla_bytes_done(&message);
    }
}

static void test_any_recipient_opens_a_message(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(100, FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    kit_opens(&options, kit_view(message), 100);
    options.recipients = kit.bob_only;
    kit_opens(&options, kit_view(message), 100);
    options.recipients = kit.ann_bob;
    options.num_recipients = 2;
    kit_opens(&options, kit_view(message), 100);
    bulla_bytes_done(&message);
}

static void test_a_signed_message_opens(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    encrypt.suite = BULLA_SUITE_COMMIT_SIGNED;
    for (size_t len = 0; len <= 2 * FRAME; len += FRAME / 2) {
        bulla_bytes message = kit_message_with(&encrypt, len);
        kit_opens(&options, kit_view(message), len);
        bulla_bytes_done(&message);
    }
}

static void test_a_message_without_context_opens(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    encrypt.context = NULL;
    bulla_bytes message = kit_message_with(&encrypt, 10);
    kit_opens(&options, kit_view(message), 10);
    bulla_bytes_done(&message);
}

/* Every byte of it, one after the other. */
static void alter_everywhere(bulla_bytes message)
{
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = kit.ann_bob; /* so that a change of one wrapped key is not passed over */
    for (size_t i = 0; i < message.len; i++) {
        bulla_bytes plaintext = {0};
        message.data[i] ^= 0x01;
        bulla_status status = bulla_decrypt(&kit.call, &options, kit_view(message), &plaintext);
        if (status == BULLA_OK) fail_msg("a change of byte %zu was not noticed", i);
        assert_null(plaintext.data);
        if (status != BULLA_EINTEGRITY && status != BULLA_EFORMAT && status != BULLA_EUNSUPPORTED &&
            status != BULLA_ELIMIT && status != BULLA_ENORECIPIENT)
            fail_msg("a change of byte %zu is %s", i, bulla_status_name(status));
        message.data[i] ^= 0x01;
    }
    kit_opens(&options, kit_view(message), 150);
}

static void test_a_change_of_any_byte_is_noticed(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(150, FRAME);
    alter_everywhere(message);
    bulla_bytes_done(&message);
}

static void test_a_change_of_any_byte_of_a_signed_message_is_noticed(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    encrypt.suite = BULLA_SUITE_COMMIT_SIGNED;
    bulla_bytes message = kit_message_with(&encrypt, 150);
    alter_everywhere(message);
    bulla_bytes_done(&message);
}

static void truncate_everywhere(bulla_bytes message)
{
    bulla_decrypt_options options = kit_decrypt_options();
    for (size_t len = 0; len < message.len; len++) {
        uint8_t *exact = malloc(len == 0 ? 1 : len); /* so that a read past the end shows */
        bulla_copy(exact, message.data, len);
        kit_fails(&options, bulla_view_of(exact, len), BULLA_EINTEGRITY);
        assert_non_null(strstr(kit.call.why, "ends early"));
        free(exact);
    }
}

static void test_a_message_cut_off_anywhere_ends_early(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(2 * FRAME, FRAME);
    truncate_everywhere(message);
    bulla_bytes_done(&message);
}

static void test_a_signed_message_cut_off_anywhere_ends_early(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    encrypt.suite = BULLA_SUITE_COMMIT_SIGNED;
    bulla_bytes message = kit_message_with(&encrypt, FRAME + 1);
    truncate_everywhere(message);
    bulla_bytes_done(&message);
}

static void trail(bulla_bytes message)
{
    bulla_decrypt_options options = kit_decrypt_options();
    uint8_t *longer = malloc(message.len + 1);
    memcpy(longer, message.data, message.len);
    longer[message.len] = 0;
    kit_fails(&options, bulla_view_of(longer, message.len + 1), BULLA_EFORMAT);
    assert_non_null(strstr(kit.call.why, "more bytes follow"));
    free(longer);
}

static void test_bytes_behind_the_end_are_refused(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    bulla_bytes message = kit_message(10, FRAME);
    trail(message);
    bulla_bytes_done(&message);
    encrypt.suite = BULLA_SUITE_COMMIT_SIGNED;
    message = kit_message_with(&encrypt, 10);
    trail(message);
    bulla_bytes_done(&message);
}

static void test_two_frames_that_changed_places_are_refused(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(3 * FRAME, FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    uint8_t first[FRAME + BULLA_FRAME_OVERHEAD];
    uint8_t *at = message.data + kit_header_len(kit_view(message));
    memcpy(first, at, sizeof first);
    memcpy(at, at + sizeof first, sizeof first);
    memcpy(at + sizeof first, first, sizeof first);
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    assert_non_null(strstr(kit.call.why, "out of order"));
    bulla_bytes_done(&message);
}

static void test_a_frame_left_out_is_noticed(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(3 * FRAME, FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    size_t size = FRAME + BULLA_FRAME_OVERHEAD, at = kit_header_len(kit_view(message)) + size;
    memmove(message.data + at, message.data + at + size, message.len - at - size);
    kit_fails(&options, bulla_view_of(message.data, message.len - size), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
}

static void test_a_frame_of_another_message_is_refused(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(3 * FRAME, FRAME), other = kit_message(3 * FRAME, FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    size_t at = kit_header_len(kit_view(message));
    memcpy(message.data + at, other.data + at, FRAME + BULLA_FRAME_OVERHEAD);
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
    bulla_bytes_done(&other);
}

static void test_a_body_of_another_message_is_refused(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(FRAME, FRAME), other = kit_message(FRAME, FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    size_t at = kit_header_len(kit_view(message));
    memcpy(message.data + at, other.data + at, message.len - at);
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
    bulla_bytes_done(&other);
}

/* The last regular frame made to look like the end: a truncation in disguise. */
static void test_a_regular_frame_does_not_pass_as_the_final_one(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(2 * FRAME, FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    size_t size = FRAME + BULLA_FRAME_OVERHEAD, at = kit_header_len(kit_view(message)) + size;
    memmove(message.data + at + 8, message.data + at, size);
    memmove(message.data + at + 4, message.data + at + 8, 16);
    memset(message.data + at, 0xFF, 4);
    bulla_put_u32(message.data + at + 20, FRAME);
    kit_fails(&options, bulla_view_of(message.data, at + size + 8), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
}

static void test_base64_gets_a_hint(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(10, FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    char *text = malloc(4 * ((message.len + 2) / 3) + 1);
    bulla_base64_encode(kit_view(message), text);
    kit_fails(&options, bulla_view_text(text), BULLA_EFORMAT);
    assert_non_null(strstr(kit.call.why, "base64"));
    free(text);
    bulla_bytes_done(&message);
}

static void test_options_out_of_range_are_refused(void **state)
{
    (void)state;
    bulla_bytes message = {0};
    bulla_encrypt_options options = kit_encrypt_options(0);
    options.num_recipients = 0;
    assert_status(bulla_encrypt(&kit.call, &options, kit_text(1), &message), BULLA_EINVAL);
    options = kit_encrypt_options(BULLA_MAX_FRAME + 1);
    assert_status(bulla_encrypt(&kit.call, &options, kit_text(1), &message), BULLA_ELIMIT);
    options = kit_encrypt_options(0);
    options.suite = 0x0378;
    assert_status(bulla_encrypt(&kit.call, &options, kit_text(1), &message), BULLA_EUNSUPPORTED);
    options = kit_encrypt_options(0);
    options.size = 0;
    assert_status(bulla_encrypt(&kit.call, &options, kit_text(1), &message), BULLA_EINVAL);
    assert_null(message.data);
}

static void test_more_recipients_than_the_limit_are_refused(void **state)
{
    (void)state;
    bulla_provider *many[BULLA_MAX_RECIPIENTS + 1];
    for (size_t i = 0; i < BULLA_MAX_RECIPIENTS + 1; i++)
        many[i] = &kit.ann.base;
    bulla_encrypt_options options = kit_encrypt_options(0);
    options.recipients = many;
    options.num_recipients = BULLA_MAX_RECIPIENTS + 1;
    bulla_bytes message = {0};
    assert_status(bulla_encrypt(&kit.call, &options, kit_text(1), &message), BULLA_ELIMIT);
    options.num_recipients = BULLA_MAX_RECIPIENTS;
    message = kit_message_with(&options, 5);
    bulla_decrypt_options decrypt = kit_decrypt_options();
    kit_opens(&decrypt, kit_view(message), 5);
    bulla_bytes_done(&message);
}

/* --- no memory --- */

static size_t allocs_left;

static void *scarce_alloc(void *arg, size_t len)
{
    (void)arg;
    if (allocs_left == 0) return NULL;
    allocs_left--;
    return malloc(len);
}

static bulla_status there_and_back(bulla_call *call, const bulla_encrypt_options *encrypt, size_t len)
{
    const bulla_decrypt_options decrypt = kit_decrypt_options();
    bulla_bytes message = {0}, plaintext = {0};
    bulla_status status = bulla_encrypt(call, encrypt, kit_text(len), &message);
    if (status == BULLA_OK) status = bulla_decrypt(call, &decrypt, kit_view(message), &plaintext);
    assert_true((status == BULLA_OK) == (plaintext.data != NULL));
    bulla_bytes_done(&message);
    bulla_bytes_done(&plaintext);
    return status;
}

static void test_wherever_memory_ends_it_is_told_and_nothing_leaks(void **state)
{
    (void)state;
    bulla_call call;
    bulla_env env = kit.env;
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    size_t num_failures = 0;
    env.alloc = scarce_alloc;
    options.suite = BULLA_SUITE_COMMIT_SIGNED;
    for (bulla_status status = BULLA_ENOMEM; status != BULLA_OK; num_failures++) {
        bulla_call_init(&call, &env);
        allocs_left = num_failures;
        status = there_and_back(&call, &options, 100);
        if (status != BULLA_OK) assert_status(status, BULLA_ENOMEM);
        assert_true(num_failures < 1000);
    }
    assert_true(num_failures > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length_around_frames_comes_back),
        cmocka_unit_test(test_frame_lengths_from_one_byte_to_a_mebibyte_work),
        cmocka_unit_test(test_any_recipient_opens_a_message),
        cmocka_unit_test(test_a_signed_message_opens),
        cmocka_unit_test(test_a_message_without_context_opens),
        cmocka_unit_test(test_a_change_of_any_byte_is_noticed),
        cmocka_unit_test(test_a_change_of_any_byte_of_a_signed_message_is_noticed),
        cmocka_unit_test(test_a_message_cut_off_anywhere_ends_early),
        cmocka_unit_test(test_a_signed_message_cut_off_anywhere_ends_early),
        cmocka_unit_test(test_bytes_behind_the_end_are_refused),
        cmocka_unit_test(test_two_frames_that_changed_places_are_refused),
        cmocka_unit_test(test_a_frame_left_out_is_noticed),
        cmocka_unit_test(test_a_frame_of_another_message_is_refused),
        cmocka_unit_test(test_a_body_of_another_message_is_refused),
        cmocka_unit_test(test_a_regular_frame_does_not_pass_as_the_final_one),
        cmocka_unit_test(test_base64_gets_a_hint),
        cmocka_unit_test(test_options_out_of_range_are_refused),
        cmocka_unit_test(test_more_recipients_than_the_limit_are_refused),
        cmocka_unit_test(test_wherever_memory_ends_it_is_told_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, kit_start, kit_stop);
}
