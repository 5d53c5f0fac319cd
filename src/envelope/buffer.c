/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/buffer.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "bulla/secret.h"

#define FIRST_STEP 4096u

bulla_status bulla_buffer_reserve(bulla_buffer *buffer, bulla_call *call, size_t cap)
{
    if (cap <= buffer->cap) return BULLA_OK;
    const bulla_env *env = buffer->data != NULL ? buffer->env : bulla_env_of(call);
    /* Not bulla_alloc: zeroing would touch every page of a buffer that a small message never fills. */
    uint8_t *data = env->alloc(env->arg, cap);
    if (data == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory for a buffer of %zu bytes", cap);
    bulla_copy(data, buffer->data, buffer->len);
    size_t len = buffer->len;
    bulla_buffer_done(buffer);
    *buffer = (bulla_buffer){.data = data, .len = len, .cap = cap, .env = env};
    return BULLA_OK;
}

bulla_status bulla_buffer_append(bulla_buffer *buffer, bulla_call *call, bulla_view bytes, size_t max)
{
    size_t need = buffer->len + bytes.len;
    if (need > buffer->cap) {
        size_t cap = buffer->cap < FIRST_STEP ? FIRST_STEP : buffer->cap * 2;
        if (cap > max) cap = max;
        BULLA_TRY(bulla_buffer_reserve(buffer, call, cap < need ? need : cap));
    }
    bulla_copy(buffer->data + buffer->len, bytes.data, bytes.len);
    buffer->len = need;
    return BULLA_OK;
}

void bulla_buffer_done(bulla_buffer *buffer)
{
    if (buffer->data == NULL) return;
    bulla_wipe(buffer->data, buffer->len > buffer->peak ? buffer->len : buffer->peak);
    bulla_free(buffer->env, buffer->data);
    *buffer = (bulla_buffer){0};
}
