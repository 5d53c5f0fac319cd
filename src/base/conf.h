/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small strict YAML: sections of named values by a table, and nothing else. Names, kinds and ranges are checked where
 * they stand; every error is ECONFIG with source:line:column, and a misspelt name comes with the nearest valid one.
 * Anchors, aliases, tags, directives, several documents and repeated names are refused. `${NAME}` in a value stands for
 * a variable of the call's environment, `$$` for a dollar sign.
 */
#ifndef BULLA_BASE_CONF_H
#define BULLA_BASE_CONF_H

#include "base/macros.h"
#include "bulla/secret.h"

#define BULLA_CONF_MAX_TEXT 4096u /* bytes of one value, before and after substitution */
#define BULLA_CONF_MAX_ITEMS 64u  /* items of a list */
#define BULLA_CONF_MAX_BLOCKS 32u /* of one field */
#define BULLA_CONF_MAX_BLOCK_NAME 31u

typedef enum bulla_conf_kind {
    BULLA_CONF_TEXT,
    BULLA_CONF_NUMBER,   /* decimal digits */
    BULLA_CONF_SIZE,     /* bytes, with K, M, G or KiB, MiB, GiB: powers of 1,024 */
    BULLA_CONF_DURATION, /* with ms, s, m, h or d; kept in milliseconds */
    BULLA_CONF_BOOL,     /* true or false */
    BULLA_CONF_WORD,     /* one of a few */
    BULLA_CONF_LIST,     /* of texts */
    BULLA_CONF_SECRET,   /* text that goes into a secret and is never shown */
    BULLA_CONF_BLOCKS    /* named blocks, each with the fields of a table of its own */
} bulla_conf_kind;

typedef struct bulla_conf_field {
    const char *name; /* "recipients", or "cache.ttl" for ttl in the section cache */
    bulla_conf_kind kind;
    uint64_t min, max;                     /* of numbers, sizes and durations */
    const char *const *words;              /* NULL-terminated, of BULLA_CONF_WORD */
    const struct bulla_conf_field *fields; /* of BULLA_CONF_BLOCKS; no blocks within blocks */
    size_t num_fields;
} bulla_conf_field;

typedef struct bulla_conf_value {
    char *text;    /* NULL: not set; of a list, a secret and blocks always NULL */
    char *written; /* the same before substitution: what may be shown; of a secret only when it is all ${NAME} */
    bulla_secret *secret;
    char *items[BULLA_CONF_MAX_ITEMS], *items_written[BULLA_CONF_MAX_ITEMS];
    size_t num_items;
    uint64_t number;     /* of numbers, sizes (bytes), durations (ms), bools (0, 1), words (index) */
    bool is_set;         /* by the text or bulla_conf_set */
    size_t line, column; /* from 1; 0: not from the text */
    const char *source;  /* borrowed; NULL when not set */
} bulla_conf_value;

typedef struct bulla_conf bulla_conf;

/* Takes `text` apart. `fields` and what they point to are borrowed for the life of *out_conf; `source` is copied. */
BULLA_MUST_USE bulla_status bulla_conf_parse(bulla_call *call, const bulla_conf_field *fields, size_t num_fields,
                                             bulla_view text, const char *source, bulla_conf **out_conf);

/* Sets one value from text, as if it stood in the file, without substitution; a list gets this one item. `source` is
 * borrowed. */
BULLA_MUST_USE bulla_status bulla_conf_set(bulla_conf *conf, bulla_call *call, const char *name, const char *value,
                                           const char *source);

/* The value of field `index`. Borrowed. */
const bulla_conf_value *bulla_conf_get(const bulla_conf *conf, size_t index);

/* Block `index` in the order of the text, from 0; its name is valid as long as `conf`. NULL beyond the last. A block's
 * values are reached with its field's table. */
const bulla_conf *bulla_conf_block(const bulla_conf *conf, size_t index, const char **out_name);

/* An error about a value that is there: ECONFIG with its place. */
bulla_status bulla_conf_fail(const bulla_conf *conf, bulla_call *call, size_t index, const char *why);

void bulla_conf_free(bulla_conf *conf);
BULLA_AUTO_DEFINE(bulla_conf, bulla_conf_free)

#endif
