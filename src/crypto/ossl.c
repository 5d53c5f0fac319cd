/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ossl.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

bulla_status bulla_ossl_begin(bulla_call *call)
{
    if (OSSL_LIB_CTX_get0_global_default() == NULL)
        return bulla_fail(call, BULLA_ENOMEM, "OpenSSL had no memory to start: this process cannot use it");
    ERR_clear_error();
    errno = 0;
    return BULLA_OK;
}

/* The first error in the queue, which is the cause; the last is the outermost function's. Not all of OpenSSL reports
 * that an allocation failed, but malloc leaves it in errno. */
static unsigned long drain_errors(bool *out_lacks_memory)
{
    unsigned long cause = 0;
    *out_lacks_memory = errno == ENOMEM;
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        if (cause == 0) cause = code;
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) *out_lacks_memory = true;
    }
    return cause;
}

bulla_status bulla_ossl_check(bulla_call *call)
{
    bool lacks_memory = false;
    (void)drain_errors(&lacks_memory);
    return lacks_memory ? bulla_fail(call, BULLA_ENOMEM, "OpenSSL has no memory") : BULLA_OK;
}

bulla_status bulla_ossl_end(bulla_call *call, bool is_right, bulla_status otherwise, const char *why)
{
    BULLA_TRY(bulla_ossl_check(call));
    return is_right ? BULLA_OK : bulla_fail(call, otherwise, "%s", why);
}

bulla_status bulla_ossl_fail(bulla_call *call, const char *what)
{
    bool lacks_memory = false;
    unsigned long cause = drain_errors(&lacks_memory);
    if (lacks_memory) return bulla_fail(call, BULLA_ENOMEM, "%s: no memory", what);
    const char *reason = cause == 0 ? NULL : ERR_reason_error_string(cause);
    return bulla_fail(call, BULLA_ECRYPTO, "%s: %s", what, reason == NULL ? "OpenSSL gives no reason" : reason);
}

bool bulla_ossl_is_fips(void)
{
    return bulla_ossl_begin(NULL) != BULLA_OK || EVP_default_properties_is_fips_enabled(NULL) == 1;
}

/* Two threads may fetch at once: the second gives its own back. */
#define KEEP_FIRST(place, made, release)                                                                               \
    do {                                                                                                               \
        __typeof__(made) first = NULL;                                                                                 \
        if (!__atomic_compare_exchange_n(place, &first, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {            \
            release(made);                                                                                             \
            (made) = first;                                                                                            \
        }                                                                                                              \
    } while (0)

bulla_status bulla_ossl_cipher(bulla_call *call, bulla_ossl_mode mode, size_t key_len, EVP_CIPHER **out_cipher)
{
    static const char *const names[2][3] = {{"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"},
                                            {"AES-128-WRAP-PAD", "AES-192-WRAP-PAD", "AES-256-WRAP-PAD"}};
    static EVP_CIPHER *kept[2][3];
    if (key_len != 16 && key_len != 24 && key_len != 32)
        return bulla_fail(call, BULLA_EINVAL, "an AES key has 16, 24 or 32 bytes, not %zu", key_len);
    size_t row = mode == BULLA_OSSL_GCM ? 0 : 1, column = key_len / 8 - 2;
    EVP_CIPHER *cipher = __atomic_load_n(&kept[row][column], __ATOMIC_ACQUIRE);
    if (cipher == NULL) {
        BULLA_TRY(bulla_ossl_begin(call));
        cipher = EVP_CIPHER_fetch(NULL, names[row][column], NULL);
        if (cipher == NULL) return bulla_ossl_fail(call, names[row][column]);
        KEEP_FIRST(&kept[row][column], cipher, EVP_CIPHER_free);
    }
    *out_cipher = cipher;
    return BULLA_OK;
}

const char *bulla_ossl_digest_name(bulla_hash hash)
{
    switch (hash) {
    case BULLA_SHA1: return "SHA1";
    case BULLA_SHA256: return "SHA2-256";
    case BULLA_SHA384: return "SHA2-384";
    case BULLA_SHA512: return "SHA2-512";
    }
    return NULL;
}

bulla_status bulla_ossl_digest(bulla_call *call, bulla_hash hash, EVP_MD **out_digest)
{
    static EVP_MD *kept[BULLA_SHA512 + 1];
    const char *name = bulla_ossl_digest_name(hash);
    if (name == NULL) return bulla_fail(call, BULLA_EINVAL, "no hash has the number %d", (int)hash);
    EVP_MD *digest = __atomic_load_n(&kept[hash], __ATOMIC_ACQUIRE);
    if (digest == NULL) {
        BULLA_TRY(bulla_ossl_begin(call));
        digest = EVP_MD_fetch(NULL, name, NULL);
        if (digest == NULL) return bulla_ossl_fail(call, name);
        KEEP_FIRST(&kept[hash], digest, EVP_MD_free);
    }
    *out_digest = digest;
    return BULLA_OK;
}

bulla_status bulla_ossl_hmac(bulla_call *call, EVP_MAC **out_mac)
{
    static EVP_MAC *kept;
    EVP_MAC *mac = __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
    if (mac == NULL) {
        BULLA_TRY(bulla_ossl_begin(call));
        mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        if (mac == NULL) return bulla_ossl_fail(call, "HMAC");
        KEEP_FIRST(&kept, mac, EVP_MAC_free);
    }
    *out_mac = mac;
    return BULLA_OK;
}
