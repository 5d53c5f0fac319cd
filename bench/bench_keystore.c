/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keystore against SQLite without a keystore around it, in DIR, which must lie on a disk for the figures to mean
 * anything; FAST is in memory. "key_create": a durable key against a durable row of 300 bytes under a random key.
 * "rewrap_store": a million kept data keys wrapped again against the same rows, in a copy of the same database with the
 * same settings and steps, updated by a function that only writes. "rewrap_memory_growth" is what the second half of a
 * rewrap adds to the process, in KiB.
 */
#include "bench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define STEP 10000
#define MAX_ROUNDS 5u

/* What spec/keystore.md, Database, asks for, and what the store adds for speed. */
static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                              "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                              "PRAGMA wal_autocheckpoint=4096; PRAGMA journal_size_limit=16777216;";

typedef struct work {
    bench_setup b;
    bulla *store;
    sqlite3 *db; /* the base's */
    sqlite3_stmt *insert, *update, *begin, *commit;
    uint64_t num_made;
    int64_t version, last; /* of the base's rows */
    char path[512];
} work;

static void must_sql(work *w, int code)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        (void)fprintf(stderr, "bench: %s\n", sqlite3_errmsg(w->db));
    bench_must(code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW, "SQLite failed");
}

static void run_statement(work *w, sqlite3_stmt *stmt)
{
    must_sql(w, sqlite3_step(stmt));
    must_sql(w, sqlite3_reset(stmt));
}

static sqlite3_stmt *prepare(work *w, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    must_sql(w, sqlite3_prepare_v3(w->db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL));
    return stmt;
}

static void store_open(work *w, const char *dir)
{
    (void)snprintf(w->path, sizeof w->path, "%s/store", dir);
    const bulla_options options = {.size = sizeof options, .store = w->path, .aead = w->b.engine};
    bench_ok(&w->b, bulla_open(&w->b.call, &options, &w->store));
}

static void store_make(work *w)
{
    bench_ok(&w->b, bulla_keystore_create(w->store, &w->b.call, "env:BENCH_KEY?namespace=bench&name=key"));
}

/* A million durable commits take minutes on a disk and seconds in memory. */
static void store_move(work *w)
{
    char from[600], to[600], piece[65536];
    bulla_close(w->store);
    (void)snprintf(from, sizeof from, "%s/store/keystore.db", w->b.fast);
    (void)snprintf(to, sizeof to, "%s/kept", w->b.dir);
    bench_must(mkdir(to, 0700) == 0, "cannot make a folder for the store");
    (void)snprintf(to, sizeof to, "%s/kept/store", w->b.dir);
    bench_must(mkdir(to, 0700) == 0, "cannot make a folder for the store");
    (void)snprintf(to, sizeof to, "%s/kept/store/keystore.db", w->b.dir);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    bench_must(in != NULL && out != NULL && fchmod(fileno(out), 0600) == 0, "cannot copy the store");
    for (size_t len = fread(piece, 1, sizeof piece, in); len != 0; len = fread(piece, 1, sizeof piece, in))
        bench_must(fwrite(piece, 1, len, out) == len, "cannot copy the store");
    bench_must(ferror(in) == 0 && fclose(in) == 0 && fclose(out) == 0, "cannot copy the store");
    (void)snprintf(to, sizeof to, "%s/kept", w->b.dir);
    store_open(w, to);
}

static void base_open(work *w, const char *name)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", w->b.dir, name);
    must_sql(w, sqlite3_open(path, &w->db));
    must_sql(w, sqlite3_exec(w->db, pragmas, NULL, NULL, NULL));
}

static void base_close(work *w)
{
    sqlite3_stmt *stmts[] = {w->insert, w->update, w->begin, w->commit};
    for (size_t i = 0; i < 4; i++)
        (void)sqlite3_finalize(stmts[i]);
    w->insert = w->update = w->begin = w->commit = NULL;
    (void)sqlite3_close(w->db);
}

/* --- keys made durably --- */

static void key_create(void *arg, uint64_t num)
{
    work *w = arg;
    char name[32];
    for (uint64_t i = 0; i < num; i++) {
        (void)snprintf(name, sizeof name, "key/%llu", (unsigned long long)w->num_made++);
        bench_ok(&w->b, bulla_key_create(w->store, &w->b.call, name, NULL, NULL));
    }
}

static void row_insert(void *arg, uint64_t num)
{
    work *w = arg;
    uint8_t id[16], value[300] = {1};
    for (uint64_t i = 0; i < num; i++) {
        bench_ok(&w->b, bulla_random(&w->b.call, id, sizeof id));
        must_sql(w, sqlite3_bind_blob(w->insert, 1, id, sizeof id, SQLITE_STATIC));
        must_sql(w, sqlite3_bind_blob(w->insert, 2, value, sizeof value, SQLITE_STATIC));
        run_statement(w, w->insert);
    }
}

static void bench_key_create(work *w)
{
    base_open(w, "bare.db");
    must_sql(
        w, sqlite3_exec(w->db, "CREATE TABLE kept (id BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID", NULL, NULL, NULL));
    w->insert = prepare(w, "INSERT INTO kept (id, value) VALUES (?1, ?2)");
    bench_pair(&w->b, "key_create", 10, (bench_side){key_create, w}, (bench_side){row_insert, w});
    base_close(w);
}

/* --- kept data keys wrapped again --- */

static void deks_keep(work *w, uint64_t num)
{
    const bulla_pair pair = {{(const uint8_t *)"table", 5}, {(const uint8_t *)"customers", 9}};
    bulla_context *context = NULL;
    bench_ok(&w->b, bulla_key_create(w->store, &w->b.call, "deks", NULL, NULL));
    bench_ok(&w->b, bulla_context_new(&w->b.call, &pair, 1, &context));
    for (uint64_t i = 0; i < num; i++) {
        char id[33];
        bulla_datakey *datakey = NULL;
        bench_ok(&w->b, bulla_datakey_keep(w->store, &w->b.call, "deks", context, NULL, id, &datakey));
        bulla_datakey_unref(datakey);
    }
    bulla_context_unref(context);
}

/* bulla_rewrap without its cipher: a blob of the same length, every byte of it written. */
static void touch(sqlite3_context *context, int num, sqlite3_value **values)
{
    (void)num;
    int len = sqlite3_value_bytes(values[0]);
    uint8_t *made = sqlite3_malloc(len);
    bench_must(made != NULL, "no memory");
    memcpy(made, sqlite3_value_blob(values[0]), (size_t)len);
    made[len - 1] ^= 1;
    sqlite3_result_blob(context, made, len, sqlite3_free);
}

/* The same database, without what only a keystore writes. */
static void copy_open(work *w)
{
    char text[700];
    base_open(w, "kept/store/keystore.db");
    (void)snprintf(text, sizeof text, "VACUUM INTO '%s/copy.db'", w->b.dir);
    must_sql(w, sqlite3_exec(w->db, text, NULL, NULL, NULL));
    (void)sqlite3_close(w->db);
    base_open(w, "copy.db");
    must_sql(w, sqlite3_create_function(w->db, "touch", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                        touch, NULL, NULL));
    w->begin = prepare(w, "BEGIN IMMEDIATE");
    w->commit = prepare(w, "COMMIT");
    w->update = prepare(w, "UPDATE dek SET version = ?3, blob = touch(blob)"
                           " WHERE key = (SELECT seq FROM key WHERE name = 'deks') AND seq > ?1 AND seq <= ?2"
                           " AND version <> ?3");
    sqlite3_stmt *last = prepare(w, "SELECT max(seq), max(version) FROM dek");
    must_sql(w, sqlite3_step(last));
    w->last = sqlite3_column_int64(last, 0);
    w->version = sqlite3_column_int64(last, 1);
    (void)sqlite3_finalize(last);
}

static void rows_touch(work *w)
{
    w->version++;
    for (int64_t at = 0; at < w->last; at += STEP) {
        run_statement(w, w->begin);
        must_sql(w, sqlite3_bind_int64(w->update, 1, at));
        must_sql(w, sqlite3_bind_int64(w->update, 2, at + STEP));
        must_sql(w, sqlite3_bind_int64(w->update, 3, w->version));
        run_statement(w, w->update);
        run_statement(w, w->commit);
    }
}

typedef struct growth {
    long half_kib, end_kib;
} growth;

static long peak_kib(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void watch(void *arg, bulla_call *call, uint64_t done, uint64_t total)
{
    (void)call;
    growth *seen = arg;
    if (done <= total / 2) seen->half_kib = peak_kib();
    seen->end_kib = peak_kib();
}

static void bench_rewrap_store(work *w)
{
    uint64_t num = w->b.quick ? 2000 : 1000000;
    size_t num_rounds = w->b.quick ? 1 : MAX_ROUNDS;
    double ours[MAX_ROUNDS], base[MAX_ROUNDS];
    growth seen = {0, 0};
    store_open(w, w->b.fast);
    store_make(w);
    deks_keep(w, num);
    store_move(w);
    copy_open(w);
    for (size_t i = 0; i < num_rounds; i++) {
        bench_ok(&w->b, bulla_key_rotate(w->store, &w->b.call, "deks", NULL));
        double start = bench_now_ns();
        bench_ok(&w->b, bulla_key_rewrap(w->store, &w->b.call, "deks", i == 0 ? watch : NULL, &seen));
        ours[i] = (bench_now_ns() - start) / (double)num;
        start = bench_now_ns();
        rows_touch(w);
        base[i] = (bench_now_ns() - start) / (double)num;
    }
    bench_print(&w->b, "rewrap_store", ours, base, num_rounds);
    (void)printf("{\"row\": \"rewrap_memory_growth\", \"engine\": \"%s\", \"kib\": %ld}\n", w->b.engine,
                 seen.half_kib == 0 ? 0 : seen.end_kib - seen.half_kib);
    base_close(w);
}

int main(int argc, char **argv)
{
    static work w;
    bench_init(&w.b, argc, argv);
    bench_must(w.b.dir != NULL && w.b.fast != w.b.dir, "usage: ENGINE DIR FAST [--quick]");
    store_open(&w, w.b.dir);
    store_make(&w);
    bench_key_create(&w);
    bulla_close(w.store);
    bench_rewrap_store(&w);
    bulla_close(w.store);
    bench_done(&w.b);
    return 0;
}
