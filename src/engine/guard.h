/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's own wrapper, first in every stack: it admits the caller and knows every stack that is in use. */
#ifndef BULLA_ENGINE_GUARD_H
#define BULLA_ENGINE_GUARD_H

#include "engine/house.h"

typedef struct bulla_guarded {
    bulla_provider *inner; /* what the guard stands before */
    bulla_provider *cache; /* the cache in it, or NULL */
} bulla_guarded;

BULLA_MUST_USE bulla_status bulla_guard_new(bulla *house, bulla_call *call, const char *address,
                                            const bulla_guarded *guarded, bulla_provider **out_provider);

/* Every cache in use with the address of its key, for bulla_caches_visit. */
typedef struct bulla_cache_place {
    bulla_provider *cache; /* a reference */
    char *address;
} bulla_cache_place;
BULLA_MUST_USE bulla_status bulla_guard_caches(bulla *house, bulla_call *call, bulla_cache_place **out_places,
                                               size_t *out_num);
void bulla_guard_caches_done(const bulla *house, bulla_cache_place *places, size_t num);

#endif
