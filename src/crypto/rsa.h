/* SPDX-License-Identifier: Apache-2.0 */
/* RSA encryption (RFC 8017, 7) with keys in PEM. */
#ifndef BULLA_CRYPTO_RSA_H
#define BULLA_CRYPTO_RSA_H

#include "base/secret.h"
#include "bulla/call.h"
#include "crypto/kdf.h"

typedef enum bulla_rsa_padding {
    BULLA_RSA_PKCS1, /* 7.2; decrypts only what others wrote: never offered for encryption by an address */
    BULLA_RSA_OAEP_SHA1,
    BULLA_RSA_OAEP_SHA256, /* hash and MGF1 the same */
    BULLA_RSA_OAEP_SHA384,
    BULLA_RSA_OAEP_SHA512
} bulla_rsa_padding;

typedef struct bulla_rsa bulla_rsa; /* any thread may use it */

/* Reads a PEM public key (SPKI or PKCS#1), certificate-free, or private key (PKCS#8 or PKCS#1, not password-protected),
 * of 2,048 to 8,192 bits. EFORMAT, ELIMIT. */
BULLA_MUST_USE bulla_status bulla_rsa_parse(bulla_call *call, bulla_view pem, bulla_rsa **out_rsa);
/* Makes a key of `bits` bits, public exponent 65,537. */
BULLA_MUST_USE bulla_status bulla_rsa_generate(bulla_call *call, unsigned bits, bulla_rsa **out_rsa);
void bulla_rsa_free(bulla_rsa *rsa);
BULLA_AUTO_DEFINE(bulla_rsa, bulla_rsa_free)

bool bulla_rsa_is_private(const bulla_rsa *rsa);
size_t bulla_rsa_len(const bulla_rsa *rsa); /* bytes of the modulus, and of a ciphertext */

/* PEM of the public key (SPKI), NUL-terminated into `out`; DER of the private key (PKCS#8) as a secret. */
BULLA_MUST_USE bulla_status bulla_rsa_public_pem(bulla_call *call, const bulla_rsa *rsa, char *out, size_t cap);
BULLA_MUST_USE bulla_status bulla_rsa_private_der(bulla_call *call, const bulla_rsa *rsa, bulla_secret **out_der);
BULLA_MUST_USE bulla_status bulla_rsa_private_parse(bulla_call *call, bulla_view der, bulla_rsa **out_rsa);

/* `out` holds bulla_rsa_len. Decryption says EINTEGRITY for whatever is wrong; with PKCS1 the caller must not let
 * anybody tell it from success by time or answer: up to OpenSSL 3.1 bad padding fails, and that alone is an oracle
 * (Bleichenbacher); from 3.2 on it gives random bytes instead, which the caller finds out with the next tag it checks.
 */
BULLA_MUST_USE bulla_status bulla_rsa_encrypt(bulla_call *call, const bulla_rsa *rsa, bulla_rsa_padding padding,
                                              bulla_view in, uint8_t *out, size_t cap, size_t *out_len);
BULLA_MUST_USE bulla_status bulla_rsa_decrypt(bulla_call *call, const bulla_rsa *rsa, bulla_rsa_padding padding,
                                              bulla_view in, uint8_t *out, size_t cap, size_t *out_len);

/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2) over `bytes`, which are hashed here: RS256 of JSON Web Signatures.
 * `out` holds bulla_rsa_len. */
BULLA_MUST_USE bulla_status bulla_rsa_sign(bulla_call *call, const bulla_rsa *rsa, bulla_view bytes, uint8_t *out,
                                           size_t cap, size_t *out_len);

/* The first certificate in `pem`, as DER hashes to. `out` holds bulla_hash_len. EFORMAT when there is none. */
BULLA_MUST_USE bulla_status bulla_certificate_digest(bulla_call *call, bulla_view pem, bulla_hash hash, uint8_t *out);
/* The first private key in `pem`, whatever stands before it. Errors as bulla_rsa_parse. */
BULLA_MUST_USE bulla_status bulla_rsa_private_find(bulla_call *call, bulla_view pem, bulla_rsa **out_rsa);

#endif
