/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, HMAC and HKDF. Outputs that are keys go to secrets or wiped arrays of the caller. */
#ifndef BULLA_CRYPTO_KDF_H
#define BULLA_CRYPTO_KDF_H

#include "base/macros.h"
#include "bulla/call.h"

typedef enum bulla_hash { BULLA_SHA1, BULLA_SHA256, BULLA_SHA384, BULLA_SHA512 } bulla_hash;

#define BULLA_HASH_MAX 64u
size_t bulla_hash_len(bulla_hash hash);

/* One digest of a whole message. `out` holds bulla_hash_len. */
BULLA_MUST_USE bulla_status bulla_digest(bulla_call *call, bulla_hash hash, bulla_view bytes, uint8_t *out);

/* A digest in pieces. */
typedef struct bulla_hasher bulla_hasher;
BULLA_MUST_USE bulla_status bulla_hasher_new(bulla_call *call, bulla_hash hash, bulla_hasher **out_hasher);
BULLA_MUST_USE bulla_status bulla_hasher_write(bulla_hasher *hasher, bulla_call *call, bulla_view bytes);
BULLA_MUST_USE bulla_status bulla_hasher_finish(bulla_hasher *hasher, bulla_call *call, uint8_t *out); /* once */
void bulla_hasher_free(bulla_hasher *hasher);
BULLA_AUTO_DEFINE(bulla_hasher, bulla_hasher_free)

/* HMAC (FIPS 198-1), whole message. */
BULLA_MUST_USE bulla_status bulla_hmac(bulla_call *call, bulla_hash hash, bulla_view key, bulla_view bytes,
                                       uint8_t *out);

/* HKDF (RFC 5869). An empty salt means hash-length zeros. EINVAL over 255 hash lengths. */
BULLA_MUST_USE bulla_status bulla_hkdf(bulla_call *call, bulla_hash hash, bulla_view salt, bulla_view ikm,
                                       bulla_view info, uint8_t *out, size_t out_len);
BULLA_MUST_USE bulla_status bulla_hkdf_extract(bulla_call *call, bulla_hash hash, bulla_view salt, bulla_view ikm,
                                               uint8_t *out_prk);
BULLA_MUST_USE bulla_status bulla_hkdf_expand(bulla_call *call, bulla_hash hash, bulla_view prk, bulla_view info,
                                              uint8_t *out, size_t out_len);

#endif
