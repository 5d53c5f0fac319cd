/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sign.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/kdf.h"
#include "crypto/ossl.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>

struct bulla_sign_key {
    const bulla_env *env;
    EVP_PKEY *pkey;
    bulla_curve curve;
};

size_t bulla_point_len(bulla_curve curve)
{
    return curve == BULLA_P256 ? 33 : 49;
}

static const char *group_name(bulla_curve curve)
{
    return curve == BULLA_P256 ? "P-256" : "P-384";
}

/* FIPS 186-5, 6.1.1: the hash is as strong as the curve. */
static bulla_status digest_check(bulla_call *call, bulla_curve curve, bulla_view digest)
{
    size_t len = bulla_hash_len(curve == BULLA_P256 ? BULLA_SHA256 : BULLA_SHA384);
    if (digest.len == len) return BULLA_OK;
    return bulla_fail(call, BULLA_EINVAL, "%s signs a digest of %zu bytes, not %zu", group_name(curve), len,
                      digest.len);
}

void bulla_sign_key_free(bulla_sign_key *key)
{
    if (key == NULL) return;
    EVP_PKEY_free(key->pkey);
    bulla_free(key->env, key);
}

bulla_status bulla_sign_key_generate(bulla_call *call, bulla_curve curve, bulla_sign_key **out_key)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_sign_key), &memory));
    BULLA_AUTO(bulla_sign_key) *key = memory;
    key->env = bulla_env_of(call);
    key->curve = curve;
    BULLA_OSSL_WORK(call);
    key->pkey = EVP_EC_gen(group_name(curve));
    if (key->pkey == NULL) return bulla_ossl_fail(call, "cannot make a signing key");
    BULLA_TRY(bulla_ossl_check(call));
    *out_key = BULLA_TAKE(key);
    return BULLA_OK;
}

/* SEC 1, 2.3.3: the sign of y, then x. OpenSSL gives 4, x, y. */
bulla_status bulla_sign_key_public(bulla_call *call, const bulla_sign_key *key, uint8_t *out_point)
{
    uint8_t both[2 * BULLA_POINT_MAX];
    size_t len = 0, x_len = bulla_point_len(key->curve) - 1;
    BULLA_OSSL_WORK(call);
    if (EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, both, sizeof both, &len) != 1)
        return bulla_ossl_fail(call, "cannot read a public key");
    if (len != 1 + 2 * x_len || both[0] != 4)
        return bulla_fail(call, BULLA_ECRYPTO, "OpenSSL gives a public key in another form than expected");
    BULLA_TRY(bulla_ossl_check(call));
    out_point[0] = (uint8_t)(2 | (both[2 * x_len] & 1));
    memcpy(out_point + 1, both + 1, x_len);
    return BULLA_OK;
}

bulla_status bulla_sign_digest(bulla_call *call, const bulla_sign_key *key, bulla_view digest, uint8_t *out, size_t cap,
                               size_t *out_len)
{
    BULLA_TRY(digest_check(call, key->curve, digest));
    if (cap < BULLA_SIGNATURE_MAX)
        return bulla_fail(call, BULLA_EINVAL, "a signature needs room for %u bytes, not %zu", BULLA_SIGNATURE_MAX, cap);
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    size_t len = cap;
    if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 || EVP_PKEY_sign(ctx, out, &len, digest.data, digest.len) != 1)
        return bulla_ossl_fail(call, "cannot sign");
    BULLA_TRY(bulla_ossl_check(call));
    *out_len = len;
    return BULLA_OK;
}

/* Decompression puts the point on the curve or fails; neither curve has a cofactor, so that is all to check. */
static bulla_status point_read(bulla_call *call, bulla_curve curve, bulla_view point, EVP_PKEY **out_pkey)
{
    if (point.len != bulla_point_len(curve) || (point.data[0] != 2 && point.data[0] != 3))
        return bulla_fail(call, BULLA_EFORMAT, "not a compressed point of %s", group_name(curve));
    char group[8]; /* OSSL_PARAM takes no const */
    uint8_t bytes[BULLA_POINT_MAX];
    memcpy(group, group_name(curve), strlen(group_name(curve)) + 1);
    memcpy(bytes, point.data, point.len);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                           OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, bytes, point.len),
                           OSSL_PARAM_construct_end()};
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1) return bulla_ossl_fail(call, "cannot read a public key");
    bool is_point = EVP_PKEY_fromdata(ctx, out_pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;
    return bulla_ossl_end(call, is_point, BULLA_EFORMAT, "the public key is not a point of its curve");
}

bulla_status bulla_verify_digest(bulla_call *call, bulla_curve curve, bulla_view point, bulla_view digest,
                                 bulla_view signature)
{
    BULLA_TRY(digest_check(call, curve, digest));
    BULLA_AUTO(EVP_PKEY) *pkey = NULL;
    BULLA_TRY(point_read(call, curve, point, &pkey));
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1) return bulla_ossl_fail(call, "cannot verify a signature");
    bool is_right = EVP_PKEY_verify(ctx, bulla_ossl_data(signature), signature.len, digest.data, digest.len) == 1;
    return bulla_ossl_end(call, is_right, BULLA_EINTEGRITY, "the signature does not fit");
}
