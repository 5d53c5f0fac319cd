/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to a key store on the network and what comes back passes through libcurl and its TLS library: after the
 * answer is there, the token and the question are nowhere in this process, and the answer is in locked pages alone;
 * when it is given back, nowhere. The connection stays open all the while. The server is a process of its own.
 */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/http_server.h"
#include "net/http.h"
#include "secrets/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN 64u

static struct needle token, question, answer;
static pid_t server;
static int to_server;
static char urls[2][64], ca[64];

static void answer_all(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    (void)seen;
    needle_show(&answer, (uint8_t *)reply->text);
    reply->body = reply->text;
    reply->body_len = LEN;
}

/* Ends when the other end of the pipe is closed. */
static void serve(int from, int to)
{
    char text[200], end;
    http_server *plain = http_server_start(&(http_server_options){.handler = answer_all});
    http_server *secure = http_server_start(&(http_server_options){.handler = answer_all, .tls = HTTP_TLS_GOOD});
    memset(text, 0, sizeof text);
    (void)snprintf(text, sizeof text, "%s %s %s", http_server_url(plain), http_server_url(secure), http_server_ca());
    if (write(to, text, sizeof text) == (ssize_t)sizeof text) (void)!read(from, &end, 1);
    http_server_stop(plain);
    http_server_stop(secure);
    exit(0);
}

/* Text, for a header has to be: hexadecimal digits of random bytes. */
static void needle_text(struct needle *needle)
{
    struct needle random;
    BULLA_WIPED(uint8_t, bytes, LEN / 2);
    BULLA_WIPED(char, text, LEN + 1);
    needle_random(&random, LEN / 2);
    needle_show(&random, bytes);
    bulla_hex_encode(bulla_view_of(bytes, LEN / 2), text);
    needle_set(needle, bulla_view_of(text, LEN));
}

static int start(void **state)
{
    int down[2], up[2];
    char text[200];
    (void)state;
    needle_text(&token);
    needle_text(&question);
    needle_random(&answer, LEN);
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    server = fork();
    if (server == 0) {
        (void)close(down[1]);
        serve(down[0], up[1]);
    }
    (void)close(down[0]);
    to_server = down[1];
    assert_int_equal(read(up[0], text, sizeof text), sizeof text);
    assert_int_equal(sscanf(text, "%63s %63s %63s", urls[0], urls[1], ca), 3);
    return 0;
}

static int stop(void **state)
{
    int result = 0;
    (void)state;
    (void)close(to_server);
    return waitpid(server, &result, 0) == server && result == 0 ? 0 : -1;
}

static bulla_secret *secret_of(const struct needle *needle)
{
    bulla_secret *secret = NULL;
    assert_ok(bulla_secret_new(NULL, LEN, &secret));
    needle_show(needle, bulla_secret_fill(secret));
    return secret;
}

static void assert_nowhere(const struct needle *needle, const char *what)
{
    struct sightings seen = memory_search(needle);
    if (seen.open != 0) fail_msg("%s is in %s", what, seen.where);
    if (seen.locked != 0) fail_msg("%s is still in locked memory", what);
}

static void send_once(bulla_http *http, bulla_call *call, const char *url, bulla_http_answer *out_answer)
{
    bulla_secret *held_token = secret_of(&token), *held_question = secret_of(&question);
    const bulla_http_header header = {"X-Token", bulla_secret_borrow(held_token)};
    bulla_http_request request = {.method = "POST", .url = url, .headers = &header, .num_headers = 1};
    request.body = bulla_secret_borrow(held_question);
    request.idempotent = true;
    assert_ok(bulla_http_send(http, call, &request, out_answer));
    bulla_secret_unref(held_token);
    bulla_secret_unref(held_question);
}

static void ask(const char *url, const char *ca_path)
{
    bulla_call call;
    bulla_http *http = NULL;
    bulla_call_init(&call, NULL);
    assert_ok(bulla_http_open(&call, &(bulla_http_options){.store = "main", .tls.ca_cert = ca_path}, &http));
    for (int i = 0; i < 3; i++) {
        bulla_http_answer got = {.code = 0};
        send_once(http, &call, url, &got);
        struct sightings seen = memory_search(&answer);
        if (seen.open != 0) fail_msg("the answer is in %s", seen.where);
        assert_true(seen.locked > 0);
        bulla_http_answer_done(&got);
        assert_nowhere(&token, "the token");
        assert_nowhere(&question, "the question");
        assert_nowhere(&answer, "the answer");
    }
    bulla_http_close(http);
}

static void test_nothing_stays_behind_a_plain_request(void **state)
{
    (void)state;
    ask(urls[0], NULL);
}

static void test_nothing_stays_behind_a_request_over_tls(void **state)
{
    (void)state;
    ask(urls[1], ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_stays_behind_a_plain_request),
        cmocka_unit_test(test_nothing_stays_behind_a_request_over_tls),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
