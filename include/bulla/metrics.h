/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a house has counted: calls to key stores by endpoint and phase, cache hits and ages, retries, breaker states.
 * Reading takes no lock that a request waits for.
 */
#ifndef BULLA_METRICS_H
#define BULLA_METRICS_H

#include "bulla/house.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bulla_metric_kind {
    BULLA_METRIC_COUNTER = 0,
    BULLA_METRIC_GAUGE = 1,
    BULLA_METRIC_HISTOGRAM = 2 /* of durations */
} bulla_metric_kind;

typedef struct bulla_metric_sample {
    const char *name;   /* bulla_kms_request_seconds */
    const char *labels; /* store="main",endpoint="vault:8200",call="unwrap"; "" without */
    const char *help;
    bulla_metric_kind kind;
    int64_t value;  /* of counters and gauges */
    uint64_t count; /* observations of a histogram */
    int64_t sum_ns;
    const uint64_t *buckets;  /* observations up to bounds_ns[i] and above the bound before; not cumulated */
    const int64_t *bounds_ns; /* the last is INT64_MAX */
    size_t num_buckets;
} bulla_metric_sample;
typedef bulla_status (*bulla_metric_visit)(void *arg, bulla_call *call, const bulla_metric_sample *sample);

/* bulla_metrics_visit shows every series, sorted by name and labels. A visitor ends the walk by failing. */
BULLA_API BULLA_MUST_USE bulla_status bulla_metrics_visit(bulla *house, bulla_call *call, bulla_metric_visit visit,
                                                          void *arg);

/* bulla_metrics_text gives all of it in Prometheus's text format 0.0.4. Ownership: freed with bulla_text_free. */
BULLA_API BULLA_MUST_USE bulla_status bulla_metrics_text(bulla *house, bulla_call *call, char **out_text);

/* bulla_caches_visit shows every cache that stands before a key that is open now, with the key's address. A visitor
 * ends the walk by failing. */
typedef bulla_status (*bulla_cache_visit)(void *arg, bulla_call *call, const char *address,
                                          const bulla_cache_stats *stats);
BULLA_API BULLA_MUST_USE bulla_status bulla_caches_visit(bulla *house, bulla_call *call, bulla_cache_visit visit,
                                                         void *arg);

/* bulla_text_free releases text that the library returned. Accepts NULL. */
BULLA_API void bulla_text_free(bulla_call *call, char *text);

#ifdef __cplusplus
}
#endif

#endif
