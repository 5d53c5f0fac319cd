/* SPDX-License-Identifier: Apache-2.0 */
/* The history: one line for each change, in the transaction of that change. */
#include "keystore/inside.h"

#include "base/mem.h"

#include <stdio.h>
#include <unistd.h>

#define MAX_DETAIL 512u

/* Who asks: the principal of the call, else the process's user. */
static void principal_of(const bulla_call *call, char out[64])
{
    if (call != NULL && call->principal[0] != '\0')
        (void)snprintf(out, 64, "%.63s", call->principal);
    else
        (void)snprintf(out, 64, "uid:%lu", (unsigned long)geteuid());
}

bulla_status bulla_event_add(bulla_db *db, bulla_call *call, const char *action, int64_t key, const char *detail, ...)
{
    char principal[64], text[MAX_DETAIL];
    va_list args;
    va_start(args, detail);
    (void)vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    principal_of(call, principal);
    bulla_sql_arg about = key == 0 ? BULLA_NONE : BULLA_INT(key);
    return bulla_db_run(
        db, call, BULLA_SQL_EVENT_INSERT,
        BULLA_ARGS(BULLA_INT(bulla_wall_s(call)), BULLA_TEXT(action), about, BULLA_TEXT(principal), BULLA_TEXT(text)));
}

/* A line of the history with its text, so that it can be visited with nothing locked. */
typedef struct line {
    bulla_event event;
    char action[40], key_id[BULLA_KEY_ID_TEXT + 1], key_name[BULLA_MAX_NAME + 1], principal[64], detail[MAX_DETAIL];
} line;

static void line_read(const bulla_rows *rows, line *out)
{
    bulla_view id = bulla_rows_view(rows, 3);
    out->key_id[0] = '\0';
    if (id.len == BULLA_ID_LEN) bulla_hex_encode(id, out->key_id);
    bulla_rows_text(rows, 2, out->action, sizeof out->action);
    bulla_rows_text(rows, 4, out->key_name, sizeof out->key_name);
    bulla_rows_text(rows, 5, out->principal, sizeof out->principal);
    bulla_rows_text(rows, 6, out->detail, sizeof out->detail);
    out->event = (bulla_event){
        .number = (uint64_t)bulla_rows_number(rows, 0),
        .time_s = bulla_rows_number(rows, 1),
        .action = out->action,
        .key_id = out->key_id,
        .key_name = out->key_name,
        .principal = out->principal,
        .detail = out->detail,
    };
}

static bulla_status page_read(bulla_store *store, bulla_call *call, int64_t key, uint64_t after, line *lines,
                              size_t *out_num)
{
    BULLA_SESSION(session);
    BULLA_ROWS(rows);
    bool more = false;
    BULLA_TRY(bulla_session_read(store, call, &session));
    const bulla_sql_arg args[] = {BULLA_INT(after), BULLA_INT(BULLA_PAGE), BULLA_INT(key)};
    bulla_sql sql = key == 0 ? BULLA_SQL_EVENT_LIST : BULLA_SQL_EVENT_LIST_KEY;
    BULLA_TRY(bulla_rows_open(&store->db, call, sql, args, key == 0 ? 2 : 3, &rows));
    for (*out_num = 0; *out_num < BULLA_PAGE; ++*out_num) {
        BULLA_TRY(bulla_rows_next(&rows, call, &more));
        if (!more) break;
        line_read(&rows, &lines[*out_num]);
    }
    return BULLA_OK;
}

static bulla_status walk(bulla_store *store, bulla_call *call, int64_t key, bulla_event_visit visit, void *arg,
                         line *lines)
{
    uint64_t after = 0;
    for (size_t num = BULLA_PAGE; num == BULLA_PAGE;) {
        BULLA_TRY(page_read(store, call, key, after, lines, &num));
        for (size_t i = 0; i < num; i++)
            BULLA_TRY(visit(arg, call, &lines[i].event));
        if (num != 0) after = lines[num - 1].event.number;
    }
    return BULLA_OK;
}

static bulla_status seq_of(bulla_store *store, bulla_call *call, const char *key, int64_t *out_seq)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    *out_seq = row.seq;
    return BULLA_OK;
}

bulla_status bulla_store_history(bulla_store *store, bulla_call *call, const char *key, bulla_event_visit visit,
                                 void *arg)
{
    int64_t seq = 0;
    void *lines = NULL;
    if (key != NULL) BULLA_TRY(seq_of(store, call, key, &seq));
    BULLA_TRY(bulla_alloc(call, BULLA_PAGE * sizeof(line), &lines));
    bulla_status status = walk(store, call, seq, visit, arg, lines);
    bulla_free(bulla_env_of(call), lines);
    return status;
}
