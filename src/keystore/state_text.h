/* SPDX-License-Identifier: Apache-2.0 */
/* Manifest and rotation state of a database as text (spec/keystore.md, Backup): written into a backup, and written
 * again from what was restored to compare. */
#ifndef BULLA_KEYSTORE_STATE_TEXT_H
#define BULLA_KEYSTORE_STATE_TEXT_H

#include "keystore/inside.h"

typedef struct bulla_manifest {
    char text[BULLA_MAX_ADDRESS + 512];
    size_t len;
    size_t created_at; /* where the line with the date of the backup begins; all before it describes the database */
    char root_address[BULLA_MAX_ADDRESS + 1];
    char store[BULLA_KEY_ID_TEXT + 1];
} bulla_manifest;

BULLA_MUST_USE bulla_status bulla_manifest_read(bulla_db *db, bulla_call *call, bulla_manifest *out_manifest);

/* Gives `write` the rotation state line by line. */
typedef bulla_status (*bulla_text_write)(void *arg, bulla_call *call, bulla_view text);
BULLA_MUST_USE bulla_status bulla_rotation_text(bulla_db *db, bulla_call *call, bulla_text_write write, void *arg);

#endif
