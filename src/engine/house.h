/* SPDX-License-Identifier: Apache-2.0 */
/* The house from inside: what its functions share. */
#ifndef BULLA_ENGINE_HOUSE_H
#define BULLA_ENGINE_HOUSE_H

#include "base/macros.h"
#include "bulla/house.h"
#include "keystore/store.h"
#include "provider/provider.h"
#include "provider/registry.h"

#include <pthread.h>

typedef struct bulla_guard bulla_guard;

struct bulla {
    size_t refs; /* bulla_close gives one back; every provider that came from here holds one */
    const bulla_env *env;
    char *store_path; /* NULL: no keystore */
    bool has_cache;
    bulla_cache_options cache;
    bulla_metrics *metrics;
    bulla_kms *kms; /* outlives every provider that came from here: each holds the house */

    pthread_mutex_t lock; /* over registry and guards; with it held only purge is called */
    bulla_registry registry;
    bulla_guard *guards; /* every provider given out and not yet released */

    pthread_mutex_t store_lock; /* over the first opening of the keystore; waited for by deadline */
    bulla_store *store;
};

void bulla_house_ref(bulla *house);
void bulla_house_unref(bulla *house);

/* The keystore, opened at the first call. Borrowed for the life of the house. ECONFIG when the house has none. */
BULLA_MUST_USE bulla_status bulla_house_store(bulla *house, bulla_call *call, bulla_store **out_store);

/* The folder of the keystore, or ECONFIG. */
BULLA_MUST_USE bulla_status bulla_house_store_path(bulla *house, bulla_call *call, const char **out_path);

/* Opens the back end at `address` with nothing around it. */
BULLA_MUST_USE bulla_status bulla_house_backend_open(bulla *house, bulla_call *call, const char *address,
                                                     bulla_provider **out_provider);

/* How the keystore reaches its root key: any back end but the keystore itself. */
bulla_opener bulla_house_opener(bulla *house);

/* Who asks must be text that can stand in the history. EAUTHN. Every request passes here first. */
BULLA_MUST_USE bulla_status bulla_house_admit(bulla_call *call);

#endif
