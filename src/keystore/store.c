/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/inside.h"

#include "base/lock.h"
#include "base/mem.h"
#include "crypto/rand.h"

#include <unistd.h>

/* The first rows, in one transaction: a keystore without its root key is never seen. */
static bulla_status fill(bulla_db *db, bulla_call *call, bulla_provider *provider, const char *root_address)
{
    uint8_t id[BULLA_ID_LEN];
    BULLA_ROOT(root);
    BULLA_TRY(bulla_rand(call, id, sizeof id));
    BULLA_TRY(bulla_db_run(db, call, BULLA_SQL_BEGIN_WRITE, NULL, 0));
    BULLA_TRY(bulla_db_run(db, call, BULLA_SQL_STORE_INSERT,
                           BULLA_ARGS(BULLA_BLOB(bulla_view_of(id, sizeof id)), BULLA_INT(bulla_wall_s(call)))));
    BULLA_TRY(bulla_root_create(db, call, id, provider, root_address, 1, &root));
    BULLA_TRY(bulla_event_add(db, call, "store.create", 0, "root key at %s", root_address));
    return bulla_db_run(db, call, BULLA_SQL_COMMIT, NULL, 0);
}

static bulla_status create_at(bulla_call *call, const char *path, bulla_provider *provider, const char *root_address)
{
    BULLA_DB(db);
    BULLA_TRY(bulla_db_open(call, path, true, &db));
    return fill(&db, call, provider, root_address);
}

bulla_status bulla_store_create(bulla_call *call, const char *path, bulla_provider *provider, const char *root_address)
{
    BULLA_FOLDER(folder);
    char staged[BULLA_DB_PATH];
    BULLA_TRY(bulla_folder_check(call, path, false));
    BULLA_TRY(bulla_folder_lock(call, path, true, &folder));
    BULLA_TRY(bulla_folder_check(call, path, false));
    BULLA_TRY(bulla_folder_stage(&folder, call, staged));
    BULLA_TRY(create_at(call, staged, provider, root_address));
    return bulla_folder_install(&folder, call);
}

static bulla_status identity_read(bulla_store *store, bulla_call *call)
{
    BULLA_ROWS(rows);
    bool found = false;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_STORE_GET, NULL, 0, &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    if (!found || !bulla_rows_copy(&rows, 0, store->id, sizeof store->id))
        return bulla_fail(call, BULLA_ECORRUPT, "the keystore %s has lost its identity", store->path);
    store->created_s = bulla_rows_number(&rows, 1);
    return BULLA_OK;
}

bulla_status bulla_store_open(bulla_call *call, const char *path, const bulla_opener *opener, bulla_store **out_store)
{
    void *memory = NULL;
    char file[BULLA_DB_PATH];
    BULLA_TRY(bulla_folder_check(call, path, true));
    BULLA_TRY(bulla_path_join(call, path, BULLA_DB_FILE, file));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_store), &memory));
    BULLA_AUTO(bulla_store) *store = memory;
    store->refs = 1;
    store->env = bulla_env_of(call);
    store->opener = *opener;
    store->pid = getpid();
    store->next_due_s = INT64_MIN; /* not known yet: the first call asks */
    memcpy(store->path, path, strlen(path) + 1);
    bulla_lock_init(&store->lock);
    BULLA_TRY(bulla_db_open(call, file, false, &store->db));
    BULLA_TRY(identity_read(store, call));
    BULLA_TRY(bulla_rewrap_register(store, call));
    bulla_db_serve(&store->db, NULL);
    *out_store = BULLA_TAKE(store);
    return BULLA_OK;
}

bulla_store *bulla_store_ref(bulla_store *store)
{
    if (store != NULL) bulla_refs_take(&store->refs);
    return store;
}

void bulla_store_unref(bulla_store *store)
{
    if (store == NULL || !bulla_refs_drop(&store->refs)) return;
    bulla_store_forget(store);
    bulla_root_drop(&store->root);
    /* In a forked child the connection is the parent's: SQLite must not touch it there (howtocorrupt.html, 2.6). */
    if (store->pid == getpid()) bulla_db_close(&store->db);
    (void)pthread_mutex_destroy(&store->lock);
    bulla_free(store->env, store);
}

static bulla_status root_info(bulla_store *store, bulla_call *call, bulla_keystore_info *info)
{
    BULLA_ROWS(rows);
    bool found = false;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_ROOT_GET, NULL, 0, &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    if (!found)
        return bulla_fail(call, BULLA_ECORRUPT, "the keystore %s has lost the row of its root key", store->path);
    info->root_generation = (uint32_t)bulla_rows_number(&rows, 0);
    bulla_rows_text(&rows, 2, info->root_address, sizeof info->root_address);
    info->root_rotated_s = bulla_rows_number(&rows, 6);
    return BULLA_OK;
}

static bulla_status counts_info(bulla_store *store, bulla_call *call, bulla_keystore_info *info)
{
    BULLA_ROWS(rows);
    bool found = false;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_COUNTS, NULL, 0, &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    info->num_keys = (uint64_t)bulla_rows_number(&rows, 0);
    info->num_versions = (uint64_t)bulla_rows_number(&rows, 1);
    info->num_deks = (uint64_t)bulla_rows_number(&rows, 2);
    return BULLA_OK;
}

bulla_status bulla_store_info_get(bulla_store *store, bulla_call *call, bulla_keystore_info *out_info)
{
    BULLA_SESSION(session);
    bulla_keystore_info info = {.format = BULLA_DB_FORMAT, .created_s = store->created_s};
    BULLA_TRY(bulla_session_read(store, call, &session));
    memcpy(info.path, store->path, sizeof info.path);
    BULLA_TRY(root_info(store, call, &info));
    BULLA_TRY(counts_info(store, call, &info));
    *out_info = info;
    return BULLA_OK;
}
