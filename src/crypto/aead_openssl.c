/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's contexts hold a key ready but serve one thread at a time, so a key has a few of them, made when first
 * needed. A thread starts looking at a place of its own and mostly finds its context free: one atomic exchange.
 *
 * Contexts that open are others than those that seal, because only they take nonce and tag together as parameters.
 * Initialising a context with a nonce makes OpenSSL 3.0 look up the length of its nonces by name first: a fifth of the
 * time of a short record.
 */
#include "base/bytes.h"
#include "crypto/aead_engine.h"
#include "crypto/ossl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#define NUM_SLOTS 16u
#define MAX_UPDATE ((size_t)1 << 30) /* OpenSSL counts in int; a multiple of the block */

typedef enum purpose { TO_OPEN = 0, TO_SEAL = 1 } purpose; /* the values are EVP's */

typedef struct slot {
    EVP_CIPHER_CTX *ctx[2]; /* by purpose; atomic. NULL: not made yet. BUSY: somebody has it */
    uint8_t pad[48];        /* a cache line each: neighbours do not disturb one another */
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

static EVP_CIPHER_CTX *ctx_new(const openssl_key *key, purpose wanted)
{
    uint8_t fixed[4] = {0}; /* tells that nonces come as parameters; each of them overwrites it */
    bulla_view bytes = bulla_secret_borrow(key->base.secret);
    __attribute__((cleanup(bulla_ossl_done))) bulla_ossl_work work = {false, false};
    if (bulla_ossl_begin(NULL, &work) != BULLA_OK) return NULL;
    BULLA_AUTO(EVP_CIPHER_CTX) *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL || bytes.len == 0 || EVP_CipherInit_ex2(ctx, key->cipher, bytes.data, NULL, (int)wanted, NULL) != 1)
        return NULL;
    if (wanted == TO_OPEN) (void)EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IV_FIXED, sizeof fixed, fixed);
    return BULLA_TAKE(ctx);
}

/* A keyed context, and where to give it back: NULL when all places were busy and this one is to be freed. */
static EVP_CIPHER_CTX *ctx_take(openssl_key *key, purpose wanted, EVP_CIPHER_CTX ***out_place)
{
    size_t first = first_slot();
    *out_place = NULL;
    for (size_t i = 0; i < NUM_SLOTS; i++) {
        EVP_CIPHER_CTX **place = &key->slots[(first + i) % NUM_SLOTS].ctx[wanted];
        EVP_CIPHER_CTX *ctx = __atomic_exchange_n(place, BUSY, __ATOMIC_ACQUIRE);
        if (BULLA_UNLIKELY(ctx == BUSY)) continue;
        *out_place = place;
        return BULLA_LIKELY(ctx != NULL) ? ctx : ctx_new(key, wanted);
    }
    return ctx_new(key, wanted);
}

/* Accepts the NULL of a context that could not be made: its place is empty again then. */
static void ctx_give(EVP_CIPHER_CTX **place, EVP_CIPHER_CTX *ctx)
{
    if (BULLA_LIKELY(place != NULL))
        __atomic_store_n(place, ctx, __ATOMIC_RELEASE);
    else
        EVP_CIPHER_CTX_free(ctx);
}

static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, bulla_view in)
{
    int len = 0;
    for (; BULLA_UNLIKELY(in.len > MAX_UPDATE); in = bulla_view_of(in.data + MAX_UPDATE, in.len - MAX_UPDATE)) {
        if (EVP_CipherUpdate(ctx, out, &len, in.data, (int)MAX_UPDATE) != 1) return false;
        if (out != NULL) out += MAX_UPDATE;
    }
    return in.len == 0 || EVP_CipherUpdate(ctx, out, &len, in.data, (int)in.len) == 1;
}

/* The tag through parameters: EVP_CIPHER_CTX_ctrl would build the same ones, a sixth of the time of a short record
 * later. */
static bulla_status openssl_seal(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, uint8_t *tag)
{
    OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, BULLA_TAG_LEN), OSSL_PARAM_END};
    EVP_CIPHER_CTX **place;
    EVP_CIPHER_CTX *ctx = ctx_take((openssl_key *)aead, TO_SEAL, &place);
    int len = 0;
    bool is_sealed = ctx != NULL && EVP_EncryptInit_ex2(ctx, NULL, NULL, op->nonce, NULL) == 1 &&
                     update(ctx, NULL, op->aad) && update(ctx, op->out, op->in) &&
                     EVP_EncryptFinal_ex(ctx, tag, &len) == 1 && EVP_CIPHER_CTX_get_params(ctx, params) == 1;
    ctx_give(place, ctx);
    if (BULLA_UNLIKELY(!is_sealed)) return bulla_ossl_fail(call, "cannot encrypt");
    return BULLA_OK;
}

/* The parameter for the nonce is meant for the counting part of a TLS record's, 8 bytes long; the providers of all
 * releases so far take any length up to the whole nonce. One that should refuse gets the nonce the long way. One that
 * should pass over it does not pass the engine's self-test. In no case does a forged message pass. */
static bool open_start(EVP_CIPHER_CTX *ctx, const bulla_aead_op *op, const uint8_t *tag)
{
    uint8_t nonce[BULLA_NONCE_LEN], expected[BULLA_TAG_LEN]; /* OSSL_PARAM takes no const */
    memcpy(nonce, op->nonce, sizeof nonce);
    memcpy(expected, tag, sizeof expected);
    const OSSL_PARAM params[] = {OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, expected, sizeof expected),
                                 OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, nonce, sizeof nonce),
                                 OSSL_PARAM_END};
    if (BULLA_LIKELY(EVP_CIPHER_CTX_set_params(ctx, params) == 1)) return true;
    const OSSL_PARAM tag_alone[] = {params[0], OSSL_PARAM_END};
    return EVP_DecryptInit_ex2(ctx, NULL, NULL, nonce, tag_alone) == 1;
}

static bulla_status openssl_open(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, const uint8_t *tag)
{
    uint8_t end[BULLA_TAG_LEN]; /* stays empty: GCM has no last block */
    EVP_CIPHER_CTX **place;
    EVP_CIPHER_CTX *ctx = ctx_take((openssl_key *)aead, TO_OPEN, &place);
    int len = 0;
    bool is_ready =
        ctx != NULL && open_start(ctx, op, tag) && update(ctx, NULL, op->aad) && update(ctx, op->out, op->in);
    bool is_right = is_ready && EVP_DecryptFinal_ex(ctx, end, &len) == 1;
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
    BULLA_OSSL_WORK(call);
    BULLA_TRY(bulla_ossl_cipher(call, BULLA_OSSL_GCM, key.len, &made->cipher));
    BULLA_TRY(bulla_secret_copy(call, key, &aead->secret));
    EVP_CIPHER_CTX **place;
    EVP_CIPHER_CTX *ctx = ctx_take(made, TO_SEAL, &place); /* one now: a key that OpenSSL refuses shows here */
    ctx_give(place, ctx);
    return ctx != NULL ? BULLA_OK : bulla_ossl_fail(call, "cannot expand an AES key");
}

/* EVP_CIPHER_CTX_free wipes the key schedule. A context can be busy here only in a forked child whose parent had a
 * thread in it at that moment. */
static void openssl_key_done(bulla_aead *aead)
{
    openssl_key *key = (openssl_key *)aead;
    for (size_t i = 0; i < 2 * NUM_SLOTS; i++) {
        EVP_CIPHER_CTX *ctx = key->slots[i / 2].ctx[i % 2];
        if (ctx != BUSY) EVP_CIPHER_CTX_free(ctx);
    }
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
