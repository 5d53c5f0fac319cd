/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/wraps.h"

#include "base/mem.h"

#include <inttypes.h>

bulla_status bulla_wraps_check(bulla_call *call, const uint8_t key_id[BULLA_ID_LEN], uint32_t version,
                               uint64_t num_wraps)
{
    char id[BULLA_KEY_ID_TEXT + 1];
    if (BULLA_LIKELY(num_wraps < BULLA_WRAPS_LIMIT)) return BULLA_OK;
    bulla_id_text(key_id, id);
    return bulla_fail(call, BULLA_ELIMIT,
                      "version %" PRIu32 " of key %s has wrapped about %" PRIu64
                      " data keys, as many as one may: rotate the key (bulla key rotate, or import its next version)",
                      version, id, num_wraps);
}

bulla_status bulla_wraps_add(bulla_store *store, bulla_call *call, const bulla_key_row *row, uint32_t version,
                             uint64_t num, uint64_t *out_num_wraps)
{
    int64_t total = 0;
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_VERSION_COUNT_WRAPS,
                              BULLA_ARGS(BULLA_INT(row->seq), BULLA_INT(version), BULLA_INT(num * BULLA_WRAPS_STEP)), 0,
                              &total));
    *out_num_wraps = (uint64_t)total;
    return BULLA_OK;
}

void bulla_wraps_warn(const bulla_env *env, const bulla_key_row *row, uint32_t version, uint64_t num,
                      uint64_t num_wraps)
{
    if (num_wraps < BULLA_WRAPS_DUE || num_wraps - num * BULLA_WRAPS_STEP >= BULLA_WRAPS_DUE) return;
    bulla_log(env, BULLA_LOG_WARN,
              "keystore: version %" PRIu32 " of key \"%s\" has wrapped about %" PRIu64
              " data keys, half of what one may: rotate the key",
              version, row->name, num_wraps);
}

static bulla_status count(bulla_store *store, bulla_call *call, const bulla_opened *opened)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    uint64_t num_wraps = 0;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find_id(store, call, opened->id, &row));
    BULLA_TRY(bulla_wraps_add(store, call, &row, opened->version, 1, &num_wraps));
    BULLA_TRY(bulla_session_commit(&session, call));
    bulla_store_forget(store); /* what is kept open bears the number that was */
    bulla_wraps_warn(bulla_env_of(call), &row, opened->version, 1, num_wraps);
    return BULLA_OK;
}

bulla_status bulla_wraps_note(bulla_store *store, bulla_call *call, const bulla_opened *opened, const uint8_t *record)
{
    bulla_call own; /* a count that fails is no failure of the request */
    if (BULLA_LIKELY(!bulla_wraps_is_counted(record))) return BULLA_OK;
    bulla_call_init(&own, bulla_env_of(call));
    if (call != NULL) own.deadline_ns = call->deadline_ns;
    bulla_status status = count(store, &own, opened);
    if (status == BULLA_OK) return BULLA_OK;
    if (opened->num_wraps + BULLA_WRAPS_STEP >= BULLA_WRAPS_LIMIT)
        return bulla_fail(call, status, "the key is about to come to its limit and that could not be written: %s",
                          own.why);
    bulla_log(own.env, BULLA_LOG_WARN, "keystore: %u data keys wrapped under version %" PRIu32 " are not counted: %s",
              BULLA_WRAPS_STEP, opened->version, own.why);
    return BULLA_OK;
}
