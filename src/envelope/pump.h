/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source moved into a sink in chunks by one or several threads: reading in order, one thread at a time; working side
 * by side; writing in order, or anywhere when the sink takes it. A thread holds one chunk, so memory is bounded by the
 * number of threads. Of several failures the first by position is the one that is told.
 */
#ifndef BULLA_ENVELOPE_PUMP_H
#define BULLA_ENVELOPE_PUMP_H

#include "bulla/envelope.h"
#include "envelope/buffer.h"
#include "envelope/frame.h"

/* Bytes of a chunk: four frames of the default length, or one frame when that is longer. Input and output of one fit in
 * a core's second-level cache; twice as much gains nothing (docs/guide/interop.md, Speed). */
#define BULLA_CHUNK (4u * (BULLA_FRAME_DEFAULT + BULLA_FRAME_OVERHEAD))
#define BULLA_MAX_THREADS 64u

typedef struct bulla_chunk {
    uint64_t index; /* 0, 1, … */
    bool is_last;
    bulla_buffer in, out; /* room is there; the lengths are for fill and work to set */
} bulla_chunk;

typedef struct bulla_pump {
    const bulla_sink *sink;
    unsigned threads;
    size_t in_cap, out_cap; /* of a chunk */
    uint64_t start;         /* where in the sink the first chunk goes */
    uint64_t step;          /* bytes of output of every chunk but the last */
    void *arg;              /* for the two below */
    /* Reads the chunk's input and tells whether it is the last; never two at once, and in order. */
    bulla_status (*fill)(void *arg, bulla_call *call, bulla_chunk *chunk);
    /* Makes the chunk's output of its input; any thread. */
    bulla_status (*work)(const void *arg, bulla_call *call, bulla_chunk *chunk);
} bulla_pump;

BULLA_MUST_USE bulla_status bulla_pump_run(const bulla_pump *pump, bulla_call *call);

#endif
