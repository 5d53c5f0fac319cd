/* SPDX-License-Identifier: Apache-2.0 */
/* A lock that may be held while a key store is asked: who waits for it keeps to the deadline of his own call. */
#ifndef BULLA_BASE_LOCK_H
#define BULLA_BASE_LOCK_H

#include "bulla/call.h"

#include <pthread.h>

/* Makes a lock that knows its holder. */
void bulla_lock_init(pthread_mutex_t *lock);

/* Waits for the lock. ECANCELLED or EDEADLINE when the call ends before; EINVAL when this thread holds it already: a
 * back end that is asked with it held came back for more. `what` completes "a request inside another on …". */
BULLA_MUST_USE bulla_status bulla_lock_wait(pthread_mutex_t *lock, bulla_call *call, const char *what);

#endif
