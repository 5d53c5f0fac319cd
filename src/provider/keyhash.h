/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keyed 64-bit hash for tables: NH (Black, Halevi, Krawczyk, Krovetz, Rogaway: UMAC, 1999) over 64-bit words. For any
 * two inputs whose words fit one block, its 128-bit sum collides for at most 2^-64 of all keys, so nobody who does not
 * know the key can fill one bucket; and its products do not wait for each other, which makes it several times faster
 * than a chained hash.
 */
#ifndef BULLA_PROVIDER_KEYHASH_H
#define BULLA_PROVIDER_KEYHASH_H

#include "base/macros.h"
#include "bulla/call.h"

#define BULLA_KEYHASH_PAIRS 32u /* in a block: 512 bytes */

typedef struct bulla_keyhash {
    uint64_t words[2 * BULLA_KEYHASH_PAIRS];
    uint64_t fold[4];
} bulla_keyhash;

BULLA_MUST_USE bulla_status bulla_keyhash_init(bulla_call *call, bulla_keyhash *out_hash);

/* Hashes four parts of under 4 GiB each; where one ends and the next begins counts. */
uint64_t bulla_keyhash_parts(const bulla_keyhash *hash, const bulla_view parts[4]);

#endif
