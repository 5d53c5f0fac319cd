/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/kdf.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "bulla/secret.h"
#include "crypto/aead_engine.h"
#include "crypto/ossl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#define SHA512_BLOCK 128u
#define SHORT_MAX 256u /* of a message that is put together in one piece: key derivation's are half as long */
#define NUM_PARTS 3u

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
    BULLA_OSSL_WORK(call);
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
    BULLA_OSSL_WORK(call);
    hasher->ctx = EVP_MD_CTX_new();
    if (hasher->ctx == NULL || EVP_DigestInit_ex2(hasher->ctx, digest, NULL) != 1)
        return bulla_ossl_fail(call, "cannot start a hash");
    *out_hasher = BULLA_TAKE(hasher);
    return BULLA_OK;
}

bulla_status bulla_hasher_write(bulla_hasher *hasher, bulla_call *call, bulla_view bytes)
{
    if (hasher->finished) return bulla_fail(call, BULLA_EINVAL, "the hash is finished");
    BULLA_OSSL_WORK(call);
    if (bytes.len != 0 && EVP_DigestUpdate(hasher->ctx, bytes.data, bytes.len) != 1)
        return bulla_ossl_fail(call, "cannot hash");
    return BULLA_OK;
}

bulla_status bulla_hasher_finish(bulla_hasher *hasher, bulla_call *call, uint8_t *out)
{
    if (hasher->finished) return bulla_fail(call, BULLA_EINVAL, "the hash is finished");
    hasher->finished = true;
    BULLA_OSSL_WORK(call);
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
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_MAC_CTX) *ctx = EVP_MAC_CTX_new(mac);
    if (ctx == NULL || EVP_MAC_init(ctx, bulla_ossl_data(key), key.len, params) != 1)
        return bulla_ossl_fail(call, "cannot key an HMAC");
    *out_ctx = BULLA_TAKE(ctx);
    return BULLA_OK;
}

/* Several HMACs under one key. */
typedef struct keyed_mac {
    bulla_hash hash;
    bulla_view key;
    EVP_MAC_CTX *ctx; /* NULL: not needed so far */
} keyed_mac;

static void keyed_mac_done(keyed_mac *mac)
{
    EVP_MAC_CTX_free(mac->ctx);
}

#define KEYED_MAC __attribute__((cleanup(keyed_mac_done))) keyed_mac

static void hash_padded(const bulla_aead_engine *engine, bulla_view key, uint8_t pad, bulla_view text, uint8_t *out)
{
    BULLA_WIPED(uint8_t, piece, SHA512_BLOCK + SHORT_MAX);
    memset(piece, pad, SHA512_BLOCK);
    for (size_t i = 0; i < key.len; i++)
        piece[i] ^= key.data[i];
    bulla_copy(piece + SHA512_BLOCK, text.data, text.len);
    engine->sha512(bulla_view_of(piece, SHA512_BLOCK + text.len), out);
}

/* RFC 2104, 2, of a short message where the engine has a hash of its own; false elsewhere. What OpenSSL does before its
 * first hash takes longer than all other work of a process that opens one small message. */
static bool mac_short(const keyed_mac *mac, const bulla_view parts[NUM_PARTS], uint8_t *out)
{
    const bulla_aead_engine *engine = bulla_aead_engine_chosen();
    if (engine == NULL || engine->sha512 == NULL || mac->hash != BULLA_SHA512 || mac->key.len > SHA512_BLOCK)
        return false;
    BULLA_WIPED(uint8_t, text, SHORT_MAX);
    BULLA_WIPED(uint8_t, inner, BULLA_HASH_MAX);
    bulla_writer writer = bulla_writer_of(text, SHORT_MAX);
    for (size_t i = 0; i < NUM_PARTS; i++)
        bulla_write_view(&writer, parts[i]);
    if (writer.failed) return false;
    hash_padded(engine, mac->key, 0x36, bulla_view_of(text, writer.len), inner);
    hash_padded(engine, mac->key, 0x5c, bulla_view_of(inner, bulla_hash_len(mac->hash)), out);
    return true;
}

static bulla_status mac_compute(keyed_mac *mac, bulla_call *call, const bulla_view parts[NUM_PARTS], uint8_t *out)
{
    if (mac_short(mac, parts, out)) return BULLA_OK;
    BULLA_OSSL_WORK(call);
    bool is_ready = mac->ctx == NULL || EVP_MAC_init(mac->ctx, NULL, 0, NULL) == 1;
    if (mac->ctx == NULL) BULLA_TRY(mac_new(call, mac->hash, mac->key, &mac->ctx));
    size_t len = 0;
    for (size_t i = 0; i < NUM_PARTS; i++)
        is_ready = is_ready && EVP_MAC_update(mac->ctx, bulla_ossl_data(parts[i]), parts[i].len) == 1;
    if (!is_ready || EVP_MAC_final(mac->ctx, out, &len, bulla_hash_len(mac->hash)) != 1)
        return bulla_ossl_fail(call, "cannot compute an HMAC");
    return BULLA_OK;
}

bulla_status bulla_hmac(bulla_call *call, bulla_hash hash, bulla_view key, bulla_view bytes, uint8_t *out)
{
    KEYED_MAC mac = {.hash = hash, .key = key};
    const bulla_view parts[NUM_PARTS] = {bytes};
    return mac_compute(&mac, call, parts, out);
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
    KEYED_MAC mac = {.hash = hash, .key = prk};
    BULLA_WIPED(uint8_t, block, BULLA_HASH_MAX);
    uint8_t counter = 1;
    for (size_t done = 0; done < out_len; counter++) {
        bulla_view before = bulla_view_of(block, counter == 1 ? 0 : hash_len);
        const bulla_view parts[NUM_PARTS] = {before, info, bulla_view_of(&counter, 1)};
        bulla_status status = mac_compute(&mac, call, parts, block);
        if (status != BULLA_OK) {
            bulla_wipe(out, out_len);
            return status;
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
