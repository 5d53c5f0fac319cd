/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA (FIPS 186-5) over P-256 and P-384 for signed messages: DER signatures, compressed points (SEC 1, 2.3.3). */
#ifndef BULLA_CRYPTO_SIGN_H
#define BULLA_CRYPTO_SIGN_H

#include "base/macros.h"
#include "bulla/call.h"

typedef enum bulla_curve { BULLA_P256, BULLA_P384 } bulla_curve;

#define BULLA_POINT_MAX 49u                /* bytes of a compressed point */
#define BULLA_SIGNATURE_MAX 104u           /* bytes of a DER signature over P-384 */
size_t bulla_point_len(bulla_curve curve); /* 33, 49 */

typedef struct bulla_sign_key bulla_sign_key;
BULLA_MUST_USE bulla_status bulla_sign_key_generate(bulla_call *call, bulla_curve curve, bulla_sign_key **out_key);
BULLA_MUST_USE bulla_status bulla_sign_key_public(bulla_call *call, const bulla_sign_key *key, uint8_t *out_point);
void bulla_sign_key_free(bulla_sign_key *key);
BULLA_AUTO_DEFINE(bulla_sign_key, bulla_sign_key_free)

/* Signs a digest made by the caller (SHA-256 with P-256, SHA-384 with P-384). `out` holds
 * BULLA_SIGNATURE_MAX. */
BULLA_MUST_USE bulla_status bulla_sign_digest(bulla_call *call, const bulla_sign_key *key, bulla_view digest,
                                              uint8_t *out, size_t cap, size_t *out_len);
/* EFORMAT for a bad point, EINTEGRITY for a signature that does not fit. */
BULLA_MUST_USE bulla_status bulla_verify_digest(bulla_call *call, bulla_curve curve, bulla_view point,
                                                bulla_view digest, bulla_view signature);

#endif
