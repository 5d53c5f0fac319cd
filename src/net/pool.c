/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lock for the pools of all clients, held for some list operations at a time: it must be free in a forked child,
 * and a single one can be held across the fork.
 */
#include "base/mem.h"
#include "net/client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static size_t num_forks; /* that this process descends by; under pool_lock */

static void lock_pools(void)
{
    (void)pthread_mutex_lock(&pool_lock);
}

static void unlock_pools(void)
{
    (void)pthread_mutex_unlock(&pool_lock);
}

static void enter_child(void)
{
    num_forks++;
    unlock_pools();
}

static void watch_forks(void)
{
    (void)pthread_atfork(lock_pools, unlock_pools, enter_child);
}

int64_t bulla_http_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) return false;
    bool is_made =
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 && pthread_cond_init(condition, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return is_made;
}

bulla_status bulla_pool_init(bulla_http *http, bulla_call *call)
{
    (void)pthread_once(&watch_once, watch_forks);
    if (!init_condition(&http->given)) return bulla_fail(call, BULLA_ENOMEM, "no memory for a pool of connections");
    lock_pools();
    http->num_forks = num_forks;
    unlock_pools();
    return BULLA_OK;
}

static void remove_conn(bulla_http *http, const bulla_conn *conn)
{
    for (size_t i = 0; i < BULLA_POOL_MAX; i++)
        if (http->conns[i] == conn) http->conns[i] = NULL;
    http->num_conns--;
}

static void free_list(bulla_conn *list)
{
    while (list != NULL) {
        bulla_conn *next = list->next;
        bulla_conn_free(list);
        list = next;
    }
}

/* In a child that was forked since: the connections are the parent's. Those that other threads were using are left as
 * they are, for those threads do not exist here; the result, to be freed outside of the lock, are the idle ones. */
static bulla_conn *leave_parent(bulla_http *http)
{
    if (http->num_forks == num_forks) return NULL;
    http->num_forks = num_forks;
    for (size_t i = 0; i < BULLA_POOL_MAX; i++) {
        if (http->conns[i] != NULL) bulla_conn_detach(http->conns[i]);
        http->conns[i] = NULL;
    }
    bulla_conn *idle = http->idle;
    http->idle = NULL;
    http->num_conns = http->num_busy = 0;
    (void)init_condition(&http->given); /* its waiters are the parent's threads */
    return idle;
}

/* Idle for too long, the oldest at the end of the list; to be freed outside of the lock. */
static bulla_conn *take_expired(bulla_http *http, int64_t now_ns)
{
    bulla_conn **at = &http->idle;
    while (*at != NULL && now_ns - (*at)->idle_since_ns < (int64_t)http->idle_ms * 1000000)
        at = &(*at)->next;
    bulla_conn *expired = *at;
    *at = NULL;
    for (bulla_conn *conn = expired; conn != NULL; conn = conn->next)
        remove_conn(http, conn);
    return expired;
}

static bulla_conn *unlink_idle(bulla_conn **at)
{
    bulla_conn *conn = *at;
    *at = conn->next;
    conn->next = NULL;
    return conn;
}

/* The one last used for `origin`, which is the likeliest to be still open; with NULL the oldest of all. */
static bulla_conn *take_idle(bulla_http *http, const char *origin)
{
    bulla_conn **at = &http->idle;
    if (origin == NULL) {
        while (*at != NULL && (*at)->next != NULL)
            at = &(*at)->next;
    } else {
        while (*at != NULL && strcmp((*at)->origin, origin) != 0)
            at = &(*at)->next;
    }
    return *at == NULL ? NULL : unlink_idle(at);
}

/* True: *out_conn, or NULL for one that is yet to be made and is counted already. */
static bool try_take(bulla_http *http, const char *origin, bulla_conn **out_conn)
{
    *out_conn = take_idle(http, origin);
    if (*out_conn == NULL && http->num_conns == http->max_conns) {
        *out_conn = take_idle(http, NULL);
        if (*out_conn == NULL) return false;
    }
    if (*out_conn == NULL) http->num_conns++;
    http->num_busy++;
    bulla_metric_set(http->in_use, (int64_t)http->num_busy);
    return true;
}

static void wait_slice(bulla_http *http, int64_t until_ns)
{
    int64_t end_ns = bulla_http_now_ns() + (int64_t)BULLA_HTTP_SLICE_MS * 1000000;
    if (end_ns > until_ns) end_ns = until_ns;
    struct timespec end = {.tv_sec = end_ns / 1000000000, .tv_nsec = end_ns % 1000000000};
    (void)pthread_cond_timedwait(&http->given, &pool_lock, &end);
}

static bulla_status give_up(const bulla_http *http, bulla_call *call, const bulla_http_plan *plan)
{
    if (plan->ends_at_deadline)
        return bulla_fail(call, BULLA_EDEADLINE, "store %s: the deadline passed while all %u connections were in use",
                          http->store, http->max_conns);
    return bulla_fail(
        call, BULLA_EUNAVAIL,
        "store %s: all %u connections stayed in use: raise connection_pool.max_connections, or the store is slow",
        http->store, http->max_conns);
}

/* Call with the lock held, which it gives up while it waits. */
static bulla_status wait_for_conn(bulla_http *http, bulla_call *call, const bulla_http_plan *plan,
                                  bulla_conn **out_conn)
{
    while (!try_take(http, plan->origin, out_conn)) {
        BULLA_TRY(bulla_call_check(call));
        if (bulla_http_now_ns() >= plan->until_ns) return give_up(http, call, plan);
        wait_slice(http, plan->until_ns);
    }
    return BULLA_OK;
}

/* The place that try_take counted is filled, or given back. */
static bulla_status make_conn(bulla_http *http, bulla_call *call, bulla_conn **out_conn)
{
    bulla_conn *made = NULL;
    bulla_status status = bulla_conn_new(http, call, &made);
    lock_pools();
    if (status == BULLA_OK) {
        size_t at = 0;
        while (http->conns[at] != NULL)
            at++;
        http->conns[at] = made;
        *out_conn = made;
    } else {
        http->num_conns--;
        http->num_busy--;
        (void)pthread_cond_signal(&http->given);
    }
    unlock_pools();
    return status;
}

static int64_t ticks_ns(const bulla_call *call)
{
    const bulla_env *env = bulla_env_of(call);
    return env->ticks_ns(env->arg);
}

bulla_status bulla_pool_take(bulla_http *http, bulla_call *call, const bulla_http_plan *plan, bulla_conn **out_conn)
{
    bulla_conn *conn = NULL;
    lock_pools();
    bulla_conn *inherited = leave_parent(http);
    bulla_conn *expired = take_expired(http, ticks_ns(call));
    bulla_status status = wait_for_conn(http, call, plan, &conn);
    unlock_pools();
    free_list(inherited);
    free_list(expired);
    BULLA_TRY(status);
    if (conn == NULL) BULLA_TRY(make_conn(http, call, &conn));
    (void)snprintf(conn->origin, sizeof conn->origin, "%s", plan->origin);
    *out_conn = conn;
    return BULLA_OK;
}

void bulla_pool_give(bulla_conn *conn, bulla_call *call)
{
    bulla_http *http = conn->http;
    lock_pools();
    conn->idle_since_ns = ticks_ns(call);
    conn->next = http->idle;
    http->idle = conn;
    http->num_busy--;
    bulla_metric_set(http->in_use, (int64_t)http->num_busy);
    (void)pthread_cond_signal(&http->given);
    unlock_pools();
}

void bulla_pool_done(bulla_http *http)
{
    lock_pools();
    bulla_conn *inherited = leave_parent(http);
    unlock_pools();
    free_list(inherited);
    free_list(http->idle);
    (void)pthread_cond_destroy(&http->given);
}
