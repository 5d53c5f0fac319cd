/* SPDX-License-Identifier: Apache-2.0 */
/* The plain half of a misbehaving wrapper: hands every call on, after asking `before` whether it may. */
#ifndef BULLA_TESTS_RELAY_H
#define BULLA_TESTS_RELAY_H

#include "base/mem.h"
#include "provider/provider.h"

typedef struct relay {
    bulla_provider base;
    const bulla_env *env;
    bulla_provider *inner;
    bulla_status (*before)(struct relay *relay, bulla_call *call);
    size_t every, num_calls; /* flaky */
    int64_t wait_ms;         /* slow */
    void *arg;
} relay;

static relay *relay_of(bulla_provider *provider)
{
    return (relay *)(void *)provider;
}

static bool relay_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return bulla_provider_matches(((const relay *)(const void *)provider)->inner, wrapped);
}

static bulla_status relay_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    BULLA_TRY(relay_of(provider)->before(relay_of(provider), call));
    return bulla_provider_describe(relay_of(provider)->inner, call, out_info);
}

static bulla_status relay_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    BULLA_TRY(relay_of(provider)->before(relay_of(provider), call));
    return bulla_provider_wrap(relay_of(provider)->inner, call, context, dek, out_wrapped);
}

static bulla_status relay_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    BULLA_TRY(relay_of(provider)->before(relay_of(provider), call));
    return bulla_provider_unwrap(relay_of(provider)->inner, call, context, wrapped, out_dek);
}

static bulla_status relay_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    BULLA_TRY(relay_of(provider)->before(relay_of(provider), call));
    return bulla_provider_rotate(relay_of(provider)->inner, call, out_version);
}

static void relay_purge(bulla_provider *provider, const bulla_purge *what)
{
    bulla_provider_pass_purge(relay_of(provider)->inner, what);
}

static void relay_destroy(bulla_provider *provider)
{
    relay *self = relay_of(provider);
    bulla_provider_unref(self->inner);
    bulla_free(self->env, self);
}

#define RELAY_OPS(title)                                                                                               \
    {                                                                                                                  \
        .size = sizeof(bulla_provider_ops), .name = (title),                                                           \
        .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_ROTATE, .matches = relay_matches,        \
        .describe = relay_describe, .wrap = relay_wrap, .unwrap = relay_unwrap, .rotate = relay_rotate,                \
        .purge = relay_purge, .destroy = relay_destroy                                                                 \
    }

static bulla_status relay_new(bulla_call *call, const bulla_provider_ops *ops, bulla_provider *inner,
                              bulla_status (*before)(relay *self, bulla_call *call), relay **out_relay)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(relay), &memory));
    relay *self = memory;
    self->env = bulla_env_of(call);
    self->inner = bulla_provider_ref(inner);
    self->before = before;
    bulla_provider_init(&self->base, ops);
    *out_relay = self;
    return BULLA_OK;
}

#endif
