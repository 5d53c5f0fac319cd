/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that Bulla does not write but reads when asked to. */
#include "old_message.h"

#include <string.h>

static const uint16_t suites[] = {0x0014, 0x0046, 0x0078, 0x0114, 0x0146, 0x0178, 0x0214, 0x0346, 0x0378};
#define NUM_SUITES (sizeof suites / sizeof suites[0])

static bulla_decrypt_options legacy(void)
{
    bulla_decrypt_options options = kit_decrypt_options();
    options.legacy = true;
    return options;
}

static void test_every_suite_of_version_1_opens_framed_and_whole(void **state)
{
    (void)state;
    bulla_decrypt_options options = legacy();
    for (size_t i = 0; i < NUM_SUITES; i++)
        for (uint32_t frame_len = 0; frame_len <= 64; frame_len += 64)
            for (size_t len = 0; len <= 192; len += 32) {
                const old_message what = {suites[i], frame_len, len, false};
                bulla_bytes message = old_message_make(&what);
                kit_opens(&options, kit_view(message), len);
                bulla_bytes_done(&message);
            }
}

static void test_version_1_is_refused_unless_asked_for(void **state)
{
    (void)state;
    bulla_decrypt_options options = kit_decrypt_options();
    for (size_t i = 0; i < NUM_SUITES; i++) {
        const old_message what = {suites[i], 64, 100, false};
        bulla_bytes message = old_message_make(&what);
        size_t num_unwraps = kit.ann.num_unwraps;
        kit_fails(&options, kit_view(message), BULLA_EUNSUPPORTED);
        assert_non_null(strstr(kit.call.why, "--legacy"));
        assert_int_equal(kit.ann.num_unwraps, num_unwraps); /* the store was not even asked */
        bulla_bytes_done(&message);
    }
}

static void test_frames_with_ivs_of_their_own_open_in_version_1_only(void **state)
{
    (void)state;
    bulla_decrypt_options options = legacy();
    const old_message what = {0x0178, 64, 200, true};
    bulla_bytes message = old_message_make(&what);
    kit_opens(&options, kit_view(message), 200);
    bulla_bytes_done(&message);
    message = kit_message(200, 64);
    message.data[kit_header_len(kit_view(message)) + 4] ^= 1; /* the first byte of the first IV */
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    assert_non_null(strstr(kit.call.why, "IV"));
    bulla_bytes_done(&message);
}

static void test_a_change_of_any_byte_of_an_old_message_is_noticed(void **state)
{
    (void)state;
    bulla_decrypt_options options = legacy();
    for (uint32_t frame_len = 0; frame_len <= 64; frame_len += 64) {
        const old_message what = {0x0378, frame_len, 100, false};
        bulla_bytes message = old_message_make(&what);
        for (size_t i = 0; i < message.len; i++) {
            bulla_bytes plaintext = {0};
            message.data[i] ^= 0x01;
            if (bulla_decrypt(&kit.call, &options, kit_view(message), &plaintext) == BULLA_OK)
                fail_msg("a change of byte %zu was not noticed", i);
            assert_null(plaintext.data);
            message.data[i] ^= 0x01;
        }
        bulla_bytes_done(&message);
    }
}

static void test_an_old_message_cut_off_anywhere_ends_early(void **state)
{
    (void)state;
    bulla_decrypt_options options = legacy();
    for (uint32_t frame_len = 0; frame_len <= 64; frame_len += 64) {
        const old_message what = {0x0178, frame_len, 100, false};
        bulla_bytes message = old_message_make(&what);
        for (size_t len = 0; len < message.len; len++)
            kit_fails(&options, bulla_view_of(message.data, len), BULLA_EINTEGRITY);
        bulla_bytes_done(&message);
    }
}

/* One byte at a time, so that a plaintext let out too soon would be seen. */
static void test_a_whole_body_is_released_only_after_its_tag(void **state)
{
    (void)state;
    uint8_t out[200];
    size_t consumed = 0, len = 0, total = 0;
    bulla_stream *stream = NULL;
    bulla_decrypt_options options = legacy();
    const old_message what = {0x0178, 0, 100, false};
    bulla_bytes message = old_message_make(&what);
    assert_ok(bulla_decrypt_open(&kit.call, &options, &stream));
    for (size_t i = 0; i < message.len; i++) {
        bulla_view byte = bulla_view_of(message.data + i, 1);
        assert_int_equal(total, 0);
        assert_ok(bulla_stream_write(stream, &kit.call, byte, &consumed, out, sizeof out, &len));
        total += len;
    }
    if (total == 0) {
        bool done = false;
        assert_ok(bulla_stream_finish(stream, &kit.call, out, sizeof out, &total, &done));
        assert_true(done);
    }
    assert_int_equal(total, 100);
    bulla_stream_close(stream);
    bulla_bytes_done(&message);
}

static void test_a_whole_body_over_the_limit_is_refused(void **state)
{
    (void)state;
    bulla_decrypt_options options = legacy();
    const old_message what = {0x0178, 0, 100, false};
    bulla_bytes message = old_message_make(&what);
    uint8_t *len = message.data + kit_header_len(kit_view(message)) + 12;
    bulla_put_u64(len, BULLA_MAX_FRAME + 1);
    kit_fails(&options, kit_view(message), BULLA_ELIMIT);
    bulla_put_u64(len, UINT64_MAX);
    kit_fails(&options, kit_view(message), BULLA_ELIMIT);
    bulla_put_u64(len, 99);
    kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
}

typedef struct sunk_bytes {
    uint8_t bytes[8192];
    size_t len;
} sunk_bytes;

static bulla_status sunk_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    (void)call;
    sunk_bytes *sunk = arg;
    memcpy(sunk->bytes + offset, bytes.data, bytes.len);
    sunk->len = (size_t)offset + bytes.len;
    return BULLA_OK;
}

static void test_old_messages_are_copied(void **state)
{
    (void)state;
    static sunk_bytes sunk;
    bulla_decrypt_options options = legacy();
    options.threads = 2;
    options.release_signed = true;
    for (size_t i = 0; i < NUM_SUITES; i++)
        for (uint32_t frame_len = 0; frame_len <= 64; frame_len += 64) {
            const old_message what = {suites[i], frame_len, 5000, false};
            bulla_bytes message = old_message_make(&what);
            memory_source memory = {.bytes = kit_view(message), .step = 1000};
            bulla_source source = memory_source_of(&memory);
            const bulla_sink sink = {sunk_write, &sunk, false};
            assert_ok(bulla_decrypt_copy(&kit.call, &options, &source, &sink));
            assert_int_equal(sunk.len, 5000);
            assert_memory_equal(sunk.bytes, kit.plaintext, 5000);
            bulla_bytes_done(&message);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_suite_of_version_1_opens_framed_and_whole),
        cmocka_unit_test(test_version_1_is_refused_unless_asked_for),
        cmocka_unit_test(test_frames_with_ivs_of_their_own_open_in_version_1_only),
        cmocka_unit_test(test_a_change_of_any_byte_of_an_old_message_is_noticed),
        cmocka_unit_test(test_an_old_message_cut_off_anywhere_ends_early),
        cmocka_unit_test(test_a_whole_body_is_released_only_after_its_tag),
        cmocka_unit_test(test_a_whole_body_over_the_limit_is_refused),
        cmocka_unit_test(test_old_messages_are_copied),
    };
    return cmocka_run_group_tests(tests, kit_start, kit_stop);
}
