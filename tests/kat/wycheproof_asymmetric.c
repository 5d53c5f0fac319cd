/* SPDX-License-Identifier: Apache-2.0 */
#include "wycheproof.h"

#include "base/bytes.h"
#include "crypto/rsa.h"
#include "crypto/sign.h"

#define MAX_OUT 1024u

/* The padding of an OAEP group, or false for one that crypto/ does not know: two different hashes, or SHA-224. */
static bool oaep_padding(const json_t *group, bulla_rsa_padding *out_padding)
{
    static const struct {
        const char *sha;
        bulla_rsa_padding padding;
    } known[] = {{"SHA-1", BULLA_RSA_OAEP_SHA1},
                 {"SHA-256", BULLA_RSA_OAEP_SHA256},
                 {"SHA-384", BULLA_RSA_OAEP_SHA384},
                 {"SHA-512", BULLA_RSA_OAEP_SHA512}};
    const char *sha = wycheproof_text(group, "sha"), *mgf_sha = wycheproof_text(group, "mgfSha");
    for (size_t i = 0; i < BULLA_LEN(known); i++) {
        if (strcmp(sha, known[i].sha) != 0 || strcmp(mgf_sha, sha) != 0) continue;
        *out_padding = known[i].padding;
        return true;
    }
    return false;
}

static kat_verdict decrypt(const json_t *group, const json_t *test, bulla_rsa_padding padding)
{
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    bulla_status status = bulla_rsa_parse(NULL, bulla_view_text(wycheproof_text(group, "privateKeyPem")), &rsa);
    if (status == BULLA_ELIMIT) return KAT_SKIP; /* 1,024 and 1,536 bits */
    if (status != BULLA_OK) return KAT_FAIL;
    KAT_BYTES text = wycheproof_bytes(test, "msg"), sealed = wycheproof_bytes(test, "ct");
    uint8_t out[MAX_OUT];
    size_t len = 0;
    status = bulla_rsa_decrypt(NULL, rsa, padding, kat_view(&sealed), out, sizeof out, &len);
    if (status != BULLA_OK && status != BULLA_EINTEGRITY) return KAT_FAIL;
    bool is_right = status == BULLA_OK && kat_equal(&text, out, len);
    /* From OpenSSL 3.2 on, bad PKCS #1 padding succeeds with random bytes: that is a refusal too. */
    bool is_refusal = status != BULLA_OK || (padding == BULLA_RSA_PKCS1 && !is_right);
    return wycheproof_judge(test, !is_refusal, is_right);
}

kat_verdict wycheproof_rsa_oaep(const char *algorithm, const json_t *group, const json_t *test)
{
    (void)algorithm;
    bulla_rsa_padding padding;
    if (!oaep_padding(group, &padding) || wycheproof_text(test, "label")[0] != '\0') return KAT_SKIP;
    return decrypt(group, test, padding);
}

kat_verdict wycheproof_rsa_pkcs1(const char *algorithm, const json_t *group, const json_t *test)
{
    (void)algorithm;
    return decrypt(group, test, BULLA_RSA_PKCS1);
}

/* The vectors' points are uncompressed: 4, x, y. */
kat_verdict wycheproof_ecdsa(const char *algorithm, const json_t *group, const json_t *test)
{
    (void)algorithm;
    bulla_hash hash = wycheproof_hash(wycheproof_text(group, "sha"));
    bulla_curve curve = hash == BULLA_SHA256 ? BULLA_P256 : BULLA_P384;
    KAT_BYTES point = wycheproof_bytes(json_object_get(group, "publicKey"), "uncompressed");
    KAT_BYTES text = wycheproof_bytes(test, "msg"), signature = wycheproof_bytes(test, "sig");
    if (point.len != 2 * bulla_point_len(curve) - 1) return KAT_FAIL;
    point.data[0] = (uint8_t)(2 | (point.data[point.len - 1] & 1));
    uint8_t digest[BULLA_HASH_MAX];
    if (bulla_digest(NULL, hash, kat_view(&text), digest) != BULLA_OK) return KAT_FAIL;
    bulla_status status = bulla_verify_digest(NULL, curve, bulla_view_of(point.data, bulla_point_len(curve)),
                                              bulla_view_of(digest, bulla_hash_len(hash)), kat_view(&signature));
    if (status != BULLA_OK && status != BULLA_EINTEGRITY) return KAT_FAIL;
    return wycheproof_judge(test, status == BULLA_OK, true);
}
