/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/waiting_providers.h"

#include "fakes/relay.h"

#include <time.h>

static const bulla_provider_ops slow_ops = RELAY_OPS("slow");
static const bulla_provider_ops hanging_ops = RELAY_OPS("hanging");

static bulla_status slow_before(relay *self, bulla_call *call)
{
    fake_env_advance_ms(self->arg, self->wait_ms);
    return bulla_call_check(call);
}

static bulla_status hanging_before(relay *self, bulla_call *call)
{
    static const struct timespec millisecond = {0, 1000000};
    (void)self;
    bulla_status status = bulla_call_check(call);
    while (status == BULLA_OK) {
        (void)nanosleep(&millisecond, NULL);
        status = bulla_call_check(call);
    }
    return status;
}

bulla_status slow_provider_new(bulla_call *call, bulla_provider *inner, fake_env *fake, int64_t ms,
                               bulla_provider **out_provider)
{
    relay *self = NULL;
    BULLA_TRY(relay_new(call, &slow_ops, inner, slow_before, &self));
    self->arg = fake;
    self->wait_ms = ms;
    *out_provider = &self->base;
    return BULLA_OK;
}

bulla_status hanging_provider_new(bulla_call *call, bulla_provider *inner, bulla_provider **out_provider)
{
    relay *self = NULL;
    BULLA_TRY(relay_new(call, &hanging_ops, inner, hanging_before, &self));
    *out_provider = &self->base;
    return BULLA_OK;
}
