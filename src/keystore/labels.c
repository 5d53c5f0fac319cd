/* SPDX-License-Identifier: Apache-2.0 */
/* Aliases and tags. */
#include "keystore/inside.h"

#define MAX_TAGS 50
#define MAX_VALUE 256u

/* --- aliases --- */

static bulla_status alias_remove(bulla_store *store, bulla_call *call, const char *alias)
{
    int64_t seq = 0;
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_ALIAS_GET, BULLA_ARGS(BULLA_TEXT(alias)), 0, &seq));
    if (seq == 0) return bulla_fail(call, BULLA_ENOKEY, "no alias is called \"%s\"", alias);
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_ALIAS_DELETE, BULLA_ARGS(BULLA_TEXT(alias))));
    return bulla_event_add(&store->db, call, "key.unalias", seq, "%s", alias);
}

static bulla_status alias_point(bulla_store *store, bulla_call *call, const char *alias, const char *key)
{
    bulla_key_row row;
    int64_t taken = 0, is_alias = 0;
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_key_alive_check(call, &row));
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_NAME_TAKEN, BULLA_ARGS(BULLA_TEXT(alias)), 0, &taken));
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_ALIAS_GET, BULLA_ARGS(BULLA_TEXT(alias)), 0, &is_alias));
    if (taken != 0 && is_alias == 0) return bulla_fail(call, BULLA_EEXISTS, "a key is called \"%s\"", alias);
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_ALIAS_SET, BULLA_ARGS(BULLA_TEXT(alias), BULLA_INT(row.seq))));
    return bulla_event_add(&store->db, call, "key.alias", row.seq, "%s", alias);
}

bulla_status bulla_store_alias_set(bulla_store *store, bulla_call *call, const char *alias, const char *key)
{
    BULLA_SESSION(session);
    BULLA_TRY(bulla_name_check(call, alias, "alias"));
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(key == NULL ? alias_remove(store, call, alias) : alias_point(store, call, alias, key));
    return bulla_session_commit(&session, call);
}

/* --- tags --- */

static bulla_status text_check(bulla_call *call, const char *text, size_t max, const char *what)
{
    bulla_view view = bulla_view_of(text, strnlen(text, max + 1));
    if (view.len > max) return bulla_fail(call, BULLA_ELIMIT, "a tag's %s has at most %zu bytes", what, max);
    if (!bulla_utf8_is(view)) return bulla_fail(call, BULLA_EINVAL, "a tag's %s must be UTF-8", what);
    for (size_t i = 0; i < view.len; i++)
        if (view.data[i] < 0x20 || view.data[i] == 0x7F)
            return bulla_fail(call, BULLA_EINVAL, "a tag's %s must not have control characters", what);
    return BULLA_OK;
}

static bulla_status tag_write(bulla_store *store, bulla_call *call, const bulla_key_row *row, const char *tag,
                              const char *value)
{
    int64_t others = 0;
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_TAG_COUNT, BULLA_ARGS(BULLA_INT(row->seq), BULLA_TEXT(tag)),
                              0, &others));
    if (others >= MAX_TAGS)
        return bulla_fail(call, BULLA_ELIMIT, "key \"%s\" has %d tags, the most that it can have", row->name, MAX_TAGS);
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_TAG_SET,
                           BULLA_ARGS(BULLA_INT(row->seq), BULLA_TEXT(tag), BULLA_TEXT(value))));
    return bulla_event_add(&store->db, call, "key.tag", row->seq, "%s=%s", tag, value);
}

static bulla_status tag_remove(bulla_store *store, bulla_call *call, const bulla_key_row *row, const char *tag)
{
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_TAG_DELETE, BULLA_ARGS(BULLA_INT(row->seq), BULLA_TEXT(tag))));
    if (bulla_db_changes(&store->db) == 0)
        return bulla_fail(call, BULLA_EINVAL, "key \"%s\" has no tag \"%s\"", row->name, tag);
    return bulla_event_add(&store->db, call, "key.untag", row->seq, "%s", tag);
}

bulla_status bulla_store_tag_set(bulla_store *store, bulla_call *call, const char *key, const char *tag,
                                 const char *value)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(text_check(call, tag, BULLA_MAX_NAME, "name"));
    if (value != NULL) BULLA_TRY(text_check(call, value, MAX_VALUE, "value"));
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_key_alive_check(call, &row));
    BULLA_TRY(value == NULL ? tag_remove(store, call, &row, tag) : tag_write(store, call, &row, tag, value));
    return bulla_session_commit(&session, call);
}

/* --- both listed --- */

typedef struct label {
    char name[BULLA_MAX_NAME + 1], value[MAX_VALUE + 1];
} label;

static bulla_status page_read(bulla_store *store, bulla_call *call, bulla_sql sql, const char *key, label *labels,
                              size_t *out_num)
{
    BULLA_SESSION(session);
    BULLA_ROWS(rows);
    bulla_key_row row;
    bool more = false;
    label last = labels[BULLA_PAGE - 1]; /* where the page before ended */
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_rows_open(&store->db, call, sql,
                              BULLA_ARGS(BULLA_INT(row.seq), BULLA_TEXT(last.name), BULLA_INT(BULLA_PAGE)), &rows));
    for (*out_num = 0; *out_num < BULLA_PAGE; ++*out_num) {
        BULLA_TRY(bulla_rows_next(&rows, call, &more));
        if (!more) break;
        bulla_rows_text(&rows, 0, labels[*out_num].name, sizeof labels->name);
        bulla_rows_text(&rows, 1, labels[*out_num].value, sizeof labels->value);
    }
    return BULLA_OK;
}

static bulla_status walk(bulla_store *store, bulla_call *call, bulla_sql sql, const char *key, bulla_label_visit visit,
                         void *arg)
{
    label labels[BULLA_PAGE];
    memset(&labels[BULLA_PAGE - 1], 0, sizeof labels[0]);
    for (size_t num = BULLA_PAGE; num == BULLA_PAGE;) {
        BULLA_TRY(page_read(store, call, sql, key, labels, &num));
        for (size_t i = 0; i < num; i++)
            BULLA_TRY(visit(arg, call, labels[i].name, labels[i].value));
    }
    return BULLA_OK;
}

bulla_status bulla_store_aliases(bulla_store *store, bulla_call *call, const char *key, bulla_label_visit visit,
                                 void *arg)
{
    return walk(store, call, BULLA_SQL_ALIAS_LIST, key, visit, arg);
}

bulla_status bulla_store_tags(bulla_store *store, bulla_call *call, const char *key, bulla_label_visit visit, void *arg)
{
    return walk(store, call, BULLA_SQL_TAG_LIST, key, visit, arg);
}
