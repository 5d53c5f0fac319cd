/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/innerwrap.h"

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/rand.h"

#define VERSION 0x01u
#define HEAD_LEN 3u /* version, length of the outer part */
#define SEAL_LEN (BULLA_NONCE_LEN + BULLA_TAG_LEN)

/* A blob taken apart (spec/wrapped.md, The inner wrap). */
typedef struct parts {
    bulla_view outer, nonce, sealed, tag;
} parts;

static bulla_status damaged(bulla_call *call)
{
    return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged, or not for this context");
}

static bool parts_read(bulla_view blob, parts *out_parts)
{
    bulla_reader reader = bulla_reader_of(blob);
    bool is_known = bulla_read_u8(&reader) == VERSION;
    out_parts->outer = bulla_read_view16(&reader);
    out_parts->nonce = bulla_read_view(&reader, BULLA_NONCE_LEN);
    if (!is_known || reader.failed || out_parts->outer.len == 0) return false;
    if (reader.rest.len < BULLA_DEK_MIN + BULLA_TAG_LEN || reader.rest.len > BULLA_DEK_MAX + BULLA_TAG_LEN)
        return false;
    out_parts->sealed = bulla_read_view(&reader, reader.rest.len - BULLA_TAG_LEN);
    out_parts->tag = bulla_read_view(&reader, BULLA_TAG_LEN);
    return true;
}

/* spec/wrapped.md, Wrapping, step 4. Not secret, but secrets come with a size of one's choice and an end. */
static bulla_status aad_new(bulla_call *call, const bulla_innerwrap_site *site, bulla_view outer,
                            bulla_secret **out_aad)
{
    bulla_view context = bulla_context_bytes(site->context);
    size_t len = 1 + 3 * sizeof(uint16_t) + site->provider.len + site->info.len + outer.len + context.len;
    BULLA_AUTO(bulla_secret) *aad = NULL;
    BULLA_TRY(bulla_secret_new(call, len, &aad));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(aad), len);
    bulla_write_u8(&writer, VERSION);
    bulla_write_view16(&writer, site->provider);
    bulla_write_view16(&writer, site->info);
    bulla_write_view16(&writer, outer);
    bulla_write_view(&writer, context);
    if (writer.failed) return bulla_fail(call, BULLA_ELIMIT, "a part of the wrapped data key is over 65,535 bytes");
    *out_aad = BULLA_TAKE(aad);
    return BULLA_OK;
}

bulla_status bulla_innerwrap_seal(bulla_call *call, const bulla_innerwrap_site *site, const bulla_secret *key,
                                  bulla_view outer, const bulla_secret *dek, bulla_wrapped **out_wrapped)
{
    BULLA_AUTO(bulla_aead) *aead = NULL;
    BULLA_AUTO(bulla_secret) *aad = NULL;
    BULLA_AUTO(bulla_secret) *blob = NULL;
    bulla_view plain = bulla_secret_borrow(dek);
    size_t len = HEAD_LEN + outer.len + SEAL_LEN + plain.len;
    uint8_t nonce[BULLA_NONCE_LEN], sealed[BULLA_DEK_MAX + BULLA_TAG_LEN];
    if (outer.len == 0 || plain.len < BULLA_DEK_MIN || plain.len > BULLA_DEK_MAX)
        return bulla_fail(call, BULLA_EINVAL, "a data key of %zu bytes cannot be wrapped", plain.len);
    BULLA_TRY(bulla_aead_new(call, bulla_secret_borrow(key), &aead));
    BULLA_TRY(aad_new(call, site, outer, &aad));
    BULLA_TRY(bulla_rand(call, nonce, sizeof nonce));
    BULLA_TRY(bulla_aead_seal(aead, call, nonce, bulla_secret_borrow(aad), plain, sealed, sealed + plain.len));
    BULLA_TRY(bulla_secret_new(call, len, &blob));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(blob), len);
    bulla_write_u8(&writer, VERSION);
    bulla_write_view16(&writer, outer);
    bulla_write_view(&writer, bulla_view_of(nonce, sizeof nonce));
    bulla_write_view(&writer, bulla_view_of(sealed, plain.len + BULLA_TAG_LEN));
    return bulla_wrapped_new(call, site->provider, site->info, bulla_secret_borrow(blob), out_wrapped);
}

bulla_status bulla_innerwrap_outer(bulla_call *call, bulla_view blob, bulla_view *out_outer)
{
    parts found;
    if (!parts_read(blob, &found)) return damaged(call);
    *out_outer = found.outer;
    return BULLA_OK;
}

bulla_status bulla_innerwrap_open(bulla_call *call, const bulla_wrapped *wrapped, bulla_context *context,
                                  const bulla_secret *key, bulla_secret **out_dek)
{
    parts found;
    BULLA_AUTO(bulla_aead) *aead = NULL;
    BULLA_AUTO(bulla_secret) *aad = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    const bulla_innerwrap_site site = {wrapped->provider, wrapped->info, context};
    if (!parts_read(wrapped->blob, &found) || bulla_secret_borrow(key).len != BULLA_INNERWRAP_KEY_LEN)
        return damaged(call);
    BULLA_TRY(bulla_aead_new(call, bulla_secret_borrow(key), &aead));
    BULLA_TRY(aad_new(call, &site, found.outer, &aad));
    BULLA_TRY(bulla_secret_new(call, found.sealed.len, &dek));
    bulla_status status = bulla_aead_open(aead, call, found.nonce.data, bulla_secret_borrow(aad), found.sealed,
                                          found.tag.data, bulla_secret_fill(dek));
    if (status == BULLA_EINTEGRITY) return damaged(call);
    BULLA_TRY(status);
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}
