/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption contexts, for the rooms that read them from messages and put reserved keys in. */
#ifndef BULLA_BASE_CONTEXT_H
#define BULLA_BASE_CONTEXT_H

#include "base/macros.h"
#include "bulla/context.h"

#define BULLA_CONTEXT_RESERVED "aws-crypto-" /* prefix no caller may use (structures.md, Encryption Context) */
/* Under which a signed message carries its public key (default-cmm.md, Get Encryption Materials). */
#define BULLA_CONTEXT_PUBLIC_KEY "aws-crypto-public-key"

/* Like bulla_context_new, reserved keys allowed. */
BULLA_MUST_USE bulla_status bulla_context_new_reserved(bulla_call *call, const bulla_pair *pairs, size_t num_pairs,
                                                       bulla_context **out_context);

/* Takes a canonical encoding apart: sorted, unique, UTF-8, nothing left over. Empty bytes give an empty context.
 * EFORMAT. */
BULLA_MUST_USE bulla_status bulla_context_decode(bulla_call *call, bulla_view bytes, bulla_context **out_context);

/* Value of `key`, or false. */
bool bulla_context_find(const bulla_context *context, bulla_view key, bulla_view *out_value);

BULLA_AUTO_DEFINE(bulla_context, bulla_context_unref)

#endif
