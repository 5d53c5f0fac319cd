/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BULLA_BASE_METRICS_IMPL_H
#define BULLA_BASE_METRICS_IMPL_H

#include "base/metrics.h"

#include <pthread.h>

/* Bounds of a histogram: 1 us, then four for each power of two up to 2^26 us (67 s), then all that is longer. */
#define BULLA_METRIC_POWERS 26u
#define BULLA_METRIC_BOUNDS (1u + 4u * BULLA_METRIC_POWERS + 1u)

struct bulla_metrics {
    size_t refs;
    const bulla_env *env;
    pthread_mutex_t lock; /* over the list; the numbers themselves know no lock */
    bulla_metric *dropped;
    size_t num_series;
    bulla_metric *series[BULLA_METRICS_MAX_SERIES]; /* sorted by name and labels */
};

/* The numbers of one series, added up over its lanes. */
typedef struct bulla_metric_numbers {
    uint64_t buckets[BULLA_METRIC_BOUNDS];
    bulla_metric_sample sample;
} bulla_metric_numbers;

const int64_t *bulla_metric_bounds(void);

#endif
