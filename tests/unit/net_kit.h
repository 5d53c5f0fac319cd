/* SPDX-License-Identifier: Apache-2.0 */
/* A client, a scripted server it talks to, and short ways to ask. */
#ifndef BULLA_TESTS_NET_KIT_H
#define BULLA_TESTS_NET_KIT_H

#include "base/metrics.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/http_server.h"
#include "net/http.h"

typedef struct net_kit {
    fake_env fake; /* its clocks stand */
    bulla_call call;
    bulla_metrics *metrics;
    http_server *server;
    bulla_http *http;
    char url[128];
} net_kit;

/* Starts a server and opens a client of the store "main" that trusts its CA. `options` NULL: the defaults. */
void net_kit_start(net_kit *kit, const http_server_options *server, const bulla_http_options *options);
void net_kit_stop(net_kit *kit);

/* Asks for `path` with `method`; the body "question" goes with POST and PUT. */
bulla_status net_kit_ask(net_kit *kit, const char *method, const char *path, bulla_http_answer *out_answer);
/* The same with the request's other members as `wanted` has them. */
bulla_status net_kit_send(net_kit *kit, const char *path, bulla_http_request wanted, bulla_http_answer *out_answer);

/* The sentence of the last failure has `part` in it. */
void assert_why(const net_kit *kit, const char *part);
void assert_body(const bulla_http_answer *answer, const char *text);

/* The value of a series of the client's. */
uint64_t net_kit_count(const net_kit *kit, const char *name, const char *labels);
/* All that the series was in, in milliseconds. */
int64_t net_kit_sum_ms(net_kit *kit, const char *name, const char *label);
int64_t real_ms(void);

#endif
