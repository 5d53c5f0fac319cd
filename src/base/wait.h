/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting on the clock of a call's env. */
#ifndef BULLA_BASE_WAIT_H
#define BULLA_BASE_WAIT_H

#include "bulla/call.h"

#include <pthread.h>

#define BULLA_WAIT_STEP_NS INT64_C(50000000) /* a cancellation is noticed within it */

/* Waits until env's ticks reach `until_ns`. ECANCELLED or EDEADLINE when the call ends before. */
BULLA_MUST_USE bulla_status bulla_wait_until(bulla_call *call, int64_t until_ns);

/* How long somebody who waits for another may doze before he looks at his call again: a step, and no longer than to its
 * deadline. */
int64_t bulla_doze_ns(const bulla_call *call);

/* A condition that is waited for with bulla_cond_doze. */
void bulla_cond_init(pthread_cond_t *cond);

/* Waits until somebody signals, for `ns` or for one step, whichever is shortest, in real time whatever env's clock
 * does: the caller looks around and comes back. */
void bulla_cond_doze(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns);

#endif
