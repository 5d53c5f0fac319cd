/* SPDX-License-Identifier: Apache-2.0 */
/* What conf.c, conf_value.c and conf_read.c share. */
#ifndef BULLA_BASE_CONF_IMPL_H
#define BULLA_BASE_CONF_IMPL_H

#include "base/bytes.h"
#include "base/conf.h"
#include "base/mem.h"

struct bulla_conf {
    const bulla_env *env;
    const bulla_conf_field *fields;
    size_t num_fields;
    bulla_conf_value *values;
    bool *opened; /* by field: the section that this field is the first of has been met */
    char source[1024];
};

/* Where something stands, from 1; line 0: nowhere in a text. */
typedef struct bulla_conf_place {
    const char *source;
    size_t line, column;
} bulla_conf_place;

/* ECONFIG with the place before the sentence. */
bulla_status bulla_conf_fail_at(bulla_call *call, const bulla_conf_place *place, const char *format, ...)
    BULLA_PRINTF(3, 4);

/* Puts `written` into a field that holds one value, or as one more item into a list. */
BULLA_MUST_USE bulla_status bulla_conf_value_put(bulla_conf *conf, bulla_call *call, size_t index, bulla_view written,
                                                 bool substitute, const bulla_conf_place *place);

/* Empties a value. */
void bulla_conf_value_done(bulla_conf *conf, size_t index);

/* Reads the whole text into `conf`. */
BULLA_MUST_USE bulla_status bulla_conf_read(bulla_conf *conf, bulla_call *call, bulla_view text);

#endif
