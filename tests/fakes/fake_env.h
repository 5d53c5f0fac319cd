/* SPDX-License-Identifier: Apache-2.0 */
/* A world that does what the test says: clocks that stand until they are moved, memory that runs out at the n-th
 * request and is counted, random bytes that are the same every time, a few variables, a log that is kept. */
#ifndef BULLA_TESTS_FAKE_ENV_H
#define BULLA_TESTS_FAKE_ENV_H

#include "bulla/env.h"

#define FAKE_ENV_VARS 8u

typedef struct fake_env {
    bulla_env env; /* for bulla_call_init */
    int64_t wall_ns, ticks_ns;
    size_t num_allocs, num_live; /* requests ever, blocks not freed yet */
    size_t fail_alloc;           /* the request with this number fails, from 1; 0: none */
    bulla_status random_answer;  /* BULLA_OK: it works */
    uint64_t num_random;
    const char *vars[FAKE_ENV_VARS][2]; /* name and value, borrowed */
    size_t num_sleeps;                  /* waits, which move the clock instead of taking time */
    int64_t slept_ns;
    void (*on_sleep)(void *arg); /* after each; NULL: nothing */
    void *on_sleep_arg;
    size_t num_logged;
    char last_line[512];
} fake_env;

/* Clocks at an odd hour, everything works. In the caller's storage; nothing to release. Any thread may use it. */
void fake_env_init(fake_env *fake);
void fake_env_advance_ms(fake_env *fake, int64_t ms);
void fake_env_var_set(fake_env *fake, const char *name, const char *value); /* NULL removes it */

/* The next n-th request for memory fails. */
void fake_env_fail_alloc_in(fake_env *fake, size_t n);

#endif
