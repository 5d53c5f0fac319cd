/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/gcp_auth.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/mem.h"
#include "provider/request.h"
#include "wire/jwt.h"

#include <stdio.h>

#define SCOPE "https://www.googleapis.com/auth/cloudkms"
#define SCOPE_TO_IMPERSONATE "https://www.googleapis.com/auth/cloud-platform"
#define TOKEN_URI "https://oauth2.googleapis.com/token"
#define METADATA_HOST "metadata.google.internal"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define MAX_PATH_TEXT 1024u
#define MAX_URL 1024u
#define MAX_PEM 16384u
#define MAX_FORM 49152u
#define MAX_SOURCE_HEADERS 8u
#define LIFETIME_S 3600

/* One login. */
typedef struct login {
    bulla_call *call;
    const bulla_kms_config *config;
    bulla_login_site site;
    bulla_json_value credentials; /* root of the file */
} login;

/* --- the file --- */

/* Where the credentials are; false when only the metadata server has them. `is_wanted`: somebody has said so. */
static bool path_find(bulla_call *call, const bulla_kms_config *config, char out[MAX_PATH_TEXT], bool *is_wanted)
{
    *is_wanted = false;
    if (config->use_default_credentials) return false;
    const char *path = bulla_kms_setting(call, config->credentials_file, "GOOGLE_APPLICATION_CREDENTIALS", NULL);
    *is_wanted = path != NULL;
    const char *gcloud = bulla_kms_setting(call, NULL, "CLOUDSDK_CONFIG", NULL);
    const char *home = bulla_kms_setting(call, NULL, "HOME", NULL);
    static const char name[] = "application_default_credentials.json";
    int len = path != NULL     ? snprintf(out, MAX_PATH_TEXT, "%s", path)
              : gcloud != NULL ? snprintf(out, MAX_PATH_TEXT, "%s/%s", gcloud, name)
              : home != NULL   ? snprintf(out, MAX_PATH_TEXT, "%s/.config/gcloud/%s", home, name)
                               : 0;
    return len > 0 && (size_t)len < MAX_PATH_TEXT;
}

/* NULL when there is no file and nobody has asked for one. */
static bulla_status file_read(bulla_call *call, const bulla_kms_config *config, bulla_secret **out_file)
{
    char path[MAX_PATH_TEXT];
    bool is_wanted = false;
    if (!path_find(call, config, path, &is_wanted)) return BULLA_OK;
    bulla_status status = bulla_kms_secret_file(call, path, out_file);
    if (status == BULLA_ENOFILE && !is_wanted) return BULLA_OK;
    if (status != BULLA_OK) bulla_why_add(call, "key store \"%s\": its credentials_file", config->name);
    return status;
}

void bulla_gcp_quota_project(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap)
{
    BULLA_AUTO(bulla_secret) *file = NULL;
    BULLA_AUTO(bulla_json) *json = NULL;
    const char *given = bulla_kms_setting(call, config->quota_project, "GOOGLE_CLOUD_QUOTA_PROJECT", NULL);
    bulla_call quiet; /* whether the file is right is said at the login */
    bulla_call_init(&quiet, call->env);
    out[0] = '\0';
    if (given != NULL) {
        (void)snprintf(out, cap, "%s", given);
        return;
    }
    if (file_read(&quiet, config, &file) != BULLA_OK || file == NULL) return;
    if (bulla_json_parse(&quiet, bulla_secret_borrow(file), "the credentials", &json) != BULLA_OK) return;
    (void)bulla_json_text(bulla_json_get(bulla_json_root(json), "quota_project_id"), out, cap);
}

static bulla_status missing(const login *self, const char *what)
{
    return bulla_fail(self->call, BULLA_ECONFIG, "key store \"%s\": the credentials file has no %s", self->config->name,
                      what);
}

static bulla_status text_read(const login *self, const char *path, char *out, size_t cap)
{
    return bulla_json_text(bulla_json_get(self->credentials, path), out, cap) ? BULLA_OK : missing(self, path);
}

/* A url of the file, or `fallback`; only one that credentials may go to. */
static bulla_status url_read(const login *self, const char *path, const char *fallback, char out[MAX_URL])
{
    bool has = bulla_json_text(bulla_json_get(self->credentials, path), out, MAX_URL);
    if (!has && fallback == NULL) return missing(self, path);
    if (!has) (void)snprintf(out, MAX_URL, "%s", fallback);
    return bulla_login_url_check(self->call, path, out);
}

/* --- forms --- */

typedef struct form {
    bulla_secret *memory;
    bulla_writer out;
} form;

static void form_done(form *fields)
{
    bulla_secret_unref(fields->memory);
}
#define FORM(name) __attribute__((cleanup(form_done))) form name = {.memory = NULL}

static bulla_status form_begin(const login *self, form *fields)
{
    BULLA_TRY(bulla_secret_new(self->call, MAX_FORM, &fields->memory));
    fields->out = bulla_writer_of(bulla_secret_fill(fields->memory), MAX_FORM);
    return BULLA_OK;
}

static void form_text(form *fields, const char *name, const char *value)
{
    bulla_oauth_field_write(&fields->out, name, bulla_view_text(value));
}

static bulla_status form_send(const login *self, const char *url, const form *fields, bulla_oauth_grant *out_grant)
{
    static const char type[] = "application/x-www-form-urlencoded";
    const bulla_http_header header = {"Content-Type", bulla_view_text(type)};
    const bulla_http_request request = {
        .method = "POST",
        .url = url,
        .headers = &header,
        .num_headers = 1,
        .body = bulla_view_of(fields->out.out, fields->out.len),
        .what = "login",
        .idempotent = true,
    };
    BULLA_HTTP_ANSWER(answer);
    if (fields->out.failed)
        return bulla_fail(self->call, BULLA_ECONFIG, "key store \"%s\": the credentials are too long",
                          self->config->name);
    BULLA_TRY(bulla_login_send(self->call, &self->site, &request, &answer));
    return bulla_login_read(self->call, &self->site, &answer, out_grant);
}

/* --- service accounts and users --- */

/* RFC 7523, 2.1. */
static bulla_status service_account_login(const login *self, bulla_oauth_grant *out_grant)
{
    BULLA_WIPED(char, pem, MAX_PEM);
    char email[256], id[128] = "", url[MAX_URL];
    BULLA_AUTO(bulla_rsa) *key = NULL;
    BULLA_AUTO(bulla_secret) *assertion = NULL;
    FORM(fields);
    BULLA_TRY(text_read(self, "client_email", email, sizeof email));
    BULLA_TRY(text_read(self, "private_key", pem, MAX_PEM));
    BULLA_TRY(url_read(self, "token_uri", TOKEN_URI, url));
    bool has_id = bulla_json_text(bulla_json_get(self->credentials, "private_key_id"), id, sizeof id);
    bulla_status status = bulla_rsa_parse(self->call, bulla_view_text(pem), &key);
    if (status == BULLA_EFORMAT || status == BULLA_ELIMIT)
        return missing(self, "private_key that is an RSA key in PEM");
    BULLA_TRY(status);
    int64_t now = bulla_wall_s(self->call);
    const bulla_jwt jwt = {.key_id = has_id ? id : NULL,
                           .issuer = email,
                           .audience = url,
                           .scope = SCOPE,
                           .issued_s = now,
                           .expires_s = now + LIFETIME_S};
    BULLA_TRY(bulla_jwt_sign(self->call, &jwt, key, &assertion));
    BULLA_TRY(form_begin(self, &fields));
    form_text(&fields, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    bulla_oauth_field_write(&fields.out, "assertion", bulla_secret_borrow(assertion));
    return form_send(self, url, &fields, out_grant);
}

/* RFC 6749, 6: what `gcloud auth application-default login` leaves behind. */
static bulla_status user_login(const login *self, bulla_oauth_grant *out_grant)
{
    BULLA_WIPED(char, secret, 512);
    BULLA_WIPED(char, refresh, 2048);
    char id[256], url[MAX_URL];
    FORM(fields);
    BULLA_TRY(text_read(self, "client_id", id, sizeof id));
    BULLA_TRY(text_read(self, "client_secret", secret, 512));
    BULLA_TRY(text_read(self, "refresh_token", refresh, 2048));
    BULLA_TRY(url_read(self, "token_uri", TOKEN_URI, url));
    BULLA_TRY(form_begin(self, &fields));
    form_text(&fields, "grant_type", "refresh_token");
    form_text(&fields, "client_id", id);
    form_text(&fields, "client_secret", secret);
    form_text(&fields, "refresh_token", refresh);
    return form_send(self, url, &fields, out_grant);
}

/* --- workload identity federation (RFC 8693) --- */

/* The token in what the source gave: all of it, or a member of JSON. */
static bulla_status subject_take(const login *self, bulla_view content, bulla_secret **out_token)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_WIPED(char, token, BULLA_OAUTH_MAX_TOKEN);
    char field[128];
    bulla_json_value format = bulla_json_get(self->credentials, "credential_source/format");
    if (!bulla_json_is(bulla_json_get(format, "type"), "json"))
        return bulla_secret_copy(self->call, content, out_token);
    BULLA_TRY(text_read(self, "credential_source/format/subject_token_field_name", field, sizeof field));
    BULLA_TRY(bulla_json_parse(self->call, content, "the subject token's source", &json));
    if (!bulla_json_text(bulla_json_get(bulla_json_root(json), field), token, BULLA_OAUTH_MAX_TOKEN))
        return bulla_fail(self->call, BULLA_EAUTHN, "key store \"%s\": the subject token's source has no \"%.40s\"",
                          self->config->name, field);
    return bulla_secret_copy(self->call, bulla_view_text(token), out_token);
}

typedef struct source_headers {
    char names[MAX_SOURCE_HEADERS][64], values[MAX_SOURCE_HEADERS][256];
    bulla_http_header list[MAX_SOURCE_HEADERS];
    size_t num;
} source_headers;

static bulla_status source_headers_read(const login *self, source_headers *headers)
{
    bulla_json_value item = bulla_json_first(bulla_json_get(self->credentials, "credential_source/headers"));
    headers->num = 0;
    for (; bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item)) {
        size_t i = headers->num;
        if (i == MAX_SOURCE_HEADERS || !bulla_json_name(item, headers->names[i], sizeof headers->names[i]) ||
            !bulla_json_text(item, headers->values[i], sizeof headers->values[i]))
            return missing(self, "usable credential_source/headers");
        headers->list[i] = (bulla_http_header){headers->names[i], bulla_view_text(headers->values[i])};
        headers->num++;
    }
    return BULLA_OK;
}

static bulla_status subject_from_url(const login *self, const char *url, bulla_secret **out_token)
{
    source_headers headers;
    bulla_login_site site = self->site;
    BULLA_HTTP_ANSWER(answer);
    site.is_local = strncmp(url, "http:", 5) == 0; /* a metadata service: url_read has seen to that */
    BULLA_TRY(source_headers_read(self, &headers));
    const bulla_http_request request = {.method = "GET",
                                        .url = url,
                                        .headers = headers.list,
                                        .num_headers = headers.num,
                                        .what = "login",
                                        .idempotent = true};
    BULLA_TRY(bulla_login_send(self->call, &site, &request, &answer));
    if (answer.code == 200) return subject_take(self, bulla_http_body(&answer), out_token);
    bulla_status status = answer.code >= 500 || answer.code == 429 ? BULLA_EUNAVAIL : BULLA_EAUTHN;
    return bulla_fail(self->call, status, "key store \"%s\": the subject token's source answers HTTP %d",
                      self->config->name, answer.code);
}

static bulla_status subject_read(const login *self, bulla_secret **out_token)
{
    char place[MAX_URL];
    bulla_json_value source = bulla_json_get(self->credentials, "credential_source");
    if (bulla_json_text(bulla_json_get(source, "file"), place, sizeof place)) {
        BULLA_AUTO(bulla_secret) *content = NULL;
        BULLA_TRY(bulla_kms_secret_file(self->call, place, &content));
        return subject_take(self, bulla_secret_borrow(content), out_token);
    }
    if (bulla_json_kind_of(bulla_json_get(source, "url")) == BULLA_JSON_STRING &&
        bulla_json_kind_of(bulla_json_get(source, "environment_id")) == BULLA_JSON_NONE) {
        BULLA_TRY(url_read(self, "credential_source/url", NULL, place));
        return subject_from_url(self, place, out_token);
    }
    return bulla_fail(self->call, BULLA_EUNSUPPORTED,
                      "key store \"%s\": of external accounts only those with a token in a file or at a url are "
                      "supported, not AWS, certificates or executables",
                      self->config->name);
}

static bulla_status token_exchange(const login *self, bool is_to_impersonate, bulla_oauth_grant *out_grant)
{
    char audience[512], type[128], url[MAX_URL];
    BULLA_AUTO(bulla_secret) *subject = NULL;
    FORM(fields);
    BULLA_TRY(text_read(self, "audience", audience, sizeof audience));
    BULLA_TRY(text_read(self, "subject_token_type", type, sizeof type));
    BULLA_TRY(url_read(self, "token_url", NULL, url));
    BULLA_TRY(subject_read(self, &subject));
    BULLA_TRY(form_begin(self, &fields));
    form_text(&fields, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    form_text(&fields, "audience", audience);
    form_text(&fields, "scope", is_to_impersonate ? SCOPE_TO_IMPERSONATE : SCOPE);
    form_text(&fields, "requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
    form_text(&fields, "subject_token_type", type);
    bulla_oauth_field_write(&fields.out, "subject_token", bulla_secret_borrow(subject));
    return form_send(self, url, &fields, out_grant);
}

static bulla_status impersonate(const login *self, const char *url, const bulla_secret *bearer,
                                bulla_oauth_grant *out_grant)
{
    static const char body[] = "{\"scope\":[\"" SCOPE "\"],\"lifetime\":\"3600s\"}";
    static const char type[] = "application/json";
    BULLA_HTTP_ANSWER(answer);
    const bulla_http_header headers[] = {{"Authorization", bulla_secret_borrow(bearer)},
                                         {"Content-Type", bulla_view_text(type)}};
    const bulla_http_request request = {.method = "POST",
                                        .url = url,
                                        .headers = headers,
                                        .num_headers = BULLA_LEN(headers),
                                        .body = bulla_view_text(body),
                                        .what = "login",
                                        .idempotent = true};
    BULLA_TRY(bulla_login_send(self->call, &self->site, &request, &answer));
    return bulla_login_read(self->call, &self->site, &answer, out_grant);
}

static bulla_status external_login(const login *self, bulla_oauth_grant *out_grant)
{
    char url[MAX_URL];
    bulla_oauth_grant own = {.bearer = NULL};
    bool is_other =
        bulla_json_kind_of(bulla_json_get(self->credentials, "service_account_impersonation_url")) != BULLA_JSON_NONE;
    if (!is_other) return token_exchange(self, false, out_grant);
    BULLA_TRY(url_read(self, "service_account_impersonation_url", NULL, url));
    BULLA_TRY(token_exchange(self, true, &own));
    bulla_status status = impersonate(self, url, own.bearer, out_grant);
    bulla_oauth_grant_done(&own);
    return status;
}

/* --- the metadata server --- */

static bulla_status metadata_login(const login *self, bulla_oauth_grant *out_grant)
{
    char url[MAX_URL];
    const char *host = bulla_kms_setting(self->call, NULL, "GCE_METADATA_HOST GCE_METADATA_IP", METADATA_HOST);
    bulla_login_site site = self->site;
    BULLA_HTTP_ANSWER(answer);
    static const char flavor[] = "Google";
    const bulla_http_header header = {"Metadata-Flavor", bulla_view_text(flavor)};
    const bulla_http_request request = {
        .method = "GET", .url = url, .headers = &header, .num_headers = 1, .what = "login", .idempotent = true};
    if (snprintf(url, sizeof url, "http://%s%s", host, METADATA_PATH) >= (int)sizeof url)
        return bulla_fail(self->call, BULLA_ECONFIG, "GCE_METADATA_HOST is too long");
    site.is_local = true;
    bulla_status status = bulla_login_send(self->call, &site, &request, &answer);
    if (status == BULLA_EUNAVAIL && !self->config->use_default_credentials)
        return bulla_fail(
            self->call, status,
            "key store \"%s\": no credentials: set credentials_file or GOOGLE_APPLICATION_CREDENTIALS, or "
            "run where there is a metadata server (%.60s does not answer)",
            self->config->name, host);
    BULLA_TRY(status);
    /* Any machine may answer to that name; the real one says so. */
    if (strcmp(answer.flavor, flavor) != 0)
        return bulla_fail(self->call, BULLA_EUNAVAIL, "key store \"%s\": what answers at %.60s is no metadata server",
                          self->config->name, host);
    return bulla_login_read(self->call, &site, &answer, out_grant);
}

/* --- which --- */

static bulla_status file_login(const login *self, bulla_oauth_grant *out_grant)
{
    bulla_json_value type = bulla_json_get(self->credentials, "type");
    char name[64] = "";
    if (bulla_json_is(type, "service_account")) return service_account_login(self, out_grant);
    if (bulla_json_is(type, "authorized_user")) return user_login(self, out_grant);
    if (bulla_json_is(type, "external_account")) return external_login(self, out_grant);
    (void)bulla_json_text(type, name, sizeof name);
    return bulla_fail(self->call, BULLA_EUNSUPPORTED,
                      "key store \"%s\": credentials of type \"%s\" are not supported: service_account, "
                      "authorized_user or external_account",
                      self->config->name, name);
}

bulla_status bulla_gcp_login(void *arg, bulla_call *call, bulla_oauth_grant *out_grant)
{
    const bulla_kms_config *config = arg;
    BULLA_AUTO(bulla_secret) *file = NULL;
    BULLA_AUTO(bulla_json) *json = NULL;
    login self = {.call = call,
                  .config = config,
                  .site = {.store = config->name, .tls = &config->tls, .timeout_ms = config->timeout_ms}};
    BULLA_TRY(file_read(call, config, &file));
    if (file == NULL) return metadata_login(&self, out_grant);
    bulla_status status = bulla_json_parse(call, bulla_secret_borrow(file), "the credentials file", &json);
    if (status == BULLA_EFORMAT)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the credentials file is not JSON", config->name);
    BULLA_TRY(status);
    self.credentials = bulla_json_root(json);
    return file_login(&self, out_grant);
}
