/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a client: what is asked for, what the environment says, and what becomes of it. */
#include "net/http.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "net/client.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS 5000u
#define DEFAULT_CONNECT_MS 5000u
#define DEFAULT_IDLE_MS 60000u
#define DEFAULT_CONNECTIONS 8u
#define MAX_PATH 4096u

static bulla_status copy_text(bulla_call *call, const char *what, const char *text, char **out_text)
{
    void *memory = NULL;
    if (text == NULL) return BULLA_OK;
    size_t len = strnlen(text, MAX_PATH + 1);
    if (len == 0 || len > MAX_PATH)
        return bulla_fail(call, BULLA_EINVAL, "%s is empty or longer than %u characters", what, MAX_PATH);
    BULLA_TRY(bulla_alloc(call, len + 1, &memory));
    memcpy(memory, text, len + 1);
    *out_text = memory;
    return BULLA_OK;
}

static bulla_status copy_path(bulla_call *call, const char *what, const char *path, char **out_path)
{
    BULLA_TRY(copy_text(call, what, path, out_path));
    if (path == NULL || access(path, R_OK) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_ENOFILE, "%s \"%s\": %s", what, path, strerrordesc_np(errno));
}

static bulla_status read_server_name(bulla_http *http, bulla_call *call, const char *name)
{
    char url[300];
    bulla_http_url parsed;
    if (name == NULL) return BULLA_OK;
    if (snprintf(url, sizeof url, "https://%s", name) >= (int)sizeof url ||
        bulla_http_url_parse(NULL, url, &parsed) != BULLA_OK || strlen(parsed.host) != strlen(name))
        return bulla_fail(call, BULLA_EINVAL, "tls.server_name is not the name of a host");
    return copy_text(call, "tls.server_name", name, &http->server_name);
}

static bulla_status read_tls(bulla_http *http, bulla_call *call, const bulla_tls_options *tls)
{
    if (tls->min_version != NULL && strcmp(tls->min_version, "1.2") != 0 && strcmp(tls->min_version, "1.3") != 0)
        return bulla_fail(call, BULLA_EINVAL, "tls.min_version is \"1.2\" or \"1.3\"");
    if (tls->client_key != NULL && tls->client_cert == NULL)
        return bulla_fail(call, BULLA_EINVAL, "tls.client_key needs tls.client_cert");
    http->is_tls13 = tls->min_version != NULL && strcmp(tls->min_version, "1.3") == 0;
    http->accepts_any = tls->accept_any_server_certificate;
    BULLA_TRY(copy_path(call, "tls.ca_cert", tls->ca_cert, &http->ca_cert));
    BULLA_TRY(copy_path(call, "tls.client_cert", tls->client_cert, &http->client_cert));
    BULLA_TRY(copy_path(call, "tls.client_key", tls->client_key, &http->client_key));
    return read_server_name(http, call, tls->server_name);
}

/* The first of two spellings that is set and not empty. */
static const char *look_up(const bulla_env *env, const char *name, const char *other)
{
    const char *value = env->lookup == NULL ? NULL : env->lookup(env->arg, name);
    if (value != NULL && value[0] != '\0') return value;
    if (env->lookup == NULL || other == NULL) return NULL;
    value = env->lookup(env->arg, other);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* HTTP_PROXY in capitals is not looked at: in a CGI program it is what a request says (CVE-2016-5385). */
static bulla_status read_proxies(bulla_http *http, bulla_call *call)
{
    const bulla_env *env = bulla_env_of(call);
    const char *any = look_up(env, "all_proxy", "ALL_PROXY");
    const char *plain = look_up(env, "http_proxy", NULL), *secure = look_up(env, "https_proxy", "HTTPS_PROXY");
    BULLA_TRY(copy_text(call, "http_proxy", plain != NULL ? plain : any, &http->proxies[0]));
    BULLA_TRY(copy_text(call, "https_proxy", secure != NULL ? secure : any, &http->proxies[1]));
    return copy_text(call, "no_proxy", look_up(env, "no_proxy", "NO_PROXY"), &http->no_proxy);
}

static bulla_status read_options(bulla_http *http, bulla_call *call, const bulla_http_options *options)
{
    const bulla_pool_options *pool = &options->pool;
    if (pool->max_connections > BULLA_POOL_MAX)
        return bulla_fail(call, BULLA_EINVAL, "connection_pool.max_connections is at most %u", BULLA_POOL_MAX);
    if (options->store == NULL || strlen(options->store) >= sizeof http->store)
        return bulla_fail(call, BULLA_EINVAL, "the name of a store has 1 to %zu characters", sizeof http->store - 1);
    memcpy(http->store, options->store, strlen(options->store) + 1);
    http->max_conns = pool->max_connections == 0 ? DEFAULT_CONNECTIONS : pool->max_connections;
    http->idle_ms = pool->idle_timeout_ms == 0 ? DEFAULT_IDLE_MS : pool->idle_timeout_ms;
    http->connect_ms = pool->connection_timeout_ms == 0 ? DEFAULT_CONNECT_MS : pool->connection_timeout_ms;
    http->timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    BULLA_TRY(read_tls(http, call, &options->tls));
    return options->no_proxy ? BULLA_OK : read_proxies(http, call);
}

static void find_series(bulla_http *http, bulla_metrics *metrics)
{
    char labels[BULLA_METRICS_MAX_LABELS];
    bulla_series_init(&http->series, http->env, http->store, metrics);
    (void)snprintf(labels, sizeof labels, "store=\"%s\"", http->series.store);
    http->in_use = bulla_metrics_gauge(metrics, "bulla_kms_connections_in_use", labels,
                                       "Connections to key stores that requests hold now");
}

static void free_client(bulla_http *http)
{
    char *texts[] = {http->ca_cert,    http->client_cert, http->client_key, http->server_name,
                     http->proxies[0], http->proxies[1],  http->no_proxy};
    for (size_t i = 0; i < BULLA_LEN(texts); i++) {
        if (texts[i] != NULL) bulla_wipe(texts[i], strlen(texts[i])); /* a proxy's may have a password */
        bulla_free(http->env, texts[i]);
    }
    bulla_free(http->env, http);
}

static void warn(const bulla_http *http)
{
    if (http->accepts_any)
        bulla_log(http->env, BULLA_LOG_WARN,
                  "store %s: tls.accept_any_server_certificate is set: whoever answers is taken for the key store",
                  http->store);
    if (!http->curl->wipes)
        bulla_log(http->env, BULLA_LOG_INFO,
                  "store %s: the program uses libcurl too, and first: what it frees is not wiped", http->store);
}

bulla_status bulla_http_open(bulla_call *call, const bulla_http_options *options, bulla_http **out_http)
{
    const bulla_curl *curl = NULL;
    void *memory = NULL;
    BULLA_TRY(bulla_curl_get(call, &curl));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_http), &memory));
    bulla_http *http = memory;
    http->env = bulla_env_of(call);
    http->curl = curl;
    bulla_status status = read_options(http, call, options);
    if (status == BULLA_OK) status = bulla_pool_init(http, call);
    if (status != BULLA_OK) {
        free_client(http);
        return status;
    }
    find_series(http, options->metrics);
    warn(http);
    *out_http = http;
    return BULLA_OK;
}

void bulla_http_close(bulla_http *http)
{
    if (http == NULL) return;
    bulla_pool_done(http);
    bulla_series_done(&http->series);
    free_client(http);
}
