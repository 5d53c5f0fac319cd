/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The status of parsing `len` bytes that lie at the very end of their memory. */
static bulla_status parse_bytes(const void *bytes, size_t len, bulla_json **out_json)
{
    bulla_call call;
    bulla_call_init(&call, NULL);
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    bulla_copy(copy + 1, bytes, len);
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_status status = bulla_json_parse(&call, bulla_view_of(copy + 1, len), "the sample", &json);
    free(copy);
    if (status != BULLA_OK) {
        assert_non_null(strstr(call.why, "the sample"));
        return status;
    }
    if (out_json != NULL) return bulla_json_parse(&call, bulla_view_of(bytes, len), "the sample", out_json);
    return status;
}

static bulla_json *parse_good(const char *text)
{
    bulla_json *json = NULL;
    if (parse_bytes(text, strlen(text), &json) != BULLA_OK) fail_msg("refused: %s", text);
    return json;
}

static void assert_refused(const char *text)
{
    if (parse_bytes(text, strlen(text), NULL) != BULLA_EFORMAT) fail_msg("taken: %s", text);
}

static void test_every_kind_of_value_may_stand_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bulla_json_kind kind;
    } rows[] = {{"null", BULLA_JSON_NULL},       {" true ", BULLA_JSON_BOOL},   {"\t\r\nfalse\n", BULLA_JSON_BOOL},
                {"-0.5e+10", BULLA_JSON_NUMBER}, {"\"\"", BULLA_JSON_STRING},   {"[]", BULLA_JSON_ARRAY},
                {"[ 1 , 2 ]", BULLA_JSON_ARRAY}, {"{ }", BULLA_JSON_OBJECT},    {"{\"\" : 0}", BULLA_JSON_OBJECT},
                {"\"\x7f\"", BULLA_JSON_STRING}, {"[[],{}]", BULLA_JSON_ARRAY}, {"1E-2", BULLA_JSON_NUMBER}};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        BULLA_AUTO(bulla_json) *json = parse_good(rows[i].text);
        assert_int_equal(bulla_json_kind_of(bulla_json_root(json)), rows[i].kind);
    }
}

static void test_what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"",           " ",
                                       "nul",        "nullx",
                                       "True",       "NaN",
                                       "Infinity",   "'a'",
                                       "01",         "-",
                                       "+1",         ".5",
                                       "1.",         "1.e5",
                                       "1e",         "1e+",
                                       "-01",        "0x10",
                                       "1 2",        "[",
                                       "]",          "[1",
                                       "[1,]",       "[,1]",
                                       "[1 2]",      "[1}",
                                       "{",          "{1:2}",
                                       "{\"a\"}",    "{\"a\":}",
                                       "{\"a\":1,}", "{\"a\":1]",
                                       "{\"a\" 1}",  "{,}",
                                       "{a:1}",      "\"",
                                       "\"\t\"",     "\"\n\"",
                                       "\"\\\"",     "\"\\x41\"",
                                       "\"\\u12\"",  "\"\\u12G4\"",
                                       "\"\\",       "\"\\u",
                                       "[]]",        "{}x",
                                       "// a\n1",    "/**/1",
                                       "[1]\f",      "\xEF\xBB\xBF{}",
                                       "\v1",        "{\"a\":1 \"b\":2}",
                                       "--1",        "1-"};
    for (size_t i = 0; i < BULLA_LEN(rows); i++)
        assert_refused(rows[i]);
}

static void test_nul_bytes_are_no_blanks(void **state)
{
    (void)state;
    assert_int_equal(parse_bytes("1\0", 2, NULL), BULLA_EFORMAT);
    assert_int_equal(parse_bytes("\0", 1, NULL), BULLA_EFORMAT);
    assert_int_equal(parse_bytes("\"a\0b\"", 5, NULL), BULLA_EFORMAT);
    assert_int_equal(parse_bytes("\"\\\0\"", 4, NULL), BULLA_EFORMAT);
    assert_int_equal(parse_bytes("[1,\0]", 5, NULL), BULLA_EFORMAT);
}

static void test_strings_must_be_utf8(void **state)
{
    (void)state;
    assert_refused("\"\x80\"");
    assert_refused("\"\xC0\xAF\"");         /* too long a form of / */
    assert_refused("\"\xED\xA0\x80\"");     /* half a surrogate pair */
    assert_refused("\"\xF4\x90\x80\x80\""); /* above U+10FFFF */
    assert_refused("\"\xE2\x82\"");         /* cut */
    assert_refused("{\"\xFF\":1}");
    BULLA_AUTO(bulla_json) *json = parse_good("\"\xE2\x82\xAC\xF0\x9F\x94\x91\"");
    assert_true(bulla_json_is(bulla_json_root(json), "\xE2\x82\xAC\xF0\x9F\x94\x91"));
}

static void test_escapes_are_decoded(void **state)
{
    (void)state;
    char text[64];
    BULLA_AUTO(bulla_json) *json =
        parse_good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\uD83D\\uDD11\\u007f\\uFFFF\"");
    assert_true(bulla_json_text(bulla_json_root(json), text, sizeof text));
    assert_string_equal(text, "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x91\x7f\xEF\xBF\xBF");
}

static void test_half_a_surrogate_pair_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"\"\\uD83D\"",    "\"\\uDD11\"",        "\"\\uD83Dx\"",
                                       "\"\\uD83D\\n\"", "\"\\uD83D\\uD83D\"", "\"\\uDD11\\uD83D\"",
                                       "\"\\uD83D\\u\"", "\"\\uD83D\\uDD1\""};
    for (size_t i = 0; i < BULLA_LEN(rows); i++)
        assert_refused(rows[i]);
}

static void test_text_fits_with_its_nul_or_is_untouched(void **state)
{
    (void)state;
    char text[5] = "----";
    BULLA_AUTO(bulla_json) *json = parse_good("[\"abcd\",\"a\\u0000b\",\"abcde\",7]");
    bulla_json_value item = bulla_json_first(bulla_json_root(json));
    assert_false(bulla_json_text(item, text, 4));
    assert_string_equal(text, "----");
    assert_true(bulla_json_text(item, text, 5));
    assert_string_equal(text, "abcd");
    for (item = bulla_json_next(item); bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item))
        assert_false(bulla_json_text(item, text, sizeof text));
    assert_string_equal(text, "abcd");
}

static void test_members_are_found_by_decoded_names_and_paths(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_json) *json =
        parse_good("{\"a\":{\"b\":{\"c\":\"deep\"}},\"\\u0064\\u0061ta\":true,\"x/y\":1,\"\":null}");
    bulla_json_value root = bulla_json_root(json);
    assert_true(bulla_json_is(bulla_json_get(root, "a/b/c"), "deep"));
    assert_false(bulla_json_is(bulla_json_get(root, "a/b/c"), "dee"));
    assert_false(bulla_json_is(bulla_json_get(root, "a/b/c"), "deeper"));
    assert_int_equal(bulla_json_kind_of(bulla_json_get(root, "data")), BULLA_JSON_BOOL);
    assert_int_equal(bulla_json_kind_of(bulla_json_get(root, "")), BULLA_JSON_NULL);
    static const char *const missing[] = {"b", "a/c", "a/b/c/d", "x/y", "dat", "dataa", "A", "a/b/"};
    for (size_t i = 0; i < BULLA_LEN(missing); i++)
        assert_int_equal(bulla_json_kind_of(bulla_json_get(root, missing[i])), BULLA_JSON_NONE);
}

static void test_members_and_items_come_in_order(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_json) *json = parse_good("{\"z\":[1,[2,3],{\"k\":4}],\"\\u0061\":{},\"b\":[]}");
    bulla_json_value root = bulla_json_root(json), member = bulla_json_first(root);
    char names[8] = "", name[3];
    for (size_t i = 0; bulla_json_kind_of(member) != BULLA_JSON_NONE; member = bulla_json_next(member)) {
        assert_true(bulla_json_name(member, name, sizeof name));
        names[i++] = name[0];
    }
    assert_string_equal(names, "zab");
    assert_int_equal(bulla_json_count(root), 3);
    bulla_json_value items = bulla_json_get(root, "z");
    assert_int_equal(bulla_json_count(items), 3);
    assert_false(bulla_json_name(bulla_json_first(items), name, sizeof name));
    assert_int_equal(bulla_json_kind_of(bulla_json_first(bulla_json_get(root, "b"))), BULLA_JSON_NONE);
    assert_int_equal(bulla_json_kind_of(bulla_json_next(root)), BULLA_JSON_NONE);
}

static void test_nothing_comes_from_no_document(void **state)
{
    (void)state;
    bulla_json_value none = bulla_json_get(bulla_json_root(NULL), "a/b");
    char text[4];
    int64_t number = 0;
    bool flag = false;
    size_t len = 0;
    assert_int_equal(bulla_json_kind_of(none), BULLA_JSON_NONE);
    assert_int_equal(bulla_json_count(none), 0);
    assert_false(bulla_json_text(none, text, sizeof text));
    assert_false(bulla_json_name(none, text, sizeof text));
    assert_false(bulla_json_is(none, ""));
    assert_false(bulla_json_int(none, &number));
    assert_false(bulla_json_bool(none, &flag));
    assert_false(bulla_json_bytes(none, BULLA_JSON_BASE64, (uint8_t *)text, sizeof text, &len));
    bulla_json_free(NULL);
}

static void test_a_name_twice_in_one_object_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"a\":1,\"a\":1}");
    assert_refused("{\"a\":1,\"b\":2,\"\\u0061\":3}");
    assert_refused("{\"key\":1,\"b\":{\"key\":2,\"x\":0,\"ke\\u0079\":3}}");
    assert_refused("[{\"\":1,\"\":2}]");
    BULLA_AUTO(bulla_json) *json = parse_good("[{\"a\":{\"a\":1},\"ab\":2,\"A\":3},{\"a\":4}]");
    assert_int_equal(bulla_json_count(bulla_json_root(json)), 2);
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * (BULLA_JSON_MAX_DEPTH + 1) + 1] = "";
    memset(text, '[', BULLA_JSON_MAX_DEPTH);
    memset(text + BULLA_JSON_MAX_DEPTH, ']', BULLA_JSON_MAX_DEPTH);
    assert_int_equal(parse_bytes(text, 2 * BULLA_JSON_MAX_DEPTH, NULL), BULLA_OK);
    memset(text, '[', BULLA_JSON_MAX_DEPTH + 1);
    memset(text + BULLA_JSON_MAX_DEPTH + 1, ']', BULLA_JSON_MAX_DEPTH + 1);
    assert_int_equal(parse_bytes(text, sizeof text - 1, NULL), BULLA_ELIMIT);
}

static void test_values_and_bytes_are_bounded(void **state)
{
    (void)state;
    size_t len = 2 * BULLA_JSON_MAX_NODES + 1;
    char *text = malloc(BULLA_JSON_MAX_TEXT + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i += 2)
        memcpy(text + i, "0,", 2);
    text[0] = '[';
    text[1] = '0';
    text[2] = ',';
    for (size_t i = 3; i < len; i += 2)
        memcpy(text + i, "0,", 2);
    text[2 * (BULLA_JSON_MAX_NODES - 1)] = ']'; /* the array and all but one of the items that are allowed */
    assert_int_equal(parse_bytes(text, 2 * BULLA_JSON_MAX_NODES - 1, NULL), BULLA_OK);
    text[2 * (BULLA_JSON_MAX_NODES - 1)] = ',';
    text[2 * BULLA_JSON_MAX_NODES] = ']';
    assert_int_equal(parse_bytes(text, 2 * BULLA_JSON_MAX_NODES + 1, NULL), BULLA_ELIMIT);
    memset(text, ' ', BULLA_JSON_MAX_TEXT + 1);
    text[0] = '1';
    assert_int_equal(parse_bytes(text, BULLA_JSON_MAX_TEXT, NULL), BULLA_OK);
    assert_int_equal(parse_bytes(text, BULLA_JSON_MAX_TEXT + 1, NULL), BULLA_ELIMIT);
    free(text);
}

static void test_many_chosen_names_take_no_quadratic_time(void **state)
{
    (void)state;
    enum { NUM = 60000, LEN = 48 };
    char *text = malloc(NUM * (LEN + 8) + 2);
    assert_non_null(text);
    size_t len = 0;
    text[len++] = '{';
    for (unsigned i = 0; i < NUM; i++)
        len += (size_t)sprintf(text + len, "%s\"%0*u\":0", i == 0 ? "" : ",", LEN, i);
    text[len++] = '}';
    clock_t start = clock();
    assert_int_equal(parse_bytes(text, len, NULL), BULLA_OK);
    assert_true((clock() - start) / CLOCKS_PER_SEC < 10);
    free(text);
}

static void test_errors_say_where_and_show_nothing(void **state)
{
    (void)state;
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_json *json = NULL;
    assert_int_equal(bulla_json_parse(&call, bulla_view_text("{\"key\":\"c2VjcmV0\" x}"), "the answer", &json),
                     BULLA_EFORMAT);
    assert_string_equal(call.why, "the answer is not JSON: no comma or } after a member at byte 18");
    assert_null(json);
}

static const char sample[] =
    "{\"data\":{\"ciphertext\":\"vault:v1:AAEC\\/w==\",\"key_version\":1,\"n\":[-1.5e3,null,true,"
    "\"\\uD83D\\uDD11\"]},\"e\":[],\"o\":{}}";

static void test_a_sample_cut_anywhere_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse_bytes(sample, sizeof sample - 1, NULL), BULLA_OK);
    for (size_t len = 0; len < sizeof sample - 1; len++)
        assert_int_equal(parse_bytes(sample, len, NULL), BULLA_EFORMAT);
}

static void test_a_sample_damaged_anywhere_is_read_within_its_bounds(void **state)
{
    (void)state;
    char damaged[sizeof sample];
    for (size_t at = 0; at < sizeof sample - 1; at++)
        for (unsigned c = 0; c < 256; c++) {
            memcpy(damaged, sample, sizeof sample);
            damaged[at] = (char)c;
            bulla_status status = parse_bytes(damaged, sizeof sample - 1, NULL);
            assert_true(status == BULLA_OK || status == BULLA_EFORMAT);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value_may_stand_alone),
        cmocka_unit_test(test_what_is_not_json_is_refused),
        cmocka_unit_test(test_nul_bytes_are_no_blanks),
        cmocka_unit_test(test_strings_must_be_utf8),
        cmocka_unit_test(test_escapes_are_decoded),
        cmocka_unit_test(test_half_a_surrogate_pair_is_refused),
        cmocka_unit_test(test_text_fits_with_its_nul_or_is_untouched),
        cmocka_unit_test(test_members_are_found_by_decoded_names_and_paths),
        cmocka_unit_test(test_members_and_items_come_in_order),
        cmocka_unit_test(test_nothing_comes_from_no_document),
        cmocka_unit_test(test_a_name_twice_in_one_object_is_refused),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_values_and_bytes_are_bounded),
        cmocka_unit_test(test_many_chosen_names_take_no_quadratic_time),
        cmocka_unit_test(test_errors_say_where_and_show_nothing),
        cmocka_unit_test(test_a_sample_cut_anywhere_is_refused),
        cmocka_unit_test(test_a_sample_damaged_anywhere_is_read_within_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
