/* SPDX-License-Identifier: Apache-2.0 */
/* From the data key to the key that encrypts one message, and the tag that authenticates its header. */
#ifndef BULLA_ENVELOPE_KEYS_H
#define BULLA_ENVELOPE_KEYS_H

#include "base/secret.h"
#include "crypto/aead.h"
#include "envelope/buffer.h"
#include "envelope/header.h"

/* Derives the message's key from `dek`, whose length the caller has checked, and for a committing suite the commitment
 * (algorithm-suites.md, Key Derivation Settings); otherwise `out_commitment` is zeros. */
BULLA_MUST_USE bulla_status bulla_message_key_derive(bulla_call *call, const bulla_suite *suite, bulla_view id,
                                                     const bulla_secret *dek, bulla_aead **out_aead,
                                                     uint8_t out_commitment[BULLA_COMMITMENT_LEN]);

/* Writes a version 2 header, its tag included, to `out`, which is empty. Reads no view of `header` but id, commitment
 * and recipients. `unwritten` as in bulla_header_tag_check. ELIMIT when it is longer than BULLA_MAX_HEADER or a part
 * does not fit its length field. */
BULLA_MUST_USE bulla_status bulla_header_write(bulla_call *call, const bulla_header *header, bulla_view unwritten,
                                               bulla_aead *aead, bulla_buffer *out);

/* Checks a header's tag. `unwritten` is the encoding of the pairs that are bound but not written in the message
 * (decrypt.md, Verify the header: the encryption context to only authenticate); empty as a rule. EINTEGRITY. */
BULLA_MUST_USE bulla_status bulla_header_tag_check(bulla_aead *aead, bulla_call *call, const bulla_header *header,
                                                   bulla_view unwritten);

#endif
