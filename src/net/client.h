/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a client: its pool of connections, and what one request does with one of them. */
#ifndef BULLA_NET_CLIENT_H
#define BULLA_NET_CLIENT_H

#include "net/curl.h"
#include "net/head.h"
#include "net/http.h"
#include "net/series.h"

#include <pthread.h>

#define BULLA_POOL_MAX 64u
#define BULLA_CONN_SOCKETS 8u  /* of one connection at a time: addresses of a host are tried side by side */
#define BULLA_HTTP_SLICE_MS 50 /* a wait looks this often whether the call was cancelled */

/* One libcurl handle with at most one connection, and the buffers of a request. Used by one thread at a time. */
typedef struct bulla_conn {
    struct bulla_conn *next; /* idle: the one that was used before it */
    bulla_http *http;
    CURL *easy; /* NULL: none now */
    CURLM *multi;
    int64_t idle_since_ns;
    char origin[272];                /* scheme://host:port it was last used for */
    int sockets[BULLA_CONN_SOCKETS]; /* -1: none */
    char error[CURL_ERROR_SIZE];

    /* Of the request. */
    bulla_http_answer answer;
    bulla_head head;
    int64_t began_ns, answered_ns; /* when the request began, and when the answer's first line came */
    bulla_secret *lines;           /* header lines, each with a NUL */
    size_t lines_len;
    struct curl_slist nodes[BULLA_HTTP_MAX_HEADERS + 4], *headers;
    struct curl_slist connect_node; /* where to, when the URL has the certificate's name */
    char connect_to[272];
    bulla_secret *body;
    size_t body_len, max_body;
    bulla_call *call;
    bulla_status failed; /* why a callback gave up */
    size_t num_refused;  /* bulla_curl_num_refused at the beginning */
} bulla_conn;

struct bulla_http {
    const bulla_env *env;
    const bulla_curl *curl;
    char store[32];
    char *ca_cert, *client_cert, *client_key, *server_name;
    char *proxies[2], *no_proxy; /* for http and https; NULL: none */
    bool is_tls13, accepts_any, never_proxies;
    uint32_t timeout_ms, connect_ms, idle_ms, max_conns;
    bulla_series_table series;
    bulla_metric *in_use;

    /* Of the pool, under its lock. */
    bulla_conn *conns[BULLA_POOL_MAX]; /* all there are */
    bulla_conn *idle;                  /* the last used one first */
    size_t num_conns;                  /* some of them are only being made */
    size_t num_busy, num_forks;
    pthread_cond_t given;
};

/* One request as it was checked. */
typedef struct bulla_http_plan {
    const bulla_http_request *request;
    bulla_http_url url;
    char host_port[264];
    char origin[272];
    int64_t until_ns;      /* the end of this try */
    bool ends_at_deadline; /* which is the call's, not the client's */
} bulla_http_plan;

BULLA_MUST_USE bulla_status bulla_pool_init(bulla_http *http, bulla_call *call);
/* Nobody uses the client any more. */
void bulla_pool_done(bulla_http *http);

/* A connection for this thread, one to the plan's origin if there is. Waits while all are in use, as long as the plan
 * says. Errors: EUNAVAIL, EDEADLINE, ECANCELLED, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_pool_take(bulla_http *http, bulla_call *call, const bulla_http_plan *plan,
                                            bulla_conn **out_conn);
void bulla_pool_give(bulla_conn *conn, bulla_call *call);

BULLA_MUST_USE bulla_status bulla_conn_new(bulla_http *http, bulla_call *call, bulla_conn **out_conn);
void bulla_conn_free(bulla_conn *conn);
/* In a forked child: what libcurl still sends to close the connection no longer reaches the server, for whom it goes
 * on with the parent. */
void bulla_conn_detach(bulla_conn *conn);

BULLA_MUST_USE bulla_status bulla_request_check(bulla_call *call, const bulla_http_request *request,
                                                bulla_http_plan *out_plan);
/* The handle that a connection's request is put on, when there is none, and its end. The connection itself outlives it.
 */
BULLA_MUST_USE bulla_status bulla_conn_handle(bulla_conn *conn, bulla_call *call);
void bulla_conn_handle_free(bulla_conn *conn);

/* Puts a request on a connection's handle, and takes it off again. */
BULLA_MUST_USE bulla_status bulla_request_set(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan);
void bulla_request_done(bulla_conn *conn);

/* What went wrong, as a status and a sentence. */
BULLA_MUST_USE bulla_status bulla_transfer_fail(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan,
                                                CURLcode result);

/* The call has ended in the middle, with EDEADLINE or ECANCELLED: just that, or EUNKNOWN when something may have
 * happened that may not happen twice. */
BULLA_MUST_USE bulla_status bulla_transfer_left(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan,
                                                bulla_status status);

/* The monotonic clock itself: a try ends in time whatever clock the call has. */
int64_t bulla_http_now_ns(void);

#endif
