/* SPDX-License-Identifier: Apache-2.0 */
/* How long things took: eight buckets for each power of two, so that a quantile is right within a tenth. */
#ifndef BULLA_CLI_HISTOGRAM_H
#define BULLA_CLI_HISTOGRAM_H

#include "cli/cli.h"

#define CLI_HISTOGRAM_BUCKETS 320u /* from 1 ns to 2^40 ns, eighteen minutes */

struct cli_histogram {
    uint64_t buckets[CLI_HISTOGRAM_BUCKETS];
    uint64_t count;
    int64_t sum_ns, max_ns;
};

void cli_histogram_add(struct cli_histogram *histogram, int64_t ns);
void cli_histogram_merge(struct cli_histogram *histogram, const struct cli_histogram *other);
/* From a histogram of the library, whose buckets are coarser. */
void cli_histogram_take(struct cli_histogram *histogram, const bulla_metric_sample *sample);

int64_t cli_histogram_quantile_ns(const struct cli_histogram *histogram, unsigned percent);

/* {"name", "count", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms", "buckets": [{"up_to_ms", "count"}, …]} */
json_t *cli_histogram_json(const struct cli_histogram *histogram, const char *name);

/* Bars, and a line of figures. */
void cli_histogram_draw(const struct cli_histogram *histogram, const struct cli *cli);

#endif
