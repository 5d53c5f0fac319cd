/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SAMPLES 301u
#define KEY_TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

void bench_must(bool is_true, const char *what)
{
    if (is_true) return;
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void bench_ok(bench_setup *setup, bulla_status status)
{
    if (status == BULLA_OK) return;
    (void)fprintf(stderr, "bench: %s: %s\n", bulla_status_text(status), setup->call.why);
    exit(1);
}

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "BENCH_KEY") == 0 ? KEY_TEXT : NULL;
}

static void house_open(bench_setup *setup)
{
    const bulla_options options = {.size = sizeof options, .aead = setup->engine};
    setup->env = *bulla_env_default();
    setup->env.lookup = lookup;
    bulla_call_init(&setup->call, &setup->env);
    bulla_status status = bulla_open(&setup->call, &options, &setup->house);
    if (status == BULLA_EUNSUPPORTED) exit(77);
    bench_ok(setup, status);
    bench_ok(setup,
             bulla_provider_open(setup->house, &setup->call, "env:BENCH_KEY?namespace=bench&name=key", &setup->key));
}

void bench_init(bench_setup *setup, int argc, char **argv)
{
    memset(setup, 0, sizeof *setup);
    bench_must(argc >= 2, "usage: ENGINE [DIR [FAST]] [--quick]");
    setup->engine = argv[1];
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0)
            setup->quick = true;
        else if (setup->dir == NULL)
            setup->dir = setup->fast = argv[i];
        else
            setup->fast = argv[i];
    house_open(setup);
}

void bench_done(bench_setup *setup)
{
    bulla_provider_unref(setup->key);
    bulla_close(setup->house);
}

double bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_of(bench_side side, uint64_t num)
{
    double start = bench_now_ns();
    side.work(side.arg, num);
    return (bench_now_ns() - start) / (double)num;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *samples, size_t num)
{
    double sorted[MAX_SAMPLES];
    memcpy(sorted, samples, num * sizeof *sorted);
    qsort(sorted, num, sizeof *sorted, compare);
    return sorted[num / 2];
}

void bench_print(const bench_setup *setup, const char *row, const double *ours, const double *base, size_t num_samples)
{
    double ratios[MAX_SAMPLES];
    bench_must(num_samples >= 1 && num_samples <= MAX_SAMPLES, "too many samples");
    for (size_t i = 0; i < num_samples; i++)
        ratios[i] = ours[i] / base[i];
    (void)printf("{\"row\": \"%s\", \"engine\": \"%s\", \"ours_ns\": %.2f, \"base_ns\": %.2f, \"ratio\": %.4f, "
                 "\"samples\": %zu}\n",
                 row, setup->engine, median(ours, num_samples), median(base, num_samples), median(ratios, num_samples),
                 num_samples);
    (void)fflush(stdout);
}

void bench_pair(const bench_setup *setup, const char *row, uint64_t num, bench_side ours, bench_side base)
{
    double our_times[MAX_SAMPLES], base_times[MAX_SAMPLES];
    size_t num_samples = setup->quick ? 3 : MAX_SAMPLES;
    if (setup->quick && num > 10) num = 10;
    ours.work(ours.arg, num);
    base.work(base.arg, num);
    for (size_t i = 0; i < num_samples; i++) {
        our_times[i] = time_of(ours, num);
        base_times[i] = time_of(base, num);
    }
    bench_print(setup, row, our_times, base_times, num_samples);
}

static EVP_CIPHER_CTX *ctx_new(int is_seal)
{
    const uint8_t key[32] = {1, 2, 3};
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bench_must(cipher != NULL && ctx != NULL && EVP_CipherInit_ex2(ctx, cipher, key, NULL, is_seal, NULL) == 1,
               "OpenSSL has no AES-256-GCM");
    EVP_CIPHER_free(cipher);
    return ctx;
}

void bench_evp_init(bench_evp *evp, size_t len)
{
    memset(evp, 0, sizeof *evp);
    bench_must(len <= sizeof evp->in, "too long for the bare EVP seal");
    evp->len = len;
    evp->seal_ctx = ctx_new(1);
    evp->open_ctx = ctx_new(0);
}

void bench_evp_done(bench_evp *evp)
{
    EVP_CIPHER_CTX_free(evp->seal_ctx);
    EVP_CIPHER_CTX_free(evp->open_ctx);
}

static void seal_one(bench_evp *evp, const uint8_t iv[12])
{
    int len = 0;
    bench_must(EVP_EncryptInit_ex(evp->seal_ctx, NULL, NULL, NULL, iv) == 1 &&
                   EVP_EncryptUpdate(evp->seal_ctx, evp->out, &len, evp->in, (int)evp->len) == 1 &&
                   EVP_EncryptFinal_ex(evp->seal_ctx, evp->out + len, &len) == 1 &&
                   EVP_CIPHER_CTX_ctrl(evp->seal_ctx, EVP_CTRL_AEAD_GET_TAG, 16, evp->tag) == 1,
               "the bare EVP seal failed");
}

static void open_one(bench_evp *evp, const uint8_t iv[12])
{
    int len = 0;
    bench_must(EVP_DecryptInit_ex(evp->open_ctx, NULL, NULL, NULL, iv) == 1 &&
                   EVP_DecryptUpdate(evp->open_ctx, evp->in, &len, evp->out, (int)evp->len) == 1 &&
                   EVP_CIPHER_CTX_ctrl(evp->open_ctx, EVP_CTRL_AEAD_SET_TAG, 16, evp->tag) == 1 &&
                   EVP_DecryptFinal_ex(evp->open_ctx, evp->in + len, &len) == 1,
               "the bare EVP open failed");
}

static void next_iv(bench_evp *evp, uint8_t iv[12])
{
    evp->count++;
    memset(iv, 0, 12);
    memcpy(iv, &evp->count, sizeof evp->count);
}

void bench_evp_seal(void *arg, uint64_t num)
{
    bench_evp *evp = arg;
    uint8_t iv[12];
    for (uint64_t i = 0; i < num; i++) {
        next_iv(evp, iv);
        seal_one(evp, iv);
    }
}

void bench_evp_open_and_seal(void *arg, uint64_t num)
{
    bench_evp *evp = arg;
    uint8_t iv[12] = {0};
    next_iv(evp, iv);
    seal_one(evp, iv);
    for (uint64_t i = 0; i < num; i++) {
        open_one(evp, iv);
        next_iv(evp, iv);
        seal_one(evp, iv);
    }
}
