/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a message, pushed piece by piece. A full frame leaves as a regular one at once, without waiting for the next
 * byte to tell whether it was the last: the final frame may be empty (message-body.md, Final Frame: "MAY be 0"), and a
 * caller that pushes whole frames is never copied.
 */
#include "base/bytes.h"
#include "envelope/stream.h"

bulla_status bulla_encryptor_init(bulla_encryptor *encryptor, bulla_call *call, const bulla_encrypt_options *options)
{
    bulla_encryptor made = {.seq = 1};
    BULLA_TRY(bulla_sealer_init(&made.sealer, call, options));
    made.buffer = made.sealer.header;
    made.sealer.header = (bulla_buffer){0};
    made.outlet.end = made.buffer.len;
    *encryptor = made;
    return BULLA_OK;
}

/* From the caller's memory to the caller's memory. */
static bulla_status seal_straight(bulla_encryptor *encryptor, bulla_call *call, bulla_flow *flow)
{
    const bulla_body *body = &encryptor->sealer.body;
    bulla_view sealed = bulla_view_of(bulla_flow_out(flow), bulla_frame_size(body));
    BULLA_TRY(bulla_frame_seal(body, call, encryptor->seq, bulla_view_of(flow->in.data, body->frame_len),
                               bulla_flow_out(flow)));
    BULLA_TRY(bulla_sealer_sign(&encryptor->sealer, call, sealed));
    (void)bulla_flow_take(flow, body->frame_len);
    flow->produced += sealed.len;
    encryptor->seq++;
    return BULLA_OK;
}

static bulla_view gathered(const bulla_encryptor *encryptor)
{
    if (encryptor->num_gathered == 0) return (bulla_view){NULL, 0};
    return bulla_view_of(encryptor->buffer.data + BULLA_FINAL_HEAD, encryptor->num_gathered);
}

static bulla_status seal_gathered(bulla_encryptor *encryptor, bulla_call *call)
{
    const bulla_body *body = &encryptor->sealer.body;
    bulla_buffer *buffer = &encryptor->buffer;
    size_t start = BULLA_FINAL_HEAD - BULLA_FRAME_HEAD;
    BULLA_TRY(bulla_frame_seal(body, call, encryptor->seq, gathered(encryptor), buffer->data + start));
    encryptor->outlet = (bulla_outlet){start, start + bulla_frame_size(body)};
    encryptor->num_gathered = 0;
    encryptor->seq++;
    return bulla_sealer_sign(&encryptor->sealer, call, bulla_view_of(buffer->data + start, bulla_frame_size(body)));
}

static bulla_status gather(bulla_encryptor *encryptor, bulla_call *call, bulla_flow *flow)
{
    bulla_buffer *buffer = &encryptor->buffer;
    uint32_t frame_len = encryptor->sealer.body.frame_len;
    size_t len = frame_len - encryptor->num_gathered;
    if (encryptor->num_gathered == 0) bulla_buffer_reset(buffer); /* what it held has left */
    BULLA_TRY(bulla_buffer_reserve(buffer, call, (size_t)frame_len + BULLA_FINAL_OVERHEAD + BULLA_FOOTER_MAX));
    if (len > flow->in.len) len = flow->in.len;
    memcpy(buffer->data + BULLA_FINAL_HEAD + encryptor->num_gathered, flow->in.data, len);
    (void)bulla_flow_take(flow, len);
    encryptor->num_gathered += len;
    buffer->len = BULLA_FINAL_HEAD + encryptor->num_gathered;
    return encryptor->num_gathered == frame_len ? seal_gathered(encryptor, call) : BULLA_OK;
}

bulla_status bulla_encryptor_write(bulla_encryptor *encryptor, bulla_call *call, bulla_flow *flow)
{
    const bulla_body *body = &encryptor->sealer.body;
    while (bulla_outlet_drain(&encryptor->outlet, &encryptor->buffer, flow) && flow->in.len != 0) {
        bool is_straight = encryptor->num_gathered == 0 && flow->in.len >= body->frame_len &&
                           bulla_flow_room(flow) >= bulla_frame_size(body);
        BULLA_TRY(is_straight ? seal_straight(encryptor, call, flow) : gather(encryptor, call, flow));
    }
    return BULLA_OK;
}

/* The final frame and, of a signed message, the footer, in the buffer. */
static bulla_status end(bulla_encryptor *encryptor, bulla_call *call)
{
    bulla_buffer *buffer = &encryptor->buffer;
    size_t len = encryptor->num_gathered + BULLA_FINAL_OVERHEAD, footer_len = 0;
    if (encryptor->num_gathered == 0) bulla_buffer_reset(buffer);
    BULLA_TRY(bulla_buffer_reserve(buffer, call, len + BULLA_FOOTER_MAX));
    BULLA_TRY(bulla_final_seal(&encryptor->sealer.body, call, encryptor->seq, gathered(encryptor), buffer->data));
    BULLA_TRY(bulla_sealer_sign(&encryptor->sealer, call, bulla_view_of(buffer->data, len)));
    BULLA_TRY(bulla_sealer_footer(&encryptor->sealer, call, buffer->data + len, &footer_len));
    buffer->len = len + footer_len;
    encryptor->outlet = (bulla_outlet){0, buffer->len};
    encryptor->is_ended = true;
    return BULLA_OK;
}

bulla_status bulla_encryptor_finish(bulla_encryptor *encryptor, bulla_call *call, bulla_flow *flow, bool *out_done)
{
    bool is_drained = bulla_outlet_drain(&encryptor->outlet, &encryptor->buffer, flow);
    if (is_drained && !encryptor->is_ended) {
        BULLA_TRY(end(encryptor, call));
        is_drained = bulla_outlet_drain(&encryptor->outlet, &encryptor->buffer, flow);
    }
    *out_done = is_drained;
    return BULLA_OK;
}

void bulla_encryptor_done(bulla_encryptor *encryptor)
{
    bulla_sealer_done(&encryptor->sealer);
    bulla_buffer_done(&encryptor->buffer);
    *encryptor = (bulla_encryptor){0};
}
