/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys as programs manage them. Every request takes the same way: who asks is admitted, the keystore is opened, the
 * change is made there with its line in the history, and the caches forget what is no longer true.
 */
#include "base/bytes.h"
#include "engine/stack.h"

static bulla_status enter(bulla *house, bulla_call *call, bulla_store **out_store)
{
    if (house == NULL) return bulla_fail(call, BULLA_EINVAL, "no house is given");
    BULLA_TRY(bulla_house_admit(call));
    BULLA_TRY(bulla_call_check(call));
    return bulla_house_store(house, call, out_store);
}

static bulla_status text_check(bulla_call *call, const char *text, const char *what)
{
    if (text == NULL || text[0] == '\0') return bulla_fail(call, BULLA_EINVAL, "no %s is given", what);
    if (strnlen(text, BULLA_MAX_NAME + 1) > BULLA_MAX_NAME)
        return bulla_fail(call, BULLA_EINVAL, "the %s is over %u bytes", what, BULLA_MAX_NAME);
    return BULLA_OK;
}

static bulla_status enter_key(bulla *house, bulla_call *call, const char *key, bulla_store **out_store)
{
    BULLA_TRY(text_check(call, key, "key"));
    return enter(house, call, out_store);
}

bulla_status bulla_key_create(bulla *house, bulla_call *call, const char *name, const bulla_key_options *options,
                              bulla_key_info *out_info)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, name, &store));
    return bulla_store_key_create(store, call, name, options, out_info);
}

bulla_status bulla_key_info_get(bulla *house, bulla_call *call, const char *key, bulla_key_info *out_info)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_key_info(store, call, key, out_info);
}

bulla_status bulla_key_list(bulla *house, bulla_call *call, bool destroyed, bulla_key_visit visit, void *arg)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter(house, call, &store));
    return bulla_store_key_list(store, call, destroyed, visit, arg);
}

bulla_status bulla_key_versions(bulla *house, bulla_call *call, const char *key, bulla_version_visit visit, void *arg)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_key_versions(store, call, key, visit, arg);
}

bulla_status bulla_key_history(bulla *house, bulla_call *call, const char *key, bulla_event_visit visit, void *arg)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter(house, call, &store));
    if (key != NULL) BULLA_TRY(text_check(call, key, "key"));
    return bulla_store_history(store, call, key, visit, arg);
}

bulla_status bulla_key_rotate(bulla *house, bulla_call *call, const char *key, uint32_t *out_version)
{
    bulla_store *store = NULL;
    char id[BULLA_KEY_ID_TEXT + 1];
    BULLA_TRY(enter_key(house, call, key, &store));
    BULLA_TRY(bulla_store_key_rotate(store, call, key, id, out_version));
    bulla_stack_purge(house, bulla_view_text(id));
    return BULLA_OK;
}

bulla_status bulla_key_rotate_due(bulla *house, bulla_call *call, uint32_t *out_num_rotated)
{
    bulla_store *store = NULL;
    uint32_t num_rotated = 0;
    BULLA_TRY(enter(house, call, &store));
    bulla_status status = bulla_store_rotate_due(store, call, &num_rotated);
    if (num_rotated != 0) bulla_stack_purge(house, (bulla_view){NULL, 0}); /* some were rotated before one failed */
    BULLA_TRY(status);
    if (out_num_rotated != NULL) *out_num_rotated = num_rotated;
    return BULLA_OK;
}

bulla_status bulla_key_rewrap(bulla *house, bulla_call *call, const char *key, bulla_progress_visit progress, void *arg)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_key_rewrap(store, call, key, progress, arg);
}

bulla_status bulla_key_enable(bulla *house, bulla_call *call, const char *key)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_key_enable(store, call, key);
}

bulla_status bulla_key_disable(bulla *house, bulla_call *call, const char *key)
{
    bulla_store *store = NULL;
    char id[BULLA_KEY_ID_TEXT + 1];
    BULLA_TRY(enter_key(house, call, key, &store));
    BULLA_TRY(bulla_store_key_disable(store, call, key, id));
    bulla_stack_purge(house, bulla_view_text(id));
    return BULLA_OK;
}

bulla_status bulla_key_rotation_set(bulla *house, bulla_call *call, const char *key, uint32_t period_s)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_rotation_set(store, call, key, period_s);
}

bulla_status bulla_key_alias_set(bulla *house, bulla_call *call, const char *alias, const char *key)
{
    bulla_store *store = NULL;
    BULLA_TRY(text_check(call, alias, "alias"));
    if (key != NULL) BULLA_TRY(text_check(call, key, "key"));
    BULLA_TRY(enter(house, call, &store));
    return bulla_store_alias_set(store, call, alias, key);
}

bulla_status bulla_key_tag_set(bulla *house, bulla_call *call, const char *key, const char *tag, const char *value)
{
    bulla_store *store = NULL;
    BULLA_TRY(text_check(call, tag, "tag"));
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_tag_set(store, call, key, tag, value);
}

bulla_status bulla_key_aliases(bulla *house, bulla_call *call, const char *key, bulla_label_visit visit, void *arg)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_aliases(store, call, key, visit, arg);
}

bulla_status bulla_key_tags(bulla *house, bulla_call *call, const char *key, bulla_label_visit visit, void *arg)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_tags(store, call, key, visit, arg);
}

bulla_status bulla_key_deletion_schedule(bulla *house, bulla_call *call, const char *key, unsigned days,
                                         int64_t *out_deletion_s)
{
    bulla_store *store = NULL;
    char id[BULLA_KEY_ID_TEXT + 1];
    BULLA_TRY(enter_key(house, call, key, &store));
    BULLA_TRY(bulla_store_deletion_schedule(store, call, key, days, id, out_deletion_s));
    bulla_stack_purge(house, bulla_view_text(id));
    return BULLA_OK;
}

bulla_status bulla_key_deletion_cancel(bulla *house, bulla_call *call, const char *key)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_deletion_cancel(store, call, key);
}

bulla_status bulla_key_import_begin(bulla *house, bulla_call *call, const char *name, uint32_t valid_s,
                                    bulla_import *out_import)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, name, &store));
    return bulla_store_import_begin(store, call, name, valid_s, out_import);
}

bulla_status bulla_key_import_finish(bulla *house, bulla_call *call, const char *key, const char *token,
                                     bulla_view wrapped_material, bulla_key_info *out_info)
{
    bulla_store *store = NULL;
    BULLA_TRY(text_check(call, token, "import token"));
    BULLA_TRY(enter_key(house, call, key, &store));
    bulla_key_info info;
    BULLA_TRY(bulla_store_import_finish(store, call, key, token, wrapped_material, &info));
    bulla_stack_purge(house, bulla_view_text(info.id));
    if (out_info != NULL) *out_info = info;
    return BULLA_OK;
}

bulla_status bulla_key_export_public(bulla *house, bulla_call *call, const char *key, bulla_bytes *out_pem)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_export_public(store, call, key, out_pem);
}

bulla_status bulla_datakey_keep(bulla *house, bulla_call *call, const char *key, bulla_context *context,
                                const bulla_datakey_options *options, char out_id[33], bulla_datakey **out_datakey)
{
    bulla_store *store = NULL;
    BULLA_TRY(enter_key(house, call, key, &store));
    return bulla_store_dek_keep(store, call, key, context, options, out_id, out_datakey);
}

bulla_status bulla_datakey_load(bulla *house, bulla_call *call, const char *id, bulla_context *context,
                                const bulla_datakey_options *options, bulla_datakey **out_datakey)
{
    bulla_store *store = NULL;
    BULLA_TRY(text_check(call, id, "data key"));
    BULLA_TRY(enter(house, call, &store));
    return bulla_store_dek_load(store, call, id, context, options, out_datakey);
}

bulla_status bulla_datakey_forget(bulla *house, bulla_call *call, const char *id)
{
    bulla_store *store = NULL;
    BULLA_TRY(text_check(call, id, "data key"));
    BULLA_TRY(enter(house, call, &store));
    return bulla_store_dek_forget(store, call, id);
}
