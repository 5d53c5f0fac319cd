/* SPDX-License-Identifier: Apache-2.0 */
/* What the clock brings: deletion scheduled, cancelled, carried out (spec/keystore.md, States). */
#include "keystore/inside.h"

#include "base/mem.h"

#define MIN_DAYS 7u
#define MAX_DAYS 30u
#define DAY_S 86400
#define SURE_S 3600 /* between the two readings of the clock that a destruction needs */

/* --- scheduled and cancelled --- */

static bulla_status schedule_check(bulla_call *call, const bulla_key_row *row)
{
    char date[32];
    BULLA_TRY(bulla_key_alive_check(call, row));
    if (row->state != BULLA_KEY_PENDING_DELETION) return BULLA_OK;
    bulla_date_text(row->deletion_s, date);
    return bulla_fail(call, BULLA_ESTATE, "key \"%s\" is scheduled already, for %s", row->name, date);
}

bulla_status bulla_store_deletion_schedule(bulla_store *store, bulla_call *call, const char *key, unsigned days,
                                           char *out_id, int64_t *out_deletion_s)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    char date[32];
    if (days < MIN_DAYS || days > MAX_DAYS)
        return bulla_fail(call, BULLA_EINVAL, "a deletion is scheduled %u to %u days ahead, not %u", MIN_DAYS, MAX_DAYS,
                          days);
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(schedule_check(call, &row));
    int64_t deletion_s = bulla_wall_s(call) + (int64_t)days * DAY_S;
    bulla_date_text(deletion_s, date);
    BULLA_TRY(
        bulla_db_run(&store->db, call, BULLA_SQL_KEY_STATE,
                     BULLA_ARGS(BULLA_INT(row.seq), BULLA_INT(BULLA_KEY_PENDING_DELETION), BULLA_INT(deletion_s))));
    BULLA_TRY(bulla_event_add(&store->db, call, "key.schedule-deletion", row.seq, "for %s", date));
    BULLA_TRY(bulla_session_commit(&session, call));
    bulla_store_forget(store);
    bulla_id_text(row.id, out_id);
    if (out_deletion_s != NULL) *out_deletion_s = deletion_s;
    if (deletion_s < store->next_due_s) store->next_due_s = deletion_s;
    return BULLA_OK;
}

bulla_status bulla_store_deletion_cancel(bulla_store *store, bulla_call *call, const char *key)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_key_alive_check(call, &row));
    if (row.state != BULLA_KEY_PENDING_DELETION)
        return bulla_fail(call, BULLA_ESTATE, "key \"%s\" is not scheduled for deletion", row.name);
    bulla_key_state state = row.primary == 0 ? BULLA_KEY_PENDING_IMPORT : BULLA_KEY_DISABLED;
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_KEY_STATE,
                           BULLA_ARGS(BULLA_INT(row.seq), BULLA_INT(state), BULLA_INT(0))));
    BULLA_TRY(bulla_event_add(&store->db, call, "key.cancel-deletion", row.seq, "now %s", bulla_key_state_name(state)));
    return bulla_session_commit(&session, call);
}

/* --- carried out --- */

static bulla_status destroy(bulla_store *store, bulla_call *call, int64_t seq, int64_t now_s)
{
    static const bulla_sql steps[] = {BULLA_SQL_VERSION_DESTROY, BULLA_SQL_ALIAS_DELETE_ALL, BULLA_SQL_IMPORT_DELETE,
                                      BULLA_SQL_JOB_DELETE};
    for (size_t i = 0; i < BULLA_LEN(steps); i++)
        BULLA_TRY(bulla_db_run(&store->db, call, steps[i], BULLA_ARGS(BULLA_INT(seq))));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_KEY_STATE,
                           BULLA_ARGS(BULLA_INT(seq), BULLA_INT(BULLA_KEY_DESTROYED), BULLA_INT(now_s))));
    return bulla_event_add(&store->db, call, "key.destroy", seq, "as scheduled");
}

typedef struct pending {
    int64_t seq, deletion_s, due_seen_s;
} pending;

static bulla_status pending_next(bulla_store *store, bulla_call *call, int64_t now_s, int64_t after, pending *out_next)
{
    BULLA_ROWS(rows);
    bool more = false;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_PENDING_GET, BULLA_ARGS(BULLA_INT(now_s), BULLA_INT(after)),
                              &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &more));
    *out_next = (pending){.seq = 0};
    if (more)
        *out_next = (pending){bulla_rows_number(&rows, 0), bulla_rows_number(&rows, 1), bulla_rows_number(&rows, 2)};
    return BULLA_OK;
}

/* One reading of the clock never destroys: the first that finds the date passed is written down, one an hour later
 * destroys, one that finds the date not passed takes the first back. */
static bulla_status pending_serve(bulla_store *store, bulla_call *call, int64_t now_s, const pending *key,
                                  bool *destroyed)
{
    if (key->deletion_s <= now_s && key->due_seen_s != 0 && key->due_seen_s <= now_s - SURE_S) {
        *destroyed = true;
        return destroy(store, call, key->seq, now_s);
    }
    return bulla_db_run(&store->db, call, BULLA_SQL_KEY_DUE_SEEN,
                        BULLA_ARGS(BULLA_INT(key->seq), BULLA_INT(key->deletion_s <= now_s ? now_s : 0)));
}

static bulla_status pending_serve_all(bulla_store *store, bulla_call *call, int64_t now_s, bool *destroyed)
{
    pending key = {.seq = 0};
    for (;;) {
        BULLA_TRY(pending_next(store, call, now_s, key.seq, &key));
        if (key.seq == 0) return BULLA_OK;
        BULLA_TRY(pending_serve(store, call, now_s, &key, destroyed));
    }
}

/* Anything to write? Asked outside a transaction, because the answer is mostly no. */
static bulla_status is_due(bulla_store *store, bulla_call *call, int64_t now_s, bool *out_due)
{
    pending key;
    int64_t import = 0;
    BULLA_TRY(pending_next(store, call, now_s, 0, &key));
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_IMPORT_EXPIRED, BULLA_ARGS(BULLA_INT(now_s), BULLA_INT(0)), 0,
                              &import));
    *out_due = key.seq != 0 || import != 0;
    return BULLA_OK;
}

static bulla_status serve(bulla_store *store, bulla_call *call, int64_t now_s, bool *destroyed)
{
    /* The caller holds the lock; of a session only the transaction is needed. */
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_BEGIN_WRITE, NULL, 0));
    bulla_status status = pending_serve_all(store, call, now_s, destroyed);
    if (status == BULLA_OK) status = bulla_imports_expire(store, call, now_s);
    if (status == BULLA_OK) return bulla_db_run(&store->db, call, BULLA_SQL_COMMIT, NULL, 0);
    bulla_db_rollback(&store->db);
    return status;
}

bulla_status bulla_store_reap(bulla_store *store, bulla_call *call, int64_t now_s)
{
    bool due = false, destroyed = false;
    BULLA_TRY(is_due(store, call, now_s, &due));
    if (due) BULLA_TRY(serve(store, call, now_s, &destroyed));
    if (destroyed) bulla_db_flush(&store->db, call); /* the material leaves the files */
    return bulla_store_due_read(store, call);
}
