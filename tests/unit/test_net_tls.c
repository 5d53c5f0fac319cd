/* SPDX-License-Identifier: Apache-2.0 */
/* Who is taken for the key store, who is not, and what is said then. */
#include "base/bytes.h"
#include "net_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static net_kit kit;
static bool had_client_cert;
static char host[128];

static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    had_client_cert = seen->has_client_cert;
    (void)http_seen_header(seen, "Host", host, sizeof host);
    reply->fault = strcmp(seen->target, "/alert") == 0 ? HTTP_TLS_ALERT : HTTP_NO_FAULT;
    reply->body = "genuine";
}

static void open_with(http_server_options server, bulla_tls_options tls)
{
    server.handler = answer;
    if (server.tls == HTTP_TLS_NONE) server.tls = HTTP_TLS_GOOD;
    net_kit_start(&kit, &server, &(bulla_http_options){.tls = tls});
}

static bulla_status ask(const char *path)
{
    BULLA_HTTP_ANSWER(got);
    bulla_status status = net_kit_ask(&kit, "POST", path, &got);
    if (status == BULLA_OK) assert_body(&got, "genuine");
    return status;
}

static void test_a_server_with_the_right_certificate_is_asked(void **state)
{
    (void)state;
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.ca_cert = NULL});
    assert_ok(ask("/"));
    assert_ok(ask("/"));
    assert_int_equal(http_server_num_connections(kit.server), 1);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_phase_seconds", "phase=\"tls\""), 1);
    assert_int_equal(kit.fake.num_logged, 0);
    net_kit_stop(&kit);
}

static void test_a_certificate_that_is_not_right_is_told_with_the_remedy(void **state)
{
    static const struct {
        http_tls tls;
        const char *why, *remedy;
    } wrong[] = {
        {HTTP_TLS_WRONG_HOST, "is for another name", "tls.server_name"},
        {HTTP_TLS_EXPIRED, "has expired", "renew"},
        {HTTP_TLS_NOT_YET, "is not valid yet", "clock"},
        {HTTP_TLS_SELF_SIGNED, "is self-signed", "tls.ca_cert"},
        {HTTP_TLS_OTHER_CA, "is of an authority that is not trusted", "tls.ca_cert"},
    };
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(wrong); i++) {
        open_with((http_server_options){.tls = wrong[i].tls}, (bulla_tls_options){.ca_cert = NULL});
        BULLA_HTTP_ANSWER(got);
        bulla_http_request once = {.method = "POST"}; /* may not be repeated; nothing was sent all the same */
        assert_status(net_kit_send(&kit, "/", once, &got), BULLA_EUNTRUSTED);
        assert_why(&kit, wrong[i].why);
        assert_why(&kit, wrong[i].remedy);
        assert_status(ask("/"), BULLA_EUNTRUSTED); /* no second try lets it pass */
        assert_int_equal(http_server_num_requests(kit.server), 0);
        net_kit_stop(&kit);
    }
}

static void test_a_given_authority_is_trusted_instead_of_the_systems(void **state)
{
    (void)state;
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.ca_cert = http_client_cert()});
    assert_status(ask("/"), BULLA_EUNTRUSTED);
    assert_why(&kit, "not trusted");
    net_kit_stop(&kit);
}

static void test_without_a_given_authority_the_systems_count(void **state)
{
    (void)state;
    bulla_http *http = NULL;
    BULLA_HTTP_ANSWER(got);
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.ca_cert = NULL});
    assert_ok(bulla_http_open(&kit.call, &(bulla_http_options){.store = "system"}, &http));
    bulla_http_request request = {.method = "GET", .url = http_server_url(kit.server), .idempotent = true};
    assert_status(bulla_http_send(http, &kit.call, &request, &got), BULLA_EUNTRUSTED);
    assert_why(&kit, "not trusted");
    bulla_http_close(http);
    net_kit_stop(&kit);
}

static void test_any_certificate_only_when_that_is_asked_for_and_told(void **state)
{
    (void)state;
    for (http_tls tls = HTTP_TLS_WRONG_HOST; tls <= HTTP_TLS_OTHER_CA; tls++) {
        open_with((http_server_options){.tls = tls}, (bulla_tls_options){.accept_any_server_certificate = true});
        assert_int_equal(kit.fake.num_logged, 1);
        assert_non_null(strstr(kit.fake.last_line, "store main: tls.accept_any_server_certificate"));
        assert_ok(ask("/"));
        net_kit_stop(&kit);
    }
}

static void test_a_server_that_is_too_old_is_refused(void **state)
{
    (void)state;
    open_with((http_server_options){.is_tls12 = true}, (bulla_tls_options){.min_version = "1.3"});
    assert_status(ask("/"), BULLA_EUNAVAIL);
    assert_why(&kit, "tls.min_version");
    net_kit_stop(&kit);
    open_with((http_server_options){.is_tls12 = true}, (bulla_tls_options){.min_version = "1.2"});
    assert_ok(ask("/"));
    net_kit_stop(&kit);
}

static void test_a_client_certificate_is_shown_when_there_is_one(void **state)
{
    (void)state;
    bulla_tls_options with = {.client_cert = http_client_cert(), .client_key = http_client_key()};
    open_with((http_server_options){.wants_client_cert = true}, with);
    assert_ok(ask("/"));
    assert_true(had_client_cert);
    net_kit_stop(&kit);
    open_with((http_server_options){.wants_client_cert = true}, (bulla_tls_options){.ca_cert = NULL});
    assert_status(ask("/"), BULLA_EUNAVAIL);
    assert_why(&kit, "certificate required");
    net_kit_stop(&kit);
    open_with((http_server_options){.wants_client_cert = true, .is_tls12 = true}, (bulla_tls_options){.ca_cert = NULL});
    assert_status(ask("/"), BULLA_EUNAVAIL);
    assert_why(&kit, "tls.client_cert");
    net_kit_stop(&kit);
}

static void test_files_that_hold_no_certificate_are_told(void **state)
{
    (void)state;
    char path[] = "/tmp/bulla-not-pem-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "nothing\n", 8), 8);
    (void)close(fd);
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.ca_cert = path});
    assert_status(ask("/"), BULLA_ECONFIG);
    assert_why(&kit, "tls.ca_cert");
    net_kit_stop(&kit);
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.client_cert = path});
    assert_status(ask("/"), BULLA_ECONFIG);
    assert_why(&kit, "tls.client_cert");
    net_kit_stop(&kit);
    (void)unlink(path);
}

static void test_another_name_may_be_wanted_of_the_certificate(void **state)
{
    char own[64];
    (void)state;
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.server_name = "kms.example.test"});
    assert_ok(ask("/"));
    (void)snprintf(own, sizeof own, "127.0.0.1:%u", http_server_port(kit.server));
    assert_string_equal(host, own);
    assert_ok(ask("/again?a=b"));
    assert_int_equal(http_server_num_connections(kit.server), 1);
    net_kit_stop(&kit);
    open_with((http_server_options){.tls = HTTP_TLS_WRONG_HOST},
              (bulla_tls_options){.server_name = "elsewhere.example.test"});
    assert_ok(ask("/"));
    net_kit_stop(&kit);
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.server_name = "other.example.test"});
    assert_status(ask("/"), BULLA_EUNTRUSTED);
    assert_why(&kit, "is for another name");
    net_kit_stop(&kit);
}

static void test_an_alert_instead_of_an_answer_is_a_lost_answer(void **state)
{
    (void)state;
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.ca_cert = NULL});
    assert_status(ask("/alert"), BULLA_EUNAVAIL);
    assert_ok(ask("/"));
    net_kit_stop(&kit);
}

/* A write to what the other side closed would end the program with SIGPIPE. */
static void test_connections_that_broke_while_idle_end_no_program(void **state)
{
    (void)state;
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.ca_cert = NULL});
    for (int i = 0; i < 20; i++) {
        assert_ok(ask("/"));
        http_server_drop_all(kit.server);
    }
    net_kit_stop(&kit);
}

static void test_session_keys_are_written_nowhere(void **state)
{
    (void)state;
    const char *path = getenv("SSLKEYLOGFILE"); /* set by main, before libcurl is loaded */
    assert_non_null(path);
    open_with((http_server_options){.port = 0}, (bulla_tls_options){.ca_cert = NULL});
    assert_ok(ask("/"));
    net_kit_stop(&kit);
    FILE *file = fopen(path, "r");
    char line[8];
    assert_true(file == NULL || fgets(line, sizeof line, file) == NULL);
    if (file != NULL) (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_with_the_right_certificate_is_asked),
        cmocka_unit_test(test_a_certificate_that_is_not_right_is_told_with_the_remedy),
        cmocka_unit_test(test_a_given_authority_is_trusted_instead_of_the_systems),
        cmocka_unit_test(test_without_a_given_authority_the_systems_count),
        cmocka_unit_test(test_any_certificate_only_when_that_is_asked_for_and_told),
        cmocka_unit_test(test_a_server_that_is_too_old_is_refused),
        cmocka_unit_test(test_a_client_certificate_is_shown_when_there_is_one),
        cmocka_unit_test(test_files_that_hold_no_certificate_are_told),
        cmocka_unit_test(test_another_name_may_be_wanted_of_the_certificate),
        cmocka_unit_test(test_an_alert_instead_of_an_answer_is_a_lost_answer),
        cmocka_unit_test(test_connections_that_broke_while_idle_end_no_program),
        cmocka_unit_test(test_session_keys_are_written_nowhere),
    };
    char path[] = "/tmp/bulla-keylog-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || setenv("SSLKEYLOGFILE", path, 1) != 0) return 1;
    (void)close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
