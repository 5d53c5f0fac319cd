/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Randomness. Small draws come out of a batch that each thread holds in locked memory; a used byte is wiped, and a fork
 * empties the batch, so no two processes ever share one. Keys come from the kernel (ADR 0016): bulla_secret_random,
 * bulla_rand_key.
 */
#ifndef BULLA_CRYPTO_RAND_H
#define BULLA_CRYPTO_RAND_H

#include "base/macros.h"
#include "bulla/call.h"

/* Fills `out` from the call's env, or the built-in generator. ECRYPTO when there is no randomness: never weak bytes. */
BULLA_MUST_USE bulla_status bulla_rand(bulla_call *call, uint8_t *out, size_t len);

/* The same for what is a key or opens something: out of no batch. */
BULLA_MUST_USE bulla_status bulla_rand_key(bulla_call *call, uint8_t *out, size_t len);

#endif
