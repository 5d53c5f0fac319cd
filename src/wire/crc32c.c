/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/crc32c.h"

#define POLYNOMIAL UINT32_C(0x82F63B78) /* 0x1EDC6F41, bits reversed */

uint32_t bulla_crc32c(bulla_view bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (POLYNOMIAL & (UINT32_C(0) - (crc & 1)));
    }
    return ~crc;
}
