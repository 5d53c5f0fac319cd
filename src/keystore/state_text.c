/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/state_text.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

static bulla_status identity_read(bulla_db *db, bulla_call *call, bulla_manifest *manifest, uint32_t *out_generation)
{
    BULLA_ROWS(store);
    BULLA_ROWS(root);
    bool found = false, more = false;
    uint8_t id[BULLA_ID_LEN];
    BULLA_TRY(bulla_rows_open(db, call, BULLA_SQL_STORE_GET, NULL, 0, &store));
    BULLA_TRY(bulla_rows_next(&store, call, &found));
    BULLA_TRY(bulla_rows_open(db, call, BULLA_SQL_ROOT_GET, NULL, 0, &root));
    BULLA_TRY(bulla_rows_next(&root, call, &more));
    if (!found || !more || !bulla_rows_copy(&store, 0, id, sizeof id))
        return bulla_fail(call, BULLA_ECORRUPT, "the keystore has lost its identity or the row of its root key");
    bulla_id_text(id, manifest->store);
    bulla_rows_text(&root, 2, manifest->root_address, sizeof manifest->root_address);
    *out_generation = (uint32_t)bulla_rows_number(&root, 0);
    return BULLA_OK;
}

bulla_status bulla_manifest_read(bulla_db *db, bulla_call *call, bulla_manifest *out_manifest)
{
    BULLA_ROWS(counts);
    uint32_t generation = 0;
    bool found = false;
    BULLA_TRY(identity_read(db, call, out_manifest, &generation));
    BULLA_TRY(bulla_rows_open(db, call, BULLA_SQL_COUNTS, NULL, 0, &counts));
    BULLA_TRY(bulla_rows_next(&counts, call, &found));
    int len =
        snprintf(out_manifest->text, sizeof out_manifest->text,
                 "store=%s\nformat=%d\nroot=%s\ngeneration=%" PRIu32 "\nkeys=%" PRId64 "\nversions=%" PRId64
                 "\ndeks=%" PRId64 "\nevents=%" PRId64 "\n",
                 out_manifest->store, db->format, out_manifest->root_address, generation, bulla_rows_number(&counts, 0),
                 bulla_rows_number(&counts, 1), bulla_rows_number(&counts, 2), bulla_rows_number(&counts, 3));
    out_manifest->created_at = (size_t)len;
    len += snprintf(out_manifest->text + len, sizeof out_manifest->text - (size_t)len, "created=%" PRId64 "\n",
                    bulla_wall_s(call));
    out_manifest->len = (size_t)len;
    return BULLA_OK;
}

static bulla_status key_line(bulla_db *db, bulla_call *call, const bulla_key_row *key, char *out, size_t cap,
                             size_t *out_len)
{
    BULLA_ROWS(rows);
    bool found = false;
    char id[BULLA_KEY_ID_TEXT + 1], job[24] = "-";
    BULLA_TRY(bulla_rows_open(db, call, BULLA_SQL_JOB_GET, BULLA_ARGS(BULLA_INT(key->seq)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    if (found) (void)snprintf(job, sizeof job, "%" PRId64, bulla_rows_number(&rows, 1));
    bulla_id_text(key->id, id);
    int len =
        snprintf(out, cap, "id=%s name=%s state=%s primary=%" PRIu32 " rotated=%" PRId64 " period=%" PRIu32 " job=%s\n",
                 id, key->name, bulla_key_state_name(key->state), key->primary, key->rotated_s, key->period_s, job);
    *out_len = (size_t)len < cap ? (size_t)len : cap - 1;
    return BULLA_OK;
}

static bulla_status key_next(bulla_db *db, bulla_call *call, bulla_key_row *key, bool *out_more)
{
    BULLA_ROWS(rows);
    BULLA_TRY(bulla_rows_open(db, call, BULLA_SQL_KEY_BY_SEQ_AFTER, BULLA_ARGS(BULLA_INT(key->seq)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, out_more));
    return *out_more ? bulla_key_row_read(&rows, call, key) : BULLA_OK;
}

bulla_status bulla_rotation_text(bulla_db *db, bulla_call *call, bulla_text_write write, void *arg)
{
    bulla_key_row key = {.seq = 0};
    char line[512];
    size_t len = 0;
    for (;;) {
        bool more = false;
        BULLA_TRY(bulla_call_check(call));
        BULLA_TRY(key_next(db, call, &key, &more));
        if (!more) return BULLA_OK;
        BULLA_TRY(key_line(db, call, &key, line, sizeof line, &len));
        BULLA_TRY(write(arg, call, bulla_view_of(line, len)));
    }
}
