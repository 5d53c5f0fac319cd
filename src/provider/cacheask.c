/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cache does when it has no entry to give: of all who want the same key one asks the store; a refusal removes
 * what is kept and is remembered for a moment; an outage lets an entry serve past its end, as far as the options go.
 *
 * While the store is known not to answer, nobody waits for it who can be served without: one request in a second is
 * sent in the background to see whether it is back. Once it is, what ended meanwhile serves on until its turn to be
 * renewed comes, within its window, so that the store sees no more than it does on other days.
 */
#include "provider/cache_impl.h"

#include "base/bytes.h"
#include "base/mem.h"

#define OFFLINE_PAUSE_NS INT64_C(1000000000)
#define REFRESH_MAX_NS INT64_C(10000000000) /* that a refresh may take */
#define REFUSED_BYTES_MAX 4096u             /* of a refused request's parts: larger ones are not remembered */

/* --- what the store said --- */

static bool is_outage(bulla_status status)
{
    return status == BULLA_EUNAVAIL || status == BULLA_ETHROTTLED || status == BULLA_EDEADLINE;
}

static bool is_refusal(bulla_status status)
{
    return status == BULLA_ENOKEY || status == BULLA_EINTEGRITY || status == BULLA_ESTATE ||
           status == BULLA_EDESTROYED || status == BULLA_EAUTHZ;
}

/* What ends the offline window: any answer of the store, also one that does not know our credentials; and somebody who
 * answers in its place. That is no outage: he could hold revocations back as long as the window lasts, and a wrong
 * certificate or a wrong tls.ca_cert wants to be heard of at once. */
static bool is_answer(bulla_status status)
{
    return status == BULLA_OK || is_refusal(status) || status == BULLA_EAUTHN || status == BULLA_EUNTRUSTED;
}

static bool offline_change(bulla_cache *cache, int is_offline)
{
    return __atomic_load_n(&cache->is_offline, __ATOMIC_RELAXED) != is_offline &&
           __atomic_exchange_n(&cache->is_offline, is_offline, __ATOMIC_RELAXED) != is_offline;
}

/* What ended in the outage would all be asked for at once: it is spread over as long a time as it took to end, one TTL
 * at most. Not when the store refuses: the others may be refused like this one, and are not to serve meanwhile. */
static void recovery_begin(bulla_cache *cache)
{
    int64_t now_ns = bulla_cache_now_ns(cache), ttl_ns = cache->options.ttl_ms * INT64_C(1000000);
    int64_t lasted_ns = now_ns - __atomic_load_n(&cache->offline_since_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&cache->next_ask_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&cache->recovers_until_ns, now_ns + (lasted_ns < ttl_ns ? lasted_ns : ttl_ns), __ATOMIC_RELAXED);
}

static void recovery_end(bulla_cache *cache)
{
    if (__atomic_load_n(&cache->recovers_until_ns, __ATOMIC_RELAXED) != 0)
        __atomic_store_n(&cache->recovers_until_ns, 0, __ATOMIC_RELAXED);
}

static void offline_end(bulla_cache *cache, bulla_status answer)
{
    bool serves = answer == BULLA_OK || answer == BULLA_EINTEGRITY;
    if (!serves) recovery_end(cache);
    if (!offline_change(cache, 0)) return;
    if (serves) recovery_begin(cache);
    bulla_log(cache->table.env, BULLA_LOG_WARN,
              answer == BULLA_EUNTRUSTED ? "in the place of the %s key store somebody answers whose certificate is not "
                                           "accepted: no data key serves past its time"
                                         : "the %s key store answers again",
              cache->ops.name);
}

static void offline_begin(bulla_cache *cache)
{
    __atomic_store_n(&cache->next_ask_ns, bulla_cache_now_ns(cache) + OFFLINE_PAUSE_NS, __ATOMIC_RELAXED);
    if (!offline_change(cache, 1)) return;
    int64_t left_ns = __atomic_load_n(&cache->recovers_until_ns, __ATOMIC_RELAXED) - bulla_cache_now_ns(cache);
    __atomic_store_n(&cache->offline_since_ns, bulla_cache_now_ns(cache) - (left_ns > 0 ? left_ns : 0),
                     __ATOMIC_RELAXED);
    if (cache->options.offline_window_ms == 0)
        bulla_log(cache->table.env, BULLA_LOG_WARN, "the %s key store does not answer", cache->ops.name);
    else
        bulla_log(cache->table.env, BULLA_LOG_WARN,
                  "the %s key store does not answer: data keys that were opened before serve for up to %u ms past "
                  "their time",
                  cache->ops.name, cache->options.offline_window_ms);
}

static size_t key_bytes(const bulla_cachekey *key)
{
    return key->parts[0].len + key->parts[1].len + key->parts[2].len + key->parts[3].len;
}

/* Only what the bytes themselves are to blame for; a disabled key may be enabled at any moment. */
static void refusal_keep(bulla_cache *cache, const bulla_cachekey *key, bulla_status status, int64_t asked_ns,
                         uint64_t generation)
{
    if (cache->refusals.memory == NULL || (status != BULLA_ENOKEY && status != BULLA_EINTEGRITY)) return;
    if (key_bytes(key) > REFUSED_BYTES_MAX) return;
    int64_t end_ns = asked_ns + cache->options.negative_ttl_ms * INT64_C(1000000);
    const bulla_cachevalue value = {.refusal = status, .soft_ns = end_ns, .expires_ns = end_ns};
    bulla_cachetable_put(&cache->refusals, key, &value, asked_ns, generation);
}

static bulla_status refusal_find(bulla_cache *cache, bulla_call *call, const bulla_cachekey *key)
{
    if (cache->refusals.memory == NULL) return BULLA_OK;
    bulla_cachehit hit = bulla_cachetable_find(&cache->refusals, key, bulla_cache_now_ns(cache));
    if (hit.refusal == BULLA_OK) return BULLA_OK;
    bulla_cache_count(&cache->negative_hits);
    return bulla_fail(call, hit.refusal, "%s (so said the key store less than %u ms ago)",
                      bulla_status_text(hit.refusal), cache->options.negative_ttl_ms);
}

/* Between refresh_ahead_ms and half of it before the end, so that what was opened together is not asked for together.
 * The hash is keyed: nobody chooses when. */
static bulla_cachevalue value_of(const bulla_cache *cache, const bulla_cachekey *key, bulla_secret *dek,
                                 int64_t asked_ns)
{
    int64_t expires_ns = asked_ns + cache->options.ttl_ms * INT64_C(1000000);
    int64_t ahead_ns = cache->options.refresh_ahead_ms * INT64_C(1000000);
    uint64_t mixed = (key->hash ^ (uint64_t)asked_ns) * UINT64_C(0x9E3779B97F4A7C15);
    int64_t jitter_ns = ahead_ns == 0 ? 0 : (int64_t)(mixed >> 1) % (ahead_ns / 2);
    return (bulla_cachevalue){.dek = dek, .soft_ns = expires_ns - ahead_ns + jitter_ns, .expires_ns = expires_ns};
}

/* Both clocks are read before the store is asked: a key is kept for no longer than ttl after the store was known to
 * hold it, and not at all when somebody purged meanwhile. */
static bulla_status ask_store(bulla_cache *cache, bulla_call *call, const bulla_question *question, uint64_t generation,
                              bulla_secret **out_dek)
{
    uint64_t refusals = cache->refusals.memory == NULL ? 0 : bulla_cachetable_generation(&cache->refusals);
    int64_t asked_ns = bulla_cache_now_ns(cache);
    bulla_status status = bulla_provider_unwrap(cache->inner, call, question->context, question->wrapped, out_dek);
    if (status == BULLA_OK) {
        bulla_cachevalue value = value_of(cache, &question->key, *out_dek, asked_ns);
        bulla_cachetable_put(&cache->table, &question->key, &value, asked_ns, generation);
    }
    if (is_refusal(status)) {
        bulla_cache_forget(cache, &question->key);
        refusal_keep(cache, &question->key, status, asked_ns, refusals);
    }
    if (is_answer(status)) offline_end(cache, status);
    if (is_outage(status)) offline_begin(cache);
    return status;
}

/* --- past its time --- */

/* Without an offline window that is one that is doubted, and not past its end. */
static bulla_cachehit find_stale(bulla_cache *cache, const bulla_question *question)
{
    return bulla_cachetable_find_stale(&cache->table, &question->key, bulla_cache_now_ns(cache));
}

static void serve(bulla_cache *cache, bulla_call *call, bulla_secret *dek, bulla_secret **out_dek)
{
    bulla_cache_count(&cache->offline_hits);
    call->status = BULLA_OK; /* the failure that was made up for is not the call's */
    *out_dek = dek;
}

/* Until the next may have the store asked. Who comes a little late does not delay him. */
static int64_t pause_ns(const bulla_cache *cache, bool is_offline, int64_t now_ns)
{
    if (is_offline) return OFFLINE_PAUSE_NS;
    int64_t pace_ns = bulla_cache_pace_ns(cache);
    int64_t late_ns = now_ns - __atomic_load_n(&cache->next_ask_ns, __ATOMIC_RELAXED);
    return late_ns > 0 && late_ns < pace_ns ? pace_ns - late_ns : pace_ns;
}

/* While the store is known not to answer, and while it recovers: serves what can be served, and now and then has a
 * thread ask. Without such a thread it is the request that asks. */
static bool serve_late(bulla_cache *cache, bulla_call *call, const bulla_question *question, bulla_secret **out_dek)
{
    bool is_offline = __atomic_load_n(&cache->is_offline, __ATOMIC_RELAXED) != 0;
    int64_t until_ns = __atomic_load_n(&cache->recovers_until_ns, __ATOMIC_RELAXED);
    if (BULLA_LIKELY(!is_offline && until_ns == 0)) return false;
    int64_t now_ns = bulla_cache_now_ns(cache);
    if (!is_offline && now_ns >= until_ns) return false;
    bulla_cachehit hit = find_stale(cache, question);
    BULLA_AUTO(bulla_secret) *dek = hit.dek;
    if (dek == NULL || (!is_offline && now_ns < hit.expires_ns)) return false; /* a doubted one is asked for at once */
    if (bulla_cache_take_turn(&cache->next_ask_ns, now_ns, pause_ns(cache, is_offline, now_ns)) &&
        !bulla_cache_refresh(cache, question, hit.expires_ns))
        return false;
    serve(cache, call, BULLA_TAKE(dek), out_dek);
    return true;
}

/* --- asking together --- */

/* The leader's part. Another flight may have landed since the entry was not found. */
static bulla_status lead(bulla_cache *cache, bulla_call *call, const bulla_question *question, bulla_flight *flight,
                         uint64_t generation, bulla_secret **out_dek)
{
    bulla_cachehit hit = bulla_cachetable_find_again(&cache->table, &question->key, bulla_cache_now_ns(cache));
    BULLA_AUTO(bulla_secret) *dek = hit.dek;
    bulla_status status = dek != NULL ? BULLA_OK : ask_store(cache, call, question, generation, &dek);
    bulla_flight_land(&cache->flights, flight, status, call, dek);
    if (status != BULLA_OK) return status;
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

/* Where uses are counted, a shared flight is no way around: the entry it brought is used as any other. */
static bool follow(bulla_cache *cache, bulla_call *call, const bulla_question *question, bulla_flight *flight,
                   bulla_status *out_status, bulla_secret **out_dek)
{
    bulla_cache_count(&cache->shared_flights);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    if (!bulla_flight_wait(&cache->flights, flight, call, out_status, &dek)) return *out_status != BULLA_OK;
    if (*out_status != BULLA_OK) return true;
    if (cache->options.max_uses != 0) {
        bulla_secret_unref(dek);
        dek = bulla_cachetable_find_again(&cache->table, &question->key, bulla_cache_now_ns(cache)).dek;
    }
    if (dek == NULL) return false;
    *out_dek = BULLA_TAKE(dek);
    return true;
}

static bulla_status ask_together(bulla_cache *cache, bulla_call *call, const bulla_question *question,
                                 bulla_secret **out_dek)
{
    for (;;) {
        bool leads = true;
        bulla_status status = BULLA_OK;
        uint64_t generation = bulla_cachetable_generation(&cache->table);
        bulla_flight *flight = bulla_flights_join(&cache->flights, &question->key, generation, &leads);
        if (flight == NULL || leads) return lead(cache, call, question, flight, generation, out_dek);
        if (follow(cache, call, question, flight, &status, out_dek)) return status;
        BULLA_TRY(bulla_call_check(call)); /* however often others use up what was brought */
    }
}

__attribute__((noinline)) bulla_status bulla_cache_ask(bulla_cache *cache, bulla_call *call,
                                                       const bulla_question *question, bulla_secret **out_dek)
{
    BULLA_TRY(refusal_find(cache, call, &question->key));
    if (serve_late(cache, call, question, out_dek)) return BULLA_OK;
    bulla_status status = ask_together(cache, call, question, out_dek);
    if (!is_outage(status)) return status;
    bulla_cachehit hit = find_stale(cache, question);
    if (hit.dek == NULL) return status;
    serve(cache, call, hit.dek, out_dek);
    return BULLA_OK;
}

/* --- refreshing --- */

typedef struct refresh {
    bulla_job job;
    bulla_cache *cache; /* which ends its crew before it ends */
    bulla_context *context;
    bulla_wrapped *wrapped;
    int64_t expires_ns;
} refresh;

static refresh *refresh_of(bulla_job *job)
{
    return (refresh *)(void *)job;
}

static void refresh_drop(bulla_job *job)
{
    refresh *self = refresh_of(job);
    bulla_context_unref(self->context);
    bulla_wrapped_free(self->wrapped);
    bulla_free(self->cache->table.env, self);
}

/* Somebody else's lane, or a miss, may have renewed the entry: then it ends later than the one this is about. */
static bool is_renewed(bulla_cache *cache, const refresh *self, const bulla_cachekey *key)
{
    return self->expires_ns != 0 && bulla_cachetable_end_ns(&cache->table, key) > self->expires_ns;
}

static void refresh_run(bulla_job *job, bulla_call *call)
{
    refresh *self = refresh_of(job);
    bulla_cache *cache = self->cache;
    bulla_question question = bulla_question_of(cache, self->context, self->wrapped);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bool leads = true;
    call->deadline_ns = bulla_cache_now_ns(cache) + REFRESH_MAX_NS;
    uint64_t generation = bulla_cachetable_generation(&cache->table);
    bulla_flight *flight = NULL;
    if (!is_renewed(cache, self, &question.key))
        flight = bulla_flights_join(&cache->flights, &question.key, generation, &leads);
    if (flight != NULL && leads) {
        bulla_status status = ask_store(cache, call, &question, generation, &dek);
        bulla_flight_land(&cache->flights, flight, status, call, dek);
        if (status == BULLA_OK) bulla_cache_count(&cache->refreshed);
    } else if (flight != NULL) {
        bulla_flight_leave(&cache->flights, flight);
    }
    refresh_drop(job);
}

__attribute__((noinline)) bool bulla_cache_refresh(bulla_cache *cache, const bulla_question *question,
                                                   int64_t expires_ns)
{
    bulla_call aside = {.env = cache->table.env};
    void *memory = NULL;
    if (cache->crew == NULL || bulla_alloc(&aside, sizeof(refresh), &memory) != BULLA_OK) return false;
    refresh *made = memory;
    made->job = (bulla_job){.run = refresh_run, .drop = refresh_drop};
    made->cache = cache;
    made->context = bulla_context_ref(question->context);
    made->expires_ns = expires_ns;
    if (bulla_wrapped_copy(&aside, question->wrapped, &made->wrapped) == BULLA_OK &&
        bulla_crew_take(cache->crew, &made->job))
        return true;
    refresh_drop(&made->job);
    return false;
}
