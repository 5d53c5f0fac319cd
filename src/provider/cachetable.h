/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwrap cache's table: opened data keys by what was unwrapped and with which context. Many shards, each with a
 * lock of its own that is held for some tens of nanoseconds and never while memory is taken, given back or wiped.
 *
 * The table lies in secret memory: not for its contents, but because a fork empties that, so a child never waits for a
 * lock that a thread of its parent holds and never sees entries whose keys are gone.
 */
#ifndef BULLA_PROVIDER_CACHETABLE_H
#define BULLA_PROVIDER_CACHETABLE_H

#include "base/secret.h"
#include "provider/provider.h"

typedef struct bulla_cacheshard bulla_cacheshard;
typedef struct bulla_cacheentry bulla_cacheentry;

typedef struct bulla_cachetable {
    const bulla_env *env;
    struct bulla_cachetable
        *origin;          /* of a table of copies: what is swept with it, for hits do not get there. Or NULL */
    bulla_secret *memory; /* holds what the next five point to */
    bulla_cacheshard *shards;
    bulla_cacheentry **buckets;
    uint64_t *generation; /* counts purges */
    uint64_t *num_entries;
    uint64_t *sweep_cursor;
    size_t num_shards, buckets_per_shard; /* powers of two */
    uint64_t max_entries, max_uses;
} bulla_cachetable;

/* What an entry is found by. Views are borrowed. */
typedef struct bulla_cachekey {
    bulla_view parts[4]; /* provider, info, blob, context */
    uint64_t hash;       /* of the parts, keyed */
    unsigned lane;       /* of the thread that asks */
} bulla_cachekey;

typedef struct bulla_cachehit {
    bulla_secret *dek; /* one more reference; NULL: a miss */
    int64_t expires_ns;
    bool shared; /* threads of several lanes take turns with this entry */
} bulla_cachehit;

/* `call` may be NULL: nobody to tell. Entries come from env's allocator. */
BULLA_MUST_USE bulla_status bulla_cachetable_init(bulla_cachetable *table, bulla_call *call, const bulla_env *env,
                                                  uint32_t max_entries, uint64_t max_uses);
void bulla_cachetable_done(bulla_cachetable *table);

bulla_cachehit bulla_cachetable_find(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns);

/* To be read before the store is asked, for bulla_cachetable_put. */
uint64_t bulla_cachetable_generation(const bulla_cachetable *table);

/* Takes a reference to `dek`. Nothing is put when there was a purge since `generation`, or no memory. */
void bulla_cachetable_put(bulla_cachetable *table, const bulla_cachekey *key, bulla_secret *dek, int64_t now_ns,
                          int64_t expires_ns, uint64_t generation);

/* Removes the entries whose info starts with `key_id`. */
void bulla_cachetable_purge(bulla_cachetable *table, bulla_view key_id);

/* Adds up everything but ttl_ms, after letting go of what has expired. */
void bulla_cachetable_stats(bulla_cachetable *table, int64_t now_ns, bulla_cache_stats *out_stats);

#endif
