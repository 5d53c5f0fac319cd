/* SPDX-License-Identifier: Apache-2.0 */
/* Message headers of versions 1 and 2 as bytes (message-header.md, Structure). Pure: no key is needed here, and nothing
 * that is read here is authenticated. */
#ifndef BULLA_ENVELOPE_HEADER_H
#define BULLA_ENVELOPE_HEADER_H

#include "base/context.h"
#include "bulla/provider.h"
#include "envelope/suite.h"

#define BULLA_MAX_HEADER (1u << 20) /* bytes of a header that Bulla writes or reads */
#define BULLA_ID_MAX 32u            /* bytes of a message id: 32 in version 2, 16 in version 1 */
#define BULLA_COMMITMENT_LEN 32u

/* All views lie in the bytes the header was decoded from. */
typedef struct bulla_header {
    const bulla_suite *suite;
    bulla_view id;
    bulla_context *context; /* one reference; NULL when empty */
    bulla_view context_bytes;
    bulla_wrapped recipients[BULLA_MAX_RECIPIENTS];
    size_t num_recipients;
    bool framed;
    uint32_t frame_len;    /* 0 when not framed */
    bulla_view commitment; /* version 2 only */
    bulla_view body;       /* everything before iv and tag: what the tag covers */
    bulla_view iv;         /* version 1 only */
    bulla_view tag;
    size_t len; /* bytes of the header; the message's body follows */
} bulla_header;

/* Decodes the header at the start of `bytes`. When bytes are missing, *out_need is how many there must be, in all, to
 * get any further, and *out_header is untouched; otherwise *out_need is out_header->len. Mistakes are found as soon as
 * their bytes are there, those in the context when the header is whole: EFORMAT with the place, ELIMIT, EUNSUPPORTED
 * for a suite that is not known. */
BULLA_MUST_USE bulla_status bulla_header_decode(bulla_call *call, bulla_view bytes, bulla_header *out_header,
                                                size_t *out_need);

/* Bytes of a version 2 header with these recipients, tag included. Reads context, recipients and no view else. */
size_t bulla_header_encoded_len(const bulla_header *header);

/* Writes the body of a version 2 header, up to and with the commitment, to `out` of `cap` bytes; the tag is the
 * caller's to add. ELIMIT when a part does not fit its length field. */
BULLA_MUST_USE bulla_status bulla_header_encode(bulla_call *call, const bulla_header *header, uint8_t *out, size_t cap,
                                                size_t *out_len);

void bulla_header_done(bulla_header *header);

static inline void bulla_header_auto(bulla_header *header)
{
    bulla_header_done(header);
}

#endif
