/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One house: everything a program has configured. Open it once, open providers by their addresses from it, close it
 * when every object that came from it is released. Safe from any thread.
 */
#ifndef BULLA_HOUSE_H
#define BULLA_HOUSE_H

#include "bulla/kms.h"
#include "bulla/provider_impl.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bulla_options {
    size_t size;       /* sizeof(bulla_options) */
    const char *store; /* path of the embedded keystore's folder; NULL: none, and `local:` addresses fail */
    const char *aead;  /* "auto" (NULL), "openssl" or "ipsec-mb": for keys opened from now on, process-wide */
    const bulla_cache_options *cache; /* unwrap cache before every provider; NULL: none */
    const bulla_kms_config *kms;      /* the key stores (bulla/kms.h); copied */
    size_t num_kms;
} bulla_options;

/* bulla_open opens a house. The keystore is opened at the first `local:` address or key call. The call's env is used
 * for the life of the house. A forked child opens its own house, and no keystore when its parent had one open at the
 * fork: fork first. Ownership: *out_house is released with bulla_close. Errors: EINVAL, EUNSUPPORTED (aead). */
BULLA_API BULLA_MUST_USE bulla_status bulla_open(bulla_call *call, const bulla_options *options, bulla **out_house);

/* bulla_close releases the house. Providers that are still referenced keep what they need. Accepts NULL. */
BULLA_API void bulla_close(bulla *house);

/* bulla_scheme_add makes addresses "NAME:…" open through `scheme`. The struct is copied, its arg borrowed for the life
 * of the house. A back end that protects the keystore's root key cannot itself have keys in that keystore: what it asks
 * of the house then is refused (EINVAL). EEXISTS for a scheme that is there. */
BULLA_API BULLA_MUST_USE bulla_status bulla_scheme_add(bulla *house, bulla_call *call, const bulla_scheme *scheme);

/* bulla_provider_open opens the key at `address`. `local:` without a name opens any key of the keystore but wraps with
 * none. Ownership: *out_provider holds one reference. Errors: EINVAL with the place in the address, ENOKEY, ENOFILE… */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_open(bulla *house, bulla_call *call, const char *address,
                                                          bulla_provider **out_provider);

/* bulla_version returns the library's version, such as "0.1.0". bulla_aead_name returns the AEAD engine in use,
 * "openssl" or "ipsec-mb". Static; never NULL. */
BULLA_API const char *bulla_version(void);
BULLA_API const char *bulla_aead_name(void);

/* bulla_random fills `out` from the call's source of randomness: nonces, identifiers. Keys: bulla_secret_random. */
BULLA_API BULLA_MUST_USE bulla_status bulla_random(bulla_call *call, uint8_t *out, size_t len);

#ifdef __cplusplus
}
#endif

#endif
