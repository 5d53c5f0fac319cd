/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a stream: what the two directions share. No I/O happens here; bytes are pushed through. */
#ifndef BULLA_ENVELOPE_STREAM_H
#define BULLA_ENVELOPE_STREAM_H

#include "envelope/opener.h"
#include "envelope/sealer.h"

#include <string.h>

/* One push: input to consume, room to produce into. */
typedef struct bulla_flow {
    bulla_view in; /* what is not consumed yet */
    uint8_t *out;
    size_t cap;
    size_t consumed, produced;
} bulla_flow;

/* Bytes of a buffer that are ready to leave it. */
typedef struct bulla_outlet {
    size_t at, end;
} bulla_outlet;

typedef struct bulla_encryptor {
    bulla_sealer sealer;
    bulla_buffer buffer; /* first the header, then a frame: gathered, sealed in place, drained */
    bulla_outlet outlet;
    size_t num_gathered; /* plaintext bytes in the buffer, behind the room for a final frame's head */
    uint64_t seq;        /* of the next frame */
    bool is_ended;       /* the final frame is sealed */
} bulla_encryptor;

typedef enum bulla_decrypt_state {
    BULLA_READ_HEADER,
    BULLA_READ_BODY,
    BULLA_READ_FOOTER,
    BULLA_READ_END
} bulla_decrypt_state;

typedef struct bulla_decryptor {
    bulla_opener opener;
    bulla_decrypt_state state;
    bulla_place place;
    bulla_buffer buffer;       /* a frame that comes in pieces, or its plaintext */
    bulla_outlet outlet, held; /* held: the last plaintext of a signed message, until the signature is checked */
    uint8_t footer[BULLA_FOOTER_MAX];
    size_t footer_len;
} bulla_decryptor;

struct bulla_stream {
    const bulla_env *env;
    bool is_encrypting, is_finishing, is_done;
    bulla_status failed; /* what ended it before its time */
    bulla_encryptor encryptor;
    bulla_decryptor decryptor;
    bulla_buffer pulled; /* input of the pulling side */
    size_t pulled_at;
    bool source_ended;
};

/* Reads from `source` until the header of a message is opened; input that came with it stays in the stream. */
BULLA_MUST_USE bulla_status bulla_stream_header_pull(bulla_stream *stream, bulla_call *call,
                                                     const bulla_source *source);

/* Input that was pulled and is not used yet. */
bulla_view bulla_stream_pulled(const bulla_stream *stream);

BULLA_AUTO_DEFINE(bulla_stream, bulla_stream_close)

BULLA_MUST_USE bulla_status bulla_encryptor_init(bulla_encryptor *encryptor, bulla_call *call,
                                                 const bulla_encrypt_options *options);
BULLA_MUST_USE bulla_status bulla_encryptor_write(bulla_encryptor *encryptor, bulla_call *call, bulla_flow *flow);
/* The input has ended; *out_done when everything is produced. */
BULLA_MUST_USE bulla_status bulla_encryptor_finish(bulla_encryptor *encryptor, bulla_call *call, bulla_flow *flow,
                                                   bool *out_done);
void bulla_encryptor_done(bulla_encryptor *encryptor);

BULLA_MUST_USE bulla_status bulla_decryptor_init(bulla_decryptor *decryptor, bulla_call *call,
                                                 const bulla_decrypt_options *options);
BULLA_MUST_USE bulla_status bulla_decryptor_write(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow);
/* Takes the header's bytes and not one more. */
BULLA_MUST_USE bulla_status bulla_decryptor_header_write(bulla_decryptor *decryptor, bulla_call *call,
                                                         bulla_flow *flow);
BULLA_MUST_USE bulla_status bulla_decryptor_finish(bulla_decryptor *decryptor, bulla_call *call, bulla_flow *flow,
                                                   bool *out_done);
void bulla_decryptor_done(bulla_decryptor *decryptor);

static inline void bulla_encryptor_auto(bulla_encryptor *encryptor)
{
    bulla_encryptor_done(encryptor);
}
static inline void bulla_decryptor_auto(bulla_decryptor *decryptor)
{
    bulla_decryptor_done(decryptor);
}

static inline size_t bulla_flow_room(const bulla_flow *flow)
{
    return flow->cap - flow->produced;
}

/* Where the next byte of output goes. Only with room. */
static inline uint8_t *bulla_flow_out(const bulla_flow *flow)
{
    return flow->out + flow->produced;
}

static inline bulla_view bulla_flow_take(bulla_flow *flow, size_t len)
{
    bulla_view taken = {flow->in.data, len};
    if (len == 0) return taken;
    flow->in = (bulla_view){flow->in.data + len, flow->in.len - len};
    flow->consumed += len;
    return taken;
}

/* Moves what waits in the buffer into the output, as far as it fits. True when nothing waits any more. */
static inline bool bulla_outlet_drain(bulla_outlet *outlet, const bulla_buffer *buffer, bulla_flow *flow)
{
    size_t room = bulla_flow_room(flow), len = outlet->end - outlet->at;
    if (len > room) len = room;
    if (len != 0) memcpy(bulla_flow_out(flow), buffer->data + outlet->at, len);
    outlet->at += len;
    flow->produced += len;
    return outlet->at == outlet->end;
}

#endif
