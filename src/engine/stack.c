/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stack.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "engine/guard.h"
#include "provider/wrappers.h"

#include <stdio.h>

#define MAX_KEYS 8u       /* that stand in for each other */
#define FAILOVER_MS 3000u /* bulla_failover_options.failover_timeout_ms, by default */
_Static_assert(MAX_KEYS <= BULLA_MAX_ENDPOINTS, "members holds either");
_Static_assert(BULLA_FAILOVER_MAX_MS <= UINT32_MAX / BULLA_MAX_ENDPOINTS, "a key's turn is a number of milliseconds");

/* A key of a configured store on its way to being opened. */
typedef struct target {
    const bulla_backend *backend; /* NULL: no store, but a back end without configuration or a program's own */
    const bulla_kms_config *config;
    const char *address;
} target;

/* What failover chooses from. */
typedef struct members {
    bulla_provider *list[BULLA_MAX_ENDPOINTS];
    size_t num;
    uint32_t most_endpoints; /* that one of them has; of keys */
} members;

static void members_done(members *all)
{
    for (size_t i = 0; i < all->num; i++)
        bulla_provider_unref(all->list[i]);
}

bulla_status bulla_stack_address(const bulla *house, bulla_call *call, const char *address,
                                 char out_address[BULLA_MAX_ADDRESS + 1])
{
    const bulla_kms_config *config = NULL;
    if (strncmp(address, "kms:", 4) != 0) {
        if (strlen(address) > BULLA_MAX_ADDRESS)
            return bulla_fail(call, BULLA_EINVAL, "an address has at most %u bytes", BULLA_MAX_ADDRESS);
        memcpy(out_address, address, strlen(address) + 1);
        return BULLA_OK;
    }
    if (strlen(address + 4) > BULLA_KMS_NAME_MAX)
        return bulla_fail(call, BULLA_EINVAL, "kms: the name of a key store has at most %u bytes", BULLA_KMS_NAME_MAX);
    BULLA_TRY(bulla_kms_find(house->kms, call, NULL, address + 4, &config));
    const bulla_backend *backend = bulla_backend_find(config->provider);
    if (backend == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": there is no provider \"%.40s\"", config->name,
                          config->provider);
    return backend->address_of(call, config, out_address, BULLA_MAX_ADDRESS + 1);
}

static bulla_status target_find(const bulla *house, bulla_call *call, const char *address, target *out_target)
{
    char scheme[BULLA_SCHEME_MAX + 1], name[BULLA_KMS_NAME_MAX + 2];
    BULLA_TRY(bulla_address_scheme_parse(call, address, scheme));
    *out_target = (target){bulla_backend_find(scheme), NULL, address};
    if (out_target->backend == NULL) return BULLA_OK;
    bool named = bulla_kms_name_of(address, name, sizeof name);
    return bulla_kms_find(house->kms, call, scheme, named ? name : NULL, &out_target->config);
}

/* breaker(retry(back end)) of one endpoint. */
static bulla_status endpoint_open(bulla *house, bulla_call *call, const target *from, size_t index,
                                  bulla_provider **out_provider)
{
    BULLA_AUTO(bulla_provider) *backend = NULL, *retry = NULL, *breaker = NULL;
    char labels[96];
    (void)snprintf(labels, sizeof labels, "store=\"%s\",endpoint=\"%zu\"", from->config->name, index);
    const bulla_wrapper_site site = {labels, house->metrics};
    BULLA_TRY(from->backend->open(house->kms, call, from->config, from->address, index, &backend));
    if (from->config->retry.disabled)
        retry = BULLA_TAKE(backend);
    else
        BULLA_TRY(bulla_retry_new(call, backend, &from->config->retry, &site, &retry));
    if (from->config->breaker.disabled)
        breaker = BULLA_TAKE(retry);
    else
        BULLA_TRY(bulla_breaker_new(call, retry, &from->config->breaker, &site, &breaker));
    *out_provider = BULLA_TAKE(breaker);
    return BULLA_OK;
}

static bulla_status failover_new(bulla *house, bulla_call *call, const target *from, const members *all,
                                 const bulla_failover_options *options, bulla_provider **out_provider)
{
    char labels[64];
    bool is_one_key = options == &from->config->failover;
    (void)snprintf(labels, sizeof labels, "store=\"%s\",of=\"%s\"", from->config->name,
                   is_one_key ? "endpoints" : "keys");
    const bulla_wrapper_site site = {labels, house->metrics};
    return bulla_failover_new(call, all->list, all->num, is_one_key, options, &site, out_provider);
}

static size_t endpoints_of(const target *from)
{
    size_t num = from->backend->endpoints(from->config, from->address);
    return num < BULLA_MAX_ENDPOINTS ? num : BULLA_MAX_ENDPOINTS;
}

/* All endpoints of one key. */
static bulla_status key_open(bulla *house, bulla_call *call, const target *from, bulla_provider **out_provider)
{
    __attribute__((cleanup(members_done))) members all = {.num = 0};
    if (from->backend == NULL) return bulla_house_backend_open(house, call, from->address, out_provider);
    for (size_t i = 0; i < endpoints_of(from); i++) {
        BULLA_TRY(endpoint_open(house, call, from, i, &all.list[i]));
        all.num++;
    }
    if (all.num > 1) return failover_new(house, call, from, &all, &from->config->failover, out_provider);
    *out_provider = bulla_provider_ref(all.list[0]);
    return BULLA_OK;
}

static bulla_status key_add(bulla *house, bulla_call *call, const target *from, members *all)
{
    uint32_t num = from->backend == NULL ? 1 : (uint32_t)endpoints_of(from);
    BULLA_TRY(key_open(house, call, from, &all->list[all->num]));
    all->num++;
    if (num > all->most_endpoints) all->most_endpoints = num;
    return BULLA_OK;
}

/* Another key that may stand in. */
static bulla_status replica_add(bulla *house, bulla_call *call, const char *address, members *all)
{
    char resolved[BULLA_MAX_ADDRESS + 1];
    target replica;
    if (all->num == MAX_KEYS)
        return bulla_fail(call, BULLA_ECONFIG, "failover: there is room for %u keys in all", MAX_KEYS);
    BULLA_TRY(bulla_stack_address(house, call, address, resolved));
    BULLA_TRY(target_find(house, call, resolved, &replica));
    return key_add(house, call, &replica, all);
}

/* The key and those that may stand in for it. One key's turn lasts as long as the turns of its endpoints together. */
static bulla_status keys_open(bulla *house, bulla_call *call, const target *from, bulla_provider **out_provider)
{
    __attribute__((cleanup(members_done))) members all = {.num = 0};
    bulla_failover_options options = from->config->failover;
    if (options.primary != NULL) BULLA_TRY(replica_add(house, call, options.primary, &all));
    BULLA_TRY(key_add(house, call, from, &all));
    for (size_t i = 0; i < options.num_replicas; i++)
        BULLA_TRY(replica_add(house, call, options.replicas[i], &all));
    options.failover_timeout_ms =
        (options.failover_timeout_ms == 0 ? FAILOVER_MS : options.failover_timeout_ms) * all.most_endpoints;
    return failover_new(house, call, from, &all, &options, out_provider);
}

/* The store's own cache options, else the house's; NULL: no cache. */
static const bulla_cache_options *cache_of(const bulla *house, const target *from)
{
    if (from->config != NULL && from->config->cache != NULL)
        return from->config->cache->ttl_ms == 0 ? NULL : from->config->cache;
    return house->has_cache ? &house->cache : NULL;
}

static bulla_status uncached_open(bulla *house, bulla_call *call, const target *from, bulla_provider **out_provider)
{
    if (from->config != NULL && from->config->failover.enabled) return keys_open(house, call, from, out_provider);
    return key_open(house, call, from, out_provider);
}

bulla_status bulla_stack_root_open(bulla *house, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    char resolved[BULLA_MAX_ADDRESS + 1];
    target from;
    BULLA_TRY(bulla_stack_address(house, call, address, resolved));
    BULLA_TRY(target_find(house, call, resolved, &from));
    return uncached_open(house, call, &from, out_provider);
}

static void bare_warn(const bulla *house, const char *name, const char *address)
{
    const char *who = strcmp(name, "file") == 0  ? "whoever reads the file has the key"
                      : strcmp(name, "env") == 0 ? "other processes of this user can read the key"
                                                 : NULL;
    if (who != NULL) bulla_log(house->env, BULLA_LOG_WARN, "fit for development, since %s: %.300s", who, address);
}

bulla_status bulla_stack_open(bulla *house, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    char resolved[BULLA_MAX_ADDRESS + 1];
    BULLA_AUTO(bulla_provider) *backend = NULL, *cache = NULL;
    target from;
    BULLA_TRY(bulla_stack_address(house, call, address, resolved));
    BULLA_TRY(target_find(house, call, resolved, &from));
    BULLA_TRY(uncached_open(house, call, &from, &backend));
    bare_warn(house, bulla_provider_name(backend), resolved);
    const bulla_cache_options *options = cache_of(house, &from);
    if (options != NULL) BULLA_TRY(bulla_cache_new(call, backend, options, &cache));
    const bulla_guarded guarded = {cache == NULL ? backend : cache, cache};
    return bulla_guard_new(house, call, resolved, &guarded, out_provider);
}
