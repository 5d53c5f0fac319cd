/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/flights.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/wait.h"

#include <pthread.h>

#define NUM_LISTS 64u

struct bulla_flight {
    bulla_flight *next;
    const bulla_cachekey *key; /* the leader's, until it lands */
    uint64_t generation;
    size_t refs; /* under the lock */
    pthread_cond_t landed;
    bool is_over, is_shared; /* shared: the outcome is the store's and not the leader's own */
    bulla_secret *dek;
    bulla_failure failure;
};

/* Zeros are a mutex that nobody holds, here and in a forked child. */
typedef struct hangar {
    pthread_mutex_t lock;
    bulla_flight *lists[NUM_LISTS];
} hangar;

static hangar *hangar_of(const bulla_flights *flights)
{
    return (hangar *)(void *)bulla_secret_fill(flights->memory);
}

bulla_status bulla_flights_init(bulla_flights *flights, bulla_call *call)
{
    flights->env = bulla_env_of(call);
    return bulla_secret_new(call, sizeof(hangar), &flights->memory);
}

void bulla_flights_done(bulla_flights *flights)
{
    bulla_secret_unref(flights->memory);
}

static bool is_same(const bulla_cachekey *a, const bulla_cachekey *b)
{
    if (a->hash != b->hash) return false;
    for (size_t i = 0; i < 4; i++)
        if (!bulla_view_equal(a->parts[i], b->parts[i])) return false;
    return true;
}

static bulla_flight *flight_new(const bulla_flights *flights, const bulla_cachekey *key, uint64_t generation)
{
    bulla_flight *made = flights->env->alloc(flights->env->arg, sizeof *made);
    if (made == NULL) return NULL;
    *made = (bulla_flight){.key = key, .generation = generation, .refs = 1};
    bulla_cond_init(&made->landed);
    return made;
}

bulla_flight *bulla_flights_join(bulla_flights *flights, const bulla_cachekey *key, uint64_t generation,
                                 bool *out_leads)
{
    hangar *all = hangar_of(flights);
    if (all == NULL) return NULL; /* a forked child has no keys to wait for */
    (void)pthread_mutex_lock(&all->lock);
    bulla_flight **list = &all->lists[key->hash % NUM_LISTS], *found = *list;
    while (found != NULL && (found->generation != generation || !is_same(found->key, key)))
        found = found->next;
    *out_leads = found == NULL;
    if (found != NULL) {
        found->refs++;
    } else {
        found = flight_new(flights, key, generation);
        if (found != NULL) found->next = *list;
        if (found != NULL) *list = found;
    }
    (void)pthread_mutex_unlock(&all->lock);
    return found;
}

/* With the lock held: true for the last one, who frees. */
static bool leave(bulla_flight *flight)
{
    return --flight->refs == 0;
}

static void flight_free(const bulla_flights *flights, bulla_flight *flight)
{
    (void)pthread_cond_destroy(&flight->landed);
    bulla_secret_unref(flight->dek);
    bulla_free(flights->env, flight);
}

static void unlist(hangar *all, const bulla_flight *flight)
{
    bulla_flight **link = &all->lists[flight->key->hash % NUM_LISTS];
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
}

void bulla_flight_land(bulla_flights *flights, bulla_flight *flight, bulla_status status, bulla_call *call,
                       bulla_secret *dek)
{
    hangar *all = hangar_of(flights);
    if (flight == NULL || all == NULL) return;
    (void)pthread_mutex_lock(&all->lock);
    unlist(all, flight);
    flight->is_over = true;
    flight->is_shared = bulla_status_class(status) != BULLA_CLASS_STOP;
    if (status == BULLA_OK)
        flight->dek = bulla_secret_ref(dek);
    else
        flight->failure = bulla_failure_of(call);
    (void)pthread_cond_broadcast(&flight->landed);
    bool last = leave(flight);
    (void)pthread_mutex_unlock(&all->lock);
    if (last) flight_free(flights, flight);
}

void bulla_flight_leave(bulla_flights *flights, bulla_flight *flight)
{
    hangar *all = hangar_of(flights);
    if (all == NULL) return;
    (void)pthread_mutex_lock(&all->lock);
    bool last = leave(flight);
    (void)pthread_mutex_unlock(&all->lock);
    if (last) flight_free(flights, flight);
}

bool bulla_flight_wait(bulla_flights *flights, bulla_flight *flight, bulla_call *call, bulla_status *out_status,
                       bulla_secret **out_dek)
{
    hangar *all = hangar_of(flights);
    bulla_status status = BULLA_OK;
    (void)pthread_mutex_lock(&all->lock);
    while (!flight->is_over && status == BULLA_OK) {
        bulla_cond_doze(&flight->landed, &all->lock, bulla_doze_ns(call));
        if (!flight->is_over) status = bulla_call_check(call);
    }
    bool is_answer = flight->is_over && flight->is_shared;
    if (is_answer && flight->dek != NULL) *out_dek = bulla_secret_ref(flight->dek);
    if (is_answer && flight->dek == NULL) status = bulla_failure_set(call, &flight->failure);
    bool last = leave(flight);
    (void)pthread_mutex_unlock(&all->lock);
    if (last) flight_free(flights, flight);
    *out_status = status;
    return is_answer;
}
