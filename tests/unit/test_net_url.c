/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "net/http.h"

#include <stdio.h>
#include <string.h>

static bulla_http_url parsed(const char *text)
{
    bulla_call call;
    bulla_http_url url;
    memset(&url, 'x', sizeof url);
    bulla_call_init(&call, NULL);
    assert_ok(bulla_http_url_parse(&call, text, &url));
    return url;
}

static void assert_refused(const char *text, const char *why)
{
    bulla_call call;
    bulla_http_url url = {.port = 7};
    bulla_call_init(&call, NULL);
    assert_status(bulla_http_url_parse(&call, text, &url), BULLA_EINVAL);
    assert_int_equal(url.port, 7);
    if (strstr(call.why, why) == NULL) fail_msg("%s: \"%s\" does not say \"%s\"", text, call.why, why);
}

static void test_a_url_is_scheme_host_and_port(void **state)
{
    (void)state;
    bulla_http_url url = parsed("HTTPS://Vault.Example.test:8200/v1/sys/health?standbyok=true");
    assert_string_equal(url.scheme, "https");
    assert_string_equal(url.host, "vault.example.test");
    assert_int_equal(url.port, 8200);
    assert_false(url.is_loopback);
}

static void test_without_a_port_the_scheme_has_one(void **state)
{
    (void)state;
    assert_int_equal(parsed("https://a").port, 443);
    assert_int_equal(parsed("http://a?b").port, 80);
    assert_int_equal(parsed("http://a:65535/").port, 65535);
}

static void test_ipv6_keeps_its_brackets(void **state)
{
    (void)state;
    bulla_http_url url = parsed("http://[FD00::1]:8200/x");
    assert_string_equal(url.host, "[fd00::1]");
    assert_int_equal(url.port, 8200);
}

static void test_loopback_is_what_cannot_be_elsewhere(void **state)
{
    (void)state;
    assert_true(parsed("http://localhost:1").is_loopback);
    assert_true(parsed("http://127.8.9.1/").is_loopback);
    assert_true(parsed("http://[::1]").is_loopback);
    assert_false(parsed("http://127.0.0.1.example.test").is_loopback);
    assert_false(parsed("http://localhost.example.test").is_loopback);
    assert_false(parsed("http://126.0.0.1").is_loopback);
    assert_false(parsed("http://127.1").is_loopback);
    assert_false(parsed("http://[::2]").is_loopback);
}

static void test_what_is_no_plain_url_is_refused_with_the_reason(void **state)
{
    (void)state;
    assert_refused(NULL, "NULL");
    assert_refused("", "https://");
    assert_refused("ftp://a", "https://");
    assert_refused("https:/a", "https://");
    assert_refused("https://", "host");
    assert_refused("https:///v1", "host");
    assert_refused("https://user:word@host/", "user name");
    assert_refused("https://trusted\\@evil", "backslash");
    assert_refused("https://a/\r\nX: y", "blank");
    assert_refused("https://a b", "blank");
    assert_refused("https://b\xc3\xbc"
                   "cher",
                   "ASCII");
    assert_refused("https://a/#part", "#");
    assert_refused("https://a:0", "port");
    assert_refused("https://a:", "port");
    assert_refused("https://a:65536", "port");
    assert_refused("https://a:8200x", "character");
    assert_refused("https://[::1", "host");
    assert_refused("https://[::g]", "host");
    assert_refused("https://[1.2.3.4]", "host");
    assert_refused("https://a,b", "character");
}

static void test_an_endless_url_or_host_is_refused(void **state)
{
    (void)state;
    char text[9000] = "https://";
    memset(text + 8, 'a', sizeof text - 9);
    assert_refused(text, "8192 characters");
    text[8 + 256] = '\0';
    assert_refused(text, "255 characters");
    text[8 + 255] = '\0';
    assert_int_equal(strlen(parsed(text).host), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_url_is_scheme_host_and_port),
        cmocka_unit_test(test_without_a_port_the_scheme_has_one),
        cmocka_unit_test(test_ipv6_keeps_its_brackets),
        cmocka_unit_test(test_loopback_is_what_cannot_be_elsewhere),
        cmocka_unit_test(test_what_is_no_plain_url_is_refused_with_the_reason),
        cmocka_unit_test(test_an_endless_url_or_host_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
