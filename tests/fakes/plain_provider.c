/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/plain_provider.h"

#include "base/bytes.h"
#include "provider/provider.h"

static bool matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    (void)provider;
    return bulla_view_is(wrapped->provider, "plain");
}

static bulla_status answer(bulla_provider *provider, bulla_call *call)
{
    plain_provider *plain = (plain_provider *)provider;
    plain->num_calls++;
    return plain->answer == BULLA_OK ? BULLA_OK : bulla_fail(call, plain->answer, "the plain provider was told to");
}

static bulla_status wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                         bulla_wrapped **out_wrapped)
{
    uint8_t blob[4096];
    BULLA_TRY(answer(provider, call));
    bulla_writer writer = bulla_writer_of(blob, sizeof blob);
    bulla_write_view(&writer, bulla_secret_borrow(dek));
    bulla_write_view(&writer, bulla_context_bytes(context));
    if (writer.failed) return bulla_fail(call, BULLA_ELIMIT, "the plain provider takes short contexts only");
    return bulla_wrapped_new(call, bulla_view_text("plain"), bulla_view_text("the key"),
                             bulla_view_of(blob, writer.len), out_wrapped);
}

static bulla_status unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                           const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    BULLA_TRY(answer(provider, call));
    bulla_view bound = bulla_context_bytes(context), blob = wrapped->blob;
    if (blob.len <= bound.len) return bulla_fail(call, BULLA_EINTEGRITY, "the plain provider did not wrap this");
    size_t len = blob.len - bound.len;
    if (!bulla_view_equal(bulla_view_of(blob.data + len, bound.len), bound))
        return bulla_fail(call, BULLA_EINTEGRITY, "another context was bound");
    return bulla_secret_copy(call, bulla_view_of(blob.data, len), out_dek);
}

static void destroy(bulla_provider *provider)
{
    (void)provider;
}

static const bulla_provider_ops plain_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "plain",
    .can = BULLA_OP_WRAP | BULLA_OP_UNWRAP,
    .idempotent = BULLA_OP_WRAP | BULLA_OP_UNWRAP,
    .matches = matches,
    .wrap = wrap,
    .unwrap = unwrap,
    .destroy = destroy,
};

void plain_provider_init(plain_provider *plain)
{
    *plain = (plain_provider){.answer = BULLA_OK};
    bulla_provider_init(&plain->base, &plain_ops);
}
