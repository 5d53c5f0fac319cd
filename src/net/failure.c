/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's results as statuses and sentences that tell what to do. */
#include "base/mem.h"
#include "net/client.h"

#include <string.h>

/* Results of X509_verify_cert, which OpenSSL's headers name X509_V_ERR_…; libcurl hands them on as numbers. */
#define UNSPECIFIED 1L
#define NOT_YET_VALID 9L
#define HAS_EXPIRED 10L
#define IS_SELF_SIGNED 18L
#define HAS_SELF_SIGNED_CA 19L
#define HAS_UNKNOWN_CA 20L
#define HAS_UNKNOWN_SIGNER 21L
#define IS_REVOKED 23L

#define TIMER_STEPS_NS 10000000 /* libcurl counts whole milliseconds, from a little later */

typedef struct trouble {
    bulla_conn *conn;
    bulla_call *call;
    const bulla_http_plan *plan;
    const char *store, *at; /* host:port */
    const char *detail;     /* libcurl's or OpenSSL's own words */
} trouble;

static long info_long(const bulla_conn *conn, CURLINFO what)
{
    long value = 0;
    (void)conn->http->curl->easy_getinfo(conn->easy, what, &value);
    return value;
}

static bool has_time(const bulla_conn *conn, CURLINFO what)
{
    curl_off_t us = 0;
    (void)conn->http->curl->easy_getinfo(conn->easy, what, &us);
    return us > 0;
}

/* Something of the request may have reached the server. */
static bool was_sent(const bulla_conn *conn)
{
    return info_long(conn, CURLINFO_REQUEST_SIZE) > 0 || has_time(conn, CURLINFO_PRETRANSFER_TIME_T);
}

/* Not an outage: trying again does not help, and whoever answers there may not be the key store at all. */
static bulla_status fail_certificate(const trouble *what)
{
    long reason = info_long(what->conn, CURLINFO_SSL_VERIFYRESULT);
    const char *why = NULL;
    if (reason == HAS_EXPIRED) why = "has expired: renew it, or set this machine's clock";
    if (reason == NOT_YET_VALID) why = "is not valid yet: set this machine's clock";
    if (reason == IS_SELF_SIGNED) why = "is self-signed: if that is the right one, name its file as tls.ca_cert";
    if (reason == HAS_SELF_SIGNED_CA || reason == HAS_UNKNOWN_CA || reason == HAS_UNKNOWN_SIGNER)
        why = "is of an authority that is not trusted: name the file of that authority as tls.ca_cert";
    if (reason == IS_REVOKED) why = "is revoked: this may not be the key store";
    if (reason <= UNSPECIFIED && strstr(what->detail, "match") != NULL) /* libcurl compares names itself */
        why = "is for another name: use its name in the address, or set tls.server_name if this is the key store";
    if (why != NULL)
        return bulla_fail(what->call, BULLA_EUNTRUSTED, "store %s: the certificate of %s %s", what->store, what->at,
                          why);
    return bulla_fail(what->call, BULLA_EUNTRUSTED, "store %s: the certificate of %s is not accepted: %s", what->store,
                      what->at, what->detail);
}

/* How far a request came that took too long. */
static const char *phase_of(const bulla_conn *conn, const bulla_http_plan *plan)
{
    if (was_sent(conn)) return has_time(conn, CURLINFO_STARTTRANSFER_TIME_T) ? "the rest of an answer" : "an answer";
    if (!has_time(conn, CURLINFO_NAMELOOKUP_TIME_T)) return "the address";
    if (info_long(conn, CURLINFO_LOCAL_PORT) == 0) return "a connection";
    return strcmp(plan->url.scheme, "https") == 0 ? "the TLS handshake" : "a connection";
}

static bulla_status fail_late(const trouble *what)
{
    const char *phase = phase_of(what->conn, what->plan);
    bool is_over = bulla_http_now_ns() >= what->plan->until_ns - TIMER_STEPS_NS;
    if (was_sent(what->conn) && !what->plan->request->idempotent)
        return bulla_fail(what->call, BULLA_EUNKNOWN,
                          "store %s: %s took the request and did not answer in time: it may have been carried out",
                          what->store, what->at);
    if (is_over && what->plan->ends_at_deadline)
        return bulla_fail(what->call, BULLA_EDEADLINE, "store %s: the deadline passed while waiting for %s of %s",
                          what->store, phase, what->at);
    return bulla_fail(what->call, BULLA_EUNAVAIL,
                      "store %s: time ran out while waiting for %s of %s: it is down, slow, or not to be reached",
                      what->store, phase, what->at);
}

/* The connection broke, or what came is not HTTP. */
static bulla_status fail_broken(const trouble *what)
{
    bool may_want_cert = what->plan->url.scheme[4] == 's' && what->conn->http->client_cert == NULL;
    if (!was_sent(what->conn))
        return bulla_fail(what->call, BULLA_EUNAVAIL, "store %s: the connection to %s broke before the request%s: %s",
                          what->store, what->at, may_want_cert ? " (does it want tls.client_cert?)" : "", what->detail);
    if (!what->plan->request->idempotent)
        return bulla_fail(what->call, BULLA_EUNKNOWN,
                          "store %s: the answer of %s is lost or malformed (%s): it may have been carried out",
                          what->store, what->at, what->detail);
    return bulla_fail(what->call, BULLA_EUNAVAIL, "store %s: the answer of %s is lost or malformed: %s", what->store,
                      what->at, what->detail);
}

static bulla_status fail_callback(const trouble *what)
{
    switch ((int)what->conn->failed) {
    case BULLA_ELIMIT:
        return bulla_fail(what->call, BULLA_ELIMIT, "store %s: the answer of %s has more than %zu bytes", what->store,
                          what->at, what->conn->max_body);
    case BULLA_ENOMEM: return BULLA_ENOMEM; /* told where it happened */
    default: return fail_broken(what);
    }
}

/* A header line that is longer than libcurl's own bound is a lack of memory to it, though none was refused. */
static bulla_status fail_memory(const trouble *what)
{
    if (what->conn->http->curl->wipes && what->conn->num_refused == bulla_curl_num_refused()) return fail_broken(what);
    return bulla_fail(what->call, BULLA_ENOMEM, "store %s: libcurl has no memory", what->store);
}

static bulla_status fail_name(const trouble *what)
{
    return bulla_fail(what->call, BULLA_EUNAVAIL, "store %s: the name of %s has no address: check it, and the resolver",
                      what->store, what->at);
}

static bulla_status fail_proxy(const trouble *what)
{
    return bulla_fail(what->call, BULLA_EUNAVAIL, "store %s: no way to %s through the proxy: %s", what->store, what->at,
                      what->detail);
}

static bulla_status fail_connect(const trouble *what)
{
    long number = info_long(what->conn, CURLINFO_OS_ERRNO);
    bulla_status status = bulla_fail(what->call, BULLA_EUNAVAIL, "store %s: cannot connect to %s: %s", what->store,
                                     what->at, number == 0 ? what->detail : strerrordesc_np((int)number));
    if (what->call != NULL) what->call->native = number;
    return status;
}

static bulla_status fail_tls(const trouble *what)
{
    return bulla_fail(what->call, BULLA_EUNAVAIL,
                      "store %s: no TLS with %s (%s): does tls.min_version fit, is tls.client_cert wanted?",
                      what->store, what->at, what->detail);
}

static bulla_status fail_client_cert(const trouble *what)
{
    return bulla_fail(what->call, BULLA_ECONFIG, "store %s: tls.client_cert and its key are not usable: %s",
                      what->store, what->detail);
}

static bulla_status fail_ca_cert(const trouble *what)
{
    return bulla_fail(what->call, BULLA_ECONFIG, "store %s: tls.ca_cert is not usable: %s", what->store, what->detail);
}

static bulla_status fail_url(const trouble *what)
{
    return bulla_fail(what->call, BULLA_EINVAL, "store %s: libcurl does not take the URL: %s", what->store,
                      what->detail);
}

/* Everything else that libcurl reports is a broken connection or a malformed answer. */
static bulla_status (*fail_of(CURLcode result))(const trouble *)
{
    static const struct {
        CURLcode result;
        bulla_status (*fail)(const trouble *);
    } known[] = {
        {CURLE_COULDNT_RESOLVE_HOST, fail_name},
        {CURLE_COULDNT_RESOLVE_PROXY, fail_proxy},
        {CURLE_PROXY, fail_proxy},
        {CURLE_COULDNT_CONNECT, fail_connect},
        {CURLE_OPERATION_TIMEDOUT, fail_late},
        {CURLE_PEER_FAILED_VERIFICATION, fail_certificate},
        {CURLE_SSL_CONNECT_ERROR, fail_tls},
        {CURLE_SSL_CERTPROBLEM, fail_client_cert},
        {CURLE_SSL_CACERT_BADFILE, fail_ca_cert},
        {CURLE_OUT_OF_MEMORY, fail_memory},
        {CURLE_URL_MALFORMAT, fail_url},
        {CURLE_WRITE_ERROR, fail_callback},
    };
    for (size_t i = 0; i < BULLA_LEN(known); i++)
        if (known[i].result == result) return known[i].fail;
    return fail_broken;
}

bulla_status bulla_transfer_left(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan, bulla_status status)
{
    if (!was_sent(conn) || plan->request->idempotent) return status;
    if (status == BULLA_EDEADLINE) return bulla_transfer_fail(conn, call, plan, CURLE_OPERATION_TIMEDOUT);
    return bulla_fail(call, BULLA_EUNKNOWN,
                      "store %s: cancelled when %s had taken the request: it may have been carried out",
                      conn->http->store, plan->host_port);
}

bulla_status bulla_transfer_fail(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan, CURLcode result)
{
    for (char *at = conn->error; *at != '\0'; at++) /* a certificate's name may be in it */
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7F) *at = '?';
    trouble what = {conn, call, plan, conn->http->store, plan->host_port, conn->error};
    if (conn->error[0] == '\0') what.detail = conn->http->curl->easy_strerror(result);
    return fail_of(result)(&what);
}
