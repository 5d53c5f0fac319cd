/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/db.h"

#include "base/mem.h"
#include "keystore/schema.h"

#include <time.h>
#include <unistd.h>

#define MAX_WAIT_US 10000000u /* for other processes, when the call has no deadline */
#define MAX_PAUSE_US 10000u
#define MAX_VALUE_LEN (1 << 20) /* of a text or blob; the longest that is written is a context of 64 KiB */

static const char *const texts[] = {
#define SQL_TEXT(name, text) [BULLA_SQL_##name] = text,
    BULLA_SQL_TABLE(SQL_TEXT)
#undef SQL_TEXT
};

/* SQLite notes in memory which locks the process holds on which file. A forked child has the notes and not the locks:
 * it would believe a file locked that the parent then takes away from under it. */
static size_t num_open; /* connections */
static pid_t opener;    /* the process that opened them */

static bulla_status process_check(bulla_call *call)
{
    pid_t self = getpid();
    if (__atomic_load_n(&num_open, __ATOMIC_ACQUIRE) != 0 && __atomic_load_n(&opener, __ATOMIC_ACQUIRE) != self)
        return bulla_fail(call, BULLA_EINTERNAL,
                          "a keystore was open when this process was forked: open keystores after the fork");
    __atomic_store_n(&opener, self, __ATOMIC_RELEASE);
    return BULLA_OK;
}

/* SQLite asks whether to go on waiting for another connection. */
static int busy(void *arg, int times)
{
    bulla_db *db = arg;
    if (db->waited_us >= MAX_WAIT_US || bulla_call_check(db->call) != BULLA_OK) return 0;
    unsigned pause_us = times < 10 ? 100u << times : MAX_PAUSE_US;
    if (pause_us > MAX_PAUSE_US) pause_us = MAX_PAUSE_US;
    struct timespec pause = {0, (long)pause_us * 1000};
    (void)nanosleep(&pause, NULL);
    db->waited_us += pause_us;
    return 1;
}

void bulla_db_serve_at_once(bulla_db *db, bulla_call *call)
{
    bulla_db_serve(db, call);
    db->waited_us = MAX_WAIT_US;
}

static bulla_status status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return BULLA_EBUSY;
    case SQLITE_FULL: return BULLA_ENOSPACE;
    case SQLITE_IOERR: return code == SQLITE_IOERR_NOMEM ? BULLA_ENOMEM : BULLA_EIO;
    case SQLITE_CANTOPEN: return BULLA_EIO;
    case SQLITE_TOOBIG: /* longer than anything that is written */
    case SQLITE_CORRUPT:
    case SQLITE_CONSTRAINT: return BULLA_ECORRUPT;
    case SQLITE_NOTADB: return BULLA_EFORMAT;
    case SQLITE_NOMEM: return BULLA_ENOMEM;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return BULLA_EAUTHZ;
    default: return BULLA_EINTERNAL;
    }
}

bulla_status bulla_db_fail(bulla_db *db, bulla_call *call, int code, const char *doing)
{
    const char *text = db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code);
    int extended = db->handle != NULL ? sqlite3_extended_errcode(db->handle) : code;
    if ((extended & 0xff) != (code & 0xff)) extended = code;
    bulla_status status = status_of(extended);
    if (status == BULLA_EBUSY) BULLA_TRY(bulla_call_check(call)); /* the deadline ended the wait, or the caller did */
    status = bulla_fail(call, status, "cannot %s: %s", doing, text);
    if (call != NULL) call->native = extended;
    return status;
}

static bulla_status prepare(bulla_db *db, bulla_call *call, bulla_sql sql, sqlite3_stmt **out_stmt)
{
    sqlite3_stmt **kept = &db->stmts[sql];
    if (*kept == NULL) {
        int code = sqlite3_prepare_v3(db->handle, texts[sql], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
        if (code != SQLITE_OK) return bulla_db_fail(db, call, code, "read the keystore");
    }
    *out_stmt = *kept;
    return BULLA_OK;
}

static int bind(sqlite3_stmt *stmt, int index, const bulla_sql_arg *arg)
{
    const void *bytes = arg->bytes.data == NULL ? "" : (const void *)arg->bytes.data;
    switch (arg->kind) {
    case BULLA_SQL_NULL: return sqlite3_bind_null(stmt, index);
    case BULLA_SQL_INTEGER: return sqlite3_bind_int64(stmt, index, arg->number);
    case BULLA_SQL_TEXT: return sqlite3_bind_text64(stmt, index, bytes, arg->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    case BULLA_SQL_BYTES: return sqlite3_bind_blob64(stmt, index, bytes, arg->bytes.len, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

bulla_status bulla_rows_open(bulla_db *db, bulla_call *call, bulla_sql sql, const bulla_sql_arg *args, size_t num_args,
                             bulla_rows *out_rows)
{
    sqlite3_stmt *stmt = NULL;
    BULLA_TRY(prepare(db, call, sql, &stmt));
    *out_rows = (bulla_rows){db, stmt};
    for (size_t i = 0; i < num_args; i++) {
        int code = bind(stmt, (int)i + 1, &args[i]);
        if (code != SQLITE_OK) return bulla_db_fail(db, call, code, "use the keystore");
    }
    return BULLA_OK;
}

bulla_status bulla_rows_next(bulla_rows *rows, bulla_call *call, bool *out_more)
{
    int code = sqlite3_step(rows->stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return bulla_db_fail(rows->db, call, code,
                             sqlite3_stmt_readonly(rows->stmt) ? "read the keystore" : "change the keystore");
    *out_more = code == SQLITE_ROW;
    return BULLA_OK;
}

void bulla_rows_done(bulla_rows *rows)
{
    if (rows->stmt == NULL) return;
    (void)sqlite3_reset(rows->stmt);
    (void)sqlite3_clear_bindings(rows->stmt);
    rows->stmt = NULL;
}

int64_t bulla_rows_number(const bulla_rows *rows, int column)
{
    return sqlite3_column_int64(rows->stmt, column);
}

bulla_view bulla_rows_view(const bulla_rows *rows, int column)
{
    const void *bytes = sqlite3_column_blob(rows->stmt, column);
    return bulla_view_of(bytes, bytes == NULL ? 0 : (size_t)sqlite3_column_bytes(rows->stmt, column));
}

bool bulla_rows_is_null(const bulla_rows *rows, int column)
{
    return sqlite3_column_type(rows->stmt, column) == SQLITE_NULL;
}

bool bulla_rows_copy(const bulla_rows *rows, int column, void *out, size_t len)
{
    bulla_view view = bulla_rows_view(rows, column);
    if (view.len != len) return false;
    bulla_copy(out, view.data, len);
    return true;
}

void bulla_rows_text(const bulla_rows *rows, int column, char *out, size_t cap)
{
    bulla_view view = bulla_rows_view(rows, column);
    size_t len = view.len < cap ? view.len : cap - 1;
    bulla_copy(out, view.data, len);
    out[len] = '\0';
}

bulla_status bulla_db_run(bulla_db *db, bulla_call *call, bulla_sql sql, const bulla_sql_arg *args, size_t num_args)
{
    BULLA_ROWS(rows);
    bool more = true;
    BULLA_TRY(bulla_rows_open(db, call, sql, args, num_args, &rows));
    while (more)
        BULLA_TRY(bulla_rows_next(&rows, call, &more));
    return BULLA_OK;
}

bulla_status bulla_db_number(bulla_db *db, bulla_call *call, bulla_sql sql, const bulla_sql_arg *args, size_t num_args,
                             int64_t fallback, int64_t *out_number)
{
    BULLA_ROWS(rows);
    bool more = false;
    BULLA_TRY(bulla_rows_open(db, call, sql, args, num_args, &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &more));
    *out_number = more && !bulla_rows_is_null(&rows, 0) ? bulla_rows_number(&rows, 0) : fallback;
    return BULLA_OK;
}

bulla_status bulla_db_text(bulla_db *db, bulla_call *call, const char *text)
{
    int code = sqlite3_exec(db->handle, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? BULLA_OK : bulla_db_fail(db, call, code, "use the keystore");
}

void bulla_db_rollback(bulla_db *db)
{
    if (sqlite3_get_autocommit(db->handle) != 0) return; /* SQLite has done it itself after a failure */
    (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

int64_t bulla_db_changes(const bulla_db *db)
{
    return sqlite3_changes64(db->handle);
}

static int flush(bulla_db *db)
{
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    db->unflushed = code != SQLITE_OK;
    return code;
}

void bulla_db_flush_again(bulla_db *db)
{
    if (!db->unflushed) return;
    unsigned waited_us = db->waited_us;
    db->waited_us = MAX_WAIT_US; /* now or not yet */
    (void)flush(db);
    db->waited_us = waited_us;
}

void bulla_db_flush(bulla_db *db, bulla_call *call)
{
    int code = flush(db);
    if (code != SQLITE_OK)
        bulla_log(bulla_env_of(call), BULLA_LOG_WARN,
                  "the keystore's log could not be emptied yet (%s): old sealed keys stay in it until it is",
                  sqlite3_errstr(code));
}

void bulla_db_close(bulla_db *db)
{
    for (size_t i = 0; i < BULLA_NUM_SQL; i++)
        (void)sqlite3_finalize(db->stmts[i]);
    (void)sqlite3_close(db->handle);
    if (db->handle != NULL) (void)__atomic_sub_fetch(&num_open, 1, __ATOMIC_ACQ_REL);
    memset(db, 0, sizeof *db);
}

/* --- opening --- */

static bulla_status configure(bulla_db *db, bulla_call *call)
{
    sqlite3 *handle = db->handle;
    (void)sqlite3_extended_result_codes(handle, 1);
    (void)sqlite3_busy_handler(handle, busy, db);
    if (sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
        sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK ||
        sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL) != SQLITE_OK)
        return bulla_fail(call, BULLA_EUNSUPPORTED, "this build of SQLite has no defensive mode");
    (void)sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, MAX_VALUE_LEN);
    (void)sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 1); /* VACUUM INTO attaches its target */
    return bulla_db_text(db, call,
                         "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
                         "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                         "PRAGMA wal_autocheckpoint=4096; PRAGMA journal_size_limit=16777216;");
}

static bulla_status number_of(bulla_db *db, bulla_call *call, const char *text, int64_t *out_number)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db->handle, text, -1, &stmt, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) *out_number = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return code == SQLITE_ROW ? BULLA_OK : bulla_db_fail(db, call, code, "open the keystore");
}

/* Whose database this is, and of which format (spec/keystore.md, Versions), before anything is written to it. */
static bulla_status identify(bulla_db *db, bulla_call *call, const char *path)
{
    int64_t application = 0, format = 0;
    BULLA_TRY(number_of(db, call, "PRAGMA application_id", &application));
    BULLA_TRY(number_of(db, call, "PRAGMA user_version", &format));
    if (application != BULLA_DB_APPLICATION) return bulla_fail(call, BULLA_EFORMAT, "%s is not a keystore", path);
    if (format != BULLA_DB_FORMAT && format != 1)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "%s is of format %lld, this program reads formats 1 to %d: use the program that made it",
                          path, (long long)format, BULLA_DB_FORMAT);
    db->format = (int)format;
    return BULLA_OK;
}

/* Format 1 becomes format 2. Another process may be at it: what there is to do is asked again under the lock. */
static bulla_status convert(bulla_db *db, bulla_call *call)
{
    int64_t format = 0;
    BULLA_TRY(bulla_db_text(db, call, "BEGIN IMMEDIATE"));
    bulla_status status = number_of(db, call, "PRAGMA user_version", &format);
    if (status == BULLA_OK && format == 1) status = bulla_db_text(db, call, bulla_schema_from_1);
    if (status == BULLA_OK) status = bulla_db_text(db, call, "COMMIT");
    if (status != BULLA_OK) bulla_db_rollback(db);
    return status;
}

static bulla_status open_at(bulla_call *call, const char *path, bool create, bulla_db *db)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
    BULLA_TRY(process_check(call));
    (void)__atomic_add_fetch(&num_open, 1, __ATOMIC_ACQ_REL);
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (db->handle == NULL) (void)__atomic_sub_fetch(&num_open, 1, __ATOMIC_ACQ_REL);
    if (code != SQLITE_OK) return bulla_db_fail(db, call, code, "open the keystore");
    BULLA_TRY(configure(db, call));
    if (!create) {
        BULLA_TRY(identify(db, call, path));
        return db->format == BULLA_DB_FORMAT ? BULLA_OK : convert(db, call);
    }
    db->format = BULLA_DB_FORMAT;
    BULLA_TRY(bulla_db_text(db, call, "PRAGMA page_size=4096; PRAGMA encoding='UTF-8'; PRAGMA journal_mode=WAL;"));
    return bulla_db_text(db, call, bulla_schema);
}

bulla_status bulla_db_open(bulla_call *call, const char *path, bool create, bulla_db *out_db)
{
    memset(out_db, 0, sizeof *out_db);
    bulla_db_serve(out_db, call);
    bulla_status status = open_at(call, path, create, out_db);
    if (status != BULLA_OK) bulla_db_close(out_db);
    return status;
}
