/* SPDX-License-Identifier: Apache-2.0 */
/* What a client counts, found once for each endpoint and call. */
#ifndef BULLA_NET_SERIES_H
#define BULLA_NET_SERIES_H

#include "net/http.h"

#define BULLA_SERIES_ENDPOINT 96u /* room for a label's text, which is cut to it */
#define BULLA_SERIES_WHAT 32u
#define BULLA_SERIES_MAX 128u /* pairs of endpoint and call; those beyond are not counted */

typedef enum bulla_phase {
    BULLA_PHASE_DNS,
    BULLA_PHASE_CONNECT,
    BULLA_PHASE_TLS,
    BULLA_PHASE_SERVER,
    BULLA_PHASE_TRANSFER,
    BULLA_PHASES
} bulla_phase;

#define BULLA_ANSWERS 5u

typedef struct bulla_series {
    char endpoint[BULLA_SERIES_ENDPOINT], what[BULLA_SERIES_WHAT];
    bulla_metric *seconds;                /* bulla_kms_request_seconds: answered or not */
    bulla_metric *phases[BULLA_PHASES];   /* bulla_kms_phase_seconds */
    bulla_metric *answers[BULLA_ANSWERS]; /* bulla_kms_answers_total: none, 2xx, 3xx, 4xx, 5xx */
    bulla_metric *opened, *reused;        /* bulla_kms_connections_opened_total, …_reused_total */
} bulla_series;

typedef struct bulla_series_table {
    const bulla_env *env;
    bulla_metrics *metrics; /* may be NULL; borrowed */
    char store[32];
    bulla_series *rows[BULLA_SERIES_MAX];
} bulla_series_table;

void bulla_series_init(bulla_series_table *table, const bulla_env *env, const char *store, bulla_metrics *metrics);
void bulla_series_done(bulla_series_table *table);

/* The row, made at the first call; NULL when there is no room for it. Any thread; no lock once the row is there. */
const bulla_series *bulla_series_find(bulla_series_table *table, const char *endpoint, const char *what);

#endif
