/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration from inside: the table of names, and what has been read. */
#ifndef BULLA_ENGINE_CONFIG_H
#define BULLA_ENGINE_CONFIG_H

#include "base/conf.h"
#include "bulla/config.h"
#include "bulla/envelope.h"
#include "engine/kms_config.h"

#define BULLA_CONFIG_MAX_PATH 1024u

enum {
    BULLA_CONFIG_KEYSTORE_PATH,
    BULLA_CONFIG_KEYSTORE_ROOT,
    BULLA_CONFIG_RECIPIENTS,
    BULLA_CONFIG_SUITE,
    BULLA_CONFIG_FRAME_SIZE,
    BULLA_CONFIG_MIN_RECIPIENTS,
    BULLA_CONFIG_ENGINE,
    BULLA_CONFIG_CACHE, /* the first of BULLA_CACHE_NUM */
    BULLA_CONFIG_LOG_LEVEL = BULLA_CONFIG_CACHE + BULLA_CACHE_NUM,
    BULLA_CONFIG_KMS,
    BULLA_CONFIG_NUM
};
extern const bulla_conf_field bulla_config_fields[BULLA_CONFIG_NUM];

struct bulla_config {
    const bulla_env *env;
    bulla_conf *conf;
    bulla_settings settings;
    bulla_cache_options cache;
    bulla_kms_block blocks[BULLA_CONF_MAX_BLOCKS];
    bulla_kms_config kms[BULLA_CONF_MAX_BLOCKS]; /* of the blocks, as bulla_open wants them */
    const char *recipients[BULLA_CONF_MAX_ITEMS];
    char path[BULLA_CONFIG_MAX_PATH]; /* empty: no file */
};

BULLA_AUTO_DEFINE(bulla_config, bulla_config_free)

#endif
