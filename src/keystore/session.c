/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way into the store. What is kept in memory (opened keys, the root key, when the clock matters next) was true of
 * one state of the database; SQLite's data version tells at once when another process has made another.
 */
#include "keystore/inside.h"

#include "base/lock.h"
#include "base/mem.h"

#include <unistd.h>

void bulla_store_forget(bulla_store *store)
{
    for (size_t i = 0; i < BULLA_NUM_OPENED; i++) {
        bulla_aead_unref(store->opened[i].aead);
        store->opened[i].aead = NULL;
    }
}

bulla_status bulla_store_due_read(bulla_store *store, bulla_call *call)
{
    int64_t pending = 0, import = 0;
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_PENDING_NEXT, NULL, 0, INT64_MAX, &pending));
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_IMPORT_NEXT, NULL, 0, INT64_MAX, &import));
    store->next_due_s = pending < import ? pending : import;
    return BULLA_OK;
}

/* Drops what another process has made untrue. */
static bulla_status refresh(bulla_store *store, bulla_call *call)
{
    int64_t version = 0, generation = 0;
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_DATA_VERSION, NULL, 0, 0, &version));
    if (version == store->data_version) return BULLA_OK;
    bulla_store_forget(store);
    store->data_version = 0; /* until all of it is read again */
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_ROOT_GENERATION, NULL, 0, 0, &generation));
    if (generation != (int64_t)store->root.generation) bulla_root_drop(&store->root);
    BULLA_TRY(bulla_store_due_read(store, call));
    store->data_version = version;
    return BULLA_OK;
}

/* What the clock asks for is done by whoever comes next, and by the one after when somebody else writes now: nobody
 * waits for that. Nor is a full disk a reason to refuse the request: the keys concerned are unusable already. */
static void reap(bulla_store *store, bulla_call *call)
{
    int64_t now_s = bulla_wall_s(call);
    if (now_s < store->next_due_s) return;
    bulla_call own;
    bulla_call_init(&own, bulla_env_of(call));
    bulla_db_serve_at_once(&store->db, &own);
    bulla_status status = bulla_store_reap(store, &own, now_s);
    if (status != BULLA_OK && status != BULLA_EBUSY)
        bulla_log(own.env, BULLA_LOG_WARN, "keystore: what was due could not be done: %s", own.why);
    bulla_db_serve(&store->db, call);
}

static bulla_status enter(bulla_store *store, bulla_call *call, bulla_session *out_session)
{
    BULLA_TRY(bulla_call_check(call));
    if (store->pid != getpid())
        return bulla_fail(call, BULLA_EINTERNAL, "the keystore was opened before a fork: open keystores after it");
    BULLA_TRY(bulla_lock_wait(&store->lock, call, "the keystore"));
    out_session->store = store;
    bulla_db_serve(&store->db, call);
    return BULLA_OK;
}

/* What is kept in memory and what is read must be of one state: both are looked at within one transaction. */
static bulla_status begin(bulla_store *store, bulla_call *call, bulla_sql how, bulla_session *session)
{
    BULLA_TRY(enter(store, call, session));
    bulla_db_flush_again(&store->db);
    reap(store, call); /* by what is known: what another process has scheduled since is done by the next call */
    BULLA_TRY(bulla_db_run(&store->db, call, how, NULL, 0));
    session->begun = true;
    return refresh(store, call);
}

bulla_status bulla_session_read(bulla_store *store, bulla_call *call, bulla_session *out_session)
{
    return begin(store, call, BULLA_SQL_BEGIN_READ, out_session);
}

bulla_status bulla_session_write(bulla_store *store, bulla_call *call, bulla_session *out_session)
{
    out_session->writing = true;
    return begin(store, call, BULLA_SQL_BEGIN_WRITE, out_session);
}

bulla_status bulla_session_commit(bulla_session *session, bulla_call *call)
{
    bulla_status status = bulla_db_run(&session->store->db, call, BULLA_SQL_COMMIT, NULL, 0);
    if (status == BULLA_EIO) {
        session->store->data_version = 0; /* nothing that is kept in memory can be relied on */
        return bulla_fail(call, BULLA_EUNKNOWN,
                          "the disk failed while a change was written: look whether it was made before trying again");
    }
    BULLA_TRY(status);
    session->begun = false;
    return BULLA_OK;
}

static void transaction_end(const bulla_session *session)
{
    bulla_store *store = session->store;
    /* A read changes nothing: to commit it is as good, and prepared. */
    if (!session->writing && bulla_db_run(&store->db, NULL, BULLA_SQL_COMMIT, NULL, 0) == BULLA_OK) return;
    bulla_db_rollback(&store->db);
    bulla_store_forget(store); /* what was opened in the transaction may not be there any more */
}

void bulla_session_done(bulla_session *session)
{
    bulla_store *store = session->store;
    if (store == NULL) return;
    if (session->begun) transaction_end(session);
    bulla_db_serve(&store->db, NULL);
    (void)pthread_mutex_unlock(&store->lock);
    session->store = NULL;
}
