/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/house.h"

#include "base/bytes.h"
#include "base/lock.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/rand.h"
#include "engine/stack.h"
#include "provider/address.h"

#define MAX_PATH 900u /* leaves room for the names of the files in the folder */

#ifndef BULLA_VERSION
#error "BULLA_VERSION comes from the build"
#endif

BULLA_AUTO_DEFINE(bulla, bulla_house_unref)

const char *bulla_version(void)
{
    return BULLA_VERSION;
}

const char *bulla_aead_name(void)
{
    return bulla_aead_engine_name();
}

bulla_status bulla_random(bulla_call *call, uint8_t *out, size_t len)
{
    if (out == NULL && len != 0) return bulla_fail(call, BULLA_EINVAL, "random bytes have nowhere to go");
    return bulla_rand(call, out, len);
}

/* What the caller's options say, whatever version of the struct they were built with. */
static bulla_status options_read(bulla_call *call, const bulla_options *options, bulla_options *out_options)
{
    bulla_options read = {.size = sizeof read};
    if (options != NULL) {
        if (options->size < sizeof options->size || options->size > 4096)
            return bulla_fail(call, BULLA_EINVAL, "bulla_options.size is %zu: set it to sizeof(bulla_options)",
                              options->size);
        memcpy(&read, options, options->size < sizeof read ? options->size : sizeof read);
    }
    if (read.store != NULL && (read.store[0] == '\0' || strlen(read.store) > MAX_PATH))
        return bulla_fail(call, BULLA_EINVAL, "the keystore's path is empty or over %u bytes", MAX_PATH);
    if (read.cache != NULL &&
        (read.cache->size < offsetof(bulla_cache_options, max_entries) || read.cache->ttl_ms == 0))
        return bulla_fail(call, BULLA_EINVAL, "the cache needs its size and a time to live: set cache.ttl_ms");
    if (read.num_kms != 0 && read.kms == NULL)
        return bulla_fail(call, BULLA_EINVAL, "bulla_options.num_kms is %zu but kms is NULL", read.num_kms);
    *out_options = read;
    return BULLA_OK;
}

static bulla_status text_copy(bulla_call *call, const char *text, char **out_copy)
{
    void *copy = NULL;
    if (text == NULL) return BULLA_OK;
    BULLA_TRY(bulla_alloc(call, strlen(text) + 1, &copy));
    memcpy(copy, text, strlen(text));
    *out_copy = copy;
    return BULLA_OK;
}

/* local: is a scheme like any other, served by the house's own keystore. */
static bulla_status local_scheme_open(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    static const char *const no_params[] = {NULL};
    bulla_address parsed;
    bulla_store *store = NULL;
    BULLA_TRY(bulla_address_parse(call, address, &parsed));
    BULLA_TRY(bulla_address_params_check(call, &parsed, no_params));
    BULLA_TRY(bulla_house_store(arg, call, &store));
    return bulla_local_open(store, call, parsed.body, out_provider);
}

/* Of what this version of the library knows, as much as the program was built with. */
static size_t cache_len(const bulla_cache_options *cache)
{
    return cache->size < sizeof *cache ? cache->size : sizeof *cache;
}

static bulla_status house_new(bulla_call *call, const bulla_options *options, bulla **out_house)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla), &memory));
    bulla *house = memory;
    house->refs = 1;
    house->env = bulla_env_of(call);
    house->has_cache = options->cache != NULL;
    if (house->has_cache) memcpy(&house->cache, options->cache, cache_len(options->cache));
    (void)pthread_mutex_init(&house->lock, NULL);
    bulla_lock_init(&house->store_lock);
    *out_house = house;
    return BULLA_OK;
}

/* The key stores, and the schemes that open from them. */
static bulla_status stores_open(bulla *house, bulla_call *call, const bulla_options *options)
{
    BULLA_TRY(bulla_metrics_new(call, &house->metrics));
    BULLA_TRY(bulla_kms_new(call, options->kms, options->num_kms, house->metrics, &house->kms));
    bulla_registry_init(&house->registry, house->kms);
    const bulla_scheme local = {.name = "local", .open = local_scheme_open, .arg = house};
    BULLA_TRY(bulla_registry_add(&house->registry, call, &local));
    return BULLA_OK;
}

bulla_status bulla_open(bulla_call *call, const bulla_options *options, bulla **out_house)
{
    bulla_options read = {.size = sizeof read};
    BULLA_AUTO(bulla) *house = NULL;
    BULLA_TRY(options_read(call, options, &read));
    BULLA_TRY(bulla_aead_engine_set(call, read.aead == NULL ? "auto" : read.aead));
    BULLA_TRY(house_new(call, &read, &house));
    BULLA_TRY(text_copy(call, read.store, &house->store_path));
    BULLA_TRY(stores_open(house, call, &read));
    *out_house = BULLA_TAKE(house);
    return BULLA_OK;
}

void bulla_house_ref(bulla *house)
{
    bulla_refs_take(&house->refs);
}

void bulla_house_unref(bulla *house)
{
    if (house == NULL || !bulla_refs_drop(&house->refs)) return;
    bulla_store_unref(house->store);
    bulla_kms_free(house->kms);
    bulla_metrics_unref(house->metrics);
    (void)pthread_mutex_destroy(&house->store_lock);
    (void)pthread_mutex_destroy(&house->lock);
    bulla_free(house->env, house->store_path);
    bulla_free(house->env, house);
}

void bulla_close(bulla *house)
{
    bulla_house_unref(house);
}

bulla_status bulla_scheme_add(bulla *house, bulla_call *call, const bulla_scheme *scheme)
{
    if (house == NULL || scheme == NULL || scheme->name == NULL || scheme->open == NULL)
        return bulla_fail(call, BULLA_EINVAL, "a scheme needs a house, a name and a function that opens its addresses");
    (void)pthread_mutex_lock(&house->lock);
    bulla_status status = bulla_registry_add(&house->registry, call, scheme);
    (void)pthread_mutex_unlock(&house->lock);
    return status;
}

bulla_status bulla_house_backend_open(bulla *house, bulla_call *call, const char *address,
                                      bulla_provider **out_provider)
{
    bulla_registry registry;
    (void)pthread_mutex_lock(&house->lock);
    registry = house->registry; /* opened from a copy: a back end may open others in turn */
    (void)pthread_mutex_unlock(&house->lock);
    return bulla_registry_open(&registry, call, address, out_provider);
}

static bulla_status root_open(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    if (strncmp(address, "local:", 6) == 0)
        return bulla_fail(call, BULLA_EINVAL,
                          "the root key cannot lie in the keystore that it protects: "
                          "give a file: or env: address");
    return bulla_stack_root_open(arg, call, address, out_provider);
}

bulla_opener bulla_house_opener(bulla *house)
{
    return (bulla_opener){root_open, house};
}

bulla_status bulla_house_store_path(bulla *house, bulla_call *call, const char **out_path)
{
    if (house->store_path == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "no keystore is configured: set keystore.path (bulla_options.store)");
    *out_path = house->store_path;
    return BULLA_OK;
}

bulla_status bulla_house_store(bulla *house, bulla_call *call, bulla_store **out_store)
{
    const char *path = NULL;
    BULLA_TRY(bulla_house_store_path(house, call, &path));
    bulla_opener opener = bulla_house_opener(house);
    bulla_status status = BULLA_OK;
    BULLA_TRY(bulla_lock_wait(&house->store_lock, call, "the keystore"));
    if (house->store == NULL) status = bulla_store_open(call, path, &opener, &house->store);
    bulla_store *store = house->store;
    (void)pthread_mutex_unlock(&house->store_lock);
    if (status == BULLA_OK) *out_store = store;
    return status;
}

bulla_status bulla_house_admit(bulla_call *call)
{
    if (call == NULL || call->principal[0] == '\0') return BULLA_OK;
    bulla_view name = bulla_view_of(call->principal, strnlen(call->principal, sizeof call->principal));
    bool printable = name.len < sizeof call->principal && bulla_utf8_is(name);
    for (size_t i = 0; printable && i < name.len; i++)
        printable = name.data[i] >= 0x20 && name.data[i] != 0x7F;
    return printable ? BULLA_OK : bulla_fail(call, BULLA_EAUTHN, "the caller's name is not printable text");
}

bulla_status bulla_provider_open(bulla *house, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    if (house == NULL || address == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no address is given");
    BULLA_TRY(bulla_house_admit(call));
    return bulla_stack_open(house, call, address, out_provider);
}
