/* SPDX-License-Identifier: Apache-2.0 */
/* What the modules on OpenSSL share: algorithms fetched once for the process, and errors in our words. */
#ifndef BULLA_CRYPTO_OSSL_H
#define BULLA_CRYPTO_OSSL_H

#include "crypto/kdf.h"

#include <openssl/evp.h>

/* OpenSSL works for us until the end of the scope: errors that the program had queued before stay in its queue, those
 * of the work leave it. Returns ENOMEM when OpenSSL could not start, which is for good: it would crash at the next
 * call. */
typedef struct bulla_ossl_work {
    bool begun, marked;
} bulla_ossl_work;
#define BULLA_OSSL_WORK(call)                                                                                          \
    __attribute__((cleanup(bulla_ossl_done))) bulla_ossl_work ossl_work_ = {false, false};                             \
    BULLA_TRY(bulla_ossl_begin(call, &ossl_work_))
BULLA_MUST_USE bulla_status bulla_ossl_begin(bulla_call *call, bulla_ossl_work *work);
void bulla_ossl_done(bulla_ossl_work *work);

/* After work that went well: ENOMEM when an allocation failed on the way all the same. OpenSSL 3.0 gives out wrong
 * signatures and keys without a size then. */
BULLA_MUST_USE bulla_status bulla_ossl_check(bulla_call *call);

/* After work that bad input can have failed: bulla_ossl_check, then BULLA_OK when `is_right`, else `otherwise`, with
 * `why`. */
BULLA_MUST_USE bulla_status bulla_ossl_end(bulla_call *call, bool is_right, bulla_status otherwise, const char *why);

/* After work that only OpenSSL can have failed in: ECRYPTO, as "WHAT: its reason", or ENOMEM. */
bulla_status bulla_ossl_fail(bulla_call *call, const char *what);

/* Whether the system's openssl.cnf asks for validated cryptography alone. Reads that file, as OpenSSL does at its first
 * use in a process: a sixth of what a short-lived program spends on cryptography, but skipping it would overrule the
 * administrator. */
bool bulla_ossl_is_fips(void);

typedef enum bulla_ossl_mode { BULLA_OSSL_GCM, BULLA_OSSL_WRAP_PAD } bulla_ossl_mode;

/* A cipher for keys of `key_len` bytes (16, 24, 32; EINVAL for others). Lives as long as the process. Finding a method
 * by name costs OpenSSL more than sealing a short record with it. */
BULLA_MUST_USE bulla_status bulla_ossl_cipher(bulla_call *call, bulla_ossl_mode mode, size_t key_len,
                                              EVP_CIPHER **out_cipher);
BULLA_MUST_USE bulla_status bulla_ossl_digest(bulla_call *call, bulla_hash hash, EVP_MD **out_digest);
BULLA_MUST_USE bulla_status bulla_ossl_hmac(bulla_call *call, EVP_MAC **out_mac);
const char *bulla_ossl_digest_name(bulla_hash hash);

/* Empty bytes as OpenSSL wants them: never NULL, which it would take for "not given". */
static inline const uint8_t *bulla_ossl_data(bulla_view bytes)
{
    return bytes.data == NULL ? (const uint8_t *)"" : bytes.data;
}

BULLA_AUTO_DEFINE(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
BULLA_AUTO_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
BULLA_AUTO_DEFINE(EVP_MAC_CTX, EVP_MAC_CTX_free)
BULLA_AUTO_DEFINE(EVP_PKEY, EVP_PKEY_free)
BULLA_AUTO_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

#endif
