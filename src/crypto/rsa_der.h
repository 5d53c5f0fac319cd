/* SPDX-License-Identifier: Apache-2.0 */
/* RSA private keys as DER, read and written here: OpenSSL's decoder and encoder leave copies of the key in freed
 * memory. Pure: nothing is copied but by the writer. */
#ifndef BULLA_CRYPTO_RSA_DER_H
#define BULLA_CRYPTO_RSA_DER_H

#include "bulla/types.h"

/* Modulus, public and private exponent, both primes, both exponents, coefficient (RFC 8017, A.1.2). */
#define BULLA_RSA_NUMBERS 8u

/* Unsigned, big-endian, without zeros before. */
typedef struct bulla_rsa_numbers {
    bulla_view at[BULLA_RSA_NUMBERS];
} bulla_rsa_numbers;

/* An RSAPrivateKey of two primes, and one inside a PrivateKeyInfo (RFC 5958, 2), with nothing behind. The numbers lie
 * in `der`. False for anything else. */
bool bulla_rsa_pkcs1_read(bulla_view der, bulla_rsa_numbers *out_numbers);
bool bulla_rsa_pkcs8_read(bulla_view der, bulla_rsa_numbers *out_numbers);

/* Bytes of the PrivateKeyInfo, and those bytes into `out`, which holds them. */
size_t bulla_rsa_pkcs8_len(const bulla_rsa_numbers *numbers);
void bulla_rsa_pkcs8_write(const bulla_rsa_numbers *numbers, uint8_t *out);

#endif
