/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests a house makes in a second, at its busiest: counted ten times a second by a thread. */
#ifndef BULLA_TESTS_CHAOS_RATE_H
#define BULLA_TESTS_CHAOS_RATE_H

#include "load.h"

typedef struct rate_requests {
    uint64_t made, answered;
} rate_requests;

/* All that the house has made so far. */
rate_requests rate_count(load *l);

typedef struct rate_peak {
    uint64_t requests; /* in the busiest second */
    double per_call;   /* requests for each piece of work, in the second that had most of them */
} rate_peak;

/* Until rate_watch_end. One watch at a time; what goes on for longer than five minutes is not seen. */
void rate_watch_begin(load *l);
rate_peak rate_watch_end(void);

#endif
