/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, gauges and histograms of one house. Found once by name and labels, then changed by atomic adds alone, so
 * that the hot path may count. A NULL registry counts into nothing: callers need no `if`. Bounded: what does not fit is
 * counted in a series named bulla_metrics_dropped_total and lost.
 *
 * Names and labels are Prometheus's (text exposition format 0.0.4): bulla_<what>_<unit>[_total], labels as written:
 * `store="main",call="unwrap"`.
 */
#ifndef BULLA_BASE_METRICS_H
#define BULLA_BASE_METRICS_H

#include "base/macros.h"
#include "bulla/call.h"
#include "bulla/metrics.h"

#define BULLA_METRICS_MAX_SERIES 1024u
#define BULLA_METRICS_MAX_LABELS 192u /* bytes of one series' labels */

typedef struct bulla_metrics bulla_metrics;
typedef struct bulla_metric bulla_metric;

BULLA_MUST_USE bulla_status bulla_metrics_new(bulla_call *call, bulla_metrics **out_metrics);
bulla_metrics *bulla_metrics_ref(bulla_metrics *metrics);
void bulla_metrics_unref(bulla_metrics *metrics);
BULLA_AUTO_DEFINE(bulla_metrics, bulla_metrics_unref)

/* The series; made at the first call. Never NULL: a spare one when there is no registry or no room. Names and help are
 * borrowed for ever (literals). */
bulla_metric *bulla_metrics_counter(bulla_metrics *metrics, const char *name, const char *labels, const char *help);
bulla_metric *bulla_metrics_gauge(bulla_metrics *metrics, const char *name, const char *labels, const char *help);
/* Of durations: observed in nanoseconds, shown in seconds; four buckets for each power of two from 1 us to 67 s. */
bulla_metric *bulla_metrics_histogram(bulla_metrics *metrics, const char *name, const char *labels, const char *help);

void bulla_metric_add(bulla_metric *metric, uint64_t num);   /* counters */
void bulla_metric_set(bulla_metric *metric, int64_t value);  /* gauges, and counters that are kept elsewhere */
void bulla_metric_observe(bulla_metric *metric, int64_t ns); /* histograms */
uint64_t bulla_metric_value(const bulla_metric *metric);
/* The duration that `percent` of the observations do not exceed, rounded up to a bucket's bound and at most 67 s; 0
 * when there are fewer than `min_count`. */
int64_t bulla_metric_quantile_ns(const bulla_metric *metric, unsigned percent, uint64_t min_count);

/* What bulla_metrics_visit and bulla_metrics_text of the public header do, on a registry. */
BULLA_MUST_USE bulla_status bulla_metrics_each(const bulla_metrics *metrics, bulla_call *call, bulla_metric_visit visit,
                                               void *arg);
BULLA_MUST_USE bulla_status bulla_metrics_format(const bulla_metrics *metrics, bulla_call *call, char **out_text);

#endif
