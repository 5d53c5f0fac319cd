/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of Vault's Transit engine besides wrapping: described, rotated, made, listed; and whether the store would serve.
 */
#include "provider/vault.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdio.h>

#define MAX_LISTED 10000u

bulla_status bulla_vault_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    bulla_vault_key *self = (bulla_vault_key *)(void *)provider;
    bulla_transit_key key;
    BULLA_TRY(bulla_vault_key_read(self, call, "describe", &key));
    (void)snprintf(out_info->id, sizeof out_info->id, "%.39s", self->name);
    (void)snprintf(out_info->name, sizeof out_info->name, "%s", self->name);
    out_info->type = strcmp(key.type, "aes256-gcm96") == 0 ? BULLA_KEY_AES256_GCM
                     : strncmp(key.type, "rsa-", 4) == 0   ? BULLA_KEY_RSA
                                                           : BULLA_KEY_UNKNOWN;
    out_info->usage = bulla_transit_type_binds(key.type) ? BULLA_USAGE_WRAP : BULLA_USAGE_UNKNOWN;
    out_info->state = key.is_deleted ? BULLA_KEY_DISABLED : BULLA_KEY_ENABLED;
    out_info->primary_version = key.latest_version;
    out_info->num_versions = key.num_versions;
    out_info->created_s = key.created_s;
    out_info->rotated_s = key.num_versions > 1 ? key.rotated_s : 0;
    out_info->imported = key.is_imported;
    if (key.period_s <= 0 || key.period_s > UINT32_MAX) return BULLA_OK;
    out_info->rotation_period_s = (uint32_t)key.period_s;
    out_info->next_rotation_s = key.rotated_s + key.period_s;
    return BULLA_OK;
}

/* OpenBao answers with the key as it is now, Vault with nothing. */
bulla_status bulla_vault_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    bulla_vault_key *self = (bulla_vault_key *)(void *)provider;
    bulla_transit_key key;
    BULLA_HTTP_ANSWER(answer);
    char path[BULLA_VAULT_MAX_PATH + 8];
    (void)snprintf(path, sizeof path, "%s/rotate", self->path);
    const bulla_vault_request request = {.verb = "rotate", .method = "POST", .path = path, .key = self->path};
    BULLA_TRY(bulla_vault_ask(self->client, call, &request, &answer));
    __atomic_store_n(&self->known_until_ns, 0, __ATOMIC_RELAXED);
    bool is_told = bulla_transit_key_decode(NULL, bulla_http_body(&answer), &key) == BULLA_OK;
    if (!is_told && bulla_vault_key_read(self, call, "describe", &key) != BULLA_OK)
        return bulla_fail(call, BULLA_EUNKNOWN, "key store \"%s\": %.100s is rotated, and its version is not known",
                          self->client->config->name, self->path);
    *out_version = key.latest_version;
    return BULLA_OK;
}

/* --- creating --- */

static bulla_status create_send(bulla_vault_key *self, bulla_call *call, bulla_http_answer *out_answer)
{
    static const char body[] = "{\"type\":\"aes256-gcm96\"}";
    const bulla_vault_request request = {
        .verb = "create", .method = "POST", .path = self->path, .key = self->path, .body = bulla_view_text(body)};
    return bulla_vault_ask(self->client, call, &request, out_answer);
}

static bulla_status exists(const bulla_vault_key *self, bulla_call *call)
{
    return bulla_fail(call, BULLA_EEXISTS, "key store \"%s\": there is a key %.100s already",
                      self->client->config->name, self->path);
}

/* Transit takes a key that is there for one that it has made, and its warning cannot be relied on: so it is looked
 * for first. Should somebody else make it in between, what he made is taken only if it is what we would have made. */
bulla_status bulla_vault_create(bulla_provider *provider, bulla_call *call)
{
    bulla_vault_key *self = (bulla_vault_key *)(void *)provider;
    bulla_transit_key key;
    BULLA_HTTP_ANSWER(answer);
    bulla_status status = bulla_vault_key_read(self, call, "create", &key);
    if (status == BULLA_OK) return exists(self, call);
    if (status != BULLA_ENOKEY) return status;
    bulla_vault_forgive(call);
    BULLA_TRY(create_send(self, call, &answer));
    __atomic_store_n(&self->known_until_ns, 0, __ATOMIC_RELAXED);
    if (bulla_transit_says_exists(bulla_http_body(&answer))) return exists(self, call);
    /* Old servers answer with nothing. */
    bool is_told = bulla_transit_key_decode(NULL, bulla_http_body(&answer), &key) == BULLA_OK;
    if (!is_told && bulla_vault_key_read(self, call, "create", &key) != BULLA_OK)
        return bulla_fail(call, BULLA_EUNKNOWN, "key store \"%s\": %.100s was made, and what it is is not known",
                          self->client->config->name, self->path);
    if (key.latest_version != 1) return exists(self, call);
    return bulla_vault_key_check(self, call, &key);
}

/* --- serving --- */

/* A standby passes requests on when it can: whether it can tells one that is passed on. */
static bulla_status standby_check(bulla_vault_key *self, bulla_call *call)
{
    static const bulla_vault_request request = {
        .verb = "check", .method = "GET", .path = "auth/token/lookup-self", .is_repeatable = true};
    BULLA_HTTP_ANSWER(answer);
    bulla_status status = bulla_vault_ask(self->client, call, &request, &answer);
    if (status != BULLA_EAUTHZ) return status;
    bulla_vault_forgive(call); /* it was asked and answered */
    return BULLA_OK;
}

static bulla_status unfit(const bulla_vault_client *client, bulla_call *call, int code, const char *how)
{
    bulla_status status =
        bulla_fail(call, BULLA_EUNAVAIL, "key store \"%s\" at %.60s is %s", client->config->name, client->host, how);
    if (call != NULL) call->native = code;
    return status;
}

bulla_status bulla_vault_health_ask(bulla_vault_client *client, bulla_call *call, bulla_vault_health *out_health)
{
    static const bulla_vault_request request = {
        .verb = "check", .method = "GET", .path = "sys/health", .is_repeatable = true, .is_rootless = true};
    bulla_vault_health health;
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_vault_send(client, call, &request, NULL, &answer));
    if (!bulla_vault_health_decode(bulla_http_body(&answer), &health))
        return bulla_vault_refused(client, call, &request, &answer);
    if (!health.is_initialized) return unfit(client, call, answer.code, "not initialised");
    if (health.is_sealed) return unfit(client, call, answer.code, "sealed: unseal it");
    *out_health = health;
    return BULLA_OK;
}

bulla_status bulla_vault_check(bulla_provider *provider, bulla_call *call)
{
    bulla_vault_key *self = (bulla_vault_key *)(void *)provider;
    bulla_vault_health health;
    BULLA_TRY(bulla_vault_health_ask(self->client, call, &health));
    return health.is_standby ? standby_check(self, call) : BULLA_OK;
}

typedef struct listing {
    const bulla_vault_key *self;
    bulla_provider_visit visit;
    void *arg;
    size_t num;
} listing;

static bulla_status list_name(void *arg, bulla_call *call, const char *name)
{
    listing *list = arg;
    char address[BULLA_MAX_ADDRESS + 1];
    bulla_key_info info;
    memset(&info, 0, sizeof info);
    if (list->num++ == MAX_LISTED)
        return bulla_fail(call, BULLA_ELIMIT, "key store \"%s\": %.100s has more than %u keys",
                          list->self->client->config->name, list->self->mount, MAX_LISTED);
    (void)snprintf(info.id, sizeof info.id, "%.39s", name);
    (void)snprintf(info.name, sizeof info.name, "%s", name);
    (void)snprintf(address, sizeof address, "vault:%s/keys/%s%s", list->self->mount, name, list->self->suffix);
    return list->visit(list->arg, call, address, &info);
}

bulla_status bulla_vault_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    bulla_vault_key *self = (bulla_vault_key *)(void *)provider;
    listing list = {.self = self, .visit = visit, .arg = arg};
    char path[BULLA_VAULT_MAX_PATH];
    BULLA_HTTP_ANSWER(answer);
    (void)snprintf(path, sizeof path, "%s/keys?list=true", self->mount);
    const bulla_vault_request request = {
        .verb = "list", .method = "GET", .path = path, .key = self->mount, .is_repeatable = true};
    bulla_status status = bulla_vault_ask(self->client, call, &request, &answer);
    if (status == BULLA_ENOKEY) { /* an empty list is 404 and no error */
        bulla_vault_forgive(call);
        return BULLA_OK;
    }
    if (status != BULLA_OK) return status;
    status = bulla_transit_list_decode(call, bulla_http_body(&answer), list_name, &list);
    return list.num == 0 ? bulla_vault_taken(self->client, call, &request, status) : status;
}
