/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *bulla_status_name(bulla_status status)
{
    switch (status) {
#define STATUS_NAME(name, class_, text)                                                                                \
    case BULLA_##name: return #name;
        BULLA_STATUS_TABLE(STATUS_NAME)
#undef STATUS_NAME
    }
    return "EINTERNAL";
}

const char *bulla_status_text(bulla_status status)
{
    switch (status) {
#define STATUS_TEXT(name, class_, text)                                                                                \
    case BULLA_##name: return text;
        BULLA_STATUS_TABLE(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "internal error";
}

bulla_class bulla_status_class(bulla_status status)
{
    switch (status) {
#define STATUS_CLASS(name, class_, text)                                                                               \
    case BULLA_##name: return BULLA_CLASS_##class_;
        BULLA_STATUS_TABLE(STATUS_CLASS)
#undef STATUS_CLASS
    }
    return BULLA_CLASS_FATAL;
}

void bulla_call_init(bulla_call *call, const bulla_env *env)
{
    memset(call, 0, sizeof *call);
    call->env = env != NULL ? env : bulla_env_default();
}

void bulla_call_deadline_set(bulla_call *call, uint32_t ms)
{
    call->deadline_ns = ms == 0 ? 0 : call->env->ticks_ns(call->env->arg) + (int64_t)ms * 1000000;
}

void bulla_call_cancel(bulla_call *call)
{
    __atomic_store_n(&call->cancelled, 1, __ATOMIC_RELEASE);
}

bulla_status bulla_call_check(bulla_call *call)
{
    if (call == NULL) return BULLA_OK;
    if (__atomic_load_n(&call->cancelled, __ATOMIC_ACQUIRE) != 0)
        return bulla_fail(call, BULLA_ECANCELLED, "cancelled");
    if (call->deadline_ns == 0 || call->env->ticks_ns(call->env->arg) < call->deadline_ns) return BULLA_OK;
    return bulla_fail(call, BULLA_EDEADLINE, "the deadline passed");
}

bulla_status bulla_fail(bulla_call *call, bulla_status status, const char *format, ...)
{
    if (call == NULL) return status;
    call->status = status;
    call->native = 0;
    call->provider[0] = '\0';
    va_list args;
    va_start(args, format);
    (void)vsnprintf(call->why, sizeof call->why, format, args);
    va_end(args);
    return status;
}
