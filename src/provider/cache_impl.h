/* SPDX-License-Identifier: Apache-2.0 */
/* The unwrap cache from inside: what its parts share. */
#ifndef BULLA_PROVIDER_CACHE_IMPL_H
#define BULLA_PROVIDER_CACHE_IMPL_H

#include "provider/cachereuse.h"
#include "provider/cachetable.h"
#include "provider/crew.h"
#include "provider/flights.h"
#include "provider/keyhash.h"

#define BULLA_CACHE_LANES 16u

typedef struct bulla_cache {
    bulla_provider base;
    bulla_provider_ops ops; /* as able as what it wraps, and under its name */
    bulla_provider *inner;
    bulla_cache_options options;
    bulla_keyhash hash;
    bulla_cachetable table;
    bulla_cachetable *lanes[BULLA_CACHE_LANES]; /* each made when first needed */
    bulla_cachetable refusals;                  /* memory NULL: none are remembered */
    bulla_flights flights;
    bulla_reuse reuse;
    bulla_crew *crew; /* refreshes; NULL: nothing is asked for but by requests */

    int is_offline;            /* the store did not answer when it was asked last */
    int64_t offline_since_ns;  /* while offline */
    int64_t recovers_until_ns; /* after it: what ended meanwhile is renewed one by one and not all at once */
    int64_t next_ask_ns;       /* while offline or so: what can be served is not asked for before */
    int64_t next_doubt_ns;     /* before that nobody doubts what the store has said twice */
    uint64_t shared_flights, refreshed, offline_hits, negative_hits, reused;
} bulla_cache;

/* An unwrap on its way. */
typedef struct bulla_question {
    bulla_cachekey key;
    bulla_context *context;
    const bulla_wrapped *wrapped;
} bulla_question;

bulla_question bulla_question_of(const bulla_cache *cache, bulla_context *context, const bulla_wrapped *wrapped);

static inline int64_t bulla_cache_now_ns(const bulla_cache *cache)
{
    return cache->table.env->ticks_ns(cache->table.env->arg);
}

static inline void bulla_cache_count(uint64_t *counter)
{
    (void)__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* True for one caller in `pause_ns`. */
static inline bool bulla_cache_take_turn(int64_t *next_ns, int64_t now_ns, int64_t pause_ns)
{
    int64_t due_ns = __atomic_load_n(next_ns, __ATOMIC_RELAXED);
    return now_ns >= due_ns &&
           __atomic_compare_exchange_n(next_ns, &due_ns, now_ns + pause_ns, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Between two requests for entries that there are, in good times and at most: each is renewed once within its TTL. */
static inline int64_t bulla_cache_pace_ns(const bulla_cache *cache)
{
    uint64_t num_entries = __atomic_load_n(cache->table.num_entries, __ATOMIC_RELAXED);
    return cache->options.ttl_ms * INT64_C(1000000) / (num_entries == 0 ? 1 : (int64_t)num_entries);
}

/* cacheask.c: what was not found is asked for, once for all who want it; or given out late, where that is allowed. */
BULLA_MUST_USE bulla_status bulla_cache_ask(bulla_cache *cache, bulla_call *call, const bulla_question *question,
                                            bulla_secret **out_dek);

/* Has a thread ask for an entry that was just used, unless somebody has renewed it so that it ends after `expires_ns`
 * (0: whatever is there). False: nobody will. */
bool bulla_cache_refresh(bulla_cache *cache, const bulla_question *question, int64_t expires_ns);

/* cache.c: removes one key from the table and from all copies of it. */
void bulla_cache_forget(bulla_cache *cache, const bulla_cachekey *key);

#endif
