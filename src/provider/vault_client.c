/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/vault.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdio.h>

bool bulla_vault_path_copy(const char *path, char *out, size_t cap)
{
    while (*path == '/')
        path++;
    size_t len = strlen(path), start = 0;
    while (len != 0 && path[len - 1] == '/')
        len--;
    if (len == 0 || len >= cap) return false;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || path[i] == '/') {
            bool is_dots = strspn(path + start, ".") >= i - start; /* nothing, . and .. mean something else */
            if (is_dots) return false;
            start = i + 1;
            continue;
        }
        char c = path[i];
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_letter && strchr("_.-", c) == NULL) return false;
    }
    memcpy(out, path, len);
    out[len] = '\0';
    return true;
}

bulla_status bulla_vault_send(bulla_vault_client *client, bulla_call *call, const bulla_vault_request *request,
                              const bulla_secret *token, bulla_http_answer *out_answer)
{
    char url[BULLA_VAULT_MAX_URL + BULLA_VAULT_MAX_PATH];
    bulla_http_header headers[4];
    bulla_http_request http = {.method = request->method,
                               .url = url,
                               .headers = headers,
                               .body = request->body,
                               .endpoint = client->host,
                               .what = request->verb,
                               .idempotent = request->is_repeatable};
    int len = snprintf(url, sizeof url, "%s/v1/%s", client->url, request->path);
    if (len < 0 || (size_t)len >= sizeof url)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the address is too long", client->config->name);
    /* Without it a proxy that is talked into sending requests for others would be obeyed. */
    headers[http.num_headers++] = (bulla_http_header){"X-Vault-Request", bulla_view_text("true")};
    if (request->body.len != 0)
        headers[http.num_headers++] = (bulla_http_header){"Content-Type", bulla_view_text("application/json")};
    if (client->namespace_[0] != '\0' && !request->is_rootless)
        headers[http.num_headers++] = (bulla_http_header){"X-Vault-Namespace", bulla_view_text(client->namespace_)};
    if (token != NULL) headers[http.num_headers++] = (bulla_http_header){"X-Vault-Token", bulla_secret_borrow(token)};
    bulla_status status = bulla_http_send(client->http, call, &http, out_answer);
    bool is_long_list = status == BULLA_ELIMIT && strcmp(request->verb, "list") == 0; /* nothing else is as long */
    return is_long_list ? status : bulla_vault_taken(client, call, request, status);
}

bulla_status bulla_vault_exchange(bulla_vault_client *client, bulla_call *call, const bulla_vault_request *request,
                                  bulla_http_answer *out_answer)
{
    for (unsigned tries = 0;; tries++) {
        BULLA_AUTO(bulla_secret) *token = NULL;
        bulla_vault_error error;
        BULLA_TRY(bulla_oauth_bearer(client->tokens, call, &token));
        BULLA_TRY(bulla_vault_send(client, call, request, token, out_answer));
        if (out_answer->code < 400) return BULLA_OK;
        bulla_vault_error_decode(bulla_http_body(out_answer), &error);
        bool is_about_token = out_answer->code == 403 || error.reason == BULLA_VAULT_BAD_TOKEN;
        if (!is_about_token || tries != 0 || !bulla_vault_give_up(client, &error, token)) return BULLA_OK;
        bulla_http_answer_done(out_answer);
    }
}

bulla_status bulla_vault_ask(bulla_vault_client *client, bulla_call *call, const bulla_vault_request *request,
                             bulla_http_answer *out_answer)
{
    BULLA_TRY(bulla_vault_exchange(client, call, request, out_answer));
    if (out_answer->code == 200 || out_answer->code == 204) return BULLA_OK;
    return bulla_vault_refused(client, call, request, out_answer);
}

/* What 5xx and what is none of Vault's means: 503 comes before anything is done; else nobody knows. */
static bulla_status outage(const bulla_vault_request *request, int code)
{
    return request->is_repeatable || code < 500 || code == 503 ? BULLA_EUNAVAIL : BULLA_EUNKNOWN;
}

static bulla_status status_of_words(const bulla_vault_request *request, const bulla_vault_error *error)
{
    switch (error->reason) {
    case BULLA_VAULT_BAD_TOKEN: return BULLA_EAUTHN;
    case BULLA_VAULT_NO_KEY: return BULLA_ENOKEY;
    case BULLA_VAULT_NO_MOUNT: return BULLA_ECONFIG;
    case BULLA_VAULT_BAD_CIPHERTEXT: return BULLA_EINTEGRITY;
    case BULLA_VAULT_OLD_VERSION:
    case BULLA_VAULT_DELETED: return BULLA_ESTATE;
    case BULLA_VAULT_UNSUPPORTED: return BULLA_EUNSUPPORTED;
    case BULLA_VAULT_NO_VAULT:
    case BULLA_VAULT_SEALED: return BULLA_EUNAVAIL;
    case BULLA_VAULT_UNKNOWN: break;
    }
    return request->is_login ? BULLA_EAUTHN : BULLA_EINVAL;
}

static bulla_status status_of(const bulla_vault_request *request, int code, const bulla_vault_error *error)
{
    if (code == 429) return BULLA_ETHROTTLED;
    if (code >= 500 || code < 400) return outage(request, code);
    if (error->reason == BULLA_VAULT_NO_VAULT) return BULLA_EUNAVAIL;
    if (error->reason != BULLA_VAULT_UNKNOWN) return status_of_words(request, error);
    if (code == 401) return BULLA_EAUTHN;
    if (code == 403) return request->is_login ? BULLA_EAUTHN : BULLA_EAUTHZ;
    if (code == 404 && error->is_empty && request->key != NULL) return BULLA_ENOKEY;
    if (code == 404 || code == 405) return BULLA_ECONFIG;
    if (code == 413) return BULLA_ELIMIT;
    if (code == 412 || code == 472 || code == 473) return BULLA_EUNAVAIL; /* secondaries of Vault Enterprise */
    return status_of_words(request, error);
}

/* What happened, where the words of the store do not say it to somebody who runs it. */
static const char *cause_of(int code, const bulla_vault_error *error)
{
    if (error->reason == BULLA_VAULT_SEALED) return "it is sealed: unseal it";
    if (code == 307 || code == 308) return "it is a standby: the active one is elsewhere";
    if (code == 429) return "it limits the rate of requests";
    if (error->reason == BULLA_VAULT_NO_VAULT) return "what answered is not Vault: is there a proxy between?";
    if (code == 412 || code == 472 || code == 473) return "it is a replica and not up to date";
    return NULL;
}

static const char *remedy_of(bulla_status status, const bulla_vault_error *error)
{
    switch ((int)status) {
    case BULLA_EAUTHN: return "; look at the credentials and their end";
    case BULLA_EAUTHZ: return "; look at the token's policy";
    case BULLA_ENOKEY: return "; bulla kms create makes it";
    case BULLA_ECONFIG: return "; look at the mount's path";
    case BULLA_ESTATE:
        return error->reason == BULLA_VAULT_DELETED ? "; restore it" : "; lower its min_decryption_version";
    default: return "";
    }
}

bulla_status bulla_vault_refused(const bulla_vault_client *client, bulla_call *call, const bulla_vault_request *request,
                                 const bulla_http_answer *answer)
{
    bulla_vault_error error;
    bulla_vault_error_decode(bulla_http_body(answer), &error);
    bulla_status status = status_of(request, answer->code, &error);
    const char *cause = cause_of(answer->code, &error);
    const char *words = error.text[0] != '\0' ? error.text : "nothing is there";
    if (cause == NULL && error.text[0] == '\0' && answer->code != 404) words = "it gives no reason";
    if (status == BULLA_EINTEGRITY)
        (void)bulla_fail(call, status, "the wrapped data key is damaged, or not for this context");
    else
        (void)bulla_fail(call, status, "key store \"%s\" at %.60s: %s%s%.64s: %s (HTTP %d)%s", client->config->name,
                         client->host, request->verb, request->key == NULL ? "" : " with ",
                         request->key == NULL ? "" : request->key, cause != NULL ? cause : words, answer->code,
                         cause != NULL ? "" : remedy_of(status, &error));
    if (call != NULL) {
        call->native = answer->code;
        call->retry_after_ms = answer->retry_after_ms;
    }
    return status;
}

bulla_status bulla_vault_taken(const bulla_vault_client *client, bulla_call *call, const bulla_vault_request *request,
                               bulla_status status)
{
    if (status != BULLA_EFORMAT && status != BULLA_ELIMIT) return status;
    return bulla_fail(call, request->is_repeatable ? BULLA_EUNAVAIL : BULLA_EUNKNOWN,
                      "key store \"%s\" at %.60s: %s was answered with something that Vault does not say; is there a "
                      "proxy between?",
                      client->config->name, client->host, request->verb);
}

/* --- opening --- */

/* The first is address, or the environment's when no list is given; then come addresses and standby_addresses. */
static const char *address_at(const bulla_call *call, const bulla_kms_config *config, size_t endpoint)
{
    bool has_first = config->address != NULL || config->num_addresses + config->num_standby_addresses == 0;
    if (has_first && endpoint == 0) return bulla_kms_setting(call, config->address, "VAULT_ADDR BAO_ADDR", NULL);
    size_t at = endpoint - has_first;
    return at < config->num_addresses ? config->addresses[at] : config->standby_addresses[at - config->num_addresses];
}

static bulla_status url_take(bulla_vault_client *client, bulla_call *call, const char *address)
{
    const char *name = client->config->name;
    bulla_http_url url;
    if (address == NULL)
        return bulla_fail(call, BULLA_ECONFIG,
                          "key store \"%s\": there is no address; set address, or VAULT_ADDR in the environment", name);
    BULLA_TRY(bulla_http_url_parse(call, address, &url));
    size_t len = strlen(address);
    while (len != 0 && address[len - 1] == '/')
        len--;
    if (len >= sizeof client->url || strpbrk(address, "?#") != NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the address is too long, or has a query", name);
    memcpy(client->url, address, len);
    (void)snprintf(client->host, sizeof client->host, "%s:%u", url.host, url.port);
    return bulla_kms_url_check(call, client->config, "the address", address);
}

static bulla_tls_options tls_of(const bulla_call *call, const bulla_kms_config *config)
{
    bulla_tls_options tls = config->tls;
    tls.ca_cert = bulla_kms_setting(call, tls.ca_cert, "VAULT_CACERT BAO_CACERT", NULL);
    tls.server_name = bulla_kms_setting(call, tls.server_name, "VAULT_TLS_SERVER_NAME BAO_TLS_SERVER_NAME", NULL);
    if (tls.client_cert != NULL) return tls;
    tls.client_cert = bulla_kms_setting(call, NULL, "VAULT_CLIENT_CERT BAO_CLIENT_CERT", NULL);
    tls.client_key = bulla_kms_setting(call, tls.client_key, "VAULT_CLIENT_KEY BAO_CLIENT_KEY", NULL);
    return tls;
}

static bulla_status client_fill(bulla_kms *kms, bulla_call *call, bulla_vault_client *client, size_t endpoint)
{
    const bulla_kms_config *config = client->config;
    const char *space = bulla_kms_setting(call, config->namespace_, "VAULT_NAMESPACE BAO_NAMESPACE", "");
    const bulla_http_options options = {.store = config->name,
                                        .tls = tls_of(call, config),
                                        .pool = config->pool,
                                        .timeout_ms = config->timeout_ms,
                                        .metrics = bulla_kms_metrics(kms)};
    BULLA_TRY(url_take(client, call, address_at(call, config, endpoint)));
    if (space[strspn(space, "/")] != '\0' &&
        !bulla_vault_path_copy(space, client->namespace_, sizeof client->namespace_))
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": \"%.60s\" is no namespace", config->name, space);
    BULLA_TRY(bulla_oauth_new(call, bulla_vault_login, client, &client->tokens));
    return bulla_http_open(call, &options, &client->http);
}

static void client_destroy(bulla_client *base)
{
    bulla_vault_client *client = (bulla_vault_client *)(void *)base;
    bulla_oauth_free(client->tokens);
    bulla_http_close(client->http);
    bulla_secret_unref(client->token);
    bulla_free(client->env, client);
}

bulla_status bulla_vault_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                                    bulla_client **out_client)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_vault_client), &memory));
    bulla_vault_client *client = memory;
    client->base = (bulla_client){client_destroy, 1};
    client->env = bulla_env_of(call);
    client->config = config;
    BULLA_AUTO(bulla_client) *base = &client->base;
    BULLA_TRY(client_fill(kms, call, client, endpoint));
    *out_client = BULLA_TAKE(base);
    return BULLA_OK;
}
