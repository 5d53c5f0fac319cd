/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of key addresses. */
#include "cmocka_all.h"
#include "provider/address.h"

#include <string.h>

static bulla_call call;
static bulla_address parsed;

static bulla_status parse(const char *text)
{
    bulla_call_init(&call, NULL);
    return bulla_address_parse(&call, text, &parsed);
}

static void test_an_address_has_scheme_body_and_parameters(void **state)
{
    (void)state;
    assert_ok(parse("file:/etc/bulla/key?namespace=prod&name=master-2"));
    assert_string_equal(parsed.scheme, "file");
    assert_string_equal(parsed.body, "/etc/bulla/key");
    assert_int_equal(parsed.num_params, 2);
    assert_string_equal(bulla_address_param(&parsed, "namespace", "none"), "prod");
    assert_string_equal(bulla_address_param(&parsed, "name", "none"), "master-2");
    assert_string_equal(bulla_address_param(&parsed, "padding", "none"), "none");
}

static void test_a_body_may_be_empty_or_hold_anything_but_a_question_mark(void **state)
{
    (void)state;
    assert_ok(parse("local:"));
    assert_string_equal(parsed.body, "");
    assert_ok(parse("azure:https://vault.example/keys/a=b&c:d"));
    assert_string_equal(parsed.body, "https://vault.example/keys/a=b&c:d");
    assert_int_equal(parsed.num_params, 0);
}

static void test_percent_signs_are_decoded(void **state)
{
    (void)state;
    assert_ok(parse("file:a%20b%3Fc%25%C3%A4?name=x%26y%3d%2B+"));
    assert_string_equal(parsed.body, "a b?c%\xC3\xA4");
    assert_string_equal(bulla_address_param(&parsed, "name", NULL), "x&y=++");
}

static void test_a_value_may_be_empty_and_hold_a_question_mark(void **state)
{
    (void)state;
    assert_ok(parse("file:k?name=&namespace=who?"));
    assert_string_equal(bulla_address_param(&parsed, "name", "none"), "");
    assert_string_equal(bulla_address_param(&parsed, "namespace", "none"), "who?");
}

typedef struct mistake {
    const char *text, *place;
} mistake;

static const mistake mistakes[] = {
    {"", "has no scheme"},
    {"key.bin", "has no scheme"},
    {":x", "column 1:"},
    {"File:x", "column 1:"},
    {"9a:x", "column 1:"},
    {"sixteenletters-x:x", "column 1:"},
    {"file:a%", "column 7:"},
    {"file:a%4", "column 7:"},
    {"file:a%zz", "column 7:"},
    {"file:a%00b", "column 7:"},
    {"file:a\nb", "column 7:"},
    {"file:a\x7F", "column 7:"},
    {"file:a?", "column 8:"},
    {"file:a?=x", "column 8:"},
    {"file:a?name", "column 12:"},
    {"file:a?Name=x", "column 8:"},
    {"file:a?name=x&", "column 15:"},
    {"file:a?name=x&name=y", "column 15:"},
    {"file:a?name=%G0", "column 13:"},
    {"file:a?a-name-that-is-far-longer-than-any=x", "column 39:"},
    {"x:?a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9", "column 35:"},
};

static void test_a_mistake_is_shown_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(mistakes); i++) {
        memset(&parsed, 0xAA, sizeof parsed);
        bulla_address untouched = parsed;
        assert_status(parse(mistakes[i].text), BULLA_EINVAL);
        if (strstr(call.why, mistakes[i].place) == NULL) fail_msg("%s: %s", mistakes[i].text, call.why);
        assert_memory_equal(&parsed, &untouched, sizeof parsed);
    }
}

static void test_no_address_is_a_mistake(void **state)
{
    (void)state;
    assert_status(parse(NULL), BULLA_EINVAL);
}

static void test_the_longest_address_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    char text[BULLA_MAX_ADDRESS + 2];
    memset(text, 'x', sizeof text);
    memcpy(text, "file:", 5);
    text[BULLA_MAX_ADDRESS] = '\0';
    assert_ok(parse(text));
    assert_int_equal(strlen(parsed.body), BULLA_MAX_ADDRESS - 5);
    text[BULLA_MAX_ADDRESS] = 'x';
    text[BULLA_MAX_ADDRESS + 1] = '\0';
    assert_status(parse(text), BULLA_EINVAL);
}

static void test_the_longest_value_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    char text[600] = "file:k?name=";
    memset(text + 12, 'v', 511);
    assert_ok(parse(text));
    text[12 + 511] = 'v';
    assert_status(parse(text), BULLA_EINVAL);
    assert_non_null(strstr(call.why, "too long"));
}

static void test_an_unknown_parameter_is_named_with_the_nearest_known(void **state)
{
    (void)state;
    static const char *const known[] = {"namespace", "name", NULL};
    assert_ok(parse("file:k?namspace=x"));
    assert_status(bulla_address_params_check(&call, &parsed, known), BULLA_EINVAL);
    assert_non_null(strstr(call.why, "\"namspace\"; did you mean \"namespace\"?"));
    assert_ok(parse("file:k?quorum=x"));
    assert_status(bulla_address_params_check(&call, &parsed, known), BULLA_EINVAL);
    assert_null(strstr(call.why, "did you mean"));
    assert_ok(parse("file:k?name=x&namespace=y"));
    assert_ok(bulla_address_params_check(&call, &parsed, known));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_has_scheme_body_and_parameters),
        cmocka_unit_test(test_a_body_may_be_empty_or_hold_anything_but_a_question_mark),
        cmocka_unit_test(test_percent_signs_are_decoded),
        cmocka_unit_test(test_a_value_may_be_empty_and_hold_a_question_mark),
        cmocka_unit_test(test_a_mistake_is_shown_with_its_place),
        cmocka_unit_test(test_no_address_is_a_mistake),
        cmocka_unit_test(test_the_longest_address_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(test_the_longest_value_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(test_an_unknown_parameter_is_named_with_the_nearest_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
