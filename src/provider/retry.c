/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retry: a request that failed without effect is put again, after a random part of a wait that doubles (full jitter:
 * clients that failed together do not come back together). A wait that the deadline or max_delay_ms does not allow is
 * not begun: the error comes at once, for the caller, or a failover in between, has better uses for the time.
 */
#include "provider/wrappers.h"

#include "base/mem.h"
#include "base/wait.h"
#include "crypto/rand.h"
#include "provider/budget.h"
#include "provider/request.h"

#include <stdio.h>
#include <string.h>

#define MAX_RETRIES 10u

typedef struct retry {
    bulla_wrapper base;
    bulla_provider *inner;
    bulla_retry_options options;
    bulla_budget budget;
    bulla_metric *repeated, *refused;
} retry;

/* One request on its way. */
typedef struct journey {
    uint32_t tries;
    char why_not[64]; /* there was no further try */
} journey;

static retry *self_of(bulla_wrapper *wrapper)
{
    return (retry *)(void *)wrapper;
}

static bulla_provider *retry_inner(const bulla_provider *provider, size_t index)
{
    return index == 0 ? ((const retry *)(const void *)provider)->inner : NULL;
}

/* A list that has shown keys would show them twice. */
static bool is_repeatable(const retry *self, const bulla_request *request, bulla_status status)
{
    if (request->num_visited != 0) return false;
    switch (bulla_status_class(status)) {
    case BULLA_CLASS_RETRY: return true;
    case BULLA_CLASS_UNSURE: return (bulla_provider_idempotent(self->inner) & request->op) != 0;
    case BULLA_CLASS_OK:
    case BULLA_CLASS_FATAL:
    case BULLA_CLASS_CALLER:
    case BULLA_CLASS_STOP: return false;
    }
    return false;
}

/* A random number below `limit`; without randomness, the limit: the longest wait is the safe one. */
static int64_t random_below(bulla_call *call, int64_t limit)
{
    uint8_t bytes[8];
    uint64_t number;
    bulla_call aside = {.env = call->env}; /* the failure that is being waited for stays in the call */
    if (bulla_rand(&aside, bytes, sizeof bytes) != BULLA_OK) return limit;
    memcpy(&number, bytes, sizeof number);
    return (int64_t)(number % (uint64_t)(limit + 1));
}

/* What the store asks for counts from its answer on, and nobody comes back exactly then. */
static int64_t delay_ns(const retry *self, bulla_call *call, uint32_t tries)
{
    int64_t base = self->options.base_delay_ms, longest = self->options.max_delay_ms;
    if (call->retry_after_ms != 0) return call->retry_after_ms * INT64_C(1000000) + random_below(call, base * 1000000);
    int64_t limit = base << (tries - 1);
    return random_below(call, (limit < longest ? limit : longest) * 1000000);
}

/* Decides on one more try and waits for it. BULLA_OK: now. Else the status of the request stands, or the call ended. */
static bool may_wait(retry *self, bulla_call *call, journey *trip, int64_t *out_until_ns)
{
    int64_t now_ns = call->env->ticks_ns(call->env->arg), wait_ns = delay_ns(self, call, trip->tries);
    if (trip->tries > self->options.max_retries) return false;
    if (call->retry_after_ms > self->options.max_delay_ms) {
        (void)snprintf(trip->why_not, sizeof trip->why_not, "the store asks to wait for %u ms", call->retry_after_ms);
        return false;
    }
    if (call->deadline_ns != 0 && now_ns + wait_ns >= call->deadline_ns) {
        (void)snprintf(trip->why_not, sizeof trip->why_not, "the deadline leaves no time for another try");
        return false;
    }
    if (!bulla_budget_spend(&self->budget)) {
        bulla_metric_add(self->refused, 1);
        (void)snprintf(trip->why_not, sizeof trip->why_not, "retries are limited to %u %% of the requests",
                       self->options.budget_percent);
        return false;
    }
    *out_until_ns = now_ns + wait_ns;
    return true;
}

static bulla_status finish(bulla_call *call, const journey *trip, bulla_status status)
{
    call->attempts = trip->tries;
    if (status == BULLA_OK) return status;
    if (trip->tries > 1)
        bulla_why_add(call, "tried %u times%s%s", trip->tries, trip->why_not[0] == '\0' ? "" : "; ", trip->why_not);
    else if (trip->why_not[0] != '\0')
        bulla_why_add(call, "tried once; %s", trip->why_not);
    return status;
}

/* After a try that failed with `status`: waits, and returns BULLA_OK when there is to be another. */
static bulla_status next_try(retry *self, bulla_call *call, journey *trip, bulla_status status)
{
    int64_t until_ns = 0;
    if (!may_wait(self, call, trip, &until_ns)) return status;
    BULLA_TRY(bulla_wait_until(call, until_ns));
    bulla_metric_add(self->repeated, 1);
    trip->tries++;
    return BULLA_OK;
}

static bulla_status repeat(retry *self, bulla_call *call, bulla_request *request, journey *trip)
{
    for (;;) {
        bulla_status status = bulla_request_send(request, self->inner, call);
        if (status == BULLA_OK || !is_repeatable(self, request, status)) return status;
        BULLA_TRY(next_try(self, call, trip, status));
    }
}

/* The primary version, or 0 where nobody knows it. */
static uint32_t version_now(retry *self, bulla_call *call)
{
    bulla_key_info info;
    journey trip = {.tries = 1};
    bulla_request look = {.op = BULLA_OP_DESCRIBE, .out_info = &info};
    if ((bulla_provider_can(self->inner) & BULLA_OP_DESCRIBE) == 0) return 0;
    return repeat(self, call, &look, &trip) == BULLA_OK ? info.primary_version : 0;
}

/* An answer that was lost says nothing; the key itself does: it is looked at right away and, when it is as it was,
 * again after the wait. One that still has its old version then was not rotated, so another try is not a second
 * rotation. Whatever ends this, the outcome stays unknown until it is known. */
static bulla_status resolve(retry *self, bulla_call *call, journey *trip, uint32_t before, uint32_t *out_version)
{
    bulla_failure lost = bulla_failure_of(call);
    uint32_t after = version_now(self, call);
    bool waited = false;
    if (after == before) {
        bulla_failure_set(call, &lost);
        waited = next_try(self, call, trip, lost.status) == BULLA_OK;
        if (waited) after = version_now(self, call);
    }
    if (after > before) {
        *out_version = after;
        return BULLA_OK;
    }
    bulla_failure_set(call, &lost);
    return waited && after == before ? BULLA_EBUSY : lost.status; /* EBUSY: nothing happened, ask once more */
}

static bulla_status rotate(retry *self, bulla_call *call, bulla_request *request, journey *trip)
{
    uint32_t before = version_now(self, call);
    BULLA_TRY(bulla_call_check(call));
    for (;;) {
        bulla_status status = bulla_request_send(request, self->inner, call);
        bool is_unsure = bulla_status_class(status) == BULLA_CLASS_UNSURE;
        if (status == BULLA_OK || (!is_unsure && !is_repeatable(self, request, status))) return status;
        if (is_unsure && before == 0) return status;
        if (!is_unsure) {
            BULLA_TRY(next_try(self, call, trip, status));
            continue;
        }
        status = resolve(self, call, trip, before, request->out_version);
        if (status != BULLA_EBUSY) return status;
    }
}

/* Whether the key is there: 1, 0, or -1 where nobody knows. */
static int is_there(retry *self, bulla_call *call)
{
    bulla_key_info info;
    journey trip = {.tries = 1};
    bulla_request look = {.op = BULLA_OP_DESCRIBE, .out_info = &info};
    if ((bulla_provider_can(self->inner) & BULLA_OP_DESCRIBE) == 0) return -1;
    bulla_status status = repeat(self, call, &look, &trip);
    return status == BULLA_OK ? 1 : status == BULLA_ENOKEY ? 0 : -1;
}

/* As with a rotation: what was lost is looked up right away, and again after the wait. 0: it was not made. */
static int find_made(retry *self, bulla_call *call, journey *trip, const bulla_failure *lost)
{
    int after = is_there(self, call);
    if (after != 0) return after;
    (void)bulla_failure_set(call, lost);
    return next_try(self, call, trip, lost->status) == BULLA_OK ? is_there(self, call) : -1;
}

static bulla_status create(retry *self, bulla_call *call, bulla_request *request, journey *trip)
{
    int before = is_there(self, call);
    BULLA_TRY(bulla_call_check(call));
    for (;;) {
        bulla_status status = bulla_request_send(request, self->inner, call);
        bool is_unsure = bulla_status_class(status) == BULLA_CLASS_UNSURE;
        if (status == BULLA_OK || (!is_unsure && !is_repeatable(self, request, status))) return status;
        if (is_unsure && before != 0) return status;
        if (!is_unsure) {
            BULLA_TRY(next_try(self, call, trip, status));
            continue;
        }
        bulla_failure lost = bulla_failure_of(call);
        int after = find_made(self, call, trip, &lost);
        if (after == 1) return BULLA_OK;
        if (after != 0) return bulla_failure_set(call, &lost);
    }
}

static bulla_status run_one(retry *self, bulla_call *call, bulla_request *request, journey *trip)
{
    if (request->op == BULLA_OP_ROTATE) return rotate(self, call, request, trip);
    if (request->op == BULLA_OP_CREATE) return create(self, call, request, trip);
    return repeat(self, call, request, trip);
}

static bulla_status retry_run(bulla_wrapper *wrapper, bulla_call *call, bulla_request *request)
{
    retry *self = self_of(wrapper);
    journey trip = {.tries = 1};
    bulla_budget_earn(&self->budget);
    return finish(call, &trip, run_one(self, call, request, &trip));
}

static void retry_destroy(bulla_wrapper *wrapper)
{
    bulla_provider_unref(self_of(wrapper)->inner);
}

static const bulla_wrapper_kind retry_kind = {sizeof(retry), retry_inner, retry_run, retry_destroy};

bulla_status bulla_retry_new(bulla_call *call, bulla_provider *inner, const bulla_retry_options *options,
                             const bulla_wrapper_site *site, bulla_provider **out_provider)
{
    bulla_wrapper *made = NULL;
    if (options->max_retries > MAX_RETRIES || options->budget_percent > 100)
        return bulla_fail(call, BULLA_ECONFIG,
                          "a request is repeated at most %u times, within a budget of at most 100 %%", MAX_RETRIES);
    BULLA_TRY(bulla_wrapper_new(call, &retry_kind, inner, &made));
    retry *self = self_of(made);
    self->inner = bulla_provider_ref(inner);
    self->options.max_retries = bulla_given_or(options->max_retries, 3);
    self->options.base_delay_ms = bulla_given_or(options->base_delay_ms, 50);
    self->options.max_delay_ms = bulla_given_or(options->max_delay_ms, 2000);
    self->options.budget_percent = bulla_given_or(options->budget_percent, 10);
    bulla_budget_init(&self->budget, self->options.budget_percent);
    self->repeated = bulla_metrics_counter(site->metrics, "bulla_kms_retries_total", site->labels,
                                           "Requests to a key store that were put again.");
    self->refused = bulla_metrics_counter(site->metrics, "bulla_kms_retries_refused_total", site->labels,
                                          "Requests that were not put again because the retry budget was used up.");
    *out_provider = &made->base;
    return BULLA_OK;
}
