/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli; RFC 3720, appendix B.4). Finds accidents, not intentions. */
#ifndef BULLA_WIRE_CRC32C_H
#define BULLA_WIRE_CRC32C_H

#include "bulla/types.h"

/* In constant time for the data: keys pass through here, and a table would show them to the processor's cache. */
uint32_t bulla_crc32c(bulla_view bytes);

#endif
