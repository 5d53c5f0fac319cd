/* SPDX-License-Identifier: Apache-2.0 */
/* The codec's edges; its answers are held to AWS's signing suite by tests/kat/sigv4.c. */
#include "wire/sigv4.h"

#include "cmocka_all.h"

#include <stdio.h>

static const bulla_sigv4_scope scope = {1440938160, "us-east-1", "service"}; /* 2015-08-30T12:36:00Z */

static const char *canonical(const bulla_sigv4_request *request)
{
    static char text[BULLA_SIGV4_MAX_TEXT + 1];
    bulla_writer writer = bulla_writer_of((uint8_t *)text, sizeof text - 1);
    assert_ok(bulla_sigv4_canonical_write(NULL, request, &writer));
    text[writer.len] = '\0';
    return text;
}

static void test_a_time_is_written_as_signatures_have_it(void **state)
{
    (void)state;
    char text[BULLA_SIGV4_TIME];
    bulla_sigv4_time_format(scope.time_s, text);
    assert_string_equal(text, "20150830T123600Z");
    bulla_sigv4_time_format(951782400, text);
    assert_string_equal(text, "20000229T000000Z");
}

static void test_a_key_is_the_one_of_its_day_region_and_service(void **state)
{
    (void)state;
    uint8_t key[BULLA_SIGV4_KEY], other[BULLA_SIGV4_KEY];
    char hex[2 * BULLA_SIGV4_KEY + 1];
    const bulla_sigv4_scope iam = {scope.time_s, "us-east-1", "iam"};
    bulla_view secret = bulla_view_text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    assert_ok(bulla_sigv4_key_derive(NULL, secret, &iam, key));
    bulla_hex_encode(bulla_view_of(key, sizeof key), hex);
    assert_string_equal(hex, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    const bulla_sigv4_scope later = {scope.time_s + 86400, "us-east-1", "iam"};
    assert_ok(bulla_sigv4_key_derive(NULL, secret, &later, other));
    assert_memory_not_equal(key, other, sizeof key);
}

static void test_headers_are_sorted_whatever_their_case_and_joined_when_repeated(void **state)
{
    (void)state;
    const bulla_sigv4_header headers[] = {{"X-B", bulla_view_text(" two\t\twords ")},
                                          {"Host", bulla_view_text("h")},
                                          {"x-a", bulla_view_text("1")},
                                          {"X-A", bulla_view_text("2")}};
    const bulla_sigv4_request request = {.method = "POST", .headers = headers, .num_headers = 4};
    assert_non_null(strstr(canonical(&request), "\nhost:h\nx-a:1,2\nx-b:two words\n\nhost;x-a;x-b\n"));
}

static void test_a_path_is_encoded_and_normalised_unless_it_is_kept(void **state)
{
    (void)state;
    bulla_sigv4_request request = {.method = "GET", .path = bulla_view_text("/a/./b/../c d//e/")};
    assert_memory_equal(canonical(&request), "GET\n/a/c%20d/e/\n", 16);
    request.path = bulla_view_text("/../..");
    assert_memory_equal(canonical(&request), "GET\n/\n", 6);
    request.path = bulla_view_text("//a");
    request.keep_path = true;
    assert_memory_equal(canonical(&request), "GET\n//a\n", 8);
}

static void test_a_query_is_sorted_and_encoded_once(void **state)
{
    (void)state;
    const bulla_sigv4_request request = {.method = "GET", .query = bulla_view_text("b=%7e&a=2&&a=1+1&c")};
    assert_memory_equal(canonical(&request), "GET\n/\na=1%2B1&a=2&b=~&c=\n", 25);
}

static void test_too_many_headers_parameters_or_bytes_are_refused(void **state)
{
    (void)state;
    bulla_sigv4_header headers[BULLA_SIGV4_MAX_FIELDS + 1];
    uint8_t out[BULLA_SIGV4_MAX_TEXT];
    bulla_writer writer = bulla_writer_of(out, sizeof out);
    for (size_t i = 0; i < BULLA_LEN(headers); i++)
        headers[i] = (bulla_sigv4_header){"h", bulla_view_text("v")};
    bulla_sigv4_request request = {.method = "GET", .headers = headers, .num_headers = BULLA_LEN(headers)};
    assert_status(bulla_sigv4_canonical_write(NULL, &request, &writer), BULLA_ELIMIT);
    request.num_headers = 1;
    char query[2 * (BULLA_SIGV4_MAX_FIELDS + 1) + 1];
    for (size_t i = 0; i < sizeof query - 1; i++)
        query[i] = i % 2 == 0 ? 'a' : '&';
    query[sizeof query - 1] = '\0';
    request.query = bulla_view_text(query);
    assert_status(bulla_sigv4_canonical_write(NULL, &request, &writer), BULLA_ELIMIT);
    request.query = bulla_view_of(NULL, 0);
    bulla_writer small = bulla_writer_of(out, 40);
    assert_status(bulla_sigv4_canonical_write(NULL, &request, &small), BULLA_ELIMIT);
}

static void test_a_clock_that_was_never_set_signs_nothing(void **state)
{
    (void)state;
    uint8_t key[BULLA_SIGV4_KEY];
    const bulla_sigv4_scope before = {-1, "us-east-1", "kms"};
    assert_status(bulla_sigv4_key_derive(NULL, bulla_view_text("secret"), &before, key), BULLA_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_time_is_written_as_signatures_have_it),
        cmocka_unit_test(test_a_key_is_the_one_of_its_day_region_and_service),
        cmocka_unit_test(test_headers_are_sorted_whatever_their_case_and_joined_when_repeated),
        cmocka_unit_test(test_a_path_is_encoded_and_normalised_unless_it_is_kept),
        cmocka_unit_test(test_a_query_is_sorted_and_encoded_once),
        cmocka_unit_test(test_too_many_headers_parameters_or_bytes_are_refused),
        cmocka_unit_test(test_a_clock_that_was_never_set_signs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
