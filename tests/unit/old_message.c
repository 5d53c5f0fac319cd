/* SPDX-License-Identifier: Apache-2.0 */
#include "old_message.h"

#include "base/context.h"
#include "base/secret.h"
#include "crypto/kdf.h"
#include "crypto/sign.h"
#include "envelope/frame.h"
#include "envelope/keys.h"

#include <stdlib.h>

#define OUT_MAX (KIT_MAX + 65536u)

/* What is made on the way. */
typedef struct old_making {
    const old_message *what;
    bulla_body body;
    bulla_context *context;
    bulla_sign_key *sign_key;
    bulla_secret *dek;
    bulla_wrapped *wrapped;
    bulla_writer out;
} old_making;

static void context_make(old_making *making)
{
    uint8_t point[BULLA_POINT_MAX];
    char text[80];
    bulla_pair pairs[3] = {bulla_context_at(kit.context, 0), bulla_context_at(kit.context, 1)};
    if (!making->body.suite->is_signed) {
        making->context = bulla_context_ref(kit.context);
        return;
    }
    assert_ok(bulla_sign_key_generate(&kit.call, making->body.suite->curve, &making->sign_key));
    assert_ok(bulla_sign_key_public(&kit.call, making->sign_key, point));
    bulla_base64_encode(bulla_view_of(point, bulla_point_len(making->body.suite->curve)), text);
    pairs[2] = (bulla_pair){bulla_view_text("aws-crypto-public-key"), bulla_view_text(text)};
    assert_ok(bulla_context_new_reserved(&kit.call, pairs, 3, &making->context));
}

static void key_make(old_making *making)
{
    const bulla_suite *suite = making->body.suite;
    uint8_t commitment[BULLA_COMMITMENT_LEN];
    making->body.id_len = suite->version == 1 ? 16 : 32;
    making->body.frame_len = making->what->frame_len;
    memset(making->body.id, 0x1D, making->body.id_len);
    assert_ok(bulla_provider_datakey(&kit.ann.base, &kit.call, making->context, suite->key_len, &making->dek,
                                     &making->wrapped));
    assert_ok(bulla_message_key_derive(&kit.call, suite, bulla_view_of(making->body.id, making->body.id_len),
                                       making->dek, &making->body.aead, commitment));
}

/* message-header.md, Structure, version 1. */
static void header_body_write(bulla_writer *out, const bulla_body *body, bulla_view context,
                              const bulla_wrapped *wrapped)
{
    bulla_write_u8(out, 1);
    bulla_write_u8(out, 0x80);
    bulla_write_u16(out, body->suite->id);
    bulla_write_view(out, bulla_view_of(body->id, body->id_len));
    bulla_write_view16(out, context);
    bulla_write_u16(out, 1);
    bulla_write_view16(out, wrapped->provider);
    bulla_write_view16(out, wrapped->info);
    bulla_write_view16(out, wrapped->blob);
    bulla_write_u8(out, body->frame_len == 0 ? 1 : 2);
    bulla_write_u32(out, 0);
    bulla_write_u8(out, BULLA_NONCE_LEN);
    bulla_write_u32(out, body->frame_len);
}

static void header_write(old_making *making)
{
    uint8_t nonce[BULLA_NONCE_LEN] = {0}, tag[BULLA_TAG_LEN], nothing[1];
    header_body_write(&making->out, &making->body, bulla_context_bytes(making->context), making->wrapped);
    bulla_view body = bulla_view_of(making->out.out, making->out.len);
    assert_ok(bulla_aead_seal(making->body.aead, &kit.call, nonce, body, (bulla_view){NULL, 0}, nothing, tag));
    bulla_write_view(&making->out, bulla_view_of(nonce, sizeof nonce));
    bulla_write_view(&making->out, bulla_view_of(tag, sizeof tag));
}

/* One piece of the body with the AAD of its kind; `iv` is written by the caller. */
static void piece_write(old_making *making, const char *kind, uint32_t seq, const uint8_t *iv, bulla_view plaintext)
{
    uint8_t aad_bytes[128], tag[BULLA_TAG_LEN];
    bulla_writer aad = bulla_writer_of(aad_bytes, sizeof aad_bytes);
    bulla_write_view(&aad, bulla_view_of(making->body.id, making->body.id_len));
    bulla_write_view(&aad, bulla_view_text(kind));
    bulla_write_u32(&aad, seq);
    bulla_write_u64(&aad, plaintext.len);
    uint8_t *to = making->out.out + making->out.len;
    assert_ok(bulla_aead_seal(making->body.aead, &kit.call, iv, bulla_view_of(aad_bytes, aad.len), plaintext, to, tag));
    making->out.len += plaintext.len;
    bulla_write_view(&making->out, bulla_view_of(tag, sizeof tag));
}

static void iv_make(const old_making *making, uint32_t seq, uint8_t iv[BULLA_NONCE_LEN])
{
    memset(iv, making->what->random_ivs ? 0x5A : 0, BULLA_NONCE_LEN);
    bulla_put_u32(iv + 8, seq);
}

static void whole_write(old_making *making)
{
    uint8_t iv[BULLA_NONCE_LEN];
    iv_make(making, 1, iv);
    bulla_write_view(&making->out, bulla_view_of(iv, sizeof iv));
    bulla_write_u64(&making->out, making->what->len);
    piece_write(making, "AWSKMSEncryptionClient Single Block", 1, iv, kit_text(making->what->len));
}

static void frames_write(old_making *making)
{
    uint8_t iv[BULLA_NONCE_LEN];
    uint32_t seq = 1;
    bulla_view rest = kit_text(making->what->len);
    for (; rest.len > making->body.frame_len; seq++) {
        iv_make(making, seq, iv);
        bulla_write_u32(&making->out, seq);
        bulla_write_view(&making->out, bulla_view_of(iv, sizeof iv));
        piece_write(making, "AWSKMSEncryptionClient Frame", seq, iv, bulla_view_of(rest.data, making->body.frame_len));
        rest = bulla_view_of(rest.data + making->body.frame_len, rest.len - making->body.frame_len);
    }
    iv_make(making, seq, iv);
    bulla_write_u32(&making->out, 0xFFFFFFFF);
    bulla_write_u32(&making->out, seq);
    bulla_write_view(&making->out, bulla_view_of(iv, sizeof iv));
    bulla_write_u32(&making->out, (uint32_t)rest.len);
    piece_write(making, "AWSKMSEncryptionClient Final Frame", seq, iv, rest);
}

static void footer_write(old_making *making)
{
    const bulla_suite *suite = making->body.suite;
    uint8_t digest[BULLA_HASH_MAX], signature[BULLA_SIGNATURE_MAX];
    size_t len = 0;
    if (!suite->is_signed) return;
    assert_ok(bulla_digest(&kit.call, suite->sign_hash, bulla_view_of(making->out.out, making->out.len), digest));
    assert_ok(bulla_sign_digest(&kit.call, making->sign_key, bulla_view_of(digest, bulla_hash_len(suite->sign_hash)),
                                signature, sizeof signature, &len));
    bulla_write_view16(&making->out, bulla_view_of(signature, len));
}

bulla_bytes old_message_make(const old_message *what)
{
    old_making making = {.what = what};
    making.out = bulla_writer_of(malloc(OUT_MAX), OUT_MAX);
    making.body.suite = bulla_suite_find(what->suite);
    assert_non_null(making.body.suite);
    context_make(&making);
    key_make(&making);
    header_write(&making);
    if (what->frame_len == 0)
        whole_write(&making);
    else
        frames_write(&making);
    footer_write(&making);
    assert_false(making.out.failed);
    bulla_body_done(&making.body);
    bulla_context_unref(making.context);
    bulla_sign_key_free(making.sign_key);
    bulla_secret_unref(making.dek);
    bulla_wrapped_free(making.wrapped);
    return (bulla_bytes){making.out.out, making.out.len, &kit.env};
}

size_t old_header_make(uint16_t suite, uint32_t frame_len, uint8_t *out, size_t cap)
{
    static const uint8_t zeros[BULLA_NONCE_LEN + BULLA_TAG_LEN];
    bulla_body body = {.suite = bulla_suite_find(suite), .id_len = 16, .frame_len = frame_len};
    bulla_wrapped wrapped = {bulla_view_text("keyed"), bulla_view_text("ann"), bulla_view_text("wrapped")};
    bulla_writer writer = bulla_writer_of(out, cap);
    header_body_write(&writer, &body, bulla_context_bytes(kit.context), &wrapped);
    bulla_write_view(&writer, bulla_view_of(zeros, sizeof zeros));
    assert_false(writer.failed);
    return writer.len;
}
