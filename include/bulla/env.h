/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library takes from the world. A program that wants another allocator, clock, source of randomness,
 * environment or log fills one of these and hands it to its calls; everybody else uses bulla_env_default.
 */
#ifndef BULLA_ENV_H
#define BULLA_ENV_H

#include "bulla/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bulla_log_level {
    BULLA_LOG_ERROR = 0,
    BULLA_LOG_WARN = 1,
    BULLA_LOG_INFO = 2,
    BULLA_LOG_DEBUG = 3
} bulla_log_level;

struct bulla_env {
    size_t size; /* sizeof(bulla_env); members that later versions add are read only when it reaches them */
    void *arg;   /* handed to every function below */

    /* Memory that holds no key bytes. alloc returns NULL when there is none; free accepts NULL. */
    void *(*alloc)(void *arg, size_t len);
    void (*free)(void *arg, void *ptr);

    /* Wall clock, nanoseconds since 1970-01-01 UTC: for dates people read, never for waits. */
    int64_t (*wall_ns)(void *arg);
    /* Monotonic clock, nanoseconds from an arbitrary start, resolution of 10 ms or better: deadlines, cache ages. */
    int64_t (*ticks_ns)(void *arg);

    /* Fills `out` with cryptographically strong random bytes. NULL: the kernel for keys, the built-in generator for
     * nonces and identifiers. */
    bulla_status (*random)(void *arg, uint8_t *out, size_t len);

    /* Value of an environment variable or NULL. NULL: the library reads no environment and `env:` addresses fail. */
    const char *(*lookup)(void *arg, const char *name);

    /* One line without newline, never with key bytes. NULL: no log. Levels above log_level are not formatted. */
    void (*log)(void *arg, bulla_log_level level, const char *line);
    bulla_log_level log_level;

    /* Waits for about `ns` nanoseconds of ticks_ns's clock, or less; the library asks for 50 ms at most, so that it
     * notices cancellations. NULL: nanosleep. */
    void (*sleep_ns)(void *arg, int64_t ns);
};

/* bulla_env_default returns the process's own: malloc, CLOCK_REALTIME, CLOCK_MONOTONIC, the built-in generator, no
 * environment, no log. Static; never NULL. */
BULLA_API const bulla_env *bulla_env_default(void);

#ifdef __cplusplus
}
#endif

#endif
