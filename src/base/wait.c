/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wait.h"

#include "base/macros.h"

#include <time.h>

#define LEAST_DOZE_NS INT64_C(1000000)

/* A program that was built before sleep_ns has none. */
static void sleep_for(const bulla_env *env, int64_t ns)
{
    if (env->size >= offsetof(bulla_env, sleep_ns) + sizeof env->sleep_ns && env->sleep_ns != NULL) {
        env->sleep_ns(env->arg, ns);
        return;
    }
    const struct timespec span = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    (void)nanosleep(&span, NULL); /* a signal ends it early: the caller looks at the clock */
}

bulla_status bulla_wait_until(bulla_call *call, int64_t until_ns)
{
    for (;;) {
        BULLA_TRY(bulla_call_check(call));
        int64_t left_ns = until_ns - call->env->ticks_ns(call->env->arg);
        if (left_ns <= 0) return BULLA_OK;
        sleep_for(call->env, left_ns < BULLA_WAIT_STEP_NS ? left_ns : BULLA_WAIT_STEP_NS);
    }
}

int64_t bulla_doze_ns(const bulla_call *call)
{
    if (call->deadline_ns == 0) return BULLA_WAIT_STEP_NS;
    int64_t left_ns = call->deadline_ns - call->env->ticks_ns(call->env->arg);
    if (left_ns > BULLA_WAIT_STEP_NS) return BULLA_WAIT_STEP_NS;
    return left_ns < LEAST_DOZE_NS ? LEAST_DOZE_NS : left_ns;
}

void bulla_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &clock);
    (void)pthread_condattr_destroy(&clock);
}

void bulla_cond_doze(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t end_ns = until.tv_nsec + (ns < BULLA_WAIT_STEP_NS ? ns : BULLA_WAIT_STEP_NS);
    until.tv_sec += (time_t)(end_ns / 1000000000);
    until.tv_nsec = (long)(end_ns % 1000000000);
    (void)pthread_cond_timedwait(cond, lock, &until);
}
