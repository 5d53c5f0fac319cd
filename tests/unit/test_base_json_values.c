/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "cmocka_all.h"

static bulla_json *parse_good(const char *text)
{
    bulla_json *json = NULL;
    bulla_call call;
    bulla_call_init(&call, NULL);
    if (bulla_json_parse(&call, bulla_view_text(text), "the sample", &json) != BULLA_OK) fail_msg("%s", call.why);
    return json;
}

static void test_whole_numbers_are_read_whatever_their_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {{"0", 0},
                {"-0", 0},
                {"42", 42},
                {"-17", -17},
                {"1.0", 1},
                {"1.50e1", 15},
                {"120E-1", 12},
                {"1e18", INT64_C(1000000000000000000)},
                {"0.000012e6", 12},
                {"0e999999999999999999999", 0},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"0.0", 0}};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        BULLA_AUTO(bulla_json) *json = parse_good(rows[i].text);
        int64_t value = -1;
        if (!bulla_json_int(bulla_json_root(json), &value)) fail_msg("refused: %s", rows[i].text);
        assert_int_equal(value, rows[i].value);
    }
}

static void test_numbers_that_are_not_whole_or_too_large_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"1.5",
                                       "1e-1",
                                       "15e-1",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "1e19",
                                       "-1e20",
                                       "1e99999999999999999999",
                                       "1e-99999999999999999999",
                                       "\"1\"",
                                       "true",
                                       "null",
                                       "[1]"};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        BULLA_AUTO(bulla_json) *json = parse_good(rows[i]);
        int64_t value = -1;
        if (bulla_json_int(bulla_json_root(json), &value)) fail_msg("taken: %s", rows[i]);
        assert_int_equal(value, -1);
    }
}

static void test_times_are_cut_to_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {{"1.592412018521E9", 1592412018},
                {"1700000000", 1700000000},
                {"1700000000.999", 1700000000},
                {"-1.9", -1},
                {"1e-400", 0},
                {"0.9", 0},
                {"17000000000e-1", 1700000000}};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        BULLA_AUTO(bulla_json) *json = parse_good(rows[i].text);
        int64_t value = -77;
        if (!bulla_json_time_s(bulla_json_root(json), &value)) fail_msg("refused: %s", rows[i].text);
        assert_int_equal(value, rows[i].value);
    }
    BULLA_AUTO(bulla_json) *json = parse_good("1e30");
    int64_t value = -77;
    assert_false(bulla_json_time_s(bulla_json_root(json), &value));
    assert_int_equal(value, -77);
}

static void test_booleans_are_nothing_else(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_json) *json = parse_good("[true,false,\"true\",1,null]");
    bulla_json_value item = bulla_json_first(bulla_json_root(json));
    bool flag = false;
    assert_true(bulla_json_bool(item, &flag) && flag);
    item = bulla_json_next(item);
    assert_true(bulla_json_bool(item, &flag) && !flag);
    for (item = bulla_json_next(item); bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item))
        assert_false(bulla_json_bool(item, &flag));
}

static void assert_bytes(const char *text, bulla_json_form form, const char *expected)
{
    BULLA_AUTO(bulla_json) *json = parse_good(text);
    uint8_t out[256];
    size_t len = 999;
    if (!bulla_json_bytes(bulla_json_root(json), form, out, sizeof out, &len)) fail_msg("refused: %s", text);
    assert_true(bulla_view_equal(bulla_view_of(out, len), bulla_view_text(expected)));
}

static void assert_no_bytes(const char *text, bulla_json_form form)
{
    BULLA_AUTO(bulla_json) *json = parse_good(text);
    uint8_t out[256], before[256];
    size_t len = 999;
    memset(out, 0xEE, sizeof out);
    memcpy(before, out, sizeof out);
    if (bulla_json_bytes(bulla_json_root(json), form, out, sizeof out, &len)) fail_msg("taken: %s", text);
    assert_int_equal(len, 999);
    assert_memory_equal(out, before, sizeof out);
}

static void test_base64_is_decoded_from_both_alphabets(void **state)
{
    (void)state;
    assert_bytes("\"\"", BULLA_JSON_BASE64, "");
    assert_bytes("\"Zg==\"", BULLA_JSON_BASE64, "f");
    assert_bytes("\"Zm9vYmE=\"", BULLA_JSON_BASE64, "fooba");
    assert_bytes("\"Pz8\\/Pj4\\u002B\"", BULLA_JSON_BASE64, "\?\?\?>>>");
    assert_bytes("\"Pz8_Pj4-\"", BULLA_JSON_BASE64URL, "\?\?\?>>>");
    assert_bytes("\"Zg\"", BULLA_JSON_BASE64URL, "f");
    assert_bytes("\"Zm9vYmE\"", BULLA_JSON_BASE64URL, "fooba");
    assert_bytes("\"p\\u00e4\"", BULLA_JSON_PLAIN, "p\xC3\xA4");
}

static void test_base64_of_another_form_is_refused(void **state)
{
    (void)state;
    static const char *const standard[] = {"\"Zg\"",    "\"Zg=\"",  "\"Zh==\"", "\"Zg==\\n\"",
                                           "\"Z=g=\"",  "\"====\"", "\"Pz8_\"", "\"Zg= =\"",
                                           "\"=Zg==\"", "\"Z\"",    "7",        "\"Zg==Zg==\""};
    static const char *const url[] = {"\"Zg==\"", "\"Pz8/\"", "\"Zh\"", "\"Z\"", "\"Zg \"", "[\"Zg\"]"};
    for (size_t i = 0; i < BULLA_LEN(standard); i++)
        assert_no_bytes(standard[i], BULLA_JSON_BASE64);
    for (size_t i = 0; i < BULLA_LEN(url); i++)
        assert_no_bytes(url[i], BULLA_JSON_BASE64URL);
}

/* Lengths around the pieces in which the decoder works, with padding wherever a piece may end. */
static void test_bytes_of_every_length_come_back(void **state)
{
    (void)state;
    uint8_t bytes[200], out[200];
    char text[512];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t len = 0; len <= sizeof bytes; len++)
        for (int form = BULLA_JSON_BASE64; form <= BULLA_JSON_BASE64URL; form++) {
            bulla_writer out_text = bulla_writer_of((uint8_t *)text, sizeof text);
            bulla_json_writer writer = bulla_json_writer_of(&out_text);
            bulla_json_put_base64(&writer, (bulla_json_form)form, bulla_view_of(bytes, len));
            assert_false(out_text.failed);
            text[out_text.len] = '\0';
            BULLA_AUTO(bulla_json) *json = parse_good(text);
            size_t out_len = 999;
            assert_true(bulla_json_bytes(bulla_json_root(json), (bulla_json_form)form, out, len, &out_len));
            assert_true(bulla_view_equal(bulla_view_of(out, out_len), bulla_view_of(bytes, len)));
            if (len != 0)
                assert_false(bulla_json_bytes(bulla_json_root(json), (bulla_json_form)form, out, len - 1, &out_len));
        }
}

static void test_padding_ends_the_text_also_where_a_piece_ends(void **state)
{
    (void)state;
    char text[140] = "\"";
    memset(text + 1, 'A', 64);
    memcpy(text + 63, "==AAAA\"", 8);
    assert_no_bytes(text, BULLA_JSON_BASE64);
    memset(text + 1, 'A', 128);
    memcpy(text + 63, "==", 2);
    memcpy(text + 129, "\"", 2);
    assert_no_bytes(text, BULLA_JSON_BASE64);
}

static void test_keys_go_into_secrets_of_their_length(void **state)
{
    (void)state;
    bulla_call call;
    bulla_call_init(&call, NULL);
    BULLA_AUTO(bulla_json) *json =
        parse_good("{\"k\":\"c2VjcmV0\",\"bad\":\"c2V*\",\"none\":\"\",\"t\":\"hvs.\\u0041\"}");
    bulla_json_value root = bulla_json_root(json);
    bulla_secret *key = NULL, *token = NULL, *none = NULL;
    assert_int_equal(bulla_json_secret(&call, bulla_json_get(root, "k"), BULLA_JSON_BASE64, "the key", &key), BULLA_OK);
    assert_true(bulla_view_is(bulla_secret_borrow(key), "secret"));
    assert_int_equal(bulla_json_secret(&call, bulla_json_get(root, "t"), BULLA_JSON_PLAIN, "a token", &token),
                     BULLA_OK);
    assert_true(bulla_view_is(bulla_secret_borrow(token), "hvs.A"));
    bulla_secret_unref(key);
    bulla_secret_unref(token);
    static const char *const bad[] = {"bad", "none", "missing"};
    for (size_t i = 0; i < BULLA_LEN(bad); i++) {
        bulla_json_value value = bulla_json_get(root, bad[i]);
        assert_int_equal(bulla_json_secret(&call, value, BULLA_JSON_BASE64, "the key", &none), BULLA_EFORMAT);
        assert_string_equal(call.why, "the key is not base64");
        assert_null(none);
    }
}

/* Writes with `put` and compares. */
static void assert_written(void (*put)(bulla_json_writer *writer), const char *expected)
{
    uint8_t out[512];
    bulla_writer text = bulla_writer_of(out, sizeof out);
    bulla_json_writer writer = bulla_json_writer_of(&text);
    put(&writer);
    if (expected == NULL) {
        assert_true(text.failed);
        return;
    }
    assert_false(text.failed);
    assert_int_equal(writer.depth, 0);
    assert_true(bulla_view_is(bulla_view_of(out, text.len), expected));
    for (size_t cap = 0; cap < text.len; cap++) {
        bulla_writer small = bulla_writer_of(out, cap);
        writer = bulla_json_writer_of(&small);
        put(&writer);
        assert_true(small.failed);
    }
}

static void put_all_kinds(bulla_json_writer *writer)
{
    bulla_json_open(writer, '{');
    bulla_json_put_name(writer, "a\"");
    bulla_json_put_text(writer, bulla_view_text("\x01\"\\/\b\f\n\r\t\x1f\x7f\xE2\x82\xAC"));
    bulla_json_put_name(writer, "n");
    bulla_json_open(writer, '[');
    bulla_json_put_int(writer, INT64_MIN);
    bulla_json_put_int(writer, 0);
    bulla_json_put_bool(writer, true);
    bulla_json_open(writer, '{');
    bulla_json_close(writer, '}');
    bulla_json_open(writer, '[');
    bulla_json_close(writer, ']');
    bulla_json_close(writer, ']');
    bulla_json_put_name(writer, "b");
    bulla_json_put_base64(writer, BULLA_JSON_BASE64URL, bulla_view_text("?>"));
    bulla_json_close(writer, '}');
}

static void test_all_kinds_are_written(void **state)
{
    (void)state;
    assert_written(put_all_kinds,
                   "{\"a\\\"\":\"\\u0001\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\x7f\xE2\x82\xAC\",\"n\":[-9223372036854775808,"
                   "0,true,{},[]],\"b\":\"Pz4\"}");
}

static void put_too_deep(bulla_json_writer *writer)
{
    for (unsigned i = 0; i <= BULLA_JSON_MAX_DEPTH; i++)
        bulla_json_open(writer, '[');
}

static void put_bad_text(bulla_json_writer *writer)
{
    bulla_json_put_text(writer, bulla_view_text("\xC0\xAF"));
}

static void put_name_without_value(bulla_json_writer *writer)
{
    bulla_json_open(writer, '{');
    bulla_json_put_name(writer, "a");
    bulla_json_close(writer, '}');
}

static void put_two_names(bulla_json_writer *writer)
{
    bulla_json_open(writer, '{');
    bulla_json_put_name(writer, "a");
    bulla_json_put_name(writer, "b");
}

static void put_too_many_ends(bulla_json_writer *writer)
{
    bulla_json_open(writer, '[');
    bulla_json_close(writer, ']');
    bulla_json_close(writer, ']');
}

static void test_what_would_not_be_json_fails(void **state)
{
    (void)state;
    assert_written(put_too_deep, NULL);
    assert_written(put_bad_text, NULL);
    assert_written(put_name_without_value, NULL);
    assert_written(put_two_names, NULL);
    assert_written(put_too_many_ends, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_numbers_are_read_whatever_their_form),
        cmocka_unit_test(test_numbers_that_are_not_whole_or_too_large_are_refused),
        cmocka_unit_test(test_times_are_cut_to_seconds),
        cmocka_unit_test(test_booleans_are_nothing_else),
        cmocka_unit_test(test_base64_is_decoded_from_both_alphabets),
        cmocka_unit_test(test_base64_of_another_form_is_refused),
        cmocka_unit_test(test_bytes_of_every_length_come_back),
        cmocka_unit_test(test_padding_ends_the_text_also_where_a_piece_ends),
        cmocka_unit_test(test_keys_go_into_secrets_of_their_length),
        cmocka_unit_test(test_all_kinds_are_written),
        cmocka_unit_test(test_what_would_not_be_json_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
