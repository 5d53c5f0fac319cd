/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the micro benches share. A row sets our work against a base's, in turns, so that whatever else the machine does
 * strikes both: the figure is the median of the ratios of neighbours. Rows go to standard output, one JSON object a
 * line; bench/run reads them.
 */
#ifndef BULLA_BENCH_BENCH_H
#define BULLA_BENCH_BENCH_H

#include <bulla/bulla.h>

#include <openssl/evp.h>

typedef struct bench_setup {
    bool quick;         /* a smoke test: the figures mean nothing */
    const char *engine; /* "openssl" or "ipsec-mb" */
    const char *dir;    /* where a bench may write; NULL: not given */
    const char *fast;   /* a second place, in memory, for what is only made ready; else `dir` */
    bulla *house;       /* with the engine chosen, no keystore */
    bulla_provider *key;
    bulla_env env;
    bulla_call call;
} bench_setup;

/* ENGINE [DIR [FAST]] [--quick]. Exits with 77 when this build or processor has no such engine. */
void bench_init(bench_setup *setup, int argc, char **argv);
void bench_done(bench_setup *setup);

/* Ends the program with a sentence unless `status` is BULLA_OK, or `is_true`. */
void bench_ok(bench_setup *setup, bulla_status status);
void bench_must(bool is_true, const char *what);

/* The same work `num` times. */
typedef struct bench_side {
    void (*work)(void *arg, uint64_t num);
    void *arg;
} bench_side;

/* Prints {"row", "engine", "ours_ns", "base_ns", "ratio": ours / base, "samples"}; times are of one piece of work, of
 * which a sample has `num`: about a millisecond of them. */
void bench_pair(const bench_setup *setup, const char *row, uint64_t num, bench_side ours, bench_side base);

/* The same of samples taken elsewhere: `ours` and `base` hold nanoseconds of one piece of work each. */
void bench_print(const bench_setup *setup, const char *row, const double *ours, const double *base, size_t num_samples);

double bench_now_ns(void);

/* OpenSSL as well as it can be used: cipher and key set once, a new IV each time, no AAD. */
typedef struct bench_evp {
    EVP_CIPHER_CTX *seal_ctx, *open_ctx;
    uint64_t count; /* the IV */
    size_t len;
    uint8_t in[4096], out[4096], tag[16];
} bench_evp;

void bench_evp_init(bench_evp *evp, size_t len);
void bench_evp_done(bench_evp *evp);
void bench_evp_seal(void *evp, uint64_t num);
void bench_evp_open_and_seal(void *evp, uint64_t num); /* one of each; both of `len` bytes */

#endif
