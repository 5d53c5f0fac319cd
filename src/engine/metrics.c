/* SPDX-License-Identifier: Apache-2.0 */
#include "bulla/metrics.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "engine/guard.h"
#include "engine/house.h"

#include <stdio.h>

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

/* Caches count for themselves, on lanes of their own; their counts are brought here when somebody looks. */
static bulla_status cache_bring(void *arg, bulla_call *call, const char *address, const bulla_cache_stats *stats)
{
    (void)call;
    const struct {
        const char *name, *help;
        uint64_t value;
    } all[] = {
        {"bulla_cache_hits", "Unwraps answered from memory", stats->hits},
        {"bulla_cache_misses", "Unwraps that asked the store", stats->misses},
        {"bulla_cache_shared_flights", "Misses that waited for another's request", stats->shared_flights},
        {"bulla_cache_refreshed", "Entries renewed before their end", stats->refreshed},
        {"bulla_cache_offline_hits", "Served after their end while the store did not answer", stats->offline_hits},
        {"bulla_cache_negative_hits", "Refused from memory", stats->negative_hits},
        {"bulla_cache_expired", "Entries that reached their end", stats->expired},
        {"bulla_cache_evicted", "Entries that made room", stats->evicted},
        {"bulla_cache_purged", "Entries forgotten on purpose", stats->purged},
        {"bulla_cache_reused", "Data keys given out again", stats->reused},
        {"bulla_cache_entries", "Entries now", stats->entries},
        {"bulla_cache_bytes", "Bytes remembered now", stats->bytes},
        {"bulla_cache_oldest_milliseconds", "Age of the oldest entry", (uint64_t)stats->oldest_ms},
        {"bulla_cache_stale_bound_milliseconds", "How long a disabled key may serve", stats->stale_bound_ms},
        {"bulla_cache_offline", "1 while the store does not answer", stats->is_offline},
    };
    char labels[BULLA_METRICS_MAX_LABELS];
    int len = snprintf(labels, sizeof labels, "key=\"%.160s\"", address);
    for (int i = 5; i + 1 < len; i++)
        if (labels[i] == '"' || labels[i] == '\\' || (unsigned char)labels[i] < 0x20) labels[i] = '_';
    for (size_t i = 0; i < BULLA_LEN(all); i++)
        bulla_metric_set(bulla_metrics_gauge(arg, all[i].name, labels, all[i].help), (int64_t)all[i].value);
    return BULLA_OK;
}

bulla_status bulla_metrics_visit(bulla *house, bulla_call *call, bulla_metric_visit visit, void *arg)
{
    if (house == NULL || visit == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no visitor is given");
    BULLA_TRY(bulla_house_admit(call));
    BULLA_TRY(bulla_caches_visit(house, call, cache_bring, house->metrics));
    return bulla_metrics_each(house->metrics, call, visit, arg);
}

bulla_status bulla_metrics_text(bulla *house, bulla_call *call, char **out_text)
{
    if (house == NULL || out_text == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no output is given");
    BULLA_TRY(bulla_house_admit(call));
    BULLA_TRY(bulla_caches_visit(house, call, cache_bring, house->metrics));
    return bulla_metrics_format(house->metrics, call, out_text);
}

void bulla_text_free(bulla_call *call, char *text)
{
    bulla_free(bulla_env_of(call), text);
}
