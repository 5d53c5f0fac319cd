/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "net/client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CA_KEPT_S 600L /* a changed file of authorities counts after it at the latest */
#define DNS_KEPT_S 10L /* a store that moved is found after it */

/* SSL_OP_CLEANSE_PLAINTEXT of OpenSSL 3, whose headers belong to another room. */
#define TLS_CLEANSE_PLAINTEXT UINT64_C(2)

static void forget_socket(bulla_conn *conn, int fd)
{
    for (size_t i = 0; i < BULLA_CONN_SOCKETS; i++)
        if (conn->sockets[i] == fd) conn->sockets[i] = -1;
}

/* libcurl's own would be inherited by every program that this one starts. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    bulla_conn *conn = arg;
    (void)purpose;
    size_t at = 0;
    while (at < BULLA_CONN_SOCKETS && conn->sockets[at] >= 0)
        at++;
    if (at == BULLA_CONN_SOCKETS) return CURL_SOCKET_BAD;
    conn->sockets[at] = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return conn->sockets[at];
}

static int close_socket(void *arg, curl_socket_t fd)
{
    forget_socket(arg, fd);
    return close(fd);
}

/* What was decrypted is wiped from OpenSSL's buffers, and session keys are written to no file, whatever the
 * process's environment says of SSLKEYLOGFILE. */
static CURLcode secure_tls(CURL *easy, void *context, void *arg)
{
    const bulla_conn *conn = arg;
    const bulla_curl *curl = conn->http->curl;
    (void)easy;
    if (curl->tls_options_set != NULL) (void)curl->tls_options_set(context, TLS_CLEANSE_PLAINTEXT);
    if (curl->tls_keylog_set != NULL) curl->tls_keylog_set(context, NULL);
    return CURLE_OK;
}

static size_t keep_line(char *line, size_t size, size_t num, void *arg)
{
    bulla_conn *conn = arg;
    /* libcurl's own time of the first byte is that of the request's body, where it has one. */
    if (size * num > 5 && memcmp(line, "HTTP/", 5) == 0) conn->answered_ns = bulla_http_now_ns();
    if (bulla_head_line(&conn->head, bulla_view_of(line, size * num))) return size * num;
    conn->failed = BULLA_EUNAVAIL;
    return 0;
}

/* Room for `more` bytes; doubles, up to what the request allows. */
static bulla_status grow_body(bulla_conn *conn, size_t more)
{
    size_t cap = bulla_secret_borrow(conn->body).len, wanted = cap;
    if (more > conn->max_body - conn->body_len) return BULLA_ELIMIT;
    while (wanted < conn->body_len + more)
        wanted = wanted * 2 < BULLA_MAX_SECRET ? wanted * 2 : BULLA_MAX_SECRET;
    if (wanted == cap) return BULLA_OK;
    bulla_secret *larger = NULL;
    BULLA_TRY(bulla_secret_new(conn->call, wanted, &larger));
    bulla_copy(bulla_secret_fill(larger), bulla_secret_borrow(conn->body).data, conn->body_len);
    bulla_secret_unref(conn->body);
    conn->body = larger;
    return BULLA_OK;
}

static size_t keep_body(char *bytes, size_t size, size_t num, void *arg)
{
    bulla_conn *conn = arg;
    size_t len = size * num;
    conn->failed = grow_body(conn, len);
    if (conn->failed != BULLA_OK) return 0;
    bulla_copy(bulla_secret_fill(conn->body) + conn->body_len, bytes, len);
    conn->body_len += len;
    return len;
}

#define SET(option, value) (is_set = is_set && curl->easy_setopt(conn->easy, option, value) == CURLE_OK)

static bool set_callbacks(bulla_conn *conn, const bulla_curl *curl)
{
    bool is_set = true;
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, conn);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, conn);
    SET(CURLOPT_HEADERFUNCTION, keep_line);
    SET(CURLOPT_HEADERDATA, conn);
    SET(CURLOPT_WRITEFUNCTION, keep_body);
    SET(CURLOPT_WRITEDATA, conn);
    SET(CURLOPT_ERRORBUFFER, conn->error);
    return is_set;
}

/* What libcurl would else take from files and variables of the user, do on its own, or wait for. */
static bool set_manners(bulla_conn *conn, const bulla_curl *curl)
{
    bool is_set = true;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a name that is still being looked up is not waited for */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, conn->http->no_proxy == NULL ? "" : conn->http->no_proxy);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_USERAGENT, "bulla");
    SET(CURLOPT_DNS_CACHE_TIMEOUT, DNS_KEPT_S);
    SET(CURLOPT_MAXAGE_CONN, (long)((conn->http->idle_ms + 999) / 1000));
    (void)curl->easy_setopt(conn->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS); /* where it is built in */
    return is_set;
}

static bool set_tls(bulla_conn *conn, const bulla_curl *curl)
{
    const bulla_http *http = conn->http;
    bool is_set = true;
    SET(CURLOPT_SSLVERSION, (long)(http->is_tls13 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2));
    SET(CURLOPT_SSL_VERIFYPEER, http->accepts_any ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, http->accepts_any ? 0L : 2L);
    SET(CURLOPT_CA_CACHE_TIMEOUT, CA_KEPT_S);
    SET(CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks on the terminal */
    if (http->ca_cert != NULL) {
        SET(CURLOPT_CAINFO, http->ca_cert);
        SET(CURLOPT_CAPATH, NULL); /* the system's, which would be trusted besides */
    }
    if (http->client_cert != NULL) {
        SET(CURLOPT_SSLCERT, http->client_cert);
        SET(CURLOPT_SSLKEY, http->client_key == NULL ? http->client_cert : http->client_key);
    }
    /* Only a libcurl on OpenSSL has these two; on another there is nothing to set. */
    (void)curl->easy_setopt(conn->easy, CURLOPT_SSL_CTX_FUNCTION, secure_tls);
    (void)curl->easy_setopt(conn->easy, CURLOPT_SSL_CTX_DATA, conn);
    return is_set;
}

bulla_status bulla_conn_handle(bulla_conn *conn, bulla_call *call)
{
    const bulla_curl *curl = conn->http->curl;
    if (conn->easy != NULL) return BULLA_OK;
    conn->easy = curl->easy_init();
    if (conn->easy != NULL && set_callbacks(conn, curl) && set_manners(conn, curl) && set_tls(conn, curl))
        return BULLA_OK;
    bulla_conn_handle_free(conn);
    return bulla_fail(call, BULLA_ENOMEM, "store %s: libcurl has no memory for a connection", conn->http->store);
}

void bulla_conn_handle_free(bulla_conn *conn)
{
    if (conn->easy != NULL) conn->http->curl->easy_cleanup(conn->easy);
    conn->easy = NULL;
}

bulla_status bulla_conn_new(bulla_http *http, bulla_call *call, bulla_conn **out_conn)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_conn), &memory));
    bulla_conn *conn = memory;
    const bulla_curl *curl = http->curl;
    conn->http = http;
    for (size_t i = 0; i < BULLA_CONN_SOCKETS; i++)
        conn->sockets[i] = -1;
    conn->multi = curl->multi_init();
    if (conn->multi == NULL || curl->multi_setopt(conn->multi, CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK) {
        bulla_conn_free(conn);
        return bulla_fail(call, BULLA_ENOMEM, "store %s: libcurl has no memory for a connection", http->store);
    }
    *out_conn = conn;
    return BULLA_OK;
}

void bulla_conn_free(bulla_conn *conn)
{
    const bulla_curl *curl = conn->http->curl;
    if (conn->multi != NULL) (void)curl->multi_cleanup(conn->multi);
    bulla_conn_handle_free(conn);
    bulla_secret_unref(conn->lines);
    bulla_secret_unref(conn->body);
    bulla_free(conn->http->env, conn);
}

void bulla_conn_detach(bulla_conn *conn)
{
    for (size_t i = 0; i < BULLA_CONN_SOCKETS; i++) {
        if (conn->sockets[i] < 0) continue;
        int nowhere = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (nowhere < 0 || dup3(nowhere, conn->sockets[i], O_CLOEXEC) < 0) (void)close(conn->sockets[i]);
        if (nowhere >= 0) (void)close(nowhere);
    }
}
