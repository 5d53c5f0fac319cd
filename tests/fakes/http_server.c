/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/http_server.h"

#include "fakes/http_certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 4096u /* in a server's life */
#define TICK_MS 20

typedef struct connection {
    http_server *server;
    pthread_t thread;
    SSL *ssl; /* NULL: plain */
    int fd;   /* -1: closed */
    size_t number, num_requests;
    http_seen seen;
    http_reply reply;
    char body[];
} connection;

struct http_server {
    http_server_options options;
    SSL_CTX *tls;
    int listener;
    uint16_t port;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;      /* of everything below */
    pthread_mutex_t answering; /* one handler at a time */
    bool is_stopping;
    size_t num_requests, num_connections, num_open;
    connection *connections[MAX_CONNECTIONS];
};

static void lock(http_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
}

static void unlock(http_server *server)
{
    (void)pthread_mutex_unlock(&server->lock);
}

static bool is_stopping(http_server *server)
{
    lock(server);
    bool stops = server->is_stopping;
    unlock(server);
    return stops;
}

/* False when the server stops first. */
static bool wait_ms(http_server *server, unsigned ms)
{
    for (unsigned waited = 0; waited < ms; waited += TICK_MS) {
        if (is_stopping(server)) return false;
        (void)poll(NULL, 0, ms - waited < TICK_MS ? (int)(ms - waited) : TICK_MS);
    }
    return !is_stopping(server);
}

/* Bytes that came; 0: the end, or the server stops. */
static size_t receive(connection *self, char *out, size_t cap)
{
    while (!is_stopping(self->server)) {
        struct pollfd wait = {.fd = self->fd, .events = POLLIN};
        if ((self->ssl == NULL || SSL_pending(self->ssl) == 0) && poll(&wait, 1, TICK_MS) == 0) continue;
        if (self->ssl == NULL) {
            ssize_t num = recv(self->fd, out, cap, 0);
            return num > 0 ? (size_t)num : 0;
        }
        int num = SSL_read(self->ssl, out, (int)cap);
        if (num > 0) return (size_t)num;
        if (SSL_get_error(self->ssl, num) != SSL_ERROR_WANT_READ) return 0;
    }
    return 0;
}

static bool send_bytes(connection *self, const char *bytes, size_t len)
{
    while (len != 0 && !is_stopping(self->server)) {
        size_t part = len < 65536 ? len : 65536;
        ssize_t num = self->ssl == NULL ? send(self->fd, bytes, part, MSG_NOSIGNAL)
                                        : (ssize_t)SSL_write(self->ssl, bytes, (int)part);
        if (num < 0 && (errno == EAGAIN || errno == EINTR)) continue; /* SO_SNDTIMEO */
        if (num <= 0) return false;
        bytes += num;
        len -= (size_t)num;
    }
    return len == 0;
}

static void close_connection(connection *self)
{
    lock(self->server);
    if (self->fd >= 0) {
        (void)close(self->fd);
        self->fd = -1;
        self->server->num_open--;
    }
    unlock(self->server);
}

static void reset_connection(connection *self)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close_connection(self);
}

/* An alert "internal error" in the clear: after a handshake no client can decrypt it, which is as fatal. */
static void send_alert(connection *self)
{
    static const unsigned char alert[] = {21, 3, 3, 0, 2, 2, 80};
    (void)send(self->fd, alert, sizeof alert, MSG_NOSIGNAL);
    close_connection(self);
}

const char *http_seen_header(const http_seen *seen, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    for (const char *line = seen->head; *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        if (end == NULL) return NULL;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *value = line + name_len + 1 + strspn(line + name_len + 1, " ");
            (void)snprintf(out, cap, "%.*s", (int)(end - value), value);
            return out;
        }
        line = end + 2;
    }
    return NULL;
}

/* Splits the head that stands in seen->head; false when it is no request. */
static bool read_request_line(http_seen *seen)
{
    char *end = strstr(seen->head, "\r\n");
    if (end == NULL || sscanf(seen->head, "%15s %2047s", seen->method, seen->target) != 2) return false;
    memmove(seen->head, end + 2, strlen(end + 2) + 1);
    return true;
}

/* Reads a request with its body. False at the connection's end. */
static bool read_request(connection *self)
{
    http_seen *seen = &self->seen;
    size_t len = 0;
    char *end = NULL, text[32];
    while (end == NULL) {
        size_t num = len + 1 < sizeof seen->head ? receive(self, seen->head + len, sizeof seen->head - 1 - len) : 0;
        if (num == 0) return false;
        len += num;
        seen->head[len] = '\0';
        end = strstr(seen->head, "\r\n\r\n");
    }
    size_t head_len = (size_t)(end - seen->head) + 4, body_len = len - head_len;
    memcpy(self->body, end + 4, body_len);
    end[2] = '\0';
    if (!read_request_line(seen)) return false;
    const char *length = http_seen_header(seen, "Content-Length", text, sizeof text);
    size_t wanted = length == NULL ? 0 : strtoul(length, NULL, 10);
    while (body_len < wanted && wanted <= HTTP_SEEN_BODY) {
        size_t num = receive(self, self->body + body_len, wanted - body_len);
        if (num == 0) return false;
        body_len += num;
    }
    self->body[body_len] = '\0';
    seen->body = self->body;
    seen->body_len = body_len;
    return true;
}

void http_reply_print(http_reply *reply, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if ((size_t)vsnprintf(reply->text, sizeof reply->text, format, args) >= sizeof reply->text)
        http_server_die("a reply is longer than HTTP_REPLY_TEXT");
    va_end(args);
    reply->body = reply->text;
    reply->body_len = 0;
}

static bool send_format(connection *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool send_format(connection *self, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return send_bytes(self, text, strlen(text));
}

static bool send_extra_headers(connection *self, const http_reply *reply)
{
    char *value = malloc(reply->extra_header_len + 3);
    bool sent = value != NULL;
    for (size_t i = 0; i < reply->num_extra_headers && sent; i++) {
        memset(value, 'h', reply->extra_header_len);
        memcpy(value + reply->extra_header_len, "\r\n", 3);
        sent = send_bytes(self, "X-Extra: ", 9) && send_bytes(self, value, reply->extra_header_len + 2);
    }
    free(value);
    return sent;
}

/* Half of the head is: the status line and the beginning of a header line. */
static bool send_head(connection *self, const http_reply *reply, size_t body_len)
{
    if (!send_format(self, "HTTP/1.1 %d Scripted\r\n", reply->code == 0 ? 200 : reply->code)) return false;
    if (reply->fault == HTTP_CLOSE_IN_HEAD) return send_format(self, "Content-Le") && false;
    if (reply->headers != NULL && !send_bytes(self, reply->headers, strlen(reply->headers))) return false;
    if (!send_extra_headers(self, reply)) return false;
    if (reply->is_chunked) return send_format(self, "Transfer-Encoding: chunked\r\n\r\n");
    size_t told = body_len;
    if (reply->fault == HTTP_LONG_LENGTH) told += 10;
    if (reply->fault == HTTP_SHORT_LENGTH && told != 0) told--;
    return send_format(self, "Content-Length: %zu\r\n\r\n", told);
}

static bool send_piece(connection *self, const http_reply *reply, const char *bytes, size_t len)
{
    if (!reply->is_chunked) return send_bytes(self, bytes, len);
    return send_format(self, "%zx\r\n", len) && send_bytes(self, bytes, len) && send_format(self, "\r\n");
}

static bool send_slowly(connection *self, const http_reply *reply, const char *body, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!send_piece(self, reply, body + i, 1) || !wait_ms(self->server, reply->slow_ms)) return false;
    return true;
}

static bool send_body(connection *self, const http_reply *reply, const char *body, size_t len)
{
    char fill[4096];
    memset(fill, 'x', sizeof fill);
    if (reply->fault == HTTP_SLOW_BODY) return send_slowly(self, reply, body, len);
    if (reply->fault == HTTP_CLOSE_IN_BODY || reply->fault == HTTP_RESET_IN_BODY || reply->fault == HTTP_STALL_IN_BODY)
        len /= 2;
    while (len != 0) {
        size_t part = body == NULL && len > sizeof fill ? sizeof fill : len;
        if (!send_piece(self, reply, body == NULL ? fill : body, part)) return false;
        len -= part;
        if (body != NULL) body += part;
    }
    return true;
}

/* The faults that leave no answer at all; true: that was one. */
static bool spoil(connection *self, http_fault fault)
{
    switch (fault) {
    case HTTP_CLOSE_BEFORE: close_connection(self); return true;
    case HTTP_RESET: reset_connection(self); return true;
    case HTTP_HALF_CLOSE:
        (void)shutdown(self->fd, SHUT_WR);
        (void)wait_ms(self->server, 60000);
        return true;
    case HTTP_SILENCE: (void)wait_ms(self->server, 3600000); return true;
    case HTTP_GARBAGE: (void)send_format(self, "%s", "\x01\x02 this is not HTTP\r\n\r\n"); return true;
    case HTTP_TLS_ALERT: send_alert(self); return true;
    case HTTP_NO_FAULT:
    case HTTP_CLOSE_AFTER:
    case HTTP_CLOSE_IN_HEAD:
    case HTTP_CLOSE_IN_BODY:
    case HTTP_RESET_IN_BODY:
    case HTTP_STALL_IN_BODY:
    case HTTP_SLOW_BODY:
    case HTTP_LONG_LENGTH:
    case HTTP_SHORT_LENGTH: break;
    }
    return false;
}

/* True: the connection may be used again. */
static bool send_reply(connection *self)
{
    const http_reply *reply = &self->reply;
    const char *body = reply->body;
    size_t len = body == NULL || reply->body_len != 0 ? reply->body_len : strlen(body);
    if (!wait_ms(self->server, reply->delay_ms) || spoil(self, reply->fault)) return false;
    bool has_body = strcmp(self->seen.method, "HEAD") != 0;
    if (!send_head(self, reply, len) || (has_body && !send_body(self, reply, body, len))) return false;
    if (reply->fault == HTTP_RESET_IN_BODY) reset_connection(self);
    if (reply->fault == HTTP_STALL_IN_BODY) (void)wait_ms(self->server, 3600000);
    if (reply->is_chunked && reply->fault == HTTP_NO_FAULT && !send_format(self, "0\r\n\r\n")) return false;
    return reply->fault == HTTP_NO_FAULT || reply->fault == HTTP_SLOW_BODY;
}

static void ask_handler(connection *self)
{
    http_server *server = self->server;
    lock(server);
    self->seen.number = ++server->num_requests;
    unlock(server);
    self->seen.connection = self->number;
    self->seen.on_connection = ++self->num_requests;
    self->seen.has_client_cert = self->ssl != NULL && SSL_get0_peer_certificate(self->ssl) != NULL;
    self->reply = (http_reply){.code = 0};
    if (server->options.handler == NULL) return;
    (void)pthread_mutex_lock(&server->answering);
    server->options.handler(server->options.arg, &self->seen, &self->reply);
    (void)pthread_mutex_unlock(&server->answering);
}

static bool shake_hands(connection *self)
{
    if (self->server->tls == NULL) return true;
    self->ssl = SSL_new(self->server->tls);
    if (self->ssl == NULL || SSL_set_fd(self->ssl, self->fd) != 1) http_server_die("a TLS connection");
    while (!is_stopping(self->server)) {
        int result = SSL_accept(self->ssl);
        if (result == 1) return true;
        if (SSL_get_error(self->ssl, result) != SSL_ERROR_WANT_READ) return false;
    }
    return false;
}

/* Lets the other side read why: a socket closed with bytes unread would be reset, and take the alert with it. */
static void drain(connection *self)
{
    char bytes[4096];
    (void)shutdown(self->fd, SHUT_WR);
    for (int i = 0; i < 50 && !is_stopping(self->server); i++)
        if (recv(self->fd, bytes, sizeof bytes, 0) == 0) return;
}

static void *serve(void *arg)
{
    connection *self = arg;
    if (self->server->options.is_deaf)
        (void)wait_ms(self->server, 3600000);
    else if (!shake_hands(self))
        drain(self);
    else
        while (read_request(self)) {
            ask_handler(self);
            if (!send_reply(self)) break;
        }
    if (self->ssl != NULL && self->fd >= 0) (void)SSL_shutdown(self->ssl);
    SSL_free(self->ssl);
    close_connection(self);
    return NULL;
}

static void open_connection(http_server *server, int fd)
{
    struct timeval tick = {.tv_usec = TICK_MS * 1000};
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof tick);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* answers go in pieces */
    connection *self = calloc(1, sizeof *self + HTTP_SEEN_BODY + sizeof self->seen.head + 1);
    if (self == NULL) http_server_die("memory");
    self->server = server;
    self->fd = fd;
    lock(server);
    if (server->num_connections == MAX_CONNECTIONS) http_server_die("too many connections");
    server->connections[server->num_connections++] = self;
    self->number = server->num_connections;
    server->num_open++;
    unlock(server);
    if (pthread_create(&self->thread, NULL, serve, self) != 0) http_server_die("a thread");
}

static void *listen_on(void *arg)
{
    http_server *server = arg;
    while (!is_stopping(server)) {
        struct pollfd wait = {.fd = server->listener, .events = POLLIN};
        if (poll(&wait, 1, TICK_MS) <= 0) continue;
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) open_connection(server, fd);
    }
    return NULL;
}

static void bind_port(http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->options.port)};
    socklen_t len = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server->listener, (struct sockaddr *)(void *)&address, sizeof address) != 0 ||
        listen(server->listener, 128) != 0 ||
        getsockname(server->listener, (struct sockaddr *)(void *)&address, &len) != 0)
        http_server_die("no port to listen on");
    server->port = ntohs(address.sin_port);
    (void)snprintf(server->url, sizeof server->url, "%s://127.0.0.1:%u", server->tls == NULL ? "http" : "https",
                   server->port);
}

http_server *http_server_start(const http_server_options *options)
{
    http_server *server = calloc(1, sizeof *server);
    if (server == NULL) http_server_die("memory");
    server->options = *options;
    if (options->tls != HTTP_TLS_NONE) server->tls = http_certs_context(options);
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_mutex_init(&server->answering, NULL);
    bind_port(server);
    /* Its threads write to sockets that the other side has closed; the test's own must notice when it does so. */
    sigset_t broken_pipe, before;
    (void)sigemptyset(&broken_pipe);
    (void)sigaddset(&broken_pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
    if (pthread_create(&server->thread, NULL, listen_on, server) != 0) http_server_die("a thread");
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return server;
}

void http_server_drop_all(http_server *server)
{
    lock(server);
    for (size_t i = 0; i < server->num_connections; i++)
        if (server->connections[i]->fd >= 0) (void)shutdown(server->connections[i]->fd, SHUT_RDWR);
    unlock(server);
}

void http_server_stop(http_server *server)
{
    if (server == NULL) return;
    lock(server);
    server->is_stopping = true;
    unlock(server);
    (void)pthread_join(server->thread, NULL);
    http_server_drop_all(server);
    for (size_t i = 0; i < server->num_connections; i++) {
        (void)pthread_join(server->connections[i]->thread, NULL);
        free(server->connections[i]);
    }
    (void)close(server->listener);
    SSL_CTX_free(server->tls);
    (void)pthread_mutex_destroy(&server->lock);
    (void)pthread_mutex_destroy(&server->answering);
    free(server);
}

const char *http_server_url(const http_server *server)
{
    return server->url;
}

uint16_t http_server_port(const http_server *server)
{
    return server->port;
}

static size_t read_count(const http_server *server, const size_t *count)
{
    pthread_mutex_t *guard = (pthread_mutex_t *)(uintptr_t)&server->lock;
    (void)pthread_mutex_lock(guard);
    size_t value = *count;
    (void)pthread_mutex_unlock(guard);
    return value;
}

size_t http_server_num_requests(const http_server *server)
{
    return read_count(server, &server->num_requests);
}

size_t http_server_num_connections(const http_server *server)
{
    return read_count(server, &server->num_connections);
}

size_t http_server_num_open(const http_server *server)
{
    return read_count(server, &server->num_open);
}
