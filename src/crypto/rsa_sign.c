/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures with RSA keys, and the files with certificate and key that such keys come in. */
#include "crypto/rsa_impl.h"

#include "base/bytes.h"
#include "crypto/pem.h"

#include <openssl/rsa.h>

bulla_status bulla_rsa_sign(bulla_call *call, const bulla_rsa *rsa, bulla_view bytes, uint8_t *out, size_t cap,
                            size_t *out_len)
{
    EVP_MD *digest = NULL;
    if (!rsa->is_private) return bulla_fail(call, BULLA_EINVAL, "the RSA key has no private part");
    if (cap < bulla_rsa_len(rsa))
        return bulla_fail(call, BULLA_EINVAL, "an RSA signature needs room for %zu bytes", bulla_rsa_len(rsa));
    BULLA_OSSL_WORK(call);
    BULLA_TRY(bulla_ossl_digest(call, BULLA_SHA256, &digest));
    BULLA_AUTO(EVP_MD_CTX) *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key = NULL; /* lives in ctx */
    size_t len = cap;
    if (ctx == NULL || EVP_DigestSignInit(ctx, &key, digest, NULL, rsa->pkey) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PADDING) != 1 ||
        EVP_DigestSign(ctx, out, &len, bulla_ossl_data(bytes), bytes.len) != 1)
        return bulla_ossl_fail(call, "cannot sign with RSA");
    BULLA_TRY(bulla_ossl_check(call));
    *out_len = len;
    return BULLA_OK;
}

bulla_status bulla_certificate_digest(bulla_call *call, bulla_view pem, bulla_hash hash, uint8_t *out)
{
    if (pem.len > BULLA_RSA_MAX_PEM)
        return bulla_fail(call, BULLA_ELIMIT, "a PEM file has at most %zu bytes", BULLA_RSA_MAX_PEM);
    bulla_pem block;
    while (bulla_pem_next(&pem, &block)) {
        BULLA_AUTO(bulla_secret) *der = NULL;
        if (!bulla_view_is(block.label, "CERTIFICATE")) continue;
        BULLA_TRY(bulla_pem_decode(call, &block, &der));
        return bulla_digest(call, hash, bulla_secret_borrow(der), out);
    }
    return bulla_fail(call, BULLA_EFORMAT, "no certificate in the PEM file, or a damaged one");
}

bulla_status bulla_rsa_private_find(bulla_call *call, bulla_view pem, bulla_rsa **out_rsa)
{
    static const char begin[] = "-----BEGIN ", end[] = "PRIVATE KEY-----";
    for (size_t at = 0; at + sizeof begin < pem.len; at++) {
        if (memcmp(pem.data + at, begin, sizeof begin - 1) != 0) continue;
        bulla_view rest = bulla_view_of(pem.data + at, pem.len - at);
        const uint8_t *line_end = memchr(rest.data, '\n', rest.len);
        size_t line_len = line_end == NULL ? rest.len : (size_t)(line_end - rest.data);
        if (memmem(rest.data, line_len, end, sizeof end - 1) != NULL) return bulla_rsa_parse(call, rest, out_rsa);
    }
    return bulla_fail(call, BULLA_EFORMAT, "no private key in the PEM file");
}
