/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/request.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *bulla_request_verb(const bulla_request *request)
{
    static const char *const verbs[] = {"describe", "wrap",  "unwrap", "datakey", "rewrap",
                                        "rotate",   "check", "list",   "create"};
    for (size_t i = 0; i < BULLA_LEN(verbs); i++)
        if (request->op == 1u << i) return verbs[i];
    return "ask";
}

static bulla_status count_visit(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    bulla_request *request = arg;
    request->num_visited++;
    return request->visit(request->visit_arg, call, address, info);
}

bulla_status bulla_request_send(bulla_request *request, bulla_provider *provider, bulla_call *call)
{
    switch (request->op) {
    case BULLA_OP_DESCRIBE: return bulla_provider_describe(provider, call, request->out_info);
    case BULLA_OP_WRAP:
        return bulla_provider_wrap(provider, call, request->context, request->dek, request->out_wrapped);
    case BULLA_OP_UNWRAP:
        return bulla_provider_unwrap(provider, call, request->context, request->wrapped, request->out_dek);
    case BULLA_OP_DATAKEY:
        return bulla_provider_datakey(provider, call, request->context, request->len, request->out_dek,
                                      request->out_wrapped);
    case BULLA_OP_REWRAP:
        return bulla_provider_rewrap(provider, call, request->context, request->wrapped, request->out_wrapped);
    case BULLA_OP_ROTATE: return bulla_provider_rotate(provider, call, request->out_version);
    case BULLA_OP_CHECK: return bulla_provider_check(provider, call);
    case BULLA_OP_LIST: return bulla_provider_list(provider, call, count_visit, request);
    case BULLA_OP_CREATE: return bulla_provider_create(provider, call);
    default: return bulla_fail(call, BULLA_EINTERNAL, "there is no operation %x", request->op);
    }
}

static bulla_status run(bulla_provider *provider, bulla_call *call, bulla_request request)
{
    bulla_wrapper *wrapper = (bulla_wrapper *)(void *)provider;
    return wrapper->run(wrapper, call, &request);
}

static bulla_status run_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    return run(provider, call, (bulla_request){.op = BULLA_OP_DESCRIBE, .out_info = out_info});
}

static bulla_status run_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                             bulla_wrapped **out_wrapped)
{
    return run(provider, call,
               (bulla_request){.op = BULLA_OP_WRAP, .context = context, .dek = dek, .out_wrapped = out_wrapped});
}

static bulla_status run_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                               const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    return run(provider, call,
               (bulla_request){.op = BULLA_OP_UNWRAP, .context = context, .wrapped = wrapped, .out_dek = out_dek});
}

static bulla_status run_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    return run(
        provider, call,
        (bulla_request){
            .op = BULLA_OP_DATAKEY, .context = context, .len = len, .out_dek = out_dek, .out_wrapped = out_wrapped});
}

static bulla_status run_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                               const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    return run(
        provider, call,
        (bulla_request){.op = BULLA_OP_REWRAP, .context = context, .wrapped = wrapped, .out_wrapped = out_wrapped});
}

static bulla_status run_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    return run(provider, call, (bulla_request){.op = BULLA_OP_ROTATE, .out_version = out_version});
}

static bulla_status run_check(bulla_provider *provider, bulla_call *call)
{
    return run(provider, call, (bulla_request){.op = BULLA_OP_CHECK});
}

static bulla_status run_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    return run(provider, call, (bulla_request){.op = BULLA_OP_LIST, .visit = visit, .visit_arg = arg});
}

static bulla_status run_create(bulla_provider *provider, bulla_call *call)
{
    return run(provider, call, (bulla_request){.op = BULLA_OP_CREATE});
}

static bulla_provider *inner_of(const bulla_provider *provider, size_t index)
{
    return ((const bulla_wrapper *)(const void *)provider)->inner(provider, index);
}

static bool wrapper_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const bulla_provider *inner = inner_of(provider, 0);
    for (size_t i = 1; inner != NULL; inner = inner_of(provider, i++))
        if (bulla_provider_matches(inner, wrapped)) return true;
    return false;
}

static void wrapper_purge(bulla_provider *provider, const bulla_purge *what)
{
    bulla_provider *inner = inner_of(provider, 0);
    for (size_t i = 1; inner != NULL; inner = inner_of(provider, i++))
        bulla_provider_pass_purge(inner, what);
}

static void wrapper_destroy(bulla_provider *provider)
{
    bulla_wrapper *wrapper = (bulla_wrapper *)(void *)provider;
    wrapper->destroy(wrapper);
    bulla_free(wrapper->env, wrapper);
}

bulla_status bulla_wrapper_new(bulla_call *call, const bulla_wrapper_kind *kind, const bulla_provider *inner,
                               bulla_wrapper **out_wrapper)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, kind->size, &memory));
    bulla_wrapper *wrapper = memory;
    wrapper->ops = (bulla_provider_ops){
        .size = sizeof(bulla_provider_ops),
        .name = bulla_provider_name(inner),
        .can = bulla_provider_can(inner),
        .idempotent = bulla_provider_idempotent(inner),
        .matches = wrapper_matches,
        .describe = run_describe,
        .wrap = run_wrap,
        .unwrap = run_unwrap,
        .datakey = run_datakey,
        .rewrap = run_rewrap,
        .rotate = run_rotate,
        .purge = wrapper_purge,
        .destroy = wrapper_destroy,
        .check = run_check,
        .list = run_list,
        .create = run_create,
    };
    wrapper->env = bulla_env_of(call);
    wrapper->inner = kind->inner;
    wrapper->run = kind->run;
    wrapper->destroy = kind->destroy;
    bulla_provider_init(&wrapper->base, &wrapper->ops);
    *out_wrapper = wrapper;
    return BULLA_OK;
}

_Static_assert(sizeof(((bulla_failure *)0)->why) == sizeof(((bulla_call *)0)->why) &&
                   sizeof(((bulla_failure *)0)->provider) == sizeof(((bulla_call *)0)->provider),
               "a kept failure is whole");

bulla_failure bulla_failure_of(const bulla_call *call)
{
    bulla_failure kept = {.status = call->status, .native = call->native, .retry_after_ms = call->retry_after_ms};
    memcpy(kept.provider, call->provider, sizeof kept.provider);
    memcpy(kept.why, call->why, sizeof kept.why);
    return kept;
}

bulla_status bulla_failure_set(bulla_call *call, const bulla_failure *failure)
{
    call->status = failure->status;
    call->native = failure->native;
    call->retry_after_ms = failure->retry_after_ms;
    memcpy(call->provider, failure->provider, sizeof call->provider);
    memcpy(call->why, failure->why, sizeof call->why);
    return failure->status;
}

void bulla_why_add(bulla_call *call, const char *format, ...)
{
    char remark[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(remark, sizeof remark, format, args);
    va_end(args);
    size_t room = sizeof call->why - sizeof " ()" - strlen(remark), len = strnlen(call->why, sizeof call->why - 1);
    if (len > room) len = room;
    (void)snprintf(call->why + len, sizeof call->why - len, " (%s)", remark);
}
