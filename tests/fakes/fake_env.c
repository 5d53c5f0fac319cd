/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/fake_env.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *fake_alloc(void *arg, size_t len)
{
    fake_env *fake = arg;
    size_t number = __atomic_add_fetch(&fake->num_allocs, 1, __ATOMIC_RELAXED);
    if (number == __atomic_load_n(&fake->fail_alloc, __ATOMIC_RELAXED)) return NULL;
    (void)__atomic_fetch_add(&fake->num_live, 1, __ATOMIC_RELAXED);
    return malloc(len);
}

static void fake_free(void *arg, void *ptr)
{
    fake_env *fake = arg;
    if (ptr != NULL) (void)__atomic_fetch_sub(&fake->num_live, 1, __ATOMIC_RELAXED);
    free(ptr);
}

static int64_t fake_wall_ns(void *arg)
{
    return __atomic_load_n(&((fake_env *)arg)->wall_ns, __ATOMIC_RELAXED);
}

static int64_t fake_ticks_ns(void *arg)
{
    return __atomic_load_n(&((fake_env *)arg)->ticks_ns, __ATOMIC_RELAXED);
}

/* The one that waits moves the clock: no test sleeps. */
static void fake_sleep_ns(void *arg, int64_t ns)
{
    fake_env *fake = arg;
    (void)__atomic_fetch_add(&fake->num_sleeps, 1, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&fake->slept_ns, ns, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&fake->wall_ns, ns, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&fake->ticks_ns, ns, __ATOMIC_RELAXED);
    if (fake->on_sleep != NULL) fake->on_sleep(fake->on_sleep_arg);
}

/* SplitMix64: each request goes on where the last one ended. */
static bulla_status fake_random(void *arg, uint8_t *out, size_t len)
{
    fake_env *fake = arg;
    if (fake->random_answer != BULLA_OK) return fake->random_answer;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t mixed = __atomic_add_fetch(&fake->num_random, 1, __ATOMIC_RELAXED) * 0x9E3779B97F4A7C15u;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
        mixed ^= mixed >> 31;
        memcpy(out + i, &mixed, len - i < 8 ? len - i : 8);
    }
    return BULLA_OK;
}

static const char *fake_lookup(void *arg, const char *name)
{
    const fake_env *fake = arg;
    for (size_t i = 0; i < FAKE_ENV_VARS; i++)
        if (fake->vars[i][0] != NULL && strcmp(fake->vars[i][0], name) == 0) return fake->vars[i][1];
    return NULL;
}

static void fake_log(void *arg, bulla_log_level level, const char *line)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all fakes: lines come from any thread */
    fake_env *fake = arg;
    (void)level;
    (void)pthread_mutex_lock(&lock);
    fake->num_logged++;
    fake->last_line[0] = '\0';
    (void)strncat(fake->last_line, line, sizeof fake->last_line - 1);
    (void)pthread_mutex_unlock(&lock);
}

void fake_env_init(fake_env *fake)
{
    *fake = (fake_env){
        .env = {.size = sizeof(bulla_env),
                .alloc = fake_alloc,
                .free = fake_free,
                .wall_ns = fake_wall_ns,
                .ticks_ns = fake_ticks_ns,
                .random = fake_random,
                .lookup = fake_lookup,
                .log = fake_log,
                .log_level = BULLA_LOG_DEBUG,
                .sleep_ns = fake_sleep_ns},
        .wall_ns = INT64_C(1700000000123456789),
        .ticks_ns = INT64_C(987654321),
    };
    fake->env.arg = fake;
}

void fake_env_advance_ms(fake_env *fake, int64_t ms)
{
    (void)__atomic_fetch_add(&fake->wall_ns, ms * 1000000, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&fake->ticks_ns, ms * 1000000, __ATOMIC_RELAXED);
}

void fake_env_var_set(fake_env *fake, const char *name, const char *value)
{
    size_t at = 0;
    while (at < FAKE_ENV_VARS && fake->vars[at][0] != NULL && strcmp(fake->vars[at][0], name) != 0)
        at++;
    if (at == FAKE_ENV_VARS) abort(); /* too many variables for this fake */
    fake->vars[at][0] = name;
    fake->vars[at][1] = value;
}

void fake_env_fail_alloc_in(fake_env *fake, size_t n)
{
    fake->fail_alloc = n == 0 ? 0 : fake->num_allocs + n;
}
