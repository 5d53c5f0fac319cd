/* SPDX-License-Identifier: Apache-2.0 */
#include "wycheproof.h"

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/keywrap.h"

#define MAX_OUT 65536u

/* Nonces of 96 bits and tags of 128 are all that crypto/ knows; the others are counted as skipped. */
kat_verdict wycheproof_aes_gcm(const char *algorithm, const json_t *group, const json_t *test)
{
    (void)algorithm;
    if (wycheproof_number(group, "ivSize") != 96 || wycheproof_number(group, "tagSize") != 128) return KAT_SKIP;
    KAT_BYTES key = wycheproof_bytes(test, "key"), nonce = wycheproof_bytes(test, "iv");
    KAT_BYTES aad = wycheproof_bytes(test, "aad"), text = wycheproof_bytes(test, "msg");
    KAT_BYTES sealed = wycheproof_bytes(test, "ct"), tag = wycheproof_bytes(test, "tag");
    BULLA_AUTO(bulla_aead) *aead = NULL;
    if (bulla_aead_new(NULL, kat_view(&key), &aead) != BULLA_OK) return KAT_FAIL;
    static uint8_t out[MAX_OUT];
    uint8_t made_tag[BULLA_TAG_LEN];
    bulla_status opened = bulla_aead_open(aead, NULL, nonce.data, kat_view(&aad), kat_view(&sealed), tag.data, out);
    if (opened != BULLA_OK && opened != BULLA_EINTEGRITY) return KAT_FAIL;
    bool is_right = opened == BULLA_OK && kat_equal(&text, out, sealed.len);
    if (is_right)
        is_right =
            bulla_aead_seal(aead, NULL, nonce.data, kat_view(&aad), kat_view(&text), out, made_tag) == BULLA_OK &&
            kat_equal(&sealed, out, text.len) && kat_equal(&tag, made_tag, sizeof made_tag);
    return wycheproof_judge(test, opened == BULLA_OK, is_right);
}

kat_verdict wycheproof_aes_kwp(const char *algorithm, const json_t *group, const json_t *test)
{
    (void)algorithm;
    (void)group;
    KAT_BYTES key = wycheproof_bytes(test, "key"), text = wycheproof_bytes(test, "msg");
    KAT_BYTES wrapped = wycheproof_bytes(test, "ct");
    static uint8_t out[MAX_OUT];
    size_t len = 0;
    bulla_status opened = bulla_kwp_unwrap(NULL, kat_view(&key), kat_view(&wrapped), out, sizeof out, &len);
    if (opened != BULLA_OK && opened != BULLA_EINTEGRITY) return KAT_FAIL;
    bool is_right = opened == BULLA_OK && kat_equal(&text, out, len);
    if (is_right)
        is_right = bulla_kwp_wrap(NULL, kat_view(&key), kat_view(&text), out, sizeof out, &len) == BULLA_OK &&
                   kat_equal(&wrapped, out, len);
    return wycheproof_judge(test, opened == BULLA_OK, is_right);
}

kat_verdict wycheproof_hkdf(const char *algorithm, const json_t *group, const json_t *test)
{
    (void)group;
    KAT_BYTES ikm = wycheproof_bytes(test, "ikm"), salt = wycheproof_bytes(test, "salt");
    KAT_BYTES info = wycheproof_bytes(test, "info"), okm = wycheproof_bytes(test, "okm");
    size_t len = wycheproof_number(test, "size");
    if (len > MAX_OUT) return KAT_SKIP;
    static uint8_t out[MAX_OUT];
    bulla_status status =
        bulla_hkdf(NULL, wycheproof_hash(algorithm), kat_view(&salt), kat_view(&ikm), kat_view(&info), out, len);
    return wycheproof_judge(test, status == BULLA_OK, kat_equal(&okm, out, len));
}

/* A tag may be cut short; a vector is valid when what is left of ours is the same. */
kat_verdict wycheproof_hmac(const char *algorithm, const json_t *group, const json_t *test)
{
    KAT_BYTES key = wycheproof_bytes(test, "key"), text = wycheproof_bytes(test, "msg");
    KAT_BYTES tag = wycheproof_bytes(test, "tag");
    uint8_t out[BULLA_HASH_MAX];
    if (bulla_hmac(NULL, wycheproof_hash(algorithm), kat_view(&key), kat_view(&text), out) != BULLA_OK) return KAT_FAIL;
    return wycheproof_judge(test, kat_equal(&tag, out, wycheproof_number(group, "tagSize") / 8), true);
}
