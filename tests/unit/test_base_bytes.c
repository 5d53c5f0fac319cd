/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "cmocka_all.h"

#include <stdio.h>

static void test_reader_takes_big_endian_numbers(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    bulla_reader reader = bulla_reader_of(bulla_view_of(bytes, sizeof bytes));
    assert_int_equal(bulla_read_u8(&reader), 1);
    assert_int_equal(bulla_read_u16(&reader), 0x0203);
    assert_int_equal(bulla_read_u32(&reader), 0x04050607);
    assert_true(bulla_read_u64(&reader) == UINT64_C(0x08090A0B0C0D0E0F));
    assert_false(reader.failed);
    assert_int_equal(reader.rest.len, 0);
}

static void test_reader_failure_is_sticky(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3};
    bulla_reader reader = bulla_reader_of(bulla_view_of(bytes, sizeof bytes));
    assert_int_equal(bulla_read_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(bulla_read_u8(&reader), 0);
    assert_int_equal(bulla_read_view(&reader, 0).len, 0);
    assert_true(reader.failed);
}

static void test_reader_takes_a_length_and_its_bytes(void **state)
{
    (void)state;
    const uint8_t good[] = {0, 2, 'h', 'i'}, bad[] = {0, 3, 'h', 'i'};
    bulla_reader reader = bulla_reader_of(bulla_view_of(good, sizeof good));
    assert_true(bulla_view_is(bulla_read_view16(&reader), "hi"));
    reader = bulla_reader_of(bulla_view_of(bad, sizeof bad));
    assert_int_equal(bulla_read_view16(&reader).len, 0);
    assert_true(reader.failed);
}

static void test_writer_never_passes_its_capacity(void **state)
{
    (void)state;
    uint8_t out[8];
    memset(out, 0xEE, sizeof out);
    bulla_writer writer = bulla_writer_of(out, 7);
    bulla_write_u32(&writer, 0x01020304);
    bulla_write_u32(&writer, 0x05060708);
    assert_true(writer.failed);
    assert_int_equal(writer.len, 4);
    assert_int_equal(out[4], 0xEE);
    assert_int_equal(out[7], 0xEE);
}

static void test_writer_without_memory_counts(void **state)
{
    (void)state;
    bulla_writer writer = bulla_writer_of(NULL, 0);
    bulla_write_u8(&writer, 1);
    bulla_write_u16(&writer, 1);
    bulla_write_u64(&writer, 1);
    bulla_write_view16(&writer, bulla_view_text("abc"));
    assert_false(writer.failed);
    assert_int_equal(writer.len, 16);
}

static void test_writer_refuses_what_a_u16_cannot_count(void **state)
{
    (void)state;
    bulla_writer writer = bulla_writer_of(NULL, 0);
    bulla_write_view16(&writer, (bulla_view){(const uint8_t *)"", 65536});
    assert_true(writer.failed);
}

static void test_views_compare_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(bulla_view_compare(bulla_view_text("a"), bulla_view_text("b")) < 0);
    assert_true(bulla_view_compare(bulla_view_text("ab"), bulla_view_text("a")) > 0);
    assert_true(bulla_view_compare(bulla_view_text("\xC3\xA9"), bulla_view_text("z")) > 0);
    assert_int_equal(bulla_view_compare(bulla_view_text(""), bulla_view_text("")), 0);
}

static void test_utf8_takes_only_the_shortest_form(void **state)
{
    (void)state;
    const char *good[] = {
        "", "ascii", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x94\x91", "\xF4\x8F\xBF\xBF", "\xEF\xBF\xBF"};
    const char *bad[] = {"\x80",
                         "\xC0\x80",
                         "\xC1\xBF",
                         "\xE0\x9F\xBF",
                         "\xED\xA0\x80",
                         "\xF0\x8F\xBF\xBF",
                         "\xF4\x90\x80\x80",
                         "\xF5\x80\x80\x80",
                         "\xE2\x82",
                         "\xC3"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(bulla_utf8_is(bulla_view_text(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(bulla_utf8_is(bulla_view_text(bad[i])));
}

static void test_hex_goes_there_and_back_for_every_byte(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        uint8_t byte = (uint8_t)value, back = (uint8_t)~byte;
        char text[3], expected[3];
        bulla_hex_encode(bulla_view_of(&byte, 1), text);
        (void)snprintf(expected, sizeof expected, "%02x", value);
        assert_string_equal(text, expected);
        assert_true(bulla_hex_decode(bulla_view_text(text), &back, 1));
        assert_int_equal(back, byte);
    }
}

static void test_hex_refuses_what_is_no_digit(void **state)
{
    (void)state;
    uint8_t out[1];
    for (unsigned c = 0; c < 256; c++) {
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        uint8_t text[2] = {(uint8_t)c, '0'}, turned[2] = {'0', (uint8_t)c};
        assert_int_equal(bulla_hex_decode(bulla_view_of(text, 2), out, 1), digit);
        assert_int_equal(bulla_hex_decode(bulla_view_of(turned, 2), out, 1), digit);
    }
    assert_false(bulla_hex_decode(bulla_view_text("000"), out, 1));
}

static void test_base64_agrees_with_rfc_4648(void **state)
{
    (void)state;
    const char *pairs[][2] = {{"", ""},
                              {"f", "Zg=="},
                              {"fo", "Zm8="},
                              {"foo", "Zm9v"},
                              {"foob", "Zm9vYg=="},
                              {"fooba", "Zm9vYmE="},
                              {"foobar", "Zm9vYmFy"},
                              {"\xFB\xFF\xBF", "+/+/"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len = 99;
        bulla_base64_encode(bulla_view_text(pairs[i][0]), text);
        assert_string_equal(text, pairs[i][1]);
        assert_true(bulla_base64_decode(bulla_view_text(text), bytes, sizeof bytes, &len));
        assert_true(bulla_view_equal(bulla_view_of(bytes, len), bulla_view_text(pairs[i][0])));
    }
}

static void test_base64_refuses_every_second_spelling(void **state)
{
    (void)state;
    const char *bad[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm-v", "Zm_v"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[16];
        size_t len = 99;
        assert_false(bulla_base64_decode(bulla_view_text(bad[i]), out, sizeof out, &len));
        assert_int_equal(len, 99);
    }
    uint8_t small[2];
    size_t len = 99;
    assert_false(bulla_base64_decode(bulla_view_text("Zm9v"), small, sizeof small, &len));
}

static void test_base64url_agrees_with_rfc_4648(void **state)
{
    (void)state;
    const char *pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xFB\xFF\xBF", "-_-_"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[16];
        uint8_t bytes[16];
        size_t len = 99;
        bulla_base64url_encode(bulla_view_text(pairs[i][0]), text);
        assert_string_equal(text, pairs[i][1]);
        assert_true(bulla_base64url_decode(bulla_view_text(text), bytes, sizeof bytes, &len));
        assert_true(bulla_view_equal(bulla_view_of(bytes, len), bulla_view_text(pairs[i][0])));
    }
}

static void test_base64url_refuses_every_second_spelling(void **state)
{
    (void)state;
    const char *bad[] = {"Z", "Zg==", "Zh", "Zm9", "Zm8=", "Zm9vY", "Zm+v", "Zm/v", "Zg\n", "====", "Zm9v="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[16];
        size_t len = 99;
        assert_false(bulla_base64url_decode(bulla_view_text(bad[i]), out, sizeof out, &len));
        assert_int_equal(len, 99);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_takes_big_endian_numbers),
        cmocka_unit_test(test_reader_failure_is_sticky),
        cmocka_unit_test(test_reader_takes_a_length_and_its_bytes),
        cmocka_unit_test(test_writer_never_passes_its_capacity),
        cmocka_unit_test(test_writer_without_memory_counts),
        cmocka_unit_test(test_writer_refuses_what_a_u16_cannot_count),
        cmocka_unit_test(test_views_compare_by_bytes_then_length),
        cmocka_unit_test(test_utf8_takes_only_the_shortest_form),
        cmocka_unit_test(test_hex_goes_there_and_back_for_every_byte),
        cmocka_unit_test(test_hex_refuses_what_is_no_digit),
        cmocka_unit_test(test_base64_agrees_with_rfc_4648),
        cmocka_unit_test(test_base64_refuses_every_second_spelling),
        cmocka_unit_test(test_base64url_agrees_with_rfc_4648),
        cmocka_unit_test(test_base64url_refuses_every_second_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
