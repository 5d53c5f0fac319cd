/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the provider contract that need a keystore: its keys, alone, behind the cache and from a house. */
#include "contract/provider_contract.h"
#include "keystore/store.h"
#include "provider/registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char store_dir[96], root_address[160];

static bulla_status open_root(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    (void)arg;
    bulla_registry registry;
    bulla_registry_init(&registry, NULL);
    return bulla_registry_open(&registry, call, address, out_provider);
}
static const bulla_opener opener = {open_root, NULL};

static bulla_status make_local(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    (void)row;
    BULLA_AUTO(bulla_store) *store = NULL;
    BULLA_TRY(bulla_store_open(call, store_dir, &opener, &store));
    return bulla_local_open(store, call, which == 0 ? "first" : "second", out_provider);
}

static bulla_status make_cache(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    static const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 60000, .max_entries = 100};
    BULLA_AUTO(bulla_provider) *inner = NULL;
    BULLA_TRY(make_local(row, call, which, &inner));
    return bulla_cache_new(call, inner, &options, out_provider);
}

/* As programs get it: guard, cache, keystore. */
static bulla_status make_house(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    static const bulla_cache_options cache = {.size = sizeof cache, .ttl_ms = 60000, .max_entries = 100};
    const bulla_options options = {.size = sizeof options, .store = store_dir, .cache = row->inner ? &cache : NULL};
    bulla *house = NULL;
    BULLA_TRY(bulla_open(call, &options, &house));
    bulla_status status = bulla_provider_open(house, call, which == 0 ? "local:first" : "local:second", out_provider);
    bulla_close(house);
    return status;
}

static const contract_row cached_row = {.name = "cache over local", .make = make_cache};

const contract_row contract_rows[] = {
    {.name = "local", .make = make_local},
    {.name = "cache over local", .make = make_cache},
    {.name = "guard over local", .make = make_house},
    {.name = "guard over cache over local", .make = make_house, .inner = &cached_row},
};
const size_t num_contract_rows = BULLA_LEN(contract_rows);

static void key_create(bulla_call *call, const char *name)
{
    BULLA_AUTO(bulla_store) *store = NULL;
    if (bulla_store_open(call, store_dir, &opener, &store) != BULLA_OK ||
        bulla_store_key_create(store, call, name, NULL, NULL) != BULLA_OK)
        abort();
}

void contract_rows_prepare(const char *dir)
{
    bulla_call call;
    BULLA_AUTO(bulla_provider) *root = NULL;
    char path[96];
    const uint8_t key[32] = {7, 200, 3};
    bulla_call_init(&call, NULL);
    (void)snprintf(store_dir, sizeof store_dir, "%s/store", dir);
    (void)snprintf(path, sizeof path, "%s/root.key", dir);
    (void)snprintf(root_address, sizeof root_address, "file:%s?namespace=contract&name=root", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, key, sizeof key) != (ssize_t)sizeof key || close(fd) != 0) abort();
    if (open_root(NULL, &call, root_address, &root) != BULLA_OK ||
        bulla_store_create(&call, store_dir, root, root_address) != BULLA_OK)
        abort();
    key_create(&call, "first");
    key_create(&call, "second");
}
