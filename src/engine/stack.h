/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where providers are composed: guard, then cache, then back end. The guard is the engine's own wrapper:
 * every request of a program passes it, it admits the caller, and it tells every cache of the house when a key stops
 * being usable as it was.
 */
#ifndef BULLA_ENGINE_STACK_H
#define BULLA_ENGINE_STACK_H

#include "engine/house.h"

/* Builds the stack of this house over `backend`, which keeps a reference of its own. */
BULLA_MUST_USE bulla_status bulla_stack_new(bulla *house, bulla_call *call, bulla_provider *backend,
                                            bulla_provider **out_provider);

/* Forgets what any cache of the house has opened with `key_id` (empty: everything). */
void bulla_stack_purge(bulla *house, bulla_view key_id);

#endif
