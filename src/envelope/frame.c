/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/frame.h"

#include "base/bytes.h"
#include "bulla/envelope.h"

#include <inttypes.h>

#define AAD_MAX (BULLA_ID_MAX + 35u + 4u + 8u)

static bulla_view kind_text(bulla_frame_kind kind)
{
    switch (kind) {
    case BULLA_FRAME_REGULAR: return bulla_view_text("AWSKMSEncryptionClient Frame");
    case BULLA_FRAME_FINAL: return bulla_view_text("AWSKMSEncryptionClient Final Frame");
    case BULLA_FRAME_WHOLE: return bulla_view_text("AWSKMSEncryptionClient Single Block");
    }
    return (bulla_view){NULL, 0};
}

/* message-body-aad.md, Structure. */
static bulla_view body_aad(const bulla_body *body, bulla_frame_kind kind, uint32_t seq, size_t len,
                           uint8_t out[AAD_MAX])
{
    bulla_writer writer = bulla_writer_of(out, AAD_MAX);
    bulla_write_view(&writer, bulla_view_of(body->id, body->id_len));
    bulla_write_view(&writer, kind_text(kind));
    bulla_write_u32(&writer, seq);
    bulla_write_u64(&writer, len);
    return bulla_view_of(out, writer.len);
}

/* encrypt.md, Construct a frame: the IV is the sequence number, padded in front. */
static void seq_nonce(uint32_t seq, uint8_t out[BULLA_NONCE_LEN])
{
    memset(out, 0, BULLA_NONCE_LEN - 4);
    bulla_put_u32(out + BULLA_NONCE_LEN - 4, seq);
}

/* message-body.md, Framed Data: at most 2^32 - 1 frames. The number of the last can only be a final frame's, since a
 * regular frame with it would read as the mark of one. */
static bulla_status seq_check(bulla_call *call, uint64_t seq, bulla_frame_kind kind)
{
    if (seq < BULLA_FINAL_MARK || (seq == BULLA_FINAL_MARK && kind == BULLA_FRAME_FINAL)) return BULLA_OK;
    return bulla_fail(call, BULLA_ELIMIT, "a message holds at most 4,294,967,295 frames: take longer frames");
}

static bulla_status seal(const bulla_body *body, bulla_call *call, bulla_frame_kind kind, uint32_t seq, bulla_view in,
                         uint8_t *out)
{
    uint8_t aad[AAD_MAX];
    uint8_t nonce[BULLA_NONCE_LEN];
    seq_nonce(seq, nonce);
    return bulla_aead_seal(body->aead, call, nonce, body_aad(body, kind, seq, in.len, aad), in, out, out + in.len);
}

bulla_status bulla_frame_seal(const bulla_body *body, bulla_call *call, uint64_t seq, bulla_view in, uint8_t *out)
{
    BULLA_TRY(seq_check(call, seq, BULLA_FRAME_REGULAR));
    bulla_put_u32(out, (uint32_t)seq);
    seq_nonce((uint32_t)seq, out + 4);
    return seal(body, call, BULLA_FRAME_REGULAR, (uint32_t)seq, in, out + BULLA_FRAME_HEAD);
}

bulla_status bulla_final_seal(const bulla_body *body, bulla_call *call, uint64_t seq, bulla_view in, uint8_t *out)
{
    BULLA_TRY(seq_check(call, seq, BULLA_FRAME_FINAL));
    bulla_put_u32(out, BULLA_FINAL_MARK);
    bulla_put_u32(out + 4, (uint32_t)seq);
    seq_nonce((uint32_t)seq, out + 8);
    bulla_put_u32(out + 20, (uint32_t)in.len);
    return seal(body, call, BULLA_FRAME_FINAL, (uint32_t)seq, in, out + BULLA_FINAL_HEAD);
}

static bulla_status order_check(const bulla_body *body, bulla_call *call, const bulla_frame *frame, uint64_t seq)
{
    if (frame->seq != seq)
        return bulla_fail(call, BULLA_EINTEGRITY,
                          "the frame at byte %" PRIu64 " has number %" PRIu32 " where %" PRIu64
                          " comes next: frames are missing, repeated or out of order",
                          frame->at, frame->seq, seq);
    uint8_t nonce[BULLA_NONCE_LEN];
    seq_nonce(frame->seq, nonce);
    /* decrypt.md, Decrypt the message body: the IV is the sequence number. Releases of the official implementations
     * from before that rule drew it at random, so version 1 takes what is written; the tag vouches for the order. */
    if (body->suite->version == 2 && memcmp(frame->iv.data, nonce, sizeof nonce) != 0)
        return bulla_fail(call, BULLA_EINTEGRITY, "the frame at byte %" PRIu64 " has an IV that is not its number",
                          frame->at);
    return BULLA_OK;
}

/* Cuts the frame of `head` bytes before and `len` bytes of content out, or says how much is missing. */
static bool cut(bulla_view bytes, size_t head, size_t len, bulla_frame *frame, size_t *out_need)
{
    *out_need = head + len + BULLA_TAG_LEN;
    if (bytes.len < *out_need) return false;
    frame->content = bulla_view_of(bytes.data + head, len);
    frame->tag = bulla_view_of(bytes.data + head + len, BULLA_TAG_LEN);
    return true;
}

static bulla_status decode_regular(const bulla_body *body, bulla_call *call, bulla_view bytes, bulla_frame *frame,
                                   size_t *out_need)
{
    (void)call;
    frame->kind = BULLA_FRAME_REGULAR;
    frame->seq = bulla_get_u32(bytes.data);
    if (!cut(bytes, BULLA_FRAME_HEAD, body->frame_len, frame, out_need)) return BULLA_OK;
    frame->iv = bulla_view_of(bytes.data + 4, BULLA_NONCE_LEN);
    return BULLA_OK;
}

/* message-body.md, Final Frame: at most the frame length. */
static bulla_status decode_final(const bulla_body *body, bulla_call *call, bulla_view bytes, bulla_frame *frame,
                                 size_t *out_need)
{
    *out_need = BULLA_FINAL_HEAD;
    if (bytes.len < BULLA_FINAL_HEAD) return BULLA_OK;
    uint32_t len = bulla_get_u32(bytes.data + 20);
    if (len > body->frame_len)
        return bulla_fail(call, BULLA_EFORMAT,
                          "the final frame at byte %" PRIu64 " says %" PRIu32 " bytes, frames have %" PRIu32, frame->at,
                          len, body->frame_len);
    frame->kind = BULLA_FRAME_FINAL;
    frame->seq = bulla_get_u32(bytes.data + 4);
    frame->iv = bulla_view_of(bytes.data + 8, BULLA_NONCE_LEN);
    (void)cut(bytes, BULLA_FINAL_HEAD, len, frame, out_need);
    return BULLA_OK;
}

/* message-body.md, Non-Framed Data. Nothing of it can be released before its one tag at the end, so all of it is held
 * in memory; hence the limit, far below the format's 64 GiB. */
static bulla_status decode_whole(const bulla_body *body, bulla_call *call, bulla_view bytes, bulla_frame *frame,
                                 size_t *out_need)
{
    (void)body;
    *out_need = BULLA_WHOLE_HEAD;
    if (bytes.len < BULLA_WHOLE_HEAD) return BULLA_OK;
    uint64_t len = (uint64_t)bulla_get_u32(bytes.data + 12) << 32 | bulla_get_u32(bytes.data + 16);
    if (len > BULLA_MAX_FRAME)
        return bulla_fail(call, BULLA_ELIMIT,
                          "the body at byte %" PRIu64 " is one block of %" PRIu64
                          " bytes without frames; at most %u are read",
                          frame->at, len, BULLA_MAX_FRAME);
    frame->kind = BULLA_FRAME_WHOLE;
    frame->seq = 1; /* message-body-aad.md, Sequence Number */
    frame->iv = bulla_view_of(bytes.data, BULLA_NONCE_LEN);
    (void)cut(bytes, BULLA_WHOLE_HEAD, (size_t)len, frame, out_need);
    return BULLA_OK;
}

bulla_status bulla_frame_decode(const bulla_body *body, bulla_call *call, bulla_view bytes, const bulla_place *place,
                                bulla_frame *out_frame, size_t *out_need)
{
    bulla_frame frame = {.at = place->at};
    size_t need = 4;
    if (body->frame_len == 0)
        BULLA_TRY(decode_whole(body, call, bytes, &frame, &need));
    else if (bytes.len >= 4 && bulla_get_u32(bytes.data) == BULLA_FINAL_MARK)
        BULLA_TRY(decode_final(body, call, bytes, &frame, &need));
    else if (bytes.len >= 4)
        BULLA_TRY(decode_regular(body, call, bytes, &frame, &need));
    if (bytes.len >= need) {
        if (body->frame_len != 0) BULLA_TRY(order_check(body, call, &frame, place->seq));
        *out_frame = frame;
    }
    *out_need = need;
    return BULLA_OK;
}

bulla_status bulla_frame_open(const bulla_body *body, bulla_call *call, const bulla_frame *frame, uint8_t *out)
{
    uint8_t aad[AAD_MAX];
    bulla_view aad_view = body_aad(body, frame->kind, frame->seq, frame->content.len, aad);
    bulla_status status =
        bulla_aead_open(body->aead, call, frame->iv.data, aad_view, frame->content, frame->tag.data, out);
    if (status != BULLA_EINTEGRITY) return status;
    return bulla_fail(call, BULLA_EINTEGRITY,
                      "frame %" PRIu32 " at byte %" PRIu64 " was altered or is another message's: its tag does not fit",
                      frame->seq, frame->at);
}

void bulla_body_done(bulla_body *body)
{
    bulla_aead_unref(body->aead);
    *body = (bulla_body){0};
}
