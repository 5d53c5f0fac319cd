/* SPDX-License-Identifier: Apache-2.0 */
/* A whole key store in memory: one AES-256-GCM key with versions and states, every slot filled, every call counted, and
 * a switch that cuts it off. */
#ifndef BULLA_TESTS_MEMORY_PROVIDER_H
#define BULLA_TESTS_MEMORY_PROVIDER_H

#include "bulla/provider_impl.h"

#define MEMORY_VERSIONS 8u

typedef struct memory_counts {
    size_t describes, wraps, unwraps, datakeys, rewraps, rotates, purges;
} memory_counts;

/* `key_id` names the key in the info of wrapped keys; `seed` makes its bytes. One reference. */
BULLA_MUST_USE bulla_status memory_provider_new(bulla_call *call, const char *key_id, uint8_t seed,
                                                bulla_provider **out_provider);

void memory_provider_state_set(bulla_provider *provider, bulla_key_state state);
void memory_provider_down_set(bulla_provider *provider, bool down); /* down: EUNAVAIL */
memory_counts memory_provider_counts(const bulla_provider *provider);

/* Called at the start of every unwrap, inside it: what happens while the store is being asked. */
void memory_provider_hook_set(bulla_provider *provider, void (*hook)(void *arg), void *arg);

#endif
