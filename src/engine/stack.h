/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where providers are composed. From the outside in: guard, cache, failover, and for each endpoint of a
 * key store breaker, retry, back end. What needs no network (local: file: env: rsa:, a program's own schemes) has guard
 * and cache only. The guard is the engine's own wrapper: every request of a program passes it, it admits the caller,
 * and it tells every cache of the house when a key stops being usable as it was.
 */
#ifndef BULLA_ENGINE_STACK_H
#define BULLA_ENGINE_STACK_H

#include "engine/house.h"

/* Opens the key at `address`, or the one that the configuration NAME names with "kms:NAME", under its full stack. */
BULLA_MUST_USE bulla_status bulla_stack_open(bulla *house, bulla_call *call, const char *address,
                                             bulla_provider **out_provider);

/* The same without guard and cache: for the keystore, which keeps its root key itself. */
BULLA_MUST_USE bulla_status bulla_stack_root_open(bulla *house, bulla_call *call, const char *address,
                                                  bulla_provider **out_provider);

/* Forgets what any cache of the house has opened with `key_id` (empty: everything). */
void bulla_stack_purge(bulla *house, bulla_view key_id);

/* The address that "kms:NAME" stands for, or `address` itself. */
BULLA_MUST_USE bulla_status bulla_stack_address(const bulla *house, bulla_call *call, const char *address,
                                                char out_address[BULLA_MAX_ADDRESS + 1]);

#endif
