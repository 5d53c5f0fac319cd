/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call is one request: how long it may take, who makes it, and, when it failed, why. It lives in the caller's
 * storage, belongs to one thread at a time (only bulla_call_cancel may come from elsewhere), and may be used for any
 * number of requests one after another. Errors never hide in thread-local state.
 */
#ifndef BULLA_CALL_H
#define BULLA_CALL_H

#include "bulla/env.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_MESSAGE_UNKNOWN UINT64_MAX /* message_len of a message whose length nobody knows */

struct bulla_call {
    const bulla_env *env; /* never NULL after bulla_call_init */
    int64_t deadline_ns;  /* on env's monotonic clock; 0: none */
    int cancelled;        /* set by bulla_call_cancel */

    char principal[64];  /* who asks; empty: nobody in particular */
    char request_id[40]; /* names this request in logs and history; empty: none */

    bulla_status status;     /* of the last failure; BULLA_OK when there was none, or a provider was asked since */
    long native;             /* the back end's own code: errno, HTTP status, CK_RV; 0: none */
    char provider[32];       /* which provider failed; empty: none */
    char why[256];           /* one sentence for a person, without key bytes or response bodies */
    uint32_t retry_after_ms; /* how long the store asks to be left alone; 0: it did not say */
    uint32_t attempts;       /* requests that wrappers made for the last call of a provider; 0: none of them counts */
    uint64_t message_len;    /* of the message that the data key asked for will protect; 0: it is for something else,
                              * and never shared (bulla_cache_options.reuse_ms). Set by encryption where it is 0. */
};

/* bulla_call_init makes `call` ready: no deadline, nobody, no failure. `env` NULL means bulla_env_default. The env is
 * borrowed for the life of the call and of everything created through it. */
BULLA_API void bulla_call_init(bulla_call *call, const bulla_env *env);

/* bulla_call_deadline_set lets the call run for at most `ms` milliseconds from now; 0 lifts the limit. */
BULLA_API void bulla_call_deadline_set(bulla_call *call, uint32_t ms);

/* bulla_call_cancel asks the running request to end with BULLA_ECANCELLED, or with BULLA_EUNKNOWN when a store has been
 * sent a change already (rotate, create). Safe from any thread and from a signal handler. */
BULLA_API void bulla_call_cancel(bulla_call *call);

/* bulla_call_check returns BULLA_ECANCELLED or BULLA_EDEADLINE when the request must end, else BULLA_OK. */
BULLA_API BULLA_MUST_USE bulla_status bulla_call_check(bulla_call *call);

/* bulla_fail records `status` and a sentence in `call` and returns `status`: the way every failing function returns.
 * `call` may be NULL. Implementers of providers use it too. */
BULLA_API bulla_status bulla_fail(bulla_call *call, bulla_status status, const char *format, ...) BULLA_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#endif
