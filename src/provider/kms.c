/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/kms.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "provider/forklock.h"

#define MAX_LIST 64u /* texts in one list of a configuration */

/* One client, and what it was made for. */
typedef struct entry {
    const bulla_kms_config *config;
    size_t endpoint;
    bulla_client *client;
} entry;

/* The configuration as it is kept: every text of it is in `texts`. */
typedef struct kept {
    bulla_kms_config config;
    bulla_cache_options cache;
    char *texts;
    size_t len, cap;       /* of texts */
    const char **pointers; /* of lists */
    size_t num_pointers;
} kept;

struct bulla_kms {
    const bulla_env *env;
    bulla_metrics *metrics;
    kept *stores;
    size_t num_stores;
    /* Under the forklock. */
    entry clients[BULLA_MAX_KMS * BULLA_MAX_ENDPOINTS];
    size_t num_clients;
};

/* --- where the texts, lists and secrets of a configuration are --- */

#define TEXT(member) offsetof(bulla_kms_config, member)
static const size_t texts[] = {
    TEXT(name),
    TEXT(provider),
    TEXT(tls.ca_cert),
    TEXT(tls.client_cert),
    TEXT(tls.client_key),
    TEXT(tls.min_version),
    TEXT(tls.server_name),
    TEXT(failover.primary),
    TEXT(key_name),
    TEXT(key_version),
    TEXT(address),
    TEXT(namespace_),
    TEXT(mount_path),
    TEXT(auth_method),
    TEXT(auth_mount),
    TEXT(auth_role),
    TEXT(jwt_file),
    TEXT(token_file),
    TEXT(role_id),
    TEXT(region),
    TEXT(key_id),
    TEXT(endpoint),
    TEXT(sts_endpoint),
    TEXT(profile),
    TEXT(role_arn),
    TEXT(external_id),
    TEXT(role_session_name),
    TEXT(data_key_spec),
    TEXT(access_key_id),
    TEXT(vault_url),
    TEXT(tenant_id),
    TEXT(client_id),
    TEXT(client_certificate),
    TEXT(authority_host),
    TEXT(project_id),
    TEXT(location),
    TEXT(key_ring),
    TEXT(credentials_file),
    TEXT(quota_project),
    TEXT(module),
    TEXT(uri),
};

#define LIST(member)                                                                                                   \
    {                                                                                                                  \
        offsetof(bulla_kms_config, member), offsetof(bulla_kms_config, num_##member)                                   \
    }
static const struct {
    size_t list, num;
} lists[] = {
    {offsetof(bulla_kms_config, failover.replicas), offsetof(bulla_kms_config, failover.num_replicas)},
    LIST(addresses),
    LIST(standby_addresses),
    LIST(replica_keys),
    LIST(encryption_context),
};

static const size_t secrets[] = {
    TEXT(token), TEXT(secret_id), TEXT(access_key_secret), TEXT(session_token), TEXT(client_secret), TEXT(pin),
};

#define MEMBER(type, config, offset) ((type *)(void *)((char *)(config) + (offset)))
#define VALUE(type, config, offset) (*(type const *)(const void *)((const char *)(config) + (offset)))

/* --- taking a copy --- */

static size_t texts_len(const bulla_kms_config *config)
{
    size_t len = 0;
    for (size_t i = 0; i < BULLA_LEN(texts); i++) {
        const char *text = VALUE(const char *, config, texts[i]);
        len += text == NULL ? 0 : strlen(text) + 1;
    }
    for (size_t i = 0; i < BULLA_LEN(lists); i++)
        for (size_t k = 0; k < VALUE(size_t, config, lists[i].num); k++)
            len += strlen(VALUE(const char *const *, config, lists[i].list)[k]) + 1;
    return len;
}

static const char *keep(kept *store, const char *text)
{
    if (text == NULL) return NULL;
    char *copy = store->texts + store->len;
    memcpy(copy, text, strlen(text) + 1);
    store->len += strlen(text) + 1;
    return copy;
}

static void lists_keep(kept *store)
{
    for (size_t i = 0; i < BULLA_LEN(lists); i++) {
        const char *const **list = MEMBER(const char *const *, &store->config, lists[i].list);
        const char **copy = store->pointers + store->num_pointers;
        size_t num = *MEMBER(size_t, &store->config, lists[i].num);
        for (size_t k = 0; k < num; k++)
            copy[k] = keep(store, (*list)[k]);
        store->num_pointers += num;
        *list = copy;
    }
}

static bulla_status lists_check(bulla_call *call, const bulla_kms_config *config)
{
    for (size_t i = 0; i < BULLA_LEN(lists); i++)
        if (VALUE(size_t, config, lists[i].num) > MAX_LIST)
            return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": a list has more than %u items", config->name,
                              MAX_LIST);
    return BULLA_OK;
}

static bool name_is(const char *name)
{
    size_t len = name == NULL ? 0 : strlen(name);
    return len >= 1 && len <= BULLA_KMS_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static bulla_status config_check(bulla_call *call, const bulla_kms_config *config)
{
    if (!name_is(config->name))
        return bulla_fail(call, BULLA_ECONFIG, "the name of a key store is 1 to %u of a-z 0-9 _ -", BULLA_KMS_NAME_MAX);
    if (config->provider == NULL)
        return bulla_fail(call, BULLA_ECONFIG,
                          "key store \"%s\": provider is missing: vault, aws, azure, gcp or pkcs11", config->name);
    if (config->failover.failover_timeout_ms > BULLA_FAILOVER_MAX_MS)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": failover.failover_timeout is at most %u ms, not %u",
                          config->name, BULLA_FAILOVER_MAX_MS, config->failover.failover_timeout_ms);
    return lists_check(call, config);
}

static bulla_status store_keep(bulla_call *call, const bulla_kms_config *given, kept *store)
{
    void *memory = NULL;
    size_t len = given->size < sizeof store->config ? given->size : sizeof store->config;
    bulla_kms_config read = {.size = sizeof read};
    memcpy(&read, given, len);
    BULLA_TRY(config_check(call, &read));
    BULLA_TRY(bulla_alloc(call, texts_len(&read), &memory));
    store->texts = memory;
    BULLA_TRY(bulla_alloc(call, BULLA_LEN(lists) * MAX_LIST * sizeof(char *), &memory));
    store->pointers = memory;
    store->config = read;
    store->config.size = sizeof store->config;
    for (size_t i = 0; i < BULLA_LEN(texts); i++) {
        const char **text = MEMBER(const char *, &store->config, texts[i]);
        *text = keep(store, *text);
    }
    lists_keep(store);
    for (size_t i = 0; i < BULLA_LEN(secrets); i++)
        (void)bulla_secret_ref(*MEMBER(bulla_secret *, &store->config, secrets[i]));
    if (read.cache == NULL) return BULLA_OK;
    memcpy(&store->cache, read.cache, read.cache->size < sizeof store->cache ? read.cache->size : sizeof store->cache);
    store->config.cache = &store->cache;
    return BULLA_OK;
}

static bulla_status names_check(const bulla_kms *kms, bulla_call *call)
{
    for (size_t i = 0; i < kms->num_stores; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(kms->stores[i].config.name, kms->stores[k].config.name) == 0)
                return bulla_fail(call, BULLA_ECONFIG, "two key stores are named \"%s\"", kms->stores[i].config.name);
    return BULLA_OK;
}

bulla_status bulla_kms_new(bulla_call *call, const bulla_kms_config *configs, size_t num_configs,
                           bulla_metrics *metrics, bulla_kms **out_kms)
{
    void *memory = NULL;
    if (num_configs > BULLA_MAX_KMS)
        return bulla_fail(call, BULLA_ECONFIG, "there is room for %u key stores", BULLA_MAX_KMS);
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_kms), &memory));
    BULLA_AUTO(bulla_kms) *kms = memory;
    kms->env = bulla_env_of(call);
    kms->metrics = metrics;
    BULLA_TRY(bulla_alloc(call, num_configs * sizeof *kms->stores, &memory));
    kms->stores = memory;
    for (size_t i = 0; i < num_configs; i++) {
        kms->num_stores++; /* first, so that what is half kept is released */
        BULLA_TRY(store_keep(call, &configs[i], &kms->stores[i]));
    }
    BULLA_TRY(names_check(kms, call));
    *out_kms = BULLA_TAKE(kms);
    return BULLA_OK;
}

static void store_done(const bulla_env *env, kept *store)
{
    for (size_t i = 0; i < BULLA_LEN(secrets); i++)
        bulla_secret_unref(*MEMBER(bulla_secret *, &store->config, secrets[i]));
    bulla_free(env, store->pointers);
    bulla_free(env, store->texts);
}

void bulla_kms_free(bulla_kms *kms)
{
    if (kms == NULL) return;
    for (size_t i = 0; i < kms->num_clients; i++)
        bulla_client_unref(kms->clients[i].client);
    for (size_t i = 0; kms->stores != NULL && i < kms->num_stores; i++)
        store_done(kms->env, &kms->stores[i]);
    bulla_free(kms->env, kms->stores);
    bulla_free(kms->env, kms);
}

/* --- finding --- */

bulla_metrics *bulla_kms_metrics(const bulla_kms *kms)
{
    return kms->metrics;
}

size_t bulla_kms_count(const bulla_kms *kms)
{
    return kms->num_stores;
}

const bulla_kms_config *bulla_kms_at(const bulla_kms *kms, size_t index)
{
    return &kms->stores[index].config;
}

static bulla_status unknown_name(const bulla_kms *kms, bulla_call *call, const char *name)
{
    const char *known[BULLA_MAX_KMS];
    for (size_t i = 0; i < kms->num_stores; i++)
        known[i] = kms->stores[i].config.name;
    const char *near = bulla_word_nearest(name, known, kms->num_stores);
    return bulla_fail(call, BULLA_ECONFIG, "no key store named \"%.40s\" is configured%s%s%s", name,
                      near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static const bulla_kms_config *first_of(const bulla_kms *kms, const char *scheme)
{
    for (size_t i = 0; i < kms->num_stores; i++)
        if (strcmp(kms->stores[i].config.provider, scheme) == 0) return &kms->stores[i].config;
    return NULL;
}

/* What a scheme without a configuration works with: environment variables and defaults. */
static const bulla_kms_config *empty_of(const char *scheme)
{
    static const bulla_kms_config empty[] = {
        {.size = sizeof empty[0], .name = "vault", .provider = "vault"},
        {.size = sizeof empty[0], .name = "aws", .provider = "aws"},
        {.size = sizeof empty[0], .name = "azure", .provider = "azure"},
        {.size = sizeof empty[0], .name = "gcp", .provider = "gcp"},
        {.size = sizeof empty[0], .name = "pkcs11", .provider = "pkcs11"},
    };
    for (size_t i = 0; i < BULLA_LEN(empty); i++)
        if (strcmp(empty[i].provider, scheme) == 0) return &empty[i];
    return NULL;
}

bulla_status bulla_kms_find(const bulla_kms *kms, bulla_call *call, const char *scheme, const char *name,
                            const bulla_kms_config **out_config)
{
    const bulla_kms_config *found = NULL;
    if (name == NULL) {
        found = first_of(kms, scheme);
        if (found == NULL) found = empty_of(scheme);
        if (found == NULL) return bulla_fail(call, BULLA_ECONFIG, "no key store of kind \"%s\" is configured", scheme);
        *out_config = found;
        return BULLA_OK;
    }
    for (size_t i = 0; i < kms->num_stores; i++)
        if (strcmp(kms->stores[i].config.name, name) == 0) found = &kms->stores[i].config;
    /* As listings name what the environment alone configures. */
    if (found == NULL && scheme != NULL && strcmp(name, scheme) == 0 && first_of(kms, scheme) == NULL)
        found = empty_of(scheme);
    if (found == NULL) return unknown_name(kms, call, name);
    if (scheme != NULL && strcmp(found->provider, scheme) != 0)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\" is of kind %s, not %s", name, found->provider, scheme);
    *out_config = found;
    return BULLA_OK;
}

bool bulla_kms_name_of(const char *address, char *out, size_t cap)
{
    const char *query = strchr(address, '?');
    while (query != NULL && strncmp(query + 1, "kms=", 4) != 0)
        query = strchr(query + 1, '&');
    if (query == NULL) return false;
    size_t len = strcspn(query + 5, "&");
    if (len >= cap) len = cap - 1; /* no name is as long: it will not be found */
    memcpy(out, query + 5, len);
    out[len] = '\0';
    return true;
}

/* --- clients --- */

bulla_client *bulla_client_ref(bulla_client *client)
{
    if (client != NULL) bulla_refs_take(&client->refs);
    return client;
}

void bulla_client_unref(bulla_client *client)
{
    if (client != NULL && bulla_refs_drop(&client->refs)) client->destroy(client);
}

/* With the forklock held. */
static bulla_client *client_find(const bulla_kms *kms, const entry *wanted)
{
    for (size_t i = 0; i < kms->num_clients; i++)
        if (kms->clients[i].config == wanted->config && kms->clients[i].endpoint == wanted->endpoint)
            return bulla_client_ref(kms->clients[i].client);
    return NULL;
}

/* With the forklock held. Another thread may have been faster: then its client counts. NULL: no room. */
static bulla_client *client_keep(bulla_kms *kms, const entry *made)
{
    bulla_client *faster = client_find(kms, made);
    if (faster != NULL || kms->num_clients == BULLA_LEN(kms->clients)) return faster;
    kms->clients[kms->num_clients] = *made;
    kms->clients[kms->num_clients++].client = bulla_client_ref(made->client);
    return bulla_client_ref(made->client);
}

bulla_status bulla_kms_client(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                              bulla_client_make make, bulla_client **out_client)
{
    entry wanted = {config, endpoint, NULL};
    BULLA_AUTO(bulla_client) *made = NULL;
    bulla_forklock_take();
    bulla_client *found = client_find(kms, &wanted);
    bulla_forklock_give();
    if (found == NULL) {
        BULLA_TRY(make(kms, call, config, endpoint, &made));
        wanted.client = made;
        bulla_forklock_take();
        found = client_keep(kms, &wanted);
        bulla_forklock_give();
    }
    if (found == NULL)
        return bulla_fail(call, BULLA_ELIMIT, "there is room for %zu endpoints", BULLA_LEN(kms->clients));
    *out_client = found;
    return BULLA_OK;
}
