/* SPDX-License-Identifier: Apache-2.0 */
/* The guard: the engine's own wrapper, first in every stack. */
#include "engine/guard.h"

#include "base/mem.h"
#include "engine/stack.h"

#include <string.h>

struct bulla_guard {
    bulla_provider base;
    bulla_provider_ops ops; /* the guard's functions under the name and with the abilities of what is inside */
    bulla_provider *inner;
    bulla_provider *cache; /* the one in the stack, for its statistics; NULL: none */
    char *address;
    bulla *house;
    bulla_guard *next, **link; /* in house->guards */
};

static bulla_guard *guard_of(bulla_provider *provider)
{
    return (bulla_guard *)(void *)provider;
}

static bool guard_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return bulla_provider_matches(((const bulla_guard *)(const void *)provider)->inner, wrapped);
}

static bulla_status guard_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_describe(guard_of(provider)->inner, call, out_info);
}

static bulla_status guard_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_wrap(guard_of(provider)->inner, call, context, dek, out_wrapped);
}

static bulla_status guard_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_unwrap(guard_of(provider)->inner, call, context, wrapped, out_dek);
}

static bulla_status guard_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                  bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_datakey(guard_of(provider)->inner, call, context, len, out_dek, out_wrapped);
}

static bulla_status guard_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_rewrap(guard_of(provider)->inner, call, context, wrapped, out_wrapped);
}

static bulla_status guard_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    BULLA_TRY(bulla_house_admit(call));
    bulla_status status = bulla_provider_rotate(guard_of(provider)->inner, call, out_version);
    bool may_have_happened = status == BULLA_OK || bulla_status_class(status) == BULLA_CLASS_UNSURE;
    if (may_have_happened) bulla_stack_purge(guard_of(provider)->house, (bulla_view){NULL, 0});
    return status;
}

static void guard_purge(bulla_provider *provider, const bulla_purge *what)
{
    bulla_provider_pass_purge(guard_of(provider)->inner, what);
}

static bulla_status guard_check(bulla_provider *provider, bulla_call *call)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_check(guard_of(provider)->inner, call);
}

static bulla_status guard_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_list(guard_of(provider)->inner, call, visit, arg);
}

static bulla_status guard_create(bulla_provider *provider, bulla_call *call)
{
    BULLA_TRY(bulla_house_admit(call));
    return bulla_provider_create(guard_of(provider)->inner, call);
}

static void guard_link(bulla_guard *guard)
{
    bulla *house = guard->house;
    (void)pthread_mutex_lock(&house->lock);
    guard->next = house->guards;
    guard->link = &house->guards;
    if (guard->next != NULL) guard->next->link = &guard->next;
    house->guards = guard;
    (void)pthread_mutex_unlock(&house->lock);
}

static void guard_unlink(bulla_guard *guard)
{
    bulla *house = guard->house;
    (void)pthread_mutex_lock(&house->lock);
    *guard->link = guard->next;
    if (guard->next != NULL) guard->next->link = guard->link;
    (void)pthread_mutex_unlock(&house->lock);
}

static void guard_destroy(bulla_provider *provider)
{
    bulla_guard *guard = guard_of(provider);
    bulla *house = guard->house;
    guard_unlink(guard);
    bulla_provider_unref(guard->inner);
    bulla_provider_unref(guard->cache);
    bulla_free(house->env, guard->address);
    bulla_free(house->env, guard);
    bulla_house_unref(house);
}

static const bulla_provider_ops guard_ops = {
    .size = sizeof guard_ops,
    .matches = guard_matches,
    .describe = guard_describe,
    .wrap = guard_wrap,
    .unwrap = guard_unwrap,
    .datakey = guard_datakey,
    .rewrap = guard_rewrap,
    .rotate = guard_rotate,
    .purge = guard_purge,
    .destroy = guard_destroy,
    .check = guard_check,
    .list = guard_list,
    .create = guard_create,
};

bulla_status bulla_guard_new(bulla *house, bulla_call *call, const char *address, const bulla_guarded *guarded,
                             bulla_provider **out_provider)
{
    void *memory = NULL, *text = NULL;
    BULLA_TRY(bulla_alloc(call, strlen(address) + 1, &text));
    bulla_status status = bulla_alloc(call, sizeof(bulla_guard), &memory);
    if (status != BULLA_OK) bulla_free(house->env, text);
    BULLA_TRY(status);
    bulla_guard *guard = memory;
    guard->address = memcpy(text, address, strlen(address));
    guard->ops = guard_ops;
    guard->ops.name = bulla_provider_name(guarded->inner);
    guard->ops.can = bulla_provider_can(guarded->inner);
    guard->ops.idempotent = bulla_provider_idempotent(guarded->inner);
    guard->inner = bulla_provider_ref(guarded->inner);
    guard->cache = bulla_provider_ref(guarded->cache);
    guard->house = house;
    bulla_house_ref(house);
    bulla_provider_init(&guard->base, &guard->ops);
    guard_link(guard);
    *out_provider = &guard->base;
    return BULLA_OK;
}

void bulla_stack_purge(bulla *house, bulla_view key_id)
{
    (void)pthread_mutex_lock(&house->lock);
    for (bulla_guard *guard = house->guards; guard != NULL; guard = guard->next)
        bulla_provider_purge(guard->inner, key_id);
    (void)pthread_mutex_unlock(&house->lock);
}

static size_t caches_count(const bulla *house)
{
    size_t num = 0;
    for (const bulla_guard *guard = house->guards; guard != NULL; guard = guard->next)
        num += guard->cache != NULL;
    return num;
}

static bulla_status place_take(bulla_call *call, const bulla_guard *guard, bulla_cache_place *place)
{
    void *address = NULL;
    BULLA_TRY(bulla_alloc(call, strlen(guard->address) + 1, &address));
    place->address = memcpy(address, guard->address, strlen(guard->address));
    place->cache = bulla_provider_ref(guard->cache);
    return BULLA_OK;
}

/* With the lock of the house held. */
static bulla_status places_take(bulla *house, bulla_call *call, bulla_cache_place **out_places, size_t *out_num)
{
    void *memory = NULL;
    size_t num = 0;
    bulla_status status = bulla_alloc(call, caches_count(house) * sizeof(bulla_cache_place), &memory);
    bulla_cache_place *places = memory;
    for (bulla_guard *guard = house->guards; guard != NULL && status == BULLA_OK; guard = guard->next) {
        if (guard->cache == NULL) continue;
        status = place_take(call, guard, &places[num]);
        num += status == BULLA_OK;
    }
    *out_places = places;
    *out_num = num;
    return status;
}

bulla_status bulla_guard_caches(bulla *house, bulla_call *call, bulla_cache_place **out_places, size_t *out_num)
{
    bulla_cache_place *places = NULL;
    size_t num = 0;
    (void)pthread_mutex_lock(&house->lock);
    bulla_status status = places_take(house, call, &places, &num);
    (void)pthread_mutex_unlock(&house->lock);
    if (status != BULLA_OK) {
        bulla_guard_caches_done(house, places, num);
        return status;
    }
    *out_places = places;
    *out_num = num;
    return BULLA_OK;
}

/* Outside the lock: the last reference to a cache may go here. */
void bulla_guard_caches_done(const bulla *house, bulla_cache_place *places, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        bulla_provider_unref(places[i].cache);
        bulla_free(house->env, places[i].address);
    }
    bulla_free(house->env, places);
}
