/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/azure_auth.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/rand.h"
#include "provider/request.h"
#include "wire/jwt.h"
#include "wire/uri.h"

#include <stdio.h>
#include <strings.h>

#define IMDS "http://169.254.169.254"
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define ASSERTION_S 600
#define MAX_URL 1024u
#define MAX_FORM 65536u

/* Where Entra ID lives, in each of Microsoft's clouds. Credentials go nowhere else unless authority_host says so: a
 * vault could be anybody's, and its challenge name any host. */
static const char *const authorities[] = {
    "https://login.microsoftonline.com",
    "https://login.microsoftonline.us",
    "https://login.partner.microsoftonline.cn",
    "https://login.chinacloudapi.cn",
};

/* One login. */
typedef struct login {
    bulla_call *call;
    const bulla_kms_config *config;
    const bulla_azurekv_challenge *challenge;
    bulla_login_site site;
    const char *client_id; /* NULL: none */
} login;

static bulla_status authority_choose(const login *self, const char **out_authority)
{
    const char *given = bulla_kms_setting(self->call, self->config->authority_host, "AZURE_AUTHORITY_HOST", NULL);
    if (given != NULL) {
        BULLA_TRY(bulla_login_url_check(self->call, "authority_host", given));
        *out_authority = given;
        return BULLA_OK;
    }
    for (size_t i = 0; i < BULLA_LEN(authorities); i++) {
        if (strcasecmp(self->challenge->authority, authorities[i]) != 0) continue;
        *out_authority = authorities[i];
        return BULLA_OK;
    }
    return bulla_fail(
        self->call, BULLA_ECONFIG,
        "key store \"%s\": the vault sends logins to %.100s, which is not Microsoft's; if it is right, set "
        "authority_host",
        self->config->name, self->challenge->authority);
}

static bulla_status tenant_choose(const login *self, const char **out_tenant)
{
    const char *tenant = bulla_kms_setting(self->call, self->config->tenant_id, "AZURE_TENANT_ID", NULL);
    if (tenant == NULL && self->challenge->tenant[0] != '\0') tenant = self->challenge->tenant;
    if (tenant == NULL ||
        strspn(tenant, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != strlen(tenant))
        return bulla_fail(self->call, BULLA_ECONFIG, "key store \"%s\": set tenant_id to the directory's id or name",
                          self->config->name);
    *out_tenant = tenant;
    return BULLA_OK;
}

static bulla_status token_url(const login *self, char out[MAX_URL])
{
    const char *authority = NULL, *tenant = NULL;
    BULLA_TRY(authority_choose(self, &authority));
    BULLA_TRY(tenant_choose(self, &tenant));
    size_t len = strlen(authority);
    while (len != 0 && authority[len - 1] == '/')
        len--;
    int url_len = snprintf(out, MAX_URL, "%.*s/%s/oauth2/v2.0/token", (int)len, authority, tenant);
    if (url_len > 0 && (size_t)url_len < MAX_URL) return BULLA_OK;
    return bulla_fail(self->call, BULLA_ECONFIG, "key store \"%s\": authority_host is too long", self->config->name);
}

/* RFC 6749, 4.4, with the secret or the assertion in `proof`. */
static bulla_status client_login(const login *self, const char *url, const char *proof_name, const bulla_secret *proof,
                                 bulla_oauth_grant *out_grant)
{
    static const char type[] = "application/x-www-form-urlencoded";
    const bulla_http_header header = {"Content-Type", bulla_view_text(type)};
    char scope[sizeof self->challenge->resource + 16];
    BULLA_AUTO(bulla_secret) *form = NULL;
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_secret_new(self->call, MAX_FORM, &form));
    bulla_writer out = bulla_writer_of(bulla_secret_fill(form), MAX_FORM);
    (void)snprintf(scope, sizeof scope, "%s/.default", self->challenge->resource);
    bulla_oauth_field_write(&out, "grant_type", bulla_view_text("client_credentials"));
    bulla_oauth_field_write(&out, "client_id", bulla_view_text(self->client_id));
    bulla_oauth_field_write(&out, "scope", bulla_view_text(scope));
    if (strcmp(proof_name, "client_assertion") == 0)
        bulla_oauth_field_write(&out, "client_assertion_type", bulla_view_text(ASSERTION_TYPE));
    bulla_oauth_field_write(&out, proof_name, bulla_secret_borrow(proof));
    if (out.failed)
        return bulla_fail(self->call, BULLA_ECONFIG, "key store \"%s\": the credentials are too long",
                          self->config->name);
    const bulla_http_request request = {.method = "POST",
                                        .url = url,
                                        .headers = &header,
                                        .num_headers = 1,
                                        .body = bulla_view_of(out.out, out.len),
                                        .what = "login",
                                        .idempotent = true};
    BULLA_TRY(bulla_login_send(self->call, &self->site, &request, &answer));
    return bulla_login_read(self->call, &self->site, &answer, out_grant);
}

static bulla_status client_id_check(const login *self)
{
    if (self->client_id != NULL) return BULLA_OK;
    return bulla_fail(self->call, BULLA_ECONFIG, "key store \"%s\": set client_id to the application's id",
                      self->config->name);
}

static bulla_status secret_login(const login *self, const bulla_secret *secret, bulla_oauth_grant *out_grant)
{
    char url[MAX_URL];
    BULLA_TRY(client_id_check(self));
    BULLA_TRY(token_url(self, url));
    return client_login(self, url, "client_secret", secret, out_grant);
}

static bulla_status certificate_read(const login *self, const char *path, bulla_view pem, uint8_t *out_thumbprint,
                                     bulla_rsa **out_key)
{
    bulla_status status = bulla_certificate_digest(self->call, pem, BULLA_SHA1, out_thumbprint);
    if (status == BULLA_OK) status = bulla_rsa_private_find(self->call, pem, out_key);
    if (status != BULLA_EFORMAT && status != BULLA_ELIMIT) return status;
    return bulla_fail(
        self->call, BULLA_ECONFIG,
        "key store \"%s\": %.120s does not hold a certificate and its RSA key in PEM, without a passphrase",
        self->config->name, path);
}

/* learn.microsoft.com/entra/identity-platform/certificate-credentials */
static bulla_status certificate_login(const login *self, const char *path, bulla_oauth_grant *out_grant)
{
    char url[MAX_URL], id[33];
    uint8_t thumbprint[BULLA_HASH_MAX], random[16];
    BULLA_AUTO(bulla_secret) *pem = NULL;
    BULLA_AUTO(bulla_rsa) *key = NULL;
    BULLA_AUTO(bulla_secret) *assertion = NULL;
    BULLA_TRY(client_id_check(self));
    BULLA_TRY(token_url(self, url));
    BULLA_TRY(bulla_kms_secret_file(self->call, path, &pem));
    BULLA_TRY(certificate_read(self, path, bulla_secret_borrow(pem), thumbprint, &key));
    BULLA_TRY(bulla_rand(self->call, random, sizeof random));
    bulla_hex_encode(bulla_view_of(random, sizeof random), id);
    int64_t now = bulla_wall_s(self->call);
    const bulla_jwt jwt = {.thumbprint = bulla_view_of(thumbprint, bulla_hash_len(BULLA_SHA1)),
                           .issuer = self->client_id,
                           .subject = self->client_id,
                           .audience = url,
                           .id = id,
                           .issued_s = now,
                           .expires_s = now + ASSERTION_S};
    BULLA_TRY(bulla_jwt_sign(self->call, &jwt, key, &assertion));
    return client_login(self, url, "client_assertion", assertion, out_grant);
}

/* The file is replaced by whoever issues the token, so it is read at each login. */
static bulla_status workload_login(const login *self, const char *path, bulla_oauth_grant *out_grant)
{
    char url[MAX_URL];
    BULLA_AUTO(bulla_secret) *assertion = NULL;
    BULLA_TRY(client_id_check(self));
    BULLA_TRY(token_url(self, url));
    BULLA_TRY(bulla_kms_secret_file(self->call, path, &assertion));
    return client_login(self, url, "client_assertion", assertion, out_grant);
}

/* --- managed identity --- */

static bulla_status identity_url(const login *self, const char *base, const char *version, uint8_t out[MAX_URL])
{
    bulla_writer url = bulla_writer_of(out, MAX_URL);
    bulla_write_view(&url, bulla_view_text(base));
    bulla_write_view(&url, bulla_view_text("?api-version="));
    bulla_write_view(&url, bulla_view_text(version));
    bulla_write_view(&url, bulla_view_text("&resource="));
    bulla_uri_encode(&url, bulla_view_text(self->challenge->resource), "");
    if (self->client_id != NULL) {
        bulla_write_view(&url, bulla_view_text("&client_id="));
        bulla_uri_encode(&url, bulla_view_text(self->client_id), "");
    }
    bulla_write_u8(&url, 0);
    if (!url.failed) return BULLA_OK;
    return bulla_fail(self->call, BULLA_ECONFIG, "key store \"%s\": the identity's endpoint is too long",
                      self->config->name);
}

static bulla_status identity_login(const login *self, const char *url, const bulla_http_header *header,
                                   bulla_oauth_grant *out_grant)
{
    bulla_login_site site = self->site;
    BULLA_HTTP_ANSWER(answer);
    const bulla_http_request request = {
        .method = "GET", .url = url, .headers = header, .num_headers = 1, .what = "login", .idempotent = true};
    site.is_local = true;
    BULLA_TRY(bulla_login_send(self->call, &site, &request, &answer));
    return bulla_login_read(self->call, &site, &answer, out_grant);
}

/* App Service, Functions and Container Apps have an endpoint of their own; virtual machines the metadata service. */
static bulla_status managed_login(const login *self, bulla_oauth_grant *out_grant)
{
    uint8_t url[MAX_URL];
    char base[512];
    const char *endpoint = bulla_kms_setting(self->call, NULL, "IDENTITY_ENDPOINT", NULL);
    BULLA_AUTO(bulla_secret) *secret = NULL;
    BULLA_TRY(bulla_kms_secret(self->call, NULL, "IDENTITY_HEADER", &secret));
    if (endpoint != NULL && secret != NULL) {
        const bulla_http_header header = {"X-IDENTITY-HEADER", bulla_secret_borrow(secret)};
        BULLA_TRY(identity_url(self, endpoint, "2019-08-01", url));
        return identity_login(self, (const char *)url, &header, out_grant);
    }
    const char *host = bulla_kms_setting(self->call, NULL, "AZURE_POD_IDENTITY_AUTHORITY_HOST", IMDS);
    const bulla_http_header header = {"Metadata", bulla_view_text("true")};
    if (snprintf(base, sizeof base, "%s/metadata/identity/oauth2/token", host) >= (int)sizeof base)
        return bulla_fail(self->call, BULLA_ECONFIG, "AZURE_POD_IDENTITY_AUTHORITY_HOST is too long");
    BULLA_TRY(identity_url(self, base, "2018-02-01", url));
    return identity_login(self, (const char *)url, &header, out_grant);
}

bulla_status bulla_azure_login(bulla_call *call, const bulla_kms_config *config,
                               const bulla_azurekv_challenge *challenge, bulla_oauth_grant *out_grant)
{
    BULLA_AUTO(bulla_secret) *secret = NULL;
    const login self = {.call = call,
                        .config = config,
                        .challenge = challenge,
                        .site = {.store = config->name, .tls = &config->tls, .timeout_ms = config->timeout_ms},
                        .client_id = bulla_kms_setting(call, config->client_id, "AZURE_CLIENT_ID", NULL)};
    if (config->use_managed_identity) return managed_login(&self, out_grant);
    const char *certificate = config->client_certificate;
    if (certificate == NULL) {
        BULLA_TRY(bulla_kms_secret(call, config->client_secret, "AZURE_CLIENT_SECRET", &secret));
        if (secret != NULL) return secret_login(&self, secret, out_grant);
        certificate = bulla_kms_setting(call, NULL, "AZURE_CLIENT_CERTIFICATE_PATH", NULL);
    }
    if (certificate != NULL) return certificate_login(&self, certificate, out_grant);
    const char *token_file = bulla_kms_setting(call, NULL, "AZURE_FEDERATED_TOKEN_FILE", NULL);
    if (token_file != NULL) return workload_login(&self, token_file, out_grant);
    bulla_status status = managed_login(&self, out_grant);
    if (status == BULLA_EUNAVAIL || status == BULLA_EAUTHN)
        bulla_why_add(call, "nothing but a managed identity is configured: else set client_id with client_secret or "
                            "client_certificate");
    return status;
}
