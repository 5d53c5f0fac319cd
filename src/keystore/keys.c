/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: created, listed, switched on and off. */
#include "keystore/inside.h"

#include "base/mem.h"
#include "crypto/rand.h"

#include <inttypes.h>

#define MIN_PERIOD_S 3600u

/* --- created --- */

static bulla_status period_check(bulla_call *call, uint32_t period_s)
{
    if (period_s != 0 && period_s < MIN_PERIOD_S)
        return bulla_fail(call, BULLA_EINVAL, "a rotation period is at least %u seconds, or 0 for none", MIN_PERIOD_S);
    return BULLA_OK;
}

static bulla_status options_read(bulla_call *call, const bulla_key_options *options, bulla_key_options *out_options)
{
    bulla_key_options read = {.size = sizeof read};
    if (options != NULL && options->size < sizeof *options)
        return bulla_fail(call, BULLA_EINVAL, "bulla_key_options.size is %zu: set it to sizeof(bulla_key_options)",
                          options->size);
    if (options != NULL) read = *options;
    if (read.type == BULLA_KEY_UNKNOWN) read.type = BULLA_KEY_AES256_GCM;
    if (read.usage == BULLA_USAGE_UNKNOWN) read.usage = BULLA_USAGE_WRAP;
    if (read.type != BULLA_KEY_AES256_GCM || read.usage != BULLA_USAGE_WRAP)
        return bulla_fail(call, BULLA_EUNSUPPORTED, "keys of the keystore are aes-256-gcm for wrapping, so far");
    BULLA_TRY(period_check(call, read.rotation_period_s));
    *out_options = read;
    return BULLA_OK;
}

bulla_status bulla_key_insert(bulla_store *store, bulla_call *call, const char *name, bulla_key_row *row)
{
    int64_t taken = 0;
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_NAME_TAKEN, BULLA_ARGS(BULLA_TEXT(name)), 0, &taken));
    if (taken != 0) return bulla_fail(call, BULLA_EEXISTS, "a key or alias is called \"%s\" already", name);
    memcpy(row->name, name, strlen(name) + 1);
    row->created_s = bulla_wall_s(call);
    BULLA_TRY(bulla_rand(call, row->id, sizeof row->id));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_KEY_INSERT,
                           BULLA_ARGS(BULLA_BLOB(bulla_view_of(row->id, sizeof row->id)), BULLA_TEXT(row->name),
                                      BULLA_INT(row->type), BULLA_INT(row->usage), BULLA_INT(row->state),
                                      BULLA_INT(row->primary), BULLA_INT(row->imported), BULLA_INT(row->period_s),
                                      BULLA_INT(row->created_s), BULLA_INT(row->rotated_s))));
    row->seq = sqlite3_last_insert_rowid(store->db.handle);
    return BULLA_OK;
}

/* The row says version 1 from the start: it is written once. */
static bulla_status key_create(bulla_store *store, bulla_call *call, const char *name, bulla_key_row *row)
{
    bulla_key_row before;
    row->rotated_s = bulla_wall_s(call);
    row->primary = 1;
    BULLA_TRY(bulla_key_insert(store, call, name, row));
    before = *row;
    before.primary = 0;
    BULLA_TRY(bulla_version_add(store, call, &before, (bulla_view){NULL, 0}, row->rotated_s));
    return bulla_event_add(&store->db, call, "key.create", row->seq, "%s for %s", bulla_key_type_name(row->type),
                           bulla_key_usage_name(row->usage));
}

bulla_status bulla_store_key_create(bulla_store *store, bulla_call *call, const char *name,
                                    const bulla_key_options *options, bulla_key_info *out_info)
{
    BULLA_SESSION(session);
    bulla_key_options read = {.size = sizeof read};
    BULLA_TRY(bulla_name_check(call, name, "name"));
    BULLA_TRY(options_read(call, options, &read));
    BULLA_TRY(bulla_session_write(store, call, &session));
    bulla_key_row row = {
        .type = read.type, .usage = read.usage, .state = BULLA_KEY_ENABLED, .period_s = read.rotation_period_s};
    BULLA_TRY(key_create(store, call, name, &row));
    BULLA_TRY(bulla_session_commit(&session, call));
    if (out_info != NULL) bulla_key_row_info(&row, out_info);
    return BULLA_OK;
}

/* --- looked at --- */

bulla_status bulla_store_key_info(bulla_store *store, bulla_call *call, const char *key, bulla_key_info *out_info)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    bulla_key_row_info(&row, out_info);
    return BULLA_OK;
}

static bulla_status page_read(bulla_store *store, bulla_call *call, bulla_sql sql, bulla_key_row *keys, size_t *out_num)
{
    BULLA_SESSION(session);
    BULLA_ROWS(rows);
    bool more = false;
    bulla_key_row last = keys[BULLA_PAGE - 1]; /* where the page before ended */
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_rows_open(&store->db, call, sql,
                              BULLA_ARGS(BULLA_TEXT(last.name), BULLA_INT(last.seq), BULLA_INT(BULLA_PAGE)), &rows));
    for (*out_num = 0; *out_num < BULLA_PAGE; ++*out_num) {
        BULLA_TRY(bulla_rows_next(&rows, call, &more));
        if (!more) break;
        BULLA_TRY(bulla_key_row_read(&rows, call, &keys[*out_num]));
    }
    return BULLA_OK;
}

bulla_status bulla_store_key_list(bulla_store *store, bulla_call *call, bool destroyed, bulla_key_visit visit,
                                  void *arg)
{
    bulla_key_row keys[BULLA_PAGE];
    bulla_key_info info;
    memset(&keys[BULLA_PAGE - 1], 0, sizeof keys[0]);
    for (size_t num = BULLA_PAGE; num == BULLA_PAGE;) {
        BULLA_TRY(page_read(store, call, destroyed ? BULLA_SQL_KEY_LIST_ALL : BULLA_SQL_KEY_LIST, keys, &num));
        for (size_t i = 0; i < num; i++) {
            bulla_key_row_info(&keys[i], &info);
            BULLA_TRY(visit(arg, call, &info));
        }
    }
    return BULLA_OK;
}

/* --- switched --- */

static bulla_status state_set(bulla_store *store, bulla_call *call, const bulla_key_row *row, bulla_key_state state,
                              const char *action)
{
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_KEY_STATE,
                           BULLA_ARGS(BULLA_INT(row->seq), BULLA_INT(state), BULLA_INT(0))));
    return bulla_event_add(&store->db, call, action, row->seq, "%s", "");
}

/* Disabled and enabled are each other's only way: the rest answers for itself. */
static bulla_status switch_check(bulla_call *call, const bulla_key_row *row)
{
    return row->state == BULLA_KEY_DISABLED ? BULLA_OK : bulla_key_usable_check(call, row);
}

bulla_status bulla_store_key_enable(bulla_store *store, bulla_call *call, const char *key)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(switch_check(call, &row));
    if (row.state == BULLA_KEY_ENABLED) return BULLA_OK;
    BULLA_TRY(state_set(store, call, &row, BULLA_KEY_ENABLED, "key.enable"));
    return bulla_session_commit(&session, call);
}

bulla_status bulla_store_key_disable(bulla_store *store, bulla_call *call, const char *key, char *out_id)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(switch_check(call, &row));
    if (row.state == BULLA_KEY_ENABLED) {
        BULLA_TRY(state_set(store, call, &row, BULLA_KEY_DISABLED, "key.disable"));
        BULLA_TRY(bulla_session_commit(&session, call));
        bulla_store_forget(store);
    }
    bulla_id_text(row.id, out_id);
    return BULLA_OK;
}

bulla_status bulla_store_rotation_set(bulla_store *store, bulla_call *call, const char *key, uint32_t period_s)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(period_check(call, period_s));
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_key_alive_check(call, &row));
    if (row.imported && period_s != 0)
        return bulla_fail(call, BULLA_ESTATE, "key \"%s\" has material from outside: it cannot rotate by itself",
                          row.name);
    BULLA_TRY(
        bulla_db_run(&store->db, call, BULLA_SQL_KEY_PERIOD, BULLA_ARGS(BULLA_INT(row.seq), BULLA_INT(period_s))));
    BULLA_TRY(bulla_event_add(&store->db, call, "key.rotation", row.seq, "every %" PRIu32 " s", period_s));
    return bulla_session_commit(&session, call);
}
