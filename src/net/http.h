/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outgoing HTTP client: HTTP/1.1 and HTTP/2 over TLS, through libcurl, which is loaded at the first use so that
 * programs without a networked key store never pay for it (docs/adr/0011). A client is a bounded pool of connections to
 * one store; any thread may send, each request holds one connection. Every wait ends with the call's deadline, the
 * request's timeout, or its cancellation, whichever comes first.
 *
 * What travels is secret: request bodies are the caller's secrets, answers are secrets too, and nothing of either is
 * logged. Redirects are answers like any other, never followed.
 */
#ifndef BULLA_NET_HTTP_H
#define BULLA_NET_HTTP_H

#include "base/macros.h"
#include "base/metrics.h"
#include "bulla/kms.h"

#define BULLA_HTTP_MAX_HEADERS 24u
#define BULLA_HTTP_MAX_ANSWER BULLA_MAX_SECRET /* bytes of a body */

typedef struct bulla_http bulla_http;

typedef struct bulla_http_options {
    const char *store; /* name of the store in errors, logs and metrics */
    bulla_tls_options tls;
    bulla_pool_options pool;
    uint32_t timeout_ms;    /* of one request; 0: 5 s */
    bool no_proxy;          /* metadata services. Else https_proxy, no_proxy of the environment; none to this machine */
    bulla_metrics *metrics; /* may be NULL; borrowed */
} bulla_http_options;

/* Strings of the options are copied. Opens no connection. Errors: EUNAVAIL (no libcurl to load), EINVAL, ENOFILE (a
 * certificate's file). */
BULLA_MUST_USE bulla_status bulla_http_open(bulla_call *call, const bulla_http_options *options, bulla_http **out_http);
void bulla_http_close(bulla_http *http);
BULLA_AUTO_DEFINE(bulla_http, bulla_http_close)

typedef struct bulla_http_header {
    const char *name;
    bulla_view value; /* may be secret (a token): it is wiped where it was copied */
} bulla_http_header;

typedef struct bulla_http_request {
    const char *method; /* "GET" "POST" "PUT" "DELETE" "LIST" */
    const char *url;
    const bulla_http_header *headers;
    size_t num_headers;
    bulla_view body;      /* sent when it is not empty or the method is POST or PUT */
    const char *endpoint; /* host:port in metrics; NULL: from the url */
    const char *what;     /* the call in metrics: "unwrap" */
    uint32_t timeout_ms;  /* 0: the client's */
    size_t max_answer;    /* 0: 256 KiB */
    bool idempotent;      /* may be sent again: a lost answer is EUNAVAIL instead of EUNKNOWN */
} bulla_http_request;

typedef struct bulla_http_answer {
    int code;                /* 100 to 599 */
    bulla_secret *body;      /* NULL: none */
    uint32_t retry_after_ms; /* of Retry-After in either form (RFC 9110, 10.2.3), at most 1 h; 0: none */
    int64_t date_s;          /* of Date; 0: none */
    char content_type[64];
    char request_id[64];  /* x-amzn-requestid, x-ms-request-id, …: for error texts */
    char challenge[1024]; /* WWW-Authenticate, the first */
    char flavor[32];      /* Metadata-Flavor */
    char error_type[96];  /* x-amzn-errortype */
} bulla_http_answer;

/* Sends one request and waits for its answer, whatever its code. Errors, each with a sentence that names store, host
 * and phase: EUNAVAIL (name not found, refused, reset, timeout of one try, answer cut or malformed while idempotent),
 * EUNTRUSTED (the server's certificate is not accepted; nothing was sent), EUNKNOWN (sent, and the answer never came,
 * were it for the deadline or a cancellation, while not idempotent), ELIMIT (answer too long), EDEADLINE, ECANCELLED,
 * ENOMEM, EINVAL (a request that HTTP forbids), ECONFIG (a certificate's file is none). */
BULLA_MUST_USE bulla_status bulla_http_send(bulla_http *http, bulla_call *call, const bulla_http_request *request,
                                            bulla_http_answer *out_answer);
void bulla_http_answer_done(bulla_http_answer *answer);
#define BULLA_HTTP_ANSWER(name) __attribute__((cleanup(bulla_http_answer_done))) bulla_http_answer name = {.code = 0}

/* The body as a view; empty without one. */
bulla_view bulla_http_body(const bulla_http_answer *answer);

/* scheme://host[:port] of a url, checked: EINVAL with the reason. `https` or `http` only; the latter is the caller's to
 * allow. */
typedef struct bulla_http_url {
    char scheme[8], host[256]; /* in lower case; an IPv6 address with its brackets */
    uint16_t port;             /* the scheme's when the url has none */
    bool is_loopback;
} bulla_http_url;
BULLA_MUST_USE bulla_status bulla_http_url_parse(bulla_call *call, const char *url, bulla_http_url *out_url);

#endif
