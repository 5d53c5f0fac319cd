/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent and what comes back. */
#include "base/bytes.h"
#include "net_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static net_kit kit;
static http_seen *last; /* the last request the server saw */
static http_reply next; /* what it answers */

static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    static char body[HTTP_SEEN_BODY + 1];
    (void)arg;
    memcpy(last, seen, sizeof *last);
    memcpy(body, seen->body, seen->body_len + 1);
    last->body = body;
    *reply = next;
}

static int start(void **state)
{
    (void)state;
    next = (http_reply){.code = 200};
    last = calloc(1, sizeof *last);
    assert_non_null(last);
    net_kit_start(&kit, &(http_server_options){.handler = answer}, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    net_kit_stop(&kit);
    free(last);
    return 0;
}

static const char *seen_header(const char *name)
{
    static char value[8192];
    return http_seen_header(last, name, value, sizeof value);
}

static void test_an_answer_has_code_headers_and_body(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    next.headers = "Content-Type: application/json\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                   "x-ms-request-id: 42\r\nRetry-After: 3\r\n";
    next.code = 429;
    next.body = "{\"why\":\"busy\"}";
    assert_ok(net_kit_ask(&kit, "GET", "/v1/a?b=c", &got));
    assert_int_equal(got.code, 429);
    assert_string_equal(got.content_type, "application/json");
    assert_string_equal(got.request_id, "42");
    assert_int_equal(got.date_s, 784111777);
    assert_int_equal(got.retry_after_ms, 3000);
    assert_body(&got, "{\"why\":\"busy\"}");
    assert_string_equal(last->target, "/v1/a?b=c");
}

static void test_an_answer_without_a_body_has_none(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    next.code = 204;
    assert_ok(net_kit_ask(&kit, "DELETE", "/", &got));
    assert_int_equal(got.code, 204);
    assert_null(got.body);
    assert_int_equal(bulla_http_body(&got).len, 0);
}

static void test_methods_go_out_as_they_are_named(void **state)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "LIST", "GET", "PUT", "LIST", "POST"};
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(methods); i++) {
        BULLA_HTTP_ANSWER(got);
        assert_ok(net_kit_ask(&kit, methods[i], "/", &got));
        assert_string_equal(last->method, methods[i]);
        assert_string_equal(last->body, methods[i][0] == 'P' ? "question" : "");
    }
    BULLA_HTTP_ANSWER(none);
    assert_status(net_kit_ask(&kit, "TRACE", "/", &none), BULLA_EINVAL);
    assert_int_equal(http_server_num_requests(kit.server), BULLA_LEN(methods));
}

static void test_a_body_goes_with_any_method(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http_request request = {.method = "DELETE", .body = bulla_view_text("this one"), .idempotent = true};
    assert_ok(net_kit_send(&kit, "/", request, &got));
    assert_string_equal(last->method, "DELETE");
    assert_string_equal(last->body, "this one");
}

static void test_an_empty_post_says_that_it_is_empty(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    assert_ok(net_kit_send(&kit, "/", (bulla_http_request){.method = "POST", .idempotent = true}, &got));
    assert_string_equal(seen_header("Content-Length"), "0");
}

static void test_headers_go_out_and_none_is_made_up(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    const bulla_http_header headers[] = {{"X-Vault-Token", bulla_view_text("s.secret: with; signs")},
                                         {"X-Empty", {NULL, 0}}};
    bulla_http_request request = {.method = "POST", .headers = headers, .num_headers = 2, .idempotent = true};
    request.body = bulla_view_text("{}");
    assert_ok(net_kit_send(&kit, "/", request, &got));
    assert_string_equal(seen_header("X-Vault-Token"), "s.secret: with; signs");
    assert_string_equal(seen_header("X-Empty"), "");
    assert_null(seen_header("Expect"));
    assert_null(seen_header("Content-Type"));
    assert_null(seen_header("Accept-Encoding"));
    assert_null(seen_header("Cookie"));
    assert_ok(net_kit_ask(&kit, "GET", "/", &got));
    assert_null(seen_header("X-Vault-Token")); /* they were that request's */
}

static void test_a_header_cannot_smuggle_another(void **state)
{
    const bulla_http_header wrong[] = {{"X-A", bulla_view_text("a\r\nX-B: b")},
                                       {"X-A", bulla_view_text("a\nX-B: b")},
                                       {"X-A: b\r\nX-B", bulla_view_text("b")},
                                       {"X A", bulla_view_text("b")},
                                       {"", bulla_view_text("b")},
                                       {NULL, bulla_view_text("b")},
                                       {"X-A", bulla_view_of("a\0b", 3)}};
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(wrong); i++) {
        BULLA_HTTP_ANSWER(got);
        bulla_http_request request = {.method = "GET", .headers = &wrong[i], .num_headers = 1, .idempotent = true};
        assert_status(net_kit_send(&kit, "/", request, &got), BULLA_EINVAL);
    }
    assert_int_equal(http_server_num_requests(kit.server), 0);
}

static void test_headers_are_bounded(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    static char large[300000];
    memset(large, 'v', sizeof large - 1);
    bulla_http_header headers[BULLA_HTTP_MAX_HEADERS + 1];
    for (size_t i = 0; i < BULLA_LEN(headers); i++)
        headers[i] = (bulla_http_header){"X-A", bulla_view_text("b")};
    bulla_http_request request = {.method = "GET", .headers = headers, .idempotent = true};
    request.num_headers = BULLA_LEN(headers);
    assert_status(net_kit_send(&kit, "/", request, &got), BULLA_ELIMIT);
    request.num_headers = BULLA_HTTP_MAX_HEADERS;
    assert_ok(net_kit_send(&kit, "/", request, &got));
    headers[0].value = bulla_view_text(large);
    assert_status(net_kit_send(&kit, "/", request, &got), BULLA_ELIMIT);
    headers[0].value = bulla_view_of(large, 8000);
    assert_ok(net_kit_send(&kit, "/", request, &got));
    assert_int_equal(strlen(seen_header("X-A")), 8000);
}

static void test_large_questions_and_answers_arrive_whole(void **state)
{
    (void)state;
    static char large[200000];
    for (size_t i = 0; i < sizeof large - 1; i++)
        large[i] = (char)('a' + i * i % 26);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        BULLA_HTTP_ANSWER(got);
        bulla_http_request request = {.method = "PUT", .body = bulla_view_text(large), .idempotent = true};
        next.body = large;
        next.is_chunked = is_chunked != 0;
        assert_ok(net_kit_send(&kit, "/", request, &got));
        assert_string_equal(last->body, large);
        assert_body(&got, large);
    }
}

static void test_an_answer_over_the_limit_is_refused(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http_request request = {.method = "GET", .max_answer = 1000, .idempotent = true};
    next.body_len = 1000;
    assert_ok(net_kit_send(&kit, "/", request, &got));
    assert_int_equal(bulla_http_body(&got).len, 1000);
    BULLA_HTTP_ANSWER(none);
    next.body_len = 1001;
    assert_status(net_kit_send(&kit, "/", request, &none), BULLA_ELIMIT);
    assert_why(&kit, "1000 bytes");
    assert_null(none.body);
    next.body_len = 256 * 1024 + 1;
    next.is_chunked = true;
    assert_status(net_kit_ask(&kit, "GET", "/", &none), BULLA_ELIMIT);
    request.max_answer = BULLA_HTTP_MAX_ANSWER + 1;
    assert_status(net_kit_send(&kit, "/", request, &none), BULLA_EINVAL);
}

static void test_the_longest_answer_there_may_be_fits(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http_request request = {.method = "GET", .max_answer = BULLA_HTTP_MAX_ANSWER, .idempotent = true};
    next.body_len = BULLA_HTTP_MAX_ANSWER;
    assert_ok(net_kit_send(&kit, "/", request, &got));
    assert_int_equal(bulla_http_body(&got).len, BULLA_HTTP_MAX_ANSWER);
}

static void test_a_redirect_is_an_answer(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    next.code = 307;
    next.headers = "Location: http://127.0.0.1:1/elsewhere\r\nSet-Cookie: a=b\r\n";
    assert_ok(net_kit_ask(&kit, "POST", "/", &got));
    assert_int_equal(got.code, 307);
    assert_ok(net_kit_ask(&kit, "POST", "/", &got));
    assert_null(seen_header("Cookie"));
    assert_int_equal(http_server_num_requests(kit.server), 2);
}

static void test_compressed_bytes_are_not_unpacked(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    next.headers = "Content-Encoding: gzip\r\n";
    next.body = "not gzip at all";
    assert_ok(net_kit_ask(&kit, "GET", "/", &got));
    assert_body(&got, "not gzip at all");
}

static void test_a_failure_leaves_the_answer_untouched(void **state)
{
    (void)state;
    bulla_http_answer got = {.code = 7, .content_type = "mine"};
    next.fault = HTTP_CLOSE_IN_BODY;
    next.body = "something";
    assert_status(net_kit_ask(&kit, "GET", "/", &got), BULLA_EUNAVAIL);
    assert_int_equal(got.code, 7);
    assert_string_equal(got.content_type, "mine");
    assert_null(got.body);
}

static void test_answers_are_counted_by_class_and_phase(void **state)
{
    (void)state;
    static const int codes[] = {200, 204, 301, 404, 503, 500, 501};
    for (size_t i = 0; i < BULLA_LEN(codes); i++) {
        BULLA_HTTP_ANSWER(got);
        next.code = codes[i];
        assert_ok(net_kit_ask(&kit, "GET", "/", &got));
    }
    BULLA_HTTP_ANSWER(none);
    next.fault = HTTP_RESET;
    assert_status(net_kit_ask(&kit, "GET", "/", &none), BULLA_EUNAVAIL);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_answers_total", "code=\"2xx\""), 2);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_answers_total", "code=\"3xx\""), 1);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_answers_total", "code=\"4xx\""), 1);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_answers_total", "code=\"5xx\""), 3);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_answers_total", "code=\"none\""), 1);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_request_seconds", "call=\"ask\""), 8);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_phase_seconds", "phase=\"connect\""), 1);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_phase_seconds", "phase=\"server\""), 7);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_connections_opened_total", ""), 1);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_connections_reused_total", ""), 6);
}

/* Where a request has a body, libcurl's own "first byte" is its own. */
static void test_time_that_the_server_takes_is_the_servers(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        BULLA_HTTP_ANSWER(got);
        next.delay_ms = i == 0 ? 0 : 80;
        assert_ok(net_kit_ask(&kit, "POST", "/", &got));
    }
    assert_true(net_kit_sum_ms(&kit, "bulla_kms_phase_seconds", "phase=\"server\"") >= 70);
    assert_true(net_kit_sum_ms(&kit, "bulla_kms_phase_seconds", "phase=\"transfer\"") < 70);
}

static void test_a_proxy_of_the_environment_is_used_unless_forbidden(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http *through = NULL, *past = NULL;
    bulla_http_request request = {.method = "GET", .url = "http://kms.example.test:99/v1", .idempotent = true};
    fake_env_var_set(&kit.fake, "http_proxy", http_server_url(kit.server));
    assert_ok(bulla_http_open(&kit.call, &(bulla_http_options){.store = "a"}, &through));
    assert_ok(bulla_http_send(through, &kit.call, &request, &got));
    assert_string_equal(last->target, "http://kms.example.test:99/v1");
    bulla_http_close(through);
    fake_env_var_set(&kit.fake, "no_proxy", "other.test,kms.example.test");
    for (int forbids = 0; forbids < 2; forbids++) {
        BULLA_HTTP_ANSWER(none);
        assert_ok(bulla_http_open(&kit.call, &(bulla_http_options){.store = "b", .no_proxy = forbids != 0}, &past));
        assert_status(bulla_http_send(past, &kit.call, &request, &none), BULLA_EUNAVAIL);
        assert_why(&kit, "has no address");
        bulla_http_close(past);
        fake_env_var_set(&kit.fake, "no_proxy", NULL);
    }
}

static void test_a_server_on_this_machine_is_asked_without_a_proxy(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http *http = NULL;
    const bulla_http_request request = {.method = "GET", .url = http_server_url(kit.server), .idempotent = true};
    fake_env_var_set(&kit.fake, "all_proxy", "http://127.0.0.1:1");
    assert_ok(bulla_http_open(&kit.call, &(bulla_http_options){.store = "a"}, &http));
    assert_ok(bulla_http_send(http, &kit.call, &request, &got));
    bulla_http_close(http);
}

static void test_the_process_environment_is_not_looked_at(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
    assert_ok(net_kit_ask(&kit, "GET", "/direct", &got));
    assert_string_equal(last->target, "/direct");
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
}

static void test_wrong_options_are_refused(void **state)
{
    const bulla_http_options wrong[] = {
        {.store = NULL},
        {.store = "a name that is much longer than any"},
        {.store = "a", .pool.max_connections = 65},
        {.store = "a", .tls.min_version = "1.1"},
        {.store = "a", .tls.client_key = "/dev/null"},
        {.store = "a", .tls.server_name = "a/b"},
        {.store = "a", .tls.server_name = "a:1"},
        {.store = "a", .tls.ca_cert = ""},
    };
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(wrong); i++) {
        bulla_http *http = NULL;
        assert_status(bulla_http_open(&kit.call, &wrong[i], &http), BULLA_EINVAL);
        assert_null(http);
    }
    bulla_http *http = NULL;
    bulla_http_options absent = {.store = "a", .tls.ca_cert = "/nowhere/ca.pem"};
    assert_status(bulla_http_open(&kit.call, &absent, &http), BULLA_ENOFILE);
    assert_why(&kit, "tls.ca_cert \"/nowhere/ca.pem\"");
}

static void test_without_memory_there_is_no_client_and_no_leak(void **state)
{
    (void)state;
    bulla_status status = BULLA_ENOMEM;
    bulla_http_options options = {.store = "a", .tls.ca_cert = http_server_ca(), .tls.server_name = "b"};
    for (size_t n = 1; n < 20 && status != BULLA_OK; n++) {
        bulla_http *http = NULL;
        size_t before = kit.fake.num_live;
        fake_env_fail_alloc_in(&kit.fake, n);
        status = bulla_http_open(&kit.call, &options, &http);
        fake_env_fail_alloc_in(&kit.fake, 0);
        assert_true(status == BULLA_OK || status == BULLA_ENOMEM);
        bulla_http_close(http);
        assert_int_equal(kit.fake.num_live, before);
    }
    assert_ok(status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_answer_has_code_headers_and_body, start, stop),
        cmocka_unit_test_setup_teardown(test_an_answer_without_a_body_has_none, start, stop),
        cmocka_unit_test_setup_teardown(test_methods_go_out_as_they_are_named, start, stop),
        cmocka_unit_test_setup_teardown(test_a_body_goes_with_any_method, start, stop),
        cmocka_unit_test_setup_teardown(test_an_empty_post_says_that_it_is_empty, start, stop),
        cmocka_unit_test_setup_teardown(test_headers_go_out_and_none_is_made_up, start, stop),
        cmocka_unit_test_setup_teardown(test_a_header_cannot_smuggle_another, start, stop),
        cmocka_unit_test_setup_teardown(test_headers_are_bounded, start, stop),
        cmocka_unit_test_setup_teardown(test_large_questions_and_answers_arrive_whole, start, stop),
        cmocka_unit_test_setup_teardown(test_an_answer_over_the_limit_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_the_longest_answer_there_may_be_fits, start, stop),
        cmocka_unit_test_setup_teardown(test_a_redirect_is_an_answer, start, stop),
        cmocka_unit_test_setup_teardown(test_compressed_bytes_are_not_unpacked, start, stop),
        cmocka_unit_test_setup_teardown(test_a_failure_leaves_the_answer_untouched, start, stop),
        cmocka_unit_test_setup_teardown(test_answers_are_counted_by_class_and_phase, start, stop),
        cmocka_unit_test_setup_teardown(test_time_that_the_server_takes_is_the_servers, start, stop),
        cmocka_unit_test_setup_teardown(test_a_proxy_of_the_environment_is_used_unless_forbidden, start, stop),
        cmocka_unit_test_setup_teardown(test_a_server_on_this_machine_is_asked_without_a_proxy, start, stop),
        cmocka_unit_test_setup_teardown(test_the_process_environment_is_not_looked_at, start, stop),
        cmocka_unit_test_setup_teardown(test_wrong_options_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_without_memory_there_is_no_client_and_no_leak, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
