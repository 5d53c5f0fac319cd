/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many data keys a version has wrapped (spec/keystore.md, Counted wraps): an estimate that costs one write for
 * 65,536 wraps, made by whoever draws a nonce that begins with 16 zero bits.
 */
#ifndef BULLA_KEYSTORE_WRAPS_H
#define BULLA_KEYSTORE_WRAPS_H

#include "keystore/inside.h"

#define BULLA_WRAPS_STEP 65536u                                       /* what one counted wrap stands for */
#define BULLA_WRAPS_DUE (UINT64_C(1) << 31)                           /* from here on a version should be rotated */
#define BULLA_WRAPS_LIMIT ((UINT64_C(1) << 32) - (UINT64_C(1) << 27)) /* from here on it wraps nothing more */

/* Whether the wrap that made `record` is one of those that are counted: one in 65,536. */
static inline bool bulla_wraps_is_counted(const uint8_t *record)
{
    return record[BULLA_RECORD_NONCE_AT] == 0 && record[BULLA_RECORD_NONCE_AT + 1] == 0;
}

/* ELIMIT when a version has come to the limit. */
BULLA_MUST_USE bulla_status bulla_wraps_check(bulla_call *call, const uint8_t key_id[BULLA_ID_LEN], uint32_t version,
                                              uint64_t num_wraps);

/* Adds `num` counted wraps in the transaction that runs. */
BULLA_MUST_USE bulla_status bulla_wraps_add(bulla_store *store, bulla_call *call, const bulla_key_row *row,
                                            uint32_t version, uint64_t num, uint64_t *out_num_wraps);

/* After the commit: warns in the log when this addition made the version due for rotation. */
void bulla_wraps_warn(const bulla_env *env, const bulla_key_row *row, uint32_t version, uint64_t num,
                      uint64_t num_wraps);

/* Counts the wrap that made `record`, if it is one to count, in a transaction of its own. A failure is logged and the
 * wrap stands, unless it would bring the version to its limit. Nothing is locked but for that. */
BULLA_MUST_USE bulla_status bulla_wraps_note(bulla_store *store, bulla_call *call, const bulla_opened *opened,
                                             const uint8_t *record);

#endif
