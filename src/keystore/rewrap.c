/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewrap (spec/keystore.md, Rewrap): one UPDATE a step, which calls back here for each row. SQLite walks the rows once,
 * without a round through statements for each.
 */
#include "keystore/inside.h"

#include "base/mem.h"

#include <inttypes.h>

#define STEP_ROWS 10000
#define MAX_BLOB 128u /* of a kept data key: 81 bytes, and room */

typedef struct source {
    uint32_t version;
    bulla_aead *aead;
    int64_t num; /* rows of this step that leave this version */
} source;

typedef struct bulla_rewrap {
    bulla_store *store;
    bulla_call *call;
    bulla_key_row key;
    bulla_aead *to;
    source *sources; /* versions met in this step */
    size_t num_sources, cap_sources, last;
    uint8_t *bound; /* for what is bound, of cap_bound bytes */
    size_t cap_bound;
    bulla_status status; /* of the row that failed */
} rewrap;

static void rewrap_done(rewrap *step)
{
    for (size_t i = 0; i < step->num_sources; i++)
        bulla_aead_unref(step->sources[i].aead);
    bulla_aead_unref(step->to);
    bulla_free(bulla_env_of(step->call), step->sources);
    bulla_free(bulla_env_of(step->call), step->bound);
    if (step->store != NULL) step->store->rewrap = NULL;
}

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

static bulla_status source_find(rewrap *step, uint32_t version, source **out_source)
{
    size_t at = step->last;
    if (at >= step->num_sources || step->sources[at].version != version)
        for (at = 0; at < step->num_sources && step->sources[at].version != version;)
            at++;
    if (at == step->num_sources) {
        BULLA_TRY(sources_grow(step));
        step->sources[at] = (source){.version = version};
        BULLA_TRY(bulla_version_open(step->store, step->call, &step->key, version, &step->sources[at].aead));
        step->num_sources++;
    }
    step->last = at;
    *out_source = &step->sources[at];
    return BULLA_OK;
}

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

static bulla_status row_rewrap(rewrap *step, bulla_view id, uint32_t version, bulla_view blob, bulla_view context,
                               uint8_t *out)
{
    source *from = NULL;
    if (id.len != BULLA_ID_LEN || blob.len > MAX_BLOB || blob.len < BULLA_RECORD_OVERHEAD) return BULLA_ECORRUPT;
    BULLA_TRY(source_find(step, version, &from));
    BULLA_TRY(bound_room(step, BULLA_BIND_LEN + context.len));
    bulla_record_key old = {.version = version, .aead = from->aead};
    bulla_record_key new = {.version = step->key.primary, .aead = step->to};
    memcpy(old.id, step->key.id, BULLA_ID_LEN);
    memcpy(new.id, step->key.id, BULLA_ID_LEN);
    bulla_view bind = bulla_bind_dek(id.data, context, step->bound);
    bulla_status status = bulla_record_rewrap(&old, &new, step->call, bind, blob, out);
    if (status == BULLA_EINTEGRITY || bulla_status_class(status) == BULLA_CLASS_CALLER) return BULLA_ECORRUPT;
    from->num += status == BULLA_OK;
    return status;
}

static bulla_view value_view(sqlite3_value *value)
{
    const void *bytes = sqlite3_value_blob(value);
    return bulla_view_of(bytes, bytes == NULL ? 0 : (size_t)sqlite3_value_bytes(value));
}

/* bulla_rewrap(id, version, blob, context) */
static void sql_rewrap(sqlite3_context *context, int num_args, sqlite3_value **args)
{
    const bulla_store *store = sqlite3_user_data(context);
    rewrap *step = store->rewrap;
    uint8_t out[MAX_BLOB];
    bulla_view blob = value_view(args[2]);
    if (step == NULL || num_args != 4) {
        sqlite3_result_error(context, "no rewrap is under way", -1);
        return;
    }
    uint32_t version = (uint32_t)sqlite3_value_int64(args[1]);
    step->status = row_rewrap(step, value_view(args[0]), version, blob, value_view(args[3]), out);
    if (step->status == BULLA_OK)
        sqlite3_result_blob(context, out, (int)blob.len, SQLITE_TRANSIENT);
    else
        sqlite3_result_error(context, "a data key could not be rewrapped", -1);
}

bulla_status bulla_rewrap_register(bulla_store *store, bulla_call *call)
{
    int code = sqlite3_create_function_v2(store->db.handle, "bulla_rewrap", 4, SQLITE_UTF8 | SQLITE_DIRECTONLY, store,
                                          sql_rewrap, NULL, NULL, NULL);
    return code == SQLITE_OK ? BULLA_OK : bulla_db_fail(&store->db, call, code, "prepare the keystore");
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

/* The last row of the next step, 0 when there are none. */
static bulla_status step_end(bulla_store *store, bulla_call *call, const bulla_key_row *key, int64_t cursor,
                             int64_t *out_end)
{
    const bulla_sql_arg args[] = {BULLA_INT(key->seq), BULLA_INT(cursor), BULLA_INT(STEP_ROWS)};
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_DEK_STEP_END, args, 3, 0, out_end));
    if (*out_end != 0) return BULLA_OK;
    return bulla_db_number(&store->db, call, BULLA_SQL_DEK_LAST, args, 2, 0, out_end); /* fewer than a whole step */
}

static bulla_status rows_rewrap(rewrap *step, int64_t cursor, int64_t end)
{
    bulla_store *store = step->store;
    bulla_status status = bulla_db_run(
        &store->db, step->call, BULLA_SQL_DEK_REWRAP,
        BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(cursor), BULLA_INT(end), BULLA_INT(step->key.primary)));
    if (step->status == BULLA_ECORRUPT)
        return bulla_fail(step->call, BULLA_ECORRUPT,
                          "a kept data key of \"%s\" does not open under its version: check the keystore",
                          step->key.name);
    return step->status != BULLA_OK ? step->status : status;
}

static bulla_status counts_move(rewrap *step)
{
    int64_t moved = 0;
    for (size_t i = 0; i < step->num_sources; i++) {
        BULLA_TRY(bulla_db_run(&step->store->db, step->call, BULLA_SQL_VERSION_COUNT_DEKS,
                               BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(step->sources[i].version),
                                          BULLA_INT(-step->sources[i].num))));
        moved += step->sources[i].num;
    }
    step->key.num_rewrapped += (uint64_t)moved;
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
    int64_t cursor = 0, end = 0;
    BULLA_TRY(cursor_read(store, step->call, &step->key, &cursor));
    BULLA_TRY(step_end(store, step->call, &step->key, cursor, &end));
    *out_done = end == 0;
    if (*out_done) return job_end(step);
    BULLA_TRY(bulla_version_open(store, step->call, &step->key, step->key.primary, &step->to));
    BULLA_TRY(rows_rewrap(step, cursor, end));
    BULLA_TRY(counts_move(step));
    return bulla_db_run(&store->db, step->call, BULLA_SQL_JOB_SET,
                        BULLA_ARGS(BULLA_INT(step->key.seq), BULLA_INT(step->key.primary), BULLA_INT(end),
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
