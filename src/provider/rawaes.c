/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/rawaes.h"

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/rand.h"
#include "provider/provider.h"

#define INFO_TAIL (4u + 4u + BULLA_NONCE_LEN) /* after the name: tag length in bits, IV length, IV */
#define INFO_MAX (sizeof((bulla_address *)NULL)->body + INFO_TAIL)

typedef struct rawaes {
    bulla_rawkey key; /* first */
    bulla_aead *aead;
} rawaes;

static const rawaes *self_of(const bulla_provider *provider)
{
    return (const rawaes *)(const void *)provider;
}

/* raw-aes-keyring.md, Key Provider Information: name, tag length in bits, IV length; the IV follows. */
static bool info_is_ours(const rawaes *self, bulla_view info)
{
    if (info.len != self->key.name.len + INFO_TAIL || memcmp(info.data, self->key.name.data, self->key.name.len) != 0)
        return false;
    const uint8_t *tail = info.data + self->key.name.len;
    return bulla_get_u32(tail) == 8 * BULLA_TAG_LEN && bulla_get_u32(tail + 4) == BULLA_NONCE_LEN;
}

static bool rawaes_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const rawaes *self = self_of(provider);
    return bulla_view_equal(wrapped->provider, self->key.space) && info_is_ours(self, wrapped->info);
}

static bulla_status rawaes_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                                bulla_wrapped **out_wrapped)
{
    const rawaes *self = self_of(provider);
    bulla_view key = bulla_secret_borrow(dek);
    uint8_t info[INFO_MAX], blob[BULLA_DEK_MAX + BULLA_TAG_LEN], nonce[BULLA_NONCE_LEN];
    BULLA_TRY(bulla_rand(call, nonce, sizeof nonce));
    bulla_writer writer = bulla_writer_of(info, sizeof info);
    bulla_write_view(&writer, self->key.name);
    bulla_write_u32(&writer, 8 * BULLA_TAG_LEN);
    bulla_write_u32(&writer, BULLA_NONCE_LEN);
    bulla_write_view(&writer, bulla_view_of(nonce, sizeof nonce));
    BULLA_TRY(bulla_aead_seal(self->aead, call, nonce, bulla_context_bytes(context), key, blob, blob + key.len));
    return bulla_wrapped_new(call, self->key.space, bulla_view_of(info, writer.len),
                             bulla_view_of(blob, key.len + BULLA_TAG_LEN), out_wrapped);
}

static bulla_status rawaes_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                  const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    const rawaes *self = self_of(provider);
    bulla_view blob = wrapped->blob;
    if (blob.len < BULLA_DEK_MIN + BULLA_TAG_LEN || blob.len > BULLA_DEK_MAX + BULLA_TAG_LEN)
        return bulla_rawkey_mismatch(&self->key, call);
    bulla_view sealed = {blob.data, blob.len - BULLA_TAG_LEN};
    const uint8_t *nonce = wrapped->info.data + wrapped->info.len - BULLA_NONCE_LEN;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_secret_new(call, sealed.len, &dek));
    bulla_status status = bulla_aead_open(self->aead, call, nonce, bulla_context_bytes(context), sealed,
                                          blob.data + sealed.len, bulla_secret_fill(dek));
    if (status == BULLA_EINTEGRITY) return bulla_rawkey_mismatch(&self->key, call);
    BULLA_TRY(status);
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

static void rawaes_destroy(bulla_provider *provider)
{
    rawaes *self = (rawaes *)(void *)provider;
    bulla_aead_unref(self->aead);
    bulla_rawkey_free(&self->key);
}

#define RAWAES_OPS(home)                                                                                               \
    {                                                                                                                  \
        .size = sizeof(bulla_provider_ops), .name = (home),                                                            \
        .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP,                                                    \
        .idempotent = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP,        \
        .matches = rawaes_matches, .describe = bulla_rawkey_describe, .wrap = rawaes_wrap, .unwrap = rawaes_unwrap,    \
        .destroy = rawaes_destroy                                                                                      \
    }

static const bulla_provider_ops homes[] = {
    [BULLA_RAWAES_FILE] = RAWAES_OPS("file"),
    [BULLA_RAWAES_ENV] = RAWAES_OPS("env"),
};

bulla_status bulla_rawaes_open(bulla_call *call, bulla_rawaes_home home, const char *address,
                               const bulla_rawkey_name *name, const bulla_secret *key, bulla_provider **out_provider)
{
    bulla_rawkey *rawkey = NULL;
    BULLA_AUTO(bulla_aead) *aead = NULL;
    BULLA_TRY(bulla_aead_new(call, bulla_secret_borrow(key), &aead));
    BULLA_TRY(bulla_rawkey_new(call, &homes[home], sizeof(rawaes), address, name, &rawkey));
    rawkey->type = bulla_secret_borrow(key).len == 32 ? BULLA_KEY_AES256_GCM : BULLA_KEY_UNKNOWN;
    ((rawaes *)(void *)rawkey)->aead = BULLA_TAKE(aead);
    *out_provider = &rawkey->base;
    return BULLA_OK;
}
