/* SPDX-License-Identifier: Apache-2.0 */
/* Data keys kept in the store. */
#include "keystore/inside.h"

#include "base/context.h"
#include "crypto/rand.h"

#define MAX_TRIES 4 /* a key that is rotated while a data key is wrapped under it */

BULLA_AUTO_DEFINE(bulla_datakey, bulla_datakey_unref)

static bulla_status key_id_for(bulla_store *store, bulla_call *call, const char *key, uint8_t out_id[BULLA_ID_LEN])
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_key_usable_check(call, &row));
    memcpy(out_id, row.id, BULLA_ID_LEN);
    return BULLA_OK;
}

/* Moves both counts in the transaction that runs, so that looking at them never counts rows. */
static bulla_status count(bulla_store *store, bulla_call *call, int64_t key, uint32_t version, int64_t change)
{
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_KEY_COUNT_DEKS, BULLA_ARGS(BULLA_INT(key), BULLA_INT(change))));
    return bulla_db_run(&store->db, call, BULLA_SQL_VERSION_COUNT_DEKS,
                        BULLA_ARGS(BULLA_INT(key), BULLA_INT(version), BULLA_INT(change)));
}

typedef struct kept_ids {
    uint8_t key[BULLA_ID_LEN], dek[BULLA_ID_LEN];
} kept_ids;

static bulla_status row_insert(bulla_store *store, bulla_call *call, const kept_ids *ids, const bulla_context *context,
                               bulla_view blob, bool *out_stale)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    bulla_record_header header;
    BULLA_TRY(bulla_record_header_decode(call, blob, &header));
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find_id(store, call, ids->key, &row));
    BULLA_TRY(bulla_key_usable_check(call, &row));
    *out_stale = row.primary != header.version; /* rotated meanwhile: a rewrap may have passed already */
    if (*out_stale) return BULLA_OK;
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_DEK_INSERT,
                           BULLA_ARGS(BULLA_BLOB(bulla_view_of(ids->dek, BULLA_ID_LEN)), BULLA_INT(row.seq),
                                      BULLA_INT(header.version), BULLA_BLOB(blob),
                                      BULLA_BLOB(bulla_context_bytes(context)))));
    BULLA_TRY(count(store, call, row.seq, header.version, 1));
    return bulla_session_commit(&session, call);
}

bulla_status bulla_store_dek_keep(bulla_store *store, bulla_call *call, const char *key, bulla_context *context,
                                  const bulla_datakey_options *options, char out_id[33], bulla_datakey **out_datakey)
{
    BULLA_AUTO(bulla_provider) *provider = NULL;
    kept_ids ids;
    BULLA_TRY(key_id_for(store, call, key, ids.key));
    BULLA_TRY(bulla_rand(call, ids.dek, sizeof ids.dek));
    BULLA_TRY(bulla_local_new_dek(store, call, ids.key, ids.dek, &provider));
    for (int tries = 0; tries < MAX_TRIES; tries++) {
        BULLA_AUTO(bulla_datakey) *datakey = NULL;
        bool stale = false;
        BULLA_TRY(bulla_datakey_create(call, provider, context, options, &datakey));
        BULLA_TRY(row_insert(store, call, &ids, context, bulla_datakey_wrapped(datakey)->blob, &stale));
        if (stale) continue;
        bulla_id_text(ids.dek, out_id);
        *out_datakey = BULLA_TAKE(datakey);
        return BULLA_OK;
    }
    return bulla_fail(call, BULLA_EBUSY, "key \"%s\" is rotated all the time: try again", key);
}

static bulla_status id_parse(bulla_call *call, const char *text, uint8_t out_id[BULLA_ID_LEN])
{
    return bulla_hex_decode(bulla_view_text(text), out_id, BULLA_ID_LEN)
               ? BULLA_OK
               : bulla_fail(call, BULLA_EINVAL, "a data key's id has %u hexadecimal digits", BULLA_KEY_ID_TEXT);
}

static bulla_status row_find(bulla_store *store, bulla_call *call, const uint8_t id[BULLA_ID_LEN], bulla_rows *rows)
{
    bool found = false;
    bulla_sql_arg arg = BULLA_BLOB(bulla_view_of(id, BULLA_ID_LEN));
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_DEK_GET, &arg, 1, rows));
    BULLA_TRY(bulla_rows_next(rows, call, &found));
    return found ? BULLA_OK : bulla_fail(call, BULLA_ENOKEY, "no data key with this id is kept in %s", store->path);
}

static bulla_status wrapped_load(bulla_store *store, bulla_call *call, const uint8_t id[BULLA_ID_LEN],
                                 uint8_t out_key_id[BULLA_ID_LEN], bulla_wrapped **out_wrapped)
{
    BULLA_SESSION(session);
    BULLA_ROWS(rows);
    bulla_key_row row;
    char info[BULLA_LOCAL_INFO_LEN + 1];
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(row_find(store, call, id, &rows));
    BULLA_TRY(bulla_key_find_seq(&store->db, call, bulla_rows_number(&rows, 1), &row));
    BULLA_TRY(bulla_key_usable_check(call, &row));
    memcpy(out_key_id, row.id, BULLA_ID_LEN);
    bulla_local_info(row.id, (uint32_t)bulla_rows_number(&rows, 2), info);
    return bulla_wrapped_new(call, bulla_view_text(BULLA_LOCAL_NAME), bulla_view_text(info), bulla_rows_view(&rows, 3),
                             out_wrapped);
}

bulla_status bulla_store_dek_load(bulla_store *store, bulla_call *call, const char *id, bulla_context *context,
                                  const bulla_datakey_options *options, bulla_datakey **out_datakey)
{
    BULLA_AUTO(bulla_provider) *provider = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    uint8_t dek_id[BULLA_ID_LEN], key_id[BULLA_ID_LEN];
    BULLA_TRY(id_parse(call, id, dek_id));
    BULLA_TRY(wrapped_load(store, call, dek_id, key_id, &wrapped));
    BULLA_TRY(bulla_local_new_dek(store, call, key_id, dek_id, &provider));
    return bulla_datakey_open(call, provider, context, wrapped, options, out_datakey);
}

static bulla_status row_locate(bulla_store *store, bulla_call *call, const uint8_t id[BULLA_ID_LEN], int64_t *out_seq,
                               int64_t *out_key, uint32_t *out_version)
{
    BULLA_ROWS(rows);
    BULLA_TRY(row_find(store, call, id, &rows));
    *out_seq = bulla_rows_number(&rows, 0);
    *out_key = bulla_rows_number(&rows, 1);
    *out_version = (uint32_t)bulla_rows_number(&rows, 2);
    return BULLA_OK;
}

bulla_status bulla_store_dek_forget(bulla_store *store, bulla_call *call, const char *id)
{
    BULLA_SESSION(session);
    uint8_t dek_id[BULLA_ID_LEN];
    int64_t seq = 0, key = 0;
    uint32_t version = 0;
    BULLA_TRY(id_parse(call, id, dek_id));
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(row_locate(store, call, dek_id, &seq, &key, &version));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_DEK_DELETE, BULLA_ARGS(BULLA_INT(seq))));
    BULLA_TRY(count(store, call, key, version, -1));
    return bulla_session_commit(&session, call);
}
