/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithm suites of the message format (algorithm-suites.md, Supported Algorithm Suites). */
#ifndef BULLA_ENVELOPE_SUITE_H
#define BULLA_ENVELOPE_SUITE_H

#include "crypto/kdf.h"
#include "crypto/sign.h"

typedef struct bulla_suite {
    uint16_t id;
    uint8_t version; /* of the message format */
    uint8_t key_len; /* bytes of the data key and of the key that encrypts: AES-128, AES-192, AES-256 */
    bool has_kdf;    /* else the data key encrypts by itself (Identity KDF) */
    bool is_signed;
    bulla_hash kdf;
    bulla_curve curve;    /* with is_signed */
    bulla_hash sign_hash; /* with is_signed */
    const char *name;     /* for people */
} bulla_suite;

/* NULL when the id is not in the table. */
const bulla_suite *bulla_suite_find(uint16_t id);

/* Version 2 exists for key commitment: exactly its suites have it (algorithm-suites.md, Key Commitment). */
static inline bool bulla_suite_is_committing(const bulla_suite *suite)
{
    return suite->version == 2;
}

#endif
