/* SPDX-License-Identifier: Apache-2.0 */
#include "bulla/metrics.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "engine/guard.h"
#include "engine/house.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bulla_status bulla_caches_visit(bulla *house, bulla_call *call, bulla_cache_visit visit, void *arg)
{
    bulla_cache_place *places = NULL;
    size_t num = 0;
    if (house == NULL || visit == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no visitor is given");
    BULLA_TRY(bulla_house_admit(call));
    BULLA_TRY(bulla_guard_caches(house, call, &places, &num));
    bulla_status status = BULLA_OK;
    for (size_t i = 0; i < num && status == BULLA_OK; i++) {
        bulla_cache_stats stats;
        status = bulla_cache_stats_get(places[i].cache, call, &stats);
        if (status == BULLA_OK) status = visit(arg, call, places[i].address, &stats);
    }
    bulla_guard_caches_done(house, places, num);
    return status;
}

/* --- caches count for themselves, on lanes of their own; their counts are brought here when somebody looks --- */

static const char prefix[] = "bulla_cache_";

/* "key=\"ADDRESS\"", of as many caches as stand before that key. */
static void labels_of(const char *address, char out[BULLA_METRICS_MAX_LABELS])
{
    int len = snprintf(out, BULLA_METRICS_MAX_LABELS, "key=\"%.160s\"", address);
    for (int i = 5; i + 1 < len; i++)
        if (out[i] == '"' || out[i] == '\\' || (unsigned char)out[i] < 0x20) out[i] = '_';
}

static void stats_bring(bulla_metrics *metrics, const char *labels, const bulla_cache_stats *stats)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } counters[] =
        {
            {"bulla_cache_hits_total", "Unwraps answered from memory", stats->hits},
            {"bulla_cache_misses_total", "Unwraps that asked the store", stats->misses},
            {"bulla_cache_shared_flights_total", "Misses that waited for another's request", stats->shared_flights},
            {"bulla_cache_refreshed_total", "Entries renewed before their end", stats->refreshed},
            {"bulla_cache_offline_hits_total", "Served after their end while the store did not answer",
             stats->offline_hits},
            {"bulla_cache_negative_hits_total", "Refused from memory", stats->negative_hits},
            {"bulla_cache_expired_total", "Entries that reached their end", stats->expired},
            {"bulla_cache_used_up_total", "Entries that reached max_uses", stats->used_up},
            {"bulla_cache_evicted_total", "Entries that made room", stats->evicted},
            {"bulla_cache_purged_total", "Entries forgotten on purpose", stats->purged},
            {"bulla_cache_reused_total", "Data keys given out again", stats->reused},
        },
      gauges[] = {
          {"bulla_cache_entries", "Entries now", stats->entries},
          {"bulla_cache_bytes", "Bytes remembered now", stats->bytes},
          {"bulla_cache_oldest_milliseconds", "Age of the oldest entry", (uint64_t)stats->oldest_ms},
          {"bulla_cache_stale_bound_milliseconds", "How long a disabled key may serve", stats->stale_bound_ms},
          {"bulla_cache_offline", "1 while the store does not answer", stats->is_offline},
      };
    for (size_t i = 0; i < BULLA_LEN(counters); i++)
        bulla_metric_set(bulla_metrics_counter(metrics, counters[i].name, labels, counters[i].help),
                         (int64_t)counters[i].value);
    for (size_t i = 0; i < BULLA_LEN(gauges); i++)
        bulla_metric_set(bulla_metrics_gauge(metrics, gauges[i].name, labels, gauges[i].help),
                         (int64_t)gauges[i].value);
}

/* Another cache before the same key. */
static void stats_add(bulla_cache_stats *sum, const bulla_cache_stats *more)
{
    sum->hits += more->hits;
    sum->misses += more->misses;
    sum->shared_flights += more->shared_flights;
    sum->refreshed += more->refreshed;
    sum->offline_hits += more->offline_hits;
    sum->negative_hits += more->negative_hits;
    sum->expired += more->expired;
    sum->used_up += more->used_up;
    sum->evicted += more->evicted;
    sum->purged += more->purged;
    sum->reused += more->reused;
    sum->entries += more->entries;
    sum->bytes += more->bytes;
    if (more->oldest_ms > sum->oldest_ms) sum->oldest_ms = more->oldest_ms;
    if (more->stale_bound_ms > sum->stale_bound_ms) sum->stale_bound_ms = more->stale_bound_ms;
    sum->is_offline = sum->is_offline || more->is_offline;
}

static int by_address(const void *a, const void *b)
{
    return strcmp(((const bulla_cache_place *)a)->address, ((const bulla_cache_place *)b)->address);
}

/* Of the places from `first` on those with one address; returns where the next ones begin. */
static size_t key_bring(bulla_metrics *metrics, const bulla_cache_place *places, size_t num, size_t first)
{
    bulla_cache_stats sum = {.hits = 0};
    char labels[BULLA_METRICS_MAX_LABELS];
    size_t at = first;
    for (; at < num && strcmp(places[at].address, places[first].address) == 0; at++) {
        bulla_cache_stats one;
        if (bulla_cache_stats_get(places[at].cache, NULL, &one) == BULLA_OK) stats_add(&sum, &one);
    }
    labels_of(places[first].address, labels);
    stats_bring(metrics, labels, &sum);
    return at;
}

typedef struct present {
    bulla_metrics *metrics;
    const bulla_cache_place *places;
    size_t num;
} present;

/* A key that nobody has open any more has no entries, and is not offline. */
static bulla_status gone_clear(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    const present *here = arg;
    char labels[BULLA_METRICS_MAX_LABELS];
    (void)call;
    if (sample->kind != BULLA_METRIC_GAUGE || strncmp(sample->name, prefix, sizeof prefix - 1) != 0) return BULLA_OK;
    for (size_t i = 0; i < here->num; i++) {
        labels_of(here->places[i].address, labels);
        if (strcmp(labels, sample->labels) == 0) return BULLA_OK;
    }
    bulla_metric_set(bulla_metrics_gauge(here->metrics, sample->name, sample->labels, sample->help), 0);
    return BULLA_OK;
}

static bulla_status caches_bring(bulla *house, bulla_call *call)
{
    bulla_cache_place *places = NULL;
    size_t num = 0;
    BULLA_TRY(bulla_guard_caches(house, call, &places, &num));
    if (num != 0) qsort(places, num, sizeof *places, by_address);
    present here = {house->metrics, places, num};
    for (size_t i = 0; i < num;)
        i = key_bring(house->metrics, places, num, i);
    bulla_status status = bulla_metrics_each(house->metrics, call, gone_clear, &here);
    bulla_guard_caches_done(house, places, num);
    return status;
}

bulla_status bulla_metrics_visit(bulla *house, bulla_call *call, bulla_metric_visit visit, void *arg)
{
    if (house == NULL || visit == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no visitor is given");
    BULLA_TRY(bulla_house_admit(call));
    BULLA_TRY(caches_bring(house, call));
    return bulla_metrics_each(house->metrics, call, visit, arg);
}

bulla_status bulla_metrics_text(bulla *house, bulla_call *call, char **out_text)
{
    if (house == NULL || out_text == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no output is given");
    BULLA_TRY(bulla_house_admit(call));
    BULLA_TRY(caches_bring(house, call));
    return bulla_metrics_format(house->metrics, call, out_text);
}

void bulla_text_free(bulla_call *call, char *text)
{
    bulla_free(bulla_env_of(call), text);
}
