/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, pushed and pulled, in steps of every size. */
#include "message_kit.h"

#include "base/context.h"

#include <stdlib.h>
#include <string.h>

#define FRAME 64u
#define OUT_MAX (1u << 20)

/* How a test pushes: bytes offered and room given at a time. */
typedef struct step_sizes {
    size_t in, out;
} step_sizes;

static const step_sizes all_steps[] = {{1, 1},         {1, 1000}, {1000, 1},         {7, 5},
                                       {FRAME, FRAME}, {95, 97},  {OUT_MAX, OUT_MAX}};
#define NUM_STEPS (sizeof all_steps / sizeof all_steps[0])

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Pushes `in` through and returns what came; the status of the first call that fails in *out_status. */
static size_t push_all(bulla_stream *stream, bulla_view in, step_sizes steps, uint8_t *out, bulla_status *out_status)
{
    size_t at = 0, total = 0, consumed = 0, produced = 0;
    bool done = false;
    *out_status = BULLA_OK;
    while (at < in.len) {
        bulla_view piece = bulla_view_of(in.data + at, min(steps.in, in.len - at));
        *out_status = bulla_stream_write(stream, &kit.call, piece, &consumed, out + total,
                                         min(steps.out, OUT_MAX - total), &produced);
        if (*out_status != BULLA_OK) return total;
        assert_true(consumed + produced != 0);
        at += consumed;
        total += produced;
    }
    while (!done) {
        *out_status =
            bulla_stream_finish(stream, &kit.call, out + total, min(steps.out, OUT_MAX - total), &produced, &done);
        if (*out_status != BULLA_OK) return total;
        total += produced;
    }
    return total;
}

static bulla_stream *encrypting(uint32_t frame_len, uint16_t suite)
{
    bulla_stream *stream = NULL;
    bulla_encrypt_options options = kit_encrypt_options(frame_len);
    options.suite = suite;
    assert_ok(bulla_encrypt_open(&kit.call, &options, &stream));
    return stream;
}

static bulla_stream *decrypting(bool release_signed)
{
    bulla_stream *stream = NULL;
    bulla_decrypt_options options = kit_decrypt_options();
    options.release_signed = release_signed;
    assert_ok(bulla_decrypt_open(&kit.call, &options, &stream));
    return stream;
}

static void test_pushing_in_any_steps_makes_the_same_message(void **state)
{
    (void)state;
    uint8_t *out = malloc(OUT_MAX);
    for (size_t len = 0; len <= 3 * FRAME; len += 31) {
        kit_random_restart();
        bulla_bytes message = kit_message(len, FRAME);
        for (size_t i = 0; i < NUM_STEPS; i++) {
            bulla_status status = BULLA_OK;
            kit_random_restart();
            bulla_stream *stream = encrypting(FRAME, 0);
            size_t out_len = push_all(stream, kit_text(len), all_steps[i], out, &status);
            assert_ok(status);
            assert_int_equal(out_len, message.len);
            assert_memory_equal(out, message.data, message.len);
            bulla_stream_close(stream);
        }
        bulla_bytes_done(&message);
    }
    free(out);
}

static void open_in_steps(uint16_t suite, size_t len)
{
    uint8_t *out = malloc(OUT_MAX);
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    options.suite = suite;
    bulla_bytes message = kit_message_with(&options, len);
    for (size_t i = 0; i < NUM_STEPS; i++) {
        bulla_status status = BULLA_OK;
        bulla_stream *stream = decrypting(true);
        size_t out_len = push_all(stream, kit_view(message), all_steps[i], out, &status);
        assert_ok(status);
        assert_int_equal(out_len, len);
        assert_memory_equal(out, kit.plaintext, len);
        bulla_stream_close(stream);
    }
    bulla_bytes_done(&message);
    free(out);
}

static void test_a_message_opens_in_any_steps(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 3 * FRAME; len += FRAME / 2)
        open_in_steps(BULLA_SUITE_COMMIT, len);
}

static void test_a_signed_message_opens_in_any_steps(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 2 * FRAME; len += FRAME / 2)
        open_in_steps(BULLA_SUITE_COMMIT_SIGNED, len);
}

/* A source to the end; the plaintext or message in `out`. */
static bulla_status pull_all(bulla_stream *stream, bulla_view in, step_sizes steps, uint8_t *out, size_t *out_len)
{
    memory_source memory = {.bytes = in, .step = steps.in};
    bulla_source source = memory_source_of(&memory);
    size_t produced = 0;
    *out_len = 0;
    do {
        size_t cap = min(steps.out, OUT_MAX - *out_len);
        bulla_status status = bulla_stream_read(stream, &kit.call, &source, out + *out_len, cap, &produced);
        if (status != BULLA_OK) return status;
        *out_len += produced;
    } while (produced != 0);
    return BULLA_OK;
}

static void test_pulling_makes_and_opens_messages(void **state)
{
    (void)state;
    uint8_t *message = malloc(OUT_MAX), *plaintext = malloc(OUT_MAX);
    for (size_t i = 0; i < NUM_STEPS; i++) {
        size_t message_len = 0, len = 0;
        bulla_stream *stream = encrypting(FRAME, 0);
        assert_ok(pull_all(stream, kit_text(200), all_steps[i], message, &message_len));
        bulla_stream_close(stream);
        stream = decrypting(false);
        assert_ok(pull_all(stream, bulla_view_of(message, message_len), all_steps[i], plaintext, &len));
        assert_int_equal(len, 200);
        assert_memory_equal(plaintext, kit.plaintext, 200);
        bulla_stream_close(stream);
    }
    free(message);
    free(plaintext);
}

static void test_pulling_a_message_that_ends_early_fails_at_the_end(void **state)
{
    (void)state;
    uint8_t *plaintext = malloc(OUT_MAX);
    bulla_bytes message = kit_message(200, FRAME);
    for (size_t cut = 1; cut <= 50; cut++) {
        size_t len = 0;
        bulla_stream *stream = decrypting(false);
        bulla_view cut_off = bulla_view_of(message.data, message.len - cut);
        assert_status(pull_all(stream, cut_off, all_steps[3], plaintext, &len), BULLA_EINTEGRITY);
        assert_true(len <= 3 * FRAME); /* of what was genuine, and no more */
        assert_memory_equal(plaintext, kit.plaintext, len);
        bulla_stream_close(stream);
    }
    bulla_bytes_done(&message);
    free(plaintext);
}

static void test_nothing_of_an_altered_frame_is_released(void **state)
{
    (void)state;
    uint8_t *out = malloc(OUT_MAX);
    bulla_bytes message = kit_message(3 * FRAME, FRAME);
    message.data[kit_header_len(kit_view(message)) + FRAME + 60] ^= 1; /* in the second frame */
    for (size_t i = 0; i < NUM_STEPS; i++) {
        bulla_status status = BULLA_OK;
        bulla_stream *stream = decrypting(false);
        memset(out, 0xEE, 3 * FRAME);
        size_t len = push_all(stream, kit_view(message), all_steps[i], out, &status);
        assert_status(status, BULLA_EINTEGRITY);
        assert_true(len <= FRAME);
        assert_memory_not_equal(out + FRAME, kit.plaintext + FRAME, 16);
        bulla_stream_close(stream);
    }
    bulla_bytes_done(&message);
    free(out);
}

static void test_a_stream_that_failed_stays_failed(void **state)
{
    (void)state;
    uint8_t out[256];
    size_t consumed = 0, len = 0;
    bool done = false;
    bulla_stream *stream = decrypting(false);
    bulla_view garbage = bulla_view_text("garbage");
    assert_status(bulla_stream_write(stream, &kit.call, garbage, &consumed, out, sizeof out, &len), BULLA_EFORMAT);
    assert_status(bulla_stream_write(stream, &kit.call, garbage, &consumed, out, sizeof out, &len), BULLA_EFORMAT);
    assert_status(bulla_stream_finish(stream, &kit.call, out, sizeof out, &len, &done), BULLA_EFORMAT);
    assert_false(done);
    bulla_stream_close(stream);
}

static void test_a_signed_message_is_not_streamed_unless_asked_for(void **state)
{
    (void)state;
    uint8_t *out = malloc(OUT_MAX);
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    options.suite = BULLA_SUITE_COMMIT_SIGNED;
    bulla_bytes message = kit_message_with(&options, 100);
    bulla_status status = BULLA_OK;
    bulla_stream *stream = decrypting(false);
    assert_int_equal(push_all(stream, kit_view(message), all_steps[6], out, &status), 0);
    assert_status(status, BULLA_EUNSUPPORTED);
    bulla_stream_close(stream);
    bulla_bytes_done(&message);
    free(out);
}

/* decrypt.md, Decrypt the message body: the final frame's plaintext waits. */
static void test_the_last_plaintext_waits_for_the_signature(void **state)
{
    (void)state;
    uint8_t *out = malloc(OUT_MAX);
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    options.suite = BULLA_SUITE_COMMIT_SIGNED;
    bulla_bytes message = kit_message_with(&options, FRAME + 30);
    message.data[message.len - 1] ^= 1;
    for (size_t i = 0; i < NUM_STEPS - 1; i++) {
        bulla_status status = BULLA_OK;
        bulla_stream *stream = decrypting(true);
        size_t len = push_all(stream, kit_view(message), all_steps[i], out, &status);
        assert_true(status == BULLA_EINTEGRITY || status == BULLA_EFORMAT);
        assert_true(len <= FRAME);
        bulla_stream_close(stream);
    }
    bulla_bytes_done(&message);
    free(out);
}

static void test_the_context_is_known_once_the_header_is_genuine(void **state)
{
    (void)state;
    uint8_t out[256];
    size_t consumed = 0, len = 0;
    bulla_bytes message = kit_message(FRAME, FRAME);
    size_t header_len = kit_header_len(kit_view(message));
    bulla_stream *stream = decrypting(false);
    assert_ok(bulla_stream_write(stream, &kit.call, bulla_view_of(message.data, header_len - 1), &consumed, out,
                                 sizeof out, &len));
    assert_null(bulla_stream_context(stream));
    assert_ok(bulla_stream_write(stream, &kit.call, bulla_view_of(message.data + header_len - 1, 1), &consumed, out,
                                 sizeof out, &len));
    assert_true(bulla_view_equal(bulla_context_bytes(bulla_stream_context(stream)), bulla_context_bytes(kit.context)));
    bulla_stream_close(stream);
    bulla_bytes_done(&message);
}

static void test_a_signed_message_binds_its_public_key(void **state)
{
    (void)state;
    bulla_view value;
    bulla_stream *stream = encrypting(FRAME, BULLA_SUITE_COMMIT_SIGNED);
    bulla_context *context = bulla_stream_context(stream);
    assert_int_equal(bulla_context_count(context), 3);
    assert_true(bulla_context_find(context, bulla_view_text("aws-crypto-public-key"), &value));
    assert_int_equal(value.len, 68); /* base64 of a compressed point of P-384 */
    bulla_stream_close(stream);
}

static void test_a_failing_source_is_told(void **state)
{
    (void)state;
    uint8_t out[256];
    size_t len = 0;
    memory_source memory = {.bytes = kit_text(1000), .step = 10, .fail_at = 3};
    bulla_source source = memory_source_of(&memory);
    bulla_stream *stream = encrypting(4096, 0);
    assert_ok(bulla_stream_read(stream, &kit.call, &source, out, sizeof out, &len));
    bulla_status status = BULLA_OK;
    for (int i = 0; i < 10 && status == BULLA_OK; i++)
        status = bulla_stream_read(stream, &kit.call, &source, out, sizeof out, &len);
    assert_status(status, BULLA_EIO);
    bulla_stream_close(stream);
}

static void test_a_cancelled_call_stops_a_stream_and_leaves_it_usable(void **state)
{
    (void)state;
    uint8_t out[4096];
    size_t consumed = 0, len = 0;
    bulla_stream *stream = encrypting(FRAME, 0);
    bulla_call_cancel(&kit.call);
    assert_status(bulla_stream_write(stream, &kit.call, kit_text(10), &consumed, out, sizeof out, &len),
                  BULLA_ECANCELLED);
    bulla_call_init(&kit.call, &kit.env);
    assert_ok(bulla_stream_write(stream, &kit.call, kit_text(10), &consumed, out, sizeof out, &len));
    bulla_stream_close(stream);
}

static void test_closing_nothing_is_fine(void **state)
{
    (void)state;
    bulla_stream_close(NULL);
    assert_null(bulla_stream_context(NULL));
    bulla_bytes_done(NULL);
    bulla_message_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pushing_in_any_steps_makes_the_same_message),
        cmocka_unit_test(test_a_message_opens_in_any_steps),
        cmocka_unit_test(test_a_signed_message_opens_in_any_steps),
        cmocka_unit_test(test_pulling_makes_and_opens_messages),
        cmocka_unit_test(test_pulling_a_message_that_ends_early_fails_at_the_end),
        cmocka_unit_test(test_nothing_of_an_altered_frame_is_released),
        cmocka_unit_test(test_a_stream_that_failed_stays_failed),
        cmocka_unit_test(test_a_signed_message_is_not_streamed_unless_asked_for),
        cmocka_unit_test(test_the_last_plaintext_waits_for_the_signature),
        cmocka_unit_test(test_the_context_is_known_once_the_header_is_genuine),
        cmocka_unit_test(test_a_signed_message_binds_its_public_key),
        cmocka_unit_test(test_a_failing_source_is_told),
        cmocka_unit_test(test_a_cancelled_call_stops_a_stream_and_leaves_it_usable),
        cmocka_unit_test(test_closing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, kit_start, kit_stop);
}
