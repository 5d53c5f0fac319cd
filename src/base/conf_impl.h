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
    char block[BULLA_CONF_MAX_BLOCK_NAME + 64]; /* what this is, when it is a block: "kms.main" */
    struct {
        char name[BULLA_CONF_MAX_BLOCK_NAME + 1];
        bulla_conf *conf;
    } blocks[BULLA_CONF_MAX_BLOCKS]; /* of the one field that has them */
    size_t num_blocks;
};

/* Where something stands, from 1; line 0: nowhere in a text. */
typedef struct bulla_conf_place {
    const char *source;
    size_t line, column;
    const char *block; /* "kms.main" when it stands in one; NULL or empty: it does not */
} bulla_conf_place;

/* A configuration of `fields` with nothing set. */
BULLA_MUST_USE bulla_status bulla_conf_new(bulla_call *call, const bulla_conf_field *fields, size_t num_fields,
                                           const char *source, bulla_conf **out_conf);

/* One more block of field `index`, empty. ECONFIG for a name that is taken or is none. */
BULLA_MUST_USE bulla_status bulla_conf_block_add(bulla_conf *conf, bulla_call *call, size_t index, bulla_view name,
                                                 const bulla_conf_place *place, bulla_conf **out_block);

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
