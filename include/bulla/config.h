/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulla.yaml: what a program or a person has decided once and for all calls. Strict: an unknown or misspelt name, a
 * value of the wrong kind or a variable that is not set is ECONFIG with file, line, column and the nearest valid name.
 * See bulla.yaml(5).
 */
#ifndef BULLA_CONFIG_H
#define BULLA_CONFIG_H

#include "bulla/house.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_MAX_CONFIG (1u << 20) /* bytes of a configuration */

typedef struct bulla_config bulla_config;

/* The effective values. Everything is borrowed from the configuration. */
typedef struct bulla_settings {
    size_t size;           /* sizeof(bulla_settings) of the library */
    bulla_options options; /* keystore.path, crypto.engine, cache: ready for bulla_open */
    const char *root;      /* keystore.root: address of the provider for the root key of a new keystore */
    const char *const *recipients;
    size_t num_recipients;
    uint16_t suite;        /* envelope.suite */
    uint32_t frame_len;    /* envelope.frame_size */
    size_t min_recipients; /* envelope.min_recipients; 0: all */
    bulla_log_level log_level;
} bulla_settings;

/* bulla_config_open reads the configuration at `path`. NULL: the file that the call's environment names in
 * BULLA_CONFIG, else $XDG_CONFIG_HOME/bulla/bulla.yaml (without that variable $HOME/.config/bulla/bulla.yaml) when
 * there is one, else the defaults. Ownership: *out_config is released with bulla_config_free. Errors: ENOFILE, ECONFIG,
 * ELIMIT, EIO. */
BULLA_API BULLA_MUST_USE bulla_status bulla_config_open(bulla_call *call, const char *path, bulla_config **out_config);

/* bulla_config_parse takes the text of a configuration; `source` names it in errors. Empty text gives the defaults. */
BULLA_API BULLA_MUST_USE bulla_status bulla_config_parse(bulla_call *call, bulla_view text, const char *source,
                                                         bulla_config **out_config);

/* bulla_config_set overrides one value, such as "keystore.path", with text as the file would hold it, not substituted;
 * `source` says who did. */
BULLA_API BULLA_MUST_USE bulla_status bulla_config_set(bulla_config *config, bulla_call *call, const char *name,
                                                       const char *value, const char *source);

/* bulla_config_settings returns the effective values, bulla_config_path the file they came from, or NULL. Borrowed for
 * the life of the configuration; settings change with bulla_config_set. */
BULLA_API const bulla_settings *bulla_config_settings(const bulla_config *config);
BULLA_API const char *bulla_config_path(const bulla_config *config);

typedef enum bulla_config_kind {
    BULLA_CONFIG_TEXT = 0,
    BULLA_CONFIG_NUMBER = 1, /* a count */
    BULLA_CONFIG_BOOL = 2,
    BULLA_CONFIG_LIST = 3
} bulla_config_kind;

typedef struct bulla_config_item {
    const char *name; /* such as "cache.ttl" */
    bulla_config_kind kind;
    const char *value;         /* as written: a variable shows as ${NAME}, since it may be a secret; "" for a list */
    const char *const *values; /* of a list */
    size_t num_values;
    const char *source; /* "default", the file, or who set it; "default" also where nothing is set */
    unsigned line;      /* in the file; 0: not from there */
} bulla_config_item;
typedef bulla_status (*bulla_config_visit)(void *arg, bulla_call *call, const bulla_config_item *item);

/* bulla_config_show visits every value in the order of bulla.yaml(5). A visitor ends the walk by failing. */
BULLA_API BULLA_MUST_USE bulla_status bulla_config_show(const bulla_config *config, bulla_call *call,
                                                        bulla_config_visit visit, void *arg);

/* bulla_config_free releases the configuration. Accepts NULL. */
BULLA_API void bulla_config_free(bulla_config *config);

#ifdef __cplusplus
}
#endif

#endif
