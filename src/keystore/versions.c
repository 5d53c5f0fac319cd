/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of a key: made, opened, kept open. */
#include "keystore/wraps.h"

#include "base/mem.h"
#include "crypto/rand.h"

#include <inttypes.h>

/* --- made --- */

static bulla_status version_insert(bulla_store *store, bulla_call *call, const bulla_key_row *row, bulla_view material,
                                   int64_t now_s)
{
    uint8_t bound[BULLA_BIND_LEN], sealed[BULLA_SEALED_LEN];
    uint32_t version = row->primary + 1;
    bulla_record_key root = bulla_root_key(&store->root);
    bulla_view bind = bulla_bind_version(store->id, row, version, bound);
    BULLA_TRY(bulla_record_seal(&root, call, bind, material, sealed));
    return bulla_db_run(&store->db, call, BULLA_SQL_VERSION_INSERT,
                        BULLA_ARGS(BULLA_INT(row->seq), BULLA_INT(version),
                                   BULLA_BLOB(bulla_view_of(sealed, sizeof sealed)), BULLA_INT(row->imported),
                                   BULLA_INT(now_s)));
}

bulla_status bulla_version_add(bulla_store *store, bulla_call *call, const bulla_key_row *row, bulla_view material,
                               int64_t now_s)
{
    BULLA_WIPED(uint8_t, drawn, BULLA_MATERIAL_LEN);
    if (row->primary >= UINT32_MAX - 1)
        return bulla_fail(call, BULLA_ELIMIT, "key \"%s\" has no numbers left for versions", row->name);
    BULLA_TRY(bulla_root_need(store, call));
    if (material.len != 0) return version_insert(store, call, row, material, now_s);
    BULLA_TRY(bulla_rand_key(call, drawn, sizeof drawn));
    return version_insert(store, call, row, bulla_view_of(drawn, sizeof drawn), now_s);
}

/* --- opened --- */

static bulla_status sealed_open(bulla_store *store, bulla_call *call, const bulla_key_row *row, uint32_t version,
                                bulla_view sealed, bulla_aead **out_aead)
{
    BULLA_WIPED(uint8_t, material, BULLA_MATERIAL_LEN);
    uint8_t bound[BULLA_BIND_LEN];
    bulla_record_key root = bulla_root_key(&store->root);
    bulla_view bind = bulla_bind_version(store->id, row, version, bound);
    if (sealed.len != BULLA_SEALED_LEN || bulla_record_open(&root, call, bind, sealed, material) != BULLA_OK)
        return bulla_fail(call, BULLA_ECORRUPT, "version %" PRIu32 " of key \"%s\" does not open under the root key",
                          version, row->name);
    return bulla_aead_new(call, bulla_view_of(material, sizeof material), out_aead);
}

bulla_status bulla_version_open(bulla_store *store, bulla_call *call, const bulla_key_row *row, uint32_t version,
                                bulla_opened *out_opened)
{
    bulla_aead *aead = NULL;
    BULLA_ROWS(rows);
    bool found = false;
    if (version > row->primary)
        return bulla_fail(call, BULLA_ENOKEY,
                          "key \"%s\" has no version %" PRIu32 " here: the keystore is older than what it should open",
                          row->name, version);
    BULLA_TRY(bulla_root_need(store, call));
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_VERSION_GET,
                              BULLA_ARGS(BULLA_INT(row->seq), BULLA_INT(version)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    if (!found || bulla_rows_is_null(&rows, 0))
        return bulla_fail(call, BULLA_ECORRUPT, "version %" PRIu32 " of key \"%s\" is missing", version, row->name);
    BULLA_TRY(sealed_open(store, call, row, version, bulla_rows_view(&rows, 0), &aead));
    *out_opened = (bulla_opened){
        .asked = version, .version = version, .num_wraps = (uint64_t)bulla_rows_number(&rows, 2), .aead = aead};
    memcpy(out_opened->id, row->id, BULLA_ID_LEN);
    return BULLA_OK;
}

static bulla_opened *place_of(bulla_store *store, const uint8_t id[BULLA_ID_LEN], uint32_t version)
{
    uint32_t mix = bulla_get_u32(id) + version; /* ids are random */
    return &store->opened[mix % BULLA_NUM_OPENED];
}

bulla_status bulla_version_use(bulla_store *store, bulla_call *call, const uint8_t id[BULLA_ID_LEN], uint32_t version,
                               bulla_opened *out_opened)
{
    bulla_opened *kept = place_of(store, id, version);
    bulla_key_row row;
    if (kept->aead == NULL || kept->asked != version || memcmp(kept->id, id, BULLA_ID_LEN) != 0) {
        bulla_opened opened;
        BULLA_TRY(bulla_key_find_id(store, call, id, &row));
        BULLA_TRY(bulla_key_usable_check(call, &row));
        BULLA_TRY(bulla_version_open(store, call, &row, version == 0 ? row.primary : version, &opened));
        opened.asked = version;
        bulla_aead_unref(kept->aead);
        *kept = opened;
    }
    *out_opened = *kept;
    out_opened->aead = bulla_aead_ref(kept->aead);
    return BULLA_OK;
}

/* --- rotated --- */

static bulla_status rotate_check(bulla_call *call, const bulla_key_row *row)
{
    BULLA_TRY(bulla_key_usable_check(call, row));
    if (row->imported)
        return bulla_fail(call, BULLA_ESTATE, "key \"%s\" has material from outside: import its next version",
                          row->name);
    return BULLA_OK;
}

/* A new primary version in the transaction that runs. Dates within a key never go back (spec/keystore.md, States). */
static bulla_status rotate(bulla_store *store, bulla_call *call, const bulla_key_row *row, const char *why)
{
    int64_t now_s = bulla_wall_s(call) > row->rotated_s ? bulla_wall_s(call) : row->rotated_s;
    uint32_t version = row->primary + 1;
    BULLA_TRY(rotate_check(call, row));
    BULLA_TRY(bulla_version_add(store, call, row, (bulla_view){NULL, 0}, now_s));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_KEY_PRIMARY,
                           BULLA_ARGS(BULLA_INT(row->seq), BULLA_INT(version), BULLA_INT(now_s))));
    return bulla_event_add(&store->db, call, "key.rotate", row->seq, "version %" PRIu32 "%s", version, why);
}

bulla_status bulla_store_key_rotate(bulla_store *store, bulla_call *call, const char *key, char *out_id,
                                    uint32_t *out_version)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(rotate(store, call, &row, ""));
    BULLA_TRY(bulla_session_commit(&session, call));
    bulla_store_forget(store);
    bulla_id_text(row.id, out_id);
    if (out_version != NULL) *out_version = row.primary + 1;
    return BULLA_OK;
}

/* One key in its own transaction: another process may be at the same work, so what is due is asked inside. */
static bulla_status rotate_next(bulla_store *store, bulla_call *call, int64_t *after, bool *out_done)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    int64_t seq = 0;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_KEY_ROTATION_DUE,
                              BULLA_ARGS(BULLA_INT(*after), BULLA_INT(bulla_wall_s(call)), BULLA_INT(BULLA_WRAPS_DUE)),
                              0, &seq));
    *out_done = seq == 0;
    if (*out_done) return BULLA_OK;
    BULLA_TRY(bulla_key_find_seq(&store->db, call, seq, &row));
    BULLA_TRY(rotate(store, call, &row, ", due"));
    BULLA_TRY(bulla_session_commit(&session, call));
    bulla_store_forget(store);
    *after = seq;
    return BULLA_OK;
}

bulla_status bulla_store_rotate_due(bulla_store *store, bulla_call *call, uint32_t *out_num_rotated)
{
    int64_t after = 0;
    bool done = false;
    for (*out_num_rotated = 0;; ++*out_num_rotated) {
        BULLA_TRY(rotate_next(store, call, &after, &done));
        if (done) return BULLA_OK;
    }
}

/* --- listed --- */

static void version_info(const bulla_rows *rows, const bulla_key_row *row, bulla_version_info *out_info)
{
    bool is_primary = bulla_rows_number(rows, 0) == (int64_t)row->primary, is_gone = bulla_rows_number(rows, 2) != 0;
    uint64_t num_wraps = (uint64_t)bulla_rows_number(rows, 5);
    *out_info = (bulla_version_info){
        .version = (uint32_t)bulla_rows_number(rows, 0),
        .created_s = bulla_rows_number(rows, 1),
        .primary = is_primary,
        .destroyed = is_gone,
        .imported = bulla_rows_number(rows, 3) != 0,
        .num_deks = (uint64_t)bulla_rows_number(rows, 4),
        .num_wraps = num_wraps,
        .rotation_due = is_primary && !is_gone && num_wraps >= BULLA_WRAPS_DUE,
    };
}

static bulla_status page_read(bulla_store *store, bulla_call *call, const char *key, uint32_t after,
                              bulla_version_info *infos, size_t *out_num)
{
    BULLA_SESSION(session);
    BULLA_ROWS(rows);
    bulla_key_row row;
    bool more = false;
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_VERSION_LIST,
                              BULLA_ARGS(BULLA_INT(row.seq), BULLA_INT(after), BULLA_INT(BULLA_PAGE)), &rows));
    for (*out_num = 0; *out_num < BULLA_PAGE; ++*out_num) {
        BULLA_TRY(bulla_rows_next(&rows, call, &more));
        if (!more) break;
        version_info(&rows, &row, &infos[*out_num]);
    }
    return BULLA_OK;
}

bulla_status bulla_store_key_versions(bulla_store *store, bulla_call *call, const char *key, bulla_version_visit visit,
                                      void *arg)
{
    bulla_version_info infos[BULLA_PAGE];
    uint32_t after = 0;
    for (size_t num = BULLA_PAGE; num == BULLA_PAGE;) {
        BULLA_TRY(page_read(store, call, key, after, infos, &num));
        for (size_t i = 0; i < num; i++)
            BULLA_TRY(visit(arg, call, &infos[i]));
        if (num != 0) after = infos[num - 1].version;
    }
    return BULLA_OK;
}
