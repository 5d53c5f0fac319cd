/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets/spy.h"

#include <stdlib.h>
#include <string.h>

struct spy_provider {
    bulla_provider base;
    bulla_provider *inner;
    struct spy *spy;
};

static bulla_provider *inner_of(const bulla_provider *provider)
{
    return ((const struct spy_provider *)provider)->inner;
}

static void note(bulla_provider *provider, bulla_secret *dek)
{
    needle_set(&((struct spy_provider *)provider)->spy->seen, bulla_secret_borrow(dek));
}

static bool spy_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return bulla_provider_matches(inner_of(provider), wrapped);
}

static bulla_status spy_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                             bulla_wrapped **out_wrapped)
{
    note(provider, dek);
    return bulla_provider_wrap(inner_of(provider), call, context, dek, out_wrapped);
}

static bulla_status spy_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                               const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    bulla_status status = bulla_provider_unwrap(inner_of(provider), call, context, wrapped, out_dek);
    if (status == BULLA_OK) note(provider, *out_dek);
    return status;
}

static bulla_status spy_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    bulla_status status = bulla_provider_datakey(inner_of(provider), call, context, len, out_dek, out_wrapped);
    if (status == BULLA_OK) note(provider, *out_dek);
    return status;
}

static void spy_destroy(bulla_provider *provider)
{
    bulla_provider_unref(inner_of(provider));
    free(provider);
}

static const bulla_provider_ops spy_ops = {
    .size = sizeof spy_ops,
    .name = "spy",
    .can = BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY,
    .matches = spy_matches,
    .wrap = spy_wrap,
    .unwrap = spy_unwrap,
    .datakey = spy_datakey,
    .destroy = spy_destroy,
};

static bulla_status spy_open(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    struct spy_provider *made = calloc(1, sizeof *made);
    if (made == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory for a spy");
    made->spy = arg;
    bulla_status status = bulla_provider_open(made->spy->inner_house, call, strchr(address, ':') + 1, &made->inner);
    if (status != BULLA_OK) {
        free(made);
        return status;
    }
    bulla_provider_init(&made->base, &spy_ops);
    *out_provider = &made->base;
    return BULLA_OK;
}

bulla_status spy_scheme_add(bulla *house, bulla_call *call, bulla *inner_house, struct spy *spy)
{
    spy->inner_house = inner_house;
    const bulla_scheme scheme = {.name = "spy", .open = spy_open, .arg = spy};
    return bulla_scheme_add(house, call, &scheme);
}
