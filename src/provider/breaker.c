/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circuit breaker: counts how many requests fail over a sliding window, and when they are too many refuses all of them
 * for a while, so that callers learn of an outage at once and a store that comes back is not trampled. Then one request
 * at a time is let through as a probe; what it finds closes the breaker or keeps it open.
 *
 * When the last min_calls requests all failed, what went well before them in the window no longer counts: a store that
 * is silent makes requests few, and their ratio would turn long after the store.
 *
 * No lock: the window is a ring of slices, each one word that is changed by compare and swap. Throttling counts as
 * failure: a store that asks to slow down is helped by silence.
 */
#include "provider/wrappers.h"

#include "base/mem.h"
#include "crypto/rand.h"
#include "provider/request.h"

#include <string.h>
#include <unistd.h>

#define NUM_SLICES 10u
#define COUNT_BITS 20u /* of a slice's calls, and of its failures; the rest says which slice it is */
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)
#define MAX_OPEN_NS INT64_C(60000000000) /* however long a store asks to be left alone */
#define PROBE_PAUSE_MS 100u              /* after which those who come during a probe may ask again */

typedef enum breaker_state { CLOSED = 0, HALF_OPEN = 1, OPEN = 2 } breaker_state;

typedef struct breaker {
    bulla_wrapper base;
    bulla_provider *inner;
    bulla_breaker_options options;
    uint64_t slices[NUM_SLICES]; /* number of the slice, calls, failures */
    int64_t open_until_ns;       /* 0: closed */
    int64_t streak_since_ns;     /* the first failure since a request went well, or since the window before it */
    uint32_t streak;             /* failures since then */
    pid_t prober;                /* the process whose probe runs; 0: none. Not a flag: a fork copies no thread */
    uint64_t era;                /* counts closings: what was asked in an earlier one says nothing now */
    bulla_metric *state, *opened, *refused;
    char labels[BULLA_METRICS_MAX_LABELS];
} breaker;

/* What a request was let through as. */
typedef struct admission {
    uint64_t era;
    bool is_probe;
} admission;

static breaker *self_of(bulla_wrapper *wrapper)
{
    return (breaker *)(void *)wrapper;
}

static bulla_provider *breaker_inner(const bulla_provider *provider, size_t index)
{
    return index == 0 ? ((const breaker *)(const void *)provider)->inner : NULL;
}

static int64_t now_ns(const breaker *self)
{
    return self->base.env->ticks_ns(self->base.env->arg);
}

/* --- the window --- */

static uint64_t slice_number(const breaker *self, int64_t at_ns)
{
    int64_t slice_ns = self->options.window_ms * INT64_C(1000000) / NUM_SLICES;
    return ((uint64_t)at_ns / (uint64_t)slice_ns) & (UINT64_MAX >> (2 * COUNT_BITS));
}

static void window_count(breaker *self, int64_t at_ns, bool failed)
{
    uint64_t number = slice_number(self, at_ns), next;
    uint64_t *slice = &self->slices[number % NUM_SLICES], was = __atomic_load_n(slice, __ATOMIC_RELAXED);
    do {
        uint64_t counts = was >> (2 * COUNT_BITS) == number ? was & (UINT64_MAX >> (64 - 2 * COUNT_BITS)) : 0;
        if (counts >> COUNT_BITS == COUNT_MAX) return; /* a million calls in a slice: the ratio is known */
        next = number << (2 * COUNT_BITS) | (counts + (UINT64_C(1) << COUNT_BITS) + (failed ? 1 : 0));
    } while (!__atomic_compare_exchange_n(slice, &was, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

static bool window_is_bad(const breaker *self, int64_t at_ns)
{
    uint64_t number = slice_number(self, at_ns), calls = 0, failures = 0;
    for (size_t i = 0; i < NUM_SLICES; i++) {
        uint64_t slice = __atomic_load_n(&self->slices[i], __ATOMIC_RELAXED);
        if (number - (slice >> (2 * COUNT_BITS)) >= NUM_SLICES) continue; /* of an earlier round, or never used */
        calls += slice >> COUNT_BITS & COUNT_MAX;
        failures += slice & COUNT_MAX;
    }
    return calls >= self->options.min_calls && failures * 100 >= calls * self->options.failure_percent;
}

/* Threads that count at once may lose one of their failures, which only costs another. */
static bool streak_is_bad(breaker *self, int64_t at_ns, bool failed)
{
    uint32_t streak = __atomic_load_n(&self->streak, __ATOMIC_RELAXED);
    if (!failed) {
        if (streak != 0) __atomic_store_n(&self->streak, 0, __ATOMIC_RELAXED);
        return false;
    }
    int64_t since_ns = __atomic_load_n(&self->streak_since_ns, __ATOMIC_RELAXED);
    if (streak == 0 || at_ns - since_ns > self->options.window_ms * INT64_C(1000000)) {
        __atomic_store_n(&self->streak_since_ns, at_ns, __ATOMIC_RELAXED);
        __atomic_store_n(&self->streak, 1, __ATOMIC_RELAXED);
        return self->options.min_calls <= 1;
    }
    return __atomic_add_fetch(&self->streak, 1, __ATOMIC_RELAXED) >= self->options.min_calls;
}

static void window_clear(breaker *self)
{
    __atomic_store_n(&self->streak, 0, __ATOMIC_RELAXED);
    for (size_t i = 0; i < NUM_SLICES; i++)
        __atomic_store_n(&self->slices[i], 0, __ATOMIC_RELAXED);
}

/* --- opening and closing --- */

/* open_ms and up to half as much again, so that many clients do not probe together; longer when the store asks. */
static int64_t open_span_ns(const breaker *self, const bulla_call *call)
{
    int64_t span = self->options.open_ms * INT64_C(1000000), asked = call->retry_after_ms * INT64_C(1000000);
    uint8_t byte;
    bulla_call aside = {.env = self->base.env};
    if (bulla_rand(&aside, &byte, 1) != BULLA_OK) byte = UINT8_MAX;
    span += span / 2 * byte / UINT8_MAX;
    if (asked > span) span = asked < MAX_OPEN_NS ? asked : MAX_OPEN_NS;
    return span;
}

static void state_set(breaker *self, breaker_state state)
{
    bulla_metric_set(self->state, state);
}

static void open_if_closed(breaker *self, const bulla_call *call)
{
    int64_t closed = 0, until_ns = now_ns(self) + open_span_ns(self, call);
    if (!__atomic_compare_exchange_n(&self->open_until_ns, &closed, until_ns, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return;
    state_set(self, OPEN);
    bulla_metric_add(self->opened, 1);
    bulla_log(self->base.env, BULLA_LOG_WARN, "%s key store (%s) mostly fails and is left alone for a while: %s",
              bulla_provider_name(self->inner), self->labels, call->why);
}

static void close_again(breaker *self, const bulla_call *call, bulla_status answer)
{
    window_clear(self);
    (void)__atomic_fetch_add(&self->era, 1, __ATOMIC_ACQ_REL);
    state_set(self, CLOSED);
    __atomic_store_n(&self->open_until_ns, 0, __ATOMIC_RELEASE);
    if (answer == BULLA_EUNTRUSTED)
        bulla_log(self->base.env, BULLA_LOG_WARN, "%s key store (%s): somebody answers there: %s",
                  bulla_provider_name(self->inner), self->labels, call->why);
    else
        bulla_log(self->base.env, BULLA_LOG_WARN, "%s key store (%s) answers again", bulla_provider_name(self->inner),
                  self->labels);
}

static void keep_open(breaker *self, const bulla_call *call)
{
    state_set(self, OPEN);
    __atomic_store_n(&self->open_until_ns, now_ns(self) + open_span_ns(self, call), __ATOMIC_RELEASE);
}

/* --- the way in and out --- */

static bulla_status refuse(breaker *self, bulla_call *call, int64_t left_ns)
{
    uint32_t left_ms = left_ns <= 0 ? PROBE_PAUSE_MS : (uint32_t)((left_ns + 999999) / 1000000);
    bulla_metric_add(self->refused, 1);
    (void)bulla_fail(call, BULLA_EUNAVAIL,
                     "the %s key store (%s) failed too often lately and is not asked for the next %u ms",
                     bulla_provider_name(self->inner), self->labels, left_ms);
    call->retry_after_ms = left_ms;
    return BULLA_EUNAVAIL;
}

/* A probe that the parent of a forked child began is nobody's here. */
static bool probe_take(breaker *self)
{
    pid_t own = getpid(), holder = __atomic_load_n(&self->prober, __ATOMIC_ACQUIRE);
    return holder != own &&
           __atomic_compare_exchange_n(&self->prober, &holder, own, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void probe_give_back(breaker *self)
{
    __atomic_store_n(&self->prober, 0, __ATOMIC_RELEASE);
}

static bulla_status admit(breaker *self, bulla_call *call, admission *out_admission)
{
    out_admission->is_probe = false;
    out_admission->era = __atomic_load_n(&self->era, __ATOMIC_ACQUIRE);
    int64_t until_ns = __atomic_load_n(&self->open_until_ns, __ATOMIC_ACQUIRE);
    if (BULLA_LIKELY(until_ns == 0)) return BULLA_OK;
    int64_t left_ns = until_ns - now_ns(self);
    if (left_ns > 0 || !probe_take(self)) return refuse(self, call, left_ns);
    /* Another probe may have ended between the look at the clock and the taking. */
    int64_t still_ns = __atomic_load_n(&self->open_until_ns, __ATOMIC_ACQUIRE);
    if (still_ns != until_ns) {
        probe_give_back(self);
        return still_ns == 0 ? BULLA_OK : refuse(self, call, still_ns - now_ns(self));
    }
    out_admission->is_probe = true;
    state_set(self, HALF_OPEN);
    return BULLA_OK;
}

/* The breaker's own view of an answer: a store that refuses is alive. Nor is a certificate that is not accepted a
 * failure here: an open breaker would say that the store does not answer, and hide what is to be mended. */
static bool is_failure(bulla_status status)
{
    if (status == BULLA_EDEADLINE) return true;
    bulla_class class_ = bulla_status_class(status);
    return class_ == BULLA_CLASS_RETRY || class_ == BULLA_CLASS_UNSURE;
}

/* Who is cancelled says nothing of the store, neither with a change whose outcome is unknown for that. */
static bool is_left(const bulla_call *call, bulla_status status)
{
    return status == BULLA_ECANCELLED ||
           (status == BULLA_EUNKNOWN && __atomic_load_n(&call->cancelled, __ATOMIC_ACQUIRE) != 0);
}

static void probe_end(breaker *self, const bulla_call *call, bulla_status status)
{
    if (is_left(call, status))
        state_set(self, OPEN); /* the next request is the probe */
    else if (is_failure(status))
        keep_open(self, call);
    else
        close_again(self, call, status);
    probe_give_back(self);
}

static bulla_status breaker_run(bulla_wrapper *wrapper, bulla_call *call, bulla_request *request)
{
    breaker *self = self_of(wrapper);
    admission admitted;
    BULLA_TRY(admit(self, call, &admitted));
    bulla_status status = bulla_request_send(request, self->inner, call);
    if (BULLA_UNLIKELY(admitted.is_probe)) {
        probe_end(self, call, status);
        return status;
    }
    if (is_left(call, status) || admitted.era != __atomic_load_n(&self->era, __ATOMIC_ACQUIRE)) return status;
    int64_t at_ns = now_ns(self);
    bool failed = is_failure(status);
    window_count(self, at_ns, failed);
    if (streak_is_bad(self, at_ns, failed) || (BULLA_UNLIKELY(failed) && window_is_bad(self, at_ns)))
        open_if_closed(self, call);
    return status;
}

static void breaker_destroy(bulla_wrapper *wrapper)
{
    bulla_provider_unref(self_of(wrapper)->inner);
}

static const bulla_wrapper_kind breaker_kind = {sizeof(breaker), breaker_inner, breaker_run, breaker_destroy};

static void metrics_init(breaker *self, const bulla_wrapper_site *site)
{
    size_t len = strnlen(site->labels, sizeof self->labels - 1);
    memcpy(self->labels, site->labels, len);
    self->state = bulla_metrics_gauge(site->metrics, "bulla_kms_breaker_state", site->labels,
                                      "0: closed, 1: half open, one probe runs; 2: open, the endpoint is not asked.");
    self->opened = bulla_metrics_counter(site->metrics, "bulla_kms_breaker_opened_total", site->labels,
                                         "Times that the breaker opened because the endpoint mostly failed.");
    self->refused = bulla_metrics_counter(site->metrics, "bulla_kms_breaker_refused_total", site->labels,
                                          "Requests that an open breaker refused.");
}

bulla_status bulla_breaker_new(bulla_call *call, bulla_provider *inner, const bulla_breaker_options *options,
                               const bulla_wrapper_site *site, bulla_provider **out_provider)
{
    bulla_wrapper *made = NULL;
    if (options->failure_percent > 100 || (options->window_ms != 0 && options->window_ms < 2 * NUM_SLICES))
        return bulla_fail(call, BULLA_ECONFIG,
                          "a circuit breaker's window has at least %u ms, its failure_percent is at most 100",
                          2 * NUM_SLICES);
    BULLA_TRY(bulla_wrapper_new(call, &breaker_kind, inner, &made));
    breaker *self = self_of(made);
    self->inner = bulla_provider_ref(inner);
    self->options.window_ms = bulla_given_or(options->window_ms, 10000);
    self->options.min_calls = bulla_given_or(options->min_calls, 10);
    self->options.failure_percent = bulla_given_or(options->failure_percent, 50);
    self->options.open_ms = bulla_given_or(options->open_ms, 5000);
    metrics_init(self, site);
    *out_provider = &made->base;
    return BULLA_OK;
}
