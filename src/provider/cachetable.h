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
    /* Of a table of copies: what is swept with it, for hits do not get there. Or NULL. */
    struct bulla_cachetable *origin;
    /* Tables of copies of its entries, some of them NULL: who hits one there uses the entry here. Or NULL. */
    struct bulla_cachetable **copies;
    size_t num_copies;
    bulla_secret *memory; /* holds what the next six point to */
    bulla_cacheshard *shards;
    bulla_cacheentry **buckets;
    uint64_t *generation; /* counts purges */
    uint64_t *num_entries;
    uint64_t *num_bytes; /* of the parts of all entries */
    uint64_t *sweep_cursor;
    size_t num_shards, buckets_per_shard; /* powers of two */
    uint64_t max_entries, max_uses;
    uint64_t max_bytes; /* 0: no limit */
    int64_t keep_ns;    /* how long an entry stays after its end, for bulla_cachetable_find_stale */
} bulla_cachetable;

/* What an entry is found by. Views are borrowed. */
typedef struct bulla_cachekey {
    bulla_view parts[4]; /* provider, info, blob, context */
    uint64_t hash;       /* of the parts, keyed */
    unsigned lane;       /* of the thread that asks */
} bulla_cachekey;

/* What is kept under it. */
typedef struct bulla_cachevalue {
    bulla_secret *dek;    /* NULL in a table of refusals */
    bulla_status refusal; /* there: what the store said */
    int64_t soft_ns;      /* from then on the first hit says that a refresh is due */
    int64_t expires_ns;
} bulla_cachevalue;

typedef struct bulla_cachehit {
    bulla_secret *dek; /* one more reference; NULL: a miss, or a refusal */
    int64_t soft_ns, expires_ns;
    bulla_status refusal;
    bool shared; /* threads of several lanes take turns with this entry */
    bool is_due; /* this hit, and no later one, is to see to a refresh */
} bulla_cachehit;

/* `call` may be NULL: nobody to tell. Entries come from env's allocator. */
BULLA_MUST_USE bulla_status bulla_cachetable_init(bulla_cachetable *table, bulla_call *call, const bulla_env *env,
                                                  uint32_t max_entries, uint64_t max_uses);
void bulla_cachetable_done(bulla_cachetable *table);

bulla_cachehit bulla_cachetable_find(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns);

/* The same for somebody who has been told before that it is not there: a second miss is not counted. */
bulla_cachehit bulla_cachetable_find_again(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns);

/* An entry that is past its end by less than keep_ns, or not at all. */
bulla_cachehit bulla_cachetable_find_stale(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns);

/* When the entry ends; 0 when there is none. Not a use of it. */
int64_t bulla_cachetable_end_ns(bulla_cachetable *table, const bulla_cachekey *key);

/* To be read before the store is asked, for bulla_cachetable_put. */
uint64_t bulla_cachetable_generation(const bulla_cachetable *table);

/* Takes a reference to the value's key. Nothing is put when there was a purge since `generation`, or no memory. */
void bulla_cachetable_put(bulla_cachetable *table, const bulla_cachekey *key, const bulla_cachevalue *value,
                          int64_t now_ns, uint64_t generation);

/* Removes one entry, and forbids what was asked before and is about to be put: always, or only when there was one. */
void bulla_cachetable_forget(bulla_cachetable *table, const bulla_cachekey *key, bool always);

/* Has an entry found no more until the store was asked again; but as a stale one it is, for want of an answer. False:
 * there is none, it is so already, or the store has said the same twice, which counts unless `even_settled`. */
bool bulla_cachetable_doubt(bulla_cachetable *table, const bulla_cachekey *key, bool even_settled);

/* Removes the entries whose info starts with `key_id`. */
void bulla_cachetable_purge(bulla_cachetable *table, bulla_view key_id);

/* Adds up what a table counts, after letting go of what is past its time. */
void bulla_cachetable_stats(bulla_cachetable *table, int64_t now_ns, bulla_cache_stats *out_stats);

/* The end of the entry that ends first; INT64_MAX when there is none. */
int64_t bulla_cachetable_first_end_ns(bulla_cachetable *table);

#endif
