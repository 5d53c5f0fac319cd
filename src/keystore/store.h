/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keystore as the engine sees it (spec/keystore.md). Every change is one transaction together with its line in the
 * history, and durable when the function returns BULLA_OK. All functions are safe from any thread; visitors are called
 * with nothing locked and may call back. A key is named by its name, an alias or its id.
 */
#ifndef BULLA_KEYSTORE_STORE_H
#define BULLA_KEYSTORE_STORE_H

#include "bulla/keystore.h"
#include "provider/provider.h"

typedef struct bulla_store bulla_store;

/* How the store reaches the provider that protects its root key. Borrowed for the life of the store. */
typedef struct bulla_opener {
    bulla_status (*open)(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider);
    void *arg;
} bulla_opener;

/* --- the store --- */

/* Makes an empty keystore in the folder `path`, which is made too if need be. EEXISTS when there is one. */
BULLA_MUST_USE bulla_status bulla_store_create(bulla_call *call, const char *path, bulla_provider *root,
                                               const char *root_address);
/* Opens the keystore in `path`. The root key is fetched when a key is first needed, not here. ENOFILE, EFORMAT,
 * EUNSUPPORTED (a later format), ECORRUPT. Ownership: *out_store holds one reference. */
BULLA_MUST_USE bulla_status bulla_store_open(bulla_call *call, const char *path, const bulla_opener *opener,
                                             bulla_store **out_store);
bulla_store *bulla_store_ref(bulla_store *store);
void bulla_store_unref(bulla_store *store);
BULLA_AUTO_DEFINE(bulla_store, bulla_store_unref)

BULLA_MUST_USE bulla_status bulla_store_info_get(bulla_store *store, bulla_call *call, bulla_keystore_info *out_info);
/* The address that the store was last seen to name for its root key; the caller has BULLA_MAX_ADDRESS + 1 bytes. */
BULLA_MUST_USE bulla_status bulla_store_root_address(bulla_store *store, bulla_call *call, char *out_address);
BULLA_MUST_USE bulla_status bulla_store_root_rotate(bulla_store *store, bulla_call *call, bulla_provider *root,
                                                    const char *root_address);
BULLA_MUST_USE bulla_status bulla_store_check(bulla_store *store, bulla_call *call, bulla_finding_visit visit,
                                              void *arg);
BULLA_MUST_USE bulla_status bulla_store_backup(bulla_store *store, bulla_call *call, bulla_view config,
                                               bulla_provider *const *recipients, size_t num_recipients,
                                               const bulla_sink *sink);
/* `recipients` none: the provider that `opener` opens for the address in the backup. */
typedef struct bulla_restore_plan {
    const char *path;
    const bulla_opener *opener;
    bulla_provider *const *recipients;
    size_t num_recipients;
} bulla_restore_plan;
BULLA_MUST_USE bulla_status bulla_store_restore(bulla_call *call, const bulla_restore_plan *plan,
                                                const bulla_source *source, bulla_bytes *out_config);

/* --- keys: what bulla/keystore.h says of the functions of the same name --- */

BULLA_MUST_USE bulla_status bulla_store_key_create(bulla_store *store, bulla_call *call, const char *name,
                                                   const bulla_key_options *options, bulla_key_info *out_info);
BULLA_MUST_USE bulla_status bulla_store_key_info(bulla_store *store, bulla_call *call, const char *key,
                                                 bulla_key_info *out_info);
BULLA_MUST_USE bulla_status bulla_store_key_list(bulla_store *store, bulla_call *call, bool destroyed,
                                                 bulla_key_visit visit, void *arg);
BULLA_MUST_USE bulla_status bulla_store_key_versions(bulla_store *store, bulla_call *call, const char *key,
                                                     bulla_version_visit visit, void *arg);
BULLA_MUST_USE bulla_status bulla_store_history(bulla_store *store, bulla_call *call, const char *key,
                                                bulla_event_visit visit, void *arg);

/* `out_id` (BULLA_KEY_ID_TEXT + 1 bytes) tells which key it was, for those who keep opened data keys. */
BULLA_MUST_USE bulla_status bulla_store_key_rotate(bulla_store *store, bulla_call *call, const char *key, char *out_id,
                                                   uint32_t *out_version);
BULLA_MUST_USE bulla_status bulla_store_rotate_due(bulla_store *store, bulla_call *call, uint32_t *out_num_rotated);
BULLA_MUST_USE bulla_status bulla_store_key_rewrap(bulla_store *store, bulla_call *call, const char *key,
                                                   bulla_progress_visit progress, void *arg);
BULLA_MUST_USE bulla_status bulla_store_key_enable(bulla_store *store, bulla_call *call, const char *key);
BULLA_MUST_USE bulla_status bulla_store_key_disable(bulla_store *store, bulla_call *call, const char *key,
                                                    char *out_id);
BULLA_MUST_USE bulla_status bulla_store_rotation_set(bulla_store *store, bulla_call *call, const char *key,
                                                     uint32_t period_s);
BULLA_MUST_USE bulla_status bulla_store_alias_set(bulla_store *store, bulla_call *call, const char *alias,
                                                  const char *key);
BULLA_MUST_USE bulla_status bulla_store_tag_set(bulla_store *store, bulla_call *call, const char *key, const char *tag,
                                                const char *value);
BULLA_MUST_USE bulla_status bulla_store_aliases(bulla_store *store, bulla_call *call, const char *key,
                                                bulla_label_visit visit, void *arg);
BULLA_MUST_USE bulla_status bulla_store_tags(bulla_store *store, bulla_call *call, const char *key,
                                             bulla_label_visit visit, void *arg);
BULLA_MUST_USE bulla_status bulla_store_deletion_schedule(bulla_store *store, bulla_call *call, const char *key,
                                                          unsigned days, char *out_id, int64_t *out_deletion_s);
BULLA_MUST_USE bulla_status bulla_store_deletion_cancel(bulla_store *store, bulla_call *call, const char *key);
BULLA_MUST_USE bulla_status bulla_store_import_begin(bulla_store *store, bulla_call *call, const char *name,
                                                     uint32_t valid_s, bulla_import *out_import);
BULLA_MUST_USE bulla_status bulla_store_import_finish(bulla_store *store, bulla_call *call, const char *key,
                                                      const char *token, bulla_view wrapped_material,
                                                      bulla_key_info *out_info);
BULLA_MUST_USE bulla_status bulla_store_export_public(bulla_store *store, bulla_call *call, const char *key,
                                                      bulla_bytes *out_pem);

/* --- data keys kept in the store --- */

BULLA_MUST_USE bulla_status bulla_store_dek_keep(bulla_store *store, bulla_call *call, const char *key,
                                                 bulla_context *context, const bulla_datakey_options *options,
                                                 char out_id[33], bulla_datakey **out_datakey);
BULLA_MUST_USE bulla_status bulla_store_dek_load(bulla_store *store, bulla_call *call, const char *id,
                                                 bulla_context *context, const bulla_datakey_options *options,
                                                 bulla_datakey **out_datakey);
BULLA_MUST_USE bulla_status bulla_store_dek_forget(bulla_store *store, bulla_call *call, const char *id);

/* --- the seam --- */

/* Opens the provider of one key, or, with an empty name, one that unwraps what any key of the store wrapped and wraps
 * nothing. The provider means the key it was opened for, whatever its name means later. */
BULLA_MUST_USE bulla_status bulla_local_open(bulla_store *store, bulla_call *call, const char *key,
                                             bulla_provider **out_provider);

#endif
