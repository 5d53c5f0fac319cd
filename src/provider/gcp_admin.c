/* SPDX-License-Identifier: Apache-2.0 */
/* The gcp: back end's slots that only those who run it need: rotation and listing. */
#include "provider/gcp_client.h"

#include "base/bytes.h"
#include "base/wait.h"
#include "provider/request.h"
#include "wire/uri.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_PAGES 200u
#define MAX_LISTED 10000u
#define GENERATION_LOOKS 50u /* at a version that is being generated */
#define LOOK_NS INT64_C(200000000)

/* --- rotation --- */

/* A version of an HSM key is not there at once. */
static bulla_status generation_await(const bulla_gcp_key *self, bulla_call *call, bulla_gcpkms_version *version)
{
    char suffix[48], url[BULLA_GCP_MAX_URL];
    (void)snprintf(suffix, sizeof suffix, "/cryptoKeyVersions/%" PRIu32, version->number);
    BULLA_TRY(bulla_gcp_url_of(self, call, suffix, url));
    const bulla_gcp_request request = {"GET", "rotate", url, {NULL, 0}, true};
    for (unsigned looks = 0; version->state == BULLA_GCPKMS_PENDING && looks < GENERATION_LOOKS; looks++) {
        BULLA_HTTP_ANSWER(answer);
        BULLA_TRY(bulla_wait_until(call, call->env->ticks_ns(call->env->arg) + LOOK_NS));
        BULLA_TRY(bulla_gcp_send_ok(self, call, &request, &answer));
        BULLA_TRY(
            bulla_gcp_taken(self, call, &request, bulla_gcpkms_version_read(call, bulla_http_body(&answer), version)));
    }
    if (version->state == BULLA_GCPKMS_ENABLED) return BULLA_OK;
    return bulla_fail(call, BULLA_ESTATE,
                      "key store \"%s\": version %" PRIu32 " is not enabled yet; make it primary later",
                      self->client->config->name, version->number);
}

static bulla_status version_create(const bulla_gcp_key *self, bulla_call *call, bulla_gcpkms_version *out_version)
{
    static const char body[] = "{}";
    char url[BULLA_GCP_MAX_URL];
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_gcp_url_of(self, call, "/cryptoKeyVersions", url));
    const bulla_gcp_request request = {"POST", "rotate", url, bulla_view_text(body), false};
    BULLA_TRY(bulla_gcp_send_ok(self, call, &request, &answer));
    return bulla_gcp_taken(self, call, &request,
                           bulla_gcpkms_version_read(call, bulla_http_body(&answer), out_version));
}

static bulla_status version_promote(const bulla_gcp_key *self, bulla_call *call, bulla_gcpkms_version version)
{
    char body[64], url[BULLA_GCP_MAX_URL];
    bulla_gcpkms_key key;
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(generation_await(self, call, &version));
    BULLA_TRY(bulla_gcp_url_of(self, call, ":updatePrimaryVersion", url));
    (void)snprintf(body, sizeof body, "{\"cryptoKeyVersionId\":\"%" PRIu32 "\"}", version.number);
    const bulla_gcp_request request = {"POST", "rotate", url, bulla_view_text(body), true};
    BULLA_TRY(bulla_gcp_send_ok(self, call, &request, &answer));
    BULLA_TRY(bulla_gcp_taken(self, call, &request, bulla_gcpkms_key_read(call, bulla_http_body(&answer), &key)));
    if (key.primary.number == version.number) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNKNOWN, "key store \"%s\": version %" PRIu32 " is the primary one",
                      self->client->config->name, key.primary.number);
}

/* Once there is a version more, nothing has failed without effect: who repeated it would make one more still. */
bulla_status bulla_gcp_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    const bulla_gcp_key *self = bulla_gcp_key_of(provider);
    bulla_gcpkms_version version;
    BULLA_TRY(version_create(self, call, &version));
    bulla_status status = version_promote(self, call, version);
    bulla_class class = bulla_status_class(status);
    if (class == BULLA_CLASS_RETRY || class == BULLA_CLASS_STOP) call->status = status = BULLA_EUNKNOWN;
    if (status == BULLA_OK)
        *out_version = version.number;
    else
        bulla_why_add(call, "version %" PRIu32 " was made", version.number);
    return status;
}

/* --- listing --- */

typedef struct listing {
    const bulla_gcp_key *self;
    bulla_provider_visit visit;
    void *arg;
    size_t num;
    bulla_status status; /* of the visitor, who may fail with anything */
} listing;

static bulla_status list_visit(void *arg, bulla_call *call, const bulla_gcpkms_key *key)
{
    listing *list = arg;
    char address[BULLA_MAX_ADDRESS + 1];
    bulla_key_info info = {.id = ""};
    if (list->num++ >= MAX_LISTED) return BULLA_OK;
    bulla_gcp_info_of(key, &info);
    (void)snprintf(address, sizeof address, "gcp:%s?kms=%s", key->name, list->self->client->config->name);
    list->status = list->visit(list->arg, call, address, &info);
    return list->status;
}

/* The key ring's keys, from `page` on, which becomes the next page's token. */
static bulla_status page_read(listing *list, bulla_call *call, char page[BULLA_GCPKMS_MAX_PAGE])
{
    const bulla_gcp_key *self = list->self;
    uint8_t url[BULLA_GCP_MAX_URL + 3 * BULLA_GCPKMS_MAX_PAGE];
    bulla_writer out = bulla_writer_of(url, sizeof url);
    const char *end = strstr(self->name, "/cryptoKeys/");
    BULLA_HTTP_ANSWER(answer);
    bulla_write_view(&out, bulla_view_text(self->client->endpoint));
    bulla_write_view(&out, bulla_view_text("/v1/"));
    bulla_write_view(&out, bulla_view_of(self->name, (size_t)(end - self->name)));
    bulla_write_view(&out, bulla_view_text("/cryptoKeys?pageSize=100"));
    if (page[0] != '\0') bulla_write_view(&out, bulla_view_text("&pageToken="));
    bulla_uri_encode(&out, bulla_view_text(page), "");
    bulla_write_u8(&out, 0);
    if (out.failed)
        return bulla_fail(call, BULLA_ELIMIT, "key store \"%s\": the url of a list is too long",
                          self->client->config->name);
    const bulla_gcp_request request = {"GET", "list", (const char *)url, {NULL, 0}, true};
    BULLA_TRY(bulla_gcp_send_ok(self, call, &request, &answer));
    bulla_status status = bulla_gcpkms_list_read(call, bulla_http_body(&answer), list_visit, list, page);
    return list->status != BULLA_OK ? list->status : bulla_gcp_taken(self, call, &request, status);
}

bulla_status bulla_gcp_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    char page[BULLA_GCPKMS_MAX_PAGE] = "";
    listing list = {.self = bulla_gcp_key_of(provider), .visit = visit, .arg = arg, .status = BULLA_OK};
    for (unsigned pages = 0; pages < MAX_PAGES && list.num < MAX_LISTED; pages++) {
        BULLA_TRY(page_read(&list, call, page));
        if (page[0] == '\0') break;
    }
    return BULLA_OK;
}
