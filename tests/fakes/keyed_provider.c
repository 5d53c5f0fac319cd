/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/keyed_provider.h"

#include "base/bytes.h"
#include "base/secret.h"
#include "provider/provider.h"

#include <stdlib.h>

#define DEK_MAX 64u
#define BLOB_MAX 4096u

static bool matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const keyed_provider *keyed = (const keyed_provider *)provider;
    if (keyed->label == NULL) return bulla_view_is(wrapped->provider, "plain");
    return bulla_view_is(wrapped->provider, "keyed") && bulla_view_is(wrapped->info, keyed->label);
}

static bulla_status answer(const keyed_provider *keyed, bulla_call *call)
{
    if (keyed->answer == BULLA_OK) return BULLA_OK;
    return bulla_fail(call, keyed->answer, "%s was told to", keyed->label == NULL ? "plain" : keyed->label);
}

static bulla_status seal(const keyed_provider *keyed, bulla_call *call, bulla_view context, bulla_view key,
                         bulla_writer *writer)
{
    uint8_t nonce[BULLA_NONCE_LEN] = {0}, sealed[DEK_MAX], tag[BULLA_TAG_LEN];
    bulla_put_u32(nonce, keyed->num_wrapped);
    BULLA_TRY(bulla_aead_seal(keyed->aead, call, nonce, context, key, sealed, tag));
    bulla_write_view(writer, bulla_view_of(nonce, sizeof nonce));
    bulla_write_view(writer, bulla_view_of(sealed, key.len));
    bulla_write_view(writer, bulla_view_of(tag, sizeof tag));
    return BULLA_OK;
}

static bulla_status wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                         bulla_wrapped **out_wrapped)
{
    keyed_provider *keyed = (keyed_provider *)provider;
    bool is_plain = keyed->label == NULL;
    uint8_t blob[BLOB_MAX];
    bulla_view bound = bulla_context_bytes(context);
    bulla_writer writer = bulla_writer_of(blob, sizeof blob);
    keyed->num_wrapped++;
    BULLA_TRY(answer(keyed, call));
    if (is_plain) {
        bulla_write_view(&writer, bulla_secret_borrow(dek));
        bulla_write_view(&writer, bound);
    } else {
        BULLA_TRY(seal(keyed, call, bound, bulla_secret_borrow(dek), &writer));
    }
    if (writer.failed) return bulla_fail(call, BULLA_ELIMIT, "this provider takes short contexts only");
    return bulla_wrapped_new(call, bulla_view_text(is_plain ? "plain" : "keyed"),
                             bulla_view_text(is_plain ? "the key" : keyed->label), bulla_view_of(blob, writer.len),
                             out_wrapped);
}

static bulla_status plain_open(bulla_call *call, bulla_view bound, bulla_view blob, bulla_secret **out_dek)
{
    if (blob.len <= bound.len) return bulla_fail(call, BULLA_EINTEGRITY, "the plain provider did not wrap this");
    size_t len = blob.len - bound.len;
    if (!bulla_view_equal(bulla_view_of(blob.data + len, bound.len), bound))
        return bulla_fail(call, BULLA_EINTEGRITY, "another context was bound");
    return bulla_secret_copy(call, bulla_view_of(blob.data, len), out_dek);
}

static bulla_status unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                           const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    keyed_provider *keyed = (keyed_provider *)provider;
    BULLA_WIPED(uint8_t, key, DEK_MAX);
    bulla_view bound = bulla_context_bytes(context), blob = wrapped->blob;
    keyed->num_unwraps++;
    BULLA_TRY(answer(keyed, call));
    if (keyed->label == NULL) return plain_open(call, bound, blob, out_dek);
    if (blob.len < BULLA_NONCE_LEN + BULLA_TAG_LEN + 1 || blob.len > BULLA_NONCE_LEN + DEK_MAX + BULLA_TAG_LEN)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped key has a wrong length");
    size_t len = blob.len - BULLA_NONCE_LEN - BULLA_TAG_LEN;
    const uint8_t *sealed = blob.data + BULLA_NONCE_LEN;
    BULLA_TRY(bulla_aead_open(keyed->aead, call, blob.data, bound, bulla_view_of(sealed, len), sealed + len, key));
    if (keyed->lies) key[0] ^= 1;
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

void keyed_provider_init_plain(keyed_provider *keyed)
{
    *keyed = (keyed_provider){.label = NULL};
    bulla_provider_init(&keyed->base, &keyed_ops);
}

void keyed_provider_done(keyed_provider *keyed)
{
    bulla_aead_unref(keyed->aead);
}
