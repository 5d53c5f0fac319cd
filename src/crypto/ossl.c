/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ossl.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

bulla_status bulla_ossl_begin(bulla_call *call, bulla_ossl_work *work)
{
    if (OSSL_LIB_CTX_get0_global_default() == NULL)
        return bulla_fail(call, BULLA_ENOMEM, "OpenSSL had no memory to start: this process cannot use it");
    *work = (bulla_ossl_work){.begun = true, .marked = ERR_set_mark() == 1}; /* an empty queue takes no mark */
    errno = 0;
    return BULLA_OK;
}

void bulla_ossl_done(bulla_ossl_work *work)
{
    if (work->marked)
        (void)ERR_pop_to_mark();
    else if (work->begun)
        ERR_clear_error();
}

/* Not all of OpenSSL reports that an allocation failed, but malloc leaves it in errno, and the error queue keeps that.
 */
bulla_status bulla_ossl_check(bulla_call *call)
{
    return errno == ENOMEM ? bulla_fail(call, BULLA_ENOMEM, "OpenSSL has no memory") : BULLA_OK;
}

bulla_status bulla_ossl_end(bulla_call *call, bool is_right, bulla_status otherwise, const char *why)
{
    BULLA_TRY(bulla_ossl_check(call));
    return is_right ? BULLA_OK : bulla_fail(call, otherwise, "%s", why);
}

bulla_status bulla_ossl_fail(bulla_call *call, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    if (errno == ENOMEM || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return bulla_fail(call, BULLA_ENOMEM, "%s: no memory", what);
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    return bulla_fail(call, BULLA_ECRYPTO, "%s: %s", what, reason == NULL ? "OpenSSL gives no reason" : reason);
}

bool bulla_ossl_is_fips(void)
{
    __attribute__((cleanup(bulla_ossl_done))) bulla_ossl_work work = {false, false};
    return bulla_ossl_begin(NULL, &work) != BULLA_OK || EVP_default_properties_is_fips_enabled(NULL) == 1;
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
        BULLA_OSSL_WORK(call);
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
        BULLA_OSSL_WORK(call);
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
        BULLA_OSSL_WORK(call);
        mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        if (mac == NULL) return bulla_ossl_fail(call, "HMAC");
        KEEP_FIRST(&kept, mac, EVP_MAC_free);
    }
    *out_mac = mac;
    return BULLA_OK;
}
