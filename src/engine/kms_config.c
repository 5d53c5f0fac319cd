/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/kms_config.h"

#include "base/bytes.h"
#include "base/macros.h"

#include <stdio.h>

#define DAY_MS BULLA_CACHE_DAY_MS

static const char *const providers[] = {"vault", "aws", "azure", "gcp", "pkcs11", NULL};
enum { VAULT = 1, AWS = 2, AZURE = 4, GCP = 8, PKCS11 = 16 }; /* bits in the order of `providers` */
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const auth_methods[] = {"token", "approle", "kubernetes", "cert", "jwt", NULL};
static const char *const data_key_specs[] = {"AES_256", "AES_128", NULL};

/* X(kind, name in the file, member, min, max, words). Kinds: TEXT, WORD, SECRET, LIST (member and num_member), MS, NUM,
 * BOOL, NOT: a bool kept turned around; and TRIES: a number whose 0 turns retries off. */
#define KMS_TABLE(X)                                                                                                   \
    X(WORD, "provider", provider, 0, 0, providers)                                                                     \
    X(TEXT, "key_name", key_name, 0, 0, NULL)                                                                          \
    X(TEXT, "key_version", key_version, 0, 0, NULL)                                                                    \
    X(MS, "timeout", timeout_ms, 1, 600000, NULL)                                                                      \
    X(TRIES, "max_retries", retry.max_retries, 0, 10, NULL)                                                            \
    X(TEXT, "tls.ca_cert", tls.ca_cert, 0, 0, NULL)                                                                    \
    X(TEXT, "tls.client_cert", tls.client_cert, 0, 0, NULL)                                                            \
    X(TEXT, "tls.client_key", tls.client_key, 0, 0, NULL)                                                              \
    X(WORD, "tls.min_version", tls.min_version, 0, 0, tls_versions)                                                    \
    X(TEXT, "tls.server_name", tls.server_name, 0, 0, NULL)                                                            \
    X(BOOL, "tls.accept_any_server_certificate", tls.accept_any_server_certificate, 0, 0, NULL)                        \
    X(BOOL, "tls.accept_unencrypted_http", tls.accept_unencrypted_http, 0, 0, NULL)                                    \
    X(NUM, "connection_pool.max_connections", pool.max_connections, 1, 64, NULL)                                       \
    X(MS, "connection_pool.idle_timeout", pool.idle_timeout_ms, 1, DAY_MS, NULL)                                       \
    X(MS, "connection_pool.connection_timeout", pool.connection_timeout_ms, 1, 600000, NULL)                           \
    X(NOT, "retry.enabled", retry.disabled, 0, 0, NULL)                                                                \
    X(MS, "retry.base_delay", retry.base_delay_ms, 1, 60000, NULL)                                                     \
    X(MS, "retry.max_delay", retry.max_delay_ms, 1, 600000, NULL)                                                      \
    X(NUM, "retry.budget_percent", retry.budget_percent, 1, 100, NULL)                                                 \
    X(NOT, "circuit_breaker.enabled", breaker.disabled, 0, 0, NULL)                                                    \
    X(MS, "circuit_breaker.window", breaker.window_ms, 100, 3600000, NULL)                                             \
    X(NUM, "circuit_breaker.min_calls", breaker.min_calls, 1, 1000000, NULL)                                           \
    X(NUM, "circuit_breaker.failure_percent", breaker.failure_percent, 1, 100, NULL)                                   \
    X(MS, "circuit_breaker.open_time", breaker.open_ms, 1, 3600000, NULL)                                              \
    X(BOOL, "failover.enabled", failover.enabled, 0, 0, NULL)                                                          \
    X(TEXT, "failover.primary", failover.primary, 0, 0, NULL)                                                          \
    X(LIST, "failover.replicas", failover.replicas, 0, 0, NULL)                                                        \
    X(MS, "failover.health_check_interval", failover.health_check_interval_ms, 100, DAY_MS, NULL)                      \
    X(MS, "failover.failover_timeout", failover.failover_timeout_ms, 1, 600000, NULL)                                  \
    X(BOOL, "failover.hedge", failover.hedge, 0, 0, NULL)                                                              \
    X(TEXT, "address", address, 0, 0, NULL)                                                                            \
    X(LIST, "addresses", addresses, 0, 0, NULL)                                                                        \
    X(LIST, "standby_addresses", standby_addresses, 0, 0, NULL)                                                        \
    X(TEXT, "namespace", namespace_, 0, 0, NULL)                                                                       \
    X(TEXT, "mount_path", mount_path, 0, 0, NULL)                                                                      \
    X(WORD, "auth_method", auth_method, 0, 0, auth_methods)                                                            \
    X(TEXT, "auth_mount", auth_mount, 0, 0, NULL)                                                                      \
    X(TEXT, "auth_role", auth_role, 0, 0, NULL)                                                                        \
    X(TEXT, "jwt_file", jwt_file, 0, 0, NULL)                                                                          \
    X(SECRET, "token", token, 0, 0, NULL)                                                                              \
    X(TEXT, "token_file", token_file, 0, 0, NULL)                                                                      \
    X(TEXT, "role_id", role_id, 0, 0, NULL)                                                                            \
    X(SECRET, "secret_id", secret_id, 0, 0, NULL)                                                                      \
    X(TEXT, "region", region, 0, 0, NULL)                                                                              \
    X(TEXT, "key_id", key_id, 0, 0, NULL)                                                                              \
    X(TEXT, "endpoint", endpoint, 0, 0, NULL)                                                                          \
    X(TEXT, "sts_endpoint", sts_endpoint, 0, 0, NULL)                                                                  \
    X(TEXT, "profile", profile, 0, 0, NULL)                                                                            \
    X(TEXT, "role_arn", role_arn, 0, 0, NULL)                                                                          \
    X(TEXT, "external_id", external_id, 0, 0, NULL)                                                                    \
    X(TEXT, "role_session_name", role_session_name, 0, 0, NULL)                                                        \
    X(LIST, "replica_keys", replica_keys, 0, 0, NULL)                                                                  \
    X(LIST, "encryption_context", encryption_context, 0, 0, NULL)                                                      \
    X(WORD, "data_key_spec", data_key_spec, 0, 0, data_key_specs)                                                      \
    X(TEXT, "access_key_id", access_key_id, 0, 0, NULL)                                                                \
    X(SECRET, "secret_access_key", access_key_secret, 0, 0, NULL)                                                      \
    X(SECRET, "session_token", session_token, 0, 0, NULL)                                                              \
    X(TEXT, "vault_url", vault_url, 0, 0, NULL)                                                                        \
    X(TEXT, "tenant_id", tenant_id, 0, 0, NULL)                                                                        \
    X(TEXT, "client_id", client_id, 0, 0, NULL)                                                                        \
    X(SECRET, "client_secret", client_secret, 0, 0, NULL)                                                              \
    X(TEXT, "client_certificate", client_certificate, 0, 0, NULL)                                                      \
    X(TEXT, "authority_host", authority_host, 0, 0, NULL)                                                              \
    X(BOOL, "use_managed_identity", use_managed_identity, 0, 0, NULL)                                                  \
    X(TEXT, "project_id", project_id, 0, 0, NULL)                                                                      \
    X(TEXT, "location", location, 0, 0, NULL)                                                                          \
    X(TEXT, "key_ring", key_ring, 0, 0, NULL)                                                                          \
    X(TEXT, "credentials_file", credentials_file, 0, 0, NULL)                                                          \
    X(TEXT, "quota_project", quota_project, 0, 0, NULL)                                                                \
    X(BOOL, "use_default_credentials", use_default_credentials, 0, 0, NULL)                                            \
    X(TEXT, "module", module, 0, 0, NULL)                                                                              \
    X(TEXT, "uri", uri, 0, 0, NULL)                                                                                    \
    X(SECRET, "pin", pin, 0, 0, NULL)

typedef enum member_kind { TEXT, WORD, SECRET, LIST, MS, NUM, TRIES, BOOL, NOT } member_kind;

#define CONF_TEXT BULLA_CONF_TEXT
#define CONF_WORD BULLA_CONF_WORD
#define CONF_SECRET BULLA_CONF_SECRET
#define CONF_LIST BULLA_CONF_LIST
#define CONF_MS BULLA_CONF_DURATION
#define CONF_NUM BULLA_CONF_NUMBER
#define CONF_TRIES BULLA_CONF_NUMBER
#define CONF_BOOL BULLA_CONF_BOOL
#define CONF_NOT BULLA_CONF_BOOL

const bulla_conf_field bulla_kms_fields[BULLA_KMS_NUM_FIELDS] = {
#define X(kind, name, member, min, max, words) {name, CONF_##kind, min, max, words, NULL, 0},
    KMS_TABLE(X)
#undef X
#define X(enumerator, name, kind, min, max, fallback) {name, BULLA_CONF_##kind, min, max, NULL, NULL, 0},
        BULLA_CACHE_TABLE(X)
#undef X
};

/* Where each value of a block goes; the cache's fields come after these. */
static const struct {
    member_kind kind;
    size_t offset;
} members[] = {
#define X(kind, name, member, min, max, words) {kind, offsetof(bulla_kms_config, member)},
    KMS_TABLE(X)
#undef X
};

_Static_assert(BULLA_LEN(members) + BULLA_CACHE_NUM == BULLA_KMS_NUM_FIELDS, "every field is counted");

/* The count of a list stands behind it. */
#define COUNT_IS_BEHIND(list, num)                                                                                     \
    _Static_assert(offsetof(bulla_kms_config, num) == offsetof(bulla_kms_config, list) + sizeof(void *), "")
COUNT_IS_BEHIND(failover.replicas, failover.num_replicas);
COUNT_IS_BEHIND(addresses, num_addresses);
COUNT_IS_BEHIND(standby_addresses, num_standby_addresses);
COUNT_IS_BEHIND(replica_keys, num_replica_keys);
COUNT_IS_BEHIND(encryption_context, num_encryption_context);

static void member_set(void *to, member_kind kind, const bulla_conf_value *value)
{
    const char *const *items = (const char *const *)value->items;
    switch (kind) {
    case TEXT:
    case WORD: *(const char **)to = value->text; return;
    case SECRET: *(bulla_secret **)to = value->secret; return;
    case LIST:
        *(const char *const **)to = items;
        ((size_t *)to)[1] = value->num_items;
        return;
    case MS:
    case NUM:
    case TRIES: *(uint32_t *)to = (uint32_t)value->number; return;
    case BOOL: *(bool *)to = value->number != 0; return;
    case NOT: *(bool *)to = value->number == 0; return;
    }
}

void bulla_cache_options_fill(const bulla_conf *conf, size_t first, bool *enabled, bulla_cache_options *options)
{
    const bulla_conf_value *value[BULLA_CACHE_NUM];
    for (size_t i = 0; i < BULLA_CACHE_NUM; i++)
        value[i] = bulla_conf_get(conf, first + i);
#define PUT(index, member)                                                                                             \
    if (value[index]->is_set) (member) = (__typeof__(member))value[index]->number
    PUT(BULLA_CACHE_ENABLED, *enabled);
    PUT(BULLA_CACHE_TTL, options->ttl_ms);
    PUT(BULLA_CACHE_SIZE, options->max_entries);
    PUT(BULLA_CACHE_USES, options->max_uses);
    PUT(BULLA_CACHE_BYTES, options->max_bytes);
    PUT(BULLA_CACHE_AHEAD, options->refresh_ahead_ms);
    PUT(BULLA_CACHE_OFFLINE, options->offline_window_ms);
    PUT(BULLA_CACHE_NEGATIVE, options->negative_ttl_ms);
    PUT(BULLA_CACHE_REUSE_AGE, options->reuse_ms);
    PUT(BULLA_CACHE_REUSE_MESSAGES, options->reuse_messages);
    PUT(BULLA_CACHE_REUSE_BYTES, options->reuse_bytes);
#undef PUT
}

void bulla_kms_block_fill(const bulla_conf *block, const char *name, const bulla_cache_options *usual,
                          bool usual_enabled, bulla_kms_block *out_block)
{
    bool enabled = usual_enabled, tries_once = false;
    *out_block = (bulla_kms_block){.config = {.size = sizeof out_block->config, .name = name}, .cache = *usual};
    for (size_t i = 0; i < BULLA_LEN(members); i++) {
        const bulla_conf_value *value = bulla_conf_get(block, i);
        if (!value->is_set) continue;
        member_set((char *)&out_block->config + members[i].offset, members[i].kind, value);
        tries_once = tries_once || (members[i].kind == TRIES && value->number == 0);
    }
    if (tries_once) out_block->config.retry.disabled = true;
    bulla_cache_options_fill(block, BULLA_LEN(members), &enabled, &out_block->cache);
    if (!enabled) out_block->cache.ttl_ms = 0;
    out_block->config.cache = &out_block->cache;
}

/* Whose settings they are; what is not here is everybody's. */
static const struct {
    unsigned of;
    const char *names;
} owners[] = {
    {VAULT | AWS | AZURE | GCP, "timeout tls.ca_cert tls.client_cert tls.client_key tls.min_version tls.server_name "
                                "tls.accept_any_server_certificate tls.accept_unencrypted_http"},
    {VAULT | AZURE | GCP, "key_name"},
    {AZURE | GCP, "key_version"},
    {AWS | GCP, "endpoint"},
    {VAULT, "address addresses standby_addresses namespace mount_path auth_method auth_mount auth_role jwt_file token "
            "token_file role_id secret_id"},
    {AWS, "region key_id sts_endpoint profile role_arn external_id role_session_name replica_keys encryption_context "
          "data_key_spec access_key_id secret_access_key session_token"},
    {AZURE, "vault_url tenant_id client_id client_secret client_certificate authority_host use_managed_identity"},
    {GCP, "project_id location key_ring credentials_file quota_project use_default_credentials"},
    {PKCS11, "module uri pin"},
};

/* `names` are separated by blanks. */
static bool has_name(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = strstr(names, name); at != NULL; at = strstr(at + 1, name))
        if ((at == names || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) return true;
    return false;
}

static unsigned owners_of(const char *name)
{
    for (size_t i = 0; i < BULLA_LEN(owners); i++)
        if (has_name(owners[i].names, name)) return owners[i].of;
    return ~0u;
}

/* A setting of another provider's would say something and mean nothing. */
static bulla_status foreign(const bulla_conf *block, bulla_call *call, size_t index, unsigned of, const char *provider)
{
    char why[128];
    int len = snprintf(why, sizeof why, "is no setting of provider %s, but of", provider);
    for (size_t i = 0; providers[i] != NULL; i++)
        if ((of >> i & 1u) != 0)
            len += snprintf(why + len, sizeof why - (size_t)len, " %s%s", providers[i], of >> (i + 1) != 0 ? "," : "");
    return bulla_conf_fail(block, call, index, why);
}

bulla_status bulla_kms_block_check(const bulla_conf *block, bulla_call *call)
{
    const bulla_conf_value *provider = bulla_conf_get(block, 0);
    if (!provider->is_set) return bulla_conf_fail(block, call, 0, "is missing: vault, aws, azure, gcp or pkcs11");
    for (size_t i = 0; i < BULLA_LEN(members); i++) {
        unsigned of = owners_of(bulla_kms_fields[i].name);
        if (bulla_conf_get(block, i)->is_set && (of >> provider->number & 1u) == 0)
            return foreign(block, call, i, of, providers[provider->number]);
    }
    return BULLA_OK;
}
