/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwrap cache: a wrapper that remembers opened data keys, each under exactly what was asked: the whole wrapped key
 * and the whole context. Here are the provider, its options and the way of a hit; cacheask.c has the way of a miss.
 *
 * Two processors that write one cache line in turn wait for each other, and a hit writes two: the lock and the key's
 * reference count. So threads are spread over lanes, and an entry that several lanes use is copied, key and all, into a
 * small table of each of them. With max_uses every use is counted in one place, and there are no lanes.
 */
#include "provider/cache_impl.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <string.h>

#define DEFAULT_ENTRIES 4096u
#define MAX_ENTRIES 1048576u
#define MAX_TTL_MS 86400000u
#define MAX_OFFLINE_MS 604800000u
#define MAX_NEGATIVE_MS 300000u
#define REFUSAL_ENTRIES 1024u
#define LANE_ENTRIES 1024u
#define MAX_REFRESHERS 4u  /* threads */
#define MAX_REFRESHES 256u /* that wait for one */
#define DOUBT_PAUSE_NS INT64_C(1000000000)

static bulla_cache *self_of(bulla_provider *provider)
{
    return (bulla_cache *)(void *)provider;
}

static bool cache_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return bulla_provider_matches(((const bulla_cache *)(const void *)provider)->inner, wrapped);
}

static bulla_status cache_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    return bulla_provider_describe(self_of(provider)->inner, call, out_info);
}

static bulla_status cache_check(bulla_provider *provider, bulla_call *call)
{
    return bulla_provider_check(self_of(provider)->inner, call);
}

static bulla_status cache_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    return bulla_provider_list(self_of(provider)->inner, call, visit, arg);
}

static bulla_status cache_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    return bulla_provider_wrap(self_of(provider)->inner, call, context, dek, out_wrapped);
}

static bulla_status cache_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                  bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    bulla_cache *self = self_of(provider);
    if (out_dek == NULL) return bulla_provider_datakey(self->inner, call, context, len, NULL, out_wrapped);
    bulla_reuse_request request = {
        .context = context, .len = len, .message_len = call->message_len, .now_ns = bulla_cache_now_ns(self)};
    if (bulla_reuse_take(&self->reuse, &request, out_dek, out_wrapped)) {
        bulla_cache_count(&self->reused);
        return BULLA_OK;
    }
    BULLA_TRY(bulla_provider_datakey(self->inner, call, context, len, out_dek, out_wrapped));
    bulla_reuse_put(&self->reuse, &request, *out_dek, *out_wrapped);
    return BULLA_OK;
}

static bulla_status cache_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    return bulla_provider_rewrap(self_of(provider)->inner, call, context, wrapped, out_wrapped);
}

/* Threads take lanes in turn. */
static unsigned own_lane(void)
{
    static unsigned num_threads;
    static __thread __attribute__((tls_model("initial-exec"))) unsigned lane; /* 0: not yet */
    if (BULLA_UNLIKELY(lane == 0)) lane = 1 + __atomic_fetch_add(&num_threads, 1, __ATOMIC_RELAXED) % BULLA_CACHE_LANES;
    return lane - 1;
}

static void lane_free(const bulla_env *env, bulla_cachetable *lane)
{
    if (lane == NULL) return;
    bulla_cachetable_done(lane);
    bulla_free(env, lane);
}

static void lane_add(bulla_cache *self, unsigned index)
{
    const bulla_env *env = self->table.env;
    bulla_cachetable *made = env->alloc(env->arg, sizeof *made), *none = NULL;
    if (made == NULL) return;
    *made = (bulla_cachetable){.env = env, .origin = &self->table};
    bulla_status status = bulla_cachetable_init(made, NULL, env, LANE_ENTRIES, 0);
    if (self->options.max_bytes != 0) made->max_bytes = self->options.max_bytes / BULLA_CACHE_LANES + 1;
    if (status == BULLA_OK &&
        __atomic_compare_exchange_n(&self->lanes[index], &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    lane_free(env, made);
}

/* `generation` is from before the entry was found: a purge since then forbids the copy. A lane that is not there yet
 * has none and is only made, to be filled the next time. */
static __attribute__((noinline)) void lane_put(bulla_cache *self, bulla_cachetable *lane, const bulla_cachekey *key,
                                               const bulla_cachehit *hit, int64_t now_ns, uint64_t generation)
{
    BULLA_AUTO(bulla_secret) *copy = NULL;
    if (lane == NULL) {
        lane_add(self, key->lane);
    } else if (bulla_secret_copy(NULL, bulla_secret_borrow(hit->dek), &copy) == BULLA_OK) {
        const bulla_cachevalue value = {.dek = copy, .soft_ns = hit->soft_ns, .expires_ns = hit->expires_ns};
        bulla_cachetable_put(lane, key, &value, now_ns, generation);
    }
}

static inline bulla_cachehit cache_find(bulla_cache *self, const bulla_cachekey *key)
{
    int64_t now_ns = bulla_cache_now_ns(self);
    bulla_cachetable *lane = __atomic_load_n(&self->lanes[key->lane], __ATOMIC_ACQUIRE);
    uint64_t generation = 0;
    if (lane != NULL) {
        bulla_cachehit own = bulla_cachetable_find(lane, key, now_ns);
        if (BULLA_LIKELY(own.dek != NULL)) return own;
        generation = bulla_cachetable_generation(lane);
    }
    bulla_cachehit hit = bulla_cachetable_find(&self->table, key, now_ns);
    if (BULLA_UNLIKELY(hit.shared && self->table.max_uses == 0)) lane_put(self, lane, key, &hit, now_ns, generation);
    return hit;
}

bulla_question bulla_question_of(const bulla_cache *cache, bulla_context *context, const bulla_wrapped *wrapped)
{
    bulla_question question = {
        {{wrapped->provider, wrapped->info, wrapped->blob, bulla_context_bytes(context)}, 0, own_lane()},
        context,
        wrapped};
    question.key.hash = bulla_keyhash_parts(&cache->hash, question.key.parts);
    return question;
}

static bulla_status cache_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    bulla_cache *self = self_of(provider);
    bulla_question question = bulla_question_of(self, context, wrapped);
    bulla_cachehit hit = cache_find(self, &question.key);
    if (BULLA_UNLIKELY(hit.dek == NULL)) return bulla_cache_ask(self, call, &question, out_dek);
    if (BULLA_UNLIKELY(hit.is_due)) (void)bulla_cache_refresh(self, &question, hit.expires_ns);
    *out_dek = hit.dek;
    return BULLA_OK;
}

/* Runs over the tables in the order that leaves no stale copy: one that is made in between is forbidden by the lane's
 * own count of purges. */
static void wipe(bulla_cache *self, bulla_view key_id)
{
    bulla_cachetable_purge(&self->table, key_id);
    if (self->refusals.memory != NULL) bulla_cachetable_purge(&self->refusals, key_id);
    for (size_t i = 0; i < BULLA_CACHE_LANES; i++) {
        bulla_cachetable *lane = __atomic_load_n(&self->lanes[i], __ATOMIC_ACQUIRE);
        if (lane != NULL) bulla_cachetable_purge(lane, key_id);
    }
    bulla_reuse_purge(&self->reuse, key_id);
}

static void copies_forget(bulla_cache *cache, const bulla_cachekey *key)
{
    for (size_t i = 0; i < BULLA_CACHE_LANES; i++) {
        bulla_cachetable *lane = __atomic_load_n(&cache->lanes[i], __ATOMIC_ACQUIRE);
        if (lane != NULL) bulla_cachetable_forget(lane, key, true);
    }
}

/* In the table only where there is something: else a flood of refusals would keep everybody else's answers out. */
void bulla_cache_forget(bulla_cache *cache, const bulla_cachekey *key)
{
    bulla_cachetable_forget(&cache->table, key, false);
    copies_forget(cache, key);
}

/* Each answer of the store may be doubted once. What it has then said twice is doubted in turn, once a second, or as
 * often as entries are renewed anyway: a store that told one lie for a while is found to have stopped, and who hands in
 * damaged data does not double the requests. */
static bool doubt(bulla_cache *cache, const bulla_cachekey *key)
{
    if (bulla_cachetable_doubt(&cache->table, key, false)) return true;
    int64_t pace_ns = bulla_cache_pace_ns(cache), pause_ns = pace_ns < DOUBT_PAUSE_NS ? pace_ns : DOUBT_PAUSE_NS;
    return bulla_cache_take_turn(&cache->next_doubt_ns, bulla_cache_now_ns(cache), pause_ns) &&
           bulla_cachetable_doubt(&cache->table, key, true);
}

/* An entry that had to make room leaves its copies behind: hits do not get to it where there are copies, so it looks
 * idle. */
static void ask_again(bulla_cache *self, bulla_context *context, const bulla_wrapped *wrapped)
{
    bulla_question question = bulla_question_of(self, context, wrapped);
    bool is_gone = bulla_cachetable_end_ns(&self->table, &question.key) == 0;
    if (is_gone || doubt(self, &question.key)) copies_forget(self, &question.key);
}

/* What is further in goes first: a miss that ran between the two would bring a stale key back out. */
static void cache_purge(bulla_provider *provider, const bulla_purge *what)
{
    bulla_cache *self = self_of(provider);
    bulla_provider_pass_purge(self->inner, what);
    if (what->wrapped != NULL)
        ask_again(self, what->context, what->wrapped);
    else
        wipe(self, what->key_id);
}

static bulla_status cache_create(bulla_provider *provider, bulla_call *call)
{
    return bulla_provider_create(self_of(provider)->inner, call);
}

/* A cache stands before one key, so all of it goes, and also when nobody knows whether the key was rotated. */
static bulla_status cache_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    bulla_status status = bulla_provider_rotate(self_of(provider)->inner, call, out_version);
    cache_purge(provider, &(bulla_purge){0});
    return status;
}

static void cache_destroy(bulla_provider *provider)
{
    bulla_cache *self = self_of(provider);
    const bulla_env *env = self->table.env;
    bulla_crew_free(self->crew);
    bulla_cachetable_done(&self->table);
    bulla_cachetable_done(&self->refusals);
    for (size_t i = 0; i < BULLA_CACHE_LANES; i++)
        lane_free(env, self->lanes[i]);
    bulla_flights_done(&self->flights);
    bulla_reuse_done(&self->reuse);
    bulla_provider_unref(self->inner);
    bulla_free(env, self);
}

static const bulla_provider_ops cache_ops = {
    .size = sizeof(bulla_provider_ops),
    .matches = cache_matches,
    .describe = cache_describe,
    .wrap = cache_wrap,
    .unwrap = cache_unwrap,
    .datakey = cache_datakey,
    .rewrap = cache_rewrap,
    .rotate = cache_rotate,
    .purge = cache_purge,
    .destroy = cache_destroy,
    .check = cache_check,
    .list = cache_list,
    .create = cache_create,
};

static bulla_status options_check(bulla_call *call, const bulla_cache_options *options)
{
    if (options->ttl_ms == 0 || options->ttl_ms > MAX_TTL_MS)
        return bulla_fail(call, BULLA_EINVAL, "a cache needs a ttl_ms of 1 to %u, not %u", MAX_TTL_MS, options->ttl_ms);
    if (options->max_entries > MAX_ENTRIES)
        return bulla_fail(call, BULLA_EINVAL, "a cache has at most %u entries, not %u", MAX_ENTRIES,
                          options->max_entries);
    if (options->refresh_ahead_ms >= options->ttl_ms)
        return bulla_fail(call, BULLA_EINVAL, "a cache's refresh_ahead_ms (%u) is less than its ttl_ms (%u)",
                          options->refresh_ahead_ms, options->ttl_ms);
    if (options->offline_window_ms > MAX_OFFLINE_MS)
        return bulla_fail(call, BULLA_EINVAL, "a cache's offline_window_ms is at most %u, not %u", MAX_OFFLINE_MS,
                          options->offline_window_ms);
    if (options->reuse_ms > MAX_TTL_MS)
        return bulla_fail(call, BULLA_EINVAL, "a cache's reuse_ms is at most %u, not %u", MAX_TTL_MS,
                          options->reuse_ms);
    if (options->negative_ttl_ms > MAX_NEGATIVE_MS)
        return bulla_fail(call, BULLA_EINVAL, "a cache's negative_ttl_ms is at most %u, not %u", MAX_NEGATIVE_MS,
                          options->negative_ttl_ms);
    return BULLA_OK;
}

/* Copies what the caller's struct has of ours; members it does not know are zero. */
static bulla_status options_read(bulla_call *call, const bulla_cache_options *options, bulla_cache_options *out_options)
{
    bulla_cache_options read = {.size = sizeof read};
    if (options == NULL || options->size < offsetof(bulla_cache_options, ttl_ms) + sizeof options->ttl_ms)
        return bulla_fail(call, BULLA_EINVAL, "a cache needs options with size and ttl_ms set");
    memcpy(&read, options, options->size < sizeof read ? options->size : sizeof read);
    BULLA_TRY(options_check(call, &read));
    if (read.max_entries == 0) read.max_entries = DEFAULT_ENTRIES;
    *out_options = read;
    return BULLA_OK;
}

static bulla_status parts_init(bulla_cache *self, bulla_call *call)
{
    const bulla_env *env = bulla_env_of(call);
    const bulla_cache_options *options = &self->options;
    BULLA_TRY(bulla_keyhash_init(call, &self->hash));
    BULLA_TRY(bulla_cachetable_init(&self->table, call, env, options->max_entries, options->max_uses));
    self->table.copies = self->lanes;
    self->table.num_copies = BULLA_LEN(self->lanes);
    self->table.max_bytes = options->max_bytes;
    self->table.keep_ns = options->offline_window_ms * INT64_C(1000000);
    BULLA_TRY(bulla_flights_init(&self->flights, call));
    BULLA_TRY(bulla_reuse_init(&self->reuse, call, options, &self->hash));
    if (options->negative_ttl_ms != 0) BULLA_TRY(bulla_cachetable_init(&self->refusals, call, env, REFUSAL_ENTRIES, 0));
    if (options->refresh_ahead_ms == 0 && options->offline_window_ms == 0) return BULLA_OK;
    return bulla_crew_new(call, MAX_REFRESHERS, MAX_REFRESHES, &self->crew);
}

bulla_status bulla_cache_new(bulla_call *call, bulla_provider *inner, const bulla_cache_options *options,
                             bulla_provider **out_cache)
{
    bulla_cache_options read = {.size = sizeof read};
    void *memory = NULL;
    if (inner == NULL) return bulla_fail(call, BULLA_EINVAL, "a cache needs a provider to stand before");
    BULLA_TRY(options_read(call, options, &read));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_cache), &memory));
    BULLA_AUTO(bulla_provider) *made = memory;
    bulla_cache *self = memory;
    self->ops = cache_ops;
    self->ops.name = bulla_provider_name(inner);
    self->ops.can = bulla_provider_can(inner);
    if (read.reuse_ms != 0 && (self->ops.can & BULLA_OP_WRAP) != 0) self->ops.can |= BULLA_OP_DATAKEY;
    self->ops.idempotent = bulla_provider_idempotent(inner);
    self->inner = bulla_provider_ref(inner);
    self->options = read;
    self->table.env = bulla_env_of(call);
    bulla_provider_init(&self->base, &self->ops);
    BULLA_TRY(parts_init(self, call));
    *out_cache = BULLA_TAKE(made);
    return BULLA_OK;
}

/* By its own address: another provider may bear the same name. */
static bool is_cache(const bulla_provider *provider)
{
    return provider != NULL && provider->ops->size == sizeof(bulla_provider_ops) &&
           provider->ops->destroy == cache_destroy;
}

static uint64_t counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Copies count as hits and as nothing else. */
static uint64_t lane_hits(bulla_cache *self, int64_t now_ns)
{
    uint64_t hits = 0;
    for (size_t i = 0; i < BULLA_CACHE_LANES; i++) {
        bulla_cachetable *lane = __atomic_load_n(&self->lanes[i], __ATOMIC_ACQUIRE);
        bulla_cache_stats copies = {0};
        if (lane != NULL) bulla_cachetable_stats(lane, now_ns, &copies);
        hits += copies.hits;
    }
    return hits;
}

static uint32_t stale_bound_ms(const bulla_cache_options *options)
{
    uint32_t unwrap_ms = options->ttl_ms + options->offline_window_ms;
    return unwrap_ms > options->reuse_ms ? unwrap_ms : options->reuse_ms;
}

bulla_status bulla_cache_stats_get(bulla_provider *provider, bulla_call *call, bulla_cache_stats *out_stats)
{
    if (!is_cache(provider)) return bulla_fail(call, BULLA_EINVAL, "this provider is not a cache");
    bulla_cache *self = self_of(provider);
    int64_t now_ns = bulla_cache_now_ns(self);
    bulla_cache_stats stats = {.ttl_ms = self->options.ttl_ms, .stale_bound_ms = stale_bound_ms(&self->options)};
    bulla_cachetable_stats(&self->table, now_ns, &stats);
    stats.hits += lane_hits(self, now_ns);
    stats.shared_flights = counted(&self->shared_flights);
    stats.refreshed = counted(&self->refreshed);
    stats.offline_hits = counted(&self->offline_hits);
    stats.negative_hits = counted(&self->negative_hits);
    stats.reused = counted(&self->reused);
    stats.is_offline = __atomic_load_n(&self->is_offline, __ATOMIC_RELAXED) != 0;
    int64_t end_ns = bulla_cachetable_first_end_ns(&self->table);
    if (end_ns != INT64_MAX) stats.oldest_ms = (now_ns - end_ns) / 1000000 + (int64_t)self->options.ttl_ms;
    *out_stats = stats;
    return BULLA_OK;
}
