/* SPDX-License-Identifier: Apache-2.0 */
/* An RSA key, for the files of this room that work with it. */
#ifndef BULLA_CRYPTO_RSA_IMPL_H
#define BULLA_CRYPTO_RSA_IMPL_H

#include "crypto/ossl.h"
#include "crypto/rsa.h"

#include <openssl/pem.h>

#define BULLA_RSA_MAX_PEM ((size_t)64 * 1024) /* an 8,192-bit private key takes 6.4 KiB; comments may precede it */

struct bulla_rsa {
    const bulla_env *env;
    EVP_PKEY *pkey;
    bool is_private;
};

/* One block of PEM, decoded. PEM_read_bio_ex never asks for a password, and with PEM_FLAG_SECURE wipes behind it. */
typedef struct bulla_pem_block {
    char *label, *header;
    uint8_t *der;
    long len;
} bulla_pem_block;

static inline void bulla_pem_block_done(bulla_pem_block *block)
{
    OPENSSL_secure_free(block->label);
    OPENSSL_secure_free(block->header);
    if (block->der != NULL) OPENSSL_secure_clear_free(block->der, (size_t)block->len);
}
#define BULLA_PEM_BLOCK(name) __attribute__((cleanup(bulla_pem_block_done))) bulla_pem_block name = {0}

BULLA_AUTO_DEFINE(BIO, BIO_free_all)

#endif
