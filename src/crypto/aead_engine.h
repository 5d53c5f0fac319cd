/* SPDX-License-Identifier: Apache-2.0 */
/* The seam between AES-GCM and the libraries that compute it. A new engine is one file and one line in aead.c. */
#ifndef BULLA_CRYPTO_AEAD_ENGINE_H
#define BULLA_CRYPTO_AEAD_ENGINE_H

#include "crypto/aead.h"

/* One message. Lengths are checked; `out` is `in` or does not touch it. */
typedef struct bulla_aead_op {
    const uint8_t *nonce;
    bulla_view aad, in;
    uint8_t *out;
} bulla_aead_op;

typedef struct bulla_aead_engine {
    const char *name;
    size_t size;           /* bytes of the engine's own struct, which starts with a struct bulla_aead */
    bool (*is_fast)(void); /* worth choosing on this processor; costs nothing to ask */
    /* Loads what the engine needs. Under a lock, again after a failure, never again after success. */
    bulla_status (*start)(bulla_call *call);
    /* Fills in a zeroed struct; key_done also takes one that key_set gave up on. */
    bulla_status (*key_set)(bulla_aead *aead, bulla_call *call, bulla_view key);
    void (*key_done)(bulla_aead *aead);
    bulla_status (*seal)(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, uint8_t *tag);
    /* EINTEGRITY without a sentence and with `out` in any state: aead.c sees to both. */
    bulla_status (*open)(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, const uint8_t *tag);
    void (*sha512)(bulla_view bytes, uint8_t *out); /* NULL: OpenSSL's is as good */
} bulla_aead_engine;

struct bulla_aead {
    const bulla_aead_engine *engine;
    const bulla_env *env;
    bulla_secret *secret; /* the key or its schedule; a fork empties it, and then nothing here works any more */
    size_t refs;
};

/* The engine that was chosen, or NULL when nobody has needed one yet. */
const bulla_aead_engine *bulla_aead_engine_chosen(void);

extern const bulla_aead_engine bulla_aead_openssl;
#if BULLA_HAS_IPSEC_MB
extern const bulla_aead_engine bulla_aead_ipsecmb;
#endif

#endif
