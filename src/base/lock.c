/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include "base/macros.h"

#include <errno.h>
#include <time.h>

#define STEP_NS 10000000 /* between two looks at deadline and cancellation */

void bulla_lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    (void)pthread_mutex_init(lock, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
}

/* When the clock of the day jumps back the call is looked at later. (ThreadSanitizer knows no locking by the other
 * clock.) */
static int wait_step(pthread_mutex_t *lock)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STEP_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_mutex_timedlock(lock, &until);
}

bulla_status bulla_lock_wait(pthread_mutex_t *lock, bulla_call *call, const char *what)
{
    int code = pthread_mutex_trylock(lock);
    while (code != 0) {
        code = wait_step(lock);
        if (code == EDEADLK)
            return bulla_fail(call, BULLA_EINVAL,
                              "a request inside another on %s: what protects it must not need it itself", what);
        if (code != 0) BULLA_TRY(bulla_call_check(call));
    }
    return BULLA_OK;
}
