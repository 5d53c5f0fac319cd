/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrap (spec/keystore.md, Rewrap). A step is one transaction over many batches of rows. A batch is taken out by one
 * SELECT, wrapped again in a loop of its own, and put back by one UPDATE; both call back here for each row, which is
 * cheaper than to go through a statement for each. To wrap each row where SQLite passes it costs OpenSSL a third more:
 * the two then push each other out of the processor's nearest cache.
 */
#include "keystore/wraps.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

#define STEP_ROWS 10000u
#define BATCH_ROWS 500u
#define BATCH_BOUND ((size_t)1 << 16) /* bytes that are bound; a single row may have more */
#define MAX_BLOB 128u                 /* of a kept data key: 81 bytes, and room */

typedef struct source {
    bulla_record_key key;
    int64_t num; /* rows of this step that leave this version */
} source;

typedef struct kept_row {
    int64_t seq;
    uint32_t version;
    size_t len;
    size_t bound, bound_len; /* where in the batch's bound bytes */
    uint8_t blob[MAX_BLOB];
} kept_row;

typedef struct bulla_rewrap {
    bulla_store *store;
    bulla_call *call;
    bulla_key_row key;
    bulla_opened to;
    uint64_t num_counted, num_wraps; /* wraps of this step that are counted; what the version has come to with them */
    source *sources;                 /* versions met in this step */
    size_t num_sources, cap_sources, last;
    int64_t cursor; /* the last row that is done */
    kept_row *rows; /* the batch, by seq */
    size_t num_rows, at;
    uint8_t *bound; /* of the batch's rows */
    size_t len_bound, cap_bound;
    bulla_status status; /* ECORRUPT or ENOMEM: why a row could not be taken */
} rewrap;

static void rewrap_done(rewrap *step)
{
    for (size_t i = 0; i < step->num_sources; i++)
        bulla_aead_unref(step->sources[i].key.aead);
    bulla_opened_done(&step->to);
    bulla_free(bulla_env_of(step->call), step->sources);
    bulla_free(bulla_env_of(step->call), step->rows);
    bulla_free(bulla_env_of(step->call), step->bound);
    if (step->store != NULL) step->store->rewrap = NULL;
}

static bulla_status damaged(const rewrap *step)
{
    return bulla_fail(step->call, BULLA_ECORRUPT,
                      "a kept data key of \"%s\" does not open under its version: check the keystore", step->key.name);
}

/* --- a batch: taken --- */

static bulla_status bound_room(rewrap *step, size_t len)
{
    void *memory = NULL;
    if (len <= step->cap_bound) return BULLA_OK;
    BULLA_TRY(bulla_alloc(step->call, len, &memory));
    bulla_free(bulla_env_of(step->call), step->bound);
    step->bound = memory;
    step->cap_bound = len;
    return BULLA_OK;
}

static bulla_view value_view(sqlite3_value *value)
{
    const void *bytes = sqlite3_value_blob(value);
    return bulla_view_of(bytes, bytes == NULL ? 0 : (size_t)sqlite3_value_bytes(value));
}

/* What a row must be before its data key is looked at; the index gives rows in order, or is damaged. */
static bool row_is_legal(const rewrap *step, int64_t seq, bulla_view id, bulla_view blob)
{
    return id.len == BULLA_ID_LEN && blob.len <= MAX_BLOB && blob.len >= BULLA_RECORD_OVERHEAD &&
           (step->num_rows == 0 || step->rows[step->num_rows - 1].seq < seq);
}

/* seq, id, version, blob, context. False when the batch has no room for what is bound to this row. */
static bulla_status row_take(rewrap *step, sqlite3_value **args, bool *out_taken)
{
    bulla_view id = value_view(args[1]), blob = value_view(args[3]), context = value_view(args[4]);
    size_t room = BULLA_BIND_LEN + context.len;
    *out_taken = step->num_rows == 0 || room <= step->cap_bound - step->len_bound;
    if (!*out_taken) return BULLA_OK;
    if (!row_is_legal(step, sqlite3_value_int64(args[0]), id, blob)) return BULLA_ECORRUPT;
    BULLA_TRY(bound_room(step, room));
    kept_row *row = &step->rows[step->num_rows++];
    row->seq = sqlite3_value_int64(args[0]);
    row->version = (uint32_t)sqlite3_value_int64(args[2]);
    row->len = blob.len;
    memcpy(row->blob, blob.data, blob.len);
    row->bound = step->len_bound;
    row->bound_len = bulla_bind_dek(id.data, context, step->bound + step->len_bound).len;
    step->len_bound += row->bound_len;
    return BULLA_OK;
}

/* bulla_rewrap_take(seq, id, version, blob, context): whether the batch is full, which ends the SELECT. */
static void sql_take(sqlite3_context *context, int num_args, sqlite3_value **args)
{
    rewrap *step = ((const bulla_store *)sqlite3_user_data(context))->rewrap;
    bool taken = false;
    if (step == NULL || num_args != 5 || step->num_rows == BATCH_ROWS) {
        sqlite3_result_error(context, "no rewrap is under way", -1);
        return;
    }
    step->status = row_take(step, args, &taken);
    if (step->status != BULLA_OK)
        sqlite3_result_error(context, "a data key cannot be rewrapped", -1);
    else
        sqlite3_result_int(context, !taken || step->num_rows == BATCH_ROWS);
}

static bulla_status batch_take(rewrap *step)
{
    step->num_rows = step->at = step->len_bound = 0;
    bulla_status status = bulla_db_run(&step->store->db, step->call, BULLA_SQL_DEK_TAKE,
                                       BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(step->cursor)));
    if (step->status == BULLA_ECORRUPT) return damaged(step);
    if (step->status == BULLA_ENOMEM) return bulla_fail(step->call, BULLA_ENOMEM, "no memory to rewrap data keys");
    return status;
}

/* --- a batch: wrapped again --- */

static bulla_status sources_grow(rewrap *step)
{
    void *memory = NULL;
    size_t cap = step->cap_sources == 0 ? 16 : 2 * step->cap_sources;
    if (step->num_sources < step->cap_sources) return BULLA_OK;
    BULLA_TRY(bulla_alloc(step->call, cap * sizeof *step->sources, &memory));
    bulla_copy(memory, step->sources, step->num_sources * sizeof *step->sources);
    bulla_free(bulla_env_of(step->call), step->sources);
    step->sources = memory;
    step->cap_sources = cap;
    return BULLA_OK;
}

static bulla_record_key record_key(const rewrap *step, uint32_t version, bulla_aead *aead)
{
    bulla_record_key key = {.version = version, .aead = aead};
    memcpy(key.id, step->key.id, BULLA_ID_LEN);
    return key;
}

static bulla_status source_find(rewrap *step, uint32_t version, source **out_source)
{
    size_t at = step->last;
    if (at >= step->num_sources || step->sources[at].key.version != version)
        for (at = 0; at < step->num_sources && step->sources[at].key.version != version;)
            at++;
    if (at == step->num_sources) {
        bulla_opened opened;
        BULLA_TRY(sources_grow(step));
        BULLA_TRY(bulla_version_open(step->store, step->call, &step->key, version, &opened));
        step->sources[at] = (source){.key = record_key(step, version, opened.aead)};
        step->num_sources++;
    }
    step->last = at;
    *out_source = &step->sources[at];
    return BULLA_OK;
}

static bulla_status row_rewrap(rewrap *step, const bulla_record_key *to, kept_row *row)
{
    source *from = NULL;
    BULLA_TRY(bulla_wraps_check(step->call, to->id, to->version, step->to.num_wraps));
    BULLA_TRY(source_find(step, row->version, &from));
    bulla_view bound = bulla_view_of(step->bound + row->bound, row->bound_len);
    bulla_status status =
        bulla_record_rewrap(&from->key, to, step->call, bound, bulla_view_of(row->blob, row->len), row->blob);
    if (status == BULLA_EINTEGRITY || bulla_status_class(status) == BULLA_CLASS_CALLER) return damaged(step);
    BULLA_TRY(status);
    from->num++;
    step->num_counted += bulla_wraps_is_counted(row->blob);
    return BULLA_OK;
}

/* Rows that are under the primary version already stay as they are. */
static bulla_status batch_rewrap(rewrap *step)
{
    const bulla_record_key to = record_key(step, step->key.primary, step->to.aead);
    for (size_t i = 0; i < step->num_rows; i++)
        if (step->rows[i].version != to.version) BULLA_TRY(row_rewrap(step, &to, &step->rows[i]));
    return BULLA_OK;
}

/* --- a batch: put back --- */

static int seq_compare(const void *wanted, const void *row)
{
    int64_t seq = *(const int64_t *)wanted, its = ((const kept_row *)row)->seq;
    return (seq > its) - (seq < its);
}

/* The UPDATE goes by seq; where it passes over a row, or should go otherwise one day, the row is searched for. */
static const kept_row *row_find(rewrap *step, int64_t seq)
{
    const kept_row *found = &step->rows[step->at];
    if (step->at >= step->num_rows || found->seq != seq)
        found = bsearch(&seq, step->rows, step->num_rows, sizeof *found, seq_compare);
    if (found != NULL) step->at = (size_t)(found - step->rows) + 1;
    return found;
}

/* bulla_rewrap_put(seq): the new bytes of a row, which stay where they are until the statement is done. */
static void sql_put(sqlite3_context *context, int num_args, sqlite3_value **args)
{
    rewrap *step = ((const bulla_store *)sqlite3_user_data(context))->rewrap;
    const kept_row *found = step == NULL || num_args != 1 ? NULL : row_find(step, sqlite3_value_int64(args[0]));
    if (found == NULL)
        sqlite3_result_error(context, "no rewrap of this row is under way", -1);
    else
        sqlite3_result_blob(context, found->blob, (int)found->len, SQLITE_STATIC);
}

bulla_status bulla_rewrap_register(bulla_store *store, bulla_call *call)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    sqlite3 *handle = store->db.handle;
    int code = sqlite3_create_function_v2(handle, "bulla_rewrap_take", 5, flags, store, sql_take, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function_v2(handle, "bulla_rewrap_put", 1, flags, store, sql_put, NULL, NULL, NULL);
    return code == SQLITE_OK ? BULLA_OK : bulla_db_fail(&store->db, call, code, "prepare the keystore");
}

/* Where most rows of the range are this key's, to go through the table is quicker than to be led by the index. */
static bulla_status batch_put(rewrap *step)
{
    int64_t first = step->rows[0].seq, last = step->rows[step->num_rows - 1].seq;
    bool is_dense = (uint64_t)last - (uint64_t)first < 2 * step->num_rows;
    BULLA_TRY(bulla_db_run(
        &step->store->db, step->call, is_dense ? BULLA_SQL_DEK_PUT_DENSE : BULLA_SQL_DEK_PUT,
        BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(first), BULLA_INT(last), BULLA_INT(step->key.primary))));
    step->cursor = last;
    return BULLA_OK;
}

/* --- a step --- */

static bulla_status cursor_read(bulla_store *store, bulla_call *call, const bulla_key_row *key, int64_t *out_cursor)
{
    BULLA_ROWS(rows);
    bool found = false;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_JOB_GET, BULLA_ARGS(BULLA_INT(key->seq)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    bool same = found && bulla_rows_number(&rows, 0) == (int64_t)key->primary; /* else it was begun for an older one */
    *out_cursor = same ? bulla_rows_number(&rows, 1) : 0;
    return BULLA_OK;
}

/* From the cursor on. `out_num` is 0 when nothing was left. */
static bulla_status rows_rewrap(rewrap *step, size_t *out_num)
{
    void *memory = NULL;
    *out_num = 0;
    BULLA_TRY(bulla_version_open(step->store, step->call, &step->key, step->key.primary, &step->to));
    BULLA_TRY(bound_room(step, BATCH_BOUND));
    BULLA_TRY(bulla_alloc(step->call, BATCH_ROWS * sizeof *step->rows, &memory));
    step->rows = memory;
    do {
        BULLA_TRY(batch_take(step));
        if (step->num_rows == 0) return BULLA_OK;
        BULLA_TRY(batch_rewrap(step));
        BULLA_TRY(batch_put(step));
        *out_num += step->num_rows;
    } while (*out_num + BATCH_ROWS <= STEP_ROWS);
    return BULLA_OK;
}

static bulla_status counts_move(rewrap *step)
{
    int64_t moved = 0;
    for (size_t i = 0; i < step->num_sources; i++) {
        BULLA_TRY(bulla_db_run(&step->store->db, step->call, BULLA_SQL_VERSION_COUNT_DEKS,
                               BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(step->sources[i].key.version),
                                          BULLA_INT(-step->sources[i].num))));
        moved += step->sources[i].num;
    }
    step->key.num_rewrapped += (uint64_t)moved;
    if (step->num_counted != 0)
        BULLA_TRY(bulla_wraps_add(step->store, step->call, &step->key, step->key.primary, step->num_counted,
                                  &step->num_wraps));
    return bulla_db_run(&step->store->db, step->call, BULLA_SQL_VERSION_COUNT_DEKS,
                        BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(step->key.primary), BULLA_INT(moved)));
}

static bulla_status job_end(rewrap *step)
{
    bulla_store *store = step->store;
    int64_t now_s = bulla_wall_s(step->call), seq = step->key.seq;
    BULLA_TRY(bulla_db_run(&store->db, step->call, BULLA_SQL_JOB_DELETE, BULLA_ARGS(BULLA_INT(seq))));
    BULLA_TRY(
        bulla_db_run(&store->db, step->call, BULLA_SQL_KEY_REWRAPPED, BULLA_ARGS(BULLA_INT(seq), BULLA_INT(now_s))));
    return bulla_event_add(&store->db, step->call, "key.rewrap", seq, "%" PRIu64 " data keys, version %" PRIu32,
                           step->key.num_deks, step->key.primary);
}

static bulla_status step_work(rewrap *step, bool *out_done)
{
    bulla_store *store = step->store;
    size_t num = 0;
    BULLA_TRY(cursor_read(store, step->call, &step->key, &step->cursor));
    BULLA_TRY(rows_rewrap(step, &num));
    *out_done = num == 0;
    if (*out_done) return job_end(step);
    BULLA_TRY(counts_move(step));
    return bulla_db_run(&store->db, step->call, BULLA_SQL_JOB_SET,
                        BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(step->key.primary), BULLA_INT(step->cursor),
                                   BULLA_INT(bulla_wall_s(step->call))));
}

typedef struct progress_count {
    uint64_t done, total;
} progress_count;

static bulla_status step_run(bulla_store *store, bulla_call *call, const char *key, bool *out_done,
                             progress_count *out_count)
{
    BULLA_SESSION(session);
    __attribute__((cleanup(rewrap_done))) rewrap step = {.call = call};
    BULLA_TRY(bulla_session_write(store, call, &session));
    step.store = store;
    store->rewrap = &step;
    BULLA_TRY(bulla_key_find(store, call, key, &step.key));
    BULLA_TRY(bulla_key_usable_check(call, &step.key));
    BULLA_TRY(step_work(&step, out_done));
    BULLA_TRY(bulla_session_commit(&session, call));
    if (step.num_counted != 0) {
        bulla_store_forget(store); /* what is kept open bears the number that was */
        bulla_wraps_warn(bulla_env_of(call), &step.key, step.key.primary, step.num_counted, step.num_wraps);
    }
    *out_count = (progress_count){step.key.num_rewrapped, step.key.num_deks};
    return BULLA_OK;
}

static bulla_status id_of(bulla_store *store, bulla_call *call, const char *key, char out_id[BULLA_KEY_ID_TEXT + 1])
{
    bulla_key_info info;
    BULLA_TRY(bulla_store_key_info(store, call, key, &info));
    memcpy(out_id, info.id, BULLA_KEY_ID_TEXT + 1);
    return BULLA_OK;
}

bulla_status bulla_store_key_rewrap(bulla_store *store, bulla_call *call, const char *key,
                                    bulla_progress_visit progress, void *arg)
{
    char id[BULLA_KEY_ID_TEXT + 1]; /* one and the same key through all steps, whatever happens to its name */
    bool done = false;
    progress_count count = {0, 0};
    BULLA_TRY(id_of(store, call, key, id));
    while (!done) {
        BULLA_TRY(step_run(store, call, id, &done, &count));
        if (progress != NULL) progress(arg, call, count.done, count.total);
    }
    return BULLA_OK;
}
