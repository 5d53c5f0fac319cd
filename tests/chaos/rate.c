/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PER_SECOND 10u
#define MAX_SAMPLES (300u * PER_SECOND)

typedef struct sample {
    uint64_t requests, calls; /* since the house was opened */
} sample;

static struct watch {
    load *of;
    pthread_t thread;
    int is_over;
    size_t num;
    sample samples[MAX_SAMPLES];
} watch;

static bulla_status add_sample(void *arg, bulla_call *call, const bulla_metric_sample *found)
{
    rate_requests *sum = arg;
    (void)call;
    if (strcmp(found->name, "bulla_kms_request_seconds") == 0) sum->made += found->count;
    if (strcmp(found->name, "bulla_kms_answers_total") == 0 && strstr(found->labels, "code=\"none\"") == NULL)
        sum->answered += (uint64_t)found->value;
    return BULLA_OK;
}

rate_requests rate_count(load *l)
{
    rate_requests sum = {0, 0};
    bulla_call call;
    bulla_call_init(&call, NULL);
    if (bulla_metrics_visit(l->house, &call, add_sample, &sum) != BULLA_OK) exit(1);
    return sum;
}

static void *look(void *arg)
{
    struct timespec next;
    (void)clock_gettime(CLOCK_MONOTONIC, &next);
    while (watch.num < MAX_SAMPLES && __atomic_load_n(&watch.is_over, __ATOMIC_ACQUIRE) == 0) {
        watch.samples[watch.num++] =
            (sample){rate_count(watch.of).made, __atomic_load_n(&watch.of->num_done, __ATOMIC_RELAXED)};
        next.tv_nsec += 1000000000L / PER_SECOND;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    return arg;
}

void rate_watch_begin(load *l)
{
    watch.of = l;
    watch.num = 0;
    watch.is_over = 0;
    if (pthread_create(&watch.thread, NULL, look, NULL) != 0) exit(1);
}

rate_peak rate_watch_end(void)
{
    rate_peak peak = {0, 0};
    __atomic_store_n(&watch.is_over, 1, __ATOMIC_RELEASE);
    (void)pthread_join(watch.thread, NULL);
    for (size_t i = PER_SECOND; i < watch.num; i++) {
        const sample *from = &watch.samples[i - PER_SECOND], *to = &watch.samples[i];
        uint64_t requests = to->requests - from->requests, calls = to->calls - from->calls;
        if (requests > peak.requests) peak.requests = requests;
        if (calls != 0 && (double)requests > peak.per_call * (double)calls)
            peak.per_call = (double)requests / (double)calls;
    }
    return peak;
}
