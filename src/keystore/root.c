/* SPDX-License-Identifier: Apache-2.0 */
/* The root key (spec/keystore.md, Root key). */
#include "keystore/inside.h"

#include "base/context.h"
#include "base/mem.h"
#include "crypto/rand.h"

void bulla_root_drop(bulla_root *root)
{
    bulla_aead_unref(root->aead);
    memset(root, 0, sizeof *root);
}

/* What the wrapped root key is bound to: this store and no other. */
static bulla_status root_context(bulla_call *call, const uint8_t store_id[BULLA_ID_LEN], bulla_context **out_context)
{
    char text[BULLA_KEY_ID_TEXT + 1];
    bulla_id_text(store_id, text);
    const bulla_pair pair = {bulla_view_text("bulla-keystore"), bulla_view_text(text)};
    return bulla_context_new(call, &pair, 1, out_context);
}

static bulla_status root_take(bulla_root *root, bulla_call *call, const bulla_secret *secret)
{
    bulla_view bytes = bulla_secret_borrow(secret);
    if (bytes.len != BULLA_MATERIAL_LEN)
        return bulla_fail(call, BULLA_ECORRUPT, "the root key has %zu bytes instead of %u", bytes.len,
                          BULLA_MATERIAL_LEN);
    return bulla_aead_new(call, bytes, &root->aead);
}

static bulla_status root_unwrap(bulla_store *store, bulla_call *call, const bulla_rows *rows, bulla_secret **out_secret)
{
    BULLA_AUTO(bulla_provider) *provider = NULL;
    BULLA_AUTO(bulla_context) *context = NULL;
    char address[BULLA_MAX_ADDRESS + 1];
    const bulla_wrapped wrapped = {bulla_rows_view(rows, 3), bulla_rows_view(rows, 4), bulla_rows_view(rows, 5)};
    bulla_rows_text(rows, 2, address, sizeof address);
    BULLA_TRY(root_context(call, store->id, &context));
    BULLA_TRY(store->opener.open(store->opener.arg, call, address, &provider));
    bulla_status status = bulla_provider_unwrap(provider, call, context, &wrapped, out_secret);
    if (status != BULLA_EINTEGRITY && status != BULLA_ENOKEY) return status;
    /* Said as it is, it would be read as a fault of the message, or as the lack of a key, that somebody asks about. */
    return bulla_fail(call, BULLA_ECONFIG,
                      "the key at %.100s is not the one that protects the root key of the keystore %.70s: put that one "
                      "back there, or restore a backup",
                      address, store->path);
}

bulla_status bulla_root_need(bulla_store *store, bulla_call *call)
{
    BULLA_ROWS(rows);
    BULLA_AUTO(bulla_secret) *secret = NULL;
    bool found = false;
    if (store->root.aead != NULL) return BULLA_OK;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_ROOT_GET, NULL, 0, &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    int64_t generation = found ? bulla_rows_number(&rows, 0) : 0;
    bulla_root root = {.generation = (uint32_t)generation};
    if (!found || generation < 1 || generation >= UINT32_MAX || !bulla_rows_copy(&rows, 1, root.id, sizeof root.id))
        return bulla_fail(call, BULLA_ECORRUPT, "the keystore %s has lost the row of its root key", store->path);
    BULLA_TRY(root_unwrap(store, call, &rows, &secret));
    BULLA_TRY(root_take(&root, call, secret));
    store->root = root;
    return BULLA_OK;
}

/* A root key that does not come back would take every key with it: seen before anything depends on it. */
static bulla_status root_prove(bulla_call *call, bulla_provider *provider, bulla_context *context,
                               const bulla_wrapped *wrapped, const bulla_secret *secret)
{
    BULLA_AUTO(bulla_secret) *back = NULL;
    BULLA_TRY(bulla_provider_unwrap(provider, call, context, wrapped, &back));
    bulla_view a = bulla_secret_borrow(secret), b = bulla_secret_borrow(back);
    if (a.len != b.len || !bulla_equal_ct(a.data, b.data, a.len))
        return bulla_fail(call, BULLA_ECONTRACT, "%s gave back another root key than it was given",
                          bulla_provider_name(provider));
    return BULLA_OK;
}

bulla_status bulla_root_create(bulla_db *db, bulla_call *call, const uint8_t store_id[BULLA_ID_LEN],
                               bulla_provider *provider, const char *address, uint32_t generation, bulla_root *out_root)
{
    BULLA_AUTO(bulla_secret) *secret = NULL;
    BULLA_AUTO(bulla_context) *context = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bulla_root root = {.generation = generation};
    BULLA_TRY(bulla_rand(call, root.id, sizeof root.id));
    BULLA_TRY(bulla_secret_random(call, BULLA_MATERIAL_LEN, &secret));
    BULLA_TRY(root_context(call, store_id, &context));
    BULLA_TRY(bulla_provider_wrap(provider, call, context, secret, &wrapped));
    BULLA_TRY(root_prove(call, provider, context, wrapped, secret));
    BULLA_TRY(bulla_db_run(db, call, BULLA_SQL_ROOT_INSERT,
                           BULLA_ARGS(BULLA_INT(generation), BULLA_BLOB(bulla_view_of(root.id, sizeof root.id)),
                                      BULLA_TEXT(address), BULLA_BLOB(wrapped->provider), BULLA_BLOB(wrapped->info),
                                      BULLA_BLOB(wrapped->blob), BULLA_INT(bulla_wall_s(call)))));
    BULLA_TRY(root_take(&root, call, secret));
    *out_root = root;
    return BULLA_OK;
}

bulla_status bulla_store_root_address(bulla_store *store, bulla_call *call, char *out_address)
{
    BULLA_SESSION(session);
    BULLA_ROWS(rows);
    bool found = false;
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_ROOT_GET, NULL, 0, &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    if (!found) return bulla_fail(call, BULLA_ECORRUPT, "the keystore has lost the row of its root key");
    bulla_rows_text(&rows, 2, out_address, BULLA_MAX_ADDRESS + 1);
    return BULLA_OK;
}

/* --- rotation --- */

typedef struct sealed_row {
    bulla_key_row key; /* seq, id, type and usage only */
    uint32_t version;
    uint8_t sealed[BULLA_SEALED_LEN];
} sealed_row;

static bulla_status sealed_next(bulla_store *store, bulla_call *call, sealed_row *row, bool *out_more)
{
    BULLA_ROWS(rows);
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_ROOT_SEALED,
                              BULLA_ARGS(BULLA_INT(row->key.seq), BULLA_INT(row->version)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, out_more));
    if (!*out_more) return BULLA_OK;
    row->key.seq = bulla_rows_number(&rows, 0);
    row->version = (uint32_t)bulla_rows_number(&rows, 1);
    row->key.type = (bulla_key_type)bulla_rows_number(&rows, 4);
    row->key.usage = (bulla_key_usage)bulla_rows_number(&rows, 5);
    if (bulla_rows_copy(&rows, 2, row->sealed, sizeof row->sealed) &&
        bulla_rows_copy(&rows, 3, row->key.id, sizeof row->key.id))
        return BULLA_OK;
    return bulla_fail(call, BULLA_ECORRUPT, "version %u of key number %lld has no legal length", row->version,
                      (long long)row->key.seq);
}

static bulla_status versions_reseal(bulla_store *store, bulla_call *call, const bulla_root *root, uint64_t *out_num)
{
    bulla_record_key from = bulla_root_key(&store->root), to = bulla_root_key(root);
    sealed_row row = {.version = 0};
    bool more = false;
    for (;;) {
        BULLA_TRY(sealed_next(store, call, &row, &more));
        if (!more) return BULLA_OK;
        uint8_t bound[BULLA_BIND_LEN], sealed[BULLA_SEALED_LEN];
        BULLA_TRY(bulla_call_check(call));
        bulla_view bind = bulla_bind_version(store->id, &row.key, row.version, bound);
        bulla_status status =
            bulla_record_rewrap(&from, &to, call, bind, bulla_view_of(row.sealed, sizeof row.sealed), sealed);
        if (status == BULLA_EINTEGRITY || bulla_status_class(status) == BULLA_CLASS_CALLER)
            return bulla_fail(call, BULLA_ECORRUPT, "version %u of key number %lld does not open under the root key",
                              row.version, (long long)row.key.seq);
        BULLA_TRY(status);
        BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_VERSION_RESEAL,
                               BULLA_ARGS(BULLA_INT(row.key.seq), BULLA_INT(row.version),
                                          BULLA_BLOB(bulla_view_of(sealed, sizeof sealed)))));
        ++*out_num;
    }
}

bulla_status bulla_store_root_rotate(bulla_store *store, bulla_call *call, bulla_provider *provider,
                                     const char *address)
{
    BULLA_SESSION(session);
    BULLA_ROOT(other); /* the new one until all is done, then the old one */
    uint64_t num = 0;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_root_need(store, call));
    uint32_t generation = store->root.generation + 1;
    BULLA_TRY(bulla_root_create(&store->db, call, store->id, provider, address, generation, &other));
    BULLA_TRY(versions_reseal(store, call, &other, &num));
    BULLA_TRY(bulla_imports_reseal(store, call, &other));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_ROOT_DELETE_OLD, BULLA_ARGS(BULLA_INT(generation))));
    BULLA_TRY(bulla_event_add(&store->db, call, "root.rotate", 0, "generation %u, %llu versions, %s", generation,
                              (unsigned long long)num, address));
    BULLA_TRY(bulla_session_commit(&session, call));
    bulla_root old = store->root;
    store->root = other;
    other = old;
    bulla_db_flush(&store->db, call); /* the old root key leaves the files */
    return BULLA_OK;
}
