/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/keys.h"

#include "base/bytes.h"

#define KEY_MAX 32u

static const uint8_t zero_nonce[BULLA_NONCE_LEN];

/* algorithm-suites.md, Algorithm Suites Encryption Key Derivation Settings, version 2: salt is the message id, the
 * infos are suite id and "DERIVEKEY", and "COMMITKEY". */
static bulla_status derive_committing(bulla_call *call, const bulla_suite *suite, bulla_view id, bulla_view dek,
                                      uint8_t key[KEY_MAX], uint8_t commitment[BULLA_COMMITMENT_LEN])
{
    BULLA_WIPED(uint8_t, prk, BULLA_HASH_MAX);
    uint8_t info[2 + 9] = {(uint8_t)(suite->id >> 8), (uint8_t)suite->id, 'D', 'E', 'R', 'I', 'V', 'E', 'K', 'E', 'Y'};
    BULLA_TRY(bulla_hkdf_extract(call, suite->kdf, id, dek, prk));
    bulla_view prk_view = bulla_view_of(prk, bulla_hash_len(suite->kdf));
    BULLA_TRY(bulla_hkdf_expand(call, suite->kdf, prk_view, bulla_view_of(info, sizeof info), key, suite->key_len));
    return bulla_hkdf_expand(call, suite->kdf, prk_view, bulla_view_text("COMMITKEY"), commitment,
                             BULLA_COMMITMENT_LEN);
}

/* Version 1: no salt, the info is suite id and message id. */
static bulla_status derive_plain(bulla_call *call, const bulla_suite *suite, bulla_view id, bulla_view dek,
                                 uint8_t key[KEY_MAX])
{
    uint8_t info[2 + BULLA_ID_MAX];
    bulla_writer writer = bulla_writer_of(info, sizeof info);
    bulla_write_u16(&writer, suite->id);
    bulla_write_view(&writer, id);
    return bulla_hkdf(call, suite->kdf, (bulla_view){NULL, 0}, dek, bulla_view_of(info, writer.len), key,
                      suite->key_len);
}

bulla_status bulla_message_key_derive(bulla_call *call, const bulla_suite *suite, bulla_view id,
                                      const bulla_secret *dek, bulla_aead **out_aead,
                                      uint8_t out_commitment[BULLA_COMMITMENT_LEN])
{
    BULLA_WIPED(uint8_t, key, KEY_MAX);
    uint8_t commitment[BULLA_COMMITMENT_LEN] = {0};
    bulla_view dek_view = bulla_secret_borrow(dek);
    if (dek_view.len != suite->key_len)
        return bulla_fail(call, BULLA_EINTERNAL, "the data key has %zu bytes, its suite takes %u", dek_view.len,
                          (unsigned)suite->key_len);
    if (!suite->has_kdf)
        bulla_copy(key, dek_view.data, dek_view.len); /* Identity KDF */
    else if (bulla_suite_is_committing(suite))
        BULLA_TRY(derive_committing(call, suite, id, dek_view, key, commitment));
    else
        BULLA_TRY(derive_plain(call, suite, id, dek_view, key));
    BULLA_TRY(bulla_aead_new(call, bulla_view_of(key, suite->key_len), out_aead));
    bulla_copy(out_commitment, commitment, sizeof commitment);
    return BULLA_OK;
}

/* What a header's tag covers: its body, and what is bound without being written. `memory` is for both in one piece. */
static bulla_status aad_get(bulla_call *call, bulla_view body, bulla_view unwritten, bulla_buffer *memory,
                            bulla_view *out_aad)
{
    *out_aad = body;
    if (unwritten.len == 0) return BULLA_OK;
    size_t len = body.len + unwritten.len;
    BULLA_TRY(bulla_buffer_append(memory, call, body, len));
    BULLA_TRY(bulla_buffer_append(memory, call, unwritten, len));
    *out_aad = bulla_buffer_view(memory);
    return BULLA_OK;
}

/* message-header.md, Authentication Tag: nothing is encrypted, the header body is the AAD, the IV of version 2 is 0. */
bulla_status bulla_header_write(bulla_call *call, const bulla_header *header, bulla_view unwritten, bulla_aead *aead,
                                bulla_buffer *out)
{
    uint8_t nothing[1];
    BULLA_AUTO(bulla_buffer) memory = {0};
    bulla_view aad;
    size_t len = bulla_header_encoded_len(header), body_len = 0;
    if (len > BULLA_MAX_HEADER)
        return bulla_fail(call, BULLA_ELIMIT, "the message header takes %zu bytes, at most %u are written", len,
                          BULLA_MAX_HEADER);
    BULLA_TRY(bulla_buffer_reserve(out, call, len));
    BULLA_TRY(bulla_header_encode(call, header, out->data, len - BULLA_TAG_LEN, &body_len));
    BULLA_TRY(aad_get(call, bulla_view_of(out->data, body_len), unwritten, &memory, &aad));
    BULLA_TRY(bulla_aead_seal(aead, call, zero_nonce, aad, (bulla_view){NULL, 0}, nothing, out->data + body_len));
    out->len = body_len + BULLA_TAG_LEN;
    return BULLA_OK;
}

bulla_status bulla_header_tag_check(bulla_aead *aead, bulla_call *call, const bulla_header *header,
                                    bulla_view unwritten)
{
    uint8_t nothing[1];
    BULLA_AUTO(bulla_buffer) memory = {0};
    bulla_view aad;
    const uint8_t *nonce = header->suite->version == 1 ? header->iv.data : zero_nonce;
    BULLA_TRY(aad_get(call, header->body, unwritten, &memory, &aad));
    bulla_status status = bulla_aead_open(aead, call, nonce, aad, (bulla_view){NULL, 0}, header->tag.data, nothing);
    if (status != BULLA_EINTEGRITY) return status;
    return bulla_fail(call, BULLA_EINTEGRITY, "the message header was altered: its tag does not fit");
}
