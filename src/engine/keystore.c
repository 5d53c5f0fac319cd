/* SPDX-License-Identifier: Apache-2.0 */
/* The keystore as a whole: made, checked, saved and brought back. */
#include "base/bytes.h"
#include "engine/stack.h"

static bulla_status enter(bulla *house, bulla_call *call)
{
    if (house == NULL) return bulla_fail(call, BULLA_EINVAL, "no house is given");
    BULLA_TRY(bulla_house_admit(call));
    return bulla_call_check(call);
}

static bulla_status address_check(bulla_call *call, const char *address)
{
    if (address == NULL || address[0] == '\0')
        return bulla_fail(call, BULLA_EINVAL, "no address is given for the root key");
    if (strnlen(address, BULLA_MAX_ADDRESS + 1) > BULLA_MAX_ADDRESS)
        return bulla_fail(call, BULLA_EINVAL, "the root key's address is over %u bytes", BULLA_MAX_ADDRESS);
    return BULLA_OK;
}

bulla_status bulla_keystore_create(bulla *house, bulla_call *call, const char *root_address)
{
    BULLA_AUTO(bulla_provider) *root = NULL;
    const char *path = NULL;
    BULLA_TRY(enter(house, call));
    BULLA_TRY(address_check(call, root_address));
    BULLA_TRY(bulla_house_store_path(house, call, &path));
    bulla_opener opener = bulla_house_opener(house);
    BULLA_TRY(opener.open(opener.arg, call, root_address, &root));
    return bulla_store_create(call, path, root, root_address);
}

bulla_status bulla_keystore_root_rotate(bulla *house, bulla_call *call, const char *root_address)
{
    BULLA_AUTO(bulla_provider) *root = NULL;
    bulla_store *store = NULL;
    char present[BULLA_MAX_ADDRESS + 1];
    BULLA_TRY(enter(house, call));
    BULLA_TRY(bulla_house_store(house, call, &store));
    if (root_address == NULL) {
        BULLA_TRY(bulla_store_root_address(store, call, present));
        root_address = present;
    }
    BULLA_TRY(address_check(call, root_address));
    bulla_opener opener = bulla_house_opener(house);
    BULLA_TRY(opener.open(opener.arg, call, root_address, &root));
    BULLA_TRY(bulla_store_root_rotate(store, call, root, root_address));
    bulla_stack_purge(house, (bulla_view){NULL, 0});
    return BULLA_OK;
}

bulla_status bulla_keystore_info_get(bulla *house, bulla_call *call, bulla_keystore_info *out_info)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter(house, call));
    BULLA_TRY(bulla_house_store(house, call, &store));
    return bulla_store_info_get(store, call, out_info);
}

bulla_status bulla_keystore_check(bulla *house, bulla_call *call, bulla_finding_visit visit, void *arg)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter(house, call));
    BULLA_TRY(bulla_house_store(house, call, &store));
    return bulla_store_check(store, call, visit, arg);
}

bulla_status bulla_backup(bulla *house, bulla_call *call, bulla_view config, bulla_provider *const *recipients,
                          size_t num_recipients, const bulla_sink *sink)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter(house, call));
    BULLA_TRY(bulla_house_store(house, call, &store));
    return bulla_store_backup(store, call, config, recipients, num_recipients, sink);
}

bulla_status bulla_restore(bulla *house, bulla_call *call, bulla_provider *const *recipients, size_t num_recipients,
                           const bulla_source *source, bulla_bytes *out_config)
{
    const char *path = NULL;
    BULLA_TRY(enter(house, call));
    BULLA_TRY(bulla_house_store_path(house, call, &path));
    bulla_opener opener = bulla_house_opener(house);
    const bulla_restore_plan plan = {path, &opener, recipients, num_recipients};
    return bulla_store_restore(call, &plan, source, out_config);
}
