/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/histogram.h"

#include <string.h>

#define BAR 50u

/* Eight steps from one power of two to the next. */
static size_t index_of(int64_t ns)
{
    if (ns < 8) return ns < 0 ? 0 : (size_t)ns;
    unsigned power = 63u - (unsigned)__builtin_clzll((unsigned long long)ns);
    size_t index = (power - 2u) * 8u + (size_t)((ns >> (power - 3u)) & 7);
    return index < CLI_HISTOGRAM_BUCKETS ? index : CLI_HISTOGRAM_BUCKETS - 1;
}

/* The largest duration of a bucket. */
static int64_t bound_of(size_t index)
{
    if (index < 8) return (int64_t)index;
    unsigned power = (unsigned)(index / 8) + 2u;
    return ((int64_t)(index % 8 + 9) << (power - 3u)) - 1;
}

static void add_many(struct cli_histogram *histogram, int64_t ns, uint64_t num)
{
    histogram->buckets[index_of(ns)] += num;
    histogram->count += num;
    if (ns > histogram->max_ns) histogram->max_ns = ns;
}

void cli_histogram_add(struct cli_histogram *histogram, int64_t ns)
{
    add_many(histogram, ns, 1);
    histogram->sum_ns += ns;
}

void cli_histogram_merge(struct cli_histogram *histogram, const struct cli_histogram *other)
{
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
    histogram->count += other->count;
    histogram->sum_ns += other->sum_ns;
    if (other->max_ns > histogram->max_ns) histogram->max_ns = other->max_ns;
}

void cli_histogram_take(struct cli_histogram *histogram, const bulla_metric_sample *sample)
{
    memset(histogram, 0, sizeof *histogram);
    for (size_t i = 0; i < sample->num_buckets; i++) {
        bool last = i + 1 == sample->num_buckets;
        int64_t bound = last && i != 0 ? sample->bounds_ns[i - 1] : sample->bounds_ns[i];
        if (sample->buckets[i] != 0) add_many(histogram, bound, sample->buckets[i]);
    }
    histogram->sum_ns = sample->sum_ns;
}

int64_t cli_histogram_quantile_ns(const struct cli_histogram *histogram, unsigned percent)
{
    uint64_t wanted = (histogram->count * percent + 99) / 100, seen = 0;
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen != 0) return bound_of(i) < histogram->max_ns ? bound_of(i) : histogram->max_ns;
    }
    return 0;
}

static double mean_ms(const struct cli_histogram *histogram)
{
    return histogram->count == 0 ? 0 : (double)histogram->sum_ns / (double)histogram->count / 1e6;
}

static double ms(const struct cli_histogram *histogram, unsigned percent)
{
    return (double)cli_histogram_quantile_ns(histogram, percent) / 1e6;
}

/* What lies in each bucket that is not empty; not cumulated. */
static json_t *buckets_json(const struct cli_histogram *histogram)
{
    json_t *list = json_array();
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++)
        if (histogram->buckets[i] != 0)
            (void)json_array_append_new(list, json_pack("{s:f, s:I}", "up_to_ms", (double)bound_of(i) / 1e6, "count",
                                                        (json_int_t)histogram->buckets[i]));
    return list;
}

json_t *cli_histogram_json(const struct cli_histogram *histogram, const char *name)
{
    return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:o}", "name", name, "count", (json_int_t)histogram->count,
                     "mean_ms", mean_ms(histogram), "p50_ms", ms(histogram, 50), "p90_ms", ms(histogram, 90), "p99_ms",
                     ms(histogram, 99), "max_ms", (double)histogram->max_ns / 1e6, "buckets", buckets_json(histogram));
}

/* A row for every half power of two in which something lies. */
void cli_histogram_draw(const struct cli_histogram *histogram, const struct cli *cli)
{
    uint64_t rows[CLI_HISTOGRAM_BUCKETS / 4] = {0}, most = 1;
    size_t first = CLI_HISTOGRAM_BUCKETS / 4, last = 0;
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++) {
        rows[i / 4] += histogram->buckets[i];
        if (rows[i / 4] > most) most = rows[i / 4];
        if (histogram->buckets[i] == 0) continue;
        if (i / 4 < first) first = i / 4;
        last = i / 4;
    }
    for (size_t row = first; row <= last && histogram->count != 0; row++) {
        char bar[BAR + 1];
        size_t len = (size_t)(rows[row] * BAR / most);
        if (len == 0 && rows[row] != 0) len = 1;
        memset(bar, '#', len);
        bar[len] = '\0';
        (void)printf("  %10.3f ms %8llu%s%s%s%s\n", (double)bound_of(row * 4 + 3) / 1e6, (unsigned long long)rows[row],
                     len == 0 ? "" : " ", cli_paint(cli, CLI_GREEN), bar, cli_paint(cli, CLI_PLAIN));
    }
    (void)printf("  p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, longest %.2f ms\n\n", ms(histogram, 50), ms(histogram, 90),
                 ms(histogram, 99), (double)histogram->max_ns / 1e6);
}
