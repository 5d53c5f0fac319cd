/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwrap cache: a wrapper that remembers opened data keys. Only successes are kept, each under exactly what was
 * asked: the whole wrapped key and the whole context.
 */
#include "provider/cachetable.h"

#include "base/mem.h"

#include <string.h>

#define DEFAULT_ENTRIES 4096u
#define MAX_ENTRIES 1048576u
#define MAX_TTL_MS 86400000u

typedef struct cache {
    bulla_provider base;
    bulla_provider_ops ops; /* as able as what it wraps */
    bulla_provider *inner;
    uint32_t ttl_ms;
    bulla_cachetable table;
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

static bulla_status cache_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    cache *self = self_of(provider);
    bulla_cachekey key;
    bulla_cachetable_key(&self->table, wrapped, context, &key);
    bulla_secret *dek = bulla_cachetable_find(&self->table, &key, self->table.env->ticks_ns(self->table.env->arg));
    if (BULLA_UNLIKELY(dek == NULL)) return cache_miss(self, call, context, wrapped, &key, out_dek);
    *out_dek = dek;
    return BULLA_OK;
}

/* What is further in goes first: a miss that ran between the two would bring a stale key back out. */
static void cache_purge(bulla_provider *provider, bulla_view key_id)
{
    cache *self = self_of(provider);
    bulla_provider_purge(self->inner, key_id);
    bulla_cachetable_purge(&self->table, key_id);
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
    bulla_provider_unref(self->inner);
    bulla_free(env, self);
}

static const bulla_provider_ops cache_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "cache",
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
    self->ops.can = bulla_provider_can(inner);
    self->ops.idempotent = bulla_provider_idempotent(inner);
    self->inner = bulla_provider_ref(inner);
    self->ttl_ms = read.ttl_ms;
    self->table.env = bulla_env_of(call);
    bulla_provider_init(&self->base, &self->ops);
    BULLA_TRY(bulla_cachetable_init(&self->table, call, read.max_entries, read.max_uses));
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
    bulla_cachetable_stats(&self->table, self->table.env->ticks_ns(self->table.env->arg), &stats);
    *out_stats = stats;
    return BULLA_OK;
}
