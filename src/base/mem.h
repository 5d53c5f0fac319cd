/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that holds no key bytes, from the call's allocator. */
#ifndef BULLA_BASE_MEM_H
#define BULLA_BASE_MEM_H

#include "bulla/call.h"

/* Zeroed memory, or ENOMEM. `len` 0 gives one byte. */
BULLA_MUST_USE bulla_status bulla_alloc(bulla_call *call, size_t len, void **out_ptr);

/* Frees what came from `env`. Accepts NULL. */
void bulla_free(const bulla_env *env, void *ptr);

/* The environment of a call that may be NULL. */
static inline const bulla_env *bulla_env_of(const bulla_call *call)
{
    return call != NULL && call->env != NULL ? call->env : bulla_env_default();
}

/* Seconds since 1970, from 1 on: 0 is "never" in what is kept, and a clock that is further back is wrong. */
static inline int64_t bulla_wall_s(const bulla_call *call)
{
    const bulla_env *env = bulla_env_of(call);
    int64_t now_s = env->wall_ns(env->arg) / 1000000000;
    return now_s > 0 ? now_s : 1;
}

/* Formats and logs a line when `level` is wanted. Never key bytes. */
void bulla_log(const bulla_env *env, bulla_log_level level, const char *format, ...) BULLA_PRINTF(3, 4);

/* Reference counts that live in public structs as plain size_t. */
static inline void bulla_refs_take(size_t *refs)
{
    (void)__atomic_fetch_add(refs, 1, __ATOMIC_RELAXED);
}
static inline bool bulla_refs_drop(size_t *refs) /* true: that was the last one */
{
    return __atomic_fetch_sub(refs, 1, __ATOMIC_ACQ_REL) == 1;
}

/* A broken invariant that threatens keys: says so on stderr, aborts. */
_Noreturn void bulla_panic(const char *why);

#endif
