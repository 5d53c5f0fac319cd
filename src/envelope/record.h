/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compact format (spec/record.md): version, key id, key version, nonce, ciphertext, tag. Records under a data key
 * and data keys under a master key are both written in it.
 */
#ifndef BULLA_ENVELOPE_RECORD_H
#define BULLA_ENVELOPE_RECORD_H

#include "base/macros.h"
#include "bulla/record.h"
#include "crypto/aead.h"

#define BULLA_RECORD_VERSION 0x01u
#define BULLA_RECORD_ID_LEN 16u
#define BULLA_RECORD_HEADER 33u   /* version, key id, key version, nonce */
#define BULLA_RECORD_NONCE_AT 21u /* where in it the nonce begins */

typedef struct bulla_record_key {
    uint8_t id[BULLA_RECORD_ID_LEN];
    uint32_t version;
    bulla_aead *aead; /* borrowed */
} bulla_record_key;

typedef struct bulla_record_header {
    uint8_t id[BULLA_RECORD_ID_LEN];
    uint32_t version;
} bulla_record_header;

/* Reads the header only. EFORMAT when too short, EUNSUPPORTED for an unknown version byte. */
BULLA_MUST_USE bulla_status bulla_record_header_decode(bulla_call *call, bulla_view record,
                                                       bulla_record_header *out_header);

/* `aad` is what is bound: a canonical context, or what spec/keystore.md says. `out` holds plaintext.len + 49. */
BULLA_MUST_USE bulla_status bulla_record_seal(const bulla_record_key *key, bulla_call *call, bulla_view aad,
                                              bulla_view plaintext, uint8_t *out);

/* `out` holds record.len - 49. ENOKEY when id or version are not this key's, EINTEGRITY for everything else wrong. */
BULLA_MUST_USE bulla_status bulla_record_open(const bulla_record_key *key, bulla_call *call, bulla_view aad,
                                              bulla_view record, uint8_t *out);

/* Opens under `from`, seals under `to`, for plaintexts of up to 64 bytes: `out` gets record.len bytes, and may be
 * the record itself. The plaintext stays on a wiped stack. */
BULLA_MUST_USE bulla_status bulla_record_rewrap(const bulla_record_key *from, const bulla_record_key *to,
                                                bulla_call *call, bulla_view aad, bulla_view record, uint8_t *out);

#endif
