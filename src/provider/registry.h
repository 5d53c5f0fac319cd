/* SPDX-License-Identifier: Apache-2.0 */
/* Which scheme opens which addresses. One line for each back end in registry.c. */
#ifndef BULLA_PROVIDER_REGISTRY_H
#define BULLA_PROVIDER_REGISTRY_H

#include "base/macros.h"
#include "bulla/provider_impl.h"
#include "provider/address.h"
#include "provider/kms.h"

#define BULLA_MAX_SCHEMES 32u

typedef struct bulla_registry {
    char names[BULLA_MAX_SCHEMES][BULLA_SCHEME_MAX + 1]; /* copies: a scheme's own name may be short-lived */
    bulla_scheme schemes[BULLA_MAX_SCHEMES];
    size_t num_schemes;
} bulla_registry;

/* Fills in the back ends of this room; those that need a configuration open from `kms`, which outlives the registry,
 * and are left out when it is NULL. */
void bulla_registry_init(bulla_registry *registry, bulla_kms *kms);

BULLA_MUST_USE bulla_status bulla_registry_add(bulla_registry *registry, bulla_call *call, const bulla_scheme *scheme);

/* Opens `address` through its scheme. An unknown scheme is EINVAL with the nearest known one. */
BULLA_MUST_USE bulla_status bulla_registry_open(const bulla_registry *registry, bulla_call *call, const char *address,
                                                bulla_provider **out_provider);

#endif
