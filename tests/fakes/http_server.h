/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted HTTP/1.1 server on a free loopback port, with or without TLS, in threads of its own: answers come from a
 * handler, and with them the faults that real servers only have on bad days. Certificates are made when the first TLS
 * server starts.
 *
 *     static void answer(void *arg, const http_seen *seen, http_reply *reply)
 *     {
 *         if (seen->number == 1) reply->fault = HTTP_CLOSE_IN_BODY;
 *         reply->code = 200;
 *         reply->headers = "Content-Type: application/json\r\n";
 *         http_reply_print(reply, "{\"path\":\"%s\"}", seen->target);
 *     }
 *     http_server *server = http_server_start(&(http_server_options){.handler = answer, .tls = HTTP_TLS_GOOD});
 *     … http_server_url(server) is "https://127.0.0.1:PORT", http_server_ca() the path of the CA to trust …
 *     http_server_stop(server);
 *
 * What cannot work in a test (no port, no memory) ends the program with a message.
 */
#ifndef BULLA_TESTS_HTTP_SERVER_H
#define BULLA_TESTS_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_SEEN_BODY (1u << 20)
#define HTTP_REPLY_TEXT 16384u

typedef struct http_server http_server;

/* One request as it came. */
typedef struct http_seen {
    size_t number;        /* of the request on this server, from 1 */
    size_t connection;    /* the number of its connection, from 1 */
    size_t on_connection; /* which request on that connection, from 1 */
    char method[16];
    char target[2048]; /* path and query */
    char head[32768];  /* all header lines, each ended by CRLF */
    const char *body;  /* followed by a NUL */
    size_t body_len;
    bool has_client_cert;
} http_seen;

/* The value of a header, copied to `out`; NULL when it was not sent. */
const char *http_seen_header(const http_seen *seen, const char *name, char *out, size_t cap);

typedef enum http_fault {
    HTTP_NO_FAULT = 0,
    HTTP_CLOSE_BEFORE,  /* closes instead of answering */
    HTTP_RESET,         /* the same with a TCP reset */
    HTTP_CLOSE_AFTER,   /* answers, promises keep-alive, closes */
    HTTP_CLOSE_IN_HEAD, /* sends half of the header lines */
    HTTP_CLOSE_IN_BODY, /* sends half of the body */
    HTTP_RESET_IN_BODY,
    HTTP_STALL_IN_BODY, /* sends half of the body and keeps the connection open */
    HTTP_SLOW_BODY,     /* a byte of the body every slow_ms */
    HTTP_LONG_LENGTH,   /* Content-Length promises ten bytes more; then the connection closes */
    HTTP_SHORT_LENGTH,  /* Content-Length promises one byte less */
    HTTP_HALF_CLOSE,    /* closes its side without an answer and goes on reading */
    HTTP_SILENCE,       /* takes the request and never answers */
    HTTP_GARBAGE,       /* bytes that are no HTTP */
    HTTP_TLS_ALERT      /* with TLS: a fatal alert instead of the answer */
} http_fault;

typedef struct http_reply {
    int code;            /* 0: 200 */
    const char *headers; /* "Name: value\r\n…", besides Content-Length; must outlive the answer */
    const char *body;    /* must outlive the answer; NULL: text */
    size_t body_len;     /* 0 with a body: its strlen; without any: so many times 'x' (huge bodies) */
    bool is_chunked;     /* Transfer-Encoding: chunked instead of Content-Length */
    http_fault fault;
    unsigned delay_ms; /* before the first byte */
    unsigned slow_ms;
    size_t num_extra_headers; /* so many lines "X-Extra: …" of extra_header_len bytes each */
    size_t extra_header_len;
    char text[HTTP_REPLY_TEXT]; /* for http_reply_print; headers may point into it too */
} http_reply;

/* The body by a format. */
void http_reply_print(http_reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Called in the connection's thread, one at a time for the whole server: handlers need no lock of their own. */
typedef void (*http_handler)(void *arg, const http_seen *seen, http_reply *reply);

typedef enum http_tls {
    HTTP_TLS_NONE = 0,
    HTTP_TLS_GOOD,       /* for localhost, 127.0.0.1 and kms.example.test, by our CA */
    HTTP_TLS_WRONG_HOST, /* for elsewhere.example.test */
    HTTP_TLS_EXPIRED,
    HTTP_TLS_NOT_YET,
    HTTP_TLS_SELF_SIGNED, /* good names, signed by itself */
    HTTP_TLS_OTHER_CA     /* good names, by a CA that http_server_ca does not name */
} http_tls;

typedef struct http_server_options {
    http_handler handler; /* NULL: answers 200 with an empty body */
    void *arg;
    http_tls tls;
    bool wants_client_cert; /* one by our CA, or the handshake fails */
    bool is_tls12;          /* offers nothing newer */
    bool is_deaf;           /* accepts connections and never reads */
    uint16_t port;          /* 0: a free one */
} http_server_options;

http_server *http_server_start(const http_server_options *options);
/* Closes what is open and waits for the threads. Accepts NULL. */
void http_server_stop(http_server *server);

const char *http_server_url(const http_server *server); /* scheme://127.0.0.1:port */
uint16_t http_server_port(const http_server *server);
size_t http_server_num_requests(const http_server *server);
size_t http_server_num_connections(const http_server *server); /* accepted so far */
size_t http_server_num_open(const http_server *server);        /* now */
void http_server_drop_all(http_server *server);                /* closes every open connection, keeps listening */

/* PEM files; made at the first use, removed at the program's end. */
const char *http_server_ca(void);
const char *http_client_cert(void); /* with its key in http_client_key */
const char *http_client_key(void);

#endif
