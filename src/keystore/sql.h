/* SPDX-License-Identifier: Apache-2.0 */
/* Every statement that the keystore runs more than once, prepared at its first use and kept. */
#ifndef BULLA_KEYSTORE_SQL_H
#define BULLA_KEYSTORE_SQL_H

#define BULLA_SQL_KEY_COLUMNS                                                                                          \
    "SELECT k.seq, k.id, k.name, k.type, k.usage, k.state, k.primary_version, k.imported, k.rotation_period,"          \
    " k.created, k.rotated, k.rewrapped, k.deletion, k.due_seen, k.num_deks,"                                          \
    " (SELECT v.num_deks FROM key_version v WHERE v.key = k.seq AND v.version = k.primary_version) FROM key k "

/* X(name, text) */
#define BULLA_SQL_TABLE(X)                                                                                             \
    X(BEGIN_READ, "BEGIN DEFERRED")                                                                                    \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                                  \
    X(COMMIT, "COMMIT")                                                                                                \
    X(DATA_VERSION, "PRAGMA data_version")                                                                             \
    /* store and root */                                                                                               \
    X(STORE_INSERT, "INSERT INTO store (id, created) VALUES (?1, ?2)")                                                 \
    X(STORE_GET, "SELECT id, created FROM store")                                                                      \
    X(ROOT_INSERT, "INSERT INTO root (generation, id, address, provider, info, blob, created)"                         \
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                                             \
    X(ROOT_GET, "SELECT generation, id, address, provider, info, blob, created FROM root")                             \
    X(ROOT_GENERATION, "SELECT generation FROM root")                                                                  \
    X(ROOT_DELETE_OLD, "DELETE FROM root WHERE generation < ?1")                                                       \
    X(ROOT_SEALED, "SELECT v.key, v.version, v.sealed, k.id, k.type, k.usage FROM key_version v"                       \
                   " JOIN key k ON k.seq = v.key WHERE v.sealed IS NOT NULL AND (v.key, v.version) > (?1, ?2)"         \
                   " ORDER BY v.key, v.version LIMIT 1")                                                               \
    X(COUNTS, "SELECT (SELECT count(*) FROM key WHERE state <> 5), (SELECT count(*) FROM key_version),"                \
              " (SELECT total(num_deks) FROM key), (SELECT count(*) FROM event)")                                      \
    /* keys */                                                                                                         \
    X(KEY_INSERT, "INSERT INTO key (id, name, type, usage, state, primary_version, imported, rotation_period,"         \
                  " created, rotated) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")                               \
    X(KEY_BY_SEQ, BULLA_SQL_KEY_COLUMNS "WHERE k.seq = ?1")                                                            \
    X(KEY_BY_ID, BULLA_SQL_KEY_COLUMNS "WHERE k.id = ?1")                                                              \
    X(KEY_BY_NAME, BULLA_SQL_KEY_COLUMNS "WHERE k.name = ?1 AND k.state <> 5")                                         \
    X(KEY_BY_ALIAS, BULLA_SQL_KEY_COLUMNS "JOIN alias a ON a.key = k.seq WHERE a.name = ?1")                           \
    X(KEY_GONE_BY_NAME, BULLA_SQL_KEY_COLUMNS "WHERE k.name = ?1 AND k.state = 5 ORDER BY k.seq DESC LIMIT 1")         \
    X(KEY_LIST, BULLA_SQL_KEY_COLUMNS "WHERE k.state <> 5 AND (k.name, k.seq) > (?1, ?2)"                              \
                                      " ORDER BY k.name, k.seq LIMIT ?3")                                              \
    X(KEY_LIST_ALL,                                                                                                    \
      BULLA_SQL_KEY_COLUMNS "WHERE k.state <> 5 AND (k.name, k.seq) > (?1, ?2) UNION ALL " BULLA_SQL_KEY_COLUMNS       \
                            "WHERE k.state = 5 AND (k.name, k.seq) > (?1, ?2) ORDER BY 3, 1 LIMIT ?3")                 \
    X(KEY_BY_SEQ_AFTER, BULLA_SQL_KEY_COLUMNS "WHERE k.seq > ?1 ORDER BY k.seq LIMIT 1")                               \
    X(KEY_STATE, "UPDATE key SET state = ?2, deletion = ?3, due_seen = 0 WHERE seq = ?1")                              \
    X(KEY_PERIOD, "UPDATE key SET rotation_period = ?2 WHERE seq = ?1")                                                \
    X(KEY_PRIMARY, "UPDATE key SET primary_version = ?2, rotated = ?3, state = 1 WHERE seq = ?1")                      \
    X(KEY_REWRAPPED, "UPDATE key SET rewrapped = ?2 WHERE seq = ?1")                                                   \
    X(KEY_DUE_SEEN, "UPDATE key SET due_seen = ?2 WHERE seq = ?1")                                                     \
    X(KEY_COUNT_DEKS, "UPDATE key SET num_deks = num_deks + ?2 WHERE seq = ?1")                                        \
    X(KEY_ROTATION_DUE, "SELECT k.seq FROM key k WHERE k.rotation_period > 0 AND k.state = 1 AND k.imported = 0"       \
                        " AND k.seq > ?1 AND (k.rotated + k.rotation_period <= ?2 OR ?3 <= (SELECT v.num_wraps"        \
                        " FROM key_version v WHERE v.key = k.seq AND v.version = k.primary_version))"                  \
                        " ORDER BY k.seq LIMIT 1")                                                                     \
    X(NAME_TAKEN, "SELECT 1 FROM key WHERE name = ?1 AND state <> 5 UNION ALL SELECT 1 FROM alias WHERE name = ?1")    \
    X(PENDING_NEXT, "SELECT min(CASE WHEN due_seen <> 0 THEN 0 ELSE deletion END) FROM key WHERE state = 4")           \
    X(IMPORT_NEXT, "SELECT min(expires) FROM import")                                                                  \
    X(PENDING_GET, "SELECT seq, deletion, due_seen FROM key WHERE state = 4 AND seq > ?2 AND"                          \
                   " ((due_seen = 0) = (deletion <= ?1)"                                                               \
                   " OR (deletion <= ?1 AND (due_seen <= ?1 - 3600 OR due_seen > ?1))) ORDER BY seq LIMIT 1")          \
    /* versions */                                                                                                     \
    X(VERSION_INSERT, "INSERT INTO key_version (key, version, sealed, imported, created) VALUES (?1, ?2, ?3, ?4, ?5)") \
    X(VERSION_GET, "SELECT sealed, num_deks, num_wraps FROM key_version WHERE key = ?1 AND version = ?2")              \
    X(VERSION_RESEAL, "UPDATE key_version SET sealed = ?3 WHERE key = ?1 AND version = ?2")                            \
    X(VERSION_DESTROY, "UPDATE key_version SET sealed = NULL WHERE key = ?1")                                          \
    X(VERSION_LIST, "SELECT version, created, sealed IS NULL, imported, num_deks, num_wraps FROM key_version"          \
                    " WHERE key = ?1 AND version > ?2 ORDER BY version LIMIT ?3")                                      \
    X(VERSION_COUNT_DEKS, "UPDATE key_version SET num_deks = num_deks + ?3 WHERE key = ?1 AND version = ?2")           \
    X(VERSION_COUNT_WRAPS, "UPDATE key_version SET num_wraps = num_wraps + ?3 WHERE key = ?1 AND version = ?2"         \
                           " RETURNING num_wraps")                                                                     \
    /* labels */                                                                                                       \
    X(ALIAS_SET, "INSERT INTO alias (name, key) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET key = ?2")            \
    X(ALIAS_GET, "SELECT key FROM alias WHERE name = ?1")                                                              \
    X(ALIAS_DELETE, "DELETE FROM alias WHERE name = ?1")                                                               \
    X(ALIAS_DELETE_ALL, "DELETE FROM alias WHERE key = ?1")                                                            \
    X(ALIAS_LIST, "SELECT name, '' FROM alias WHERE key = ?1 AND name > ?2 ORDER BY name LIMIT ?3")                    \
    X(TAG_SET, "INSERT INTO tag (key, name, value) VALUES (?1, ?2, ?3)"                                                \
               " ON CONFLICT (key, name) DO UPDATE SET value = ?3")                                                    \
    X(TAG_DELETE, "DELETE FROM tag WHERE key = ?1 AND name = ?2")                                                      \
    X(TAG_COUNT, "SELECT count(*) FROM tag WHERE key = ?1 AND name <> ?2")                                             \
    X(TAG_LIST, "SELECT name, value FROM tag WHERE key = ?1 AND name > ?2 ORDER BY name LIMIT ?3")                     \
    /* history */                                                                                                      \
    X(EVENT_INSERT, "INSERT INTO event (time, action, key, principal, detail) VALUES (?1, ?2, ?3, ?4, ?5)")            \
    X(EVENT_LIST, "SELECT e.number, e.time, e.action, k.id, k.name, e.principal, e.detail FROM event e"                \
                  " LEFT JOIN key k ON k.seq = e.key WHERE e.number > ?1 ORDER BY e.number LIMIT ?2")                  \
    X(EVENT_LIST_KEY, "SELECT e.number, e.time, e.action, k.id, k.name, e.principal, e.detail FROM event e"            \
                      " JOIN key k ON k.seq = e.key WHERE e.key = ?3 AND e.number > ?1 ORDER BY e.number LIMIT ?2")    \
    /* kept data keys */                                                                                               \
    X(DEK_INSERT, "INSERT INTO dek (id, key, version, blob, context) VALUES (?1, ?2, ?3, ?4, ?5)")                     \
    X(DEK_GET, "SELECT seq, key, version, blob, context FROM dek WHERE id = ?1")                                       \
    X(DEK_DELETE, "DELETE FROM dek WHERE seq = ?1")                                                                    \
    X(DEK_TAKE, "SELECT 1 FROM dek INDEXED BY dek_key WHERE key = ?1 AND seq > ?2 AND bulla_rewrap_take(seq, id, "     \
                "version, blob, context) ORDER BY seq LIMIT 1")                                                        \
    X(DEK_PUT, "UPDATE dek SET version = ?4, blob = bulla_rewrap_put(seq)"                                             \
               " WHERE key = ?1 AND seq BETWEEN ?2 AND ?3 AND version <> ?4")                                          \
    X(DEK_PUT_DENSE, "UPDATE dek SET version = ?4, blob = bulla_rewrap_put(seq)"                                       \
                     " WHERE +key = ?1 AND seq BETWEEN ?2 AND ?3 AND version <> ?4")                                   \
    X(JOB_GET, "SELECT version, cursor FROM job WHERE key = ?1")                                                       \
    X(JOB_SET, "INSERT INTO job (key, version, cursor, started) VALUES (?1, ?2, ?3, ?4)"                               \
               " ON CONFLICT (key) DO UPDATE SET version = ?2, cursor = ?3")                                           \
    X(JOB_DELETE, "DELETE FROM job WHERE key = ?1")                                                                    \
    /* imports */                                                                                                      \
    X(IMPORT_SET, "INSERT OR REPLACE INTO import (key, token, sealed, public, expires) VALUES (?1, ?2, ?3, ?4, ?5)")   \
    X(IMPORT_GET, "SELECT token, sealed, public, expires FROM import WHERE key = ?1")                                  \
    X(IMPORT_DELETE, "DELETE FROM import WHERE key = ?1")                                                              \
    X(IMPORT_RESEAL, "UPDATE import SET sealed = ?2 WHERE key = ?1")                                                   \
    X(IMPORT_AFTER, "SELECT i.key, i.sealed, i.expires, k.id FROM import i JOIN key k ON k.seq = i.key"                \
                    " WHERE i.key > ?1 ORDER BY i.key LIMIT 1")                                                        \
    X(IMPORT_EXPIRED, "SELECT key FROM import WHERE expires <= ?1 AND key > ?2 ORDER BY key LIMIT 1")

typedef enum bulla_sql {
#define BULLA_SQL_ENUM(name, text) BULLA_SQL_##name,
    BULLA_SQL_TABLE(BULLA_SQL_ENUM)
#undef BULLA_SQL_ENUM
        BULLA_NUM_SQL
} bulla_sql;

#endif
