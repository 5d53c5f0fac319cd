/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An encryption context: pairs of UTF-8 strings that are bound to a ciphertext as authenticated data. It is checked,
 * sorted and encoded once, then used any number of times from any thread. It is never secret: messages carry it in
 * clear.
 */
#ifndef BULLA_CONTEXT_H
#define BULLA_CONTEXT_H

#include "bulla/call.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bulla_pair {
    bulla_view key, value;
} bulla_pair;

/* bulla_context_new checks and encodes `num_pairs` pairs in any order. Keys are unique and not empty, both sides are
 * UTF-8, and keys starting with "aws-crypto-" are reserved (structures.md, Encryption Context).
 * Ownership: copies the pairs; *out_context holds one reference. Errors: EINVAL, ELIMIT, ENOMEM. */
BULLA_API BULLA_MUST_USE bulla_status bulla_context_new(bulla_call *call, const bulla_pair *pairs, size_t num_pairs,
                                                        bulla_context **out_context);

/* bulla_context_bytes returns the canonical encoding: count u16, then by key bytes: key length u16, key, value length
 * u16, value, all big-endian; empty for NULL and for no pairs (message-header.md, AAD). Borrowed. */
BULLA_API bulla_view bulla_context_bytes(const bulla_context *context);

/* bulla_context_count returns the number of pairs; 0 for NULL. */
BULLA_API size_t bulla_context_count(const bulla_context *context);

/* bulla_context_at returns pair `index` in canonical order; empty views past the end. Borrowed. */
BULLA_API bulla_pair bulla_context_at(const bulla_context *context, size_t index);

/* bulla_context_ref and bulla_context_unref share and release a context. Both accept NULL. Any thread. */
BULLA_API bulla_context *bulla_context_ref(bulla_context *context);
BULLA_API void bulla_context_unref(bulla_context *context);

#ifdef __cplusplus
}
#endif

#endif
