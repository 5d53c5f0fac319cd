/* SPDX-License-Identifier: Apache-2.0 */
/* PEM (RFC 7468), read here: OpenSSL's reader leaves the last line of a key's text in freed memory. */
#ifndef BULLA_CRYPTO_PEM_H
#define BULLA_CRYPTO_PEM_H

#include "base/secret.h"
#include "bulla/call.h"

/* One block. Both views lie in the text. */
typedef struct bulla_pem {
    bulla_view label; /* such as "PRIVATE KEY" */
    bulla_view body;  /* all lines between the first and the last */
} bulla_pem;

/* The first block in *text, which then begins behind it; what stands before is passed over. False when there is none.
 */
bool bulla_pem_next(bulla_view *text, bulla_pem *out_block);

/* Whether headers stand before the data, as in keys that are protected by a password (RFC 1421, 4.4). */
bool bulla_pem_has_headers(const bulla_pem *block);

/* The bytes that the body encodes. EFORMAT. */
BULLA_MUST_USE bulla_status bulla_pem_decode(bulla_call *call, const bulla_pem *block, bulla_secret **out_bytes);

#endif
