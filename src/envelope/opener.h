/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a message that is being opened: from its first byte to an authenticated header. */
#ifndef BULLA_ENVELOPE_OPENER_H
#define BULLA_ENVELOPE_OPENER_H

#include "bulla/envelope.h"
#include "envelope/buffer.h"
#include "envelope/frame.h"
#include "envelope/recipients.h"

/* What is bound to a message: all of it, and of that what its header does not write. One reference each; NULL: nothing.
 */
typedef struct bulla_binding {
    bulla_context *context, *unwritten;
} bulla_binding;

/* Compares `require` (may be NULL) with the pairs that a header writes. A required pair that it does not write may
 * still be bound to the message: its writer left it out for the reader to bring along (decrypt.md, Verify the header:
 * the encryption context to only authenticate). Unlocking tells whether it is. EINTEGRITY for another value. */
BULLA_MUST_USE bulla_status bulla_binding_get(bulla_call *call, const bulla_context *require, bulla_context *written,
                                              bulla_binding *out_binding);
void bulla_binding_done(bulla_binding *binding);

static inline void bulla_binding_auto(bulla_binding *binding)
{
    bulla_binding_done(binding);
}

/* Opens a header with one of the keys: data key, commitment, tag. Afterwards what the header says is genuine, and the
 * unwritten pairs are bound to it. */
BULLA_MUST_USE bulla_status bulla_header_unlock(bulla_call *call, const bulla_keyring *keyring,
                                                const bulla_header *header, const bulla_binding *binding,
                                                bulla_secret **out_dek, bulla_aead **out_aead);

typedef struct bulla_opener {
    const bulla_env *env;
    bulla_provider **recipients; /* own array, one reference each */
    size_t num_recipients;
    bulla_context *require; /* the pairs that must be bound; NULL: none */
    bool legacy, release_signed;
    unsigned threads; /* wanted for copying */
    size_t *likeliest;

    bulla_buffer bytes; /* the header as it comes */
    size_t need;        /* bytes there must be to get further */
    bool is_ready;      /* everything below is authenticated */
    bulla_header header;
    bulla_context *context; /* all that is bound to the message */
    bulla_body body;
    bulla_hasher *hasher; /* of a signed message; has taken the header */
} bulla_opener;

/* Checks and copies the options. */
BULLA_MUST_USE bulla_status bulla_opener_init(bulla_opener *opener, bulla_call *call,
                                              const bulla_decrypt_options *options);

/* Takes what it needs of `in`, and no byte of the body. When the header is whole it is opened: afterwards is_ready. */
BULLA_MUST_USE bulla_status bulla_opener_write(bulla_opener *opener, bulla_call *call, bulla_view in,
                                               size_t *out_consumed);

/* Takes bytes of the body into the check of the signature, if there is one. */
BULLA_MUST_USE bulla_status bulla_opener_hash(bulla_opener *opener, bulla_call *call, bulla_view bytes);

/* Checks the signature of a signed message: once, when the body has been hashed. EINTEGRITY. */
BULLA_MUST_USE bulla_status bulla_opener_verify(bulla_opener *opener, bulla_call *call, bulla_view signature);

/* Releases what it holds. Accepts a zeroed one. */
void bulla_opener_done(bulla_opener *opener);

static inline void bulla_opener_auto(bulla_opener *opener)
{
    bulla_opener_done(opener);
}

#endif
