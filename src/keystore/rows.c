/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as rows: found by name, alias or id, and said in words. */
#include "keystore/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define MAX_DATE_S (INT64_C(1) << 48)

void bulla_id_text(const uint8_t id[BULLA_ID_LEN], char out[BULLA_KEY_ID_TEXT + 1])
{
    bulla_hex_encode(bulla_view_of(id, BULLA_ID_LEN), out);
}

void bulla_date_text(int64_t time_s, char out[32])
{
    struct tm date;
    time_t time = (time_t)time_s;
    if (gmtime_r(&time, &date) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &date) == 0)
        (void)snprintf(out, 32, "%" PRId64, time_s);
}

bool bulla_text_is_id(const char *text)
{
    uint8_t id[BULLA_ID_LEN];
    return bulla_hex_decode(bulla_view_text(text), id, sizeof id);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._/-", c) != NULL);
}

bulla_status bulla_name_check(bulla_call *call, const char *name, const char *what)
{
    size_t len = strnlen(name, BULLA_MAX_NAME + 1);
    if (len == 0 || len > BULLA_MAX_NAME)
        return bulla_fail(call, BULLA_EINVAL, "the %s must have 1 to %u characters", what, BULLA_MAX_NAME);
    if (name[0] == '-' || name[0] == '/')
        return bulla_fail(call, BULLA_EINVAL, "the %s must not start with '%c'", what, name[0]);
    for (size_t i = 0; i < len; i++)
        if (!is_name_char(name[i]))
            return bulla_fail(call, BULLA_EINVAL, "character %zu of the %s is none of A-Z a-z 0-9 . _ / -", i + 1,
                              what);
    if (bulla_text_is_id(name))
        return bulla_fail(call, BULLA_EINVAL, "the %s looks like a key id: choose another", what);
    return BULLA_OK;
}

/* created, rotated, rewrapped, deletion, due_seen: so that to add a period to one never overflows. */
static bool dates_are_legal(const bulla_rows *rows)
{
    for (int column = 9; column <= 13; column++) {
        int64_t date = bulla_rows_number(rows, column);
        if (date < 0 || date > MAX_DATE_S) return false;
    }
    return true;
}

static bool row_is_legal(const bulla_rows *rows)
{
    int64_t type = bulla_rows_number(rows, 3), usage = bulla_rows_number(rows, 4), state = bulla_rows_number(rows, 5);
    int64_t primary = bulla_rows_number(rows, 6), period = bulla_rows_number(rows, 8);
    return type >= BULLA_KEY_AES256_GCM && type <= BULLA_KEY_RSA && usage >= BULLA_USAGE_WRAP &&
           usage <= BULLA_USAGE_MAC && state >= BULLA_KEY_ENABLED && state <= BULLA_KEY_DESTROYED && primary >= 0 &&
           primary <= UINT32_MAX && period >= 0 && period <= UINT32_MAX &&
           bulla_rows_view(rows, 2).len <= BULLA_MAX_NAME && dates_are_legal(rows);
}

bulla_status bulla_key_row_read(const bulla_rows *rows, bulla_call *call, bulla_key_row *out_row)
{
    bulla_key_row row = {.seq = bulla_rows_number(rows, 0)};
    if (!bulla_rows_copy(rows, 1, row.id, sizeof row.id) || !row_is_legal(rows))
        return bulla_fail(call, BULLA_ECORRUPT, "the row of key number %" PRId64 " has no legal values", row.seq);
    bulla_rows_text(rows, 2, row.name, sizeof row.name);
    row.type = (bulla_key_type)bulla_rows_number(rows, 3);
    row.usage = (bulla_key_usage)bulla_rows_number(rows, 4);
    row.state = (bulla_key_state)bulla_rows_number(rows, 5);
    row.primary = (uint32_t)bulla_rows_number(rows, 6);
    row.imported = bulla_rows_number(rows, 7) != 0;
    row.period_s = (uint32_t)bulla_rows_number(rows, 8);
    row.created_s = bulla_rows_number(rows, 9);
    row.rotated_s = bulla_rows_number(rows, 10);
    row.rewrapped_s = bulla_rows_number(rows, 11);
    row.deletion_s = bulla_rows_number(rows, 12);
    row.due_seen_s = bulla_rows_number(rows, 13);
    row.num_deks = (uint64_t)bulla_rows_number(rows, 14);
    row.num_rewrapped = (uint64_t)bulla_rows_number(rows, 15);
    *out_row = row;
    return BULLA_OK;
}

static bulla_status find(bulla_db *db, bulla_call *call, bulla_sql sql, bulla_sql_arg arg, bulla_key_row *out_row,
                         bool *out_found)
{
    BULLA_ROWS(rows);
    BULLA_TRY(bulla_rows_open(db, call, sql, &arg, 1, &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, out_found));
    return *out_found ? bulla_key_row_read(&rows, call, out_row) : BULLA_OK;
}

bulla_status bulla_key_find_seq(bulla_db *db, bulla_call *call, int64_t seq, bulla_key_row *out_row)
{
    bool found = false;
    BULLA_TRY(find(db, call, BULLA_SQL_KEY_BY_SEQ, BULLA_INT(seq), out_row, &found));
    return found ? BULLA_OK : bulla_fail(call, BULLA_ECORRUPT, "a key that other rows refer to is missing");
}

bulla_status bulla_key_find_id(bulla_store *store, bulla_call *call, const uint8_t id[BULLA_ID_LEN],
                               bulla_key_row *out_row)
{
    bool found = false;
    char text[BULLA_KEY_ID_TEXT + 1];
    bulla_sql_arg arg = BULLA_BLOB(bulla_view_of(id, BULLA_ID_LEN));
    BULLA_TRY(find(&store->db, call, BULLA_SQL_KEY_BY_ID, arg, out_row, &found));
    if (found) return BULLA_OK;
    bulla_id_text(id, text);
    return bulla_fail(call, BULLA_ENOKEY, "no key with id %s in the keystore %s", text, store->path);
}

bulla_status bulla_key_find(bulla_store *store, bulla_call *call, const char *key, bulla_key_row *out_row)
{
    uint8_t id[BULLA_ID_LEN];
    bool found = false;
    if (bulla_hex_decode(bulla_view_text(key), id, sizeof id)) return bulla_key_find_id(store, call, id, out_row);
    BULLA_TRY(find(&store->db, call, BULLA_SQL_KEY_BY_NAME, BULLA_TEXT(key), out_row, &found));
    if (!found) BULLA_TRY(find(&store->db, call, BULLA_SQL_KEY_BY_ALIAS, BULLA_TEXT(key), out_row, &found));
    if (found) return BULLA_OK;
    bulla_key_row gone;
    BULLA_TRY(find(&store->db, call, BULLA_SQL_KEY_GONE_BY_NAME, BULLA_TEXT(key), &gone, &found));
    if (found) return bulla_key_alive_check(call, &gone);
    return bulla_fail(call, BULLA_ENOKEY, "no key is called \"%s\" in the keystore %s", key, store->path);
}

void bulla_key_row_info(const bulla_key_row *row, bulla_key_info *out_info)
{
    bulla_key_info info = {
        .type = row->type,
        .usage = row->usage,
        .state = row->state,
        .primary_version = row->primary,
        .num_versions = row->primary, /* versions run from 1 without gaps, the newest is primary */
        .created_s = row->created_s,
        .rotated_s = row->rotated_s,
        .deletion_s = row->deletion_s,
        .rotation_period_s = row->period_s,
        .next_rotation_s = row->period_s == 0 || row->primary == 0 ? 0 : row->rotated_s + row->period_s,
        .num_deks = row->num_deks,
        .num_rewrapped = row->num_rewrapped,
        .rewrapped_s = row->rewrapped_s,
        .imported = row->imported,
    };
    bulla_id_text(row->id, info.id);
    memcpy(info.name, row->name, sizeof row->name);
    *out_info = info;
}

bulla_status bulla_key_alive_check(bulla_call *call, const bulla_key_row *row)
{
    char id[BULLA_KEY_ID_TEXT + 1], date[32];
    if (row->state != BULLA_KEY_DESTROYED) return BULLA_OK;
    bulla_id_text(row->id, id);
    bulla_date_text(row->deletion_s, date);
    return bulla_fail(call, BULLA_EDESTROYED, "key destroyed: \"%s\" (%s) on %s", row->name, id, date);
}

bulla_status bulla_key_usable_check(bulla_call *call, const bulla_key_row *row)
{
    char date[32];
    switch (row->state) {
    case BULLA_KEY_ENABLED: return BULLA_OK;
    case BULLA_KEY_DISABLED:
        return bulla_fail(call, BULLA_ESTATE, "key \"%s\" is disabled: enable it first", row->name);
    case BULLA_KEY_PENDING_IMPORT:
        return bulla_fail(call, BULLA_ESTATE, "key \"%s\" waits for its material: finish the import", row->name);
    case BULLA_KEY_PENDING_DELETION:
        bulla_date_text(row->deletion_s, date);
        return bulla_fail(call, BULLA_ESTATE,
                          "key \"%s\" is stopped and will be destroyed on %s: cancel the deletion and enable it",
                          row->name, date);
    case BULLA_KEY_DESTROYED: return bulla_key_alive_check(call, row);
    case BULLA_KEY_STATE_UNKNOWN: break;
    }
    return bulla_fail(call, BULLA_ECORRUPT, "key \"%s\" is in no known state", row->name);
}
