/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stack.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "engine/guard.h"
#include "provider/wrappers.h"

#include <stdio.h>

#define MAX_REPLICAS 8u
#define MAX_MEMBERS (BULLA_MAX_ENDPOINTS + MAX_REPLICAS)

/* A key of a configured store on its way to being opened. */
typedef struct target {
    const bulla_backend *backend; /* NULL: no store, but a back end without configuration or a program's own */
    const bulla_kms_config *config;
    const char *address;
} target;

/* What failover chooses from. */
typedef struct members {
    bulla_provider *list[MAX_MEMBERS];
    size_t num;
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
    BULLA_AUTO(bulla_provider) *backend = NULL, *breaker = NULL;
    char labels[96];
    (void)snprintf(labels, sizeof labels, "store=\"%s\",endpoint=\"%zu\"", from->config->name, index);
    const bulla_wrapper_site site = {labels, house->metrics};
    BULLA_TRY(from->backend->open(house->kms, call, from->config, from->address, index, &backend));
    breaker = BULLA_TAKE(backend);
    (void)site;
    *out_provider = BULLA_TAKE(breaker);
    return BULLA_OK;
}

static bulla_status endpoints_add(bulla *house, bulla_call *call, const target *from, members *all)
{
    size_t num = from->backend->endpoints(house->kms, from->config);
    for (size_t i = 0; i < num && i < BULLA_MAX_ENDPOINTS; i++) {
        if (all->num == MAX_MEMBERS)
            return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": failover has room for %u endpoints",
                              from->config->name, MAX_MEMBERS);
        BULLA_TRY(endpoint_open(house, call, from, i, &all->list[all->num]));
        all->num++;
    }
    return BULLA_OK;
}

/* A key that may stand in: the endpoints of its store, or a back end without one. */
static bulla_status member_add(bulla *house, bulla_call *call, const char *address, members *all)
{
    char resolved[BULLA_MAX_ADDRESS + 1];
    target replica;
    BULLA_TRY(bulla_stack_address(house, call, address, resolved));
    BULLA_TRY(target_find(house, call, resolved, &replica));
    if (replica.backend != NULL) return endpoints_add(house, call, &replica, all);
    if (all->num == MAX_MEMBERS)
        return bulla_fail(call, BULLA_ECONFIG, "failover has room for %u endpoints", MAX_MEMBERS);
    BULLA_TRY(bulla_house_backend_open(house, call, resolved, &all->list[all->num]));
    all->num++;
    return BULLA_OK;
}

static bulla_status failover_open(bulla *house, bulla_call *call, const target *from, bulla_provider **out_provider)
{
    const bulla_failover_options *options = &from->config->failover;
    __attribute__((cleanup(members_done))) members all = {.num = 0};
    char labels[64];
    if (options->enabled && options->primary != NULL) BULLA_TRY(member_add(house, call, options->primary, &all));
    BULLA_TRY(endpoints_add(house, call, from, &all));
    for (size_t i = 0; options->enabled && i < options->num_replicas; i++)
        BULLA_TRY(member_add(house, call, options->replicas[i], &all));
    (void)labels;
    *out_provider = bulla_provider_ref(all.list[0]);
    return BULLA_OK;
}

/* The store's own cache options, else the house's; NULL: no cache. */
static const bulla_cache_options *cache_of(const bulla *house, const target *from)
{
    if (from->config != NULL && from->config->cache != NULL)
        return from->config->cache->ttl_ms == 0 ? NULL : from->config->cache;
    return house->has_cache ? &house->cache : NULL;
}

bulla_status bulla_stack_open(bulla *house, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    char resolved[BULLA_MAX_ADDRESS + 1];
    BULLA_AUTO(bulla_provider) *backend = NULL, *cache = NULL;
    target from;
    BULLA_TRY(bulla_stack_address(house, call, address, resolved));
    BULLA_TRY(target_find(house, call, resolved, &from));
    if (from.backend != NULL)
        BULLA_TRY(failover_open(house, call, &from, &backend));
    else
        BULLA_TRY(bulla_house_backend_open(house, call, resolved, &backend));
    const bulla_cache_options *options = cache_of(house, &from);
    if (options != NULL) BULLA_TRY(bulla_cache_new(call, backend, options, &cache));
    const bulla_guarded guarded = {cache == NULL ? backend : cache, cache};
    return bulla_guard_new(house, call, resolved, &guarded, out_provider);
}
