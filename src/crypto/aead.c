/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/aead_engine.h"
#include "crypto/ossl.h"

#include <pthread.h>

#define MAX_LEN ((UINT64_C(1) << 36) - 32) /* SP 800-38D, 5.2.1.1, in bytes */
#define MAX_AAD (UINT64_C(1) << 36)        /* below the standard's 2^61 - 1; nothing of ours comes near */

/* In the order in which "auto" likes them. The last one is always there. */
static const bulla_aead_engine *const engines[] = {
#if BULLA_HAS_IPSEC_MB
    &bulla_aead_ipsecmb,
#endif
    &bulla_aead_openssl,
};

static pthread_mutex_t choice_lock = PTHREAD_MUTEX_INITIALIZER;
static bool started[BULLA_LEN(engines)]; /* under choice_lock */
static const bulla_aead_engine *in_use;  /* atomic */

static bulla_status engine_key_new(bulla_call *call, const bulla_aead_engine *engine, bulla_view key,
                                   bulla_aead **out_aead)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, engine->size, &memory));
    BULLA_AUTO(bulla_aead) *aead = memory;
    aead->engine = engine;
    aead->env = bulla_env_of(call);
    aead->refs = 1;
    BULLA_TRY(engine->key_set(aead, call, key));
    *out_aead = BULLA_TAKE(aead);
    return BULLA_OK;
}

/* Test case 16 of the GCM specification (McGrew and Viega): key, nonce, text and AAD with a part block each. */
static const uint8_t known_key[32] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f,
                                      0x94, 0x67, 0x30, 0x83, 0x08, 0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65,
                                      0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
static const uint8_t known_nonce[BULLA_NONCE_LEN] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce,
                                                     0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
static const uint8_t known_aad[20] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
                                      0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
static const uint8_t known_text[60] = {0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5,
                                       0xaf, 0xf5, 0x26, 0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda,
                                       0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31, 0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95,
                                       0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49, 0xa6, 0xb5, 0x25,
                                       0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39};
static const uint8_t known_sealed[60] = {0x52, 0x2d, 0xc1, 0xf0, 0x99, 0x56, 0x7d, 0x07, 0xf4, 0x7f, 0x37, 0xa3,
                                         0x2a, 0x84, 0x42, 0x7d, 0x64, 0x3a, 0x8c, 0xdc, 0xbf, 0xe5, 0xc0, 0xc9,
                                         0x75, 0x98, 0xa2, 0xbd, 0x25, 0x55, 0xd1, 0xaa, 0x8c, 0xb0, 0x8e, 0x48,
                                         0x59, 0x0d, 0xbb, 0x3d, 0xa7, 0xb0, 0x8b, 0x10, 0x56, 0x82, 0x88, 0x38,
                                         0xc5, 0xf6, 0x1e, 0x63, 0x93, 0xba, 0x7a, 0x0a, 0xbc, 0xc9, 0xf6, 0x62};
static const uint8_t known_tag[BULLA_TAG_LEN] = {0x76, 0xfc, 0x6e, 0xce, 0x0f, 0x4e, 0x17, 0x68,
                                                 0xcd, 0xdf, 0x88, 0x53, 0xbb, 0x2d, 0x55, 0x1b};

/* FIPS 180-4: the example of two blocks ("abcdefgh…", 896 bits). */
static const char known_message[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                                    "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
static const uint8_t known_sha512[64] = {0x8e, 0x95, 0x9b, 0x75, 0xda, 0xe3, 0x13, 0xda, 0x8c, 0xf4, 0xf7, 0x28, 0x14,
                                         0xfc, 0x14, 0x3f, 0x8f, 0x77, 0x79, 0xc6, 0xeb, 0x9f, 0x7f, 0xa1, 0x72, 0x99,
                                         0xae, 0xad, 0xb6, 0x88, 0x90, 0x18, 0x50, 0x1d, 0x28, 0x9e, 0x49, 0x00, 0xf7,
                                         0xe4, 0x33, 0x1b, 0x99, 0xde, 0xc4, 0xb5, 0x43, 0x3a, 0xc7, 0xd3, 0x29, 0xee,
                                         0xb6, 0xdd, 0x26, 0x54, 0x5e, 0x96, 0xe5, 0x5b, 0x87, 0x4b, 0xe9, 0x09};

static bool hash_is_right(const bulla_aead_engine *engine)
{
    uint8_t out[sizeof known_sha512];
    if (engine->sha512 == NULL) return true;
    engine->sha512(bulla_view_text(known_message), out);
    return memcmp(out, known_sha512, sizeof out) == 0;
}

/* A wrong answer, and a wrong tag that passes, are both reasons not to trust an engine with data. */
static bulla_status self_test(bulla_call *call, const bulla_aead_engine *engine)
{
    BULLA_AUTO(bulla_aead) *aead = NULL;
    BULLA_TRY(engine_key_new(call, engine, bulla_view_of(known_key, sizeof known_key), &aead));
    uint8_t out[sizeof known_text], tag[BULLA_TAG_LEN];
    bulla_aead_op op = {known_nonce, {known_aad, sizeof known_aad}, {known_text, sizeof known_text}, out};
    BULLA_TRY(engine->seal(aead, call, &op, tag));
    bool is_right = memcmp(out, known_sealed, sizeof out) == 0 && memcmp(tag, known_tag, sizeof tag) == 0;
    op.in = bulla_view_of(known_sealed, sizeof known_sealed);
    BULLA_TRY(engine->open(aead, call, &op, tag));
    is_right = is_right && memcmp(out, known_text, sizeof out) == 0;
    tag[BULLA_TAG_LEN - 1] ^= 1;
    is_right = is_right && engine->open(aead, call, &op, tag) == BULLA_EINTEGRITY && hash_is_right(engine);
    if (!is_right) return bulla_fail(call, BULLA_ECRYPTO, "engine %s failed its self-test", engine->name);
    return BULLA_OK;
}

/* Under choice_lock. */
static bulla_status engine_start(bulla_call *call, size_t index)
{
    if (started[index]) return BULLA_OK;
    BULLA_TRY(engines[index]->start(call));
    BULLA_TRY(self_test(call, engines[index]));
    started[index] = true;
    return BULLA_OK;
}

/* Under choice_lock. Where validated cryptography is asked for, only OpenSSL can have it. */
static bulla_status choose_fastest(bulla_call *call)
{
    size_t last = BULLA_LEN(engines) - 1;
    for (size_t i = bulla_ossl_is_fips() ? last : 0; i < last; i++) {
        if (!engines[i]->is_fast()) continue;
        bulla_call attempt; /* a failure here is no failure of the caller's request */
        bulla_call_init(&attempt, bulla_env_of(call));
        if (engine_start(&attempt, i) == BULLA_OK) {
            __atomic_store_n(&in_use, engines[i], __ATOMIC_RELEASE);
            return BULLA_OK;
        }
        bulla_log(attempt.env, BULLA_LOG_WARN, "AEAD engine %s left out: %s", engines[i]->name, attempt.why);
    }
    BULLA_TRY(engine_start(call, last));
    __atomic_store_n(&in_use, engines[last], __ATOMIC_RELEASE);
    return BULLA_OK;
}

/* Under choice_lock. */
static bulla_status choose(bulla_call *call, const char *name)
{
    if (strcmp(name, "auto") == 0) return choose_fastest(call);
    for (size_t i = 0; i < BULLA_LEN(engines); i++) {
        if (strcmp(name, engines[i]->name) != 0) continue;
        BULLA_TRY(engine_start(call, i));
        __atomic_store_n(&in_use, engines[i], __ATOMIC_RELEASE);
        return BULLA_OK;
    }
    if (strcmp(name, "ipsec-mb") == 0)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "this build has no AEAD engine ipsec-mb: install libipsec-mb-dev "
                          "and build again");
    return bulla_fail(call, BULLA_EUNSUPPORTED, "no AEAD engine is called \"%.32s\": use auto, openssl or ipsec-mb",
                      name);
}

bulla_status bulla_aead_engine_set(bulla_call *call, const char *name)
{
    (void)pthread_mutex_lock(&choice_lock);
    bulla_status status = choose(call, name);
    (void)pthread_mutex_unlock(&choice_lock);
    return status;
}

const bulla_aead_engine *bulla_aead_engine_chosen(void)
{
    return __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);
}

/* The engine in use, chosen now if nobody did before: programs that never encrypt pay nothing for it. */
static bulla_status engine_get(bulla_call *call, const bulla_aead_engine **out_engine)
{
    const bulla_aead_engine *engine = bulla_aead_engine_chosen();
    if (engine == NULL) {
        BULLA_TRY(bulla_aead_engine_set(call, "auto"));
        engine = bulla_aead_engine_chosen();
    }
    *out_engine = engine;
    return BULLA_OK;
}

const char *bulla_aead_engine_name(void)
{
    const bulla_aead_engine *engine = engines[BULLA_LEN(engines) - 1];
    return engine_get(NULL, &engine) == BULLA_OK ? engine->name : engines[BULLA_LEN(engines) - 1]->name;
}

bulla_status bulla_aead_new(bulla_call *call, bulla_view key, bulla_aead **out_aead)
{
    if (key.len != 16 && key.len != 24 && key.len != 32)
        return bulla_fail(call, BULLA_EINVAL, "an AES key has 16, 24 or 32 bytes, not %zu", key.len);
    const bulla_aead_engine *engine = NULL;
    BULLA_TRY(engine_get(call, &engine));
    return engine_key_new(call, engine, key, out_aead);
}

bulla_aead *bulla_aead_ref(bulla_aead *aead)
{
    if (aead != NULL) bulla_refs_take(&aead->refs);
    return aead;
}

void bulla_aead_unref(bulla_aead *aead)
{
    if (aead == NULL || !bulla_refs_drop(&aead->refs)) return;
    aead->engine->key_done(aead);
    bulla_secret_unref(aead->secret);
    bulla_free(aead->env, aead);
}

/* What must hold before an engine sees a message. A forked child has no keys: a schedule of zeros would still encrypt.
 */
static bulla_status op_check(const bulla_aead *aead, bulla_call *call, const bulla_aead_op *op)
{
    if (BULLA_UNLIKELY(op->in.len > MAX_LEN || op->aad.len > MAX_AAD))
        return bulla_fail(call, BULLA_ELIMIT, "one AES-GCM message holds at most 2^36 - 32 bytes");
    if (BULLA_UNLIKELY((op->in.len != 0 && (op->in.data == NULL || op->out == NULL)) ||
                       (op->aad.len != 0 && op->aad.data == NULL)))
        return bulla_fail(call, BULLA_EINVAL, "NULL for bytes whose length is not 0");
    if (BULLA_UNLIKELY(!bulla_secret_is_live(aead->secret)))
        return bulla_fail(call, BULLA_ECRYPTO, "the key is gone: a forked process must open its own keys");
    return BULLA_OK;
}

bulla_status bulla_aead_seal(bulla_aead *aead, bulla_call *call, const uint8_t nonce[BULLA_NONCE_LEN], bulla_view aad,
                             bulla_view in, uint8_t *out, uint8_t tag[BULLA_TAG_LEN])
{
    bulla_aead_op op = {nonce, aad, in, out};
    BULLA_TRY(op_check(aead, call, &op));
    return aead->engine->seal(aead, call, &op, tag);
}

bulla_status bulla_aead_open(bulla_aead *aead, bulla_call *call, const uint8_t nonce[BULLA_NONCE_LEN], bulla_view aad,
                             bulla_view in, const uint8_t tag[BULLA_TAG_LEN], uint8_t *out)
{
    bulla_aead_op op = {nonce, aad, in, out};
    BULLA_TRY(op_check(aead, call, &op));
    bulla_status status = aead->engine->open(aead, call, &op, tag);
    if (BULLA_LIKELY(status == BULLA_OK)) return BULLA_OK;
    bulla_wipe(out, in.len); /* SP 800-38D, 7.2: nothing unauthenticated leaves */
    if (status != BULLA_EINTEGRITY) return status;
    return bulla_fail(call, BULLA_EINTEGRITY,
                      "the ciphertext, its context or its key is not the one it was sealed with");
}
