/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded keystore: named master keys with versions and states, in one SQLite file, every key wrapped under a root
 * key that another provider protects (spec/keystore.md). Each change is durable and in the history when its function
 * returns BULLA_OK. Several processes may use one keystore.
 *
 * `key` names a key by name, by alias or by id (32 hexadecimal digits); an id always means that very key.
 */
#ifndef BULLA_KEYSTORE_H
#define BULLA_KEYSTORE_H

#include "bulla/envelope.h"
#include "bulla/house.h"
#include "bulla/record.h"

#ifdef __cplusplus
extern "C" {
#endif

/* bulla_keystore_create makes an empty keystore in the house's store folder, its root key protected by the provider at
 * `root_address`, which must not be `local:`. EEXISTS when there is one. Nothing is left on failure. */
BULLA_API BULLA_MUST_USE bulla_status bulla_keystore_create(bulla *house, bulla_call *call, const char *root_address);

/* bulla_keystore_root_rotate makes a new root key, protected by `root_address` (NULL: the present one), and protects
 * every key with it in one transaction. */
BULLA_API BULLA_MUST_USE bulla_status bulla_keystore_root_rotate(bulla *house, bulla_call *call,
                                                                 const char *root_address);

typedef struct bulla_keystore_info {
    char path[1024];
    char root_address[BULLA_MAX_ADDRESS + 1];
    unsigned format; /* spec/keystore.md, Versions */
    int64_t created_s, root_rotated_s;
    uint32_t root_generation;
    uint64_t num_keys, num_versions, num_deks;
} bulla_keystore_info;

BULLA_API BULLA_MUST_USE bulla_status bulla_keystore_info_get(bulla *house, bulla_call *call,
                                                              bulla_keystore_info *out_info);

/* bulla_keystore_check reads everything: file structure, every key version and kept data key opened once, counters,
 * states and history consistent. Each finding goes to `visit` (may be NULL); ECORRUPT when there was one. */
typedef void (*bulla_finding_visit)(void *arg, const char *finding);
BULLA_API BULLA_MUST_USE bulla_status bulla_keystore_check(bulla *house, bulla_call *call, bulla_finding_visit visit,
                                                           void *arg);

/* bulla_backup writes one message to `sink` with the keystore (keys wrapped), `config` (the text of a configuration,
 * may be empty) and the rotation state as separate parts, encrypted to the root key's provider and the given
 * recipients. bulla_restore opens it with `recipients` (none: the provider at the address in the backup) and puts the
 * keystore into the house's empty store folder after all of it was verified. *out_config may be NULL. */
BULLA_API BULLA_MUST_USE bulla_status bulla_backup(bulla *house, bulla_call *call, bulla_view config,
                                                   bulla_provider *const *recipients, size_t num_recipients,
                                                   const bulla_sink *sink);
BULLA_API BULLA_MUST_USE bulla_status bulla_restore(bulla *house, bulla_call *call, bulla_provider *const *recipients,
                                                    size_t num_recipients, const bulla_source *source,
                                                    bulla_bytes *out_config);

/* --- keys --- */

typedef struct bulla_key_options {
    size_t size;                /* sizeof(bulla_key_options) */
    bulla_key_type type;        /* 0: AES-256-GCM */
    bulla_key_usage usage;      /* 0: wrap */
    uint32_t rotation_period_s; /* 0: rotated by hand; else at least 3,600 */
} bulla_key_options;

/* bulla_key_create makes an enabled key with version 1. Names are 1 to BULLA_MAX_NAME of [A-Za-z0-9._/-], not starting
 * with '-' or '/', and not 32 hexadecimal digits. `options` and `out_info` may be NULL. EEXISTS for a name or alias in
 * use. */
BULLA_API BULLA_MUST_USE bulla_status bulla_key_create(bulla *house, bulla_call *call, const char *name,
                                                       const bulla_key_options *options, bulla_key_info *out_info);

BULLA_API BULLA_MUST_USE bulla_status bulla_key_info_get(bulla *house, bulla_call *call, const char *key,
                                                         bulla_key_info *out_info);

/* bulla_key_list visits keys by name; destroyed ones only with `destroyed`. A visitor ends the walk by failing. */
typedef bulla_status (*bulla_key_visit)(void *arg, bulla_call *call, const bulla_key_info *info);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_list(bulla *house, bulla_call *call, bool destroyed,
                                                     bulla_key_visit visit, void *arg);

typedef struct bulla_version_info {
    uint32_t version;
    int64_t created_s;
    bool primary, destroyed, imported;
    uint64_t num_deks;
    uint64_t num_wraps; /* about so many data keys it ever wrapped, kept or not (spec/keystore.md, Counted wraps) */
    bool rotation_due;  /* it is the primary one and has come to 2^31, half of what it may wrap: rotate the key */
} bulla_version_info;
typedef bulla_status (*bulla_version_visit)(void *arg, bulla_call *call, const bulla_version_info *info);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_versions(bulla *house, bulla_call *call, const char *key,
                                                         bulla_version_visit visit, void *arg);

/* The history of a key (NULL: of the keystore), oldest first. */
typedef struct bulla_event {
    uint64_t number;
    int64_t time_s;
    const char *action;                                 /* such as "key.create", "key.rotate", "root.rotate" */
    const char *key_id, *key_name, *principal, *detail; /* "" where there is none */
} bulla_event;
typedef bulla_status (*bulla_event_visit)(void *arg, bulla_call *call, const bulla_event *event);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_history(bulla *house, bulla_call *call, const char *key,
                                                        bulla_event_visit visit, void *arg);

/* bulla_key_rotate makes a new primary version; older ones go on to unwrap. `out_version` may be NULL.
 * bulla_key_rotate_due rotates every key whose period has passed, or that has one and whose primary version is due by
 * what it has wrapped (bulla_version_info), and tells how many. */
BULLA_API BULLA_MUST_USE bulla_status bulla_key_rotate(bulla *house, bulla_call *call, const char *key,
                                                       uint32_t *out_version);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_rotate_due(bulla *house, bulla_call *call, uint32_t *out_num_rotated);

/* bulla_key_rewrap wraps every kept data key of `key` under its primary version, in durable steps: interrupted
 * anywhere, it goes on from there the next time. `progress` (may be NULL) may cancel the call. */
typedef void (*bulla_progress_visit)(void *arg, bulla_call *call, uint64_t done, uint64_t total);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_rewrap(bulla *house, bulla_call *call, const char *key,
                                                       bulla_progress_visit progress, void *arg);

/* bulla_key_enable and bulla_key_disable switch between the two states; repeating one is not an error. */
BULLA_API BULLA_MUST_USE bulla_status bulla_key_enable(bulla *house, bulla_call *call, const char *key);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_disable(bulla *house, bulla_call *call, const char *key);

/* bulla_key_rotation_set gives the key a rotation period in seconds; 0 ends automatic rotation. */
BULLA_API BULLA_MUST_USE bulla_status bulla_key_rotation_set(bulla *house, bulla_call *call, const char *key,
                                                             uint32_t period_s);

/* bulla_key_alias_set points `alias` at a key, or, when `key` is NULL, removes it. bulla_key_tag_set sets a tag, or,
 * when `value` is NULL, removes it (at most 50 tags, values of up to 256 bytes). bulla_key_aliases (its pairs are alias
 * and "") and bulla_key_tags visit those of one key, in order of their names; `key` NULL is EINVAL. */
BULLA_API BULLA_MUST_USE bulla_status bulla_key_alias_set(bulla *house, bulla_call *call, const char *alias,
                                                          const char *key);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_tag_set(bulla *house, bulla_call *call, const char *key,
                                                        const char *tag, const char *value);
typedef bulla_status (*bulla_label_visit)(void *arg, bulla_call *call, const char *name, const char *value);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_aliases(bulla *house, bulla_call *call, const char *key,
                                                        bulla_label_visit visit, void *arg);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_tags(bulla *house, bulla_call *call, const char *key,
                                                     bulla_label_visit visit, void *arg);

/* bulla_key_deletion_schedule stops the key at once and destroys it after `days` (7 to 30). bulla_key_deletion_cancel
 * leaves it disabled. The material is wiped by a use of the store after the date, once the
 * date was seen to have passed twice, an hour or more apart (spec/keystore.md, States). */
BULLA_API BULLA_MUST_USE bulla_status bulla_key_deletion_schedule(bulla *house, bulla_call *call, const char *key,
                                                                  unsigned days, int64_t *out_deletion_s);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_deletion_cancel(bulla *house, bulla_call *call, const char *key);

/* Import. bulla_key_import_begin makes a key in pending_import (or a new version to come of an imported one) with a
 * one-time RSA-4096 import key and returns a token and the public key (PEM). The owner wraps 32 bytes of material as
 * CKM_RSA_AES_KEY_WRAP does: an ephemeral AES-256 key under OAEP with SHA-256, then the material under AES-KWP with it.
 * bulla_key_import_finish takes that. The token works once and until it expires (`valid_s`, 60 to 604,800). */
typedef struct bulla_import {
    char token[65];
    char public_pem[1024];
    int64_t expires_s;
} bulla_import;
BULLA_API BULLA_MUST_USE bulla_status bulla_key_import_begin(bulla *house, bulla_call *call, const char *name,
                                                             uint32_t valid_s, bulla_import *out_import);
BULLA_API BULLA_MUST_USE bulla_status bulla_key_import_finish(bulla *house, bulla_call *call, const char *key,
                                                              const char *token, bulla_view wrapped_material,
                                                              bulla_key_info *out_info);

/* bulla_key_export_public gives the public half (PEM) of the key, or of the import key of one in pending_import.
 * EUNSUPPORTED for a symmetric key. Ownership: *out_pem is the caller's. */
BULLA_API BULLA_MUST_USE bulla_status bulla_key_export_public(bulla *house, bulla_call *call, const char *key,
                                                              bulla_bytes *out_pem);

/* --- data keys kept in the keystore --- */

/* bulla_datakey_keep makes a data key under `key`, keeps its wrapped form in the keystore and returns it with its id
 * (32 hexadecimal digits). bulla_datakey_load opens a kept one again, with the same context. bulla_datakey_forget
 * removes it: records under it are lost. */
BULLA_API BULLA_MUST_USE bulla_status bulla_datakey_keep(bulla *house, bulla_call *call, const char *key,
                                                         bulla_context *context, const bulla_datakey_options *options,
                                                         char out_id[33], bulla_datakey **out_datakey);
BULLA_API BULLA_MUST_USE bulla_status bulla_datakey_load(bulla *house, bulla_call *call, const char *id,
                                                         bulla_context *context, const bulla_datakey_options *options,
                                                         bulla_datakey **out_datakey);
BULLA_API BULLA_MUST_USE bulla_status bulla_datakey_forget(bulla *house, bulla_call *call, const char *id);

#ifdef __cplusplus
}
#endif

#endif
