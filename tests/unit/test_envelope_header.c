/* SPDX-License-Identifier: Apache-2.0 */
/* Headers as bytes: what is read, how much is asked for, what is refused and where. */
#include "message_kit.h"
#include "old_message.h"

#include "base/context.h"
#include "envelope/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLD_CONTEXT 22u /* where the context of an old header starts: version, type, suite, id, length */

static uint8_t bytes[65536];

static bulla_status decode(bulla_view view, size_t *out_need)
{
    bulla_header header = {0};
    kit.call.why[0] = '\0';
    bulla_status status = bulla_header_decode(&kit.call, view, &header, out_need);
    bulla_header_done(&header);
    return status;
}

/* Refused, at the byte given. */
static void refused(size_t len, size_t at)
{
    char place[32];
    size_t need = 0;
    (void)snprintf(place, sizeof place, "at byte %zu", at);
    assert_status(decode(bulla_view_of(bytes, len), &need), BULLA_EFORMAT);
    if (strstr(kit.call.why, place) == NULL) fail_msg("\"%s\" does not say \"%s\"", kit.call.why, place);
}

/* After the context: where the count of wrapped keys, the content type and so on lie. */
static size_t after_context(void)
{
    return OLD_CONTEXT + bulla_context_bytes(kit.context).len;
}

static void test_a_header_asks_for_what_it_needs_and_no_more(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(10, 64);
    size_t total = kit_header_len(kit_view(message)), num_rounds = 0;
    for (size_t have = 0, need = 2; have < need; num_rounds++) {
        assert_true(need <= total);
        uint8_t *exact = malloc(need);
        memcpy(exact, message.data, need);
        have = need;
        assert_ok(decode(bulla_view_of(exact, have), &need));
        free(exact);
    }
    assert_in_range(num_rounds, 5, 30);
    bulla_bytes_done(&message);
}

static void test_a_header_is_taken_apart(void **state)
{
    (void)state;
    bulla_header header = {0};
    size_t need = 0, len = old_header_make(0x0146, 512, bytes, sizeof bytes);
    assert_ok(bulla_header_decode(&kit.call, bulla_view_of(bytes, len), &header, &need));
    assert_int_equal(header.suite->id, 0x0146);
    assert_int_equal(header.id.len, 16);
    assert_true(bulla_view_equal(bulla_context_bytes(header.context), bulla_context_bytes(kit.context)));
    assert_int_equal(header.num_recipients, 1);
    assert_true(bulla_view_is(header.recipients[0].provider, "keyed"));
    assert_true(bulla_view_is(header.recipients[0].info, "ann"));
    assert_true(bulla_view_is(header.recipients[0].blob, "wrapped"));
    assert_true(header.framed);
    assert_int_equal(header.frame_len, 512);
    assert_int_equal(header.len, len);
    assert_int_equal(need, len);
    assert_int_equal(header.body.len, len - BULLA_NONCE_LEN - BULLA_TAG_LEN);
    bulla_header_done(&header);
}

static void test_an_unknown_version_or_type_is_refused(void **state)
{
    (void)state;
    size_t need = 0, len = old_header_make(0x0178, 64, bytes, sizeof bytes);
    bytes[0] = 3;
    assert_status(decode(bulla_view_of(bytes, len), &need), BULLA_EFORMAT);
    assert_non_null(strstr(kit.call.why, "0x03"));
    bytes[0] = 1;
    bytes[1] = 0x81;
    refused(len, 1);
}

static void test_an_unknown_suite_or_one_of_another_version_is_refused(void **state)
{
    (void)state;
    size_t need = 0, len = old_header_make(0x0178, 64, bytes, sizeof bytes);
    bytes[3] = 0x79;
    assert_status(decode(bulla_view_of(bytes, len), &need), BULLA_EUNSUPPORTED);
    assert_non_null(strstr(kit.call.why, "0x0179"));
    bytes[2] = 0x04;
    bytes[3] = 0x78;
    refused(len, 2);
}

static void test_a_context_out_of_order_or_given_twice_is_refused(void **state)
{
    (void)state;
    size_t len = old_header_make(0x0178, 64, bytes, sizeof bytes);
    uint8_t *first = memmem(bytes, len, "purpose", 7);
    memcpy(first, "zurpose", 7); /* now behind "tenant" */
    refused(len, OLD_CONTEXT);
    len = old_header_make(0x0178, 64, bytes, sizeof bytes);
    /* As long as the right one, so that the rest of the header stays where it is. */
    static const char twice[] = "\0\2\0\7purpose\0\1a\0\7purpose\0\6bcdefg";
    assert_int_equal(sizeof twice - 1, bulla_context_bytes(kit.context).len);
    memcpy(bytes + OLD_CONTEXT, twice, sizeof twice - 1);
    refused(len, OLD_CONTEXT);
}

static void test_a_context_count_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    for (uint16_t count = 0; count < 5; count++) {
        size_t len = old_header_make(0x0178, 64, bytes, sizeof bytes);
        if (count == 2) continue; /* the right one */
        bulla_put_u16(bytes + OLD_CONTEXT, count);
        refused(len, OLD_CONTEXT);
    }
}

static void test_a_count_of_wrapped_keys_out_of_range_is_refused(void **state)
{
    (void)state;
    size_t need = 0, len = old_header_make(0x0178, 64, bytes, sizeof bytes);
    bulla_put_u16(bytes + after_context(), 0);
    refused(len, after_context());
    bulla_put_u16(bytes + after_context(), BULLA_MAX_RECIPIENTS + 1);
    /* As soon as the count is there, not only when all the keys are. */
    assert_status(decode(bulla_view_of(bytes, after_context() + 2), &need), BULLA_ELIMIT);
}

static void test_what_is_fixed_must_be_as_it_is(void **state)
{
    (void)state;
    size_t len = old_header_make(0x0178, 64, bytes, sizeof bytes);
    size_t type = len - BULLA_NONCE_LEN - BULLA_TAG_LEN - 10;
    static const struct {
        size_t offset, at;
        uint8_t value;
    } cases[] = {{0, 0, 0}, {0, 0, 3}, {1, 1, 1}, {4, 1, 1}, {5, 5, 11}, {5, 5, 13}, {9, 6, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *byte = bytes + type + cases[i].offset, before = *byte;
        *byte = cases[i].value;
        refused(len, type + cases[i].at);
        *byte = before;
    }
    bytes[type] = 1; /* a body without frames, yet with a frame length */
    refused(len, type + 6);
}

static void test_a_key_provider_that_is_not_text_is_refused(void **state)
{
    (void)state;
    size_t len = old_header_make(0x0178, 64, bytes, sizeof bytes);
    bytes[after_context() + 4] = 0xFF;
    refused(len, after_context() + 2);
}

static void test_a_header_without_bounds_is_cut_short(void **state)
{
    (void)state;
    size_t need = 0, cap = 3u << 20;
    uint8_t *big = calloc(1, cap);
    (void)old_header_make(0x0178, 64, big, cap);
    bulla_put_u16(big + after_context(), BULLA_MAX_RECIPIENTS);
    size_t at = after_context() + 2;
    memset(big + at, 0, 4096);
    for (int i = 0; i < 30; i++, at += 6 + 65535)
        bulla_put_u16(big + at + 4, 65535); /* the other two parts are empty */
    assert_status(decode(bulla_view_of(big, cap), &need), BULLA_ELIMIT);
    /* Nor are so many bytes asked for. */
    assert_status(decode(bulla_view_of(big, BULLA_MAX_HEADER), &need), BULLA_ELIMIT);
    free(big);
}

static void test_an_encoded_header_has_the_length_that_was_computed(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(0, 64);
    bulla_header header = {0};
    uint8_t out[4096];
    size_t need = 0, len = 0;
    assert_ok(bulla_header_decode(&kit.call, kit_view(message), &header, &need));
    assert_int_equal(bulla_header_encoded_len(&header), header.len);
    assert_ok(bulla_header_encode(&kit.call, &header, out, sizeof out, &len));
    assert_int_equal(len, header.body.len);
    assert_memory_equal(out, header.body.data, len);
    assert_status(bulla_header_encode(&kit.call, &header, out, header.body.len - 1, &len), BULLA_ELIMIT);
    bulla_header_done(&header);
    bulla_bytes_done(&message);
}

static void test_frame_numbers_end_where_the_format_ends_them(void **state)
{
    (void)state;
    uint8_t out[64], key[32] = {1};
    bulla_body body = {.suite = bulla_suite_find(0x0478), .id_len = 32, .frame_len = 4};
    assert_ok(bulla_aead_new(&kit.call, bulla_view_of(key, sizeof key), &body.aead));
    assert_ok(bulla_frame_seal(&body, &kit.call, 0xFFFFFFFE, kit_text(4), out));
    assert_status(bulla_frame_seal(&body, &kit.call, 0xFFFFFFFF, kit_text(4), out), BULLA_ELIMIT);
    assert_ok(bulla_final_seal(&body, &kit.call, 0xFFFFFFFF, kit_text(4), out));
    assert_status(bulla_final_seal(&body, &kit.call, 0x100000000, kit_text(4), out), BULLA_ELIMIT);
    bulla_body_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_header_asks_for_what_it_needs_and_no_more),
        cmocka_unit_test(test_a_header_is_taken_apart),
        cmocka_unit_test(test_an_unknown_version_or_type_is_refused),
        cmocka_unit_test(test_an_unknown_suite_or_one_of_another_version_is_refused),
        cmocka_unit_test(test_a_context_out_of_order_or_given_twice_is_refused),
        cmocka_unit_test(test_a_context_count_that_does_not_fit_is_refused),
        cmocka_unit_test(test_a_count_of_wrapped_keys_out_of_range_is_refused),
        cmocka_unit_test(test_what_is_fixed_must_be_as_it_is),
        cmocka_unit_test(test_a_key_provider_that_is_not_text_is_refused),
        cmocka_unit_test(test_a_header_without_bounds_is_cut_short),
        cmocka_unit_test(test_an_encoded_header_has_the_length_that_was_computed),
        cmocka_unit_test(test_frame_numbers_end_where_the_format_ends_them),
    };
    return cmocka_run_group_tests(tests, kit_start, kit_stop);
}
