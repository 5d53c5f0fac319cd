/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation of the seam as a value: what a wrapper that repeats or redirects needs, so that it says once, for all
 * operations, what it does. A bulla_wrapper embeds this first and fills `run`; its slots put what they are given into a
 * request and hand it to `run`.
 */
#ifndef BULLA_PROVIDER_REQUEST_H
#define BULLA_PROVIDER_REQUEST_H

#include "provider/provider.h"

typedef struct bulla_request {
    uint32_t op; /* one of BULLA_OP_* */
    bulla_context *context;
    bulla_secret *dek;            /* of wrap */
    const bulla_wrapped *wrapped; /* of unwrap and rewrap */
    size_t len;                   /* of datakey */
    bulla_provider_visit visit;   /* of list */
    void *visit_arg;
    size_t num_visited; /* keys that a list has shown: it cannot be begun again */

    /* Where results go; untouched on failure. */
    bulla_key_info *out_info;
    bulla_secret **out_dek;
    bulla_wrapped **out_wrapped;
    uint32_t *out_version;
} bulla_request;

/* "wrap", "unwrap", … Static. */
const char *bulla_request_verb(const bulla_request *request);

/* Puts the request to `provider` through the dispatcher. */
BULLA_MUST_USE bulla_status bulla_request_send(bulla_request *request, bulla_provider *provider, bulla_call *call);

/* The provider that is inside, the first being 0; NULL behind the last. */
typedef bulla_provider *(*bulla_wrapper_inner)(const bulla_provider *provider, size_t index);

typedef struct bulla_wrapper {
    bulla_provider base;
    bulla_provider_ops ops; /* under the name and with the abilities of what is inside */
    const bulla_env *env;
    bulla_wrapper_inner inner;
    bulla_status (*run)(struct bulla_wrapper *wrapper, bulla_call *call, bulla_request *request);
    void (*destroy)(struct bulla_wrapper *wrapper); /* releases what follows this struct, not the struct */
} bulla_wrapper;

/* A wrapper struct of `size` bytes that begins with a bulla_wrapper, like `inner` in name and abilities. It matches
 * what any of those inside does, and tells all of them what to forget. One reference. */
typedef struct bulla_wrapper_kind {
    size_t size;
    bulla_wrapper_inner inner;
    bulla_status (*run)(bulla_wrapper *wrapper, bulla_call *call, bulla_request *request);
    void (*destroy)(bulla_wrapper *wrapper);
} bulla_wrapper_kind;
BULLA_MUST_USE bulla_status bulla_wrapper_new(bulla_call *call, const bulla_wrapper_kind *kind,
                                              const bulla_provider *inner, bulla_wrapper **out_wrapper);

/* The value of an option. */
static inline uint32_t bulla_given_or(uint32_t given, uint32_t fallback)
{
    return given == 0 ? fallback : given;
}

/* What a call says of its last failure: kept while something else is asked, and put back. */
typedef struct bulla_failure {
    bulla_status status;
    long native;
    uint32_t retry_after_ms;
    char provider[32], why[256];
} bulla_failure;
bulla_failure bulla_failure_of(const bulla_call *call);
bulla_status bulla_failure_set(bulla_call *call, const bulla_failure *failure); /* returns its status */

/* Adds a remark in brackets to the sentence of a failure, and shortens the sentence where there is no room. */
void bulla_why_add(bulla_call *call, const char *format, ...) BULLA_PRINTF(2, 3);

#endif
