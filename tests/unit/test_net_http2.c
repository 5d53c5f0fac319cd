/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 where the server offers it: nghttpd speaks nothing else. */
#include "base/bytes.h"
#include "net_kit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_LEN 150000u

static char folder[] = "/tmp/bulla-http2-XXXXXX", path[64], url[64];
static uint16_t port;
static pid_t server;
static net_kit kit; /* its own server is not asked */

static struct sockaddr_in address_of(uint16_t number)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(number), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = address_of(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static bool is_listening(void)
{
    struct sockaddr_in address = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool connects = connect(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0;
    (void)close(fd);
    return connects;
}

static void server_start(void)
{
    char number[8];
    (void)snprintf(number, sizeof number, "%u", port);
    const char *key = http_client_key(), *cert = http_client_cert(); /* any will do here */
    server = fork();
    if (server == 0) {
        (void)execl(NGHTTPD, "nghttpd", "-a", "127.0.0.1", "-d", folder, "--echo-upload", number, key, cert, NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && !is_listening(); i++)
        (void)usleep(10000);
    assert_true(is_listening());
}

static void server_stop(void)
{
    (void)kill(server, SIGKILL);
    assert_int_equal(waitpid(server, NULL, 0), server);
}

static int start(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/file", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (unsigned i = 0; i < FILE_LEN; i++)
        (void)fputc('a' + (int)(i % 23), file);
    assert_int_equal(fclose(file), 0);
    port = free_port();
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/file", port);
    net_kit_start(&kit, &(http_server_options){.port = 0},
                  &(bulla_http_options){.tls.accept_any_server_certificate = true});
    server_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop();
    net_kit_stop(&kit);
    (void)unlink(path);
    return rmdir(folder);
}

static bulla_status ask(const char *method, bulla_http_answer *out_answer)
{
    bulla_http_request request = {
        .method = method, .url = url, .endpoint = "h2", .timeout_ms = 2000, .idempotent = true};
    if (method[0] == 'P') request.body = bulla_view_text("a question");
    return bulla_http_send(kit.http, &kit.call, &request, out_answer);
}

static uint64_t num_connections(const char *name)
{
    return bulla_metric_value(
        bulla_metrics_counter(kit.metrics, name, "store=\"main\",endpoint=\"h2\"", "as the client says"));
}

static void test_requests_share_one_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        BULLA_HTTP_ANSWER(got);
        assert_ok(ask("GET", &got));
        assert_int_equal(got.code, 200);
        assert_int_equal(bulla_http_body(&got).len, FILE_LEN);
        assert_int_equal(bulla_http_body(&got).data[FILE_LEN - 1], 'a' + (FILE_LEN - 1) % 23);
        assert_true(got.date_s > 1700000000);
    }
    assert_int_equal(num_connections("bulla_kms_connections_opened_total"), 1);
    assert_int_equal(num_connections("bulla_kms_connections_reused_total"), 9);
}

static void test_a_question_goes_out(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    assert_ok(ask("POST", &got));
    assert_int_equal(got.code, 200);
    assert_body(&got, "a question");
}

static void test_a_server_that_goes_and_comes_back_is_found_again(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    BULLA_HTTP_ANSWER(again);
    server_stop();
    assert_status(ask("GET", &got), BULLA_EUNAVAIL);
    server_start();
    assert_ok(ask("GET", &again));
    assert_int_equal(again.code, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_share_one_connection),
        cmocka_unit_test(test_a_question_goes_out),
        cmocka_unit_test(test_a_server_that_goes_and_comes_back_is_found_again),
    };
    if (access(NGHTTPD, X_OK) != 0) {
        const char *required = getenv("BULLA_REQUIRE");
        (void)puts("skipped: nghttpd is not there (nghttp2-server)");
        return required != NULL && strcmp(required, "1") == 0 ? 1 : 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
