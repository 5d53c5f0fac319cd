/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's own thread asks the first endpoint, with the caller's own call, so that an unwrap which is not slow is
 * what it would be without hedging. A thread of the crew waits for the time to pass and asks the second; when that
 * succeeds first, it ends the caller's request by the mark that a cancellation sets, but with a value of its own: a
 * cancellation by the program is never lost or mistaken for it.
 */
#include "provider/hedge.h"

#include "base/mem.h"
#include "base/wait.h"
#include "provider/budget.h"
#include "provider/crew.h"

#include <pthread.h>
#include <string.h>

#define MAX_THREADS 8u
#define MAX_JOBS 64u
#define PERCENT 10u
#define NUM_SAMPLES 128u
#define SAMPLES_PER_LOOK 32u
#define LEAST_WAIT_NS INT64_C(1000000)
#define HEDGED 2 /* in bulla_call.cancelled; the program's own is 1 */

struct bulla_hedge {
    const bulla_env *env;
    bulla_crew *crew;
    bulla_budget budget;
    int64_t usual_ns; /* that 95 % did not exceed; 0: not known yet */
    uint64_t num_samples;
    int64_t samples[NUM_SAMPLES];
};

typedef enum contest_state {
    WAITING, /* the time has not passed */
    ASKING,  /* the second endpoint is being asked */
    ANSWERED,
    OFF /* the caller has left, or there is no hedge */
} contest_state;

/* One unwrap that two endpoints may answer. The caller and the crew hold one reference each. */
typedef struct contest {
    bulla_job job;
    bulla_hedge *hedge;
    size_t refs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    contest_state state;
    bulla_call *caller, *own; /* own: of the second request, while it runs */
    int64_t due_ns, deadline_ns;
    char principal[64], request_id[40];
    bulla_provider *second;
    bulla_context *context;
    bulla_wrapped *wrapped;
    bulla_status status; /* of the second request */
    bulla_failure failure;
    bulla_secret *dek;
} contest;

/* --- how long unwraps take --- */

static int64_t quantile_95(const int64_t samples[NUM_SAMPLES], size_t num)
{
    int64_t sorted[NUM_SAMPLES];
    for (size_t i = 0; i < num; i++) {
        int64_t sample = __atomic_load_n(&samples[i], __ATOMIC_RELAXED);
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > sample; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = sample;
    }
    return sorted[(num * 95 + 99) / 100 - 1];
}

static void observe(bulla_hedge *hedge, int64_t took_ns)
{
    uint64_t number = __atomic_fetch_add(&hedge->num_samples, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&hedge->samples[number % NUM_SAMPLES], took_ns, __ATOMIC_RELAXED);
    if (number % SAMPLES_PER_LOOK != SAMPLES_PER_LOOK - 1) return;
    int64_t usual_ns = quantile_95(hedge->samples, number + 1 < NUM_SAMPLES ? (size_t)number + 1 : NUM_SAMPLES);
    __atomic_store_n(&hedge->usual_ns, usual_ns > LEAST_WAIT_NS ? usual_ns : LEAST_WAIT_NS, __ATOMIC_RELAXED);
}

/* --- contests --- */

static void contest_unref(contest *held)
{
    if (!bulla_refs_drop(&held->refs)) return;
    (void)pthread_cond_destroy(&held->changed);
    (void)pthread_mutex_destroy(&held->lock);
    bulla_context_unref(held->context);
    bulla_wrapped_free(held->wrapped);
    bulla_secret_unref(held->dek);
    bulla_free(held->hedge->env, held);
}

static contest *contest_of(bulla_job *job)
{
    return (contest *)(void *)job;
}

static void contest_drop(bulla_job *job)
{
    contest_unref(contest_of(job));
}

/* With the lock held. False: the caller has its answer, or the budget allows no more. */
static bool contest_begin(contest *held, bulla_call *call)
{
    const bulla_env *env = held->hedge->env;
    for (int64_t left_ns = held->due_ns - env->ticks_ns(env->arg); held->state == WAITING && left_ns > 0;
         left_ns = held->due_ns - env->ticks_ns(env->arg)) {
        if (bulla_call_check(call) != BULLA_OK) return false;
        bulla_cond_doze(&held->changed, &held->lock, left_ns);
    }
    if (held->state != WAITING || !bulla_budget_spend(&held->hedge->budget)) return false;
    held->state = ASKING;
    held->own = call;
    return true;
}

/* With the lock held: the caller is still in its own request, or waits for this one. */
static void contest_end(contest *held)
{
    int nothing = 0;
    held->own = NULL;
    if (held->state == OFF) return;
    held->state = ANSWERED;
    if (held->status == BULLA_OK)
        (void)__atomic_compare_exchange_n(&held->caller->cancelled, &nothing, HEDGED, false, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED);
    (void)pthread_cond_signal(&held->changed);
}

static void contest_run(bulla_job *job, bulla_call *call)
{
    contest *held = contest_of(job);
    call->deadline_ns = held->deadline_ns;
    memcpy(call->principal, held->principal, sizeof call->principal);
    memcpy(call->request_id, held->request_id, sizeof call->request_id);
    (void)pthread_mutex_lock(&held->lock);
    if (contest_begin(held, call)) {
        (void)pthread_mutex_unlock(&held->lock);
        bulla_status status = bulla_provider_unwrap(held->second, call, held->context, held->wrapped, &held->dek);
        (void)pthread_mutex_lock(&held->lock);
        held->status = status;
        held->failure = bulla_failure_of(call);
        contest_end(held);
    } else if (held->state == WAITING) {
        held->state = OFF;
    }
    (void)pthread_mutex_unlock(&held->lock);
    contest_unref(held);
}

static contest *contest_new(bulla_hedge *hedge, bulla_call *call, const bulla_request *request, bulla_provider *second,
                            int64_t due_ns)
{
    bulla_call aside = {.env = call->env};
    void *memory = NULL;
    if (bulla_alloc(&aside, sizeof(contest), &memory) != BULLA_OK) return NULL;
    contest *made = memory;
    bulla_cond_init(&made->changed);
    (void)pthread_mutex_init(&made->lock, NULL);
    made->job = (bulla_job){.run = contest_run, .drop = contest_drop};
    made->hedge = hedge;
    made->refs = 1;
    made->caller = call;
    made->due_ns = due_ns;
    made->deadline_ns = call->deadline_ns;
    memcpy(made->principal, call->principal, sizeof made->principal);
    memcpy(made->request_id, call->request_id, sizeof made->request_id);
    made->second = second; /* the owner of the hedge holds it */
    made->context = bulla_context_ref(request->context);
    if (bulla_wrapped_copy(&aside, request->wrapped, &made->wrapped) == BULLA_OK) return made;
    contest_unref(made);
    return NULL;
}

/* The contest in the hands of the crew, or NULL: then there is none. */
static contest *contest_open(bulla_hedge *hedge, bulla_call *call, const bulla_request *request, bulla_provider *second,
                             int64_t now_ns)
{
    int64_t usual_ns = __atomic_load_n(&hedge->usual_ns, __ATOMIC_RELAXED);
    if (usual_ns == 0) return NULL;
    contest *made = contest_new(hedge, call, request, second, now_ns + usual_ns);
    if (made == NULL) return NULL;
    bulla_refs_take(&made->refs);
    if (bulla_crew_take(hedge->crew, &made->job)) return made;
    contest_unref(made);
    contest_unref(made);
    return NULL;
}

/* A first endpoint that failed while the second is being asked: that one may still answer. */
static void await_second(contest *held, bulla_call *call, bulla_status status)
{
    bulla_failure first = bulla_failure_of(call);
    if (bulla_status_class(status) == BULLA_CLASS_STOP) return;
    while (held->state == ASKING && bulla_call_check(call) == BULLA_OK)
        bulla_cond_doze(&held->changed, &held->lock, bulla_doze_ns(call));
    bulla_failure_set(call, &first);
}

/* The caller is back from the first endpoint. */
static bulla_status contest_close(contest *held, bulla_call *call, bulla_request *request, bulla_status status,
                                  bulla_hedged *out_hedged)
{
    int hedged = HEDGED;
    (void)pthread_mutex_lock(&held->lock);
    if (status != BULLA_OK && held->state == ASKING) await_second(held, call, status);
    out_hedged->was_asked = held->state == ANSWERED;
    out_hedged->won = held->state == ANSWERED && held->status == BULLA_OK && status != BULLA_OK;
    if (held->state == ANSWERED) out_hedged->failure = held->failure;
    if (out_hedged->won) *request->out_dek = BULLA_TAKE(held->dek);
    if (held->own != NULL) bulla_call_cancel(held->own);
    held->state = OFF;
    (void)pthread_cond_signal(&held->changed);
    (void)__atomic_compare_exchange_n(&call->cancelled, &hedged, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&held->lock);
    if (!out_hedged->won) return status;
    call->status = BULLA_OK;
    return BULLA_OK;
}

bulla_status bulla_hedge_unwrap(bulla_hedge *hedge, bulla_call *call, bulla_request *request,
                                bulla_provider *const endpoints[2], bulla_hedged *out_hedged)
{
    int64_t start_ns = hedge->env->ticks_ns(hedge->env->arg);
    *out_hedged = (bulla_hedged){.was_asked = false};
    bulla_budget_earn(&hedge->budget);
    contest *held = contest_open(hedge, call, request, endpoints[1], start_ns);
    bulla_status status = bulla_request_send(request, endpoints[0], call);
    if (held != NULL) {
        status = contest_close(held, call, request, status, out_hedged);
        contest_unref(held);
    }
    if (status == BULLA_OK) observe(hedge, hedge->env->ticks_ns(hedge->env->arg) - start_ns);
    return status;
}

bulla_status bulla_hedge_new(bulla_call *call, bulla_hedge **out_hedge)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_hedge), &memory));
    bulla_hedge *hedge = memory;
    hedge->env = bulla_env_of(call);
    bulla_budget_init(&hedge->budget, PERCENT);
    bulla_status status = bulla_crew_new(call, MAX_THREADS, MAX_JOBS, &hedge->crew);
    if (status != BULLA_OK) {
        bulla_free(hedge->env, hedge);
        return status;
    }
    *out_hedge = hedge;
    return BULLA_OK;
}

void bulla_hedge_free(bulla_hedge *hedge)
{
    if (hedge == NULL) return;
    bulla_crew_free(hedge->crew);
    bulla_free(hedge->env, hedge);
}
