/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/azure_client.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "provider/azure_auth.h"

#include <stdio.h>
#include <strings.h>

#define API_VERSION "7.4"

/* --- client and vaults --- */

static void client_destroy(bulla_client *base)
{
    bulla_azure_client *client = (bulla_azure_client *)(void *)base;
    for (size_t i = 0; i < BULLA_AZURE_MAX_VAULTS; i++)
        bulla_oauth_free(client->vaults[i].oauth);
    bulla_http_close(client->http);
    (void)pthread_mutex_destroy(&client->lock);
    bulla_free(client->env, client);
}

bulla_status bulla_azure_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                                    bulla_client **out_client)
{
    (void)endpoint;
    void *memory = NULL;
    const bulla_http_options options = {.store = config->name,
                                        .tls = config->tls,
                                        .pool = config->pool,
                                        .timeout_ms = config->timeout_ms,
                                        .metrics = bulla_kms_metrics(kms)};
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_azure_client), &memory));
    bulla_azure_client *client = memory;
    client->base = (bulla_client){client_destroy, 1};
    client->env = bulla_env_of(call);
    client->config = config;
    (void)pthread_mutex_init(&client->lock, NULL);
    BULLA_AUTO(bulla_client) *base = &client->base;
    BULLA_TRY(bulla_http_open(call, &options, &client->http));
    *out_client = BULLA_TAKE(base);
    return BULLA_OK;
}

/*
 * A vault says where to log in when it is asked without a token; nothing secret is in that request. Its word is
 * believed only as far as the resource covers the vault's own host, else a token for one vault could be got for another
 * (and azure_auth.c believes it only where Microsoft logs people in).
 */
static bulla_status vault_login(void *arg, bulla_call *call, bulla_oauth_grant *out_grant)
{
    const bulla_azure_vault *vault = arg;
    char url[BULLA_AZURE_MAX_URL];
    bulla_http_url parsed;
    bulla_azurekv_challenge challenge;
    BULLA_HTTP_ANSWER(answer);
    (void)snprintf(url, sizeof url, "%s/keys?api-version=" API_VERSION "&maxresults=1", vault->base);
    const bulla_http_request request = {.method = "GET", .url = url, .what = "login", .idempotent = true};
    BULLA_TRY(bulla_http_url_parse(call, url, &parsed));
    BULLA_TRY(bulla_http_send(vault->http, call, &request, &answer));
    if (answer.code == 429) {
        call->retry_after_ms = answer.retry_after_ms;
        return bulla_fail(call, BULLA_ETHROTTLED, "key store \"%s\": the vault asks to slow down", vault->config->name);
    }
    if (answer.code == 403)
        return bulla_fail(call, BULLA_EAUTHZ,
                          "key store \"%s\": %.100s answers nobody from this network; look at its firewall",
                          vault->config->name, vault->base);
    if (answer.code != 401 || bulla_azurekv_challenge_parse(call, answer.challenge, &challenge) != BULLA_OK)
        return bulla_fail(
            call, BULLA_EUNAVAIL,
            "key store \"%s\": what answers at %.100s (HTTP %d) does not say where to log in; is it a vault?",
            vault->config->name, vault->base, answer.code);
    if (!bulla_azurekv_challenge_is_for(&challenge, parsed.host))
        return bulla_fail(call, BULLA_EAUTHN,
                          "key store \"%s\": %.80s wants a token for %.80s, which is not its own; look at vault_url",
                          vault->config->name, vault->base, challenge.resource);
    return bulla_azure_login(call, vault->config, &challenge, out_grant);
}

static bulla_status vault_fill(bulla_azure_client *client, bulla_call *call, bulla_view base, bulla_azure_vault *vault)
{
    BULLA_TRY(bulla_oauth_new(call, vault_login, vault, &vault->oauth));
    vault->config = client->config;
    vault->http = client->http;
    memcpy(vault->base, base.data, base.len);
    return BULLA_OK;
}

static bool is_same_base(const char *base, bulla_view other)
{
    size_t len = strlen(base);
    while (len != 0 && base[len - 1] == '/')
        len--;
    return len == other.len && strncasecmp(base, (const char *)other.data, len) == 0;
}

bulla_status bulla_azure_vault_find(bulla_azure_client *client, bulla_call *call, const bulla_azurekv_kid *kid,
                                    bulla_azure_vault **out_vault)
{
    const char *own = client->config->vault_url;
    bulla_status status = BULLA_ELIMIT;
    if (own != NULL && !is_same_base(own, kid->base))
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\" is for %.100s and not for that vault",
                          client->config->name, own);
    if (kid->base.len >= sizeof client->vaults[0].base)
        return bulla_fail(call, BULLA_EINVAL, "azure: the vault's name is too long");
    (void)pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < BULLA_AZURE_MAX_VAULTS && status == BULLA_ELIMIT; i++) {
        bulla_azure_vault *vault = &client->vaults[i];
        bool is_free = vault->base[0] == '\0';
        if (!is_free && !is_same_base(vault->base, kid->base)) continue;
        status = is_free ? vault_fill(client, call, kid->base, vault) : BULLA_OK;
        if (status == BULLA_OK) *out_vault = vault;
    }
    (void)pthread_mutex_unlock(&client->lock);
    if (status == BULLA_ELIMIT)
        return bulla_fail(call, BULLA_ELIMIT, "key store \"%s\" has keys of %u vaults open, and no more fit",
                          client->config->name, BULLA_AZURE_MAX_VAULTS);
    return status;
}

/* --- requests --- */

bulla_status bulla_azure_url_of(const bulla_azure_key *self, bulla_call *call, const char *kid, const char *suffix,
                                char out[BULLA_AZURE_MAX_URL])
{
    int len = snprintf(out, BULLA_AZURE_MAX_URL, "%s%s%s?api-version=" API_VERSION, kid, suffix == NULL ? "" : "/",
                       suffix == NULL ? "" : suffix);
    if (len > 0 && (size_t)len < BULLA_AZURE_MAX_URL) return BULLA_OK;
    return bulla_fail(call, BULLA_EINVAL, "key store \"%s\": the key's name is too long", self->client->config->name);
}

bulla_status bulla_azure_send(const bulla_azure_key *self, bulla_call *call, const bulla_azure_request *from,
                              bulla_http_answer *out_answer)
{
    static const char type[] = "application/json";
    const bulla_http_header header = {"Content-Type", bulla_view_text(type)};
    const bulla_http_request request = {.method = from->method,
                                        .url = from->url,
                                        .headers = &header,
                                        .num_headers = from->body.len == 0 ? 0 : 1,
                                        .body = from->body,
                                        .what = from->verb,
                                        .idempotent = from->is_repeatable};
    return bulla_oauth_send(self->vault->oauth, self->vault->http, call, &request, out_answer);
}

/* What 403 means is in the inner code (learn.microsoft.com/azure/key-vault/general/common-error-codes). */
static bulla_status forbidden(const bulla_azurekv_error *error)
{
    static const char *const states[] = {"KeyDisabled", "KeyNotYetValid", "KeyExpired", "KeyOperationForbidden"};
    for (size_t i = 0; i < BULLA_LEN(states); i++)
        if (strcmp(error->inner, states[i]) == 0) return BULLA_ESTATE;
    return BULLA_EAUTHZ;
}

static bulla_status status_of(const bulla_azure_request *from, int code, const bulla_azurekv_error *error)
{
    bool is_unwrap = strcmp(from->verb, "unwrap") == 0;
    if (code == 429) return BULLA_ETHROTTLED;
    /* 503 is said before anything is done; after other failures of the service nobody knows. */
    if (code >= 500) return from->is_repeatable || code == 503 ? BULLA_EUNAVAIL : BULLA_EUNKNOWN;
    if (code == 401) return BULLA_EAUTHN;
    if (error->code[0] == '\0') return BULLA_EUNAVAIL;
    if (code == 403) return forbidden(error);
    if (code == 404) return BULLA_ENOKEY;
    if (code == 409) return BULLA_ESTATE;
    /* 400 BadParameter is all that tells a damaged ciphertext; nothing tells it from a bad request. */
    if (code == 400) return is_unwrap ? BULLA_EINTEGRITY : BULLA_EINVAL;
    return BULLA_EUNAVAIL;
}

static const char *remedy_of(bulla_status status)
{
    switch ((int)status) {
    case BULLA_EAUTHZ: return "; grant \"Key Vault Crypto Service Encryption User\" on the key";
    case BULLA_EAUTHN: return "; look at tenant, client and credentials";
    case BULLA_ESTATE: return "; look at the key's state and dates";
    default: return "";
    }
}

static bulla_status refused(const bulla_azure_key *self, bulla_call *call, const bulla_azure_request *from,
                            const bulla_http_answer *answer)
{
    bulla_azurekv_error error;
    bulla_azurekv_error_read(bulla_http_body(answer), &error);
    bulla_status status = status_of(from, answer->code, &error);
    const char *store = self->client->config->name;
    if (status == BULLA_EINTEGRITY)
        (void)bulla_fail(call, status, "the wrapped data key is damaged, or not for this context");
    else if (error.code[0] == '\0')
        (void)bulla_fail(call, status, "key store \"%s\": %s was answered with HTTP %d and no reason a vault gives",
                         store, from->verb, answer->code);
    else
        (void)bulla_fail(call, status, "key store \"%s\": %s with %.80s: %s%s%s: %.90s%s", store, from->verb, self->kid,
                         error.code, error.inner[0] == '\0' ? "" : " ", error.inner, error.text, remedy_of(status));
    call->native = answer->code;
    call->retry_after_ms = answer->retry_after_ms;
    return status;
}

bulla_status bulla_azure_send_ok(const bulla_azure_key *self, bulla_call *call, const bulla_azure_request *from,
                                 bulla_http_answer *out_answer)
{
    BULLA_TRY(bulla_azure_send(self, call, from, out_answer));
    return out_answer->code == 200 ? BULLA_OK : refused(self, call, from, out_answer);
}

bulla_status bulla_azure_taken(const bulla_azure_key *self, bulla_call *call, const bulla_azure_request *from,
                               bulla_status status)
{
    if (status != BULLA_EFORMAT && status != BULLA_ELIMIT) return status;
    status =
        bulla_fail(call, from->is_repeatable ? BULLA_EUNAVAIL : BULLA_EUNKNOWN,
                   "key store \"%s\": %s was answered with something that no vault says; is there a proxy between?",
                   self->client->config->name, from->verb);
    call->native = 200;
    return status;
}

bulla_status bulla_azure_kid_check(const bulla_azure_key *self, bulla_call *call, const char *kid)
{
    bulla_azurekv_kid own, other;
    if (bulla_azurekv_kid_parse(bulla_view_text(self->kid), &own) &&
        bulla_azurekv_kid_parse(bulla_view_text(kid), &other) && bulla_azurekv_kid_is_of(&other, &own))
        return BULLA_OK;
    return bulla_fail(call, BULLA_EUNAVAIL, "key store \"%s\": it answered for %.120s, which was not asked for",
                      self->client->config->name, kid);
}

bulla_status bulla_azure_key_get(const bulla_azure_key *self, bulla_call *call, bulla_azurekv_key *out_key)
{
    char url[BULLA_AZURE_MAX_URL];
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_azure_url_of(self, call, self->kid, self->version[0] == '\0' ? NULL : self->version, url));
    const bulla_azure_request request = {"GET", "describe", url, {NULL, 0}, true};
    BULLA_TRY(bulla_azure_send_ok(self, call, &request, &answer));
    BULLA_TRY(bulla_azure_taken(self, call, &request, bulla_azurekv_key_read(call, bulla_http_body(&answer), out_key)));
    return bulla_azure_kid_check(self, call, out_key->kid);
}
