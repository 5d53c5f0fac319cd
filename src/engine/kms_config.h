/* SPDX-License-Identifier: Apache-2.0 */
/* The section `kms` of a configuration: one block for each key store. */
#ifndef BULLA_ENGINE_KMS_CONFIG_H
#define BULLA_ENGINE_KMS_CONFIG_H

#include "base/conf.h"
#include "bulla/kms.h"

/* The settings of a cache, the same in the section `cache` of the whole and of one store. X(enumerator, name, kind,
 * min, max, fallback); kinds of base/conf.h. */
#define BULLA_CACHE_DAY_MS 86400000u
#define BULLA_CACHE_TABLE(X)                                                                                           \
    X(ENABLED, "cache.enabled", BOOL, 0, 0, "false")                                                                   \
    X(TTL, "cache.ttl", DURATION, 1, BULLA_CACHE_DAY_MS, "5m")                                                         \
    X(SIZE, "cache.max_size", NUMBER, 1, 1u << 20, "4096")                                                             \
    X(USES, "cache.max_uses", NUMBER, 0, UINT64_MAX, "0")                                                              \
    X(BYTES, "cache.max_bytes", SIZE, 0, UINT64_MAX, "0")                                                              \
    X(AHEAD, "cache.refresh_ahead", DURATION, 0, BULLA_CACHE_DAY_MS, "0s")                                             \
    X(OFFLINE, "cache.offline_window", DURATION, 0, 7 * BULLA_CACHE_DAY_MS, "0s")                                      \
    X(NEGATIVE, "cache.negative_ttl", DURATION, 0, 60000, "0s")                                                        \
    X(REUSE_AGE, "cache.reuse_age", DURATION, 0, BULLA_CACHE_DAY_MS, "0s")                                             \
    X(REUSE_MESSAGES, "cache.reuse_messages", NUMBER, 0, 1ull << 32, "0")                                              \
    X(REUSE_BYTES, "cache.reuse_bytes", SIZE, 0, UINT64_MAX, "0")

enum {
#define X(enumerator, name, kind, min, max, fallback) BULLA_CACHE_##enumerator,
    BULLA_CACHE_TABLE(X)
#undef X
        BULLA_CACHE_NUM
};

/* Puts what is set into `options`; the cache's fields stand in their order from `first`. */
void bulla_cache_options_fill(const bulla_conf *conf, size_t first, bool *enabled, bulla_cache_options *options);

#define BULLA_KMS_NUM_FIELDS 84u
extern const bulla_conf_field bulla_kms_fields[BULLA_KMS_NUM_FIELDS];

/* Fills `out_block` from a block; everything is borrowed from it, and its cache from `out_block`. `usual` is what holds
 * for the cache where the block says nothing, with `usual_enabled`. */
typedef struct bulla_kms_block {
    bulla_kms_config config;
    bulla_cache_options cache;
} bulla_kms_block;
void bulla_kms_block_fill(const bulla_conf *block, const char *name, const bulla_cache_options *usual,
                          bool usual_enabled, bulla_kms_block *out_block);

/* ECONFIG, with its place, for settings of a block that cannot stand together. */
BULLA_MUST_USE bulla_status bulla_kms_block_check(const bulla_conf *block, bulla_call *call);

#endif
