/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault:MOUNT/keys/NAME[?kms=STORE]: a key of the Transit engine of HashiCorp Vault or OpenBao.
 *
 * The serialised context is the request's associated_data. An empty context is none at all: Transit treats the empty
 * string as such, and what was wrapped so can be rewrapped inside the store, which takes no associated_data.
 */
#include "provider/vault.h"

#include "base/bytes.h"
#include "base/context.h"
#include "base/mem.h"
#include "provider/address.h"
#include "provider/backends.h"
#include "provider/provider.h"

#include <stdio.h>

#define PROVIDER "vault"
#define KNOWN_NS (INT64_C(60) * 1000000000) /* how long a look at the key is good for */

static bulla_vault_key *self_of(bulla_provider *provider)
{
    return (bulla_vault_key *)(void *)provider;
}

/* --- requests --- */

static const bulla_vault_operation encrypting = {"wrap", "encrypt", BULLA_TRANSIT_CIPHERTEXT};
static const bulla_vault_operation rewrapping = {"rewrap", "rewrap", BULLA_TRANSIT_CIPHERTEXT};
static const bulla_vault_operation generating = {"datakey", "datakey/plaintext",
                                                 BULLA_TRANSIT_CIPHERTEXT | BULLA_TRANSIT_PLAINTEXT};
const bulla_vault_operation bulla_vault_decrypting = {"unwrap", "decrypt", BULLA_TRANSIT_PLAINTEXT};

bulla_status bulla_vault_transit_ask(const bulla_vault_key *self, bulla_call *call, const bulla_vault_operation *what,
                                     const bulla_transit_request *from, bulla_transit_answer *out_answer)
{
    char path[BULLA_VAULT_MAX_PATH];
    BULLA_AUTO(bulla_secret) *body = NULL;
    BULLA_HTTP_ANSWER(answer);
    (void)snprintf(path, sizeof path, "%s/%s/%s", self->mount, what->name, self->name);
    BULLA_TRY(bulla_transit_request_encode(call, from, &body));
    const bulla_vault_request request = {.verb = what->verb,
                                         .method = "POST",
                                         .path = path,
                                         .key = self->path,
                                         .body = bulla_secret_borrow(body),
                                         .is_repeatable = true};
    BULLA_TRY(bulla_vault_ask(self->client, call, &request, &answer));
    return bulla_vault_taken(self->client, call, &request,
                             bulla_transit_answer_decode(call, bulla_http_body(&answer), what->wanted, out_answer));
}

bulla_status bulla_vault_key_read(bulla_vault_key *self, bulla_call *call, const char *verb, bulla_transit_key *out_key)
{
    BULLA_HTTP_ANSWER(answer);
    const bulla_vault_request request = {
        .verb = verb, .method = "GET", .path = self->path, .key = self->path, .is_repeatable = true};
    BULLA_TRY(bulla_vault_ask(self->client, call, &request, &answer));
    bulla_transit_key key;
    BULLA_TRY(bulla_vault_taken(self->client, call, &request,
                                bulla_transit_key_decode(call, bulla_http_body(&answer), &key)));
    *out_key = key;
    return BULLA_OK;
}

bulla_status bulla_vault_key_check(const bulla_vault_key *self, bulla_call *call, const bulla_transit_key *key)
{
    const char *store = self->client->config->name;
    if (key->is_deleted)
        return bulla_fail(call, BULLA_ESTATE, "key store \"%s\": %.100s is deleted softly; restore it", store,
                          self->path);
    if (!bulla_transit_type_binds(key->type))
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "key store \"%s\": %.80s is of type %.31s, which binds no context; use aes256-gcm96", store,
                          self->path, key->type);
    if (key->is_derived)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "key store \"%s\": %.80s is a derived key; use one that is not derived", store, self->path);
    return BULLA_OK;
}

/* Transit makes a key that is missing when it is asked to encrypt under it, if the policy lets it. So somebody looks
 * first, and again after a while. */
static bulla_status key_look(bulla_vault_key *self, bulla_call *call, const char *verb)
{
    int64_t now = self->env->ticks_ns(self->env->arg);
    bulla_transit_key key;
    if (now < __atomic_load_n(&self->known_until_ns, __ATOMIC_RELAXED)) return BULLA_OK;
    BULLA_TRY(bulla_vault_key_read(self, call, verb, &key));
    BULLA_TRY(bulla_vault_key_check(self, call, &key));
    __atomic_store_n(&self->latest_version, key.latest_version, __ATOMIC_RELAXED);
    __atomic_store_n(&self->known_until_ns, now + KNOWN_NS, __ATOMIC_RELAXED);
    bulla_vault_binding_forget(self);
    return BULLA_OK;
}

/* --- wrapping --- */

/* What came out was wrapped by the key that was looked at. */
static bulla_status wrapped_take(bulla_vault_key *self, bulla_call *call, const bulla_transit_answer *answer,
                                 bulla_wrapped **out_wrapped)
{
    const char *store = self->client->config->name;
    uint32_t latest = __atomic_load_n(&self->latest_version, __ATOMIC_RELAXED);
    if (answer->version < latest) {
        __atomic_store_n(&self->known_until_ns, 0, __ATOMIC_RELAXED);
        return bulla_fail(
            call, BULLA_ESTATE,
            "key store \"%s\": %.80s wrapped under version %u and was at %u before: somebody has replaced it", store,
            self->path, answer->version, latest);
    }
    return bulla_wrapped_new(call, bulla_view_text(PROVIDER), bulla_view_text(self->info),
                             bulla_view_text(answer->ciphertext), out_wrapped);
}

static bulla_status vault_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    bulla_vault_key *self = self_of(provider);
    BULLA_TRANSIT_ANSWER(answer);
    bool has_context = bulla_context_count(context) != 0;
    BULLA_TRY(key_look(self, call, "wrap"));
    if (has_context) BULLA_TRY(bulla_vault_binding_recall(self, call));
    const bulla_transit_request request = {.plaintext = bulla_secret_borrow(dek), .data = bulla_context_bytes(context)};
    BULLA_TRY(bulla_vault_transit_ask(self, call, &encrypting, &request, &answer));
    if (has_context) BULLA_TRY(bulla_vault_binding_check(self, call, &answer));
    return wrapped_take(self, call, &answer, out_wrapped);
}

static bool vault_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const bulla_vault_key *self = (const bulla_vault_key *)(const void *)provider;
    return bulla_view_is(wrapped->provider, PROVIDER) && bulla_view_is(wrapped->info, self->info);
}

static bulla_status damaged(bulla_call *call)
{
    return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged, or not for this context");
}

bulla_status bulla_vault_unwrap_alone(const bulla_vault_key *self, bulla_call *call, bulla_context *context,
                                      bulla_view ciphertext, bulla_secret **out_dek)
{
    uint32_t version = 0;
    BULLA_TRANSIT_ANSWER(answer);
    if (!bulla_transit_ciphertext_is(ciphertext, &version)) return damaged(call);
    const bulla_transit_request request = {.ciphertext = ciphertext, .data = bulla_context_bytes(context)};
    BULLA_TRY(bulla_vault_transit_ask(self, call, &bulla_vault_decrypting, &request, &answer));
    size_t len = bulla_secret_borrow(answer.plaintext).len;
    if (len < BULLA_DEK_MIN || len > BULLA_DEK_MAX) return damaged(call); /* something else was encrypted there */
    *out_dek = BULLA_TAKE(answer.plaintext);
    return BULLA_OK;
}

static bulla_status vault_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    return bulla_vault_unwrap_together(self_of(provider), call, context, wrapped->blob, out_dek);
}

static bulla_status draw_and_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                  bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_secret_random(call, len, &dek));
    BULLA_TRY(vault_wrap(provider, call, context, dek, out_wrapped));
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

/* Drawn here where the store would not make it so long, or not with the context. */
static bulla_status vault_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                  bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    bulla_vault_key *self = self_of(provider);
    BULLA_TRANSIT_ANSWER(answer);
    bool is_known_len = len == 16 || len == 32 || len == 64, is_bound = true;
    if (!is_known_len || bulla_vault_makes_unbound(self))
        return draw_and_wrap(provider, call, context, len, out_dek, out_wrapped);
    BULLA_TRY(key_look(self, call, "datakey"));
    const bulla_transit_request request = {.bits = (unsigned)len * 8, .data = bulla_context_bytes(context)};
    BULLA_TRY(bulla_vault_transit_ask(self, call, &generating, &request, &answer));
    if (bulla_context_count(context) != 0) BULLA_TRY(bulla_vault_making_check(self, call, &answer, &is_bound));
    if (bulla_secret_borrow(answer.plaintext).len != len || !is_bound)
        return draw_and_wrap(provider, call, context, len, out_dek, out_wrapped);
    BULLA_TRY(wrapped_take(self, call, &answer, out_wrapped));
    *out_dek = BULLA_TAKE(answer.plaintext);
    return BULLA_OK;
}

/* Inside the store where there is no context to keep, else here. */
static bulla_status vault_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    bulla_vault_key *self = self_of(provider);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRANSIT_ANSWER(answer);
    uint32_t version = 0;
    if (!bulla_transit_ciphertext_is(wrapped->blob, &version)) return damaged(call);
    if (bulla_context_count(context) != 0) {
        BULLA_TRY(bulla_vault_unwrap_alone(self, call, context, wrapped->blob, &dek));
        return vault_wrap(provider, call, context, dek, out_wrapped);
    }
    BULLA_TRY(key_look(self, call, "rewrap"));
    const bulla_transit_request request = {.ciphertext = wrapped->blob};
    BULLA_TRY(bulla_vault_transit_ask(self, call, &rewrapping, &request, &answer));
    return wrapped_take(self, call, &answer, out_wrapped);
}

/* --- the provider --- */

static void vault_destroy(bulla_provider *provider)
{
    bulla_vault_key *self = self_of(provider);
    bulla_client_unref(self->client == NULL ? NULL : &self->client->base);
    bulla_secret_unref(self->queue);
    bulla_secret_unref(self->proving);
    bulla_free(self->env, self);
}

static const bulla_provider_ops ops = {
    .size = sizeof(bulla_provider_ops),
    .name = PROVIDER,
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP | BULLA_OP_ROTATE |
           BULLA_OP_CHECK | BULLA_OP_LIST | BULLA_OP_CREATE,
    .idempotent = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP |
                  BULLA_OP_CHECK | BULLA_OP_LIST,
    .matches = vault_matches,
    .describe = bulla_vault_describe,
    .wrap = vault_wrap,
    .unwrap = vault_unwrap,
    .datakey = vault_datakey,
    .rewrap = vault_rewrap,
    .rotate = bulla_vault_rotate,
    .destroy = vault_destroy,
    .check = bulla_vault_check,
    .list = bulla_vault_list,
    .create = bulla_vault_create,
};

/* --- opening --- */

/* Splits at the last "/keys/": mounts may have any path. */
static bool names_take(bulla_vault_key *self, char *body)
{
    char *at = NULL;
    for (char *next = strstr(body, "/keys/"); next != NULL; next = strstr(next + 1, "/keys/"))
        at = next;
    if (at == NULL || body[0] == '/') return false;
    *at = '\0';
    const char *name = at + sizeof "/keys/" - 1;
    if (strchr(name, '/') != NULL || !bulla_vault_path_copy(body, self->mount, sizeof self->mount)) return false;
    return bulla_vault_path_copy(name, self->name, sizeof self->name);
}

static bulla_status address_take(bulla_vault_key *self, bulla_call *call, const char *text)
{
    static const char *const params[] = {"kms", NULL};
    bulla_address address;
    BULLA_TRY(bulla_address_parse(call, text, &address));
    BULLA_TRY(bulla_address_params_check(call, &address, params));
    if (!names_take(self, address.body))
        return bulla_fail(call, BULLA_EINVAL,
                          "\"%.100s\" is no address of a key in Vault; write vault:MOUNT/keys/NAME, such as "
                          "vault:transit/keys/app",
                          text);
    const char *store = bulla_address_param(&address, "kms", "");
    if (store[0] != '\0') (void)snprintf(self->suffix, sizeof self->suffix, "?kms=%.31s", store);
    (void)snprintf(self->path, sizeof self->path, "%s/keys/%s", self->mount, self->name);
    return BULLA_OK;
}

static bulla_status vault_fill(bulla_vault_key *self, bulla_kms *kms, bulla_call *call, const bulla_kms_config *config,
                               const char *address, size_t endpoint)
{
    bulla_client *client = NULL;
    BULLA_TRY(address_take(self, call, address));
    BULLA_TRY(bulla_kms_client(kms, call, config, endpoint, bulla_vault_client_new, &client));
    self->client = (bulla_vault_client *)(void *)client;
    const char *space = self->client->namespace_;
    (void)snprintf(self->info, sizeof self->info, "%s%s%s", space, space[0] == '\0' ? "" : "/", self->path);
    BULLA_TRY(bulla_vault_proof_init(self, call));
    return bulla_vault_queue_init(self, call, bulla_kms_metrics(kms));
}

static bulla_status vault_open(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, const char *address,
                               size_t endpoint, bulla_provider **out_provider)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_vault_key), &memory));
    bulla_vault_key *self = memory;
    self->env = bulla_env_of(call);
    bulla_provider_init(&self->base, &ops);
    BULLA_AUTO(bulla_provider) *made = &self->base;
    BULLA_TRY(vault_fill(self, kms, call, config, address, endpoint));
    *out_provider = BULLA_TAKE(made);
    return BULLA_OK;
}

static size_t vault_endpoints(const bulla_kms_config *config, const char *address)
{
    (void)address;
    size_t num = (config->address != NULL) + config->num_addresses + config->num_standby_addresses;
    return num == 0 ? 1 : num < BULLA_MAX_ENDPOINTS ? num : BULLA_MAX_ENDPOINTS;
}

static bulla_status vault_address_of(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap)
{
    char mount[BULLA_VAULT_MAX_MOUNT + 1], name[BULLA_TRANSIT_MAX_NAME + 1];
    if (config->key_name == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\" names no key; set key_name", config->name);
    if (!bulla_vault_path_copy(config->mount_path == NULL ? "transit" : config->mount_path, mount, sizeof mount) ||
        !bulla_vault_path_copy(config->key_name, name, sizeof name) || strchr(name, '/') != NULL)
        return bulla_fail(call, BULLA_ECONFIG,
                          "key store \"%s\": mount_path and key_name consist of letters, digits, _ . and -",
                          config->name);
    int len = snprintf(out, cap, "vault:%s/keys/%s?kms=%s", mount, name, config->name);
    if (len > 0 && (size_t)len < cap) return BULLA_OK;
    return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the key's address is too long", config->name);
}

const bulla_backend bulla_vault_backend = {
    .scheme = "vault", .endpoints = vault_endpoints, .address_of = vault_address_of, .open = vault_open};
