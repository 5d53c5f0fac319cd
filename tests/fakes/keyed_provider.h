/* SPDX-License-Identifier: Apache-2.0 */
/* A key store with one real AES-256-GCM key under a label. It knows its own wrapped keys by the label alone, so two
 * stores of one label and two keys take each other's and fail as a store does. Or one that hides nothing: a wrapped key
 * is the key, then the context's bytes. For tests of what lies above. */
#ifndef BULLA_TESTS_KEYED_PROVIDER_H
#define BULLA_TESTS_KEYED_PROVIDER_H

#include "bulla/provider_impl.h"
#include "crypto/aead.h"

typedef struct keyed_provider {
    bulla_provider base;
    const char *label;    /* NULL: it hides nothing */
    bulla_aead *aead;     /* NULL then */
    uint32_t num_wrapped; /* also the nonce */
    size_t num_unwraps;   /* how often it was asked */
    bulla_status answer;  /* what every call returns; BULLA_OK: it works */
    size_t dek_len;       /* what unwrap gives; 0: what was wrapped */
    bool lies;            /* unwrap says ok and gives another key */
} keyed_provider;

/* In the caller's storage; `seed` makes the key. Release with keyed_provider_done. */
void keyed_provider_init(keyed_provider *keyed, const char *label, uint8_t seed);
/* The one that hides nothing, whose wrapped keys are called "plain". */
void keyed_provider_init_plain(keyed_provider *keyed);
void keyed_provider_done(keyed_provider *keyed);

#endif
