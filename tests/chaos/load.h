/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that leans on a key store, made with the public library alone: messages under data keys that are in use all
 * the time, data keys that are used once, and new messages for two recipients, one of them a key file.
 */
#ifndef BULLA_TESTS_CHAOS_LOAD_H
#define BULLA_TESTS_CHAOS_LOAD_H

#include <bulla/bulla.h>

#define LOAD_MAX_THREADS 16u
#define LOAD_MAX_KNOWN 256u
#define LOAD_MAX_OTHERS 1024u
#define LOAD_TEXT "a row of the table of customers"

typedef struct load_options {
    bool is_stack;       /* cache, retry, breaker, offline window; else the back end alone */
    const char *address; /* of the key store */
    bool is_aws;         /* else Vault */
    const char *ca, *key;
    const char *mount, *token;                        /* of Vault */
    const char *region, *access_key_id, *secret_key;  /* of AWS */
    const char *file;                                 /* address of the second recipient */
    unsigned ttl_ms, offline_ms, open_ms, timeout_ms; /* of cache, breaker and one try */
    unsigned deadline_ms;                             /* of a call */
    unsigned threads, known, others;
    bool has_raw; /* some of the work is unwrapping bare data keys; else only messages */
} load_options;

typedef struct load_other {
    bulla_wrapped *wrapped;
    bulla_secret *dek;
} load_other;

typedef struct load {
    load_options options;
    bulla_call call;
    bulla *house;
    bulla_provider *vault, *file;
    bulla_context *context;
    bulla_bytes known[LOAD_MAX_KNOWN]; /* messages */
    load_other others[LOAD_MAX_OTHERS];
    uint64_t num_done; /* pieces of work; used through atomic built-ins only */
} load;

typedef enum load_kind { LOAD_KNOWN, LOAD_OTHER, LOAD_ENCRYPT, LOAD_KINDS } load_kind;

typedef struct load_result {
    uint64_t calls[LOAD_KINDS], errors[LOAD_KINDS];
    uint64_t wrong; /* answered without error, with the wrong plaintext or key */
    double p50_ms, p99_ms;
    char why[LOAD_KINDS][320]; /* of the first error */
} load_result;

/* A call whose wall clock is as far off as load_wall_shift said last. */
void load_call_init(bulla_call *call);
void load_wall_shift(int64_t ms);

/* Makes everything; ends the program with a sentence when that fails. */
void load_open(load *l, const load_options *options);
void load_close(load *l);

/* Works for `ms`, each thread `rate` times a second at most. */
void load_run(load *l, unsigned ms, unsigned rate, load_result *out_result);

/* Decrypts one of the known messages. */
bulla_status load_decrypt_known(load *l, bulla_call *call, size_t index, bool *out_is_right);

/* Makes a message for the key store alone: does it answer? */
bulla_status load_probe(load *l, bulla_call *call);

#endif
