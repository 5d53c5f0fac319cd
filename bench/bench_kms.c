/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key stores on the network, through a real OpenBao (tests/servers): what the whole stack of wrappers costs on a hit of
 * its cache against the cache alone, an unwrap against the same request by libcurl and nothing else, and data keys
 * opened by bulla_cache_warm against one after another.
 */
#include "bench.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUM_HITS 64u
#define NUM_COLD 5000u
#define PARALLEL 32u

typedef struct store {
    bulla_call call;
    bulla *house;
    bulla_provider *key;
} store;

typedef struct hits {
    bulla_provider *key;
    bulla_call call;
    bulla_context *context;
    bulla_wrapped *const *wrapped;
    size_t num, next;
} hits;

/* The same question again and again. */
typedef struct question {
    CURL *easy;
    struct curl_slist *headers;
    char url[512], body[1024];
    size_t len;
    char answer[4096];
} question;

static const char *fact(const char *name)
{
    const char *value = getenv(name);
    bench_must(value != NULL, "bench_kms runs through tests/servers/run.py: bench/run does it");
    return value;
}

static void store_open(store *s, const char *address, const char *ca, bool has_cache)
{
    const char *token = fact("BULLA_OPENBAO_USE_TOKEN");
    bulla_secret *secret = NULL;
    memset(s, 0, sizeof *s);
    bulla_call_init(&s->call, NULL);
    bench_must(bulla_secret_copy(&s->call, (bulla_view){(const uint8_t *)token, strlen(token)}, &secret) == BULLA_OK,
               "no memory for the token");
    const bulla_cache_options cache = {.size = sizeof cache,
                                       .ttl_ms = has_cache ? 3600 * 1000 : 0,
                                       .max_entries = 2 * NUM_COLD,
                                       .refresh_ahead_ms = 60 * 1000,
                                       .offline_window_ms = 3600 * 1000};
    const bulla_kms_config kms = {.size = sizeof kms,
                                  .name = "main",
                                  .provider = "vault",
                                  .address = address,
                                  .tls = {.ca_cert = ca},
                                  .pool = {.max_connections = PARALLEL},
                                  .token = secret,
                                  .key_name = fact("BULLA_OPENBAO_KEY"),
                                  .cache = &cache};
    const bulla_options options = {.size = sizeof options, .kms = &kms, .num_kms = 1};
    bench_must(bulla_open(&s->call, &options, &s->house) == BULLA_OK, s->call.why);
    bench_must(bulla_provider_open(s->house, &s->call, "kms:main", &s->key) == BULLA_OK, s->call.why);
    bulla_secret_unref(secret);
}

static void store_close(store *s)
{
    bulla_provider_unref(s->key);
    bulla_close(s->house);
}

static bulla_context *context_of(store *s)
{
    const bulla_pair pair = {{(const uint8_t *)"table", 5}, {(const uint8_t *)"customers", 9}};
    bulla_context *context = NULL;
    bench_must(bulla_context_new(&s->call, &pair, 1, &context) == BULLA_OK, s->call.why);
    return context;
}

static bulla_wrapped *wrapped_new(store *s, bulla_context *context)
{
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    bench_must(bulla_secret_random(&s->call, 32, &dek) == BULLA_OK, s->call.why);
    bench_must(bulla_provider_wrap(s->key, &s->call, context, dek, &wrapped) == BULLA_OK, s->call.why);
    bulla_secret_unref(dek);
    return wrapped;
}

static void unwrap(void *arg, uint64_t num)
{
    hits *h = arg;
    for (uint64_t i = 0; i < num; i++) {
        bulla_secret *dek = NULL;
        const bulla_wrapped *wrapped = h->wrapped[h->next++ % h->num];
        bench_must(bulla_provider_unwrap(h->key, &h->call, h->context, wrapped, &dek) == BULLA_OK, h->call.why);
        bulla_secret_unref(dek);
    }
}

static hits hits_of(bulla_provider *key, bulla_context *context, bulla_wrapped *const *wrapped, size_t num)
{
    hits made = {.key = key, .context = context, .wrapped = wrapped, .num = num};
    bulla_call_init(&made.call, NULL);
    return made;
}

/* --- a hit of the cache --- */

static void row_hit(const bench_setup *b)
{
    static store whole, bare;
    bulla_wrapped *wrapped[NUM_HITS];
    bulla_provider *cache = NULL;
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 3600 * 1000};
    store_open(&whole, fact("BULLA_OPENBAO_ADDR"), NULL, true);
    store_open(&bare, fact("BULLA_OPENBAO_ADDR"), NULL, false);
    bench_must(bulla_cache_new(&bare.call, bare.key, &options, &cache) == BULLA_OK, bare.call.why);
    bulla_context *context = context_of(&whole);
    for (size_t i = 0; i < NUM_HITS; i++)
        wrapped[i] = wrapped_new(&whole, context);
    hits ours = hits_of(whole.key, context, wrapped, NUM_HITS), base = hits_of(cache, context, wrapped, NUM_HITS);
    unwrap(&ours, NUM_HITS);
    unwrap(&base, NUM_HITS);
    bench_pair(b, "kms_hit", 5000, (bench_side){unwrap, &ours}, (bench_side){unwrap, &base});
    for (size_t i = 0; i < NUM_HITS; i++)
        bulla_wrapped_free(wrapped[i]);
    bulla_context_unref(context);
    bulla_provider_unref(cache);
    store_close(&whole);
    store_close(&bare);
}

/* --- an unwrap --- */

static size_t keep(char *bytes, size_t size, size_t num, void *arg)
{
    question *q = arg;
    size_t len = size * num;
    if (len > sizeof q->answer - q->len) return 0;
    memcpy(q->answer + q->len, bytes, len);
    q->len += len;
    return len;
}

static void ask(void *arg, uint64_t num)
{
    question *q = arg;
    for (uint64_t i = 0; i < num; i++) {
        long code = 0;
        q->len = 0;
        bench_must(curl_easy_perform(q->easy) == CURLE_OK, "libcurl failed");
        (void)curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &code);
        bench_must(code == 200 && q->len > 0, "libcurl was refused");
    }
}

static void encode_base64(bulla_view bytes, char *out)
{
    out[EVP_EncodeBlock((unsigned char *)out, bytes.data, (int)bytes.len)] = '\0';
}

static void question_init(question *q, const char *address, const char *ca, bulla_view context, bulla_view ciphertext)
{
    char token[256], encoded[512];
    memset(q, 0, sizeof *q);
    encode_base64(context, encoded);
    (void)snprintf(q->url, sizeof q->url, "%s/v1/transit/decrypt/%s", address, fact("BULLA_OPENBAO_KEY"));
    (void)snprintf(q->body, sizeof q->body, "{\"ciphertext\":\"%.*s\",\"associated_data\":\"%s\"}", (int)ciphertext.len,
                   (const char *)ciphertext.data, encoded);
    (void)snprintf(token, sizeof token, "X-Vault-Token: %s", fact("BULLA_OPENBAO_USE_TOKEN"));
    q->headers = curl_slist_append(NULL, token);
    q->headers = curl_slist_append(q->headers, "X-Vault-Request: true");
    q->headers = curl_slist_append(q->headers, "Content-Type: application/json");
    q->easy = curl_easy_init();
    bench_must(q->easy != NULL && q->headers != NULL, "libcurl has no memory");
    (void)curl_easy_setopt(q->easy, CURLOPT_URL, q->url);
    (void)curl_easy_setopt(q->easy, CURLOPT_HTTPHEADER, q->headers);
    (void)curl_easy_setopt(q->easy, CURLOPT_POSTFIELDS, q->body);
    (void)curl_easy_setopt(q->easy, CURLOPT_WRITEFUNCTION, keep);
    (void)curl_easy_setopt(q->easy, CURLOPT_WRITEDATA, q);
    (void)curl_easy_setopt(q->easy, CURLOPT_NOSIGNAL, 1L);
    if (ca != NULL) (void)curl_easy_setopt(q->easy, CURLOPT_CAINFO, ca);
}

static void row_unwrap(const bench_setup *b, const char *row, const char *address, const char *ca)
{
    static store whole;
    static question q;
    store_open(&whole, address, ca, false);
    bulla_context *context = context_of(&whole);
    bulla_wrapped *wrapped = wrapped_new(&whole, context);
    question_init(&q, address, ca, bulla_context_bytes(context), wrapped->blob);
    hits ours = hits_of(whole.key, context, &wrapped, 1);
    bench_pair(b, row, 4, (bench_side){unwrap, &ours}, (bench_side){ask, &q});
    curl_slist_free_all(q.headers);
    curl_easy_cleanup(q.easy);
    bulla_wrapped_free(wrapped);
    bulla_context_unref(context);
    store_close(&whole);
}

/* --- a start --- */

static void row_warm(const bench_setup *b, const char *row, const char *address)
{
    static store whole;
    static bulla_wrapped *wrapped[NUM_COLD];
    static bulla_cache_item items[NUM_COLD];
    double ours[3], base[3];
    size_t num = b->quick ? 50 : NUM_COLD, num_samples = b->quick ? 1 : 3;
    store_open(&whole, address, NULL, true);
    bulla_context *context = context_of(&whole);
    for (size_t i = 0; i < num; i++) {
        wrapped[i] = wrapped_new(&whole, context);
        items[i] = (bulla_cache_item){.wrapped = wrapped[i], .context = context};
    }
    for (size_t i = 0; i < num_samples; i++) {
        bulla_provider_purge(whole.key, (bulla_view){NULL, 0});
        double start = bench_now_ns();
        bench_must(bulla_cache_warm(&whole.call, whole.key, items, num, PARALLEL) == BULLA_OK, whole.call.why);
        ours[i] = (bench_now_ns() - start) / (double)num;
        bulla_provider_purge(whole.key, (bulla_view){NULL, 0});
        hits one = hits_of(whole.key, context, wrapped, num);
        start = bench_now_ns();
        unwrap(&one, num);
        base[i] = (bench_now_ns() - start) / (double)num;
    }
    bench_print(b, row, ours, base, num_samples);
    for (size_t i = 0; i < num; i++)
        bulla_wrapped_free(wrapped[i]);
    bulla_context_unref(context);
    store_close(&whole);
}

int main(int argc, char **argv)
{
    bench_setup b;
    bench_init(&b, argc, argv);
    bench_must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "libcurl cannot start");
    row_hit(&b);
    row_unwrap(&b, "kms_unwrap", fact("BULLA_OPENBAO_ADDR"), NULL);
    row_unwrap(&b, "kms_unwrap_tls", fact("BULLA_OPENBAO_TLS_ADDR"), fact("BULLA_OPENBAO_CA"));
    row_warm(&b, "kms_warm", fact("BULLA_OPENBAO_PROXY_ADDR"));
    row_warm(&b, "kms_warm_loopback", fact("BULLA_OPENBAO_ADDR"));
    curl_global_cleanup();
    bench_done(&b);
    return 0;
}
