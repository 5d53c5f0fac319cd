/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/sealer.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/rand.h"
#include "envelope/keys.h"
#include "envelope/owed.h"
#include "envelope/recipients.h"

static bulla_status options_check(bulla_call *call, const bulla_encrypt_options *options)
{
    if (options->suite != BULLA_SUITE_COMMIT && options->suite != BULLA_SUITE_COMMIT_SIGNED)
        return bulla_fail(call, BULLA_EUNSUPPORTED, "suite 0x%04x is not written; 0x0478 and 0x0578 (signed) are",
                          (unsigned)options->suite);
    if (options->frame_len > BULLA_MAX_FRAME)
        return bulla_fail(call, BULLA_ELIMIT, "a frame length of %u bytes is over the limit of %u",
                          (unsigned)options->frame_len, BULLA_MAX_FRAME);
    bulla_keyring keyring = {options->recipients, options->num_recipients, NULL};
    BULLA_TRY(bulla_keyring_check(call, &keyring, 1, "to encrypt for"));
    return bulla_owed_options_check(call, options);
}

/* Members that the caller's struct does not reach are zero, and zero means the default. */
static bulla_status options_get(bulla_call *call, const bulla_encrypt_options *options, bulla_encrypt_options *out)
{
    if (options == NULL || options->size == 0)
        return bulla_fail(call, BULLA_EINVAL, "bulla_encrypt_options.size is 0, set it to sizeof the struct");
    *out = (bulla_encrypt_options){0};
    memcpy(out, options, options->size < sizeof *out ? options->size : sizeof *out);
    if (out->suite == 0) out->suite = BULLA_SUITE_COMMIT;
    if (out->frame_len == 0) out->frame_len = BULLA_FRAME_DEFAULT;
    return options_check(call, out);
}

/* The caller's pairs and the public key, which is bound to the wrapped keys with them. */
static bulla_status context_with_key(bulla_call *call, const bulla_context *context, const bulla_sign_key *sign_key,
                                     bulla_context **out_context)
{
    uint8_t point[BULLA_POINT_MAX];
    char text[4 * ((BULLA_POINT_MAX + 2) / 3) + 1];
    BULLA_TRY(bulla_sign_key_public(call, sign_key, point));
    bulla_base64_encode(bulla_view_of(point, sizeof point), text);
    size_t num_pairs = bulla_context_count(context) + 1;
    BULLA_AUTO(bulla_buffer) memory = {0};
    BULLA_TRY(bulla_buffer_reserve(&memory, call, num_pairs * sizeof(bulla_pair)));
    bulla_pair *pairs = (void *)memory.data;
    for (size_t i = 0; i + 1 < num_pairs; i++)
        pairs[i] = bulla_context_at(context, i);
    pairs[num_pairs - 1] = (bulla_pair){bulla_view_text(BULLA_CONTEXT_PUBLIC_KEY), bulla_view_text(text)};
    return bulla_context_new_reserved(call, pairs, num_pairs, out_context);
}

static bulla_status context_make(bulla_sealer *sealer, bulla_call *call, bulla_context *context)
{
    if (!sealer->body.suite->is_signed) {
        sealer->context = bulla_context_ref(context);
        return BULLA_OK;
    }
    BULLA_TRY(bulla_sign_key_generate(call, sealer->body.suite->curve, &sealer->sign_key));
    return context_with_key(call, context, sealer->sign_key, &sealer->context);
}

static bulla_status header_make(bulla_sealer *sealer, bulla_call *call, const bulla_wrapped_list *list,
                                const uint8_t commitment[BULLA_COMMITMENT_LEN])
{
    bulla_header header = {.suite = sealer->body.suite,
                           .id = bulla_view_of(sealer->body.id, sealer->body.id_len),
                           .context = sealer->context, /* borrowed: this header is never done with */
                           .framed = true,
                           .frame_len = sealer->body.frame_len,
                           .commitment = bulla_view_of(commitment, BULLA_COMMITMENT_LEN)};
    for (; header.num_recipients < list->num; header.num_recipients++)
        header.recipients[header.num_recipients] = *list->items[header.num_recipients];
    return bulla_header_write(call, &header, (bulla_view){NULL, 0}, sealer->body.aead, &sealer->header);
}

static bulla_status sealer_make(bulla_sealer *sealer, bulla_call *call, const bulla_encrypt_options *options)
{
    BULLA_AUTO(bulla_wrapped_list) list = {.num = 0};
    BULLA_AUTO(bulla_secret) *dek = NULL;
    uint8_t commitment[BULLA_COMMITMENT_LEN];
    sealer->body.suite = bulla_suite_find(options->suite);
    sealer->body.id_len = BULLA_ID_MAX;
    sealer->body.frame_len = options->frame_len;
    sealer->threads = options->threads;
    BULLA_TRY(bulla_rand(call, sealer->body.id, sealer->body.id_len));
    BULLA_TRY(context_make(sealer, call, options->context));
    BULLA_TRY(bulla_recipients_wrap(call, options, sealer->body.suite, sealer->context, &dek, &list));
    BULLA_TRY(bulla_message_key_derive(call, sealer->body.suite, bulla_view_of(sealer->body.id, sealer->body.id_len),
                                       dek, &sealer->body.aead, commitment));
    BULLA_TRY(header_make(sealer, call, &list, commitment));
    if (!sealer->body.suite->is_signed) return BULLA_OK;
    BULLA_TRY(bulla_hasher_new(call, sealer->body.suite->sign_hash, &sealer->hasher));
    return bulla_sealer_sign(sealer, call, bulla_buffer_view(&sealer->header));
}

bulla_status bulla_sealer_init(bulla_sealer *sealer, bulla_call *call, const bulla_encrypt_options *options)
{
    bulla_encrypt_options copy;
    BULLA_AUTO(bulla_sealer) made = {0};
    BULLA_TRY(options_get(call, options, &copy));
    BULLA_TRY(sealer_make(&made, call, &copy));
    *sealer = made;
    made = (bulla_sealer){0};
    return BULLA_OK;
}

bulla_status bulla_sealer_sign(bulla_sealer *sealer, bulla_call *call, bulla_view bytes)
{
    return sealer->hasher == NULL ? BULLA_OK : bulla_hasher_write(sealer->hasher, call, bytes);
}

/* message-footer.md, Structure: length, then the DER signature over header and body. */
bulla_status bulla_sealer_footer(bulla_sealer *sealer, bulla_call *call, uint8_t *out, size_t *out_len)
{
    uint8_t digest[BULLA_HASH_MAX];
    size_t len = 0;
    *out_len = 0;
    if (sealer->hasher == NULL) return BULLA_OK;
    BULLA_TRY(bulla_hasher_finish(sealer->hasher, call, digest));
    bulla_view digest_view = bulla_view_of(digest, bulla_hash_len(sealer->body.suite->sign_hash));
    BULLA_TRY(bulla_sign_digest(call, sealer->sign_key, digest_view, out + 2, BULLA_SIGNATURE_MAX, &len));
    bulla_put_u16(out, (uint16_t)len);
    *out_len = 2 + len;
    return BULLA_OK;
}

void bulla_sealer_done(bulla_sealer *sealer)
{
    bulla_body_done(&sealer->body);
    bulla_buffer_done(&sealer->header);
    bulla_context_unref(sealer->context);
    bulla_sign_key_free(sealer->sign_key);
    bulla_hasher_free(sealer->hasher);
    *sealer = (bulla_sealer){0};
}
