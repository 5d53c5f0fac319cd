/* SPDX-License-Identifier: Apache-2.0 */
/* pkcs11:token=LABEL;object=KEY[?module-path=…&pin-source=…&kms=STORE]: an AES key on a PKCS#11 token. */
#include "provider/pkcs11.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "provider/backends.h"

#include <stdio.h>

#define PROVIDER "pkcs11"

/* Every attribute that address and wrapped key both have must agree, but the serial number only where the address asks
 * for it: a copy of the token has another one. */
static bool pkcs11_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const bulla_pkcs11_key *self = (const bulla_pkcs11_key *)(const void *)provider;
    const bulla_pkcs11_uri *uri = &self->uri;
    bulla_pkcs11_uri info;
    if (!bulla_view_is(wrapped->provider, PROVIDER) || !bulla_pkcs11_info_parse(wrapped->info, &info)) return false;
    return (uri->object[0] == '\0' || strcmp(uri->object, info.object) == 0) &&
           (uri->serial[0] == '\0' || strcmp(uri->serial, info.serial) == 0) &&
           (!uri->has_id || bulla_view_equal(bulla_view_of(uri->id, uri->id_len), bulla_view_of(info.id, info.id_len)));
}

static void pkcs11_destroy(bulla_provider *provider)
{
    bulla_pkcs11_key *self = (bulla_pkcs11_key *)(void *)provider;
    bulla_client_unref(&self->client->base);
    bulla_free(self->env, self);
}

static const bulla_provider_ops ops = {
    .size = sizeof(bulla_provider_ops),
    .name = PROVIDER,
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_ROTATE | BULLA_OP_CHECK | BULLA_OP_LIST |
           BULLA_OP_CREATE,
    .idempotent = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP |
                  BULLA_OP_CHECK | BULLA_OP_LIST,
    .matches = pkcs11_matches,
    .describe = bulla_pkcs11_describe,
    .wrap = bulla_pkcs11_wrap,
    .unwrap = bulla_pkcs11_unwrap,
    .rotate = bulla_pkcs11_rotate,
    .destroy = pkcs11_destroy,
    .check = bulla_pkcs11_check,
    .list = bulla_pkcs11_list,
    .create = bulla_pkcs11_create,
};

/* --- opening --- */

/* The module is the configuration's where it names one: what an address may load is code. */
static bulla_status module_choose(bulla_call *call, const bulla_kms_config *config, bulla_pkcs11_uri *uri)
{
    if (config->module != NULL) {
        if (strlen(config->module) >= sizeof uri->module)
            return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the path of the module is too long",
                              config->name);
        if (uri->module[0] != '\0' && strcmp(uri->module, config->module) != 0)
            return bulla_fail(call, BULLA_ECONFIG,
                              "key store \"%s\": module and the address's module-path are not the same", config->name);
        memcpy(uri->module, config->module, strlen(config->module) + 1);
    }
    if (uri->module[0] == '\0')
        return bulla_fail(call, BULLA_ECONFIG,
                          "key store \"%s\": which PKCS#11 module? Set module, or module-path in the address",
                          config->name);
    if (config->pin != NULL && uri->pin_source[0] != '\0')
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": pin and the address's pin-source are both given",
                          config->name);
    return BULLA_OK;
}

/* The token is the endpoint, by label or serial; what would end the text of a label is left out. */
static void metrics_find(bulla_pkcs11_key *self, bulla_metrics *metrics, const char *store)
{
    static const char *const verbs[BULLA_PKCS11_NUM_VERBS] = {"wrap", "unwrap", "describe", "check",
                                                              "list", "create", "rotate"};
    char labels[BULLA_METRICS_MAX_LABELS], token[33];
    size_t len = 0;
    for (const char *at = self->uri.token[0] != '\0' ? self->uri.token : self->uri.serial;
         *at != '\0' && len < sizeof token - 1; at++)
        if (*at >= 0x20 && *at < 0x7F && *at != '"' && *at != '\\') token[len++] = *at;
    token[len] = '\0';
    for (size_t i = 0; i < BULLA_PKCS11_NUM_VERBS; i++) {
        (void)snprintf(labels, sizeof labels, "store=\"%s\",endpoint=\"%s\",call=\"%s\"", store, token, verbs[i]);
        self->seconds[i] = bulla_metrics_histogram(metrics, "bulla_kms_request_seconds", labels,
                                                   "Time of each request to a key store, answered or not");
    }
}

static bulla_status pkcs11_open(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, const char *address,
                                size_t endpoint, bulla_provider **out_provider)
{
    void *memory = NULL;
    BULLA_AUTO(bulla_client) *held = NULL;
    bulla_pkcs11_uri uri;
    bulla_pkcs11_token *token = NULL;
    BULLA_TRY(bulla_pkcs11_uri_parse(call, address, &uri));
    BULLA_TRY(module_choose(call, config, &uri));
    BULLA_TRY(bulla_kms_client(kms, call, config, endpoint, bulla_pkcs11_client_new, &held));
    bulla_pkcs11_client *client = (bulla_pkcs11_client *)(void *)held;
    BULLA_TRY(bulla_pkcs11_token_get(client, call, &uri, &token));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_pkcs11_key), &memory));
    bulla_pkcs11_key *self = memory;
    self->env = bulla_env_of(call);
    self->client = client;
    self->token = token;
    self->uri = uri;
    metrics_find(self, bulla_kms_metrics(kms), config->name);
    held = NULL; /* the key's now */
    bulla_provider_init(&self->base, &ops);
    *out_provider = &self->base;
    return BULLA_OK;
}

static size_t pkcs11_endpoints(const bulla_kms_config *config, const char *address)
{
    (void)config;
    (void)address;
    return 1;
}

static bulla_status pkcs11_address_of(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap)
{
    bulla_pkcs11_uri uri;
    if (config->uri == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\" names no key; set uri", config->name);
    BULLA_TRY(bulla_pkcs11_uri_parse(call, config->uri, &uri));
    if (uri.store[0] != '\0' && strcmp(uri.store, config->name) != 0)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": uri is of key store \"%s\"", config->name, uri.store);
    (void)snprintf(uri.store, sizeof uri.store, "%s", config->name);
    return bulla_pkcs11_uri_format(call, &uri, out, cap);
}

const bulla_backend bulla_pkcs11_backend = {
    .scheme = "pkcs11", .endpoints = pkcs11_endpoints, .address_of = pkcs11_address_of, .open = pkcs11_open};
