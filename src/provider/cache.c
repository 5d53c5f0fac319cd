/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwrap cache: a wrapper that remembers opened data keys. Only successes are kept, each under exactly what was
 * asked: the whole wrapped key and the whole context.
 *
 * Two processors that write one cache line in turn wait for each other, and a hit writes two: the lock and the key's
 * reference count. So threads are spread over lanes, and an entry that several lanes use is copied, key and all, into a
 * small table of each of them. With max_uses every use is counted in one place, and there are no lanes.
 */
#include "provider/cachetable.h"
#include "provider/keyhash.h"

#include "base/mem.h"

#include <string.h>

#define DEFAULT_ENTRIES 4096u
#define MAX_ENTRIES 1048576u
#define MAX_TTL_MS 86400000u
#define NUM_LANES 16u
#define LANE_ENTRIES 1024u

typedef struct cache {
    bulla_provider base;
    bulla_provider_ops ops; /* as able as what it wraps, and under its name */
    bulla_provider *inner;
    uint32_t ttl_ms;
    bulla_keyhash hash;
    bulla_cachetable table;
    bulla_cachetable *lanes[NUM_LANES]; /* each made when first needed */
} cache;

static cache *self_of(bulla_provider *provider)
{
    return (cache *)(void *)provider;
}

static bool cache_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return bulla_provider_matches(((const cache *)(const void *)provider)->inner, wrapped);
}

static bulla_status cache_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    return bulla_provider_describe(self_of(provider)->inner, call, out_info);
}

static bulla_status cache_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    return bulla_provider_wrap(self_of(provider)->inner, call, context, dek, out_wrapped);
}

static bulla_status cache_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                  bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    return bulla_provider_datakey(self_of(provider)->inner, call, context, len, out_dek, out_wrapped);
}

static bulla_status cache_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    return bulla_provider_rewrap(self_of(provider)->inner, call, context, wrapped, out_wrapped);
}

static __attribute__((noinline)) bulla_status cache_miss(cache *self, bulla_call *call, bulla_context *context,
                                                         const bulla_wrapped *wrapped, const bulla_cachekey *key,
                                                         bulla_secret **out_dek)
{
    /* Both are read before the store is asked: a key is kept for no longer than ttl after the store was known to hold
     * it, and not at all when somebody purged meanwhile. */
    int64_t asked_ns = self->table.env->ticks_ns(self->table.env->arg);
    uint64_t generation = bulla_cachetable_generation(&self->table);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_provider_unwrap(self->inner, call, context, wrapped, &dek));
    int64_t expires_ns = asked_ns + (int64_t)self->ttl_ms * 1000000;
    bulla_cachetable_put(&self->table, key, dek, asked_ns, expires_ns, generation);
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

/* Threads take lanes in turn. */
static unsigned own_lane(void)
{
    static unsigned num_threads;
    static __thread __attribute__((tls_model("initial-exec"))) unsigned lane; /* 0: not yet */
    if (BULLA_UNLIKELY(lane == 0)) lane = 1 + __atomic_fetch_add(&num_threads, 1, __ATOMIC_RELAXED) % NUM_LANES;
    return lane - 1;
}

static void lane_free(const bulla_env *env, bulla_cachetable *lane)
{
    if (lane == NULL) return;
    bulla_cachetable_done(lane);
    bulla_free(env, lane);
}

static void lane_add(cache *self, unsigned index)
{
    const bulla_env *env = self->table.env;
    bulla_cachetable *made = env->alloc(env->arg, sizeof *made), *none = NULL;
    if (made == NULL) return;
    *made = (bulla_cachetable){.env = env, .origin = &self->table};
    if (bulla_cachetable_init(made, NULL, env, LANE_ENTRIES, 0) == BULLA_OK &&
        __atomic_compare_exchange_n(&self->lanes[index], &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    lane_free(env, made);
}

/* `generation` is from before the entry was found: a purge since then forbids the copy. A lane that is not there yet
 * has none and is only made, to be filled the next time. */
static __attribute__((noinline)) void lane_put(cache *self, bulla_cachetable *lane, const bulla_cachekey *key,
                                               const bulla_cachehit *hit, int64_t now_ns, uint64_t generation)
{
    BULLA_AUTO(bulla_secret) *copy = NULL;
    if (lane == NULL)
        lane_add(self, key->lane);
    else if (bulla_secret_copy(NULL, bulla_secret_borrow(hit->dek), &copy) == BULLA_OK)
        bulla_cachetable_put(lane, key, copy, now_ns, hit->expires_ns, generation);
}

static bulla_secret *cache_find(cache *self, const bulla_cachekey *key)
{
    int64_t now_ns = self->table.env->ticks_ns(self->table.env->arg);
    bulla_cachetable *lane = __atomic_load_n(&self->lanes[key->lane], __ATOMIC_ACQUIRE);
    uint64_t generation = 0;
    if (lane != NULL) {
        bulla_cachehit own = bulla_cachetable_find(lane, key, now_ns);
        if (BULLA_LIKELY(own.dek != NULL)) return own.dek;
        generation = bulla_cachetable_generation(lane);
    }
    bulla_cachehit hit = bulla_cachetable_find(&self->table, key, now_ns);
    if (BULLA_UNLIKELY(hit.shared && self->table.max_uses == 0)) lane_put(self, lane, key, &hit, now_ns, generation);
    return hit.dek;
}

static bulla_status cache_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    cache *self = self_of(provider);
    bulla_cachekey key = {
        {wrapped->provider, wrapped->info, wrapped->blob, bulla_context_bytes(context)}, 0, own_lane()};
    key.hash = bulla_keyhash_parts(&self->hash, key.parts);
    bulla_secret *dek = cache_find(self, &key);
    if (BULLA_UNLIKELY(dek == NULL)) return cache_miss(self, call, context, wrapped, &key, out_dek);
    *out_dek = dek;
    return BULLA_OK;
}

/* The table before the lanes: a copy made in between is then forbidden by the lane's own count of purges. */
static void forget(cache *self, bulla_view key_id)
{
    bulla_cachetable_purge(&self->table, key_id);
    for (size_t i = 0; i < NUM_LANES; i++) {
        bulla_cachetable *lane = __atomic_load_n(&self->lanes[i], __ATOMIC_ACQUIRE);
        if (lane != NULL) bulla_cachetable_purge(lane, key_id);
    }
}

/* What is further in goes first: a miss that ran between the two would bring a stale key back out. */
static void cache_purge(bulla_provider *provider, bulla_view key_id)
{
    cache *self = self_of(provider);
    bulla_provider_purge(self->inner, key_id);
    forget(self, key_id);
}

/* A cache stands before one key, so all of it goes, and also when nobody knows whether the key was rotated. */
static bulla_status cache_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    bulla_status status = bulla_provider_rotate(self_of(provider)->inner, call, out_version);
    cache_purge(provider, (bulla_view){NULL, 0});
    return status;
}

static void cache_destroy(bulla_provider *provider)
{
    cache *self = self_of(provider);
    const bulla_env *env = self->table.env;
    bulla_cachetable_done(&self->table);
    for (size_t i = 0; i < NUM_LANES; i++)
        lane_free(env, self->lanes[i]);
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
};

/* Copies what the caller's struct has of ours; members it does not know are zero. */
static bulla_status options_read(bulla_call *call, const bulla_cache_options *options, bulla_cache_options *out_options)
{
    bulla_cache_options read = {.size = sizeof read};
    if (options == NULL || options->size < offsetof(bulla_cache_options, ttl_ms) + sizeof options->ttl_ms)
        return bulla_fail(call, BULLA_EINVAL, "a cache needs options with size and ttl_ms set");
    memcpy(&read, options, options->size < sizeof read ? options->size : sizeof read);
    if (read.ttl_ms == 0 || read.ttl_ms > MAX_TTL_MS)
        return bulla_fail(call, BULLA_EINVAL, "a cache needs a ttl_ms of 1 to %u, not %u", MAX_TTL_MS, read.ttl_ms);
    if (read.max_entries > MAX_ENTRIES)
        return bulla_fail(call, BULLA_EINVAL, "a cache has at most %u entries, not %u", MAX_ENTRIES, read.max_entries);
    if (read.max_entries == 0) read.max_entries = DEFAULT_ENTRIES;
    *out_options = read;
    return BULLA_OK;
}

bulla_status bulla_cache_new(bulla_call *call, bulla_provider *inner, const bulla_cache_options *options,
                             bulla_provider **out_cache)
{
    bulla_cache_options read = {.size = sizeof read};
    void *memory = NULL;
    if (inner == NULL) return bulla_fail(call, BULLA_EINVAL, "a cache needs a provider to stand before");
    BULLA_TRY(options_read(call, options, &read));
    BULLA_TRY(bulla_alloc(call, sizeof(cache), &memory));
    BULLA_AUTO(bulla_provider) *made = memory;
    cache *self = memory;
    self->ops = cache_ops;
    self->ops.name = bulla_provider_name(inner);
    self->ops.can = bulla_provider_can(inner);
    self->ops.idempotent = bulla_provider_idempotent(inner);
    self->inner = bulla_provider_ref(inner);
    self->ttl_ms = read.ttl_ms;
    self->table.env = bulla_env_of(call);
    bulla_provider_init(&self->base, &self->ops);
    BULLA_TRY(bulla_keyhash_init(call, &self->hash));
    BULLA_TRY(bulla_cachetable_init(&self->table, call, bulla_env_of(call), read.max_entries, read.max_uses));
    *out_cache = BULLA_TAKE(made);
    return BULLA_OK;
}

/* By its own address: another provider may bear the same name. */
static bool is_cache(const bulla_provider *provider)
{
    return provider != NULL && provider->ops->size == sizeof(bulla_provider_ops) &&
           provider->ops->destroy == cache_destroy;
}

bulla_status bulla_cache_stats_get(bulla_provider *provider, bulla_call *call, bulla_cache_stats *out_stats)
{
    if (!is_cache(provider)) return bulla_fail(call, BULLA_EINVAL, "this provider is not a cache");
    cache *self = self_of(provider);
    bulla_cache_stats stats = {.ttl_ms = self->ttl_ms};
    int64_t now_ns = self->table.env->ticks_ns(self->table.env->arg);
    bulla_cachetable_stats(&self->table, now_ns, &stats);
    for (size_t i = 0; i < NUM_LANES; i++) { /* copies count as hits and as nothing else */
        bulla_cachetable *lane = __atomic_load_n(&self->lanes[i], __ATOMIC_ACQUIRE);
        bulla_cache_stats copies = {0};
        if (lane != NULL) bulla_cachetable_stats(lane, now_ns, &copies);
        stats.hits += copies.hits;
    }
    *out_stats = stats;
    return BULLA_OK;
}
