/* SPDX-License-Identifier: Apache-2.0 */
/*
 * azure:https://VAULT/keys/NAME[/VERSION][?kms=NAME]: an RSA key of Azure Key Vault (RSA-OAEP-256), or an AES key of a
 * Managed HSM (A256KW). Neither has a place for the context, so what the vault wraps is an inner key (spec/wrapped.md).
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/address.h"
#include "provider/azure_client.h"
#include "provider/backends.h"
#include "provider/forklock.h"
#include "provider/innerwrap.h"

#include <stdio.h>

#define PROVIDER "azure-kv"
#define SEEN_NS INT64_C(30000000000) /* how long a description of the key is believed before it wraps */
#define SECOND_NS INT64_C(1000000000)
#define MAX_WRAPS 3u /* while the current version changes under us */
/* RFC 3394: 8 bytes more than the inner key. No RSA ciphertext is that short. */
#define AES_WRAPPED_LEN (BULLA_INNERWRAP_KEY_LEN + 8u)

static const char *const params[] = {"kms", NULL};

/* --- whether the key may wrap --- */

static bool seen_take(bulla_azure_key *self, int64_t now, bulla_azurekv_key *out_key)
{
    bulla_forklock_take();
    bool is_fresh = self->seen.until_ns != 0 && now < self->seen.until_ns;
    if (is_fresh) *out_key = self->seen.key;
    bulla_forklock_give();
    return is_fresh;
}

static void seen_keep(bulla_azure_key *self, int64_t until_ns, const bulla_azurekv_key *key)
{
    bulla_forklock_take();
    self->seen.until_ns = until_ns;
    self->seen.key = *key;
    bulla_forklock_give();
}

/*
 * Vaults refuse to unwrap with a disabled key but go on wrapping with it (Azure/azure-sdk-for-python, issue 45342), and
 * what is wrapped then cannot be opened. So we look.
 */
static bulla_status state_check(const bulla_azure_key *self, bulla_call *call, const bulla_azurekv_key *key)
{
    int64_t now = bulla_wall_s(call);
    const char *why = !key->is_enabled                                    ? "is disabled"
                      : key->not_before_s != 0 && now < key->not_before_s ? "is not valid yet"
                      : key->expires_s != 0 && now >= key->expires_s      ? "has expired"
                                                                          : NULL;
    if (why != NULL)
        return bulla_fail(call, BULLA_ESTATE, "key store \"%s\": %.140s %s", self->client->config->name, key->kid, why);
    if (key->type == BULLA_AZUREKV_OTHER || !key->can_wrap)
        return bulla_fail(
            call, BULLA_EUNSUPPORTED,
            "key store \"%s\": %.120s does not wrap: that takes an RSA key, or an AES key of a Managed HSM, "
            "with the operations wrapKey and unwrapKey",
            self->client->config->name, key->kid);
    return BULLA_OK;
}

/* The key as it was seen lately; `again`: as it is now. */
static bulla_status usable_key_get(bulla_azure_key *self, bulla_call *call, bool again, bulla_azurekv_key *out_key)
{
    int64_t now = self->env->ticks_ns(self->env->arg);
    if (again || !seen_take(self, now, out_key)) {
        BULLA_TRY(bulla_azure_key_get(self, call, out_key));
        seen_keep(self, now + SEEN_NS, out_key);
    }
    return state_check(self, call, out_key);
}

/* --- wrap and unwrap --- */

static const char *algorithm_of(bool is_aes)
{
    return is_aes ? "A256KW" : "RSA-OAEP-256";
}

/* Has the vault wrap or unwrap `value` under the key at `kid`. */
static bulla_status operate(const bulla_azure_key *self, bulla_call *call, const bulla_azure_request *what,
                            const char *algorithm, bulla_view value, bulla_azurekv_result *out_result)
{
    BULLA_AUTO(bulla_secret) *body = NULL;
    BULLA_HTTP_ANSWER(answer);
    bulla_azure_request request = *what;
    BULLA_TRY(bulla_azurekv_operation_encode(call, algorithm, value, &body));
    request.body = bulla_secret_borrow(body);
    BULLA_TRY(bulla_azure_send_ok(self, call, &request, &answer));
    BULLA_AZUREKV_RESULT(result);
    BULLA_TRY(
        bulla_azure_taken(self, call, &request, bulla_azurekv_result_read(call, bulla_http_body(&answer), &result)));
    BULLA_TRY(bulla_azure_kid_check(self, call, result.kid));
    *out_result = result;
    result.value = NULL;
    return BULLA_OK;
}

/* Wraps under the version that was looked at. When the vault has another current version by now, that one is looked at
 * first: the answer's word for it, with our own check. */
static bulla_status inner_wrap(bulla_azure_key *self, bulla_call *call, const bulla_secret *inner,
                               bulla_azurekv_result *out_result)
{
    char url[BULLA_AZURE_MAX_URL], suffix[sizeof self->version + 16];
    bool has_version = self->version[0] != '\0';
    (void)snprintf(suffix, sizeof suffix, "%s%swrapkey", self->version, has_version ? "/" : "");
    BULLA_TRY(bulla_azure_url_of(self, call, self->kid, suffix, url));
    const bulla_azure_request request = {"POST", "wrap", url, {NULL, 0}, true};
    for (unsigned wraps = 0; wraps < MAX_WRAPS; wraps++) {
        bulla_azurekv_key key;
        BULLA_AZUREKV_RESULT(result);
        BULLA_TRY(usable_key_get(self, call, wraps != 0, &key));
        const char *algorithm = algorithm_of(key.type == BULLA_AZUREKV_OCT);
        BULLA_TRY(operate(self, call, &request, algorithm, bulla_secret_borrow(inner), &result));
        if (strcmp(result.kid, key.kid) != 0) continue;
        *out_result = result;
        result.value = NULL;
        return BULLA_OK;
    }
    return bulla_fail(call, BULLA_EUNAVAIL,
                      "key store \"%s\": it describes one version of %.100s and wraps with another",
                      self->client->config->name, self->kid);
}

static bulla_status azure_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    BULLA_AUTO(bulla_secret) *inner = NULL;
    BULLA_AZUREKV_RESULT(result);
    BULLA_TRY(bulla_secret_random(call, BULLA_INNERWRAP_KEY_LEN, &inner));
    BULLA_TRY(inner_wrap(bulla_azure_key_of(provider), call, inner, &result));
    const bulla_innerwrap_site site = {bulla_view_text(PROVIDER), bulla_view_text(result.kid), context};
    return bulla_innerwrap_seal(call, &site, inner, bulla_secret_borrow(result.value), dek, out_wrapped);
}

/* The wrapped key's identifier is followed as it stands, but only to the vault and the key that this provider is. */
static bool azure_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const bulla_azure_key *self = (const bulla_azure_key *)(const void *)provider;
    bulla_azurekv_kid own, other;
    return bulla_view_is(wrapped->provider, PROVIDER) && bulla_azurekv_kid_parse(wrapped->info, &other) &&
           other.version.len != 0 && bulla_azurekv_kid_parse(bulla_view_text(self->kid), &own) &&
           bulla_azurekv_kid_is_of(&other, &own);
}

static bulla_status azure_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    const bulla_azure_key *self = bulla_azure_key_of(provider);
    char kid[BULLA_AZUREKV_MAX_KID], url[BULLA_AZURE_MAX_URL];
    bulla_view outer;
    BULLA_AZUREKV_RESULT(result);
    BULLA_TRY(bulla_innerwrap_outer(call, wrapped->blob, &outer));
    (void)snprintf(kid, sizeof kid, "%.*s", (int)wrapped->info.len, (const char *)wrapped->info.data);
    BULLA_TRY(bulla_azure_url_of(self, call, kid, "unwrapkey", url));
    const bulla_azure_request request = {"POST", "unwrap", url, {NULL, 0}, true};
    const char *algorithm = algorithm_of(outer.len == AES_WRAPPED_LEN);
    BULLA_TRY(operate(self, call, &request, algorithm, outer, &result));
    return bulla_innerwrap_open(call, wrapped, context, result.value, out_dek);
}

static bulla_status azure_check(bulla_provider *provider, bulla_call *call)
{
    bulla_azurekv_key key;
    bulla_status status = bulla_azure_key_get(bulla_azure_key_of(provider), call, &key);
    return status == BULLA_EAUTHZ ? BULLA_OK
                                  : status; /* the vault serves, and this key may be used without being read */
}

static void azure_purge(bulla_provider *provider, const bulla_purge *what)
{
    bulla_azure_key *self = bulla_azure_key_of(provider);
    if (what->wrapped != NULL) return; /* no data key is kept here */
    bulla_forklock_take();
    self->seen.until_ns = 0;
    bulla_forklock_give();
}

static void azure_destroy(bulla_provider *provider)
{
    bulla_azure_key *self = bulla_azure_key_of(provider);
    bulla_client_unref(&self->client->base);
    bulla_free(self->env, self);
}

static const bulla_provider_ops azure_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "azure",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_ROTATE | BULLA_OP_CHECK | BULLA_OP_LIST,
    .idempotent = BULLA_OPS_REPEATABLE,
    .matches = azure_matches,
    .describe = bulla_azure_describe,
    .wrap = azure_wrap,
    .unwrap = azure_unwrap,
    .rotate = bulla_azure_rotate,
    .purge = azure_purge,
    .destroy = azure_destroy,
    .check = azure_check,
    .list = bulla_azure_list,
};

/* --- opening --- */

static size_t azure_endpoints(const bulla_kms_config *config, const char *address)
{
    (void)config;
    (void)address;
    return 1; /* Microsoft fails over behind the vault's name */
}

static bulla_status azure_address_of(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap)
{
    if (config->vault_url == NULL || config->key_name == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\" names no key: set vault_url and key_name",
                          config->name);
    size_t len = strlen(config->vault_url);
    while (len != 0 && config->vault_url[len - 1] == '/')
        len--;
    int written =
        snprintf(out, cap, "azure:%.*s/keys/%s?kms=%s", (int)len, config->vault_url, config->key_name, config->name);
    if (written > 0 && (size_t)written < cap) return BULLA_OK;
    return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the key's name is too long", config->name);
}

static bulla_status key_fill(bulla_azure_key *self, bulla_call *call, const bulla_azurekv_kid *kid)
{
    const char *version = self->client->config->key_version;
    bulla_azurekv_kid whole;
    size_t kid_len = kid->base.len + strlen("/keys/") + kid->name.len;
    memcpy(self->kid, kid->base.data, kid_len); /* the identifier up to the version: one piece of text */
    if (kid->version.len != 0)
        (void)snprintf(self->version, sizeof self->version, "%.*s", (int)kid->version.len,
                       (const char *)kid->version.data);
    else if (version != NULL)
        (void)snprintf(self->version, sizeof self->version, "%s", version);
    char text[sizeof self->kid + sizeof self->version + 1];
    (void)snprintf(text, sizeof text, "%s/%s", self->kid, self->version[0] == '\0' ? "0" : self->version);
    if (!bulla_azurekv_kid_parse(bulla_view_text(text), &whole))
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": key_version is no version of a key",
                          self->client->config->name);
    return bulla_azure_vault_find(self->client, call, kid, &self->vault);
}

static bulla_status azure_open(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, const char *address,
                               size_t endpoint, bulla_provider **out_provider)
{
    bulla_address parsed;
    bulla_azurekv_kid kid;
    void *memory = NULL;
    BULLA_AUTO(bulla_client) *client = NULL;
    BULLA_TRY(bulla_address_parse(call, address, &parsed));
    BULLA_TRY(bulla_address_params_check(call, &parsed, params));
    if (!bulla_azurekv_kid_parse(bulla_view_text(parsed.body), &kid))
        return bulla_fail(call, BULLA_EINVAL, "azure: write azure:https://VAULT.vault.azure.net/keys/NAME");
    char url[sizeof parsed.body];
    (void)snprintf(url, sizeof url, "%.*s", (int)kid.base.len, (const char *)kid.base.data);
    BULLA_TRY(bulla_kms_url_check(call, config, "the vault", url));
    BULLA_TRY(bulla_kms_client(kms, call, config, endpoint, bulla_azure_client_new, &client));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_azure_key), &memory));
    bulla_azure_key *self = memory;
    bulla_provider_init(&self->base, &azure_ops);
    self->env = bulla_env_of(call);
    self->client = (bulla_azure_client *)(void *)BULLA_TAKE(client);
    BULLA_AUTO(bulla_provider) *provider = &self->base;
    BULLA_TRY(key_fill(self, call, &kid));
    *out_provider = BULLA_TAKE(provider);
    return BULLA_OK;
}

const bulla_backend bulla_azure_backend = {"azure", azure_endpoints, azure_address_of, azure_open};
