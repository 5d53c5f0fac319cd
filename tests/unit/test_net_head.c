/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "net/head.h"

#include <stdio.h>

static bulla_http_answer answer;
static bulla_head head;

static int start(void **state)
{
    (void)state;
    answer = (bulla_http_answer){.code = 0};
    head = (bulla_head){.answer = &answer};
    return 0;
}

static bool takes(const char *line)
{
    return bulla_head_line(&head, bulla_view_text(line));
}

static void test_a_status_line_has_the_code(void **state)
{
    (void)state;
    assert_true(takes("HTTP/1.1 404 Not Found\r\n"));
    assert_int_equal(answer.code, 404);
    assert_true(takes("HTTP/2 200 \r\n"));
    assert_int_equal(answer.code, 200);
    assert_true(takes("HTTP/1.0 599"));
    assert_int_equal(answer.code, 599);
}

static void test_what_is_no_status_line_ends_it(void **state)
{
    static const char *const wrong[] = {"HTTP/1.1",      "HTTP/1.1 ",    "HTTP/1.1 20",  "HTTP/1.1 2x0",
                                        "HTTP/1.1 2000", "HTTP/1.1 099", "HTTP/1.1 600", "Date: none yet"};
    for (size_t i = 0; i < BULLA_LEN(wrong); i++) {
        (void)start(state);
        assert_false(takes(wrong[i]));
        assert_int_equal(answer.code, 0);
    }
}

static void test_known_headers_are_kept_by_their_first_occurrence(void **state)
{
    (void)state;
    assert_true(takes("HTTP/1.1 401 Unauthorized\r\n"));
    assert_true(takes("CONTENT-TYPE:application/json \r\n"));
    assert_true(takes("WWW-Authenticate:  Bearer realm=\"a\"\r\n"));
    assert_true(takes("WWW-Authenticate: Basic\r\n"));
    assert_true(takes("x-amzn-RequestId: 1234\r\n"));
    assert_true(takes("x-amzn-ErrorType: NotFoundException:\r\n"));
    assert_true(takes("Metadata-Flavor: Google\r\n"));
    assert_true(takes("Set-Cookie: ignored\r\n"));
    assert_string_equal(answer.content_type, "application/json");
    assert_string_equal(answer.challenge, "Bearer realm=\"a\"");
    assert_string_equal(answer.request_id, "1234");
    assert_string_equal(answer.error_type, "NotFoundException:");
    assert_string_equal(answer.flavor, "Google");
}

static void test_an_interim_answer_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_true(takes("HTTP/1.1 103 Early Hints") && takes("Content-Type: text/html") && takes("Retry-After: 9"));
    assert_true(takes("") && takes("HTTP/1.1 200 OK") && takes(""));
    assert_int_equal(answer.code, 200);
    assert_string_equal(answer.content_type, "");
    assert_int_equal(answer.retry_after_ms, 0);
}

static void test_trailers_are_not_looked_at(void **state)
{
    (void)state;
    assert_true(takes("HTTP/1.1 200 OK") && takes("") && takes("Retry-After: 9") && takes("no colon here"));
    assert_int_equal(answer.retry_after_ms, 0);
}

static void test_kept_text_is_cut_and_printable(void **state)
{
    (void)state;
    char line[4000] = "content-type: a\x1b[2J\xc3\x28";
    memset(line + strlen(line), 'z', sizeof line - strlen(line) - 1);
    assert_true(takes("HTTP/1.1 200 OK") && takes(line));
    assert_int_equal(strlen(answer.content_type), sizeof answer.content_type - 1);
    assert_memory_equal(answer.content_type, "a?[2J?(zz", 9);
}

static void test_lines_and_bytes_are_bounded(void **state)
{
    char line[1000] = "x: ";
    memset(line + 3, 'y', sizeof line - 4);
    assert_true(takes("HTTP/1.1 200 OK"));
    for (size_t i = 1; i < BULLA_HEAD_LINES; i++)
        assert_true(takes("a: b"));
    assert_false(takes("a: b"));
    (void)start(state);
    assert_true(takes("HTTP/1.1 200 OK"));
    for (size_t i = 0; i < BULLA_HEAD_BYTES / (sizeof line - 1); i++)
        assert_true(takes(line));
    assert_false(takes(line));
}

static uint32_t retry_after(const char *value, const char *date, int64_t now_s)
{
    char line[128];
    (void)start(NULL);
    (void)snprintf(line, sizeof line, "Retry-After: %s\r\n", value);
    assert_true(takes("HTTP/1.1 503 Busy") && takes(line) && (date == NULL || takes(date)) && takes(""));
    bulla_head_end(&head, now_s);
    return answer.retry_after_ms;
}

static void test_retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    assert_int_equal(retry_after("120", NULL, 0), 120000);
    assert_int_equal(retry_after("99999999999999999999", NULL, 0), 3600000);
    assert_int_equal(retry_after("0", NULL, 0), 0);
    assert_int_equal(retry_after("-5", NULL, 0), 0);
    assert_int_equal(retry_after("soon", NULL, 0), 0);
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", NULL, 784111777 - 30), 30000);
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", NULL, 784111777 + 30), 0);
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", NULL, 0), 3600000);
}

static void test_a_date_to_wait_for_is_by_the_servers_clock(void **state)
{
    (void)state;
    const char *date = "Date: Sun, 06 Nov 1994 08:49:00 GMT\r\n";
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", date, 5), 37000);
    assert_int_equal(answer.date_s, 784111740);
}

static void test_dates_have_three_forms(void **state)
{
    static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994", "Sun Nov 06 08:49:37 1994"};
    int64_t seconds = 0;
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(same); i++) {
        seconds = 0;
        assert_true(bulla_http_date_parse(bulla_view_text(same[i]), &seconds));
        assert_int_equal(seconds, 784111777);
    }
    assert_true(bulla_http_date_parse(bulla_view_text("Thu, 29 Feb 2024 23:59:60 GMT"), &seconds));
    assert_int_equal(seconds, 1709251200);
    assert_true(bulla_http_date_parse(bulla_view_text("Friday, 01-Jan-27 00:00:00 GMT"), &seconds));
    assert_int_equal(seconds, 1798761600);
}

static void test_what_is_no_date_is_none(void **state)
{
    static const char *const wrong[] = {"",
                                        "Sun",
                                        "Sun,",
                                        "Sun, 6 Nov 1994 08:49:37 GMT",
                                        "Sun, 06 nov 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 1994 08:49:37",
                                        "Sun, 06 Nov 1994 08:49:37 CET",
                                        "Sun, 06 Nov 1994 24:00:00 GMT",
                                        "Sun, 00 Nov 1994 08:49:37 GMT",
                                        "Sun, 32 Nov 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 0000 08:49:37 GMT",
                                        "Sun, 06-Nov 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 1994 08:60:37 GMT",
                                        "Sun, 06 Nov 1994 -8:49:37 GMT",
                                        "Sun, 06 Nov 1994 08:49:37 GMT ",
                                        "Sun Nov  6 08:49:37 94"};
    int64_t seconds = 42;
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(wrong); i++)
        if (bulla_http_date_parse(bulla_view_text(wrong[i]), &seconds)) fail_msg("\"%s\" is taken", wrong[i]);
    assert_int_equal(seconds, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_status_line_has_the_code, start),
        cmocka_unit_test_setup(test_what_is_no_status_line_ends_it, start),
        cmocka_unit_test_setup(test_known_headers_are_kept_by_their_first_occurrence, start),
        cmocka_unit_test_setup(test_an_interim_answer_leaves_nothing_behind, start),
        cmocka_unit_test_setup(test_trailers_are_not_looked_at, start),
        cmocka_unit_test_setup(test_kept_text_is_cut_and_printable, start),
        cmocka_unit_test_setup(test_lines_and_bytes_are_bounded, start),
        cmocka_unit_test_setup(test_retry_after_is_seconds_or_a_date, start),
        cmocka_unit_test_setup(test_a_date_to_wait_for_is_by_the_servers_clock, start),
        cmocka_unit_test_setup(test_dates_have_three_forms, start),
        cmocka_unit_test_setup(test_what_is_no_date_is_none, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
