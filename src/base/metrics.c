/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every thread adds on a lane of its own, so that threads that count the same thing do not pass one cache line around;
 * who reads adds the lanes up.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/metrics_impl.h"

#define LINE 64u       /* bytes of a cache line */
#define MAX_LANES 16u  /* of counters: they are on hot paths */
#define TIMED_LANES 4u /* of histograms: what is timed takes a while */

/* How a series' numbers lie: `num_lanes` of `lane_len` words each, from `words` on. */
struct bulla_metric {
    const char *name, *help;
    bulla_metric_kind kind;
    uint32_t num_lanes, lane_len; /* no lanes: the spare one, which counts nothing */
    uint64_t *words;
    char labels[BULLA_METRICS_MAX_LABELS];
};

static bulla_metric spare = {.name = "", .help = ""};

/* Of histograms: the words of a lane are the buckets, then the sum. */
#define SUM_WORD BULLA_METRIC_BOUNDS
static int64_t bounds[BULLA_METRIC_BOUNDS];
static pthread_once_t bounds_once = PTHREAD_ONCE_INIT;

static void bounds_fill(void)
{
    int64_t power = 1000;
    size_t num = 0;
    bounds[num++] = power;
    for (unsigned i = 0; i < BULLA_METRIC_POWERS; i++, power *= 2)
        for (unsigned quarter = 1; quarter <= 4; quarter++)
            bounds[num++] = power + power / 4 * quarter;
    bounds[num] = INT64_MAX;
}

const int64_t *bulla_metric_bounds(void)
{
    (void)pthread_once(&bounds_once, bounds_fill);
    return bounds;
}

/* The first bound that is not below `ns`: the power by the leading bit, its quarter by comparing. */
static size_t bucket_of(int64_t ns)
{
    if (ns <= bounds[0]) return 0;
    unsigned power = 63u - (unsigned)__builtin_clzll((uint64_t)ns / 1000);
    if (power > BULLA_METRIC_POWERS) return BULLA_METRIC_BOUNDS - 1;
    size_t bucket = 4 * power;
    while (bucket < BULLA_METRIC_BOUNDS - 1 && bounds[bucket] < ns)
        bucket++;
    return bucket;
}

static unsigned lane_mine(void)
{
    static unsigned next;
    static __thread __attribute__((tls_model("initial-exec"))) unsigned lane; /* 0: not yet */
    if (BULLA_UNLIKELY(lane == 0)) lane = 1 + __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % MAX_LANES;
    return lane - 1;
}

static uint64_t *words_mine(const bulla_metric *metric)
{
    return metric->words + (size_t)(lane_mine() % metric->num_lanes) * metric->lane_len;
}

static void word_add(uint64_t *word, uint64_t num)
{
    (void)__atomic_fetch_add(word, num, __ATOMIC_RELAXED);
}

void bulla_metric_add(bulla_metric *metric, uint64_t num)
{
    if (metric->num_lanes != 0 && metric->kind == BULLA_METRIC_COUNTER) word_add(words_mine(metric), num);
}

void bulla_metric_set(bulla_metric *metric, int64_t value)
{
    if (metric->num_lanes != 0 && metric->kind != BULLA_METRIC_HISTOGRAM)
        __atomic_store_n(metric->words, (uint64_t)value, __ATOMIC_RELAXED);
}

void bulla_metric_observe(bulla_metric *metric, int64_t ns)
{
    if (metric->num_lanes == 0 || metric->kind != BULLA_METRIC_HISTOGRAM) return;
    uint64_t *words = words_mine(metric);
    if (ns < 0) ns = 0;
    word_add(&words[bucket_of(ns)], 1);
    word_add(&words[SUM_WORD], (uint64_t)ns);
}

/* Word `index` of all lanes together. */
static uint64_t word_sum(const bulla_metric *metric, size_t index)
{
    uint64_t sum = 0;
    for (size_t lane = 0; lane < metric->num_lanes; lane++)
        sum += __atomic_load_n(&metric->words[lane * metric->lane_len + index], __ATOMIC_RELAXED);
    return sum;
}

/* The buckets of a histogram; their total is the result, so that the two always agree. */
static uint64_t buckets_sum(const bulla_metric *metric, uint64_t *out_buckets)
{
    uint64_t count = 0;
    for (size_t i = 0; i < BULLA_METRIC_BOUNDS; i++) {
        out_buckets[i] = word_sum(metric, i);
        count += out_buckets[i];
    }
    return count;
}

uint64_t bulla_metric_value(const bulla_metric *metric)
{
    uint64_t buckets[BULLA_METRIC_BOUNDS];
    if (metric->num_lanes == 0) return 0;
    return metric->kind == BULLA_METRIC_HISTOGRAM ? buckets_sum(metric, buckets) : word_sum(metric, 0);
}

int64_t bulla_metric_quantile_ns(const bulla_metric *metric, unsigned percent, uint64_t min_count)
{
    uint64_t buckets[BULLA_METRIC_BOUNDS], seen = 0;
    if (metric->num_lanes == 0 || metric->kind != BULLA_METRIC_HISTOGRAM) return 0;
    uint64_t count = buckets_sum(metric, buckets);
    if (count == 0 || count < min_count) return 0;
    uint64_t wanted = count / 100 * percent + (count % 100 * percent + 99) / 100;
    size_t last = BULLA_METRIC_BOUNDS - 2; /* the longest that has a name */
    for (size_t i = 0; i < last; i++) {
        seen += buckets[i];
        if (seen >= wanted) return bounds[i];
    }
    return bounds[last];
}

static bulla_status metric_new(bulla_call *call, bulla_metric_kind kind, bulla_metric **out_metric)
{
    static const uint32_t lanes[] = {MAX_LANES, 1, TIMED_LANES}, words[] = {1, 1, SUM_WORD + 1};
    const uint32_t line_words = LINE / sizeof(uint64_t);
    uint32_t lane_len = (words[kind] + line_words - 1) / line_words * line_words;
    void *memory = NULL;
    size_t len = sizeof(bulla_metric) + LINE + (size_t)lanes[kind] * lane_len * sizeof(uint64_t);
    BULLA_TRY(bulla_alloc(call, len, &memory));
    bulla_metric *metric = memory;
    uintptr_t end = (uintptr_t)(metric + 1);
    metric->kind = kind;
    metric->num_lanes = lanes[kind];
    metric->lane_len = lane_len;
    metric->words = (uint64_t *)(void *)((uint8_t *)(metric + 1) + (LINE - end % LINE) % LINE);
    *out_metric = metric;
    return BULLA_OK;
}

bulla_status bulla_metrics_new(bulla_call *call, bulla_metrics **out_metrics)
{
    void *memory = NULL;
    (void)bulla_metric_bounds();
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_metrics), &memory));
    bulla_metrics *metrics = memory;
    metrics->refs = 1;
    metrics->env = bulla_env_of(call);
    (void)pthread_mutex_init(&metrics->lock, NULL);
    metrics->dropped = &spare;
    metrics->dropped = bulla_metrics_counter(metrics, "bulla_metrics_dropped_total", "",
                                             "Series asked for and not kept: too many, or not well formed.");
    *out_metrics = metrics;
    return BULLA_OK;
}

bulla_metrics *bulla_metrics_ref(bulla_metrics *metrics)
{
    if (metrics != NULL) bulla_refs_take(&metrics->refs);
    return metrics;
}

void bulla_metrics_unref(bulla_metrics *metrics)
{
    if (metrics == NULL || !bulla_refs_drop(&metrics->refs)) return;
    for (size_t i = 0; i < metrics->num_series; i++)
        bulla_free(metrics->env, metrics->series[i]);
    (void)pthread_mutex_destroy(&metrics->lock);
    bulla_free(metrics->env, metrics);
}

static bool is_name_char(char c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!is_first && c >= '0' && c <= '9');
}

static size_t name_len(const char *text)
{
    size_t len = 0;
    while (is_name_char(text[len], len == 0))
        len++;
    return len;
}

/* key="value" at `text`: its length, or 0 when it is not that. In a value only \\, \" and \n are escapes. */
static size_t label_len(const char *text)
{
    size_t len = name_len(text);
    if (len == 0 || text[len] != '=' || text[len + 1] != '"') return 0;
    for (len += 2; text[len] != '"'; len++) {
        if (text[len] == '\0' || text[len] == '\n') return 0;
        if (text[len] != '\\') continue;
        len++;
        if (text[len] == '\0' || strchr("\\\"n", text[len]) == NULL) return 0;
    }
    return len + 1;
}

/* One series that is not well formed would make the whole text unreadable. */
static bool is_well_formed(const char *name, const char *labels)
{
    size_t len = strlen(labels);
    if (name_len(name) != strlen(name) || name[0] == '\0') return false;
    if (len >= BULLA_METRICS_MAX_LABELS || !bulla_utf8_is(bulla_view_of(labels, len))) return false;
    for (const char *at = labels; *at != '\0';) {
        size_t label = label_len(at);
        if (label == 0) return false;
        at += label;
        if (*at == ',' && at[1] != '\0')
            at++;
        else if (*at != '\0')
            return false;
    }
    return true;
}

/* Where a series is or would be; true when it is there. */
static bool series_find(const bulla_metrics *metrics, const char *name, const char *labels, size_t *out_at)
{
    size_t low = 0, high = metrics->num_series;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(metrics->series[middle]->name, name);
        if (order == 0) order = strcmp(metrics->series[middle]->labels, labels);
        if (order == 0) {
            *out_at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_at = low;
    return false;
}

/* Series of one name are of one kind. */
static bool is_of_kind(const bulla_metrics *metrics, size_t at, const char *name, bulla_metric_kind kind)
{
    for (size_t i = at == 0 ? 0 : at - 1; i <= at && i < metrics->num_series; i++)
        if (strcmp(metrics->series[i]->name, name) == 0 && metrics->series[i]->kind != kind) return false;
    return true;
}

/* With the list locked. NULL: no room. */
static bulla_metric *series_make(bulla_metrics *metrics, const char *name, const char *labels, const char *help,
                                 bulla_metric_kind kind)
{
    size_t at = 0;
    if (series_find(metrics, name, labels, &at)) return metrics->series[at]->kind == kind ? metrics->series[at] : NULL;
    bulla_metric *metric = NULL;
    bulla_call call;
    bulla_call_init(&call, metrics->env);
    if (metrics->num_series == BULLA_METRICS_MAX_SERIES || !is_of_kind(metrics, at, name, kind)) return NULL;
    if (metric_new(&call, kind, &metric) != BULLA_OK) return NULL;
    metric->name = name;
    metric->help = help;
    memcpy(metric->labels, labels, strlen(labels) + 1);
    memmove(&metrics->series[at + 1], &metrics->series[at], (metrics->num_series - at) * sizeof(bulla_metric *));
    metrics->series[at] = metric;
    metrics->num_series++;
    return metric;
}

static bulla_metric *series_get(bulla_metrics *metrics, const char *name, const char *labels, const char *help,
                                bulla_metric_kind kind)
{
    if (metrics == NULL) return &spare;
    bulla_metric *metric = NULL;
    if (is_well_formed(name, labels)) {
        (void)pthread_mutex_lock(&metrics->lock);
        metric = series_make(metrics, name, labels, help, kind);
        (void)pthread_mutex_unlock(&metrics->lock);
    }
    if (metric != NULL) return metric;
    bulla_metric_add(metrics->dropped, 1);
    return &spare;
}

bulla_metric *bulla_metrics_counter(bulla_metrics *metrics, const char *name, const char *labels, const char *help)
{
    return series_get(metrics, name, labels, help, BULLA_METRIC_COUNTER);
}

bulla_metric *bulla_metrics_gauge(bulla_metrics *metrics, const char *name, const char *labels, const char *help)
{
    return series_get(metrics, name, labels, help, BULLA_METRIC_GAUGE);
}

bulla_metric *bulla_metrics_histogram(bulla_metrics *metrics, const char *name, const char *labels, const char *help)
{
    return series_get(metrics, name, labels, help, BULLA_METRIC_HISTOGRAM);
}

static void numbers_take(const bulla_metric *metric, bulla_metric_numbers *out)
{
    out->sample = (bulla_metric_sample){
        .name = metric->name, .labels = metric->labels, .help = metric->help, .kind = metric->kind};
    if (metric->kind != BULLA_METRIC_HISTOGRAM) {
        out->sample.value = (int64_t)word_sum(metric, 0);
        return;
    }
    out->sample.count = buckets_sum(metric, out->buckets);
    out->sample.sum_ns = (int64_t)word_sum(metric, SUM_WORD);
    out->sample.buckets = out->buckets;
    out->sample.bounds_ns = bounds;
    out->sample.num_buckets = BULLA_METRIC_BOUNDS;
}

/* The list is copied under its lock, for series are never taken from it; the numbers are read after. */
bulla_status bulla_metrics_each(const bulla_metrics *metrics, bulla_call *call, bulla_metric_visit visit, void *arg)
{
    bulla_metrics *list = (bulla_metrics *)(uintptr_t)metrics; /* only its lock changes */
    const bulla_metric *series[BULLA_METRICS_MAX_SERIES];
    bulla_metric_numbers numbers;
    if (metrics == NULL) return BULLA_OK;
    (void)pthread_mutex_lock(&list->lock);
    size_t num = list->num_series;
    memcpy(series, list->series, num * sizeof(bulla_metric *));
    (void)pthread_mutex_unlock(&list->lock);
    for (size_t i = 0; i < num; i++) {
        numbers_take(series[i], &numbers);
        BULLA_TRY(visit(arg, call, &numbers.sample));
    }
    return BULLA_OK;
}
