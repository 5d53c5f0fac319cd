/* SPDX-License-Identifier: Apache-2.0 */
/* Is the store sound? (spec/keystore.md, Check.) Looks at one state of the database through a connection of its own, so
 * that others go on working meanwhile. */
#include "keystore/inside.h"

#include "base/mem.h"
#include "crypto/rsa.h"
#include "keystore/schema.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct check {
    bulla_store *store;
    bulla_db *db;
    bulla_call *call;
    bulla_finding_visit visit;
    void *arg;
    bulla_root root; /* of the state that is looked at */
    uint64_t num_findings;
} check;

static void finding(check *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void finding(check *self, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    self->num_findings++;
    if (self->visit != NULL) self->visit(self->arg, text);
}

/* --- what SQL can see --- */

/* Each query has a row for each mistake, its first column says which. */
static const struct rule {
    const char *what, *sql;
} rules[] = {
    {"the file: %s", "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
    {"a row of table %s refers to a key that is not there", "SELECT \"table\" FROM pragma_foreign_key_check"},
    {"%s rows of identity, there must be 1", "SELECT count(*) FROM store HAVING count(*) <> 1"},
    {"%s root keys, there must be 1", "SELECT count(*) FROM root HAVING count(*) <> 1"},
    {"key %s: type, usage or state is not legal",
     "SELECT name FROM key WHERE type NOT IN (1, 2) OR usage NOT IN (1, 2, 3) OR state NOT IN (1, 2, 3, 4, 5)"},
    {"key %s: the versions do not run from 1 to the primary one",
     "SELECT name FROM key k WHERE primary_version <> (SELECT count(*) FROM key_version WHERE key = k.seq)"
     " OR primary_version <> (SELECT ifnull(max(version), 0) FROM key_version WHERE key = k.seq)"
     " OR EXISTS (SELECT 1 FROM key_version WHERE key = k.seq AND version < 1)"},
    {"key %s: it has no version but is in use", "SELECT name FROM key WHERE primary_version = 0 AND state IN (1, 2)"},
    {"key %s: it waits for material and has some", "SELECT name FROM key WHERE primary_version > 0 AND state = 3"},
    {"key %s: it is destroyed and its material is there",
     "SELECT name FROM key k WHERE state = 5 AND EXISTS"
     " (SELECT 1 FROM key_version WHERE key = k.seq AND sealed IS NOT NULL)"},
    {"key %s: it is not destroyed and material is missing",
     "SELECT name FROM key k WHERE state <> 5 AND EXISTS"
     " (SELECT 1 FROM key_version WHERE key = k.seq AND sealed IS NULL)"},
    {"key %s: it is destroyed and has an alias, an import or a job",
     "SELECT name FROM key k WHERE state = 5 AND (EXISTS (SELECT 1 FROM alias WHERE key = k.seq)"
     " OR EXISTS (SELECT 1 FROM import WHERE key = k.seq) OR EXISTS (SELECT 1 FROM job WHERE key = k.seq))"},
    {"key %s: the date of deletion does not fit the state",
     "SELECT name FROM key WHERE (state IN (4, 5)) <> (deletion > 0) OR (due_seen <> 0 AND state <> 4)"},
    {"key %s: dates run backwards",
     "SELECT name FROM key k WHERE EXISTS (SELECT 1 FROM key_version a JOIN key_version b ON b.key = a.key"
     " AND b.version = a.version + 1 WHERE a.key = k.seq AND b.created < a.created)"
     " OR (primary_version > 0 AND rotated <> (SELECT created FROM key_version WHERE key = k.seq"
     " AND version = k.primary_version))"},
    {"the name %s is used by two keys", "SELECT name FROM key WHERE state <> 5 GROUP BY name HAVING count(*) > 1"},
    {"the name %s is used by a key and an alias",
     "SELECT a.name FROM alias a JOIN key k ON k.name = a.name AND k.state <> 5"},
    {"key %s: its count of data keys is wrong",
     "SELECT name FROM key k LEFT JOIN (SELECT key, count(*) AS num FROM dek GROUP BY key) d ON d.key = k.seq"
     " WHERE k.num_deks <> ifnull(d.num, 0)"},
    {"key %s: the count of data keys of a version is wrong",
     "SELECT k.name FROM key_version v JOIN key k ON k.seq = v.key LEFT JOIN"
     " (SELECT key, version, count(*) AS num FROM dek GROUP BY key, version) d"
     " ON d.key = v.key AND d.version = v.version WHERE v.num_deks <> ifnull(d.num, 0)"},
    {"key %s: the estimate of what a version has wrapped is not legal",
     "SELECT name FROM key k WHERE EXISTS (SELECT 1 FROM key_version WHERE key = k.seq AND (num_wraps < 0"
     " OR num_wraps % 65536 <> 0))"},
    {"key %s: a data key is under a version that it does not have",
     "SELECT k.name FROM key k WHERE EXISTS (SELECT 1 FROM dek d WHERE d.key = k.seq AND NOT EXISTS"
     " (SELECT 1 FROM key_version v WHERE v.key = d.key AND v.version = d.version))"},
    {"the history has %s lines more or fewer than its numbers say",
     "SELECT max(number) - count(*) FROM event HAVING max(number) <> count(*) OR min(number) <> 1"},
    {"key %s is not in the history", "SELECT name FROM key k WHERE NOT EXISTS (SELECT 1 FROM event WHERE key = k.seq)"},
};

static bulla_status rule_check(check *self, const struct rule *rule)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(self->db->handle, rule->sql, -1, &stmt, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(stmt);
        if (code != SQLITE_ROW) break;
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        char what[256];
        const char *mark = strstr(rule->what, "%s");
        (void)snprintf(what, sizeof what, "%.*s%s%s", (int)(mark - rule->what), rule->what, text == NULL ? "?" : text,
                       mark + 2);
        finding(self, "%s", what);
    }
    (void)sqlite3_finalize(stmt);
    if (code == SQLITE_DONE) return BULLA_OK;
    bulla_status status = bulla_db_fail(self->db, self->call, code, "check the keystore");
    if (status != BULLA_ECORRUPT) return status;
    finding(self, "the file: %s", sqlite3_errstr(code));
    return BULLA_OK;
}

/* --- the tables themselves --- */

static const char schema_list[] = "SELECT name || ': ' || replace(ifnull(sql, ''), ' ', '') FROM sqlite_schema"
                                  " WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";

static const char *schema_next(sqlite3_stmt *stmt, int *code)
{
    *code = sqlite3_step(stmt);
    const unsigned char *text = *code == SQLITE_ROW ? sqlite3_column_text(stmt, 0) : NULL;
    return text == NULL ? "" : (const char *)text;
}

/* A trigger or view of somebody else's would go along into every copy, and may keep what is destroyed. */
static bulla_status schema_compare(check *self, sqlite3_stmt *is, sqlite3_stmt *ought)
{
    int is_code = SQLITE_ROW, ought_code = SQLITE_ROW;
    while (is_code == SQLITE_ROW && ought_code == SQLITE_ROW) {
        const char *a = schema_next(is, &is_code), *b = schema_next(ought, &ought_code);
        if (strcmp(a, b) == 0) continue;
        finding(self, "the tables are not those of the format, from \"%.80s\" on", a[0] == '\0' ? b : a);
        return BULLA_OK;
    }
    if (is_code == SQLITE_DONE && ought_code == SQLITE_DONE) return BULLA_OK;
    return bulla_db_fail(self->db, self->call, is_code != SQLITE_DONE ? is_code : ought_code, "check the keystore");
}

static bulla_status schema_check(check *self)
{
    sqlite3 *fresh = NULL;
    sqlite3_stmt *is = NULL, *ought = NULL;
    int code = sqlite3_open_v2(":memory:", &fresh, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) code = sqlite3_exec(fresh, bulla_schema, NULL, NULL, NULL);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(fresh, schema_list, -1, &ought, NULL);
    if (code == SQLITE_OK) code = sqlite3_prepare_v2(self->db->handle, schema_list, -1, &is, NULL);
    bulla_status status = code == SQLITE_OK ? schema_compare(self, is, ought)
                                            : bulla_db_fail(self->db, self->call, code, "check the keystore");
    (void)sqlite3_finalize(is);
    (void)sqlite3_finalize(ought);
    (void)sqlite3_close(fresh);
    return status;
}

/* --- what only the keys can see --- */

static bulla_status next(check *self, sqlite3_stmt *stmt, bool *out_more)
{
    int code = sqlite3_step(stmt);
    *out_more = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE) return bulla_call_check(self->call);
    return bulla_db_fail(self->db, self->call, code, "check the keystore");
}

static bulla_view column(sqlite3_stmt *stmt, int index)
{
    const void *bytes = sqlite3_column_blob(stmt, index);
    return bulla_view_of(bytes, bytes == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, index));
}

static bool version_opens(const check *self, const bulla_key_row *key, uint32_t version, bulla_view sealed,
                          bulla_aead **out_aead)
{
    BULLA_WIPED(uint8_t, material, BULLA_MATERIAL_LEN);
    uint8_t bound[BULLA_BIND_LEN];
    bulla_record_key root = bulla_root_key(&self->root);
    if (sealed.len != BULLA_SEALED_LEN ||
        bulla_record_open(&root, NULL, bulla_bind_version(self->store->id, key, version, bound), sealed, material) !=
            BULLA_OK)
        return false;
    return bulla_aead_new(NULL, bulla_view_of(material, sizeof material), out_aead) == BULLA_OK;
}

static bool dek_opens(const bulla_key_row *key, uint32_t version, bulla_aead *aead, sqlite3_stmt *stmt, uint8_t *bound)
{
    BULLA_WIPED(uint8_t, dek, 64);
    bulla_record_key under = {.version = version, .aead = aead};
    bulla_view id = column(stmt, 0), blob = column(stmt, 1), context = column(stmt, 2);
    memcpy(under.id, key->id, BULLA_ID_LEN);
    if (id.len != BULLA_ID_LEN || context.len > BULLA_MAX_CONTEXT || blob.len <= BULLA_RECORD_OVERHEAD ||
        blob.len > sizeof dek + BULLA_RECORD_OVERHEAD)
        return false;
    return bulla_record_open(&under, NULL, bulla_bind_dek(id.data, context, bound), blob, dek) == BULLA_OK;
}

static bulla_status deks_walk(check *self, const bulla_key_row *key, uint32_t version, bulla_aead *aead,
                              sqlite3_stmt *stmt, uint8_t *bound)
{
    bool more = false;
    for (;;) {
        BULLA_TRY(next(self, stmt, &more));
        if (!more) return BULLA_OK;
        char id[2 * 64 + 1];
        bulla_view name = column(stmt, 0);
        if (dek_opens(key, version, aead, stmt, bound)) continue;
        bulla_hex_encode(bulla_view_of(name.data, name.len > 64 ? 64 : name.len), id);
        finding(self, "key %s: data key %s does not open under version %" PRIu32, key->name, id, version);
    }
}

static bulla_status deks_check(check *self, const bulla_key_row *key, uint32_t version, bulla_aead *aead)
{
    sqlite3_stmt *stmt = NULL;
    void *bound = NULL;
    BULLA_TRY(bulla_alloc(self->call, BULLA_BIND_LEN + BULLA_MAX_CONTEXT, &bound));
    int code = sqlite3_prepare_v2(self->db->handle, "SELECT id, blob, context FROM dek WHERE key = ?1 AND version = ?2",
                                  -1, &stmt, NULL);
    bulla_status status =
        code == SQLITE_OK ? BULLA_OK : bulla_db_fail(self->db, self->call, code, "check the keystore");
    if (status == BULLA_OK) {
        (void)sqlite3_bind_int64(stmt, 1, key->seq);
        (void)sqlite3_bind_int64(stmt, 2, version);
        status = deks_walk(self, key, version, aead, stmt, bound);
    }
    (void)sqlite3_finalize(stmt);
    bulla_free(bulla_env_of(self->call), bound);
    return status;
}

static bulla_status versions_check(check *self, const bulla_key_row *key)
{
    for (uint32_t version = 1; version <= key->primary; version++) {
        BULLA_ROWS(rows);
        BULLA_AUTO(bulla_aead) *aead = NULL;
        bool found = false;
        BULLA_TRY(bulla_rows_open(self->db, self->call, BULLA_SQL_VERSION_GET,
                                  BULLA_ARGS(BULLA_INT(key->seq), BULLA_INT(version)), &rows));
        BULLA_TRY(bulla_rows_next(&rows, self->call, &found));
        if (!found) return BULLA_OK; /* counted already: the primary one may be any number */
        bool opens = version_opens(self, key, version, bulla_rows_view(&rows, 0), &aead);
        if (opens && bulla_rows_number(&rows, 1) != 0) BULLA_TRY(deks_check(self, key, version, aead));
        if (!opens) finding(self, "key %s: version %" PRIu32 " does not open under the root key", key->name, version);
    }
    return BULLA_OK;
}

/* The private half must open, and be that of the public key which the owner of the material was given. */
static bool import_is_whole(const check *self, const bulla_key_row *key, const bulla_rows *rows)
{
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    uint8_t bound[BULLA_BIND_LEN];
    char pem[sizeof((bulla_import *)NULL)->public_pem];
    bulla_view bind = bulla_bind_import(self->store->id, key->id, bulla_rows_number(rows, 3), bound);
    return bulla_import_key_open(NULL, &self->root, bulla_rows_view(rows, 1), bind, &rsa) == BULLA_OK &&
           bulla_rsa_public_pem(NULL, rsa, pem, sizeof pem) == BULLA_OK && bulla_view_is(bulla_rows_view(rows, 2), pem);
}

static bulla_status import_check(check *self, const bulla_key_row *key)
{
    BULLA_ROWS(rows);
    bool found = false;
    BULLA_TRY(bulla_rows_open(self->db, self->call, BULLA_SQL_IMPORT_GET, BULLA_ARGS(BULLA_INT(key->seq)), &rows));
    BULLA_TRY(bulla_rows_next(&rows, self->call, &found));
    if (!found || import_is_whole(self, key, &rows)) return BULLA_OK;
    finding(self, "key %s: its import key does not open under the root key, or is not the one handed out", key->name);
    return BULLA_OK;
}

static bulla_status keys_check(check *self)
{
    bulla_key_row key = {.seq = 0};
    for (;;) {
        BULLA_ROWS(rows);
        bool more = false;
        BULLA_TRY(
            bulla_rows_open(self->db, self->call, BULLA_SQL_KEY_BY_SEQ_AFTER, BULLA_ARGS(BULLA_INT(key.seq)), &rows));
        BULLA_TRY(bulla_rows_next(&rows, self->call, &more));
        if (!more) return BULLA_OK;
        int64_t seq = bulla_rows_number(&rows, 0);
        if (bulla_key_row_read(&rows, self->call, &key) != BULLA_OK) {
            finding(self, "key number %" PRId64 ": its row has no legal values", seq);
            key.seq = seq;
            continue;
        }
        if (key.state == BULLA_KEY_DESTROYED) continue;
        BULLA_TRY(versions_check(self, &key));
        BULLA_TRY(import_check(self, &key));
    }
}

/* The root key as the store has it, and whether it is the one of the state that is looked at. */
static bulla_status root_check(check *self, int64_t generation)
{
    BULLA_SESSION(session);
    BULLA_TRY(bulla_session_read(self->store, self->call, &session));
    bulla_status status = bulla_root_need(self->store, self->call);
    if (status == BULLA_ECONFIG) return BULLA_ECORRUPT; /* the wrong key, or a damaged row: the call says it */
    BULLA_TRY(status);
    if (generation != (int64_t)self->store->root.generation)
        return bulla_fail(self->call, BULLA_EBUSY, "the root key was rotated meanwhile: check again");
    self->root = self->store->root;
    self->root.aead = bulla_aead_ref(self->root.aead);
    return BULLA_OK;
}

static bulla_status check_all(check *self)
{
    int64_t generation = 0;
    BULLA_TRY(bulla_db_run(self->db, self->call, BULLA_SQL_BEGIN_READ, NULL, 0));
    BULLA_TRY(bulla_db_number(self->db, self->call, BULLA_SQL_ROOT_GENERATION, NULL, 0, 0, &generation));
    BULLA_TRY(root_check(self, generation));
    BULLA_TRY(schema_check(self));
    for (size_t i = 0; i < BULLA_LEN(rules); i++) {
        BULLA_TRY(bulla_call_check(self->call));
        BULLA_TRY(rule_check(self, &rules[i]));
    }
    return keys_check(self);
}

bulla_status bulla_db_check(bulla_store *store, bulla_db *db, bulla_call *call, bulla_finding_visit visit, void *arg)
{
    check self = {.store = store, .db = db, .call = call, .visit = visit, .arg = arg};
    bulla_status status = check_all(&self);
    bulla_root_drop(&self.root);
    if (status == BULLA_ECORRUPT) {
        finding(&self, "%s", call == NULL ? "the store is damaged" : call->why);
        status = BULLA_OK;
    }
    BULLA_TRY(status);
    if (self.num_findings == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_ECORRUPT, "%" PRIu64 " %s wrong in the keystore %s: restore a backup",
                      self.num_findings, self.num_findings == 1 ? "thing is" : "things are", store->path);
}

bulla_status bulla_store_check(bulla_store *store, bulla_call *call, bulla_finding_visit visit, void *arg)
{
    BULLA_DB(db);
    char path[BULLA_DB_PATH];
    BULLA_TRY(bulla_path_join(call, store->path, BULLA_DB_FILE, path));
    bulla_status status = bulla_db_open(call, path, false, &db);
    if (status == BULLA_OK) return bulla_db_check(store, &db, call, visit, arg);
    if (status == BULLA_ECORRUPT && visit != NULL) visit(arg, call == NULL ? "the file is damaged" : call->why);
    return status;
}
