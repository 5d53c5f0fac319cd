/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/scripted_provider.h"

#include <pthread.h>
#include <time.h>

static scripted_provider *self_of(bulla_wrapper *wrapper)
{
    return (scripted_provider *)(void *)wrapper;
}

static bulla_provider *scripted_inner(const bulla_provider *provider, size_t index)
{
    return index == 0 ? ((const scripted_provider *)(const void *)provider)->inner : NULL;
}

static pthread_mutex_t script_lock = PTHREAD_MUTEX_INITIALIZER; /* a new script may come while threads follow the old */

static scripted_step next_step(scripted_provider *self, uint32_t op)
{
    scripted_step step = {.status = BULLA_OK};
    (void)pthread_mutex_lock(&script_lock);
    if (self->at < self->num_steps && (self->steps[self->at].only == 0 || (self->steps[self->at].only & op) != 0))
        step = self->steps[self->at++];
    (void)pthread_mutex_unlock(&script_lock);
    return step;
}

static bulla_status play(scripted_provider *self, bulla_call *call, bulla_request *request, const scripted_step *step)
{
    uint32_t ignored = 0;
    bulla_request unseen = *request;
    unseen.out_version = &ignored;
    if (step->acts && bulla_request_send(&unseen, self->inner, call) != BULLA_OK) return call->status;
    (void)bulla_fail(call, step->status, "the script says %s", bulla_status_name(step->status));
    call->retry_after_ms = step->retry_after_ms;
    return step->status;
}

static bulla_status hang(scripted_provider *self, bulla_call *call)
{
    static const struct timespec millisecond = {0, 1000000};
    bulla_status status = bulla_call_check(call);
    for (; status == BULLA_OK; status = bulla_call_check(call)) {
        (void)nanosleep(&millisecond, NULL);
        fake_env_advance_ms(self->fake, 1);
    }
    return status;
}

static bulla_status scripted_run(bulla_wrapper *wrapper, bulla_call *call, bulla_request *request)
{
    scripted_provider *self = self_of(wrapper);
    size_t number = __atomic_fetch_add(&self->num_calls, 1, __ATOMIC_RELAXED);
    if (number < BULLA_LEN(self->asked_ns)) self->asked_ns[number] = call->env->ticks_ns(call->env->arg);
    if (self->hook != NULL) self->hook(self->hook_arg);
    scripted_step step = next_step(self, request->op);
    if (step.hangs) return hang(self, call);
    int64_t end_ns = call->env->ticks_ns(call->env->arg) + step.takes_ms * 1000000;
    if (step.takes_ms != 0 && call->deadline_ns != 0 && end_ns > call->deadline_ns) { /* gives up in time */
        fake_env_advance_ms(self->fake, (call->deadline_ns - end_ns) / 1000000 + step.takes_ms);
        return bulla_call_check(call);
    }
    if (step.takes_ms != 0) fake_env_advance_ms(self->fake, step.takes_ms);
    if (step.status != BULLA_OK) return play(self, call, request, &step);
    if (step.instead == NULL) return bulla_request_send(request, self->inner, call);
    *request->out_dek = bulla_secret_ref(step.instead);
    return BULLA_OK;
}

static void scripted_destroy(bulla_wrapper *wrapper)
{
    bulla_provider_unref(self_of(wrapper)->inner);
}

static const bulla_wrapper_kind scripted_kind = {sizeof(scripted_provider), scripted_inner, scripted_run,
                                                 scripted_destroy};

bulla_status scripted_provider_new(bulla_call *call, bulla_provider *inner, fake_env *fake,
                                   scripted_provider **out_provider)
{
    bulla_wrapper *made = NULL;
    BULLA_TRY(bulla_wrapper_new(call, &scripted_kind, inner, &made));
    scripted_provider *self = self_of(made);
    self->inner = bulla_provider_ref(inner);
    self->fake = fake;
    *out_provider = self;
    return BULLA_OK;
}

void scripted_provider_play(scripted_provider *self, const scripted_step *steps, size_t num_steps)
{
    (void)pthread_mutex_lock(&script_lock);
    self->steps = steps;
    self->num_steps = num_steps;
    self->at = 0;
    __atomic_store_n(&self->num_calls, 0, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&script_lock);
}
