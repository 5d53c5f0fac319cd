/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/kdf.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "bulla/secret.h"
#include "crypto/ossl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

struct bulla_hasher {
    const bulla_env *env;
    EVP_MD_CTX *ctx;
    bool finished;
};

size_t bulla_hash_len(bulla_hash hash)
{
    switch (hash) {
    case BULLA_SHA1: return 20;
    case BULLA_SHA256: return 32;
    case BULLA_SHA384: return 48;
    case BULLA_SHA512: return 64;
    }
    return 0;
}

bulla_status bulla_digest(bulla_call *call, bulla_hash hash, bulla_view bytes, uint8_t *out)
{
    EVP_MD *digest = NULL;
    BULLA_TRY(bulla_ossl_digest(call, hash, &digest));
    BULLA_TRY(bulla_ossl_begin(call));
    if (EVP_Digest(bulla_ossl_data(bytes), bytes.len, out, NULL, digest, NULL) != 1)
        return bulla_ossl_fail(call, "cannot hash");
    return BULLA_OK;
}

void bulla_hasher_free(bulla_hasher *hasher)
{
    if (hasher == NULL) return;
    EVP_MD_CTX_free(hasher->ctx);
    bulla_free(hasher->env, hasher);
}

bulla_status bulla_hasher_new(bulla_call *call, bulla_hash hash, bulla_hasher **out_hasher)
{
    EVP_MD *digest = NULL;
    BULLA_TRY(bulla_ossl_digest(call, hash, &digest));
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_hasher), &memory));
    BULLA_AUTO(bulla_hasher) *hasher = memory;
    hasher->env = bulla_env_of(call);
    BULLA_TRY(bulla_ossl_begin(call));
    hasher->ctx = EVP_MD_CTX_new();
    if (hasher->ctx == NULL || EVP_DigestInit_ex2(hasher->ctx, digest, NULL) != 1)
        return bulla_ossl_fail(call, "cannot start a hash");
    *out_hasher = BULLA_TAKE(hasher);
    return BULLA_OK;
}

bulla_status bulla_hasher_write(bulla_hasher *hasher, bulla_call *call, bulla_view bytes)
{
    if (hasher->finished) return bulla_fail(call, BULLA_EINVAL, "the hash is finished");
    if (bytes.len != 0 && EVP_DigestUpdate(hasher->ctx, bytes.data, bytes.len) != 1)
        return bulla_ossl_fail(call, "cannot hash");
    return BULLA_OK;
}

bulla_status bulla_hasher_finish(bulla_hasher *hasher, bulla_call *call, uint8_t *out)
{
    if (hasher->finished) return bulla_fail(call, BULLA_EINVAL, "the hash is finished");
    hasher->finished = true;
    if (EVP_DigestFinal_ex(hasher->ctx, out, NULL) != 1) return bulla_ossl_fail(call, "cannot finish a hash");
    return BULLA_OK;
}

/* A keyed HMAC. EVP_MAC_init without a key starts the next message under the same one. */
static bulla_status mac_new(bulla_call *call, bulla_hash hash, bulla_view key, EVP_MAC_CTX **out_ctx)
{
    const char *name = bulla_ossl_digest_name(hash);
    if (name == NULL) return bulla_fail(call, BULLA_EINVAL, "no hash has the number %d", (int)hash);
    EVP_MAC *mac = NULL;
    BULLA_TRY(bulla_ossl_hmac(call, &mac));
    char digest[16]; /* OSSL_PARAM takes no const */
    memcpy(digest, name, strlen(name) + 1);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    BULLA_TRY(bulla_ossl_begin(call));
    BULLA_AUTO(EVP_MAC_CTX) *ctx = EVP_MAC_CTX_new(mac);
    if (ctx == NULL || EVP_MAC_init(ctx, bulla_ossl_data(key), key.len, params) != 1)
        return bulla_ossl_fail(call, "cannot key an HMAC");
    *out_ctx = BULLA_TAKE(ctx);
    return BULLA_OK;
}

bulla_status bulla_hmac(bulla_call *call, bulla_hash hash, bulla_view key, bulla_view bytes, uint8_t *out)
{
    BULLA_AUTO(EVP_MAC_CTX) *ctx = NULL;
    BULLA_TRY(mac_new(call, hash, key, &ctx));
    size_t len = 0;
    if (EVP_MAC_update(ctx, bulla_ossl_data(bytes), bytes.len) != 1 ||
        EVP_MAC_final(ctx, out, &len, bulla_hash_len(hash)) != 1)
        return bulla_ossl_fail(call, "cannot compute an HMAC");
    return BULLA_OK;
}

/* RFC 5869, 2.2. HMAC pads a short key with zeros, so the empty salt is the one of hash-length zeros. */
bulla_status bulla_hkdf_extract(bulla_call *call, bulla_hash hash, bulla_view salt, bulla_view ikm, uint8_t *out_prk)
{
    return bulla_hmac(call, hash, salt, ikm, out_prk);
}

/* RFC 5869, 2.3. Written out over HMAC because EVP_KDF bounds `info`, at a length that differs between releases. */
bulla_status bulla_hkdf_expand(bulla_call *call, bulla_hash hash, bulla_view prk, bulla_view info, uint8_t *out,
                               size_t out_len)
{
    size_t hash_len = bulla_hash_len(hash);
    if (out_len > 255 * hash_len)
        return bulla_fail(call, BULLA_EINVAL, "HKDF gives at most %zu bytes, not %zu", 255 * hash_len, out_len);
    BULLA_AUTO(EVP_MAC_CTX) *ctx = NULL;
    BULLA_TRY(mac_new(call, hash, prk, &ctx));
    BULLA_WIPED(uint8_t, block, BULLA_HASH_MAX);
    size_t block_len = 0;
    uint8_t counter = 1;
    for (size_t done = 0; done < out_len; counter++) {
        if ((counter > 1 && EVP_MAC_init(ctx, NULL, 0, NULL) != 1) || EVP_MAC_update(ctx, block, block_len) != 1 ||
            EVP_MAC_update(ctx, bulla_ossl_data(info), info.len) != 1 || EVP_MAC_update(ctx, &counter, 1) != 1 ||
            EVP_MAC_final(ctx, block, &block_len, sizeof block) != 1) {
            bulla_wipe(out, out_len);
            return bulla_ossl_fail(call, "cannot expand a key");
        }
        size_t take = out_len - done < hash_len ? out_len - done : hash_len;
        memcpy(out + done, block, take);
        done += take;
    }
    return BULLA_OK;
}

bulla_status bulla_hkdf(bulla_call *call, bulla_hash hash, bulla_view salt, bulla_view ikm, bulla_view info,
                        uint8_t *out, size_t out_len)
{
    BULLA_WIPED(uint8_t, prk, BULLA_HASH_MAX);
    BULLA_TRY(bulla_hkdf_extract(call, hash, salt, ikm, prk));
    return bulla_hkdf_expand(call, hash, bulla_view_of(prk, bulla_hash_len(hash)), info, out, out_len);
}
