/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gcp:projects/P/locations/L/keyRings/R/cryptoKeys/K[/cryptoKeyVersions/N][?kms=NAME]: a symmetric key of Google Cloud
 * KMS. The context is bound as additional authenticated data, in its canonical encoding; every answer's checksum is
 * compared.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/address.h"
#include "provider/backends.h"
#include "provider/gcp_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PROVIDER "gcp-kms"
#define MAX_SENDS 3u /* of a request whose checksums do not fit; Google's guidelines want it bounded */

static const char *const params[] = {"kms", NULL};

/* --- wrap and unwrap --- */

typedef bulla_status (*answer_reader)(bulla_call *call, bulla_view body, bulla_gcpkms_answer *out_answer);

static bulla_status sums_fail(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                              bulla_gcpkms_sums sums)
{
    const char *store = self->client->config->name;
    if (sums == BULLA_GCPKMS_SUMS_ABSENT)
        return bulla_fail(call, BULLA_EUNAVAIL,
                          "key store \"%s\": the answer to %s has no checksum: it does not come from Cloud KMS", store,
                          from->verb);
    return bulla_fail(call, BULLA_EUNAVAIL,
                      "key store \"%s\": what was sent or answered for %s changed on the way, %u "
                      "times",
                      store, from->verb, MAX_SENDS);
}

/* Whether the server says that the request changed on its way to it. */
static bool is_sum_refusal(const bulla_http_answer *answer)
{
    bulla_gcpkms_error error;
    if (answer->code != 400) return false;
    bulla_gcpkms_error_read(bulla_http_body(answer), &error);
    return strstr(error.text, "checksum") != NULL || strstr(error.text, "crc32c") != NULL;
}

/* Sends until the checksums fit, a few times at most. */
static bulla_status checked_send(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                                 answer_reader read, bulla_gcpkms_answer *out_answer)
{
    bulla_gcpkms_sums sums = BULLA_GCPKMS_SUMS_WRONG;
    for (unsigned sends = 0; sends < MAX_SENDS && sums == BULLA_GCPKMS_SUMS_WRONG; sends++) {
        BULLA_HTTP_ANSWER(answer);
        BULLA_GCPKMS_ANSWER(result);
        BULLA_TRY(bulla_gcp_send(self, call, from, &answer));
        if (is_sum_refusal(&answer)) continue;
        if (answer.code != 200) return bulla_gcp_refused(self, call, from, &answer);
        BULLA_TRY(bulla_gcp_taken(self, call, from, read(call, bulla_http_body(&answer), &result)));
        sums = result.sums;
        if (sums != BULLA_GCPKMS_SUMS_RIGHT) continue;
        *out_answer = result;
        result.bytes = NULL;
        return BULLA_OK;
    }
    return sums_fail(self, call, from, sums);
}

/* The version that wrapped must be one of ours, and the one that was asked for. */
static bulla_status name_check(const bulla_gcp_key *self, bulla_call *call, const char *text)
{
    bulla_gcpkms_name name;
    if (bulla_gcpkms_name_parse(bulla_view_text(text), &name) && bulla_view_is(name.key, self->name) &&
        (self->version == 0 || name.version == self->version))
        return BULLA_OK;
    return bulla_fail(call, BULLA_EUNAVAIL, "key store \"%s\": it wrapped with %.120s, which was not asked for",
                      self->client->config->name, text);
}

/* Whoever leaves the context out on the way, and its checksum with it, is found here and nowhere else: what is wrapped
 * then opens under no context. */
static bulla_status aad_check(const bulla_gcp_key *self, bulla_call *call, const bulla_context *context,
                              const bulla_gcpkms_answer *answer)
{
    if (bulla_context_bytes(context).len == 0 || answer->has_aad) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNAVAIL,
                      "key store \"%s\": the answer to wrap does not say that the context arrived; is there a proxy "
                      "between?",
                      self->client->config->name);
}

static bulla_status gcp_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                             bulla_wrapped **out_wrapped)
{
    const bulla_gcp_key *self = bulla_gcp_key_of(provider);
    char suffix[48] = ":encrypt", url[BULLA_GCP_MAX_URL];
    BULLA_AUTO(bulla_secret) *body = NULL;
    BULLA_GCPKMS_ANSWER(answer);
    if (self->version != 0)
        (void)snprintf(suffix, sizeof suffix, "/cryptoKeyVersions/%" PRIu32 ":encrypt", self->version);
    BULLA_TRY(bulla_gcp_url_of(self, call, suffix, url));
    BULLA_TRY(bulla_gcpkms_encrypt_encode(call, bulla_secret_borrow(dek), bulla_context_bytes(context), &body));
    const bulla_gcp_request request = {"POST", "wrap", url, bulla_secret_borrow(body), true};
    BULLA_TRY(checked_send(self, call, &request, bulla_gcpkms_encrypt_read, &answer));
    BULLA_TRY(name_check(self, call, answer.name));
    BULLA_TRY(aad_check(self, call, context, &answer));
    return bulla_wrapped_new(call, bulla_view_text(PROVIDER), bulla_view_text(self->name),
                             bulla_secret_borrow(answer.bytes), out_wrapped);
}

static bool gcp_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const bulla_gcp_key *self = (const bulla_gcp_key *)(const void *)provider;
    return bulla_view_is(wrapped->provider, PROVIDER) && bulla_view_is(wrapped->info, self->name);
}

static bulla_status gcp_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                               const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    const bulla_gcp_key *self = bulla_gcp_key_of(provider);
    char url[BULLA_GCP_MAX_URL];
    BULLA_AUTO(bulla_secret) *body = NULL;
    BULLA_GCPKMS_ANSWER(answer);
    BULLA_TRY(bulla_gcp_url_of(self, call, ":decrypt", url));
    BULLA_TRY(bulla_gcpkms_decrypt_encode(call, wrapped->blob, bulla_context_bytes(context), &body));
    const bulla_gcp_request request = {"POST", "unwrap", url, bulla_secret_borrow(body), true};
    BULLA_TRY(checked_send(self, call, &request, bulla_gcpkms_decrypt_read, &answer));
    size_t len = bulla_secret_borrow(answer.bytes).len;
    if (len < BULLA_DEK_MIN || len > BULLA_DEK_MAX)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged, or not for this context");
    *out_dek = BULLA_TAKE(answer.bytes);
    return BULLA_OK;
}

/* --- the key --- */

static bulla_status key_get(const bulla_gcp_key *self, bulla_call *call, bulla_gcpkms_key *out_key)
{
    char url[BULLA_GCP_MAX_URL];
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_gcp_url_of(self, call, "", url));
    const bulla_gcp_request request = {"GET", "describe", url, {NULL, 0}, true};
    BULLA_TRY(bulla_gcp_send_ok(self, call, &request, &answer));
    BULLA_TRY(bulla_gcp_taken(self, call, &request, bulla_gcpkms_key_read(call, bulla_http_body(&answer), out_key)));
    if (strcmp(out_key->name, self->name) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNAVAIL, "key store \"%s\": it described %.120s, which was not asked for",
                      self->client->config->name, out_key->name);
}

static bulla_key_state state_of(const bulla_gcpkms_key *key)
{
    if (key->primary.number == 0) return BULLA_KEY_STATE_UNKNOWN;
    switch (key->primary.state) {
    case BULLA_GCPKMS_ENABLED: return BULLA_KEY_ENABLED;
    case BULLA_GCPKMS_DISABLED: return BULLA_KEY_DISABLED;
    case BULLA_GCPKMS_PENDING: return BULLA_KEY_PENDING_IMPORT;
    case BULLA_GCPKMS_DESTROY_SCHEDULED: return BULLA_KEY_PENDING_DELETION;
    case BULLA_GCPKMS_DESTROYED: return BULLA_KEY_DESTROYED;
    case BULLA_GCPKMS_UNKNOWN: break;
    }
    return BULLA_KEY_STATE_UNKNOWN;
}

void bulla_gcp_info_of(const bulla_gcpkms_key *key, bulla_key_info *out_info)
{
    bulla_gcpkms_name name;
    if (!bulla_gcpkms_name_parse(bulla_view_text(key->name), &name)) return;
    (void)snprintf(out_info->name, sizeof out_info->name, "%.*s", (int)name.id.len, (const char *)name.id.data);
    (void)snprintf(out_info->id, sizeof out_info->id, "%.*s", (int)name.id.len, (const char *)name.id.data);
    out_info->type = key->is_symmetric ? BULLA_KEY_AES256_GCM : BULLA_KEY_UNKNOWN;
    out_info->usage = key->is_symmetric ? BULLA_USAGE_WRAP : BULLA_USAGE_UNKNOWN;
    out_info->state = state_of(key);
    out_info->primary_version = key->primary.number;
    out_info->created_s = key->created_s;
    out_info->rotated_s = key->primary.number > 1 ? key->primary.created_s : 0;
    out_info->deletion_s = key->primary.destroy_s;
    out_info->next_rotation_s = key->next_rotation_s;
    bool fits = key->rotation_period_s >= 0 && key->rotation_period_s <= UINT32_MAX;
    out_info->rotation_period_s = fits ? (uint32_t)key->rotation_period_s : 0;
}

/* How many versions there are; who may only use the key is told the number of the primary one. */
static bulla_status versions_count(const bulla_gcp_key *self, bulla_call *call, uint32_t primary, uint32_t *out_num)
{
    char url[BULLA_GCP_MAX_URL];
    uint32_t total = 0;
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_gcp_url_of(self, call, "/cryptoKeyVersions?pageSize=1", url));
    const bulla_gcp_request request = {"GET", "describe", url, {NULL, 0}, true};
    BULLA_TRY(bulla_gcp_send(self, call, &request, &answer));
    if (answer.code == 200)
        BULLA_TRY(
            bulla_gcp_taken(self, call, &request, bulla_gcpkms_total_read(call, bulla_http_body(&answer), &total)));
    else if (answer.code != 403)
        return bulla_gcp_refused(self, call, &request, &answer);
    *out_num = total > primary ? total : primary;
    return BULLA_OK;
}

static bulla_status gcp_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    const bulla_gcp_key *self = bulla_gcp_key_of(provider);
    bulla_gcpkms_key key;
    BULLA_TRY(key_get(self, call, &key));
    if (!key.is_symmetric)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "key store \"%s\": %.100s is no symmetric key (purpose ENCRYPT_DECRYPT)",
                          self->client->config->name, self->name);
    bulla_gcp_info_of(&key, out_info);
    return versions_count(self, call, key.primary.number, &out_info->num_versions);
}

/* A key that may be used and not looked at (the encrypter and decrypter role alone) is served all the same. */
static bulla_status gcp_check(bulla_provider *provider, bulla_call *call)
{
    bulla_gcpkms_key key;
    bulla_status status = key_get(bulla_gcp_key_of(provider), call, &key);
    return status == BULLA_EAUTHZ ? BULLA_OK : status;
}

static void gcp_destroy(bulla_provider *provider)
{
    bulla_gcp_key *self = bulla_gcp_key_of(provider);
    bulla_client_unref(&self->client->base);
    bulla_free(self->env, self);
}

static const bulla_provider_ops gcp_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "gcp",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_ROTATE | BULLA_OP_CHECK | BULLA_OP_LIST,
    .idempotent = BULLA_OPS_REPEATABLE,
    .matches = gcp_matches,
    .describe = gcp_describe,
    .wrap = gcp_wrap,
    .unwrap = gcp_unwrap,
    .rotate = bulla_gcp_rotate,
    .destroy = gcp_destroy,
    .check = gcp_check,
    .list = bulla_gcp_list,
};

/* --- opening --- */

static size_t gcp_endpoints(const bulla_kms_config *config, const char *address)
{
    (void)config;
    (void)address;
    return 1; /* Google's name leads to many machines */
}

static bulla_status gcp_address_of(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap)
{
    int len = 0;
    bool is_whole = config->key_name != NULL && strncmp(config->key_name, "projects/", 9) == 0;
    if (config->key_name == NULL ||
        (!is_whole && (config->project_id == NULL || config->location == NULL || config->key_ring == NULL)))
        return bulla_fail(call, BULLA_ECONFIG,
                          "key store \"%s\" names no key: set project_id, location, key_ring and key_name",
                          config->name);
    if (is_whole)
        len = snprintf(out, cap, "gcp:%s?kms=%s", config->key_name, config->name);
    else
        len = snprintf(out, cap, "gcp:projects/%s/locations/%s/keyRings/%s/cryptoKeys/%s?kms=%s", config->project_id,
                       config->location, config->key_ring, config->key_name, config->name);
    if (len > 0 && (size_t)len < cap) return BULLA_OK;
    return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the key's name is too long", config->name);
}

/* The version to wrap under, of the address or the configuration. */
static bulla_status version_choose(bulla_call *call, const bulla_kms_config *config, bulla_gcp_key *self)
{
    if (self->version != 0 || config->key_version == NULL) return BULLA_OK;
    char *end = NULL;
    unsigned long number = strtoul(config->key_version, &end, 10);
    if (*end != '\0' || number == 0 || number > UINT32_MAX || config->key_version[0] == '-')
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": key_version is a number from 1, not \"%.20s\"",
                          config->name, config->key_version);
    self->version = (uint32_t)number;
    return BULLA_OK;
}

static bulla_status gcp_open(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, const char *address,
                             size_t endpoint, bulla_provider **out_provider)
{
    bulla_address parsed;
    bulla_gcpkms_name name;
    void *memory = NULL;
    BULLA_AUTO(bulla_client) *client = NULL;
    BULLA_TRY(bulla_address_parse(call, address, &parsed));
    BULLA_TRY(bulla_address_params_check(call, &parsed, params));
    if (!bulla_gcpkms_name_parse(bulla_view_text(parsed.body), &name))
        return bulla_fail(call, BULLA_EINVAL,
                          "gcp: write gcp:projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY");
    BULLA_TRY(bulla_kms_client(kms, call, config, endpoint, bulla_gcp_client_new, &client));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_gcp_key), &memory));
    bulla_gcp_key *self = memory;
    bulla_provider_init(&self->base, &gcp_ops);
    self->env = bulla_env_of(call);
    self->client = (bulla_gcp_client *)(void *)BULLA_TAKE(client);
    memcpy(self->name, name.key.data, name.key.len);
    self->version = name.version;
    BULLA_AUTO(bulla_provider) *provider = &self->base;
    BULLA_TRY(version_choose(call, config, self));
    *out_provider = BULLA_TAKE(provider);
    return BULLA_OK;
}

const bulla_backend bulla_gcp_backend = {"gcp", gcp_endpoints, gcp_address_of, gcp_open};
