/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to the database: statements kept, arguments typed, SQLite's codes turned into ours. Used by one thread
 * at a time.
 */
#ifndef BULLA_KEYSTORE_DB_H
#define BULLA_KEYSTORE_DB_H

#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/call.h"
#include "keystore/sql.h"

#include <sqlite3.h>

#define BULLA_DB_FILE "keystore.db"
#define BULLA_DB_PATH 1024u             /* bytes of a path of one of the store's files */
#define BULLA_DB_FORMAT 2               /* spec/keystore.md, Versions */
#define BULLA_DB_APPLICATION 0x42554c4c /* "BULL" */

typedef struct bulla_db {
    sqlite3 *handle;
    sqlite3_stmt *stmts[BULLA_NUM_SQL];
    bulla_call *call;   /* of the request that runs now: it decides how long to wait for others */
    unsigned waited_us; /* by that request */
    bool unflushed;     /* the log was to be emptied and could not be */
    int format;         /* that the database had when it was opened; it has BULLA_DB_FORMAT since */
} bulla_db;

/* Opens the database at `path`; makes its tables when `create`, else converts those of an older format. ENOFILE,
 * EFORMAT, EUNSUPPORTED, ECORRUPT… */
BULLA_MUST_USE bulla_status bulla_db_open(bulla_call *call, const char *path, bool create, bulla_db *out_db);
void bulla_db_close(bulla_db *db); /* accepts one that is not open */
/* A connection that ends with its scope. */
#define BULLA_DB(name) __attribute__((cleanup(bulla_db_close))) bulla_db name = {.handle = NULL}

/* The request that uses the connection from now on. */
static inline void bulla_db_serve(bulla_db *db, bulla_call *call)
{
    db->call = call;
    db->waited_us = 0;
}

/* The same for a request that can be left to the next one: it waits for nobody, EBUSY at once. */
void bulla_db_serve_at_once(bulla_db *db, bulla_call *call);

/* --- statements --- */

typedef struct bulla_sql_arg {
    enum { BULLA_SQL_NULL, BULLA_SQL_INTEGER, BULLA_SQL_TEXT, BULLA_SQL_BYTES } kind;
    int64_t number;
    bulla_view bytes; /* borrowed until the statement is done */
} bulla_sql_arg;

#define BULLA_INT(value) ((bulla_sql_arg){BULLA_SQL_INTEGER, (int64_t)(value), {NULL, 0}})
#define BULLA_TEXT(text) ((bulla_sql_arg){BULLA_SQL_TEXT, 0, bulla_view_text(text)})
#define BULLA_BLOB(view) ((bulla_sql_arg){BULLA_SQL_BYTES, 0, (view)})
#define BULLA_NONE ((bulla_sql_arg){BULLA_SQL_NULL, 0, {NULL, 0}})
/* The arguments of a statement: their array and their number. */
#define BULLA_ARGS(...)                                                                                                \
    (const bulla_sql_arg[]){__VA_ARGS__}, sizeof((const bulla_sql_arg[]){__VA_ARGS__}) / sizeof(bulla_sql_arg)

/* The rows of a statement that runs: declare with BULLA_ROWS, it is reset at the end of the scope. */
typedef struct bulla_rows {
    bulla_db *db;
    sqlite3_stmt *stmt;
} bulla_rows;
#define BULLA_ROWS(name) __attribute__((cleanup(bulla_rows_done))) bulla_rows name = {NULL, NULL}

BULLA_MUST_USE bulla_status bulla_rows_open(bulla_db *db, bulla_call *call, bulla_sql sql, const bulla_sql_arg *args,
                                            size_t num_args, bulla_rows *out_rows);
/* False when there are no more. Views of the last row end here. */
BULLA_MUST_USE bulla_status bulla_rows_next(bulla_rows *rows, bulla_call *call, bool *out_more);
void bulla_rows_done(bulla_rows *rows);

int64_t bulla_rows_number(const bulla_rows *rows, int column);
bulla_view bulla_rows_view(const bulla_rows *rows, int column); /* bytes or text; empty for NULL */
bool bulla_rows_is_null(const bulla_rows *rows, int column);
/* Copies text or bytes of exactly `len` bytes; false when there are not as many. */
bool bulla_rows_copy(const bulla_rows *rows, int column, void *out, size_t len);
/* Copies text with a NUL, shortened to fit. */
void bulla_rows_text(const bulla_rows *rows, int column, char *out, size_t cap);

/* Runs a statement that has no rows, or whose rows do not matter. */
BULLA_MUST_USE bulla_status bulla_db_run(bulla_db *db, bulla_call *call, bulla_sql sql, const bulla_sql_arg *args,
                                         size_t num_args);
/* The first number of the first row; `fallback` when there is no row or it is NULL. */
BULLA_MUST_USE bulla_status bulla_db_number(bulla_db *db, bulla_call *call, bulla_sql sql, const bulla_sql_arg *args,
                                            size_t num_args, int64_t fallback, int64_t *out_number);
/* Runs text with no rows, of several statements perhaps. */
BULLA_MUST_USE bulla_status bulla_db_text(bulla_db *db, bulla_call *call, const char *text);

/* Ends a transaction without a change, if one is open. */
void bulla_db_rollback(bulla_db *db);

/* What SQLite's last code means. `doing` completes "cannot …". */
BULLA_MUST_USE bulla_status bulla_db_fail(bulla_db *db, bulla_call *call, int code, const char *doing);

/* Rows that this request changed with its last statement. */
int64_t bulla_db_changes(const bulla_db *db);

/* Empties the log into the database, so that bytes overwritten leave the files. When somebody reads an older state it
 * is left for the next time: a warning in the log, no failure. */
void bulla_db_flush(bulla_db *db, bulla_call *call);
/* The next time: without waiting for anybody. */
void bulla_db_flush_again(bulla_db *db);

#endif
