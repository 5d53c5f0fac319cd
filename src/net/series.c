/* SPDX-License-Identifier: Apache-2.0 */
#include "net/series.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* A label's value needs escapes for these (text format 0.0.4), and nobody needs these here. */
static void copy_label(char *out, size_t cap, const char *text)
{
    size_t len = strnlen(text, cap - 1);
    for (size_t i = 0; i < len; i++)
        out[i] = text[i] == '"' || text[i] == '\\' || (unsigned char)text[i] < 0x20 ? '_' : text[i];
    out[len] = '\0';
}

static void find_phases(const bulla_series_table *table, bulla_series *row)
{
    static const char *const names[BULLA_PHASES] = {"dns", "connect", "tls", "server", "transfer"};
    char labels[BULLA_METRICS_MAX_LABELS];
    for (size_t i = 0; i < BULLA_PHASES; i++) {
        (void)snprintf(labels, sizeof labels, "store=\"%s\",endpoint=\"%s\",phase=\"%s\"", table->store, row->endpoint,
                       names[i]);
        row->phases[i] = bulla_metrics_histogram(table->metrics, "bulla_kms_phase_seconds", labels,
                                                 "Time in each phase of requests to key stores");
    }
}

static void find_answers(const bulla_series_table *table, bulla_series *row)
{
    static const char *const codes[] = {"none", "2xx", "3xx", "4xx", "5xx"};
    char labels[BULLA_METRICS_MAX_LABELS];
    for (size_t i = 0; i < BULLA_LEN(codes); i++) {
        (void)snprintf(labels, sizeof labels, "store=\"%s\",endpoint=\"%s\",code=\"%s\"", table->store, row->endpoint,
                       codes[i]);
        row->answers[i] = bulla_metrics_counter(table->metrics, "bulla_kms_answers_total", labels,
                                                "Answers of key stores by class of their HTTP status");
    }
}

static void find_all(const bulla_series_table *table, bulla_series *row)
{
    char labels[BULLA_METRICS_MAX_LABELS];
    find_phases(table, row);
    find_answers(table, row);
    (void)snprintf(labels, sizeof labels, "store=\"%s\",endpoint=\"%s\"", table->store, row->endpoint);
    row->opened = bulla_metrics_counter(table->metrics, "bulla_kms_connections_opened_total", labels,
                                        "Connections made to key stores");
    row->reused = bulla_metrics_counter(table->metrics, "bulla_kms_connections_reused_total", labels,
                                        "Requests to key stores that found their connection made");
    (void)snprintf(labels, sizeof labels, "store=\"%s\",endpoint=\"%s\",call=\"%s\"", table->store, row->endpoint,
                   row->what);
    row->seconds = bulla_metrics_histogram(table->metrics, "bulla_kms_request_seconds", labels,
                                           "Time of each request to a key store, answered or not");
}

static const bulla_series *look_up(const bulla_series_table *table, const char *endpoint, const char *what)
{
    for (size_t i = 0; i < BULLA_SERIES_MAX; i++) {
        const bulla_series *row = __atomic_load_n(&table->rows[i], __ATOMIC_ACQUIRE);
        if (row == NULL) return NULL;
        if (strcmp(row->what, what) == 0 && strcmp(row->endpoint, endpoint) == 0) return row;
    }
    return NULL;
}

/* Rows are only ever added, each in the first free place. Two threads may add the same one at once: both then count
 * into the same series. */
static bool add_row(bulla_series_table *table, bulla_series *row)
{
    for (size_t i = 0; i < BULLA_SERIES_MAX; i++) {
        bulla_series *none = NULL;
        if (__atomic_compare_exchange_n(&table->rows[i], &none, row, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return true;
    }
    return false;
}

const bulla_series *bulla_series_find(bulla_series_table *table, const char *endpoint, const char *what)
{
    char endpoint_label[BULLA_SERIES_ENDPOINT], what_label[BULLA_SERIES_WHAT];
    copy_label(endpoint_label, sizeof endpoint_label, endpoint);
    copy_label(what_label, sizeof what_label, what);
    const bulla_series *found = look_up(table, endpoint_label, what_label);
    if (found != NULL || __atomic_load_n(&table->rows[BULLA_SERIES_MAX - 1], __ATOMIC_ACQUIRE) != NULL) return found;
    bulla_series *row = table->env->alloc(table->env->arg, sizeof *row);
    if (row == NULL) return NULL;
    memcpy(row->endpoint, endpoint_label, sizeof row->endpoint);
    memcpy(row->what, what_label, sizeof row->what);
    find_all(table, row);
    if (add_row(table, row)) return row;
    bulla_free(table->env, row);
    return NULL;
}

void bulla_series_init(bulla_series_table *table, const bulla_env *env, const char *store, bulla_metrics *metrics)
{
    *table = (bulla_series_table){.env = env, .metrics = metrics};
    copy_label(table->store, sizeof table->store, store);
}

void bulla_series_done(bulla_series_table *table)
{
    for (size_t i = 0; i < BULLA_SERIES_MAX; i++)
        bulla_free(table->env, table->rows[i]);
}
