/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapped keys that the library owns: one allocation holds the struct and its three parts. */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/provider.h"

typedef struct owned_wrapped {
    bulla_wrapped wrapped; /* first: what the caller sees is what is freed */
    const bulla_env *env;
    uint8_t bytes[];
} owned_wrapped;

bulla_status bulla_wrapped_check(bulla_call *call, const bulla_wrapped *wrapped)
{
    if (wrapped == NULL) return bulla_fail(call, BULLA_EINVAL, "no wrapped key is given");
    if ((wrapped->provider.len | wrapped->info.len | wrapped->blob.len) > BULLA_WRAPPED_PART_MAX)
        return bulla_fail(call, BULLA_ELIMIT, "a part of the wrapped key is over %u bytes", BULLA_WRAPPED_PART_MAX);
    return BULLA_OK;
}

static bulla_view append(bulla_writer *writer, bulla_view part)
{
    const uint8_t *at = writer->out + writer->len;
    bulla_write_view(writer, part);
    return bulla_view_of(at, part.len);
}

bulla_status bulla_wrapped_new(bulla_call *call, bulla_view provider, bulla_view info, bulla_view blob,
                               bulla_wrapped **out_wrapped)
{
    bulla_wrapped parts = {provider, info, blob};
    BULLA_TRY(bulla_wrapped_check(call, &parts));
    size_t len = provider.len + info.len + blob.len;
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(owned_wrapped) + len, &memory));
    owned_wrapped *owned = memory;
    bulla_writer writer = bulla_writer_of(owned->bytes, len);
    owned->env = bulla_env_of(call);
    owned->wrapped.provider = append(&writer, provider);
    owned->wrapped.info = append(&writer, info);
    owned->wrapped.blob = append(&writer, blob);
    *out_wrapped = &owned->wrapped;
    return BULLA_OK;
}

bulla_status bulla_wrapped_copy(bulla_call *call, const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    BULLA_TRY(bulla_wrapped_check(call, wrapped));
    return bulla_wrapped_new(call, wrapped->provider, wrapped->info, wrapped->blob, out_wrapped);
}

void bulla_wrapped_free(bulla_wrapped *wrapped)
{
    if (wrapped == NULL) return;
    owned_wrapped *owned = (owned_wrapped *)(void *)wrapped;
    bulla_free(owned->env, owned);
}
