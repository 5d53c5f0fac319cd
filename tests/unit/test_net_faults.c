/* SPDX-License-Identifier: Apache-2.0 */
/* Servers on a bad day: every fault ends, in time, with the status that says what may be done next. */
#include "base/bytes.h"
#include "net_kit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static net_kit kit;
static http_reply next;    /* what the test wants */
static http_reply current; /* what the server's threads read */
static pthread_mutex_t reply_lock = PTHREAD_MUTEX_INITIALIZER;

static void publish(void)
{
    (void)pthread_mutex_lock(&reply_lock);
    current = next;
    (void)pthread_mutex_unlock(&reply_lock);
}

static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    (void)seen;
    (void)pthread_mutex_lock(&reply_lock);
    *reply = current;
    (void)pthread_mutex_unlock(&reply_lock);
}

static void open_with(const http_server_options *server, const bulla_http_options *options)
{
    http_server_options wanted = *server;
    wanted.handler = answer;
    next = (http_reply){.body = "an answer of this size!"};
    net_kit_start(&kit, &wanted, options);
}

static int start(void **state)
{
    (void)state;
    open_with(&(http_server_options){.port = 0}, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    net_kit_stop(&kit);
    return 0;
}

/* A request that may not be repeated, for at most 300 ms. */
static bulla_status create(void)
{
    BULLA_HTTP_ANSWER(got);
    publish();
    return net_kit_send(&kit, "/create", (bulla_http_request){.method = "POST", .timeout_ms = 300}, &got);
}

static bulla_status ask(void)
{
    BULLA_HTTP_ANSWER(got);
    publish();
    return net_kit_send(&kit, "/ask", (bulla_http_request){.method = "POST", .timeout_ms = 300, .idempotent = true},
                        &got);
}

static void test_a_lost_answer_is_unavailable_or_unknown(void **state)
{
    static const http_fault faults[] = {HTTP_CLOSE_BEFORE,  HTTP_RESET,         HTTP_CLOSE_IN_HEAD, HTTP_CLOSE_IN_BODY,
                                        HTTP_RESET_IN_BODY, HTTP_STALL_IN_BODY, HTTP_LONG_LENGTH,   HTTP_HALF_CLOSE,
                                        HTTP_SILENCE,       HTTP_GARBAGE};
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(faults); i++) {
        next.fault = faults[i];
        assert_status(ask(), BULLA_EUNAVAIL);
        assert_why(&kit, "store main: ");
        assert_why(&kit, "127.0.0.1");
        assert_status(create(), BULLA_EUNKNOWN);
        assert_why(&kit, "may have been carried out");
    }
}

/* They may come late, when the connection is in use again: then what they spoil is no answer. */
static void test_bytes_behind_the_answer_are_part_of_none(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    BULLA_HTTP_ANSWER(next_got);
    next.fault = HTTP_SHORT_LENGTH;
    publish();
    assert_ok(net_kit_ask(&kit, "GET", "/", &got));
    assert_body(&got, "an answer of this size");
    next.fault = HTTP_NO_FAULT;
    publish();
    bulla_status status = net_kit_ask(&kit, "GET", "/", &next_got);
    if (status == BULLA_OK)
        assert_body(&next_got, "an answer of this size!");
    else
        assert_status(status, BULLA_EUNAVAIL);
    assert_ok(ask());
}

static void test_a_request_that_may_not_be_repeated_is_sent_once(void **state)
{
    (void)state;
    assert_status(ask(), BULLA_OK); /* leaves a connection to be used again */
    next.fault = HTTP_CLOSE_BEFORE;
    assert_status(create(), BULLA_EUNKNOWN);
    assert_int_equal(http_server_num_requests(kit.server), 2);
}

static void close_first_use(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    if (seen->on_connection > 1) reply->fault = HTTP_CLOSE_BEFORE;
}

static void test_a_stale_connection_costs_an_idempotent_request_nothing(void **state)
{
    (void)state;
    net_kit_start(&kit, &(http_server_options){.handler = close_first_use}, NULL);
    for (int i = 0; i < 4; i++)
        assert_ok(ask());
    assert_true(http_server_num_connections(kit.server) >= 4);
    net_kit_stop(&kit);
}

static void test_a_connection_closed_while_idle_is_replaced(void **state)
{
    (void)state;
    next.fault = HTTP_CLOSE_AFTER;
    for (int i = 0; i < 5; i++) {
        assert_ok(ask());
        assert_ok(create());
    }
}

static void test_a_slow_body_ends_with_the_timeout(void **state)
{
    (void)state;
    next.fault = HTTP_SLOW_BODY;
    next.slow_ms = 60;
    int64_t since = real_ms();
    assert_status(ask(), BULLA_EUNAVAIL);
    assert_why(&kit, "the rest of an answer");
    assert_in_range(real_ms() - since, 250, 5000);
}

static void test_a_slow_answer_is_waited_for(void **state)
{
    (void)state;
    next.delay_ms = 120;
    assert_ok(ask());
}

static void test_a_header_flood_is_refused(void **state)
{
    (void)state;
    next.num_extra_headers = 300;
    next.extra_header_len = 10;
    assert_status(ask(), BULLA_EUNAVAIL);
    assert_why(&kit, "malformed");
    next.num_extra_headers = 80;
    next.extra_header_len = 1000;
    assert_status(ask(), BULLA_EUNAVAIL);
    next.num_extra_headers = 1;
    next.extra_header_len = 400000;
    assert_status(ask(), BULLA_EUNAVAIL);
    assert_why(&kit, "malformed");
    next.extra_header_len = 10000;
    assert_ok(ask());
}

static void test_the_deadline_ends_every_wait(void **state)
{
    (void)state;
    next.fault = HTTP_SILENCE;
    int64_t since = real_ms();
    bulla_call_deadline_set(&kit.call, 150);
    assert_status(ask(), BULLA_EDEADLINE);
    assert_in_range(real_ms() - since, 100, 5000);
    assert_why(&kit, "deadline");
    next.fault = HTTP_STALL_IN_BODY;
    assert_status(ask(), BULLA_EDEADLINE);
    fake_env_advance_ms(&kit.fake, 200);
    assert_status(ask(), BULLA_EDEADLINE);
    assert_int_equal(http_server_num_requests(kit.server), 2); /* not asked any more */
}

static void test_what_may_have_happened_is_unknown_at_the_deadline_too(void **state)
{
    (void)state;
    next.fault = HTTP_SILENCE;
    bulla_call_deadline_set(&kit.call, 150);
    assert_status(create(), BULLA_EUNKNOWN);
    assert_why(&kit, "may have been carried out");
    next.fault = HTTP_STALL_IN_BODY;
    assert_status(create(), BULLA_EUNKNOWN);
    fake_env_advance_ms(&kit.fake, 200);
    assert_status(create(), BULLA_EDEADLINE); /* not sent */
}

static void test_the_deadline_is_by_the_calls_own_clock(void **state)
{
    (void)state;
    bulla_call_deadline_set(&kit.call, 100000);
    fake_env_advance_ms(&kit.fake, 99900);
    next.fault = HTTP_SILENCE;
    int64_t since = real_ms();
    assert_status(ask(), BULLA_EDEADLINE);
    assert_in_range(real_ms() - since, 50, 5000);
}

static void *cancel_soon(void *arg)
{
    (void)arg;
    (void)usleep(100000);
    bulla_call_cancel(&kit.call);
    return NULL;
}

static void *cancel_when_asked(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000 && http_server_num_requests(kit.server) == 0; i++)
        (void)usleep(1000);
    bulla_call_cancel(&kit.call);
    return NULL;
}

static void test_a_cancellation_is_noticed_within_100_ms(void **state)
{
    pthread_t thread;
    (void)state;
    BULLA_HTTP_ANSWER(got);
    next.fault = HTTP_SILENCE;
    publish();
    int64_t since = real_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    assert_status(net_kit_ask(&kit, "GET", "/", &got), BULLA_ECANCELLED);
    assert_in_range(real_ms() - since, 95, 5000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_status(net_kit_ask(&kit, "GET", "/", &got), BULLA_ECANCELLED);
}

static void test_what_may_have_happened_is_unknown_when_cancelled_too(void **state)
{
    pthread_t thread;
    (void)state;
    BULLA_HTTP_ANSWER(got);
    next.fault = HTTP_SILENCE;
    publish();
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_asked, NULL), 0);
    assert_status(net_kit_send(&kit, "/create", (bulla_http_request){.method = "POST"}, &got), BULLA_EUNKNOWN);
    assert_why(&kit, "may have been carried out");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_status(create(), BULLA_ECANCELLED); /* not sent */
}

static void test_after_each_failure_the_client_works_again(void **state)
{
    (void)state;
    for (http_fault fault = HTTP_CLOSE_BEFORE; fault < HTTP_TLS_ALERT; fault++) {
        next.fault = fault;
        (void)ask();
        next.fault = HTTP_NO_FAULT;
        /* What came late of the fault may be met on the connection's next use, and costs that one request. */
        if (ask() != BULLA_OK) assert_ok(ask());
    }
}

static void test_nobody_listening_is_told_with_the_reason(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http_request request = {.method = "POST",
                                  .url = "http://127.0.0.1:1/"}; /* may not be repeated, and was not sent */
    assert_status(bulla_http_send(kit.http, &kit.call, &request, &got), BULLA_EUNAVAIL);
    assert_why(&kit, "cannot connect to 127.0.0.1:1: Connection refused");
    assert_true(kit.call.native != 0);
}

static void test_a_name_without_an_address_is_told(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http_request request = {.method = "GET", .url = "http://nothing.invalid/", .idempotent = true};
    assert_status(bulla_http_send(kit.http, &kit.call, &request, &got), BULLA_EUNAVAIL);
    assert_why(&kit, "nothing.invalid:80 has no address");
}

/* A backlog that is full: the connection is neither made nor refused. */
static void test_a_connection_that_does_not_come_about_ends_in_time(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    bulla_http *http = NULL;
    char url[64];
    int full = socket(AF_INET, SOCK_STREAM, 0), fillers[4];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(full, (struct sockaddr *)(void *)&address, sizeof address), 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)(void *)&address, &len), 0);
    for (size_t i = 0; i < BULLA_LEN(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)(void *)&address, sizeof address);
    }
    bulla_http_options options = {.store = "full", .pool.connection_timeout_ms = 200};
    assert_ok(bulla_http_open(&kit.call, &options, &http));
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    bulla_http_request request = {.method = "POST", .url = url};
    int64_t since = real_ms();
    assert_status(bulla_http_send(http, &kit.call, &request, &got), BULLA_EUNAVAIL);
    assert_why(&kit, "waiting for a connection");
    assert_in_range(real_ms() - since, 150, 5000);
    bulla_http_close(http);
    for (size_t i = 0; i < BULLA_LEN(fillers); i++)
        (void)close(fillers[i]);
    (void)close(full);
}

static void test_a_deaf_tls_server_is_a_handshake_that_does_not_end(void **state)
{
    (void)state;
    open_with(&(http_server_options){.tls = HTTP_TLS_GOOD, .is_deaf = true}, NULL);
    assert_status(create(), BULLA_EUNAVAIL);
    assert_why(&kit, "waiting for the TLS handshake");
    net_kit_stop(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_lost_answer_is_unavailable_or_unknown, start, stop),
        cmocka_unit_test_setup_teardown(test_bytes_behind_the_answer_are_part_of_none, start, stop),
        cmocka_unit_test_setup_teardown(test_a_request_that_may_not_be_repeated_is_sent_once, start, stop),
        cmocka_unit_test(test_a_stale_connection_costs_an_idempotent_request_nothing),
        cmocka_unit_test_setup_teardown(test_a_connection_closed_while_idle_is_replaced, start, stop),
        cmocka_unit_test_setup_teardown(test_a_slow_body_ends_with_the_timeout, start, stop),
        cmocka_unit_test_setup_teardown(test_a_slow_answer_is_waited_for, start, stop),
        cmocka_unit_test_setup_teardown(test_a_header_flood_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_the_deadline_ends_every_wait, start, stop),
        cmocka_unit_test_setup_teardown(test_what_may_have_happened_is_unknown_at_the_deadline_too, start, stop),
        cmocka_unit_test_setup_teardown(test_the_deadline_is_by_the_calls_own_clock, start, stop),
        cmocka_unit_test_setup_teardown(test_a_cancellation_is_noticed_within_100_ms, start, stop),
        cmocka_unit_test_setup_teardown(test_what_may_have_happened_is_unknown_when_cancelled_too, start, stop),
        cmocka_unit_test_setup_teardown(test_after_each_failure_the_client_works_again, start, stop),
        cmocka_unit_test_setup_teardown(test_nobody_listening_is_told_with_the_reason, start, stop),
        cmocka_unit_test_setup_teardown(test_a_name_without_an_address_is_told, start, stop),
        cmocka_unit_test_setup_teardown(test_a_connection_that_does_not_come_about_ends_in_time, start, stop),
        cmocka_unit_test(test_a_deaf_tls_server_is_a_handshake_that_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
