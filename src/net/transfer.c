/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer on a connection of the pool. */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "net/client.h"

static bulla_status drive(bulla_conn *conn, bulla_call *call)
{
    const bulla_curl *curl = conn->http->curl;
    int num_running = 1;
    while (true) {
        if (curl->multi_perform(conn->multi, &num_running) != CURLM_OK)
            return bulla_fail(call, BULLA_ENOMEM, "store %s: libcurl has no memory", conn->http->store);
        if (num_running == 0) return BULLA_OK;
        BULLA_TRY(bulla_call_check(call));
        if (curl->multi_poll(conn->multi, NULL, 0, BULLA_HTTP_SLICE_MS, NULL) != CURLM_OK)
            return bulla_fail(call, BULLA_ENOMEM, "store %s: libcurl cannot wait", conn->http->store);
    }
}

static CURLcode read_result(bulla_conn *conn)
{
    int num_left = 0;
    CURLMsg *message = conn->http->curl->multi_info_read(conn->multi, &num_left);
    return message == NULL ? CURLE_RECV_ERROR : message->data.result;
}

/* Runs the request that is set. A transfer that is taken off before its end loses its connection. */
static bulla_status run(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan)
{
    const bulla_curl *curl = conn->http->curl;
    if (curl->multi_add_handle(conn->multi, conn->easy) != CURLM_OK)
        return bulla_fail(call, BULLA_ENOMEM, "store %s: libcurl has no memory", conn->http->store);
    conn->began_ns = bulla_http_now_ns();
    bulla_status status = drive(conn, call);
    CURLcode result = status == BULLA_OK ? read_result(conn) : CURLE_OK;
    (void)curl->multi_remove_handle(conn->multi, conn->easy);
    if (status == BULLA_EDEADLINE || status == BULLA_ECANCELLED) return bulla_transfer_left(conn, call, plan, status);
    if (status != BULLA_OK) return status;
    /* A head that ends in the middle is the end of the answer to libcurl. */
    if (result == CURLE_OK && (conn->answer.code < 200 || !conn->head.is_over)) result = CURLE_PARTIAL_FILE;
    return result == CURLE_OK ? BULLA_OK : bulla_transfer_fail(conn, call, plan, result);
}

static int64_t phase_ns(const bulla_conn *conn, CURLINFO from, CURLINFO to)
{
    curl_off_t begin_us = 0, end_us = 0;
    if (from != CURLINFO_NONE) (void)conn->http->curl->easy_getinfo(conn->easy, from, &begin_us);
    (void)conn->http->curl->easy_getinfo(conn->easy, to, &end_us);
    return end_us > begin_us ? (int64_t)(end_us - begin_us) * 1000 : 0;
}

/* From the request on its way to the first line of the answer, and from there to its end. */
static void observe_waits(const bulla_conn *conn, const bulla_series *series)
{
    int64_t answered_ns = conn->answered_ns - conn->began_ns;
    int64_t server_ns = answered_ns - phase_ns(conn, CURLINFO_NONE, CURLINFO_PRETRANSFER_TIME_T);
    int64_t transfer_ns = phase_ns(conn, CURLINFO_NONE, CURLINFO_TOTAL_TIME_T) - answered_ns;
    bulla_metric_observe(series->phases[BULLA_PHASE_SERVER], server_ns > 0 ? server_ns : 0);
    bulla_metric_observe(series->phases[BULLA_PHASE_TRANSFER], transfer_ns > 0 ? transfer_ns : 0);
}

static void observe_answer(const bulla_conn *conn, const bulla_http_plan *plan, const bulla_series *series)
{
    long num_made = 0;
    (void)conn->http->curl->easy_getinfo(conn->easy, CURLINFO_NUM_CONNECTS, &num_made);
    bulla_metric_add(num_made > 0 ? series->opened : series->reused, num_made > 0 ? (uint64_t)num_made : 1);
    if (num_made > 0) {
        bulla_metric_observe(series->phases[BULLA_PHASE_DNS],
                             phase_ns(conn, CURLINFO_NONE, CURLINFO_NAMELOOKUP_TIME_T));
        bulla_metric_observe(series->phases[BULLA_PHASE_CONNECT],
                             phase_ns(conn, CURLINFO_NAMELOOKUP_TIME_T, CURLINFO_CONNECT_TIME_T));
        if (plan->url.scheme[4] == 's')
            bulla_metric_observe(series->phases[BULLA_PHASE_TLS],
                                 phase_ns(conn, CURLINFO_CONNECT_TIME_T, CURLINFO_APPCONNECT_TIME_T));
    }
    observe_waits(conn, series);
}

static void observe(const bulla_conn *conn, const bulla_http_plan *plan, bool is_answered, int64_t since_ns)
{
    const bulla_http_request *request = plan->request;
    const bulla_series *series =
        bulla_series_find(&conn->http->series, request->endpoint == NULL ? plan->host_port : request->endpoint,
                          request->what == NULL ? "request" : request->what);
    if (series == NULL) return;
    bulla_metric_observe(series->seconds, bulla_http_now_ns() - since_ns);
    bulla_metric_add(series->answers[is_answered ? conn->answer.code / 100 - 1 : 0], 1);
    if (is_answered) observe_answer(conn, plan, series);
}

/* A secret of just the answer's length: the connection keeps its roomy one. */
static bulla_status take_answer(bulla_conn *conn, bulla_call *call, bulla_http_answer *out_answer)
{
    bulla_secret *body = NULL;
    if (conn->body_len != 0)
        BULLA_TRY(bulla_secret_copy(call, bulla_view_of(bulla_secret_borrow(conn->body).data, conn->body_len), &body));
    bulla_head_end(&conn->head, bulla_wall_s(call));
    *out_answer = conn->answer;
    out_answer->body = body;
    return BULLA_OK;
}

static bulla_status exchange(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan,
                             bulla_http_answer *out_answer)
{
    int64_t since_ns = bulla_http_now_ns();
    BULLA_TRY(bulla_request_set(conn, call, plan));
    bulla_status status = run(conn, call, plan);
    observe(conn, plan, status == BULLA_OK, since_ns);
    return status == BULLA_OK ? take_answer(conn, call, out_answer) : status;
}

/* The end of this try: the request's timeout, the client's, or before it the call's deadline, which is by its own
 * clock. */
static void set_end(const bulla_http *http, bulla_call *call, bulla_http_plan *plan)
{
    uint32_t ms = plan->request->timeout_ms == 0 ? http->timeout_ms : plan->request->timeout_ms;
    int64_t left_ns = (int64_t)ms * 1000000;
    const bulla_env *env = bulla_env_of(call);
    if (call != NULL && call->deadline_ns != 0 && call->deadline_ns - env->ticks_ns(env->arg) < left_ns) {
        left_ns = call->deadline_ns - env->ticks_ns(env->arg);
        plan->ends_at_deadline = true;
    }
    plan->until_ns = bulla_http_now_ns() + left_ns;
}

bulla_status bulla_http_send(bulla_http *http, bulla_call *call, const bulla_http_request *request,
                             bulla_http_answer *out_answer)
{
    bulla_http_plan plan = {.request = NULL};
    bulla_conn *conn = NULL;
    BULLA_TRY(bulla_call_check(call));
    BULLA_TRY(bulla_request_check(call, request, &plan));
    set_end(http, call, &plan);
    BULLA_TRY(bulla_pool_take(http, call, &plan, &conn));
    bulla_status status = exchange(conn, call, &plan, out_answer);
    bulla_request_done(conn);
    bulla_pool_give(conn, call);
    return status;
}

void bulla_http_answer_done(bulla_http_answer *answer)
{
    bulla_secret_unref(answer->body);
    *answer = (bulla_http_answer){.code = 0};
}

bulla_view bulla_http_body(const bulla_http_answer *answer)
{
    return bulla_secret_borrow(answer->body);
}
