/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/gcp_auth.h"

#include "base/mem.h"
#include "provider/gcp_login.h"
#include "provider/request.h"
#include "wire/jwt.h"

#include <stdio.h>

#define SCOPE "https://www.googleapis.com/auth/cloudkms"
#define SCOPE_TO_IMPERSONATE "https://www.googleapis.com/auth/cloud-platform"
#define TOKEN_URI "https://oauth2.googleapis.com/token"
#define METADATA_HOST "metadata.google.internal"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define IMPERSONATED "service_account_impersonation_url"
#define DELEGATE "projects/-/serviceAccounts/"
#define MAX_DELEGATES 8u
#define MAX_IMPERSONATION 4096u
#define MAX_PATH_TEXT 1024u
#define MAX_PEM 16384u
#define LIFETIME_S 3600

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

/* --- service accounts and users --- */

/* RFC 7523, 2.1. */
static bulla_status service_account_login(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant)
{
    BULLA_WIPED(char, pem, MAX_PEM);
    char email[256], id[128] = "", url[BULLA_GCP_MAX_LOGIN_URL];
    BULLA_AUTO(bulla_rsa) *key = NULL;
    BULLA_AUTO(bulla_secret) *assertion = NULL;
    BULLA_GCP_FORM(form);
    BULLA_TRY(bulla_gcp_text_read(asker, "client_email", email, sizeof email));
    BULLA_TRY(bulla_gcp_text_read(asker, "private_key", pem, MAX_PEM));
    BULLA_TRY(bulla_gcp_url_read(asker, "token_uri", TOKEN_URI, url));
    bool has_id = bulla_json_text(bulla_json_get(asker->credentials, "private_key_id"), id, sizeof id);
    bulla_status status = bulla_rsa_parse(asker->call, bulla_view_text(pem), &key);
    if (status == BULLA_EFORMAT || status == BULLA_ELIMIT)
        return bulla_gcp_missing(asker, "private_key that is an RSA key in PEM");
    BULLA_TRY(status);
    int64_t now = bulla_wall_s(asker->call);
    const bulla_jwt jwt = {.key_id = has_id ? id : NULL,
                           .issuer = email,
                           .audience = url,
                           .scope = asker->scope,
                           .issued_s = now,
                           .expires_s = now + LIFETIME_S};
    BULLA_TRY(bulla_jwt_sign(asker->call, &jwt, key, &assertion));
    BULLA_TRY(bulla_gcp_form_begin(asker, &form));
    bulla_gcp_form_text(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    bulla_oauth_field_write(&form.out, "assertion", bulla_secret_borrow(assertion));
    return bulla_gcp_form_send(asker, url, &form, out_grant);
}

/* RFC 6749, 6: what `gcloud auth application-default login` leaves behind. */
static bulla_status user_login(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant)
{
    BULLA_WIPED(char, secret, 512);
    BULLA_WIPED(char, refresh, 2048);
    char id[256], url[BULLA_GCP_MAX_LOGIN_URL];
    BULLA_GCP_FORM(form);
    BULLA_TRY(bulla_gcp_text_read(asker, "client_id", id, sizeof id));
    BULLA_TRY(bulla_gcp_text_read(asker, "client_secret", secret, 512));
    BULLA_TRY(bulla_gcp_text_read(asker, "refresh_token", refresh, 2048));
    BULLA_TRY(bulla_gcp_url_read(asker, "token_uri", TOKEN_URI, url));
    BULLA_TRY(bulla_gcp_form_begin(asker, &form));
    bulla_gcp_form_text(&form, "grant_type", "refresh_token");
    bulla_gcp_form_text(&form, "client_id", id);
    bulla_gcp_form_text(&form, "client_secret", secret);
    bulla_gcp_form_text(&form, "refresh_token", refresh);
    return bulla_gcp_form_send(asker, url, &form, out_grant);
}

/* --- workload identity federation, and impersonation --- */

/* Who stands between the source and the account, in the interface's words. People write the email alone, too. */
static bulla_status delegates_write(const bulla_gcp_asker *asker, bulla_json_writer *body)
{
    char name[256];
    bulla_json_value list = bulla_json_get(asker->credentials, "delegates"), item = bulla_json_first(list);
    if (!bulla_gcp_has(asker, "delegates")) return BULLA_OK;
    if (bulla_json_kind_of(list) != BULLA_JSON_ARRAY || bulla_json_count(list) > MAX_DELEGATES)
        return bulla_gcp_missing(asker, "usable delegates: a list of 8 at most");
    if (bulla_json_count(list) == 0) return BULLA_OK;
    bulla_json_put_name(body, "delegates");
    bulla_json_open(body, '[');
    for (; bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item)) {
        char full[sizeof DELEGATE + sizeof name];
        if (!bulla_json_text(item, name, sizeof name)) return bulla_gcp_missing(asker, "usable delegates: names");
        (void)snprintf(full, sizeof full, "%s%s", strchr(name, '/') == NULL ? DELEGATE : "", name);
        bulla_json_put_text(body, bulla_view_text(full));
    }
    bulla_json_close(body, ']');
    return BULLA_OK;
}

static bulla_status impersonation_write(const bulla_gcp_asker *asker, bulla_writer *out)
{
    bulla_json_writer body = bulla_json_writer_of(out);
    bulla_json_open(&body, '{');
    BULLA_TRY(delegates_write(asker, &body));
    bulla_json_put_name(&body, "scope");
    bulla_json_open(&body, '[');
    bulla_json_put_text(&body, bulla_view_text(asker->scope));
    bulla_json_close(&body, ']');
    bulla_json_put_name(&body, "lifetime");
    bulla_json_put_text(&body, bulla_view_text("3600s"));
    bulla_json_close(&body, '}');
    return out->failed ? bulla_gcp_missing(asker, "usable delegates: they are too long") : BULLA_OK;
}

/* generateAccessToken of the IAM Service Account Credentials API. */
static bulla_status impersonate(const bulla_gcp_asker *asker, const char *url, bulla_view body,
                                const bulla_secret *bearer, bulla_oauth_grant *out_grant)
{
    static const char type[] = "application/json";
    BULLA_HTTP_ANSWER(answer);
    const bulla_http_header headers[] = {{"Authorization", bulla_secret_borrow(bearer)},
                                         {"Content-Type", bulla_view_text(type)}};
    const bulla_http_request request = {.method = "POST",
                                        .url = url,
                                        .headers = headers,
                                        .num_headers = BULLA_LEN(headers),
                                        .body = body,
                                        .what = "login",
                                        .idempotent = true};
    BULLA_TRY(bulla_login_send(asker->call, &asker->site, &request, &answer));
    return bulla_login_read(asker->call, &asker->site, &answer, out_grant);
}

typedef bulla_status (*source_login)(const bulla_gcp_asker *source, bulla_oauth_grant *out_grant);

/* Logs in as `source`, and with that as the account. What is wrong with the file is said before anybody is asked. */
static bulla_status impersonated_as(const bulla_gcp_asker *asker, const bulla_gcp_asker *source, source_login login,
                                    bulla_oauth_grant *out_grant)
{
    char url[BULLA_GCP_MAX_LOGIN_URL];
    uint8_t body[MAX_IMPERSONATION];
    bulla_writer writer = bulla_writer_of(body, sizeof body);
    bulla_oauth_grant own = {.bearer = NULL};
    BULLA_TRY(bulla_gcp_url_read(asker, IMPERSONATED, NULL, url));
    BULLA_TRY(impersonation_write(asker, &writer));
    BULLA_TRY(login(source, &own));
    bulla_status status = impersonate(asker, url, bulla_view_of(body, writer.len), own.bearer, out_grant);
    bulla_oauth_grant_done(&own);
    return status;
}

static bulla_status external_login(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant)
{
    bulla_gcp_asker source = *asker;
    if (!bulla_gcp_has(asker, IMPERSONATED)) return bulla_gcp_token_exchange(asker, out_grant);
    source.scope = SCOPE_TO_IMPERSONATE;
    return impersonated_as(asker, &source, bulla_gcp_token_exchange, out_grant);
}

static bulla_status plain_login(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant)
{
    bulla_json_value type = bulla_json_get(asker->credentials, "type");
    char name[64] = "";
    if (bulla_json_is(type, "service_account")) return service_account_login(asker, out_grant);
    if (bulla_json_is(type, "authorized_user")) return user_login(asker, out_grant);
    if (bulla_json_is(type, "external_account")) return external_login(asker, out_grant);
    (void)bulla_json_text(type, name, sizeof name);
    return bulla_fail(asker->call, BULLA_EUNSUPPORTED,
                      "key store \"%s\": %scredentials of type \"%s\" are not supported: service_account, "
                      "authorized_user, external_account%s",
                      asker->config->name, asker->within[0] != '\0' ? "source_" : "", name,
                      asker->within[0] != '\0' ? "" : " or impersonated_service_account");
}

/* What `gcloud auth application-default login --impersonate-service-account` leaves behind. One step: who stands
 * between is a delegate. */
static bulla_status impersonated_login(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant)
{
    bulla_gcp_asker source = *asker;
    source.credentials = bulla_json_get(asker->credentials, "source_credentials");
    source.within = "source_credentials/";
    source.scope = SCOPE_TO_IMPERSONATE;
    if (bulla_json_kind_of(source.credentials) != BULLA_JSON_OBJECT)
        return bulla_gcp_missing(asker, "source_credentials");
    if (bulla_gcp_has(&source, IMPERSONATED))
        return bulla_fail(asker->call, BULLA_EUNSUPPORTED,
                          "key store \"%s\": source_credentials that are themselves impersonated are not supported: "
                          "put the accounts between into delegates",
                          asker->config->name);
    return impersonated_as(asker, &source, plain_login, out_grant);
}

/* --- the metadata server --- */

static bulla_status metadata_login(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant)
{
    char url[BULLA_GCP_MAX_LOGIN_URL];
    const char *host = bulla_kms_setting(asker->call, NULL, "GCE_METADATA_HOST GCE_METADATA_IP", METADATA_HOST);
    bulla_login_site site = asker->site;
    BULLA_HTTP_ANSWER(answer);
    static const char flavor[] = "Google";
    const bulla_http_header header = {"Metadata-Flavor", bulla_view_text(flavor)};
    const bulla_http_request request = {
        .method = "GET", .url = url, .headers = &header, .num_headers = 1, .what = "login", .idempotent = true};
    if (snprintf(url, sizeof url, "http://%s%s", host, METADATA_PATH) >= (int)sizeof url)
        return bulla_fail(asker->call, BULLA_ECONFIG, "GCE_METADATA_HOST is too long");
    site.is_local = true;
    bulla_status status = bulla_login_send(asker->call, &site, &request, &answer);
    if (status == BULLA_EUNAVAIL && !asker->config->use_default_credentials)
        return bulla_fail(
            asker->call, status,
            "key store \"%s\": no credentials: set credentials_file or GOOGLE_APPLICATION_CREDENTIALS, or "
            "run where there is a metadata server (%.60s does not answer)",
            asker->config->name, host);
    BULLA_TRY(status);
    /* Any machine may answer to that name; the real one says so. */
    if (strcmp(answer.flavor, flavor) != 0)
        return bulla_fail(asker->call, BULLA_EUNAVAIL, "key store \"%s\": what answers at %.60s is no metadata server",
                          asker->config->name, host);
    return bulla_login_read(asker->call, &site, &answer, out_grant);
}

/* --- which of them --- */

bulla_status bulla_gcp_login(void *arg, bulla_call *call, bulla_oauth_grant *out_grant)
{
    const bulla_kms_config *config = arg;
    BULLA_AUTO(bulla_secret) *file = NULL;
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_gcp_asker asker = {.call = call,
                             .config = config,
                             .within = "",
                             .scope = SCOPE,
                             .site = {.store = config->name, .tls = &config->tls, .timeout_ms = config->timeout_ms}};
    BULLA_TRY(file_read(call, config, &file));
    if (file == NULL) return metadata_login(&asker, out_grant);
    bulla_status status = bulla_json_parse(call, bulla_secret_borrow(file), "the credentials file", &json);
    if (status == BULLA_EFORMAT)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the credentials file is not JSON", config->name);
    BULLA_TRY(status);
    asker.credentials = bulla_json_root(json);
    bool is_other = bulla_json_is(bulla_json_get(asker.credentials, "type"), "impersonated_service_account");
    return is_other ? impersonated_login(&asker, out_grant) : plain_login(&asker, out_grant);
}
