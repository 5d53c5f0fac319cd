/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a message that is being made: data key, wrapped keys, header; and the signature at its end. */
#ifndef BULLA_ENVELOPE_SEALER_H
#define BULLA_ENVELOPE_SEALER_H

#include "bulla/envelope.h"
#include "envelope/buffer.h"
#include "envelope/frame.h"

#define BULLA_FOOTER_MAX (2u + BULLA_SIGNATURE_MAX)

typedef struct bulla_sealer {
    bulla_body body;
    bulla_buffer header;      /* whole, with its tag */
    bulla_context *context;   /* as it is bound: with the public key of a signed message */
    bulla_sign_key *sign_key; /* NULL unless signed, as is the hasher */
    bulla_hasher *hasher;     /* has taken the header */
    unsigned threads;         /* wanted for copying */
} bulla_sealer;

/* Checks the options, makes and wraps the data key, writes the header. */
BULLA_MUST_USE bulla_status bulla_sealer_init(bulla_sealer *sealer, bulla_call *call,
                                              const bulla_encrypt_options *options);

/* Takes bytes of the body into the signature, if there is one. */
BULLA_MUST_USE bulla_status bulla_sealer_sign(bulla_sealer *sealer, bulla_call *call, bulla_view bytes);

/* Writes the footer of a signed message to `out` of BULLA_FOOTER_MAX bytes; of another, nothing. */
BULLA_MUST_USE bulla_status bulla_sealer_footer(bulla_sealer *sealer, bulla_call *call, uint8_t *out, size_t *out_len);

/* Releases what it holds. Accepts a zeroed one. */
void bulla_sealer_done(bulla_sealer *sealer);

static inline void bulla_sealer_auto(bulla_sealer *sealer)
{
    bulla_sealer_done(sealer);
}

#endif
