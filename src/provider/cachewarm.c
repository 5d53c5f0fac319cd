/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening many data keys at once. The caller's thread does not ask: it waits, so that its cancellation reaches all who
 * do, and hands out the failure that is to be told.
 */
#include "provider/crew.h"
#include "provider/request.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/wait.h"

#include <pthread.h>
#include <string.h>

#define MAX_PARALLEL 64u

typedef struct warming warming;

typedef struct hand {
    bulla_job job;
    warming *all;
    bulla_call *call; /* while it works */
} hand;

struct warming {
    bulla_call *caller;
    bulla_provider *provider;
    bulla_cache_item *items;
    size_t num_items, next;
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned num_working, num_hands;
    size_t first_failed; /* num_items: none */
    bulla_failure failure;
    hand hands[MAX_PARALLEL];
};

static void failure_note(warming *all, size_t item, const bulla_call *call)
{
    (void)pthread_mutex_lock(&all->lock);
    if (item < all->first_failed) {
        all->first_failed = item;
        all->failure = bulla_failure_of(call);
    }
    (void)pthread_mutex_unlock(&all->lock);
}

/* Items until there are none. One that the end of the call kept from being tried says so. */
static void open_items(warming *all, bulla_call *call)
{
    for (size_t i = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED); i < all->num_items;
         i = __atomic_fetch_add(&all->next, 1, __ATOMIC_RELAXED)) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        bulla_cache_item *item = &all->items[i];
        item->status = bulla_provider_unwrap(all->provider, call, item->context, item->wrapped, &dek);
        if (item->status != BULLA_OK) failure_note(all, i, call);
    }
}

/* A cancellation that came before the hand took up its call is seen here. */
static void hand_run(bulla_job *job, bulla_call *call)
{
    hand *self = (hand *)(void *)job;
    warming *all = self->all;
    (void)pthread_mutex_lock(&all->lock);
    self->call = call;
    call->deadline_ns = all->caller->deadline_ns;
    memcpy(call->principal, all->caller->principal, sizeof call->principal);
    memcpy(call->request_id, all->caller->request_id, sizeof call->request_id);
    if (__atomic_load_n(&all->caller->cancelled, __ATOMIC_ACQUIRE) != 0) bulla_call_cancel(call);
    (void)pthread_mutex_unlock(&all->lock);
    open_items(all, call);
    (void)pthread_mutex_lock(&all->lock);
    self->call = NULL;
    if (--all->num_working == 0) (void)pthread_cond_signal(&all->done);
    (void)pthread_mutex_unlock(&all->lock);
}

static void hand_drop(bulla_job *job)
{
    (void)job; /* the crew ends when all hands are done */
}

static void await_hands(warming *all)
{
    (void)pthread_mutex_lock(&all->lock);
    while (all->num_working != 0) {
        bulla_cond_doze(&all->done, &all->lock, BULLA_WAIT_STEP_NS);
        bool is_cancelled = __atomic_load_n(&all->caller->cancelled, __ATOMIC_ACQUIRE) != 0;
        for (unsigned i = 0; is_cancelled && i < all->num_hands; i++)
            if (all->hands[i].call != NULL) bulla_call_cancel(all->hands[i].call);
    }
    (void)pthread_mutex_unlock(&all->lock);
}

static bulla_status run(warming *all, unsigned parallelism)
{
    BULLA_AUTO(bulla_crew) *crew = NULL;
    BULLA_TRY(bulla_crew_new(all->caller, parallelism, parallelism, &crew));
    for (unsigned i = 0; i < parallelism; i++) {
        hand *one = &all->hands[i];
        *one = (hand){.job = {.run = hand_run, .drop = hand_drop}, .all = all};
        (void)pthread_mutex_lock(&all->lock);
        all->num_hands = i + 1;
        all->num_working++;
        (void)pthread_mutex_unlock(&all->lock);
        if (bulla_crew_take(crew, &one->job)) continue;
        (void)pthread_mutex_lock(&all->lock);
        all->num_working--;
        (void)pthread_mutex_unlock(&all->lock);
    }
    await_hands(all);
    open_items(all, all->caller); /* what is left where there are no threads, else nothing */
    if (all->first_failed == all->num_items) return BULLA_OK;
    BULLA_TRY(bulla_call_check(all->caller));
    return bulla_failure_set(all->caller, &all->failure);
}

static bulla_status arguments_check(bulla_call *call, const bulla_provider *provider, const bulla_cache_item *items,
                                    size_t num_items, unsigned parallelism)
{
    if (call == NULL) return BULLA_EINVAL;
    if (provider == NULL || (items == NULL && num_items != 0))
        return bulla_fail(call, BULLA_EINVAL, "no provider or no data keys are given");
    if (parallelism == 0 || parallelism > MAX_PARALLEL)
        return bulla_fail(call, BULLA_EINVAL, "1 to %u data keys are opened at a time, not %u", MAX_PARALLEL,
                          parallelism);
    return bulla_call_check(call);
}

bulla_status bulla_cache_warm(bulla_call *call, bulla_provider *provider, bulla_cache_item *items, size_t num_items,
                              unsigned parallelism)
{
    void *memory = NULL;
    BULLA_TRY(arguments_check(call, provider, items, num_items, parallelism));
    if (num_items == 0) return BULLA_OK;
    BULLA_TRY(bulla_alloc(call, sizeof(warming), &memory));
    warming *all = memory;
    *all = (warming){
        .caller = call, .provider = provider, .items = items, .num_items = num_items, .first_failed = num_items};
    (void)pthread_mutex_init(&all->lock, NULL);
    bulla_cond_init(&all->done);
    bulla_status status = run(all, parallelism < num_items ? parallelism : (unsigned)num_items);
    (void)pthread_cond_destroy(&all->done);
    (void)pthread_mutex_destroy(&all->lock);
    bulla_free(bulla_env_of(call), all);
    return status;
}
