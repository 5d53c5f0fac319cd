/* SPDX-License-Identifier: Apache-2.0 */
#include "net_kit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void net_kit_start(net_kit *kit, const http_server_options *server, const bulla_http_options *options)
{
    bulla_http_options wanted = options == NULL ? (bulla_http_options){.store = NULL} : *options;
    fake_env_init(&kit->fake);
    bulla_call_init(&kit->call, &kit->fake.env);
    kit->metrics = NULL;
    assert_ok(bulla_metrics_new(&kit->call, &kit->metrics));
    kit->server = http_server_start(server);
    wanted.store = "main";
    wanted.metrics = kit->metrics;
    if (wanted.tls.ca_cert == NULL && server->tls != HTTP_TLS_NONE) wanted.tls.ca_cert = http_server_ca();
    kit->http = NULL;
    assert_ok(bulla_http_open(&kit->call, &wanted, &kit->http));
}

void net_kit_stop(net_kit *kit)
{
    bulla_http_close(kit->http);
    bulla_metrics_unref(kit->metrics);
    http_server_stop(kit->server);
    assert_int_equal(kit->fake.num_live, 0);
}

bulla_status net_kit_send(net_kit *kit, const char *path, bulla_http_request wanted, bulla_http_answer *out_answer)
{
    (void)snprintf(kit->url, sizeof kit->url, "%s%s", http_server_url(kit->server), path);
    wanted.url = kit->url;
    return bulla_http_send(kit->http, &kit->call, &wanted, out_answer);
}

bulla_status net_kit_ask(net_kit *kit, const char *method, const char *path, bulla_http_answer *out_answer)
{
    bulla_http_request request = {.method = method, .what = "ask", .idempotent = true};
    if (method[0] == 'P') request.body = (bulla_view){(const uint8_t *)"question", 8};
    return net_kit_send(kit, path, request, out_answer);
}

void assert_why(const net_kit *kit, const char *part)
{
    if (strstr(kit->call.why, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", kit->call.why, part);
}

void assert_body(const bulla_http_answer *answer, const char *text)
{
    bulla_view body = bulla_http_body(answer);
    assert_int_equal(body.len, strlen(text));
    assert_memory_equal(body.data, text, body.len);
}

uint64_t net_kit_count(const net_kit *kit, const char *name, const char *labels)
{
    char all[192], endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "endpoint=\"127.0.0.1:%u\"", http_server_port(kit->server));
    (void)snprintf(all, sizeof all, "store=\"main\",%s%s%s", endpoint, labels[0] == '\0' ? "" : ",", labels);
    if (strstr(name, "_seconds") != NULL)
        return bulla_metric_value(bulla_metrics_histogram(kit->metrics, name, all, "as the client says"));
    return bulla_metric_value(bulla_metrics_counter(kit->metrics, name, all, "as the client says"));
}

typedef struct wanted_sum {
    const char *name, *label;
    int64_t sum_ns;
} wanted_sum;

static bulla_status add_sum(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    wanted_sum *wanted = arg;
    (void)call;
    if (strcmp(sample->name, wanted->name) == 0 && strstr(sample->labels, wanted->label) != NULL)
        wanted->sum_ns += sample->sum_ns;
    return BULLA_OK;
}

int64_t net_kit_sum_ms(net_kit *kit, const char *name, const char *label)
{
    wanted_sum wanted = {name, label, 0};
    assert_ok(bulla_metrics_each(kit->metrics, &kit->call, add_sum, &wanted));
    return wanted.sum_ns / 1000000;
}

int64_t real_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
