/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the keystore share. */
#ifndef BULLA_KEYSTORE_INSIDE_H
#define BULLA_KEYSTORE_INSIDE_H

#include "crypto/aead.h"
#include "envelope/record.h"
#include "keystore/db.h"
#include "keystore/store.h"

#include <pthread.h>
#include <sys/types.h>

#define BULLA_ID_LEN 16u
#define BULLA_MATERIAL_LEN 32u                                        /* of a key version, of the root */
#define BULLA_SEALED_LEN (BULLA_MATERIAL_LEN + BULLA_RECORD_OVERHEAD) /* of key_version.sealed */
#define BULLA_LOCAL_NAME "bulla"                                      /* spec/keystore.md, Wrapping */
#define BULLA_LOCAL_INFO_LEN 43u                                      /* spec/keystore.md, Wrapping */
#define BULLA_BIND_LEN 128u                                           /* room for what is bound but contexts */
#define BULLA_NUM_OPENED 256u
#define BULLA_PAGE 64 /* rows that a walk reads before it visits them */

/* A key version ready for use. */
typedef struct bulla_opened {
    uint8_t id[BULLA_ID_LEN];
    uint32_t asked;     /* the version that was asked for; 0: the primary one */
    uint32_t version;   /* the one that it is */
    uint64_t num_wraps; /* about as many data keys it has wrapped (wraps.h) */
    bulla_aead *aead;   /* NULL: the place is free */
} bulla_opened;

static inline void bulla_opened_done(bulla_opened *opened)
{
    bulla_aead_unref(opened->aead);
    opened->aead = NULL;
}
#define BULLA_OPENED(name) __attribute__((cleanup(bulla_opened_done))) bulla_opened name = {.aead = NULL}

typedef struct bulla_root {
    uint32_t generation;
    uint8_t id[BULLA_ID_LEN];
    bulla_aead *aead; /* NULL: not opened yet */
} bulla_root;

struct bulla_store {
    size_t refs;
    const bulla_env *env;
    bulla_opener opener;
    pid_t pid; /* who opened it: SQLite's connections do not survive a fork */
    char path[BULLA_DB_PATH];
    uint8_t id[BULLA_ID_LEN];
    int64_t created_s;

    pthread_mutex_t lock; /* over all that follows */
    bulla_db db;
    int64_t data_version; /* of the database when what is kept here was true */
    int64_t next_due_s;   /* when the clock next changes something; INT64_MAX: never */
    bulla_root root;
    bulla_opened opened[BULLA_NUM_OPENED]; /* keys that are enabled, by id and version asked for */
    struct bulla_rewrap *rewrap;           /* the step that runs (rewrap.c); else NULL */
};

typedef struct bulla_key_row {
    int64_t seq;
    uint8_t id[BULLA_ID_LEN];
    char name[BULLA_MAX_NAME + 1];
    bulla_key_type type;
    bulla_key_usage usage;
    bulla_key_state state;
    uint32_t primary;
    bool imported;
    uint32_t period_s;
    int64_t created_s, rotated_s, rewrapped_s, deletion_s, due_seen_s;
    uint64_t num_deks, num_rewrapped;
} bulla_key_row;

/* --- sessions (session.c): the lock, a look at the clock, and a transaction --- */

typedef struct bulla_session {
    bulla_store *store;
    bool writing, begun;
} bulla_session;
#define BULLA_SESSION(name) __attribute__((cleanup(bulla_session_done))) bulla_session name = {NULL, false, false}

BULLA_MUST_USE bulla_status bulla_session_read(bulla_store *store, bulla_call *call, bulla_session *out_session);
BULLA_MUST_USE bulla_status bulla_session_write(bulla_store *store, bulla_call *call, bulla_session *out_session);
/* Makes the changes durable. EUNKNOWN when the disk failed so late that they may have been made. */
BULLA_MUST_USE bulla_status bulla_session_commit(bulla_session *session, bulla_call *call);
/* Rolls back what is not committed, and unlocks. */
void bulla_session_done(bulla_session *session);
/* Forgets keys that were opened: after a change of this process that makes them wrong. */
void bulla_store_forget(bulla_store *store);
/* Asks the database again when the clock next matters. */
BULLA_MUST_USE bulla_status bulla_store_due_read(bulla_store *store, bulla_call *call);
/* Does what the clock asks for (pending.c): destroys keys, drops imports. Nothing is locked but the store. */
BULLA_MUST_USE bulla_status bulla_store_reap(bulla_store *store, bulla_call *call, int64_t now_s);

/* --- rows of keys (rows.c) --- */

BULLA_MUST_USE bulla_status bulla_key_row_read(const bulla_rows *rows, bulla_call *call, bulla_key_row *out_row);
BULLA_MUST_USE bulla_status bulla_key_find(bulla_store *store, bulla_call *call, const char *key,
                                           bulla_key_row *out_row);
BULLA_MUST_USE bulla_status bulla_key_find_id(bulla_store *store, bulla_call *call, const uint8_t id[BULLA_ID_LEN],
                                              bulla_key_row *out_row);
BULLA_MUST_USE bulla_status bulla_key_find_seq(bulla_db *db, bulla_call *call, int64_t seq, bulla_key_row *out_row);
void bulla_key_row_info(const bulla_key_row *row, bulla_key_info *out_info);
/* ESTATE or EDESTROYED with what can be done, unless the key is enabled. */
BULLA_MUST_USE bulla_status bulla_key_usable_check(bulla_call *call, const bulla_key_row *row);
/* Writes the row of a new key (keys.c) and fills in what it got: id, name, seq, created. EEXISTS. */
BULLA_MUST_USE bulla_status bulla_key_insert(bulla_store *store, bulla_call *call, const char *name,
                                             bulla_key_row *row);
/* EDESTROYED when it is. */
BULLA_MUST_USE bulla_status bulla_key_alive_check(bulla_call *call, const bulla_key_row *row);
BULLA_MUST_USE bulla_status bulla_name_check(bulla_call *call, const char *name, const char *what);
bool bulla_text_is_id(const char *text);
void bulla_id_text(const uint8_t id[BULLA_ID_LEN], char out[BULLA_KEY_ID_TEXT + 1]);
/* "2026-11-21 23:05 UTC" */
void bulla_date_text(int64_t time_s, char out[32]);

/* --- what is bound (bind.c; spec/keystore.md, Sealed columns) --- */

bulla_view bulla_bind_version(const uint8_t store_id[BULLA_ID_LEN], const bulla_key_row *row, uint32_t version,
                              uint8_t out[BULLA_BIND_LEN]);
bulla_view bulla_bind_import(const uint8_t store_id[BULLA_ID_LEN], const uint8_t key_id[BULLA_ID_LEN],
                             int64_t expires_s, uint8_t out[BULLA_BIND_LEN]);
/* `out` holds BULLA_BIND_LEN + context.len. */
bulla_view bulla_bind_dek(const uint8_t dek_id[BULLA_ID_LEN], bulla_view context, uint8_t *out);

/* --- the root key (root.c) --- */

/* Opens it unless it is open. */
BULLA_MUST_USE bulla_status bulla_root_need(bulla_store *store, bulla_call *call);
void bulla_root_drop(bulla_root *root);
#define BULLA_ROOT(name) __attribute__((cleanup(bulla_root_drop))) bulla_root name = {.generation = 0}
/* Draws a root key for `generation` and writes its row, wrapped by `provider`. */
BULLA_MUST_USE bulla_status bulla_root_create(bulla_db *db, bulla_call *call, const uint8_t store_id[BULLA_ID_LEN],
                                              bulla_provider *provider, const char *address, uint32_t generation,
                                              bulla_root *out_root);
static inline bulla_record_key bulla_root_key(const bulla_root *root)
{
    bulla_record_key key = {.version = root->generation, .aead = root->aead};
    memcpy(key.id, root->id, BULLA_ID_LEN);
    return key;
}

/* --- versions (versions.c) --- */

/* Draws (or takes, when material.len is not 0) the next version's material and writes its row. */
BULLA_MUST_USE bulla_status bulla_version_add(bulla_store *store, bulla_call *call, const bulla_key_row *row,
                                              bulla_view material, int64_t now_s);
/* Opens a version of a key whose state the caller has checked. ENOKEY when it has not come to that version yet.
 * Ownership: *out_opened's aead holds one reference. */
BULLA_MUST_USE bulla_status bulla_version_open(bulla_store *store, bulla_call *call, const bulla_key_row *row,
                                               uint32_t version, bulla_opened *out_opened);
/* Opens a version of an enabled key for use, from those kept open if it is there; 0 asks for the primary one.
 * Ownership: *out_opened's aead holds one reference. */
BULLA_MUST_USE bulla_status bulla_version_use(bulla_store *store, bulla_call *call, const uint8_t id[BULLA_ID_LEN],
                                              uint32_t version, bulla_opened *out_opened);

/* --- the seam (local.c) --- */

/* The provider that wraps the kept data key `dek_id` under the key `key_id`: bound to both. */
BULLA_MUST_USE bulla_status bulla_local_new_dek(bulla_store *store, bulla_call *call,
                                                const uint8_t key_id[BULLA_ID_LEN], const uint8_t dek_id[BULLA_ID_LEN],
                                                bulla_provider **out_provider);
/* The information beside a wrapped data key. */
void bulla_local_info(const uint8_t key_id[BULLA_ID_LEN], uint32_t version, char out[BULLA_LOCAL_INFO_LEN + 1]);
bool bulla_local_info_parse(bulla_view info, uint8_t out_id[BULLA_ID_LEN], uint32_t *out_version);

/* --- rewrap (rewrap.c) --- */

/* Teaches the connection the SQL functions that take rows and put them back. */
BULLA_MUST_USE bulla_status bulla_rewrap_register(bulla_store *store, bulla_call *call);

/* --- imports (import.c) --- */

/* Opens the private half of an import key, sealed under the root key. ECORRUPT, EFORMAT. */
struct bulla_rsa;
BULLA_MUST_USE bulla_status bulla_import_key_open(bulla_call *call, const bulla_root *root, bulla_view sealed,
                                                  bulla_view bind, struct bulla_rsa **out_rsa);
/* Takes apart what CKM_RSA_AES_KEY_WRAP made of BULLA_MATERIAL_LEN bytes. EINTEGRITY, whatever is wrong. */
BULLA_MUST_USE bulla_status bulla_import_unwrap(bulla_call *call, const struct bulla_rsa *rsa, bulla_view wrapped,
                                                uint8_t out[BULLA_MATERIAL_LEN]);

/* Seals every import key under `root` instead of the present root key. */
BULLA_MUST_USE bulla_status bulla_imports_reseal(bulla_store *store, bulla_call *call, const bulla_root *root);
/* Drops imports whose time is over. */
BULLA_MUST_USE bulla_status bulla_imports_expire(bulla_store *store, bulla_call *call, int64_t now_s);

/* --- history (events.c) --- */

/* Writes a line in the transaction that runs. `key` 0: about the store. */
BULLA_MUST_USE bulla_status bulla_event_add(bulla_db *db, bulla_call *call, const char *action, int64_t key,
                                            const char *detail, ...) BULLA_PRINTF(5, 6);

/* --- files (folder.c) --- */

/* The folder, made if need be and locked against others who make, restore or copy. */
typedef struct bulla_folder {
    int fd;
    bool made;   /* by us: goes again when nothing comes of it */
    bool staged; /* new/ is there and ours */
    char path[BULLA_DB_PATH];
} bulla_folder;
#define BULLA_FOLDER(name) __attribute__((cleanup(bulla_folder_done))) bulla_folder name = {-1, false, false, ""}
BULLA_MUST_USE bulla_status bulla_folder_lock(bulla_call *call, const char *path, bool make, bulla_folder *out_folder);
void bulla_folder_done(bulla_folder *folder);
/* ENOFILE or EEXISTS by whether the keystore has to be there. */
BULLA_MUST_USE bulla_status bulla_folder_check(bulla_call *call, const char *path, bool there);
/* A clean folder/new with an empty keystore.db of mode 0600; its path goes to `out` (BULLA_DB_PATH). */
BULLA_MUST_USE bulla_status bulla_folder_stage(bulla_folder *folder, bulla_call *call, char *out);
/* Puts the staged database into its place, durably. */
BULLA_MUST_USE bulla_status bulla_folder_install(bulla_folder *folder, bulla_call *call);
/* An empty file of mode 0600 in the folder under `name`, in place of any that is there. */
BULLA_MUST_USE bulla_status bulla_folder_file(bulla_folder *folder, bulla_call *call, const char *name, int *out_fd);
BULLA_MUST_USE bulla_status bulla_path_join(bulla_call *call, const char *folder, const char *name, char *out);
/* ENOSPACE, EAUTHZ, ENOFILE or EIO by errno; `doing` completes "cannot …". */
BULLA_MUST_USE bulla_status bulla_file_fail(bulla_call *call, const char *doing, const char *path);

/* --- checking (check.c) --- */

/* Reads all of a connection's database on behalf of `store`. */
BULLA_MUST_USE bulla_status bulla_db_check(bulla_store *store, bulla_db *db, bulla_call *call,
                                           bulla_finding_visit visit, void *arg);

#endif
