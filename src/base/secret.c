/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs of equal slots between guard pages, one list of slabs for each slot size. What tells free slots from used ones
 * lies outside the slab: the slab's pages are locked, left out of dumps and read as zero in a forked child, so nothing
 * in them can be relied on there.
 */
#include "base/secret.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define LIVE UINT64_C(0xB5C1A7EDB5C1A7ED)
#define CANARY UINT64_C(0x9E3779B97F4A7C15)
#define SLAB_LEN ((size_t)64 * 1024)
#define MAX_SLOTS (SLAB_LEN / 128)

typedef struct slab {
    struct slab *next;
    uint8_t *pages;
    size_t pages_len, slot_len, num_slots, num_used;
    size_t locked_after;           /* so many forks were its pages locked in this process; SIZE_MAX: never */
    bool wiped_by_kernel;          /* in a forked child */
    uint64_t used[MAX_SLOTS / 64]; /* one bit a slot */
} slab;

struct bulla_secret {
    uint64_t live;
    slab *home;
    size_t refs, len;
    uint8_t pad[32];
    uint8_t bytes[];
};
_Static_assert(sizeof(struct bulla_secret) == 64, "bytes are aligned to 64");

static const size_t slot_lens[] = {128, 512, 2048, 8192};
#define LARGE BULLA_LEN(slot_lens) /* the list of slabs for one secret that fits no slot */
static slab *slabs[LARGE + 1];
static pthread_mutex_t arena_lock = PTHREAD_MUTEX_INITIALIZER;
static bool watches_forks; /* under arena_lock, as the next */
static size_t num_forks;   /* that this process descends by */

void bulla_wipe(void *ptr, size_t len)
{
    if (len == 0) return;
    memset(ptr, 0, len);
    __asm__ volatile("" : : "r"(ptr) : "memory");
}

void bulla_wiped_span_done(struct bulla_wiped_span *span)
{
    bulla_wipe(span->ptr, span->len);
}

static void lock_arena(void)
{
    (void)pthread_mutex_lock(&arena_lock);
}

static void unlock_arena(void)
{
    (void)pthread_mutex_unlock(&arena_lock);
}

/* What the kernel does not empty is emptied here. */
static void enter_child(void)
{
    num_forks++;
    for (size_t kind = 0; kind <= LARGE; kind++)
        for (const slab *home = slabs[kind]; home != NULL; home = home->next)
            if (!home->wiped_by_kernel) bulla_wipe(home->pages, home->pages_len);
    unlock_arena();
}

/* Before the first secret, or a forked child would have it. */
static bool watch_forks(void)
{
    if (!watches_forks) watches_forks = pthread_atfork(lock_arena, unlock_arena, enter_child) == 0;
    return watches_forks;
}

/* Pages between two that fault, left out of dumps. NULL when that cannot be had. */
static uint8_t *map_pages(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *all = mmap(NULL, len + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return NULL;
    uint8_t *pages = all + page;
    if (mprotect(pages, len, PROT_READ | PROT_WRITE) == 0 && madvise(pages, len, MADV_DONTDUMP) == 0) return pages;
    (void)munmap(all, len + 2 * page);
    return NULL;
}

static void unmap_pages(uint8_t *pages, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)munmap(pages - page, len + 2 * page);
}

static slab *slab_new(size_t slot_len, size_t num_slots)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    slab *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    made->pages_len = (slot_len * num_slots + page - 1) / page * page;
    made->pages = map_pages(made->pages_len);
    if (made->pages == NULL) {
        free(made);
        return NULL;
    }
    /* Linux before 4.14 and some sandboxes cannot. */
    made->wiped_by_kernel = madvise(made->pages, made->pages_len, MADV_WIPEONFORK) == 0;
    made->slot_len = slot_len;
    made->num_slots = num_slots;
    made->locked_after = SIZE_MAX;
    return made;
}

/* Once in each process: a forked child inherits the pages, empty, but no locks. */
static bool slab_lock(slab *home)
{
    if (home->locked_after == num_forks) return true;
    home->locked_after = num_forks;
    return mlock(home->pages, home->pages_len) == 0;
}

static bulla_secret *slot_at(const slab *home, size_t index)
{
    return (bulla_secret *)(void *)(home->pages + index * home->slot_len);
}

static bulla_secret *slab_take(slab *home)
{
    for (size_t word = 0; word * 64 < home->num_slots; word++) {
        if (home->used[word] == UINT64_MAX) continue;
        size_t index = word * 64 + (size_t)__builtin_ctzll(~home->used[word]);
        if (index >= home->num_slots) return NULL;
        home->used[word] |= UINT64_C(1) << (index % 64);
        home->num_used++;
        return slot_at(home, index);
    }
    return NULL;
}

/* A free slot for `total` bytes; the slab is told in *out_home. Call with the arena locked. */
static bulla_secret *arena_take(size_t total, slab **out_home)
{
    size_t kind = 0;
    while (kind < LARGE && slot_lens[kind] < total)
        kind++;
    for (slab *home = slabs[kind]; home != NULL; home = home->next) {
        bulla_secret *slot = kind != LARGE && home->num_used < home->num_slots ? slab_take(home) : NULL;
        if (slot == NULL) continue;
        *out_home = home;
        return slot;
    }
    slab *made = kind == LARGE ? slab_new(total, 1) : slab_new(slot_lens[kind], SLAB_LEN / slot_lens[kind]);
    if (made == NULL) return NULL;
    made->next = slabs[kind];
    slabs[kind] = made;
    *out_home = made;
    return slab_take(made);
}

static void large_free(slab *home)
{
    slab **link = &slabs[LARGE];
    while (*link != home)
        link = &(*link)->next;
    *link = home->next;
    unmap_pages(home->pages, home->pages_len);
    free(home);
}

static void arena_give(slab *home, const bulla_secret *slot)
{
    size_t index = (size_t)((const uint8_t *)slot - home->pages) / home->slot_len;
    home->used[index / 64] &= ~(UINT64_C(1) << (index % 64));
    home->num_used--;
    if (home->slot_len > slot_lens[LARGE - 1]) large_free(home);
}

bulla_status bulla_secret_new(bulla_call *call, size_t len, bulla_secret **out_secret)
{
    if (len == 0 || len > BULLA_MAX_SECRET)
        return bulla_fail(call, BULLA_EINVAL, "a secret holds 1 to %u bytes, not %zu", BULLA_MAX_SECRET, len);
    slab *home = NULL;
    lock_arena();
    bulla_secret *slot = watch_forks() ? arena_take(sizeof *slot + len + sizeof(uint64_t), &home) : NULL;
    bool is_locked = slot == NULL || slab_lock(home);
    unlock_arena();
    if (slot == NULL)
        return bulla_fail(call, BULLA_ENOMEM,
                          "no memory for a key of %zu bytes that stays out of core files and forked children", len);
    if (!is_locked) /* said here, not under the lock: the program's log may want a secret too */
        bulla_log(bulla_env_of(call), BULLA_LOG_WARN,
                  "cannot lock %zu bytes of key memory: raise RLIMIT_MEMLOCK or keys may reach the swap",
                  home->pages_len);
    uint64_t canary = CANARY;
    slot->live = LIVE;
    slot->home = home;
    slot->refs = 1;
    slot->len = len;
    memcpy(slot->bytes + len, &canary, sizeof canary);
    *out_secret = slot;
    return BULLA_OK;
}

bulla_status bulla_secret_copy(bulla_call *call, bulla_view bytes, bulla_secret **out_secret)
{
    bulla_secret *secret = NULL;
    if (bytes.data == NULL && bytes.len != 0) return bulla_fail(call, BULLA_EINVAL, "a secret is made of NULL");
    BULLA_TRY(bulla_secret_new(call, bytes.len, &secret));
    memcpy(secret->bytes, bytes.data, bytes.len);
    *out_secret = secret;
    return BULLA_OK;
}

bool bulla_secret_is_live(const bulla_secret *secret)
{
    return secret->live == LIVE;
}

uint8_t *bulla_secret_fill(bulla_secret *secret)
{
    return bulla_secret_is_live(secret) ? secret->bytes : NULL;
}

bulla_view bulla_secret_borrow(const bulla_secret *secret)
{
    if (secret == NULL || !bulla_secret_is_live(secret)) return (bulla_view){NULL, 0};
    return (bulla_view){secret->bytes, secret->len};
}

bulla_secret *bulla_secret_ref(bulla_secret *secret)
{
    if (secret != NULL && bulla_secret_is_live(secret)) bulla_refs_take(&secret->refs);
    return secret;
}

void bulla_secret_unref(bulla_secret *secret)
{
    if (secret == NULL || !bulla_secret_is_live(secret)) return; /* emptied by a fork: nothing is left to wipe */
    if (!bulla_refs_drop(&secret->refs)) return;
    uint64_t canary;
    memcpy(&canary, secret->bytes + secret->len, sizeof canary);
    if (canary != CANARY) bulla_panic("a secret was written past its end");
    slab *home = secret->home;
    bulla_wipe(secret, sizeof *secret + secret->len + sizeof canary);
    lock_arena();
    arena_give(home, secret);
    unlock_arena();
}
