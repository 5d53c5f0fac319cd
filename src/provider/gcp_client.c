/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/gcp_client.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "provider/gcp_auth.h"

#include <stdio.h>

#define ENDPOINT "https://cloudkms.googleapis.com"

bulla_status bulla_gcp_url_of(const bulla_gcp_key *self, bulla_call *call, const char *suffix,
                              char out[BULLA_GCP_MAX_URL])
{
    int len = snprintf(out, BULLA_GCP_MAX_URL, "%s/v1/%s%s", self->client->endpoint, self->name, suffix);
    if (len > 0 && (size_t)len < BULLA_GCP_MAX_URL) return BULLA_OK;
    return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the endpoint is too long", self->client->config->name);
}

bulla_status bulla_gcp_send(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                            bulla_http_answer *out_answer)
{
    static const char type[] = "application/json";
    bulla_http_header headers[2];
    bulla_http_request request = {.method = from->method,
                                  .url = from->url,
                                  .headers = headers,
                                  .body = from->body,
                                  .what = from->verb,
                                  .idempotent = from->is_repeatable};
    if (from->body.len != 0)
        headers[request.num_headers++] = (bulla_http_header){"Content-Type", bulla_view_text(type)};
    if (self->client->quota_project[0] != '\0')
        headers[request.num_headers++] =
            (bulla_http_header){"x-goog-user-project", bulla_view_text(self->client->quota_project)};
    return bulla_oauth_send(self->client->oauth, self->client->http, call, &request, out_answer);
}

/* google.rpc.Code in words, with the states that Cloud KMS speaks of in its messages. */
static bulla_status status_of(const bulla_gcp_request *from, int code, const bulla_gcpkms_error *error)
{
    bool is_decrypt = strcmp(from->verb, "unwrap") == 0;
    if (code == 429 || strcmp(error->status, "RESOURCE_EXHAUSTED") == 0) return BULLA_ETHROTTLED;
    /* 503 is said before anything is done; after 500 and 504 nobody knows. */
    if (code >= 500) return from->is_repeatable || code == 503 ? BULLA_EUNAVAIL : BULLA_EUNKNOWN;
    if (error->status[0] == '\0') return BULLA_EUNAVAIL;
    if (code == 401) return BULLA_EAUTHN;
    if (code == 403) return BULLA_EAUTHZ;
    if (code == 404) return BULLA_ENOKEY;
    if (strcmp(error->status, "FAILED_PRECONDITION") == 0)
        return strstr(error->text, "DESTROYED") != NULL ? BULLA_EDESTROYED : BULLA_ESTATE;
    if (strcmp(error->status, "INVALID_ARGUMENT") == 0) return is_decrypt ? BULLA_EINTEGRITY : BULLA_EINVAL;
    return BULLA_EUNAVAIL;
}

static const char *remedy_of(bulla_status status)
{
    switch ((int)status) {
    case BULLA_EAUTHZ: return "; grant roles/cloudkms.cryptoKeyEncrypterDecrypter on the key";
    case BULLA_EAUTHN: return "; look at the credentials";
    case BULLA_ENOKEY: return "; look at the name and the location";
    case BULLA_ETHROTTLED: return "; the project's quota is used up";
    case BULLA_ESTATE: return "; enable the key version";
    default: return "";
    }
}

/* Without what stands before the version: the key is named already, and the state at the end must have room. */
static const char *words_of(const bulla_gcpkms_error *error)
{
    const char *version = strstr(error->text, "cryptoKeyVersions/");
    return strncmp(error->text, "projects/", 9) == 0 && version != NULL ? version : error->text;
}

/* Every answer but 200. */
bulla_status bulla_gcp_refused(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                               const bulla_http_answer *answer)
{
    bulla_gcpkms_error error;
    bulla_gcpkms_error_read(bulla_http_body(answer), &error);
    bulla_status status = status_of(from, answer->code, &error);
    const char *store = self->client->config->name;
    call->retry_after_ms = answer->retry_after_ms;
    if (status == BULLA_EINTEGRITY)
        (void)bulla_fail(call, status, "the wrapped data key is damaged, or not for this context");
    else if (error.status[0] == '\0')
        (void)bulla_fail(call, status,
                         "key store \"%s\": %s was answered with HTTP %d and nothing of Cloud KMS; is there a proxy "
                         "between?",
                         store, from->verb, answer->code);
    else
        (void)bulla_fail(call, status, "key store \"%s\": %s with %.80s: %s: %.100s%s", store, from->verb,
                         strstr(self->name, "/keyRings/") + 1, error.status, words_of(&error), remedy_of(status));
    call->native = answer->code;
    return status;
}

bulla_status bulla_gcp_taken(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                             bulla_status status)
{
    if (status != BULLA_EFORMAT && status != BULLA_ELIMIT) return status;
    status =
        bulla_fail(call, from->is_repeatable ? BULLA_EUNAVAIL : BULLA_EUNKNOWN,
                   "key store \"%s\": %s was answered with something that Cloud KMS does not say; is there a proxy "
                   "between?",
                   self->client->config->name, from->verb);
    call->native = 200;
    return status;
}

bulla_status bulla_gcp_send_ok(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                               bulla_http_answer *out_answer)
{
    BULLA_TRY(bulla_gcp_send(self, call, from, out_answer));
    return out_answer->code == 200 ? BULLA_OK : bulla_gcp_refused(self, call, from, out_answer);
}

static void client_destroy(bulla_client *base)
{
    bulla_gcp_client *client = (bulla_gcp_client *)(void *)base;
    bulla_oauth_free(client->oauth);
    bulla_http_close(client->http);
    bulla_free(client->env, client);
}

static bulla_status client_fill(bulla_kms *kms, bulla_call *call, bulla_gcp_client *client)
{
    const bulla_kms_config *config = client->config;
    const char *endpoint =
        bulla_kms_setting(call, config->endpoint, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", ENDPOINT);
    const bulla_http_options options = {.store = config->name,
                                        .tls = config->tls,
                                        .pool = config->pool,
                                        .timeout_ms = config->timeout_ms,
                                        .metrics = bulla_kms_metrics(kms)};
    size_t len = strlen(endpoint);
    while (len != 0 && endpoint[len - 1] == '/')
        len--;
    if (len >= sizeof client->endpoint)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the endpoint is too long", config->name);
    memcpy(client->endpoint, endpoint, len);
    BULLA_TRY(bulla_kms_url_check(call, config, "endpoint", client->endpoint));
    bulla_gcp_quota_project(call, config, client->quota_project, sizeof client->quota_project);
    BULLA_TRY(bulla_oauth_new(call, bulla_gcp_login, (void *)(uintptr_t)config, &client->oauth));
    return bulla_http_open(call, &options, &client->http);
}

bulla_status bulla_gcp_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                                  bulla_client **out_client)
{
    (void)endpoint;
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_gcp_client), &memory));
    bulla_gcp_client *client = memory;
    client->base = (bulla_client){client_destroy, 1};
    client->env = bulla_env_of(call);
    client->config = config;
    BULLA_AUTO(bulla_client) *base = &client->base;
    BULLA_TRY(client_fill(kms, call, client));
    *out_client = BULLA_TAKE(base);
    return BULLA_OK;
}
