/* SPDX-License-Identifier: Apache-2.0 */
/* Workload identity federation: a token from elsewhere is exchanged for one of Google's (RFC 8693). */
#include "provider/gcp_login.h"

#include "base/mem.h"

#define MAX_SOURCE_HEADERS 8u

/* The token in what the source gave: all of it, or a member of JSON. */
static bulla_status subject_take(const bulla_gcp_asker *asker, bulla_view content, bulla_secret **out_token)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_WIPED(char, token, BULLA_OAUTH_MAX_TOKEN);
    char field[128];
    bulla_json_value format = bulla_json_get(asker->credentials, "credential_source/format");
    if (!bulla_json_is(bulla_json_get(format, "type"), "json"))
        return bulla_secret_copy(asker->call, content, out_token);
    BULLA_TRY(bulla_gcp_text_read(asker, "credential_source/format/subject_token_field_name", field, sizeof field));
    BULLA_TRY(bulla_json_parse(asker->call, content, "the subject token's source", &json));
    if (!bulla_json_text(bulla_json_get(bulla_json_root(json), field), token, BULLA_OAUTH_MAX_TOKEN))
        return bulla_fail(asker->call, BULLA_EAUTHN, "key store \"%s\": the subject token's source has no \"%.40s\"",
                          asker->config->name, field);
    return bulla_secret_copy(asker->call, bulla_view_text(token), out_token);
}

typedef struct source_headers {
    char names[MAX_SOURCE_HEADERS][64], values[MAX_SOURCE_HEADERS][256];
    bulla_http_header list[MAX_SOURCE_HEADERS];
    size_t num;
} source_headers;

static bulla_status source_headers_read(const bulla_gcp_asker *asker, source_headers *headers)
{
    bulla_json_value item = bulla_json_first(bulla_json_get(asker->credentials, "credential_source/headers"));
    headers->num = 0;
    for (; bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item)) {
        size_t i = headers->num;
        if (i == MAX_SOURCE_HEADERS || !bulla_json_name(item, headers->names[i], sizeof headers->names[i]) ||
            !bulla_json_text(item, headers->values[i], sizeof headers->values[i]))
            return bulla_gcp_missing(asker, "usable credential_source/headers");
        headers->list[i] = (bulla_http_header){headers->names[i], bulla_view_text(headers->values[i])};
        headers->num++;
    }
    return BULLA_OK;
}

static bulla_status subject_from_url(const bulla_gcp_asker *asker, const char *url, bulla_secret **out_token)
{
    source_headers headers;
    bulla_login_site site = asker->site;
    BULLA_HTTP_ANSWER(answer);
    site.is_local = strncmp(url, "http:", 5) == 0; /* a metadata service: bulla_gcp_url_read has seen to that */
    BULLA_TRY(source_headers_read(asker, &headers));
    const bulla_http_request request = {.method = "GET",
                                        .url = url,
                                        .headers = headers.list,
                                        .num_headers = headers.num,
                                        .what = "login",
                                        .idempotent = true};
    BULLA_TRY(bulla_login_send(asker->call, &site, &request, &answer));
    if (answer.code == 200) return subject_take(asker, bulla_http_body(&answer), out_token);
    bulla_status status = answer.code >= 500 || answer.code == 429 ? BULLA_EUNAVAIL : BULLA_EAUTHN;
    return bulla_fail(asker->call, status, "key store \"%s\": the subject token's source answers HTTP %d",
                      asker->config->name, answer.code);
}

static bulla_status subject_from_file(const bulla_gcp_asker *asker, const char *path, bulla_secret **out_token)
{
    BULLA_AUTO(bulla_secret) *content = NULL;
    BULLA_TRY(bulla_kms_secret_file(asker->call, path, &content));
    return subject_take(asker, bulla_secret_borrow(content), out_token);
}

static bulla_status subject_read(const bulla_gcp_asker *asker, const char *audience, bulla_secret **out_token)
{
    char place[BULLA_GCP_MAX_LOGIN_URL];
    if (bulla_gcp_has(asker, "credential_source/environment_id"))
        return bulla_gcp_aws_subject(asker, audience, out_token);
    if (bulla_gcp_has(asker, "credential_source/file")) {
        BULLA_TRY(bulla_gcp_text_read(asker, "credential_source/file", place, sizeof place));
        return subject_from_file(asker, place, out_token);
    }
    if (bulla_gcp_has(asker, "credential_source/url")) {
        BULLA_TRY(bulla_gcp_url_read(asker, "credential_source/url", NULL, place));
        return subject_from_url(asker, place, out_token);
    }
    return bulla_fail(asker->call, BULLA_EUNSUPPORTED,
                      "key store \"%s\": of external accounts only those of AWS and those with a token in a file or at "
                      "a url are supported, not certificates or executables",
                      asker->config->name);
}

bulla_status bulla_gcp_token_exchange(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant)
{
    char audience[BULLA_GCP_MAX_AUDIENCE], type[128], url[BULLA_GCP_MAX_LOGIN_URL];
    BULLA_AUTO(bulla_secret) *subject = NULL;
    BULLA_GCP_FORM(form);
    BULLA_TRY(bulla_gcp_text_read(asker, "audience", audience, sizeof audience));
    BULLA_TRY(bulla_gcp_text_read(asker, "subject_token_type", type, sizeof type));
    BULLA_TRY(bulla_gcp_url_read(asker, "token_url", NULL, url));
    BULLA_TRY(subject_read(asker, audience, &subject));
    BULLA_TRY(bulla_gcp_form_begin(asker, &form));
    bulla_gcp_form_text(&form, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    bulla_gcp_form_text(&form, "audience", audience);
    bulla_gcp_form_text(&form, "scope", asker->scope);
    bulla_gcp_form_text(&form, "requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
    bulla_gcp_form_text(&form, "subject_token_type", type);
    bulla_oauth_field_write(&form.out, "subject_token", bulla_secret_borrow(subject));
    return bulla_gcp_form_send(asker, url, &form, out_grant);
}
