/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus's text exposition format 0.0.4. Of a histogram's bounds the powers of two are shown: buckets there are
 * cumulated, so any of them may be left out, and whoever scrapes pays for each line.
 */
#include "base/mem.h"
#include "base/metrics_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_LINE 1024u
#define MAX_TEXT (64u << 20)

/* Text that grows, NUL-terminated. */
typedef struct page {
    char *text;
    size_t len, cap;
    const char *name; /* of the series before */
} page;

static bulla_status page_grow(page *out, bulla_call *call)
{
    size_t cap = out->cap == 0 ? 16384 : 2 * out->cap;
    void *memory = NULL;
    if (cap > MAX_TEXT) return bulla_fail(call, BULLA_ELIMIT, "the metrics take more than %u bytes", MAX_TEXT);
    BULLA_TRY(bulla_alloc(call, cap, &memory));
    if (out->len != 0) memcpy(memory, out->text, out->len);
    bulla_free(bulla_env_of(call), out->text);
    out->text = memory;
    out->cap = cap;
    return BULLA_OK;
}

static bulla_status page_line(page *out, bulla_call *call, const char *format, ...) BULLA_PRINTF(3, 4);
static bulla_status page_line(page *out, bulla_call *call, const char *format, ...)
{
    if (out->cap - out->len < MAX_LINE) BULLA_TRY(page_grow(out, call));
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out->text + out->len, MAX_LINE, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= MAX_LINE) return bulla_fail(call, BULLA_EINTERNAL, "a line of metrics is too long");
    out->len += (size_t)len;
    return BULLA_OK;
}

/* Seconds without zeros at their end. */
static const char *seconds(int64_t ns, char *out, size_t cap)
{
    int len = snprintf(out, cap, "%lld.%09lld", (long long)(ns / 1000000000), (long long)(ns % 1000000000));
    while (len > 0 && out[len - 1] == '0')
        out[--len] = '\0';
    if (len > 0 && out[len - 1] == '.') out[--len] = '\0';
    return out;
}

static bulla_status put_head(page *out, bulla_call *call, const bulla_metric_sample *sample)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    char help[256];
    size_t len = 0;
    for (const char *at = sample->help; *at != '\0' && len < sizeof help - 3; at++) {
        if (*at == '\\' || *at == '\n') help[len++] = '\\';
        help[len++] = *at == '\n' ? 'n' : *at;
    }
    help[len] = '\0';
    return page_line(out, call, "# HELP %s %s\n# TYPE %s %s\n", sample->name, help, sample->name, kinds[sample->kind]);
}

static bulla_status put_histogram(page *out, bulla_call *call, const bulla_metric_sample *sample)
{
    char number[40];
    uint64_t seen = 0;
    const char *open = sample->labels[0] == '\0' ? "" : "{", *shut = sample->labels[0] == '\0' ? "" : "}";
    const char *comma = sample->labels[0] == '\0' ? "" : ",";
    for (size_t i = 0; i < sample->num_buckets; i++) {
        bool is_last = i == sample->num_buckets - 1;
        seen += sample->buckets[i];
        if (i % 4 != 0 && !is_last) continue;
        BULLA_TRY(page_line(out, call, "%s_bucket{%s%sle=\"%s\"} %llu\n", sample->name, sample->labels, comma,
                            is_last ? "+Inf" : seconds(sample->bounds_ns[i], number, sizeof number),
                            (unsigned long long)seen));
    }
    return page_line(out, call, "%s_sum%s%s%s %s\n%s_count%s%s%s %llu\n", sample->name, open, sample->labels, shut,
                     seconds(sample->sum_ns, number, sizeof number), sample->name, open, sample->labels, shut,
                     (unsigned long long)sample->count);
}

static bulla_status put_sample(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    page *out = arg;
    if (out->name == NULL || strcmp(out->name, sample->name) != 0) BULLA_TRY(put_head(out, call, sample));
    out->name = sample->name;
    if (sample->kind == BULLA_METRIC_HISTOGRAM) return put_histogram(out, call, sample);
    const char *open = sample->labels[0] == '\0' ? "" : "{", *shut = sample->labels[0] == '\0' ? "" : "}";
    return page_line(out, call, "%s%s%s%s %lld\n", sample->name, open, sample->labels, shut, (long long)sample->value);
}

bulla_status bulla_metrics_format(const bulla_metrics *metrics, bulla_call *call, char **out_text)
{
    page out = {.text = NULL};
    bulla_status status = page_grow(&out, call);
    if (status == BULLA_OK) status = bulla_metrics_each(metrics, call, put_sample, &out);
    if (status != BULLA_OK) {
        bulla_free(bulla_env_of(call), out.text);
        return status;
    }
    *out_text = out.text;
    return BULLA_OK;
}
