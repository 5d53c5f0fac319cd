/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a message (message-body.md): regular frames of one length, a final frame that may be shorter, or, in old
 * messages, one block without frames. Every frame is sealed by itself under its sequence number, so frames of one
 * message may be worked on by any number of threads.
 */
#ifndef BULLA_ENVELOPE_FRAME_H
#define BULLA_ENVELOPE_FRAME_H

#include "crypto/aead.h"
#include "envelope/header.h"

#define BULLA_FRAME_DEFAULT (64u << 10) /* docs/guide/interop.md, Frame length, has the measurement */
#define BULLA_FINAL_MARK 0xFFFFFFFFu    /* message-body.md, Sequence Number End */
#define BULLA_FRAME_HEAD 16u            /* sequence number, IV */
#define BULLA_FINAL_HEAD 24u            /* mark, sequence number, IV, length */
#define BULLA_WHOLE_HEAD 20u            /* IV, length of 8 bytes */
#define BULLA_FRAME_OVERHEAD (BULLA_FRAME_HEAD + BULLA_TAG_LEN)
#define BULLA_FINAL_OVERHEAD (BULLA_FINAL_HEAD + BULLA_TAG_LEN)

/* What all frames of one message share. Read only once it is made. */
typedef struct bulla_body {
    bulla_aead *aead; /* one reference */
    const bulla_suite *suite;
    uint8_t id[BULLA_ID_MAX];
    size_t id_len;
    uint32_t frame_len; /* 0: not framed */
} bulla_body;

typedef enum bulla_frame_kind { BULLA_FRAME_REGULAR, BULLA_FRAME_FINAL, BULLA_FRAME_WHOLE } bulla_frame_kind;

/* A frame as it lies in the message. The views borrow. */
typedef struct bulla_frame {
    bulla_frame_kind kind;
    uint32_t seq;
    uint64_t at; /* where in the message, for errors */
    bulla_view iv, content, tag;
} bulla_frame;

/* Bytes of a regular frame. */
static inline size_t bulla_frame_size(const bulla_body *body)
{
    return (size_t)body->frame_len + BULLA_FRAME_OVERHEAD;
}

/* Seals one frame's plaintext to `out`: in.len + BULLA_FRAME_OVERHEAD bytes, or + BULLA_FINAL_OVERHEAD for the final
 * one. `in` may lie where its ciphertext goes, right behind the head. ELIMIT past 2^32 - 1 frames. */
BULLA_MUST_USE bulla_status bulla_frame_seal(const bulla_body *body, bulla_call *call, uint64_t seq, bulla_view in,
                                             uint8_t *out);
BULLA_MUST_USE bulla_status bulla_final_seal(const bulla_body *body, bulla_call *call, uint64_t seq, bulla_view in,
                                             uint8_t *out);

/* Where a reader of a body is. */
typedef struct bulla_place {
    uint64_t at;  /* byte of the message */
    uint64_t seq; /* number of the frame that comes next; the first is 1 */
} bulla_place;

/* Takes the frame at the start of `bytes` apart, which must be the one that comes next at `place`. When bytes are
 * missing, *out_need is how many there must be to get further and *out_frame is untouched; otherwise it is the size of
 * the frame. EFORMAT, ELIMIT, and EINTEGRITY for a frame that is not the next one. */
BULLA_MUST_USE bulla_status bulla_frame_decode(const bulla_body *body, bulla_call *call, bulla_view bytes,
                                               const bulla_place *place, bulla_frame *out_frame, size_t *out_need);

/* Opens a frame to `out` (content.len bytes; may be where the content lies). EINTEGRITY, and `out` is wiped. */
BULLA_MUST_USE bulla_status bulla_frame_open(const bulla_body *body, bulla_call *call, const bulla_frame *frame,
                                             uint8_t *out);

void bulla_body_done(bulla_body *body);

static inline void bulla_body_auto(bulla_body *body)
{
    bulla_body_done(body);
}

#endif
