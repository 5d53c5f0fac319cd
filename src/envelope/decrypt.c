/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a message, pushed piece by piece. A frame that lies whole in the caller's input is opened from there,
 * straight into the caller's output when it has the room; otherwise it is gathered first. Nothing leaves before its tag
 * is checked, and the last plaintext of a signed message not before its signature is.
 */
#include "base/bytes.h"
#include "envelope/stream.h"

#include <inttypes.h>

bulla_status bulla_decryptor_init(bulla_decryptor *decryptor, bulla_call *call, const bulla_decrypt_options *options)
{
    bulla_decryptor made = {.place = {0, 1}};
    BULLA_TRY(bulla_opener_init(&made.opener, call, options));
    *decryptor = made;
    return BULLA_OK;
}

static bulla_view take(bulla_decryptor *decryptor, bulla_flow *flow, size_t len)
{
    decryptor->place.at += len;
    return bulla_flow_take(flow, len);
}

bulla_status bulla_decryptor_header_write(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow)
{
    size_t len = 0;
    BULLA_TRY(bulla_opener_write(&decryptor->opener, call, flow->in, &len));
    (void)take(decryptor, flow, len);
    if (decryptor->opener.is_ready) decryptor->state = BULLA_READ_BODY;
    return BULLA_OK;
}

/* decrypt.md, Decrypt the message body: of a signed message, the plaintext of the final frame or of a body without
 * frames waits for the signature. */
static bool is_held(const bulla_decryptor *decryptor, const bulla_frame *frame)
{
    return decryptor->opener.hasher != NULL && frame->kind != BULLA_FRAME_REGULAR;
}

static void frame_passed(bulla_decryptor *decryptor, const bulla_frame *frame)
{
    decryptor->place.seq++;
    if (frame->kind == BULLA_FRAME_REGULAR) return;
    decryptor->state = decryptor->opener.hasher != NULL ? BULLA_READ_FOOTER : BULLA_READ_END;
}

/* Opens a frame into the buffer, at `to`: where its content lies, or the start of an empty buffer. */
static bulla_status open_aside(bulla_decryptor *decryptor, bulla_call *call, const bulla_frame *frame, size_t to)
{
    BULLA_TRY(bulla_frame_open(&decryptor->opener.body, call, frame, decryptor->buffer.data + to));
    bulla_outlet plaintext = {to, to + frame->content.len};
    if (decryptor->buffer.len < plaintext.end) decryptor->buffer.len = plaintext.end;
    bulla_buffer_reset(&decryptor->buffer);
    if (is_held(decryptor, frame))
        decryptor->held = plaintext;
    else
        decryptor->outlet = plaintext;
    return BULLA_OK;
}

static bulla_status open_straight(bulla_decryptor *decryptor, bulla_call *call, const bulla_frame *frame,
                                  bulla_flow *flow)
{
    BULLA_TRY(bulla_frame_open(&decryptor->opener.body, call, frame, bulla_flow_out(flow)));
    flow->produced += frame->content.len;
    bulla_buffer_reset(&decryptor->buffer);
    return BULLA_OK;
}

/* A whole frame that lies in the caller's input. */
static bulla_status open_given(bulla_decryptor *decryptor, bulla_call *call, const bulla_frame *frame, size_t size,
                               bulla_flow *flow)
{
    BULLA_TRY(bulla_opener_hash(&decryptor->opener, call, bulla_view_of(flow->in.data, size)));
    if (bulla_flow_room(flow) >= frame->content.len && !is_held(decryptor, frame))
        BULLA_TRY(open_straight(decryptor, call, frame, flow));
    else {
        BULLA_TRY(bulla_buffer_reserve(&decryptor->buffer, call, size));
        BULLA_TRY(open_aside(decryptor, call, frame, 0));
    }
    (void)take(decryptor, flow, size);
    frame_passed(decryptor, frame);
    return BULLA_OK;
}

/* A whole frame that was gathered in the buffer. */
static bulla_status open_gathered(bulla_decryptor *decryptor, bulla_call *call, const bulla_frame *frame,
                                  bulla_flow *flow)
{
    bulla_buffer *buffer = &decryptor->buffer;
    BULLA_TRY(bulla_opener_hash(&decryptor->opener, call, bulla_buffer_view(buffer)));
    bool is_straight = bulla_flow_room(flow) >= frame->content.len && !is_held(decryptor, frame);
    BULLA_TRY(is_straight ? open_straight(decryptor, call, frame, flow)
                          : open_aside(decryptor, call, frame, (size_t)(frame->content.data - buffer->data)));
    frame_passed(decryptor, frame);
    return BULLA_OK;
}

/* Adds what the frame in the buffer still needs. How far a length in the message can be trusted is not known before its
 * tag is: the buffer grows with what has come, not with what is announced. */
static bulla_status gather(bulla_decryptor *decryptor, bulla_call *call, size_t need, bulla_flow *flow)
{
    size_t len = need - decryptor->buffer.len;
    if (len > flow->in.len) len = flow->in.len;
    BULLA_TRY(bulla_buffer_append(&decryptor->buffer, call, bulla_view_of(flow->in.data, len), need));
    (void)take(decryptor, flow, len);
    return BULLA_OK;
}

/* The frame at the start of `bytes`, which are the buffer's or, when it is empty, the caller's. */
static bulla_status decode(const bulla_decryptor *decryptor, bulla_call *call, bulla_view bytes, bulla_frame *frame,
                           size_t *out_need)
{
    bulla_place start = {decryptor->place.at - decryptor->buffer.len, decryptor->place.seq};
    return bulla_frame_decode(&decryptor->opener.body, call, bytes, &start, frame, out_need);
}

static bulla_status read_body(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow)
{
    bulla_buffer *buffer = &decryptor->buffer;
    bool is_given = buffer->len == 0;
    bulla_frame frame = {0};
    size_t need = 0;
    BULLA_TRY(decode(decryptor, call, is_given ? flow->in : bulla_buffer_view(buffer), &frame, &need));
    if (is_given && need <= flow->in.len) return open_given(decryptor, call, &frame, need, flow);
    BULLA_TRY(gather(decryptor, call, need, flow));
    if (buffer->len < need) return BULLA_OK;
    BULLA_TRY(decode(decryptor, call, bulla_buffer_view(buffer), &frame, &need));
    return buffer->len < need ? BULLA_OK : open_gathered(decryptor, call, &frame, flow);
}

/* Adds to the footer until it has `need` bytes. */
static bool gather_footer(bulla_decryptor *decryptor, size_t need, bulla_flow *flow)
{
    size_t len = need - decryptor->footer_len;
    if (len > flow->in.len) len = flow->in.len;
    bulla_copy(decryptor->footer + decryptor->footer_len, flow->in.data, len);
    decryptor->footer_len += len;
    (void)take(decryptor, flow, len);
    return decryptor->footer_len == need;
}

/* message-footer.md, Structure: a length of two bytes, the signature. */
static bulla_status read_footer(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow)
{
    if (decryptor->footer_len < 2 && !gather_footer(decryptor, 2, flow)) return BULLA_OK;
    size_t len = (size_t)decryptor->footer[0] << 8 | decryptor->footer[1];
    if (len == 0 || len > BULLA_SIGNATURE_MAX)
        return bulla_fail(call, BULLA_EFORMAT,
                          "the footer at byte %" PRIu64 " has a signature of %zu bytes, 1 to %u fit",
                          decryptor->place.at - decryptor->footer_len, len, BULLA_SIGNATURE_MAX);
    if (!gather_footer(decryptor, 2 + len, flow)) return BULLA_OK;
    BULLA_TRY(bulla_opener_verify(&decryptor->opener, call, bulla_view_of(decryptor->footer + 2, len)));
    decryptor->outlet = decryptor->held;
    decryptor->held = (bulla_outlet){0, 0};
    decryptor->state = BULLA_READ_END;
    return BULLA_OK;
}

static bulla_status step(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow)
{
    switch (decryptor->state) {
    case BULLA_READ_HEADER: return bulla_decryptor_header_write(decryptor, call, flow);
    case BULLA_READ_BODY: return read_body(decryptor, call, flow);
    case BULLA_READ_FOOTER: return read_footer(decryptor, call, flow);
    case BULLA_READ_END: break;
    }
    return bulla_fail(call, BULLA_EFORMAT, "the message ends at byte %" PRIu64 " but more bytes follow",
                      decryptor->place.at);
}

bulla_status bulla_decryptor_write(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow)
{
    while (bulla_outlet_drain(&decryptor->outlet, &decryptor->buffer, flow) && flow->in.len != 0)
        BULLA_TRY(step(decryptor, call, flow));
    return BULLA_OK;
}

static bulla_status truncated(const bulla_decryptor *decryptor, bulla_call *call)
{
    uint64_t at = decryptor->place.at;
    switch (decryptor->state) {
    case BULLA_READ_HEADER:
        return bulla_fail(call, BULLA_EINTEGRITY, "the message ends early: at byte %" PRIu64 ", in its header", at);
    case BULLA_READ_BODY:
        return bulla_fail(call, BULLA_EINTEGRITY,
                          "the message ends early: at byte %" PRIu64 ", before or in frame %" PRIu64, at,
                          decryptor->place.seq);
    case BULLA_READ_FOOTER:
        return bulla_fail(call, BULLA_EINTEGRITY,
                          "the message ends early: at byte %" PRIu64 ", before its signature ends", at);
    case BULLA_READ_END: break;
    }
    return BULLA_OK;
}

bulla_status bulla_decryptor_finish(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow, bool *out_done)
{
    bool is_drained = bulla_outlet_drain(&decryptor->outlet, &decryptor->buffer, flow);
    if (is_drained) BULLA_TRY(truncated(decryptor, call));
    *out_done = is_drained;
    return BULLA_OK;
}

void bulla_decryptor_done(bulla_decryptor *decryptor)
{
    bulla_opener_done(&decryptor->opener);
    bulla_buffer_done(&decryptor->buffer);
    *decryptor = (bulla_decryptor){0};
}
