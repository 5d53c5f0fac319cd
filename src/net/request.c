/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "net/client.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define FIRST_LINES 4096u       /* bytes of header lines; more when a request needs more */
#define MAX_LINES (256u * 1024) /* at most */
#define FIRST_BODY (16u * 1024)
#define MOST_BODY (256u * 1024) /* unless the request says so */

static char no_expect[] = "Expect:";     /* libcurl would ask for leave to send a large body, and wait for it */
static char no_type[] = "Content-Type:"; /* libcurl would say that a body is a form */

static bool is_method(const char *method)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "LIST"};
    for (size_t i = 0; i < BULLA_LEN(methods); i++)
        if (strcmp(method, methods[i]) == 0) return true;
    return false;
}

/* token of RFC 9110, 5.6.2 */
static bool is_token(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (isalnum((unsigned char)*at) == 0 && strchr("!#$%&'*+-.^_`|~", *at) == NULL) return false;
    return name[0] != '\0';
}

/* field-content of RFC 9110, 5.5: nothing that could end the line and begin another. */
static bool is_value(bulla_view value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((value.data[i] < 0x20 && value.data[i] != '\t') || value.data[i] == 0x7F) return false;
    return true;
}

static bulla_status check_headers(bulla_call *call, const bulla_http_request *request)
{
    size_t len = 0;
    if (request->num_headers > BULLA_HTTP_MAX_HEADERS)
        return bulla_fail(call, BULLA_ELIMIT, "a request has at most %u headers", BULLA_HTTP_MAX_HEADERS);
    for (size_t i = 0; i < request->num_headers; i++) {
        const bulla_http_header *header = &request->headers[i];
        if (header->name == NULL || !is_token(header->name) || !is_value(header->value))
            return bulla_fail(call, BULLA_EINVAL, "header %zu of a request has a name or a value that HTTP forbids",
                              i + 1);
        len += strlen(header->name) + header->value.len;
    }
    if (len > MAX_LINES)
        return bulla_fail(call, BULLA_ELIMIT, "the headers of a request have %zu bytes, more than %u", len, MAX_LINES);
    return BULLA_OK;
}

bulla_status bulla_request_check(bulla_call *call, const bulla_http_request *request, bulla_http_plan *out_plan)
{
    out_plan->request = request;
    if (request->method == NULL || !is_method(request->method))
        return bulla_fail(call, BULLA_EINVAL, "a request is GET, POST, PUT, DELETE or LIST");
    if (request->max_answer > BULLA_HTTP_MAX_ANSWER)
        return bulla_fail(call, BULLA_EINVAL, "an answer has at most %u bytes", BULLA_HTTP_MAX_ANSWER);
    BULLA_TRY(bulla_http_url_parse(call, request->url, &out_plan->url));
    BULLA_TRY(check_headers(call, request));
    const bulla_http_url *url = &out_plan->url;
    (void)snprintf(out_plan->host_port, sizeof out_plan->host_port, "%s:%u", url->host, url->port);
    (void)snprintf(out_plan->origin, sizeof out_plan->origin, "%s://%s", url->scheme, out_plan->host_port);
    return BULLA_OK;
}

static bool has_header(const bulla_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->num_headers; i++)
        if (strcasecmp(request->headers[i].name, name) == 0) return true;
    return false;
}

static bool has_body(const bulla_http_request *request)
{
    return request->body.len != 0 || strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;
}

/* Room for `len` bytes in a secret that is used again and again; what it held is of no use. */
static bulla_status reserve(bulla_call *call, size_t len, bulla_secret **secret)
{
    bulla_secret *larger = NULL;
    if (bulla_secret_borrow(*secret).len >= len) return BULLA_OK;
    BULLA_TRY(bulla_secret_new(call, len, &larger));
    bulla_secret_unref(*secret);
    *secret = larger;
    return BULLA_OK;
}

static char *write_line(bulla_writer *lines, const char *name, bulla_view value)
{
    char *line = (char *)lines->out + lines->len;
    bulla_write_view(lines, bulla_view_text(name));
    bulla_write_view(lines, bulla_view_text(value.len == 0 ? ";" : ": ")); /* as libcurl wants an empty value */
    bulla_write_view(lines, value);
    bulla_write_u8(lines, 0);
    return line;
}

/* libcurl's list of header lines: the nodes and what they point to are the connection's own, for the lines may be
 * secret, and libcurl's functions would copy them. */
static bulla_status write_lines(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan)
{
    const bulla_http_request *request = plan->request;
    size_t len = sizeof plan->host_port + 8, num = 0;
    for (size_t i = 0; i < request->num_headers; i++)
        len += strlen(request->headers[i].name) + request->headers[i].value.len + 3;
    BULLA_TRY(reserve(call, len < FIRST_LINES ? FIRST_LINES : len, &conn->lines));
    bulla_writer lines = bulla_writer_of(bulla_secret_fill(conn->lines), bulla_secret_borrow(conn->lines).len);
    for (size_t i = 0; i < request->num_headers; i++)
        conn->nodes[num++].data = write_line(&lines, request->headers[i].name, request->headers[i].value);
    if (conn->http->server_name != NULL && !has_header(request, "Host"))
        conn->nodes[num++].data = write_line(&lines, "Host", bulla_view_text(plan->host_port));
    if (has_body(request)) conn->nodes[num++].data = no_expect;
    if (has_body(request) && !has_header(request, "Content-Type")) conn->nodes[num++].data = no_type;
    if (lines.failed) return bulla_fail(call, BULLA_EINTERNAL, "header lines are longer than they were counted");
    for (size_t i = 0; i < num; i++)
        conn->nodes[i].next = i + 1 < num ? &conn->nodes[i + 1] : NULL;
    conn->lines_len = lines.len;
    conn->headers = num == 0 ? NULL : conn->nodes;
    return BULLA_OK;
}

#define SET(option, value) (is_set = is_set && curl->easy_setopt(conn->easy, option, value) == CURLE_OK)

/* With another name for the certificate the URL has that one, which TLS asks for and compares, and the connection is
 * led to the address's host. */
static bulla_status set_renamed_url(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan)
{
    const bulla_http *http = conn->http;
    const bulla_curl *curl = http->curl;
    const char *rest = strstr(plan->request->url, "://") + 3;
    rest += strcspn(rest, "/?");
    size_t len = strlen(plan->url.scheme) + strlen(http->server_name) + strlen(rest) + 16;
    void *memory = NULL;
    bool is_set = true;
    BULLA_TRY(bulla_alloc(call, len, &memory));
    (void)snprintf(memory, len, "%s://%s:%u%s", plan->url.scheme, http->server_name, plan->url.port, rest);
    SET(CURLOPT_URL, (char *)memory);
    bulla_free(bulla_env_of(call), memory);
    (void)snprintf(conn->connect_to, sizeof conn->connect_to, "::%s", plan->host_port);
    conn->connect_node.data = conn->connect_to;
    SET(CURLOPT_CONNECT_TO, &conn->connect_node);
    return is_set ? BULLA_OK : bulla_fail(call, BULLA_ENOMEM, "store %s: libcurl has no memory for a URL", http->store);
}

static bool set_method(bulla_conn *conn, const bulla_curl *curl, const bulla_http_request *request)
{
    bool is_set = true, is_usual = strcmp(request->method, has_body(request) ? "POST" : "GET") == 0;
    if (has_body(request)) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, request->body.len == 0 ? "" : (const char *)request->body.data); /* not copied */
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, is_usual ? NULL : request->method);
    return is_set;
}

/* Milliseconds until `until_ns`, at least one: zero would mean none to libcurl. */
static long ms_left(int64_t until_ns)
{
    int64_t ms = (until_ns - bulla_http_now_ns()) / 1000000;
    return ms < 1 ? 1L : (long)ms;
}

/* libcurl sends a request again when a connection that was used before breaks without an answer, though the server may
 * have done what it asked for. It does not on a new connection. */
static bool set_limits(bulla_conn *conn, const bulla_curl *curl, const bulla_http_plan *plan)
{
    bool is_set = true;
    long ms = ms_left(plan->until_ns), connect_ms = (long)conn->http->connect_ms;
    SET(CURLOPT_TIMEOUT_MS, ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_ms < ms ? connect_ms : ms);
    SET(CURLOPT_FRESH_CONNECT, plan->request->idempotent ? 0L : 1L);
    return is_set;
}

/* NULL: straight there. Plain http to this very machine is allowed because nobody else sees it. */
static const char *proxy_for(const bulla_http *http, const bulla_http_url *url)
{
    return url->is_loopback ? NULL : http->proxies[strcmp(url->scheme, "https") == 0 ? 1 : 0];
}

bulla_status bulla_request_set(bulla_conn *conn, bulla_call *call, const bulla_http_plan *plan)
{
    const bulla_http *http = conn->http;
    const bulla_curl *curl = http->curl;
    const char *proxy = proxy_for(http, &plan->url);
    bool is_set = true;
    conn->answer = (bulla_http_answer){.code = 0};
    conn->head = (bulla_head){.answer = &conn->answer};
    conn->max_body = plan->request->max_answer == 0 ? MOST_BODY : plan->request->max_answer;
    conn->call = call;
    conn->failed = BULLA_OK;
    conn->num_refused = bulla_curl_num_refused();
    conn->error[0] = '\0';
    BULLA_TRY(bulla_conn_handle(conn, call));
    BULLA_TRY(reserve(call, FIRST_BODY, &conn->body));
    BULLA_TRY(write_lines(conn, call, plan));
    if (http->server_name != NULL)
        BULLA_TRY(set_renamed_url(conn, call, plan));
    else
        SET(CURLOPT_URL, plan->request->url);
    SET(CURLOPT_PROXY, proxy == NULL ? "" : proxy);
    SET(CURLOPT_HTTPHEADER, conn->headers);
    is_set = is_set && set_method(conn, curl, plan->request) && set_limits(conn, curl, plan);
    return is_set ? BULLA_OK : bulla_fail(call, BULLA_ENOMEM, "store %s: libcurl has no memory", http->store);
}

static void wipe_used(bulla_secret *secret, size_t len)
{
    uint8_t *bytes = secret == NULL ? NULL : bulla_secret_fill(secret);
    if (bytes != NULL) bulla_wipe(bytes, len);
}

void bulla_request_done(bulla_conn *conn)
{
    const bulla_curl *curl = conn->http->curl;
    if (curl->keeps_sent)
        bulla_conn_handle_free(conn);
    else {
        (void)curl->easy_setopt(conn->easy, CURLOPT_POSTFIELDS, NULL);
        (void)curl->easy_setopt(conn->easy, CURLOPT_HTTPHEADER, NULL);
    }
    wipe_used(conn->lines, conn->lines_len);
    if (bulla_secret_borrow(conn->body).len > FIRST_BODY) {
        bulla_secret_unref(conn->body);
        conn->body = NULL;
    }
    wipe_used(conn->body, conn->body_len);
    conn->body_len = conn->lines_len = 0;
    conn->call = NULL;
}
