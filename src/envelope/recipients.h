/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the given keys opens a message, and why none does. */
#ifndef BULLA_ENVELOPE_RECIPIENTS_H
#define BULLA_ENVELOPE_RECIPIENTS_H

#include "base/secret.h"
#include "envelope/header.h"
#include "provider/provider.h"

/* Providers as an options struct gives them. Borrowed. */
typedef struct bulla_keyring {
    bulla_provider *const *providers;
    size_t num_providers;
    size_t *likeliest; /* of the providers: asked first, and the one that opened; NULL: nobody knows */
} bulla_keyring;

/* A data key and where it is from. Borrowed but for the key. */
typedef struct bulla_opened {
    bulla_secret *dek; /* one reference */
    bulla_provider *provider;
    const bulla_wrapped *wrapped;
} bulla_opened;

static inline void bulla_opened_auto(bulla_opened *opened)
{
    bulla_secret_unref(opened->dek);
}

/* EINVAL unless there are `min` to BULLA_MAX_RECIPIENTS providers, none of them NULL. `role` says what they are for. */
BULLA_MUST_USE bulla_status bulla_keyring_check(bulla_call *call, const bulla_keyring *keyring, size_t min,
                                                const char *role);

/* The first provider of the keyring that may open `wrapped`, or NULL. */
bulla_provider *bulla_keyring_find(const bulla_keyring *keyring, const bulla_wrapped *wrapped);

/* Opens the header's data key: its wrapped keys in their order, each with every provider that matches, until one opens
 * (raw-aes-keyring.md, OnDecrypt, and its sisters). The likeliest provider comes before all others, and one whose store
 * did not answer is not asked again. When none does, the status is the one that tells most: a store that
 * does not answer, then a key that is named but cannot be used, then a wrapped key that failed authentication, and
 * ENORECIPIENT when none of the keys is named. */
BULLA_MUST_USE bulla_status bulla_keyring_open(bulla_call *call, const bulla_keyring *keyring,
                                               const bulla_header *header, bulla_context *context,
                                               bulla_opened *out_opened);

#endif
