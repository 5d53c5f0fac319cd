/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrapping a data key again in memory: the old version's record opened, a new one sealed, 16 bytes bound, against a
 * bare EVP open and seal of 32 bytes; and one engine against the other.
 */
#include "bench.h"

#include "crypto/aead.h"
#include "envelope/record.h"

#include <string.h>

#define NUM_RECORDS 1024u /* more than one, as in a store; few enough for the processor's cache */
#define RECORD_LEN (32u + BULLA_RECORD_OVERHEAD)

typedef struct work {
    bulla_record_key from, to;
    uint8_t bound[16];
    uint8_t records[NUM_RECORDS][RECORD_LEN], out[RECORD_LEN];
    size_t next;
} work;

static void rewrap(void *arg, uint64_t num)
{
    work *w = arg;
    for (uint64_t i = 0; i < num; i++) {
        bulla_view record = {w->records[w->next++ % NUM_RECORDS], RECORD_LEN};
        bench_must(bulla_record_rewrap(&w->from, &w->to, NULL, (bulla_view){w->bound, sizeof w->bound}, record,
                                       w->out) == BULLA_OK,
                   "a data key was not wrapped again");
    }
}

static void work_init(bench_setup *b, work *w, const char *engine)
{
    uint8_t material[32] = {0}, dek[32] = {0};
    memset(w, 0, sizeof *w);
    bulla_status status = bulla_aead_engine_set(&b->call, engine);
    bench_ok(b, status);
    w->from.version = 1;
    w->to.version = 2;
    bench_ok(b, bulla_aead_new(&b->call, (bulla_view){material, 32}, &w->from.aead));
    material[0] = 1;
    bench_ok(b, bulla_aead_new(&b->call, (bulla_view){material, 32}, &w->to.aead));
    for (size_t i = 0; i < NUM_RECORDS; i++)
        bench_ok(b, bulla_record_seal(&w->from, &b->call, (bulla_view){w->bound, sizeof w->bound},
                                      (bulla_view){dek, sizeof dek}, w->records[i]));
}

static void work_done(work *w)
{
    bulla_aead_unref(w->from.aead);
    bulla_aead_unref(w->to.aead);
}

int main(int argc, char **argv)
{
    static work ours, other;
    static bench_evp evp;
    bench_setup b;
    bench_init(&b, argc, argv);
    bench_evp_init(&evp, 32);
    work_init(&b, &ours, b.engine);
    bench_pair(&b, "rewrap_memory", 2500, (bench_side){rewrap, &ours}, (bench_side){bench_evp_open_and_seal, &evp});
    work_init(&b, &other, "openssl");
    bench_pair(&b, "rewrap_engines", 2500, (bench_side){rewrap, &ours}, (bench_side){rewrap, &other});
    work_done(&ours);
    work_done(&other);
    bench_evp_done(&evp);
    bench_done(&b);
    return 0;
}
