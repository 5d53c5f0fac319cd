/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/keywrap.h"

#include "base/bytes.h"
#include "bulla/secret.h"
#include "crypto/ossl.h"

#define MAX_IN 4096u /* SP 800-38F allows 2^32 - 1; keys are short */
#define BLOCK 8u     /* a semiblock, SP 800-38F, 4 */

static bulla_status start(bulla_call *call, bulla_view kek, int is_wrap, EVP_CIPHER_CTX **out_ctx)
{
    EVP_CIPHER *cipher = NULL;
    BULLA_TRY(bulla_ossl_cipher(call, BULLA_OSSL_WRAP_PAD, kek.len, &cipher));
    BULLA_AUTO(EVP_CIPHER_CTX) *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL) EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    if (ctx == NULL || EVP_CipherInit_ex2(ctx, cipher, kek.data, NULL, is_wrap, NULL) != 1)
        return bulla_ossl_fail(call, "cannot expand an AES key");
    *out_ctx = BULLA_TAKE(ctx);
    return BULLA_OK;
}

bulla_status bulla_kwp_wrap(bulla_call *call, bulla_view kek, bulla_view in, uint8_t *out, size_t cap, size_t *out_len)
{
    if (in.len == 0 || in.len > MAX_IN)
        return bulla_fail(call, BULLA_EINVAL, "key wrap takes 1 to %u bytes, not %zu", MAX_IN, in.len);
    size_t len = (in.len + BLOCK - 1) / BLOCK * BLOCK + BLOCK;
    if (cap < len) return bulla_fail(call, BULLA_EINVAL, "a wrapped key of %zu bytes does not fit in %zu", len, cap);
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_CIPHER_CTX) *ctx = NULL;
    BULLA_TRY(start(call, kek, 1, &ctx));
    int done = 0; /* OpenSSL wraps the whole in one update */
    if (EVP_CipherUpdate(ctx, out, &done, in.data, (int)in.len) != 1 || (size_t)done != len)
        return bulla_ossl_fail(call, "cannot wrap a key");
    *out_len = len;
    return BULLA_OK;
}

bulla_status bulla_kwp_unwrap(bulla_call *call, bulla_view kek, bulla_view in, uint8_t *out, size_t cap,
                              size_t *out_len)
{
    if (in.len < 2 * BLOCK || in.len % BLOCK != 0 || in.len > MAX_IN + BLOCK)
        return bulla_fail(call, BULLA_EINTEGRITY, "no wrapped key has %zu bytes", in.len);
    if (cap < in.len - BLOCK)
        return bulla_fail(call, BULLA_EINVAL, "a key of up to %zu bytes does not fit in %zu", in.len - BLOCK, cap);
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_CIPHER_CTX) *ctx = NULL;
    BULLA_TRY(start(call, kek, 0, &ctx));
    int done = 0;
    bool is_right = EVP_CipherUpdate(ctx, out, &done, in.data, (int)in.len) == 1 && done > 0;
    bulla_status status =
        bulla_ossl_end(call, is_right, BULLA_EINTEGRITY, "the wrapped key is damaged or wrapped by another key");
    size_t len = status == BULLA_OK ? (size_t)done : 0;
    bulla_wipe(out + len, in.len - BLOCK - len); /* the padding of a good one, everything of a bad one */
    if (status == BULLA_OK) *out_len = len;
    return status;
}
