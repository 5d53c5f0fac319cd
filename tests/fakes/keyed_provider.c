/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/keyed_provider.h"

#include "base/bytes.h"
#include "base/secret.h"
#include "provider/provider.h"

#include <stdlib.h>

#define BLOB_MAX (BULLA_NONCE_LEN + 64u + BULLA_TAG_LEN)

static bool matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const keyed_provider *keyed = (const keyed_provider *)provider;
    return bulla_view_is(wrapped->provider, "keyed") && bulla_view_is(wrapped->info, keyed->label);
}

static bulla_status wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                         bulla_wrapped **out_wrapped)
{
    keyed_provider *keyed = (keyed_provider *)provider;
    bulla_view key = bulla_secret_borrow(dek);
    uint8_t blob[BLOB_MAX] = {0};
    bulla_put_u32(blob, ++keyed->num_wrapped);
    uint8_t *tag = blob + BULLA_NONCE_LEN + key.len;
    BULLA_TRY(bulla_aead_seal(keyed->aead, call, blob, bulla_context_bytes(context), key, blob + BULLA_NONCE_LEN, tag));
    return bulla_wrapped_new(call, bulla_view_text("keyed"), bulla_view_text(keyed->label),
                             bulla_view_of(blob, BULLA_NONCE_LEN + key.len + BULLA_TAG_LEN), out_wrapped);
}

static bulla_status unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                           const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    keyed_provider *keyed = (keyed_provider *)provider;
    BULLA_WIPED(uint8_t, key, 64);
    keyed->num_unwraps++;
    if (keyed->answer != BULLA_OK) return bulla_fail(call, keyed->answer, "%s was told to", keyed->label);
    if (wrapped->blob.len < BULLA_NONCE_LEN + BULLA_TAG_LEN + 1 || wrapped->blob.len > BLOB_MAX)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped key has a wrong length");
    size_t len = wrapped->blob.len - BULLA_NONCE_LEN - BULLA_TAG_LEN;
    const uint8_t *sealed = wrapped->blob.data + BULLA_NONCE_LEN;
    BULLA_TRY(bulla_aead_open(keyed->aead, call, wrapped->blob.data, bulla_context_bytes(context),
                              bulla_view_of(sealed, len), sealed + len, key));
    return bulla_secret_copy(call, bulla_view_of(key, keyed->dek_len != 0 ? keyed->dek_len : len), out_dek);
}

static void destroy(bulla_provider *provider)
{
    (void)provider;
}

static const bulla_provider_ops keyed_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "keyed",
    .can = BULLA_OP_WRAP | BULLA_OP_UNWRAP,
    .idempotent = BULLA_OP_WRAP | BULLA_OP_UNWRAP,
    .matches = matches,
    .wrap = wrap,
    .unwrap = unwrap,
    .destroy = destroy,
};

void keyed_provider_init(keyed_provider *keyed, const char *label, uint8_t seed)
{
    uint8_t key[32];
    memset(key, seed, sizeof key);
    *keyed = (keyed_provider){.label = label};
    if (bulla_aead_new(NULL, bulla_view_of(key, sizeof key), &keyed->aead) != BULLA_OK) abort();
    bulla_provider_init(&keyed->base, &keyed_ops);
}

void keyed_provider_done(keyed_provider *keyed)
{
    bulla_aead_unref(keyed->aead);
}
