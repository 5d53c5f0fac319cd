/* SPDX-License-Identifier: Apache-2.0 */
/* Sources and sinks of callers, with what they may get wrong caught here. */
#ifndef BULLA_ENVELOPE_INTAKE_H
#define BULLA_ENVELOPE_INTAKE_H

#include "base/macros.h"
#include "bulla/envelope.h"

/* Reads 1 to `len` bytes; 0 at the end. */
BULLA_MUST_USE bulla_status bulla_source_read(const bulla_source *source, bulla_call *call, uint8_t *buf, size_t len,
                                              size_t *out_len);

BULLA_MUST_USE bulla_status bulla_sink_write(const bulla_sink *sink, bulla_call *call, uint64_t offset,
                                             bulla_view bytes);

/* A source from which some bytes were read too far. */
typedef struct bulla_intake {
    const bulla_source *source;
    bulla_view lead; /* comes before what the source still has */
    bool is_ended;
} bulla_intake;

/* Reads exactly `len` bytes, or fewer at the end. */
BULLA_MUST_USE bulla_status bulla_intake_read(bulla_intake *intake, bulla_call *call, uint8_t *buf, size_t len,
                                              size_t *out_len);

#endif
