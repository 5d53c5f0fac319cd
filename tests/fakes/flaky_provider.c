/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/flaky_provider.h"

#include "fakes/relay.h"

static const bulla_provider_ops flaky_ops = RELAY_OPS("flaky");

static bulla_status flaky_before(relay *self, bulla_call *call)
{
    size_t every = __atomic_load_n(&self->every, __ATOMIC_RELAXED);
    size_t number = __atomic_add_fetch(&self->num_calls, 1, __ATOMIC_RELAXED);
    if (every == 0 || number % every != 0) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNAVAIL, "the connection broke");
}

bulla_status flaky_provider_new(bulla_call *call, bulla_provider *inner, size_t every, bulla_provider **out_provider)
{
    relay *self = NULL;
    BULLA_TRY(relay_new(call, &flaky_ops, inner, flaky_before, &self));
    self->every = every;
    *out_provider = &self->base;
    return BULLA_OK;
}

void flaky_provider_every_set(bulla_provider *provider, size_t every)
{
    __atomic_store_n(&relay_of(provider)->every, every, __ATOMIC_RELAXED);
}
