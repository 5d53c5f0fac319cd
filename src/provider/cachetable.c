/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/cachetable.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <sched.h>

#define MAX_SHARDS 64u
#define SHARD_ENTRIES 64u    /* a cache of fewer entries in all has one shard */
#define MAX_BUCKETS 65536u   /* keeps the table within one secret; beyond it chains grow, to 16 at most */
#define SWEEP_STEPS 32u      /* entries looked at while a lock is held */
#define SECOND_CHANCES 64u   /* the same, when one must go */
#define SHARED_TURNS 4u      /* until an entry counts as shared */
#define HITS_PER_SWEEP 1024u /* hits in a shard until another shard is swept too */

struct bulla_cacheentry {
    bulla_cacheentry *chain;         /* the next of its bucket; later, of what is to be released */
    bulla_cacheentry *newer, *older; /* ring of the shard, by expiry */
    uint64_t hash, uses;
    int64_t soft_ns, expires_ns; /* soft: not after expires */
    bulla_secret *dek;
    uint8_t refusal; /* bulla_status */
    bool referenced; /* hit since the clock's hand passed */
    bool is_doubted; /* to be asked for anew */
    bool is_settled; /* was asked for anew, and the store said the same */
    uint8_t turns;   /* how often another lane than the last one hit it, up to SHARED_TURNS */
    unsigned lane;   /* that hit it last */
    size_t lens[4];
    uint8_t bytes[]; /* the four parts */
};

struct bulla_cacheshard {
    uint32_t locked;
    int64_t next_expiry_ns; /* not after the first time at which an entry must go */
    bulla_cacheentry *oldest, *hand;
    uint64_t hits, misses, expired, used_up, evicted, purged;
    uint8_t pad[48];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct bulla_cacheshard) == 128, "two lines: neighbours do not slow each other down");

/* Counters that every shard shares: in the table's memory, on a line of their own. */
typedef struct counters {
    uint64_t generation, num_entries, num_bytes, sweep_cursor;
    uint8_t pad[32];
} counters;

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static __attribute__((noinline)) void shard_wait(bulla_cacheshard *shard)
{
    for (unsigned spins = 0; __atomic_load_n(&shard->locked, __ATOMIC_RELAXED) != 0; spins++) {
        if (spins < 256)
            cpu_relax();
        else
            (void)sched_yield(); /* its holder was interrupted */
    }
}

static inline void shard_lock(bulla_cacheshard *shard)
{
    while (__atomic_exchange_n(&shard->locked, 1, __ATOMIC_ACQUIRE) != 0)
        shard_wait(shard);
}

static inline void shard_unlock(bulla_cacheshard *shard)
{
    __atomic_store_n(&shard->locked, 0, __ATOMIC_RELEASE);
}

static size_t power_of_two(size_t at_least)
{
    size_t power = 1;
    while (power < at_least)
        power *= 2;
    return power;
}

bulla_status bulla_cachetable_init(bulla_cachetable *table, bulla_call *call, const bulla_env *env,
                                   uint32_t max_entries, uint64_t max_uses)
{
    size_t wanted = power_of_two(max_entries);
    table->env = env;
    table->max_entries = max_entries;
    table->max_uses = max_uses;
    table->num_shards = wanted / SHARD_ENTRIES < 1            ? 1
                        : wanted / SHARD_ENTRIES > MAX_SHARDS ? MAX_SHARDS
                                                              : wanted / SHARD_ENTRIES;
    table->buckets_per_shard = (wanted > MAX_BUCKETS ? MAX_BUCKETS : wanted) / table->num_shards;
    size_t shards_len = table->num_shards * sizeof(bulla_cacheshard);
    size_t buckets_len = table->num_shards * table->buckets_per_shard * sizeof(bulla_cacheentry *);
    BULLA_TRY(bulla_secret_new(call, sizeof(counters) + shards_len + buckets_len, &table->memory));
    uint8_t *memory = bulla_secret_fill(table->memory);
    counters *counts = (counters *)(void *)memory;
    table->generation = &counts->generation;
    table->num_entries = &counts->num_entries;
    table->num_bytes = &counts->num_bytes;
    table->sweep_cursor = &counts->sweep_cursor;
    table->shards = (bulla_cacheshard *)(void *)(memory + sizeof(counters));
    table->buckets = (bulla_cacheentry **)(void *)(memory + sizeof(counters) + shards_len);
    return BULLA_OK;
}

void bulla_cachetable_done(bulla_cachetable *table)
{
    if (table->memory == NULL) return;
    bulla_cachetable_purge(table, (bulla_view){NULL, 0});
    bulla_secret_unref(table->memory);
}

static inline bulla_cacheshard *shard_of(const bulla_cachetable *table, uint64_t hash)
{
    return &table->shards[hash & (table->num_shards - 1)];
}

static inline bulla_cacheentry **bucket_of(const bulla_cachetable *table, uint64_t hash)
{
    size_t shard = hash & (table->num_shards - 1), bucket = (hash >> 32) & (table->buckets_per_shard - 1);
    return &table->buckets[shard * table->buckets_per_shard + bucket];
}

/* For parts of some tens of bytes: four calls of memcmp cost as much as the rest of a hit. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint64_t x, y, differ = 0;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        differ |= x ^ y;
    }
    for (; i < len; i++)
        differ |= (uint64_t)(a[i] ^ b[i]);
    return differ == 0;
}

static inline size_t entry_bytes(const bulla_cacheentry *entry)
{
    return entry->lens[0] + entry->lens[1] + entry->lens[2] + entry->lens[3];
}

static inline bool entry_is(const bulla_cacheentry *entry, const bulla_cachekey *key)
{
    if (entry->hash != key->hash) return false;
    const uint8_t *at = entry->bytes;
    for (size_t i = 0; i < 4; i++) {
        if (key->parts[i].len != entry->lens[i] || !same_bytes(key->parts[i].data, at, entry->lens[i])) return false;
        at += entry->lens[i];
    }
    return true;
}

static inline bulla_cacheentry *chain_find(const bulla_cachetable *table, const bulla_cachekey *key)
{
    bulla_cacheentry *entry = *bucket_of(table, key->hash);
    while (entry != NULL && !entry_is(entry, key))
        entry = entry->chain;
    return entry;
}

/* --- with the shard's lock held --- */

/* Puts an entry into the ring, behind all that do not expire after it. Mostly that is the end: only copies, and answers
 * of a store that was slow, come late. */
static void ring_insert(bulla_cacheshard *shard, bulla_cacheentry *entry)
{
    bulla_cacheentry *oldest = shard->oldest, *before = oldest == NULL ? NULL : oldest->older;
    if (oldest == NULL) {
        entry->newer = entry->older = entry;
        shard->oldest = entry;
        return;
    }
    while (before != oldest && before->expires_ns > entry->expires_ns)
        before = before->older;
    if (before->expires_ns > entry->expires_ns) { /* it is older than the oldest, which the newest precedes */
        before = oldest->older;
        shard->oldest = entry;
    }
    entry->older = before;
    entry->newer = before->newer;
    entry->newer->older = entry;
    before->newer = entry;
}

static void entry_link(bulla_cachetable *table, bulla_cacheshard *shard, bulla_cacheentry *entry)
{
    bulla_cacheentry **bucket = bucket_of(table, entry->hash);
    entry->chain = *bucket;
    *bucket = entry;
    ring_insert(shard, entry);
    if (entry->expires_ns + table->keep_ns < shard->next_expiry_ns)
        shard->next_expiry_ns = entry->expires_ns + table->keep_ns;
    (void)__atomic_fetch_add(table->num_entries, 1, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(table->num_bytes, entry_bytes(entry), __ATOMIC_RELAXED);
}

/* Moves an entry to the list of those to release once the lock is given back. */
static void entry_drop(bulla_cachetable *table, bulla_cacheshard *shard, bulla_cacheentry *entry,
                       bulla_cacheentry **dropped)
{
    bulla_cacheentry **link = bucket_of(table, entry->hash), *newer = entry->newer == entry ? NULL : entry->newer;
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    entry->older->newer = entry->newer;
    entry->newer->older = entry->older;
    if (shard->oldest == entry) shard->oldest = newer;
    if (shard->hand == entry) shard->hand = newer;
    entry->chain = *dropped;
    *dropped = entry;
    (void)__atomic_fetch_sub(table->num_entries, 1, __ATOMIC_RELAXED);
    (void)__atomic_fetch_sub(table->num_bytes, entry_bytes(entry), __ATOMIC_RELAXED);
}

/* The ring is in the order of expiry. */
static void shard_sweep(bulla_cachetable *table, bulla_cacheshard *shard, int64_t now_ns, bulla_cacheentry **dropped)
{
    int64_t ended_ns = now_ns - table->keep_ns;
    for (unsigned i = 0; i < SWEEP_STEPS && shard->oldest != NULL && shard->oldest->expires_ns <= ended_ns; i++) {
        shard->expired++;
        entry_drop(table, shard, shard->oldest, dropped);
    }
    shard->next_expiry_ns = shard->oldest == NULL ? INT64_MAX : shard->oldest->expires_ns + table->keep_ns;
}

static bulla_cachehit entry_use(bulla_cachetable *table, bulla_cacheshard *shard, bulla_cacheentry *entry,
                                unsigned lane, bulla_cacheentry **dropped)
{
    shard->hits++;
    entry->referenced = true;
    if (entry->lane != lane) {
        entry->lane = lane;
        if (entry->turns < SHARED_TURNS) entry->turns++;
    }
    bulla_cachehit hit = {.dek = bulla_secret_ref(entry->dek),
                          .soft_ns = entry->soft_ns,
                          .expires_ns = entry->expires_ns,
                          .refusal = (bulla_status)entry->refusal,
                          .shared = entry->turns == SHARED_TURNS};
    if (BULLA_LIKELY(table->max_uses == 0 || ++entry->uses < table->max_uses)) return hit;
    shard->used_up++;
    entry_drop(table, shard, entry, dropped);
    return hit;
}

/* Hits in tables of copies do not come by here: whether one was hit there since this was asked last. Their locks are
 * taken within this one's, never the other way round. */
static bool copies_were_hit(const bulla_cachetable *table, const bulla_cacheentry *entry)
{
    bool were_hit = false;
    bulla_cachekey key = {.hash = entry->hash};
    const uint8_t *at = entry->bytes;
    for (size_t i = 0; i < BULLA_LEN(key.parts); at += entry->lens[i++])
        key.parts[i] = bulla_view_of(at, entry->lens[i]);
    for (size_t i = 0; i < table->num_copies; i++) {
        const bulla_cachetable *lane = __atomic_load_n(&table->copies[i], __ATOMIC_ACQUIRE);
        if (lane == NULL) continue;
        shard_lock(shard_of(lane, key.hash));
        bulla_cacheentry *copy = chain_find(lane, &key);
        if (copy != NULL && copy->referenced) {
            copy->referenced = false;
            were_hit = true;
        }
        shard_unlock(shard_of(lane, key.hash));
    }
    return were_hit;
}

static bool is_spared(const bulla_cachetable *table, bulla_cacheentry *entry)
{
    bool was_hit = entry->referenced;
    entry->referenced = false;
    return copies_were_hit(table, entry) || was_hit;
}

/* CLOCK: the hand goes from older to newer, spares what was hit since it came by last, and takes the first other one;
 * after so many spared ones it takes the next whatever it is, for the lock is held. */
static void shard_evict(bulla_cachetable *table, bulla_cacheshard *shard, const bulla_cacheentry *keep,
                        bulla_cacheentry **dropped)
{
    bulla_cacheentry *entry = shard->hand != NULL ? shard->hand : shard->oldest;
    if (entry == NULL || (entry == keep && entry->newer == entry)) return;
    for (unsigned spared = 0; entry == keep || (spared < SECOND_CHANCES && is_spared(table, entry)); spared++)
        entry = entry->newer;
    shard->evicted++;
    shard->hand = entry;
    entry_drop(table, shard, entry, dropped);
}

/* --- without --- */

static void release(const bulla_cachetable *table, bulla_cacheentry *dropped)
{
    while (dropped != NULL) {
        bulla_cacheentry *next = dropped->chain;
        bulla_secret_unref(dropped->dek);
        bulla_free(table->env, dropped);
        dropped = next;
    }
}

/* One more shard in turn, so that keys go on time whether or not anybody asks for their shard. */
static __attribute__((noinline)) void sweep_another(bulla_cachetable *table, int64_t now_ns)
{
    bulla_cacheentry *dropped = NULL;
    uint64_t turn = __atomic_fetch_add(table->sweep_cursor, 1, __ATOMIC_RELAXED);
    bulla_cacheshard *shard = &table->shards[turn & (table->num_shards - 1)];
    shard_lock(shard);
    if (now_ns >= shard->next_expiry_ns) shard_sweep(table, shard, now_ns, &dropped);
    shard_unlock(shard);
    release(table, dropped);
    if (table->origin != NULL) sweep_another(table->origin, now_ns);
}

/* With the shard's lock held: an entry that is near its end. */
static __attribute__((noinline)) bulla_cachehit entry_use_late(bulla_cachetable *table, bulla_cacheshard *shard,
                                                               bulla_cacheentry *entry, unsigned lane,
                                                               bulla_cacheentry **dropped)
{
    entry->soft_ns = entry->expires_ns;
    bulla_cachehit hit = entry_use(table, shard, entry, lane, dropped);
    hit.is_due = true;
    return hit;
}

static inline bulla_cachehit find(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns, unsigned misses)
{
    bulla_cacheshard *shard = shard_of(table, key->hash);
    bulla_cacheentry *dropped = NULL;
    bulla_cachehit hit = {.dek = NULL};
    shard_lock(shard);
    if (BULLA_UNLIKELY(now_ns >= shard->next_expiry_ns)) shard_sweep(table, shard, now_ns, &dropped);
    bulla_cacheentry *entry = chain_find(table, key);
    if (BULLA_LIKELY(entry != NULL && now_ns < entry->soft_ns))
        hit = entry_use(table, shard, entry, key->lane, &dropped);
    else if (entry != NULL && now_ns < entry->expires_ns && !entry->is_doubted)
        hit = entry_use_late(table, shard, entry, key->lane, &dropped);
    else
        shard->misses += misses;
    bool sweep_due = hit.dek != NULL && shard->hits % HITS_PER_SWEEP == 0;
    shard_unlock(shard);
    if (BULLA_UNLIKELY(dropped != NULL)) release(table, dropped);
    if (BULLA_UNLIKELY(sweep_due)) sweep_another(table, now_ns);
    return hit;
}

bulla_cachehit bulla_cachetable_find(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns)
{
    return find(table, key, now_ns, 1);
}

bulla_cachehit bulla_cachetable_find_again(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns)
{
    return find(table, key, now_ns, 0);
}

bulla_cachehit bulla_cachetable_find_stale(bulla_cachetable *table, const bulla_cachekey *key, int64_t now_ns)
{
    bulla_cacheshard *shard = shard_of(table, key->hash);
    bulla_cacheentry *dropped = NULL;
    bulla_cachehit hit = {.dek = NULL};
    shard_lock(shard);
    bulla_cacheentry *entry = chain_find(table, key);
    if (entry != NULL && now_ns < entry->expires_ns + table->keep_ns)
        hit = entry_use(table, shard, entry, key->lane, &dropped);
    shard_unlock(shard);
    release(table, dropped);
    return hit;
}

int64_t bulla_cachetable_end_ns(bulla_cachetable *table, const bulla_cachekey *key)
{
    bulla_cacheshard *shard = shard_of(table, key->hash);
    shard_lock(shard);
    const bulla_cacheentry *entry = chain_find(table, key);
    int64_t end_ns = entry == NULL ? 0 : entry->expires_ns;
    shard_unlock(shard);
    return end_ns;
}

uint64_t bulla_cachetable_generation(const bulla_cachetable *table)
{
    return __atomic_load_n(table->generation, __ATOMIC_ACQUIRE);
}

static bulla_cacheentry *entry_new(const bulla_cachetable *table, const bulla_cachekey *key,
                                   const bulla_cachevalue *value)
{
    size_t len = 0;
    for (size_t i = 0; i < 4; i++)
        len += key->parts[i].len;
    if (table->max_bytes != 0 && len > table->max_bytes) return NULL;
    bulla_cacheentry *entry = table->env->alloc(table->env->arg, sizeof *entry + len);
    if (entry == NULL) return NULL;
    *entry = (bulla_cacheentry){.hash = key->hash,
                                .soft_ns = value->soft_ns,
                                .expires_ns = value->expires_ns,
                                .dek = bulla_secret_ref(value->dek),
                                .refusal = (uint8_t)value->refusal,
                                .lane = key->lane};
    uint8_t *at = entry->bytes;
    for (size_t i = 0; i < 4; i++) {
        bulla_copy(at, key->parts[i].data, key->parts[i].len);
        entry->lens[i] = key->parts[i].len;
        at += key->parts[i].len;
    }
    return entry;
}

static bool is_over_full(const bulla_cachetable *table)
{
    return __atomic_load_n(table->num_entries, __ATOMIC_RELAXED) > table->max_entries ||
           (table->max_bytes != 0 && __atomic_load_n(table->num_bytes, __ATOMIC_RELAXED) > table->max_bytes);
}

static bool is_settled_by(const bulla_cacheentry *known, const bulla_cacheentry *answer)
{
    return (known->is_doubted || known->is_settled) &&
           bulla_view_equal(bulla_secret_borrow(known->dek), bulla_secret_borrow(answer->dek));
}

/* Takes one entry out, from the first shard that has one to give. */
static bool evict_one(bulla_cachetable *table, uint64_t hash, const bulla_cacheentry *keep)
{
    bulla_cacheentry *dropped = NULL;
    for (size_t i = 0; i < table->num_shards && dropped == NULL; i++) {
        bulla_cacheshard *shard = shard_of(table, hash + i);
        shard_lock(shard);
        shard_evict(table, shard, keep, &dropped);
        shard_unlock(shard);
    }
    bool evicted = dropped != NULL;
    release(table, dropped);
    return evicted;
}

void bulla_cachetable_put(bulla_cachetable *table, const bulla_cachekey *key, const bulla_cachevalue *value,
                          int64_t now_ns, uint64_t generation)
{
    bulla_cacheentry *entry = entry_new(table, key, value), *dropped = NULL;
    if (entry == NULL) return; /* a cache without memory is slower, not broken */
    bulla_cacheshard *shard = shard_of(table, key->hash);
    shard_lock(shard);
    bulla_cacheentry *known = chain_find(table, key);
    if (known != NULL) {
        entry->is_settled = is_settled_by(known, entry);
        entry_drop(table, shard, known, &dropped); /* another thread's; this one is newer */
    }
    /* A purge counts first and walks the shards then: seen here, or the entry is there when it comes by. */
    bool stale = bulla_cachetable_generation(table) != generation;
    if (!stale) entry_link(table, shard, entry);
    shard_unlock(shard);
    if (stale) {
        entry->chain = dropped;
        dropped = entry;
    }
    release(table, dropped);
    while (is_over_full(table) && evict_one(table, key->hash, entry)) {
    }
    sweep_another(table, now_ns);
}

/* The count goes up before the entry goes, as in a purge, and within the lock that a put of this key takes. */
void bulla_cachetable_forget(bulla_cachetable *table, const bulla_cachekey *key, bool always)
{
    bulla_cacheshard *shard = shard_of(table, key->hash);
    bulla_cacheentry *dropped = NULL;
    shard_lock(shard);
    bulla_cacheentry *known = chain_find(table, key);
    if (known != NULL || always) (void)__atomic_fetch_add(table->generation, 1, __ATOMIC_ACQ_REL);
    if (known != NULL) entry_drop(table, shard, known, &dropped);
    shard_unlock(shard);
    release(table, dropped);
}

bool bulla_cachetable_doubt(bulla_cachetable *table, const bulla_cachekey *key, bool even_settled)
{
    bulla_cacheshard *shard = shard_of(table, key->hash);
    shard_lock(shard);
    bulla_cacheentry *known = chain_find(table, key);
    bool is_news = known != NULL && !known->is_doubted && (even_settled || !known->is_settled);
    if (is_news) {
        known->is_doubted = true;
        known->soft_ns = INT64_MIN; /* no hit goes past the look at is_doubted */
    }
    shard_unlock(shard);
    return is_news;
}

static bool has_prefix(const bulla_cacheentry *entry, bulla_view key_id)
{
    return entry->lens[1] >= key_id.len &&
           bulla_view_equal(bulla_view_of(entry->bytes + entry->lens[0], key_id.len), key_id);
}

static void shard_purge(bulla_cachetable *table, bulla_cacheshard *shard, bulla_view key_id, bulla_cacheentry **dropped)
{
    bulla_cacheentry *entry = shard->oldest, *last = entry == NULL ? NULL : entry->older;
    while (entry != NULL) {
        bulla_cacheentry *next = entry == last ? NULL : entry->newer;
        if (has_prefix(entry, key_id)) {
            shard->purged++;
            entry_drop(table, shard, entry, dropped);
        }
        entry = next;
    }
}

void bulla_cachetable_purge(bulla_cachetable *table, bulla_view key_id)
{
    (void)__atomic_fetch_add(table->generation, 1, __ATOMIC_ACQ_REL);
    for (size_t i = 0; i < table->num_shards; i++) {
        bulla_cacheentry *dropped = NULL;
        shard_lock(&table->shards[i]);
        shard_purge(table, &table->shards[i], key_id, &dropped);
        shard_unlock(&table->shards[i]);
        release(table, dropped);
    }
}

void bulla_cachetable_stats(bulla_cachetable *table, int64_t now_ns, bulla_cache_stats *out_stats)
{
    for (size_t i = 0; i < table->num_shards; i++) {
        bulla_cacheshard *shard = &table->shards[i];
        bulla_cacheentry *dropped = NULL;
        shard_lock(shard);
        do
            shard_sweep(table, shard, now_ns, &dropped);
        while (now_ns >= shard->next_expiry_ns);
        out_stats->hits += shard->hits;
        out_stats->misses += shard->misses;
        out_stats->expired += shard->expired;
        out_stats->used_up += shard->used_up;
        out_stats->evicted += shard->evicted;
        out_stats->purged += shard->purged;
        shard_unlock(shard);
        release(table, dropped);
    }
    out_stats->entries = __atomic_load_n(table->num_entries, __ATOMIC_RELAXED);
    out_stats->bytes = __atomic_load_n(table->num_bytes, __ATOMIC_RELAXED);
}

int64_t bulla_cachetable_first_end_ns(bulla_cachetable *table)
{
    int64_t first_ns = INT64_MAX;
    for (size_t i = 0; i < table->num_shards; i++) {
        bulla_cacheshard *shard = &table->shards[i];
        shard_lock(shard);
        if (shard->oldest != NULL && shard->oldest->expires_ns < first_ns) first_ns = shard->oldest->expires_ns;
        shard_unlock(shard);
    }
    return first_ns;
}
