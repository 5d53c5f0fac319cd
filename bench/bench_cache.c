/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hit of the unwrap cache, from the wrapped key to the data key and its release, against a bare EVP seal of 32 bytes;
 * and two threads on one cache against one thread. The threads walk over the same entries from different places; the
 * row "hot" is both on a single entry.
 */
#include "bench.h"

#include <pthread.h>
#include <string.h>

#define NUM_ENTRIES 64u

typedef struct work {
    bulla_provider *cache;
    bulla_context *context;
    bulla_wrapped *wrapped[NUM_ENTRIES];
    size_t num_entries; /* that are walked over */
} work;

typedef struct walker {
    const work *work;
    size_t next;
    uint64_t num;
    bulla_call call;
} walker;

static walker walker_of(const work *w, size_t first, uint64_t num)
{
    walker made = {.work = w, .next = first, .num = num};
    bulla_call_init(&made.call, NULL);
    return made;
}

static void hit(void *arg, uint64_t num)
{
    walker *me = arg;
    const work *w = me->work;
    for (uint64_t i = 0; i < num; i++) {
        bulla_secret *dek = NULL;
        const bulla_wrapped *wrapped = w->wrapped[me->next++ % w->num_entries];
        bench_must(bulla_provider_unwrap(w->cache, &me->call, w->context, wrapped, &dek) == BULLA_OK,
                   "the cache failed");
        bulla_secret_unref(dek);
    }
}

static void *hit_in_thread(void *arg)
{
    walker *me = arg;
    hit(me, me->num);
    return NULL;
}

/* Both threads do `num` each: the time of one piece of work is that of both together, halved. */
static double time_of_two(const work *w, uint64_t num)
{
    walker walkers[2] = {walker_of(w, 0, num), walker_of(w, NUM_ENTRIES / 2, num)};
    pthread_t thread;
    double start = bench_now_ns();
    bench_must(pthread_create(&thread, NULL, hit_in_thread, &walkers[0]) == 0, "no thread");
    hit(&walkers[1], num);
    bench_must(pthread_join(thread, NULL) == 0, "no thread");
    return (bench_now_ns() - start) / (double)(2 * num);
}

static double time_of_one(const work *w, uint64_t num)
{
    walker alone = walker_of(w, 0, num);
    double start = bench_now_ns();
    hit(&alone, num);
    return (bench_now_ns() - start) / (double)num;
}

/* Samples are long here: a thread has to be started in each. */
static void two_threads(const bench_setup *b, const work *w, const char *row)
{
    double two[31], one[31];
    size_t num_samples = b->quick ? 3 : 31;
    uint64_t num = b->quick ? 100 : 200000;
    for (size_t i = 0; i < num_samples; i++) {
        two[i] = time_of_two(w, num);
        one[i] = time_of_one(w, num);
    }
    bench_print(b, row, two, one, num_samples);
}

static void work_init(bench_setup *b, work *w)
{
    const bulla_pair pair = {{(const uint8_t *)"table", 5}, {(const uint8_t *)"customers", 9}};
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 3600 * 1000};
    memset(w, 0, sizeof *w);
    w->num_entries = NUM_ENTRIES;
    bench_ok(b, bulla_context_new(&b->call, &pair, 1, &w->context));
    bench_ok(b, bulla_cache_new(&b->call, b->key, &options, &w->cache));
    for (size_t i = 0; i < NUM_ENTRIES; i++) {
        bulla_secret *dek = NULL;
        bench_ok(b, bulla_provider_datakey(w->cache, &b->call, w->context, 32, &dek, &w->wrapped[i]));
        bulla_secret_unref(dek);
    }
    walker fill = walker_of(w, 0, 0);
    hit(&fill, NUM_ENTRIES);
}

static void work_done(work *w)
{
    for (size_t i = 0; i < NUM_ENTRIES; i++)
        bulla_wrapped_free(w->wrapped[i]);
    bulla_provider_unref(w->cache);
    bulla_context_unref(w->context);
}

int main(int argc, char **argv)
{
    static work w;
    static bench_evp evp;
    bench_setup b;
    bench_init(&b, argc, argv);
    bench_evp_init(&evp, 32);
    work_init(&b, &w);
    walker one = walker_of(&w, 0, 0);
    bench_pair(&b, "cache_hit", 5000, (bench_side){hit, &one}, (bench_side){bench_evp_seal, &evp});
    two_threads(&b, &w, "cache_two_threads");
    w.num_entries = 1;
    two_threads(&b, &w, "cache_two_threads_hot");
    work_done(&w);
    bench_evp_done(&evp);
    bench_done(&b);
    return 0;
}
