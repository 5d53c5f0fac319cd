/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing and opening a small record, the whole call, against a bare EVP seal of as many bytes. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#define MAX_LEN 4096u

typedef struct work {
    bulla_datakey *datakey;
    bulla_context *context;
    size_t len;
    uint8_t text[MAX_LEN], record[MAX_LEN + BULLA_RECORD_OVERHEAD];
} work;

static void seal_records(void *arg, uint64_t num)
{
    work *w = arg;
    size_t len = 0;
    for (uint64_t i = 0; i < num; i++)
        bench_must(bulla_record_encrypt(w->datakey, NULL, w->context, (bulla_view){w->text, w->len}, w->record,
                                        sizeof w->record, &len) == BULLA_OK,
                   "a record was not sealed");
}

static void open_records(void *arg, uint64_t num)
{
    work *w = arg;
    size_t len = 0;
    bulla_view record = {w->record, w->len + BULLA_RECORD_OVERHEAD};
    for (uint64_t i = 0; i < num; i++)
        bench_must(bulla_record_decrypt(w->datakey, NULL, w->context, record, w->text, sizeof w->text, &len) ==
                       BULLA_OK,
                   "a record did not open");
}

static void rows(bench_setup *b, work *w, size_t len, uint64_t num)
{
    char name[32];
    bench_evp evp;
    bench_evp_init(&evp, len);
    w->len = len;
    seal_records(w, 1);
    (void)snprintf(name, sizeof name, "record_seal_%zu", len);
    bench_pair(b, name, num, (bench_side){seal_records, w}, (bench_side){bench_evp_seal, &evp});
    (void)snprintf(name, sizeof name, "record_open_%zu", len);
    bench_pair(b, name, num, (bench_side){open_records, w}, (bench_side){bench_evp_seal, &evp});
    bench_evp_done(&evp);
}

int main(int argc, char **argv)
{
    static work w;
    bench_setup b;
    bench_init(&b, argc, argv);
    const bulla_pair pairs[] = {{{(const uint8_t *)"table", 5}, {(const uint8_t *)"customers", 9}},
                                {{(const uint8_t *)"row", 3}, {(const uint8_t *)"12345678", 8}}};
    bench_ok(&b, bulla_context_new(&b.call, pairs, 2, &w.context));
    bench_ok(&b, bulla_datakey_create(&b.call, b.key, NULL, NULL, &w.datakey));
    rows(&b, &w, 32, 4000);
    rows(&b, &w, 4096, 800);
    bulla_datakey_unref(w.datakey);
    bulla_context_unref(w.context);
    bench_done(&b);
    return 0;
}
