/* SPDX-License-Identifier: Apache-2.0 */
/* What a call said of one failure, kept while other things are tried and told later. */
#ifndef BULLA_ENVELOPE_FAILURE_H
#define BULLA_ENVELOPE_FAILURE_H

#include "bulla/call.h"

#include <string.h>

typedef struct bulla_failure {
    bulla_status status; /* BULLA_OK: none */
    long native;
    char provider[sizeof((bulla_call *)0)->provider];
    char why[sizeof((bulla_call *)0)->why];
} bulla_failure;

static inline void bulla_failure_keep(bulla_failure *failure, const bulla_call *call)
{
    failure->status = call->status;
    failure->native = call->native;
    memcpy(failure->provider, call->provider, sizeof failure->provider);
    memcpy(failure->why, call->why, sizeof failure->why);
}

static inline bulla_status bulla_failure_give(const bulla_failure *failure, bulla_call *call)
{
    (void)bulla_fail(call, failure->status, "%s", failure->why);
    call->native = failure->native;
    memcpy(call->provider, failure->provider, sizeof call->provider);
    return failure->status;
}

#endif
