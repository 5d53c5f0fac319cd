/* SPDX-License-Identifier: Apache-2.0 */
/* The azure: back end's slots that only people who run it need: description, rotation, listing. */
#include "provider/azure_client.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdio.h>
#include <strings.h>

#define MAX_PAGES 400u /* of 25 */
#define MAX_LISTED 10000u

/* --- pages of keys or versions --- */

typedef struct listing {
    const bulla_azure_key *self;
    bulla_azurekv_visit visit;
    void *arg;
    size_t num;
    bulla_status status; /* of the visitor, who may fail with anything */
} listing;

static bulla_status page_visit(void *arg, bulla_call *call, const bulla_azurekv_key *key)
{
    listing *list = arg;
    if (list->num++ < MAX_LISTED) list->status = list->visit(list->arg, call, key);
    return list->status;
}

/* The next page lies on the vault itself, or the token would go elsewhere. */
static bulla_status link_check(const listing *list, bulla_call *call, const char *link)
{
    const char *base = list->self->vault->base;
    size_t len = strlen(base);
    bool is_ours = strncasecmp(link, base, len) == 0 && (link[len] == '/' || strncmp(link + len, ":443/", 5) == 0);
    if (link[0] == '\0' || is_ours) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNAVAIL, "key store \"%s\": its list goes on somewhere else than on the vault",
                      list->self->client->config->name);
}

static bulla_status pages_read(listing *list, bulla_call *call, const char *verb, const char *url)
{
    char link[BULLA_AZUREKV_MAX_LINK];
    const bulla_azure_key *self = list->self;
    if (strlen(url) >= sizeof link) return bulla_fail(call, BULLA_EINVAL, "azure: the key's name is too long");
    memcpy(link, url, strlen(url) + 1);
    for (unsigned pages = 0; link[0] != '\0' && pages < MAX_PAGES && list->num < MAX_LISTED; pages++) {
        char here[sizeof link];
        BULLA_HTTP_ANSWER(answer);
        memcpy(here, link, sizeof here);
        const bulla_azure_request request = {"GET", verb, here, {NULL, 0}, true};
        BULLA_TRY(bulla_azure_send_ok(self, call, &request, &answer));
        bulla_status status = bulla_azurekv_list_read(call, bulla_http_body(&answer), page_visit, list, link);
        if (list->status != BULLA_OK) return list->status;
        BULLA_TRY(bulla_azure_taken(self, call, &request, status));
        BULLA_TRY(link_check(list, call, link));
    }
    return BULLA_OK;
}

/* --- description --- */

/* A version's number is its place in time: vaults have none. */
typedef struct versions {
    int64_t current_s;
    uint32_t num, num_older;
} versions;

static bulla_status version_visit(void *arg, bulla_call *call, const bulla_azurekv_key *key)
{
    versions *all = arg;
    (void)call;
    all->num++;
    all->num_older += key->created_s < all->current_s;
    return BULLA_OK;
}

/* Who may use the key but not list its versions is told of one. */
static bulla_status versions_count(const bulla_azure_key *self, bulla_call *call, const bulla_azurekv_key *key,
                                   versions *out_versions)
{
    char url[BULLA_AZURE_MAX_URL];
    versions all = {.current_s = key->created_s};
    listing list = {.self = self, .visit = version_visit, .arg = &all, .status = BULLA_OK};
    BULLA_TRY(bulla_azure_url_of(self, call, self->kid, "versions", url));
    bulla_status status = pages_read(&list, call, "describe", url);
    if (status != BULLA_EAUTHZ) BULLA_TRY(status);
    if (status != BULLA_OK || all.num == 0) all = (versions){.num = 1, .num_older = 0};
    *out_versions = all;
    return BULLA_OK;
}

static void text_copy(char *out, size_t cap, bulla_view text)
{
    (void)snprintf(out, cap, "%.*s", (int)text.len, (const char *)text.data);
}

static void info_of(bulla_call *call, const bulla_azurekv_key *key, bulla_key_info *out_info)
{
    bulla_azurekv_kid kid;
    if (!bulla_azurekv_kid_parse(bulla_view_text(key->kid), &kid)) return;
    int64_t now = bulla_wall_s(call);
    bool is_valid =
        (key->not_before_s == 0 || now >= key->not_before_s) && (key->expires_s == 0 || now < key->expires_s);
    text_copy(out_info->id, sizeof out_info->id, kid.version.len != 0 ? kid.version : kid.name);
    text_copy(out_info->name, sizeof out_info->name, kid.name);
    out_info->state = key->is_enabled && is_valid ? BULLA_KEY_ENABLED : BULLA_KEY_DISABLED;
    out_info->created_s = key->created_s;
}

bulla_status bulla_azure_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    const bulla_azure_key *self = bulla_azure_key_of(provider);
    bulla_azurekv_key key;
    versions all;
    BULLA_TRY(bulla_azure_key_get(self, call, &key));
    BULLA_TRY(versions_count(self, call, &key, &all));
    info_of(call, &key, out_info);
    /* The nearest words there are: AES keys of a Managed HSM wrap with key wrap, not GCM. */
    out_info->type = key.type == BULLA_AZUREKV_RSA   ? BULLA_KEY_RSA
                     : key.type == BULLA_AZUREKV_OCT ? BULLA_KEY_AES256_GCM
                                                     : BULLA_KEY_UNKNOWN;
    out_info->usage = key.can_wrap && key.can_unwrap ? BULLA_USAGE_WRAP : BULLA_USAGE_UNKNOWN;
    out_info->num_versions = all.num;
    out_info->primary_version =
        self->version[0] == '\0' ? all.num : all.num_older + 1; /* the current one is the newest */
    out_info->rotated_s = all.num_older != 0 ? key.created_s : 0;
    return BULLA_OK;
}

/* --- rotation and listing --- */

bulla_status bulla_azure_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    static const char body[] = "{}";
    const bulla_azure_key *self = bulla_azure_key_of(provider);
    char url[BULLA_AZURE_MAX_URL];
    bulla_azurekv_key key;
    versions all;
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_azure_url_of(self, call, self->kid, "rotate", url));
    const bulla_azure_request request = {"POST", "rotate", url, bulla_view_text(body), false};
    BULLA_TRY(bulla_azure_send_ok(self, call, &request, &answer));
    BULLA_TRY(bulla_azure_taken(self, call, &request, bulla_azurekv_key_read(call, bulla_http_body(&answer), &key)));
    if (bulla_azure_kid_check(self, call, key.kid) != BULLA_OK)
        return call->status = BULLA_EUNKNOWN;              /* something was rotated: not to be asked for again */
    bulla_provider_purge(provider, (bulla_view){NULL, 0}); /* what was seen is the version before */
    if (versions_count(self, call, &key, &all) != BULLA_OK)
        return bulla_fail(call, BULLA_EUNKNOWN,
                          "key store \"%s\": the key was rotated, but its versions could not be "
                          "counted; do not rotate again",
                          self->client->config->name);
    *out_version = all.num;
    return BULLA_OK;
}

typedef struct shown {
    const bulla_azure_key *self;
    bulla_provider_visit visit;
    void *arg;
} shown;

static bulla_status key_visit(void *arg, bulla_call *call, const bulla_azurekv_key *key)
{
    const shown *to = arg;
    char address[BULLA_MAX_ADDRESS + 1];
    bulla_key_info info = {.id = ""};
    info_of(call, key, &info);
    (void)snprintf(address, sizeof address, "azure:%s?kms=%s", key->kid, to->self->client->config->name);
    return to->visit(to->arg, call, address, &info);
}

bulla_status bulla_azure_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    const bulla_azure_key *self = bulla_azure_key_of(provider);
    char url[BULLA_AZURE_MAX_URL], keys[sizeof self->vault->base + 8];
    shown to = {self, visit, arg};
    listing list = {.self = self, .visit = key_visit, .arg = &to, .status = BULLA_OK};
    (void)snprintf(keys, sizeof keys, "%s/keys", self->vault->base);
    BULLA_TRY(bulla_azure_url_of(self, call, keys, NULL, url));
    return pages_read(&list, call, "list", url);
}
