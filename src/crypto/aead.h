/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-GCM through one table with two engines: OpenSSL, always there, and Intel's libipsec-mb where the processor and
 * the build have it. Keyed contexts are kept, not rebuilt: a bulla_aead may be used from any number of threads at once,
 * and an operation allocates nothing, takes no lock that another thread holds for long, and makes no system call.
 */
#ifndef BULLA_CRYPTO_AEAD_H
#define BULLA_CRYPTO_AEAD_H

#include "base/macros.h"
#include "base/secret.h"

#define BULLA_NONCE_LEN 12u
#define BULLA_TAG_LEN 16u

typedef struct bulla_aead bulla_aead;

/* An AES-GCM key of 16, 24 or 32 bytes, with the engine in use now. Copies the key into its own secret memory.
 * Ownership: *out_aead is released with bulla_aead_unref. EINVAL for another length. */
BULLA_MUST_USE bulla_status bulla_aead_new(bulla_call *call, bulla_view key, bulla_aead **out_aead);
bulla_aead *bulla_aead_ref(bulla_aead *aead);
void bulla_aead_unref(bulla_aead *aead);

/* Encrypts in.len bytes to `out` (same length; the same place or none in common) and writes the tag. SP 800-38D, 7.1.
 * ECRYPTO when the engine fails or a fork emptied the key. `call` may be NULL in all of these. */
BULLA_MUST_USE bulla_status bulla_aead_seal(bulla_aead *aead, bulla_call *call, const uint8_t nonce[BULLA_NONCE_LEN],
                                            bulla_view aad, bulla_view in, uint8_t *out, uint8_t tag[BULLA_TAG_LEN]);

/* The reverse. EINTEGRITY when the tag does not fit; `out` is wiped then. SP 800-38D, 7.2. */
BULLA_MUST_USE bulla_status bulla_aead_open(bulla_aead *aead, bulla_call *call, const uint8_t nonce[BULLA_NONCE_LEN],
                                            bulla_view aad, bulla_view in, const uint8_t tag[BULLA_TAG_LEN],
                                            uint8_t *out);

/* Chooses the engine for keys made from now on: "auto", "openssl", "ipsec-mb". An engine passes a self-test before it
 * is chosen; "auto" takes the fastest that does. EUNSUPPORTED with the reason when it cannot be had. Any thread. */
BULLA_MUST_USE bulla_status bulla_aead_engine_set(bulla_call *call, const char *name);
const char *bulla_aead_engine_name(void);

BULLA_AUTO_DEFINE(bulla_aead, bulla_aead_unref)

#endif
