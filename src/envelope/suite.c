/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/suite.h"

#include "base/macros.h"

static const bulla_suite suites[] = {
    {0x0478, 2, 32, true, false, BULLA_SHA512, BULLA_P384, BULLA_SHA384, "AES-256-GCM, HKDF-SHA-512, key commitment"},
    {0x0578, 2, 32, true, true, BULLA_SHA512, BULLA_P384, BULLA_SHA384,
     "AES-256-GCM, HKDF-SHA-512, key commitment, ECDSA P-384 signature"},
    {0x0014, 1, 16, false, false, BULLA_SHA256, BULLA_P256, BULLA_SHA256, "AES-128-GCM"},
    {0x0046, 1, 24, false, false, BULLA_SHA256, BULLA_P256, BULLA_SHA256, "AES-192-GCM"},
    {0x0078, 1, 32, false, false, BULLA_SHA256, BULLA_P256, BULLA_SHA256, "AES-256-GCM"},
    {0x0114, 1, 16, true, false, BULLA_SHA256, BULLA_P256, BULLA_SHA256, "AES-128-GCM, HKDF-SHA-256"},
    {0x0146, 1, 24, true, false, BULLA_SHA256, BULLA_P256, BULLA_SHA256, "AES-192-GCM, HKDF-SHA-256"},
    {0x0178, 1, 32, true, false, BULLA_SHA256, BULLA_P256, BULLA_SHA256, "AES-256-GCM, HKDF-SHA-256"},
    {0x0214, 1, 16, true, true, BULLA_SHA256, BULLA_P256, BULLA_SHA256,
     "AES-128-GCM, HKDF-SHA-256, ECDSA P-256 signature"},
    {0x0346, 1, 24, true, true, BULLA_SHA384, BULLA_P384, BULLA_SHA384,
     "AES-192-GCM, HKDF-SHA-384, ECDSA P-384 signature"},
    {0x0378, 1, 32, true, true, BULLA_SHA384, BULLA_P384, BULLA_SHA384,
     "AES-256-GCM, HKDF-SHA-384, ECDSA P-384 signature"},
};

const bulla_suite *bulla_suite_find(uint16_t id)
{
    for (size_t i = 0; i < BULLA_LEN(suites); i++)
        if (suites[i].id == id) return &suites[i];
    return NULL;
}
