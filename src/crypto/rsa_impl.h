/* SPDX-License-Identifier: Apache-2.0 */
/* An RSA key, for the files of this room that work with it. */
#ifndef BULLA_CRYPTO_RSA_IMPL_H
#define BULLA_CRYPTO_RSA_IMPL_H

#include "crypto/ossl.h"
#include "crypto/rsa.h"

#define BULLA_RSA_MAX_PEM ((size_t)64 * 1024) /* an 8,192-bit private key takes 6.4 KiB; comments may precede it */

struct bulla_rsa {
    const bulla_env *env;
    EVP_PKEY *pkey;
    bool is_private;
};

/* A private key from its encoding, PKCS#8 or PKCS#1, with no copy left behind. EFORMAT. */
BULLA_MUST_USE bulla_status bulla_rsa_private_load(bulla_call *call, bulla_view der, bool is_pkcs8,
                                                   EVP_PKEY **out_pkey);

#endif
