/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's contexts hold a key ready but serve one thread at a time, so a key has a few of them, made when first
 * needed. A thread starts looking at a place of its own and mostly finds its context free: one atomic exchange.
 */
#include "base/bytes.h"
#include "crypto/aead_engine.h"
#include "crypto/ossl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#define NUM_SLOTS 16u
#define MAX_UPDATE ((size_t)1 << 30) /* OpenSSL counts in int; a multiple of the block */

typedef struct slot {
    EVP_CIPHER_CTX *ctx; /* atomic. NULL: not made yet. BUSY: somebody has it */
    uint8_t pad[56];     /* a cache line each: neighbours do not disturb one another */
} slot;

typedef struct openssl_key {
    bulla_aead base; /* secret: the key, for further contexts */
    EVP_CIPHER *cipher;
    slot slots[NUM_SLOTS];
} openssl_key;

#define BUSY ((EVP_CIPHER_CTX *)UINTPTR_MAX)

/* Threads are numbered as they come, so that a few of them never share a place. */
static size_t first_slot(void)
{
    static size_t num_threads;
    static _Thread_local size_t number; /* 0: not numbered yet */
    if (BULLA_UNLIKELY(number == 0)) number = __atomic_add_fetch(&num_threads, 1, __ATOMIC_RELAXED);
    return number % NUM_SLOTS;
}

static EVP_CIPHER_CTX *ctx_new(const openssl_key *key)
{
    bulla_view bytes = bulla_secret_borrow(key->base.secret);
    if (bulla_ossl_begin(NULL) != BULLA_OK) return NULL;
    BULLA_AUTO(EVP_CIPHER_CTX) *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL || bytes.len == 0 || EVP_CipherInit_ex2(ctx, key->cipher, bytes.data, NULL, 1, NULL) != 1)
        return NULL;
    return BULLA_TAKE(ctx);
}

/* A keyed context, and where to give it back: NULL when all places were busy and this one is to be freed. */
static EVP_CIPHER_CTX *ctx_take(openssl_key *key, slot **out_slot)
{
    size_t first = first_slot();
    *out_slot = NULL;
    for (size_t i = 0; i < NUM_SLOTS; i++) {
        slot *place = &key->slots[(first + i) % NUM_SLOTS];
        EVP_CIPHER_CTX *ctx = __atomic_exchange_n(&place->ctx, BUSY, __ATOMIC_ACQUIRE);
        if (BULLA_UNLIKELY(ctx == BUSY)) continue;
        *out_slot = place;
        return BULLA_LIKELY(ctx != NULL) ? ctx : ctx_new(key);
    }
    return ctx_new(key);
}

/* Accepts the NULL of a context that could not be made: its place is empty again then. */
static void ctx_give(slot *place, EVP_CIPHER_CTX *ctx)
{
    if (BULLA_LIKELY(place != NULL))
        __atomic_store_n(&place->ctx, ctx, __ATOMIC_RELEASE);
    else
        EVP_CIPHER_CTX_free(ctx);
}

static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, bulla_view in)
{
    for (size_t done = 0; done < in.len;) {
        size_t part = in.len - done < MAX_UPDATE ? in.len - done : MAX_UPDATE;
        int len = 0;
        if (EVP_CipherUpdate(ctx, out == NULL ? NULL : out + done, &len, in.data + done, (int)part) != 1) return false;
        done += part;
    }
    return true;
}

static bool start(EVP_CIPHER_CTX *ctx, const bulla_aead_op *op, int is_seal)
{
    return ctx != NULL && EVP_CipherInit_ex2(ctx, NULL, NULL, op->nonce, is_seal, NULL) == 1 &&
           update(ctx, NULL, op->aad) && update(ctx, op->out, op->in);
}

/* The tag through parameters: EVP_CIPHER_CTX_ctrl would build the same ones, a sixth of the time of a short record
 * later. */
static bulla_status openssl_seal(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, uint8_t *tag)
{
    OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, BULLA_TAG_LEN), OSSL_PARAM_END};
    slot *place;
    EVP_CIPHER_CTX *ctx = ctx_take((openssl_key *)aead, &place);
    int len = 0;
    bool is_sealed =
        start(ctx, op, 1) && EVP_CipherFinal_ex(ctx, tag, &len) == 1 && EVP_CIPHER_CTX_get_params(ctx, params) == 1;
    ctx_give(place, ctx);
    if (BULLA_UNLIKELY(!is_sealed)) return bulla_ossl_fail(call, "cannot encrypt");
    return BULLA_OK;
}

static bulla_status openssl_open(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, const uint8_t *tag)
{
    uint8_t expected[BULLA_TAG_LEN];
    memcpy(expected, tag, sizeof expected); /* OSSL_PARAM takes no const */
    const OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, expected, sizeof expected),
                                 OSSL_PARAM_END};
    slot *place;
    EVP_CIPHER_CTX *ctx = ctx_take((openssl_key *)aead, &place);
    int len = 0;
    bool is_ready = start(ctx, op, 0) && EVP_CIPHER_CTX_set_params(ctx, params) == 1;
    bool is_right = is_ready && EVP_CipherFinal_ex(ctx, expected, &len) == 1;
    ctx_give(place, ctx);
    if (BULLA_UNLIKELY(!is_ready)) return bulla_ossl_fail(call, "cannot decrypt");
    return BULLA_LIKELY(is_right) ? BULLA_OK : BULLA_EINTEGRITY; /* the last step is a comparison, and no more */
}

static bool openssl_is_fast(void)
{
    return true;
}

static bulla_status openssl_start(bulla_call *call)
{
    EVP_CIPHER *cipher = NULL;
    return bulla_ossl_cipher(call, BULLA_OSSL_GCM, 32, &cipher);
}

static bulla_status openssl_key_set(bulla_aead *aead, bulla_call *call, bulla_view key)
{
    openssl_key *made = (openssl_key *)aead;
    BULLA_TRY(bulla_ossl_cipher(call, BULLA_OSSL_GCM, key.len, &made->cipher));
    BULLA_TRY(bulla_secret_copy(call, key, &aead->secret));
    slot *place;
    EVP_CIPHER_CTX *ctx = ctx_take(made, &place); /* the first one now: a key that OpenSSL refuses shows here */
    ctx_give(place, ctx);
    return ctx != NULL ? BULLA_OK : bulla_ossl_fail(call, "cannot expand an AES key");
}

/* EVP_CIPHER_CTX_free wipes the key schedule. A context can be busy here only in a forked child whose parent had a
 * thread in it at that moment. */
static void openssl_key_done(bulla_aead *aead)
{
    openssl_key *key = (openssl_key *)aead;
    for (size_t i = 0; i < NUM_SLOTS; i++)
        if (key->slots[i].ctx != BUSY) EVP_CIPHER_CTX_free(key->slots[i].ctx);
}

const bulla_aead_engine bulla_aead_openssl = {
    .name = "openssl",
    .size = sizeof(openssl_key),
    .is_fast = openssl_is_fast,
    .start = openssl_start,
    .key_set = openssl_key_set,
    .key_done = openssl_key_done,
    .seal = openssl_seal,
    .open = openssl_open,
};
