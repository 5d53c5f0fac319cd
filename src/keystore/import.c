/* SPDX-License-Identifier: Apache-2.0 */
/* Key material from outside (spec/keystore.md, Import). */
#include "keystore/inside.h"

#include "base/mem.h"
#include "base/secret.h"
#include "crypto/kdf.h"
#include "crypto/keywrap.h"
#include "crypto/rand.h"
#include "crypto/rsa.h"

#include <inttypes.h>

#define IMPORT_BITS 4096u
#define MIN_VALID_S 60u
#define MAX_VALID_S 604800u
#define TOKEN_LEN 32u
#define HASH_LEN 32u
#define KWP_LEN (BULLA_MATERIAL_LEN + 8u)
#define MAX_DER 4096u
#define MAX_RSA 1024u

/* --- begun --- */

typedef struct sealed_der {
    uint8_t bytes[MAX_DER + BULLA_RECORD_OVERHEAD];
    size_t len;
} sealed_der;

static bulla_status der_seal(bulla_call *call, const bulla_root *root, bulla_view bind, bulla_view der,
                             sealed_der *out_sealed)
{
    bulla_record_key key = bulla_root_key(root);
    if (der.len == 0 || der.len > MAX_DER)
        return bulla_fail(call, BULLA_EINTERNAL, "an import key of %zu bytes", der.len);
    out_sealed->len = der.len + BULLA_RECORD_OVERHEAD;
    return bulla_record_seal(&key, call, bind, der, out_sealed->bytes);
}

/* The key that waits: a new one, or one whose material came from outside before. */
static bulla_status target_find(bulla_store *store, bulla_call *call, const char *name, bulla_key_row *out_row)
{
    int64_t taken = 0;
    bulla_key_row row = {
        .type = BULLA_KEY_AES256_GCM, .usage = BULLA_USAGE_WRAP, .state = BULLA_KEY_PENDING_IMPORT, .imported = true};
    BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_NAME_TAKEN, BULLA_ARGS(BULLA_TEXT(name)), 0, &taken));
    if (taken == 0 && !bulla_text_is_id(name)) {
        BULLA_TRY(bulla_name_check(call, name, "name"));
        BULLA_TRY(bulla_key_insert(store, call, name, &row));
    } else {
        BULLA_TRY(bulla_key_find(store, call, name, &row));
    }
    if (!row.imported)
        return bulla_fail(call, BULLA_ESTATE, "key \"%s\" has material made here: import under another name", row.name);
    if (row.state != BULLA_KEY_PENDING_IMPORT) BULLA_TRY(bulla_key_usable_check(call, &row));
    *out_row = row;
    return BULLA_OK;
}

static bulla_status import_store(bulla_store *store, bulla_call *call, const char *name, const bulla_import *import,
                                 bulla_view token, bulla_view der)
{
    BULLA_SESSION(session);
    bulla_key_row row;
    sealed_der sealed;
    uint8_t hash[BULLA_HASH_MAX], bound[BULLA_BIND_LEN];
    BULLA_TRY(bulla_digest(call, BULLA_SHA256, token, hash));
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(target_find(store, call, name, &row));
    BULLA_TRY(bulla_root_need(store, call));
    bulla_view bind = bulla_bind_import(store->id, row.id, import->expires_s, bound);
    BULLA_TRY(der_seal(call, &store->root, bind, der, &sealed));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_IMPORT_SET,
                           BULLA_ARGS(BULLA_INT(row.seq), BULLA_BLOB(bulla_view_of(hash, HASH_LEN)),
                                      BULLA_BLOB(bulla_view_of(sealed.bytes, sealed.len)),
                                      BULLA_TEXT(import->public_pem), BULLA_INT(import->expires_s))));
    BULLA_TRY(bulla_event_add(&store->db, call, "key.import-begin", row.seq, "version %" PRIu32, row.primary + 1));
    BULLA_TRY(bulla_session_commit(&session, call));
    if (import->expires_s < store->next_due_s) store->next_due_s = import->expires_s;
    return BULLA_OK;
}

bulla_status bulla_store_import_begin(bulla_store *store, bulla_call *call, const char *name, uint32_t valid_s,
                                      bulla_import *out_import)
{
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    BULLA_AUTO(bulla_secret) *der = NULL;
    BULLA_WIPED(uint8_t, token, TOKEN_LEN);
    bulla_import import = {.expires_s = bulla_wall_s(call) + valid_s};
    if (valid_s < MIN_VALID_S || valid_s > MAX_VALID_S)
        return bulla_fail(call, BULLA_EINVAL, "an import is valid for %u to %u seconds", MIN_VALID_S, MAX_VALID_S);
    BULLA_TRY(bulla_rand_key(call, token, sizeof token));
    BULLA_TRY(bulla_rsa_generate(call, IMPORT_BITS, &rsa));
    BULLA_TRY(bulla_rsa_public_pem(call, rsa, import.public_pem, sizeof import.public_pem));
    BULLA_TRY(bulla_rsa_private_der(call, rsa, &der));
    bulla_view token_view = bulla_view_of(token, sizeof token);
    BULLA_TRY(import_store(store, call, name, &import, token_view, bulla_secret_borrow(der)));
    bulla_hex_encode(token_view, import.token);
    *out_import = import;
    return BULLA_OK;
}

/* --- finished --- */

static bulla_status token_check(bulla_call *call, const char *token, bulla_view hash)
{
    BULLA_WIPED(uint8_t, bytes, TOKEN_LEN);
    uint8_t given[BULLA_HASH_MAX];
    bool formed = bulla_hex_decode(bulla_view_text(token), bytes, sizeof bytes);
    BULLA_TRY(bulla_digest(call, BULLA_SHA256, bulla_view_of(bytes, sizeof bytes), given));
    if (!formed || hash.len != HASH_LEN || !bulla_equal_ct(given, hash.data, HASH_LEN))
        return bulla_fail(call, BULLA_EAUTHN, "this is not the token of the import under way");
    return BULLA_OK;
}

bulla_status bulla_import_unwrap(bulla_call *call, const struct bulla_rsa *rsa, bulla_view wrapped,
                                 uint8_t out[BULLA_MATERIAL_LEN])
{
    BULLA_WIPED(uint8_t, kek, MAX_RSA);
    BULLA_WIPED(uint8_t, material, KWP_LEN);
    size_t rsa_len = bulla_rsa_len(rsa), kek_len = 0, len = 0;
    bool good = wrapped.len == rsa_len + KWP_LEN && rsa_len <= sizeof kek;
    if (!good) return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped material did not authenticate");
    memset(kek, 0, sizeof kek);
    good = bulla_rsa_decrypt(NULL, rsa, BULLA_RSA_OAEP_SHA256, bulla_view_of(wrapped.data, rsa_len), kek, sizeof kek,
                             &kek_len) == BULLA_OK &&
           kek_len == BULLA_MATERIAL_LEN;
    /* Goes on with a key of zeros, so that neither answer nor time tells which step failed. */
    bulla_view kwp = bulla_view_of(wrapped.data + rsa_len, KWP_LEN);
    bool opened = bulla_kwp_unwrap(NULL, bulla_view_of(kek, BULLA_MATERIAL_LEN), kwp, material, sizeof material,
                                   &len) == BULLA_OK;
    if (!good || !opened || len != BULLA_MATERIAL_LEN)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped material did not authenticate");
    memcpy(out, material, BULLA_MATERIAL_LEN);
    return BULLA_OK;
}

bulla_status bulla_import_key_open(bulla_call *call, const bulla_root *root, bulla_view sealed, bulla_view bind,
                                   bulla_rsa **out_rsa)
{
    BULLA_AUTO(bulla_secret) *der = NULL;
    bulla_record_key key = bulla_root_key(root);
    if (sealed.len <= BULLA_RECORD_OVERHEAD || sealed.len > MAX_DER + BULLA_RECORD_OVERHEAD)
        return bulla_fail(call, BULLA_ECORRUPT, "an import key has no legal length");
    BULLA_TRY(bulla_secret_new(call, sealed.len - BULLA_RECORD_OVERHEAD, &der));
    if (bulla_record_open(&key, NULL, bind, sealed, bulla_secret_fill(der)) != BULLA_OK)
        return bulla_fail(call, BULLA_ECORRUPT, "an import key does not open under the root key");
    return bulla_rsa_private_parse(call, bulla_secret_borrow(der), out_rsa);
}

static bulla_status material_open(bulla_store *store, bulla_call *call, const bulla_key_row *row, const char *token,
                                  bulla_view wrapped, uint8_t out[BULLA_MATERIAL_LEN])
{
    BULLA_ROWS(rows);
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    uint8_t bound[BULLA_BIND_LEN];
    bool found = false;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_IMPORT_GET, BULLA_ARGS(BULLA_INT(row->seq)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    if (!found || bulla_rows_number(&rows, 3) <= bulla_wall_s(call))
        return bulla_fail(call, BULLA_ESTATE, "no import waits for key \"%s\": begin one, or another if it expired",
                          row->name);
    BULLA_TRY(token_check(call, token, bulla_rows_view(&rows, 0)));
    bulla_view bind = bulla_bind_import(store->id, row->id, bulla_rows_number(&rows, 3), bound);
    BULLA_TRY(bulla_root_need(store, call));
    BULLA_TRY(bulla_import_key_open(call, &store->root, bulla_rows_view(&rows, 1), bind, &rsa));
    return bulla_import_unwrap(call, rsa, wrapped, out);
}

static bulla_status import_apply(bulla_store *store, bulla_call *call, bulla_key_row *row, bulla_view material)
{
    int64_t now_s = bulla_wall_s(call) > row->rotated_s ? bulla_wall_s(call) : row->rotated_s;
    BULLA_TRY(bulla_version_add(store, call, row, material, now_s));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_KEY_PRIMARY,
                           BULLA_ARGS(BULLA_INT(row->seq), BULLA_INT(row->primary + 1), BULLA_INT(now_s))));
    BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_IMPORT_DELETE, BULLA_ARGS(BULLA_INT(row->seq))));
    row->primary++;
    row->rotated_s = now_s;
    row->state = BULLA_KEY_ENABLED;
    row->num_rewrapped = 0;
    return bulla_event_add(&store->db, call, "key.import-finish", row->seq, "version %" PRIu32, row->primary);
}

bulla_status bulla_store_import_finish(bulla_store *store, bulla_call *call, const char *key, const char *token,
                                       bulla_view wrapped_material, bulla_key_info *out_info)
{
    BULLA_SESSION(session);
    BULLA_WIPED(uint8_t, material, BULLA_MATERIAL_LEN);
    bulla_key_row row;
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    if (row.state != BULLA_KEY_PENDING_IMPORT) BULLA_TRY(bulla_key_usable_check(call, &row));
    BULLA_TRY(material_open(store, call, &row, token, wrapped_material, material));
    BULLA_TRY(import_apply(store, call, &row, bulla_view_of(material, sizeof material)));
    BULLA_TRY(bulla_session_commit(&session, call));
    bulla_store_forget(store);
    if (out_info != NULL) bulla_key_row_info(&row, out_info);
    return BULLA_OK;
}

/* --- shown, sealed again, dropped --- */

bulla_status bulla_store_export_public(bulla_store *store, bulla_call *call, const char *key, bulla_bytes *out_pem)
{
    BULLA_SESSION(session);
    BULLA_ROWS(rows);
    bulla_key_row row;
    bool found = false;
    void *memory = NULL;
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    BULLA_TRY(bulla_key_alive_check(call, &row));
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_IMPORT_GET, BULLA_ARGS(BULLA_INT(row.seq)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, &found));
    if (!found) return bulla_fail(call, BULLA_EUNSUPPORTED, "key \"%s\" is symmetric: it has no public half", row.name);
    bulla_view pem = bulla_rows_view(&rows, 2);
    BULLA_TRY(bulla_alloc(call, pem.len + 1, &memory));
    bulla_copy(memory, pem.data, pem.len);
    *out_pem = (bulla_bytes){memory, pem.len, bulla_env_of(call)};
    return BULLA_OK;
}

static bulla_status reseal_next(bulla_store *store, bulla_call *call, const bulla_root *root, int64_t *key,
                                bool *out_more)
{
    BULLA_ROWS(rows);
    BULLA_AUTO(bulla_secret) *der = NULL;
    uint8_t bound[BULLA_BIND_LEN], id[BULLA_ID_LEN];
    sealed_der sealed;
    BULLA_TRY(bulla_rows_open(&store->db, call, BULLA_SQL_IMPORT_AFTER, BULLA_ARGS(BULLA_INT(*key)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, call, out_more));
    if (!*out_more) return BULLA_OK;
    *key = bulla_rows_number(&rows, 0);
    bulla_view old = bulla_rows_view(&rows, 1);
    if (old.len <= BULLA_RECORD_OVERHEAD || old.len > sizeof sealed.bytes || !bulla_rows_copy(&rows, 3, id, sizeof id))
        return bulla_fail(call, BULLA_ECORRUPT, "an import key has no legal length");
    bulla_view bind = bulla_bind_import(store->id, id, bulla_rows_number(&rows, 2), bound);
    bulla_record_key from = bulla_root_key(&store->root);
    BULLA_TRY(bulla_secret_new(call, old.len - BULLA_RECORD_OVERHEAD, &der));
    if (bulla_record_open(&from, NULL, bind, old, bulla_secret_fill(der)) != BULLA_OK)
        return bulla_fail(call, BULLA_ECORRUPT, "an import key does not open under the root key");
    BULLA_TRY(der_seal(call, root, bind, bulla_secret_borrow(der), &sealed));
    return bulla_db_run(&store->db, call, BULLA_SQL_IMPORT_RESEAL,
                        BULLA_ARGS(BULLA_INT(*key), BULLA_BLOB(bulla_view_of(sealed.bytes, sealed.len))));
}

bulla_status bulla_imports_reseal(bulla_store *store, bulla_call *call, const bulla_root *root)
{
    int64_t key = 0;
    bool more = true;
    while (more)
        BULLA_TRY(reseal_next(store, call, root, &key, &more));
    return BULLA_OK;
}

bulla_status bulla_imports_expire(bulla_store *store, bulla_call *call, int64_t now_s)
{
    for (int64_t key = 0;;) {
        BULLA_TRY(bulla_db_number(&store->db, call, BULLA_SQL_IMPORT_EXPIRED,
                                  BULLA_ARGS(BULLA_INT(now_s), BULLA_INT(key)), 0, &key));
        if (key == 0) return BULLA_OK;
        BULLA_TRY(bulla_db_run(&store->db, call, BULLA_SQL_IMPORT_DELETE, BULLA_ARGS(BULLA_INT(key))));
        BULLA_TRY(bulla_event_add(&store->db, call, "key.import-expire", key, "%s", ""));
    }
}
