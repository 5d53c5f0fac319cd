/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrappers that make a key store safe to lean on. Each is a provider around others (references are taken) and calls
 * them through the dispatcher. engine/stack.c alone composes them: guard, cache, failover, and for each endpoint
 * breaker, retry, back end. The cache is public (bulla/provider.h).
 *
 * All take their options by value, zero members meaning the defaults of bulla/kms.h. `labels` name the store and
 * endpoint in metrics: store="main",endpoint="10.0.0.1:8200"; copied. `metrics` may be NULL; borrowed.
 */
#ifndef BULLA_PROVIDER_WRAPPERS_H
#define BULLA_PROVIDER_WRAPPERS_H

#include "base/metrics.h"
#include "bulla/kms.h"
#include "provider/provider.h"

typedef struct bulla_wrapper_site {
    const char *labels;
    bulla_metrics *metrics;
} bulla_wrapper_site;

/* Asks again: BULLA_CLASS_RETRY always, BULLA_CLASS_UNSURE when the operation is idempotent; an unsure rotate or create
 * is looked up by describe and never repeated blindly. Waits end with the call's deadline and its cancellation. */
BULLA_MUST_USE bulla_status bulla_retry_new(bulla_call *call, bulla_provider *inner, const bulla_retry_options *options,
                                            const bulla_wrapper_site *site, bulla_provider **out_provider);

/* Refuses with EUNAVAIL, at once and without asking, while it is open. Only RETRY and UNSURE classes, and deadlines
 * that ran out inside, count as failures. */
BULLA_MUST_USE bulla_status bulla_breaker_new(bulla_call *call, bulla_provider *inner,
                                              const bulla_breaker_options *options, const bulla_wrapper_site *site,
                                              bulla_provider **out_provider);

/* An ordered list: sticky on the one that answered last, back to the first when its check succeeds again. Wraps with
 * the first that answers; unwraps with those that match. `is_one_key`: the members are endpoints of one key, so what
 * one of them refuses is refused, and all operations go to any of them. Else they are different keys: an unwrap that
 * one does not know or may not do is put to the next that matches, and what is about one key (describe, rotate, list)
 * goes to the first alone. Stores of several endpoints that stand in for each other are failovers of failovers; the
 * outer one's failover_timeout_ms must cover all endpoints of an inner one. */
BULLA_MUST_USE bulla_status bulla_failover_new(bulla_call *call, bulla_provider *const *inners, size_t num_inners,
                                               bool is_one_key, const bulla_failover_options *options,
                                               const bulla_wrapper_site *site, bulla_provider **out_provider);

#endif
