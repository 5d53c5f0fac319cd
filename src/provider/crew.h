/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that a wrapper owns for work that no request should wait for: started when there is first something to do,
 * bounded in number and in what waits for them, ended and joined with their owner. They block all signals. A forked
 * child has none and gets none.
 */
#ifndef BULLA_PROVIDER_CREW_H
#define BULLA_PROVIDER_CREW_H

#include "base/macros.h"
#include "bulla/call.h"

typedef struct bulla_crew bulla_crew;

/* One piece of work: the first member of its owner's struct. `run` is called in a thread of the crew, with a call that
 * has no deadline yet and is cancelled when the crew ends; `drop` instead when the crew ends before. Each of them
 * releases the job. */
typedef struct bulla_job {
    void (*run)(struct bulla_job *job, bulla_call *call);
    void (*drop)(struct bulla_job *job);
    struct bulla_job *next;
} bulla_job;

/* At most `max_threads` threads, and `max_jobs` jobs that wait for one. */
BULLA_MUST_USE bulla_status bulla_crew_new(bulla_call *call, unsigned max_threads, size_t max_jobs,
                                           bulla_crew **out_crew);

/* Cancels what runs, drops what waits, joins the threads. Not from a thread of the crew. Accepts NULL. */
void bulla_crew_free(bulla_crew *crew);
BULLA_AUTO_DEFINE(bulla_crew, bulla_crew_free)

/* Takes the job, or returns false: there is no room, no thread, or this is a forked child. */
BULLA_MUST_USE bool bulla_crew_take(bulla_crew *crew, bulla_job *job);

#endif
