/* SPDX-License-Identifier: Apache-2.0 */
/* A byte buffer that may hold plaintext: it grows, is not zeroed for nothing, and is wiped as far as it was used. */
#ifndef BULLA_ENVELOPE_BUFFER_H
#define BULLA_ENVELOPE_BUFFER_H

#include "base/macros.h"
#include "bulla/call.h"

typedef struct bulla_buffer {
    uint8_t *data;
    size_t len, cap; /* bytes in use; bytes there are */
    size_t peak;     /* most bytes ever in use before a reset */
    const bulla_env *env;
} bulla_buffer;

/* Makes room for `cap` bytes in all; what is in use stays. The bytes beyond are not initialised. */
BULLA_MUST_USE bulla_status bulla_buffer_reserve(bulla_buffer *buffer, bulla_call *call, size_t cap);

/* Appends `bytes`, growing in steps that double, to `max` at most; the caller has checked that they fit. */
BULLA_MUST_USE bulla_status bulla_buffer_append(bulla_buffer *buffer, bulla_call *call, bulla_view bytes, size_t max);

/* Forgets what is in use, for other bytes. */
static inline void bulla_buffer_reset(bulla_buffer *buffer)
{
    if (buffer->len > buffer->peak) buffer->peak = buffer->len;
    buffer->len = 0;
}

/* Wipes and frees; the struct is empty afterwards. */
void bulla_buffer_done(bulla_buffer *buffer);

static inline bulla_view bulla_buffer_view(const bulla_buffer *buffer)
{
    return (bulla_view){buffer->data, buffer->len};
}

static inline void bulla_buffer_auto(bulla_buffer *buffer)
{
    bulla_buffer_done(buffer);
}

#endif
