/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_TIMES (1u << 20) /* of one thread's calls */
#define SECOND_NS 1000000000

typedef struct worker {
    load *of;
    size_t number;
    unsigned rate;
    int64_t end_ns;
    load_result result;
    float *times_ms;
    size_t num_times;
    size_t num_others; /* taken so far */
} worker;

static void must(const load *l, bulla_status status, const char *what)
{
    if (status == BULLA_OK) return;
    (void)fprintf(stderr, "chaos: %s: %s: %s\n", what, bulla_status_text(status), l->call.why);
    exit(1);
}

/* The library's own clock is coarse. */
static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- a clock that jumps --- */

static int64_t wall_off_ns;

static int64_t shifted_wall_ns(void *arg)
{
    return bulla_env_default()->wall_ns(arg) + __atomic_load_n(&wall_off_ns, __ATOMIC_RELAXED);
}

static const bulla_env *world(void)
{
    static bulla_env env;
    if (env.size != 0) return &env;
    env = *bulla_env_default(); /* the first time is before there are threads */
    env.wall_ns = shifted_wall_ns;
    return &env;
}

void load_call_init(bulla_call *call)
{
    bulla_call_init(call, world());
}

void load_wall_shift(int64_t ms)
{
    __atomic_store_n(&wall_off_ns, ms * 1000000, __ATOMIC_RELAXED);
}

static bulla_view text(void)
{
    return (bulla_view){(const uint8_t *)LOAD_TEXT, sizeof LOAD_TEXT - 1};
}

static bool is_text(const bulla_bytes *bytes)
{
    return bytes->len == text().len && memcmp(bytes->data, text().data, bytes->len) == 0;
}

static bulla_status decrypt(bulla_provider *key, bulla_call *call, const bulla_bytes *message, bool *out_is_right)
{
    bulla_bytes plaintext = {0};
    const bulla_decrypt_options from = {.size = sizeof from, .recipients = &key, .num_recipients = 1};
    bulla_status status = bulla_decrypt(call, &from, (bulla_view){message->data, message->len}, &plaintext);
    *out_is_right = status == BULLA_OK && is_text(&plaintext);
    bulla_bytes_done(&plaintext);
    return status;
}

bulla_status load_decrypt_known(load *l, bulla_call *call, size_t index, bool *out_is_right)
{
    return decrypt(l->vault, call, &l->known[index % l->options.known], out_is_right);
}

static bulla_status encrypt_alone(load *l, bulla_call *call, bulla_bytes *out_message)
{
    const bulla_encrypt_options to = {
        .size = sizeof to, .recipients = &l->vault, .num_recipients = 1, .context = l->context};
    return bulla_encrypt(call, &to, text(), out_message);
}

bulla_status load_probe(load *l, bulla_call *call)
{
    bulla_bytes message = {0};
    bulla_status status = encrypt_alone(l, call, &message);
    bulla_bytes_done(&message);
    return status;
}

/* --- kinds of work --- */

static bulla_status use_other(worker *w, bulla_call *call, bool *out_is_right)
{
    load *l = w->of;
    size_t index = (w->num_others++ * l->options.threads + w->number) % l->options.others;
    const load_other *other = &l->others[index];
    bulla_secret *dek = NULL;
    bulla_status status = bulla_provider_unwrap(l->vault, call, l->context, other->wrapped, &dek);
    bulla_view is = bulla_secret_borrow(dek), wanted = bulla_secret_borrow(other->dek);
    *out_is_right = status == BULLA_OK && is.len == wanted.len && memcmp(is.data, wanted.data, is.len) == 0;
    bulla_secret_unref(dek);
    return status;
}

/* One of two recipients is enough with the stack. Without, it is as elsewhere: both. */
static bulla_status encrypt_for_two(worker *w, bulla_call *call, bool *out_is_right)
{
    load *l = w->of;
    bulla_provider *const keys[] = {l->vault, l->file};
    const char *const names[] = {"the key store", "the key file"};
    bulla_bytes message = {0};
    const bulla_encrypt_options to = {.size = sizeof to,
                                      .recipients = keys,
                                      .num_recipients = 2,
                                      .context = l->context,
                                      .min_recipients = l->options.is_stack ? 1 : 0,
                                      .names = names};
    bulla_status status = bulla_encrypt(call, &to, text(), &message);
    *out_is_right = false;
    if (status == BULLA_OK && decrypt(l->file, call, &message, out_is_right) != BULLA_OK) *out_is_right = false;
    bulla_bytes_done(&message);
    return status;
}

/* Of twenty pieces of work one opens a data key that is not at hand, two make messages. */
static load_kind kind_of(const worker *w, uint64_t count)
{
    if (count % 20 == 3) return w->of->options.has_raw ? LOAD_OTHER : LOAD_KNOWN;
    return count % 10 == 7 ? LOAD_ENCRYPT : LOAD_KNOWN;
}

static void work_once(worker *w, uint64_t count)
{
    bulla_call call;
    bool is_right = false;
    bulla_status status = BULLA_OK;
    load_kind kind = kind_of(w, count);
    load_call_init(&call);
    bulla_call_deadline_set(&call, w->of->options.deadline_ms);
    int64_t since_ns = now_ns();
    switch (kind) {
    case LOAD_OTHER: status = use_other(w, &call, &is_right); break;
    case LOAD_ENCRYPT: status = encrypt_for_two(w, &call, &is_right); break;
    case LOAD_KNOWN:
    case LOAD_KINDS: status = load_decrypt_known(w->of, &call, count * 7 + w->number, &is_right); break;
    }
    if (w->num_times < MAX_TIMES) w->times_ms[w->num_times++] = (float)(now_ns() - since_ns) / 1e6F;
    w->result.calls[kind]++;
    (void)__atomic_fetch_add(&w->of->num_done, 1, __ATOMIC_RELAXED);
    if (status == BULLA_OK && !is_right) w->result.wrong++;
    if (status != BULLA_OK && w->result.errors[kind]++ == 0)
        (void)snprintf(w->result.why[kind], sizeof w->result.why[kind], "%s: %s", bulla_status_name(status), call.why);
}

/* What was late is not made up for: the work never comes faster than the rate. */
static void *work(void *arg)
{
    worker *w = arg;
    int64_t each_ns = SECOND_NS / (int64_t)w->rate,
            next_ns = now_ns() + each_ns * (int64_t)w->number / LOAD_MAX_THREADS;
    for (uint64_t count = w->number * 5; next_ns < w->end_ns; count++) {
        const struct timespec until = {next_ns / SECOND_NS, next_ns % SECOND_NS};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        work_once(w, count);
        next_ns = next_ns + each_ns > now_ns() ? next_ns + each_ns : now_ns();
    }
    return NULL;
}

/* --- results --- */

static int compare(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

static void add_result(load_result *sum, const load_result *part)
{
    sum->wrong += part->wrong;
    for (size_t kind = 0; kind < LOAD_KINDS; kind++) {
        sum->calls[kind] += part->calls[kind];
        sum->errors[kind] += part->errors[kind];
        if (sum->why[kind][0] == '\0') memcpy(sum->why[kind], part->why[kind], sizeof sum->why[kind]);
    }
}

static void find_percentiles(const worker *workers, size_t num, load_result *out_result)
{
    size_t num_times = 0;
    for (size_t i = 0; i < num; i++)
        num_times += workers[i].num_times;
    float *times = calloc(num_times + 1, sizeof *times);
    if (times == NULL) exit(1);
    for (size_t i = 0, at = 0; i < num; at += workers[i++].num_times)
        memcpy(times + at, workers[i].times_ms, workers[i].num_times * sizeof *times);
    qsort(times, num_times, sizeof *times, compare);
    out_result->p50_ms = (double)times[num_times / 2];
    out_result->p99_ms = (double)times[num_times * 99 / 100];
    free(times);
}

void load_run(load *l, unsigned ms, unsigned rate, load_result *out_result)
{
    /* Not from the heap, whose size is to say something of the library. */
    static float times_ms[LOAD_MAX_THREADS][MAX_TIMES];
    static worker workers[LOAD_MAX_THREADS];
    pthread_t threads[LOAD_MAX_THREADS];
    memset(workers, 0, sizeof workers);
    memset(out_result, 0, sizeof *out_result);
    for (size_t i = 0; i < l->options.threads; i++) {
        workers[i] = (worker){.of = l, .number = i, .rate = rate, .end_ns = now_ns() + (int64_t)ms * 1000000};
        workers[i].times_ms = times_ms[i];
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) exit(1);
    }
    for (size_t i = 0; i < l->options.threads; i++) {
        (void)pthread_join(threads[i], NULL);
        add_result(out_result, &workers[i].result);
    }
    find_percentiles(workers, l->options.threads, out_result);
}

/* --- opening --- */

/* What is told to nobody but the house: the caller's to release. */
static bulla_secret *store_describe(load *l, bulla_kms_config *kms)
{
    const load_options *o = &l->options;
    const char *words = o->is_aws ? o->secret_key : o->token;
    bulla_secret *secret = NULL;
    must(l, bulla_secret_copy(&l->call, (bulla_view){(const uint8_t *)words, strlen(words)}, &secret), "credentials");
    if (o->is_aws) {
        kms->provider = "aws";
        kms->endpoint = o->address;
        kms->key_id = o->key;
        kms->region = o->region;
        kms->access_key_id = o->access_key_id;
        kms->access_key_secret = secret;
    } else {
        kms->provider = "vault";
        kms->address = o->address;
        kms->key_name = o->key;
        kms->mount_path = o->mount;
        kms->token = secret;
    }
    return secret;
}

static void house_open(load *l)
{
    const load_options *o = &l->options;
    /* Room for what is in use, and for little of the rest. */
    const bulla_cache_options cache = {.size = sizeof cache,
                                       .ttl_ms = o->is_stack ? o->ttl_ms : 0,
                                       .max_entries = o->known * 2,
                                       .refresh_ahead_ms = o->ttl_ms / 2,
                                       .offline_window_ms = o->offline_ms};
    bulla_kms_config kms = {.size = sizeof kms,
                            .name = "main",
                            /* A part gives this machine another name, to take it away. */
                            .tls = {.ca_cert = o->ca, .accept_unencrypted_http = true},
                            .timeout_ms = o->timeout_ms,
                            .retry = {.disabled = !o->is_stack},
                            .breaker = {.disabled = !o->is_stack, .open_ms = o->open_ms},
                            .cache = &cache};
    bulla_secret *secret = store_describe(l, &kms);
    const bulla_options options = {.size = sizeof options, .kms = &kms, .num_kms = 1};
    must(l, bulla_open(&l->call, &options, &l->house), "bulla_open");
    bulla_secret_unref(secret);
    must(l, bulla_provider_open(l->house, &l->call, "kms:main", &l->vault), "the key store");
    must(l, bulla_provider_open(l->house, &l->call, o->file, &l->file), "the key file");
}

void load_open(load *l, const load_options *options)
{
    const bulla_pair pair = {{(const uint8_t *)"table", 5}, {(const uint8_t *)"customers", 9}};
    memset(l, 0, sizeof *l);
    l->options = *options;
    load_call_init(&l->call);
    house_open(l);
    must(l, bulla_context_new(&l->call, &pair, 1, &l->context), "context");
    for (size_t i = 0; i < options->known; i++) {
        bool is_right = false;
        must(l, encrypt_alone(l, &l->call, &l->known[i]), "a message");
        must(l, load_decrypt_known(l, &l->call, i, &is_right), "its decryption");
    }
    for (size_t i = 0; i < options->others; i++) {
        load_other *other = &l->others[i];
        must(l, bulla_secret_random(&l->call, 32, &other->dek), "a data key");
        must(l, bulla_provider_wrap(l->vault, &l->call, l->context, other->dek, &other->wrapped), "its wrapping");
    }
}

void load_close(load *l)
{
    for (size_t i = 0; i < l->options.known; i++)
        bulla_bytes_done(&l->known[i]);
    for (size_t i = 0; i < l->options.others; i++) {
        bulla_wrapped_free(l->others[i].wrapped);
        bulla_secret_unref(l->others[i].dek);
    }
    bulla_context_unref(l->context);
    bulla_provider_unref(l->vault);
    bulla_provider_unref(l->file);
    bulla_close(l->house);
}
