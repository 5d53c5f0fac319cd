/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/lying_provider.h"

#include "base/bytes.h"
#include "provider/provider.h"

static lie lie_of(const bulla_provider *provider)
{
    return ((const lying_provider *)(const void *)provider)->lie;
}

/* The two that are about the answer itself. */
static bulla_status answer(lie told)
{
    return told == LIE_UNKNOWN_STATUS ? (bulla_status)77 : told == LIE_SILENT_FAILURE ? BULLA_EIO : BULLA_OK;
}

static bulla_status make_key(bulla_call *call, lie told, size_t len, bulla_secret **out_dek)
{
    static const uint8_t bytes[65] = {7};
    if (told == LIE_NOTHING) return BULLA_OK;
    size_t have = told == LIE_SHORT_KEY ? len / 2 : told == LIE_LONG_KEY ? sizeof bytes : len;
    return bulla_secret_copy(call, bulla_view_of(bytes, have), out_dek);
}

static bulla_status make_wrapped(bulla_call *call, lie told, bulla_wrapped **out_wrapped)
{
    const char *name = told == LIE_NO_NAME       ? ""
                       : told == LIE_BAD_NAME    ? "\xC0\xAF"
                       : told == LIE_FOREIGN_KEY ? "honest"
                                                 : "lying";
    if (told == LIE_NOTHING) return BULLA_OK;
    return bulla_wrapped_new(call, bulla_view_text(name), bulla_view_text("key"),
                             bulla_view_text(told == LIE_EMPTY_BLOB ? "" : "blob"), out_wrapped);
}

static bool lying_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    (void)provider;
    return !bulla_view_is(wrapped->provider, "honest");
}

static bulla_status lying_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    (void)call;
    lie told = lie_of(provider);
    if (told == LIE_ENDLESS_TEXT) memset(out_info->name, 'x', sizeof out_info->name);
    if (told == LIE_UNKNOWN_STATE) out_info->state = (bulla_key_state)9;
    return answer(told);
}

static bulla_status lying_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    (void)context;
    (void)dek;
    BULLA_TRY(make_wrapped(call, lie_of(provider), out_wrapped));
    return answer(lie_of(provider));
}

static bulla_status lying_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    (void)context;
    (void)wrapped;
    BULLA_TRY(make_key(call, lie_of(provider), 16, out_dek));
    return answer(lie_of(provider));
}

static bulla_status lying_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                  bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    (void)context;
    BULLA_TRY(make_key(call, lie_of(provider), len, out_dek));
    BULLA_TRY(make_wrapped(call, lie_of(provider), out_wrapped));
    return answer(lie_of(provider));
}

static bulla_status lying_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    (void)context;
    (void)wrapped;
    BULLA_TRY(make_wrapped(call, lie_of(provider), out_wrapped));
    return answer(lie_of(provider));
}

static bulla_status lying_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    (void)call;
    *out_version = lie_of(provider) == LIE_NO_VERSION ? 0 : 2;
    return answer(lie_of(provider));
}

static void lying_destroy(bulla_provider *provider)
{
    (void)provider;
}

static const bulla_provider_ops lying_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "lying",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP | BULLA_OP_ROTATE,
    .matches = lying_matches,
    .describe = lying_describe,
    .wrap = lying_wrap,
    .unwrap = lying_unwrap,
    .datakey = lying_datakey,
    .rewrap = lying_rewrap,
    .rotate = lying_rotate,
    .destroy = lying_destroy,
};

void lying_provider_init(lying_provider *lying, lie told)
{
    bulla_provider_init(&lying->base, &lying_ops);
    lying->lie = told;
}
