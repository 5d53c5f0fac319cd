/* SPDX-License-Identifier: Apache-2.0 */
/* AES key wrap with padding (SP 800-38F, KWP; RFC 5649). For material that comes from elsewhere; our own wrapping is
 * GCM. */
#ifndef BULLA_CRYPTO_KEYWRAP_H
#define BULLA_CRYPTO_KEYWRAP_H

#include "base/macros.h"
#include "bulla/call.h"

/* `kek` of 16, 24 or 32 bytes; `in` of 1 to 4,096. `out` holds in.len rounded up to 8, plus 8. */
BULLA_MUST_USE bulla_status bulla_kwp_wrap(bulla_call *call, bulla_view kek, bulla_view in, uint8_t *out, size_t cap,
                                           size_t *out_len);
/* `out` holds in.len - 8. Anything wrong is EINTEGRITY and leaves `out` wiped. */
BULLA_MUST_USE bulla_status bulla_kwp_unwrap(bulla_call *call, bulla_view kek, bulla_view in, uint8_t *out, size_t cap,
                                             size_t *out_len);

#endif
