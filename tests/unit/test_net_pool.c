/* SPDX-License-Identifier: Apache-2.0 */
/* Connections are bounded, used again, let go when idle, shared by threads and not by processes. */
#include "base/bytes.h"
#include "net_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUM_THREADS 8u
#define ROUNDS 40u

static net_kit kit;
static unsigned delay_ms;

static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    reply->delay_ms = delay_ms;
    http_reply_print(reply, "%s %s", seen->target, seen->body);
}

static void open_with(http_tls tls, bulla_pool_options pool)
{
    delay_ms = 0;
    net_kit_start(&kit, &(http_server_options){.handler = answer, .tls = tls}, &(bulla_http_options){.pool = pool});
}

/* One question of its own call, whose answer repeats it. */
static bulla_status ask(bulla_call *call, const char *path, uint32_t timeout_ms)
{
    BULLA_HTTP_ANSWER(got);
    char url[160], wanted[160];
    (void)snprintf(url, sizeof url, "%s%s", http_server_url(kit.server), path);
    (void)snprintf(wanted, sizeof wanted, "%s body of %s", path, path);
    bulla_http_request request = {.method = "POST", .url = url, .timeout_ms = timeout_ms, .idempotent = true};
    request.body = bulla_view_text(wanted + strlen(path) + 1);
    BULLA_TRY(bulla_http_send(kit.http, call, &request, &got));
    return bulla_view_is(bulla_http_body(&got), wanted) ? BULLA_OK : BULLA_EINTEGRITY;
}

static void test_one_connection_serves_one_request_after_another(void **state)
{
    (void)state;
    open_with(HTTP_TLS_GOOD, (bulla_pool_options){.max_connections = 4});
    for (int i = 0; i < 10; i++)
        assert_ok(ask(&kit.call, "/a", 0));
    assert_int_equal(http_server_num_connections(kit.server), 1);
    assert_int_equal(net_kit_count(&kit, "bulla_kms_connections_reused_total", ""), 9);
    net_kit_stop(&kit);
}

static void test_an_idle_connection_is_closed_when_calls_come_by(void **state)
{
    (void)state;
    open_with(HTTP_TLS_NONE, (bulla_pool_options){.idle_timeout_ms = 30000});
    assert_ok(ask(&kit.call, "/a", 0));
    fake_env_advance_ms(&kit.fake, 29999);
    assert_ok(ask(&kit.call, "/b", 0));
    assert_int_equal(http_server_num_connections(kit.server), 1);
    fake_env_advance_ms(&kit.fake, 30000);
    assert_ok(ask(&kit.call, "/c", 0));
    assert_int_equal(http_server_num_connections(kit.server), 2);
    for (int i = 0; i < 100 && http_server_num_open(kit.server) != 1; i++)
        (void)usleep(10000);
    assert_int_equal(http_server_num_open(kit.server), 1);
    net_kit_stop(&kit);
}

static void test_closing_the_client_closes_its_connections(void **state)
{
    (void)state;
    open_with(HTTP_TLS_NONE, (bulla_pool_options){.max_connections = 1});
    assert_ok(ask(&kit.call, "/a", 0));
    bulla_http_close(kit.http);
    kit.http = NULL;
    for (int i = 0; i < 100 && http_server_num_open(kit.server) != 0; i++)
        (void)usleep(10000);
    assert_int_equal(http_server_num_open(kit.server), 0);
    net_kit_stop(&kit);
}

typedef struct worker {
    pthread_t thread;
    unsigned number;
    uint32_t timeout_ms;
    bulla_status status;
    bulla_call call;
} worker;

static void *ask_once(void *arg)
{
    worker *self = arg;
    self->status = ask(&self->call, "/held", self->timeout_ms);
    return NULL;
}

static void worker_start(worker *self, void *(*work)(void *arg), uint32_t timeout_ms)
{
    bulla_call_init(&self->call, &kit.fake.env);
    self->timeout_ms = timeout_ms;
    assert_int_equal(pthread_create(&self->thread, NULL, work, self), 0);
}

static bulla_status worker_join(worker *self)
{
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    return self->status;
}

/* Starts a request that holds the only connection until the server's delay is over. */
static void hold(worker *holder)
{
    worker_start(holder, ask_once, 3000);
    for (int i = 0; i < 200 && http_server_num_requests(kit.server) == 0; i++)
        (void)usleep(5000);
    assert_int_equal(http_server_num_requests(kit.server), 1);
}

static void test_when_all_are_in_use_the_next_waits_for_one(void **state)
{
    worker holder;
    (void)state;
    open_with(HTTP_TLS_NONE, (bulla_pool_options){.max_connections = 1});
    delay_ms = 300;
    hold(&holder);
    assert_ok(ask(&kit.call, "/next", 3000));
    assert_ok(worker_join(&holder));
    assert_int_equal(http_server_num_connections(kit.server), 1);
    net_kit_stop(&kit);
}

static void test_the_wait_for_a_connection_is_bounded(void **state)
{
    worker holder;
    (void)state;
    open_with(HTTP_TLS_NONE, (bulla_pool_options){.max_connections = 1});
    delay_ms = 700;
    hold(&holder);
    int64_t since = real_ms();
    assert_status(ask(&kit.call, "/next", 100), BULLA_EUNAVAIL);
    assert_why(&kit, "max_connections");
    bulla_call_deadline_set(&kit.call, 80);
    assert_status(ask(&kit.call, "/next", 3000), BULLA_EDEADLINE);
    bulla_call_deadline_set(&kit.call, 0);
    assert_in_range(real_ms() - since, 150, 5000);
    bulla_call_cancel(&kit.call);
    assert_status(ask(&kit.call, "/next", 3000), BULLA_ECANCELLED);
    assert_ok(worker_join(&holder));
    assert_int_equal(http_server_num_requests(kit.server), 1);
    net_kit_stop(&kit);
}

static void *ask_often(void *arg)
{
    worker *self = arg;
    char path[32];
    self->status = BULLA_OK;
    for (unsigned i = 0; i < ROUNDS && self->status == BULLA_OK; i++) {
        (void)snprintf(path, sizeof path, "/%u/%u", self->number, i);
        self->status = ask(&self->call, path, 10000);
    }
    return NULL;
}

static void ask_by_threads(http_tls tls, uint32_t max_connections)
{
    worker workers[NUM_THREADS];
    open_with(tls, (bulla_pool_options){.max_connections = max_connections});
    for (unsigned i = 0; i < NUM_THREADS; i++) {
        workers[i].number = i;
        worker_start(&workers[i], ask_often, 0);
    }
    for (unsigned i = 0; i < NUM_THREADS; i++)
        assert_ok(worker_join(&workers[i]));
    assert_int_equal(http_server_num_requests(kit.server), NUM_THREADS * ROUNDS);
    assert_in_range(http_server_num_connections(kit.server), 1, max_connections);
    net_kit_stop(&kit);
}

static void test_threads_share_few_connections_and_get_their_own_answers(void **state)
{
    (void)state;
    ask_by_threads(HTTP_TLS_NONE, 3);
    ask_by_threads(HTTP_TLS_GOOD, NUM_THREADS);
}

/* In a child: its first request must work, on a connection of its own. */
static int ask_in_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(10);
        bulla_status status = ask(&kit.call, "/child", 3000);
        bulla_http_close(kit.http);
        _exit(status == BULLA_OK ? 0 : 1);
    }
    int result = -1;
    assert_true(child > 0 && waitpid(child, &result, 0) == child);
    return result;
}

static void test_a_forked_child_has_its_own_connections(void **state)
{
    (void)state;
    for (int tls = HTTP_TLS_NONE; tls <= HTTP_TLS_GOOD; tls++) {
        open_with(tls == 0 ? HTTP_TLS_NONE : HTTP_TLS_GOOD, (bulla_pool_options){.max_connections = 1});
        assert_ok(ask(&kit.call, "/before", 0));
        assert_int_equal(ask_in_child(), 0);
        assert_ok(ask(&kit.call, "/after", 0)); /* the parent's is as it was */
        assert_int_equal(http_server_num_connections(kit.server), 2);
        net_kit_stop(&kit);
    }
}

static void test_a_fork_while_all_connections_are_in_use_leaves_the_child_free(void **state)
{
    worker holder;
    (void)state;
    open_with(HTTP_TLS_NONE, (bulla_pool_options){.max_connections = 1});
    delay_ms = 500;
    hold(&holder);
    assert_int_equal(ask_in_child(), 0);
    assert_ok(worker_join(&holder));
    net_kit_stop(&kit);
}

static void test_two_stores_on_one_client_keep_a_connection_each(void **state)
{
    (void)state;
    open_with(HTTP_TLS_NONE, (bulla_pool_options){.max_connections = 2});
    http_server *other = http_server_start(&(http_server_options){.handler = answer});
    bulla_http_request request = {.method = "GET", .url = http_server_url(other), .idempotent = true};
    for (int i = 0; i < 5; i++) {
        BULLA_HTTP_ANSWER(got);
        assert_ok(ask(&kit.call, "/here", 0));
        assert_ok(bulla_http_send(kit.http, &kit.call, &request, &got));
    }
    assert_int_equal(http_server_num_connections(kit.server), 1);
    assert_int_equal(http_server_num_connections(other), 1);
    http_server_stop(other);
    net_kit_stop(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_connection_serves_one_request_after_another),
        cmocka_unit_test(test_an_idle_connection_is_closed_when_calls_come_by),
        cmocka_unit_test(test_closing_the_client_closes_its_connections),
        cmocka_unit_test(test_when_all_are_in_use_the_next_waits_for_one),
        cmocka_unit_test(test_the_wait_for_a_connection_is_bounded),
        cmocka_unit_test(test_threads_share_few_connections_and_get_their_own_answers),
        cmocka_unit_test(test_a_forked_child_has_its_own_connections),
        cmocka_unit_test(test_a_fork_while_all_connections_are_in_use_leaves_the_child_free),
        cmocka_unit_test(test_two_stores_on_one_client_keep_a_connection_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
