/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/gcp_login.h"

#include <stdio.h>

#define MAX_FORM 49152u

bulla_status bulla_gcp_missing(const bulla_gcp_asker *asker, const char *what)
{
    return bulla_fail(asker->call, BULLA_ECONFIG, "key store \"%s\": the credentials file has no %s%s",
                      asker->config->name, asker->within, what);
}

bool bulla_gcp_has(const bulla_gcp_asker *asker, const char *path)
{
    bulla_json_kind kind = bulla_json_kind_of(bulla_json_get(asker->credentials, path));
    return kind != BULLA_JSON_NONE && kind != BULLA_JSON_NULL; /* tools write null for what is not given */
}

bulla_status bulla_gcp_text_read(const bulla_gcp_asker *asker, const char *path, char *out, size_t cap)
{
    bool has = bulla_json_text(bulla_json_get(asker->credentials, path), out, cap);
    return has ? BULLA_OK : bulla_gcp_missing(asker, path);
}

bulla_status bulla_gcp_url_read(const bulla_gcp_asker *asker, const char *path, const char *fallback,
                                char out[BULLA_GCP_MAX_LOGIN_URL])
{
    bool has = bulla_json_text(bulla_json_get(asker->credentials, path), out, BULLA_GCP_MAX_LOGIN_URL);
    if (!has && fallback == NULL) return bulla_gcp_missing(asker, path);
    if (!has) (void)snprintf(out, BULLA_GCP_MAX_LOGIN_URL, "%s", fallback);
    return bulla_login_url_check(asker->call, path, out);
}

void bulla_gcp_form_done(bulla_gcp_form *form)
{
    bulla_secret_unref(form->memory);
}

bulla_status bulla_gcp_form_begin(const bulla_gcp_asker *asker, bulla_gcp_form *form)
{
    BULLA_TRY(bulla_secret_new(asker->call, MAX_FORM, &form->memory));
    form->out = bulla_writer_of(bulla_secret_fill(form->memory), MAX_FORM);
    return BULLA_OK;
}

void bulla_gcp_form_text(bulla_gcp_form *form, const char *name, const char *value)
{
    bulla_oauth_field_write(&form->out, name, bulla_view_text(value));
}

bulla_status bulla_gcp_form_send(const bulla_gcp_asker *asker, const char *url, const bulla_gcp_form *form,
                                 bulla_oauth_grant *out_grant)
{
    static const char type[] = "application/x-www-form-urlencoded";
    const bulla_http_header header = {"Content-Type", bulla_view_text(type)};
    const bulla_http_request request = {
        .method = "POST",
        .url = url,
        .headers = &header,
        .num_headers = 1,
        .body = bulla_view_of(form->out.out, form->out.len),
        .what = "login",
        .idempotent = true,
    };
    BULLA_HTTP_ANSWER(answer);
    if (form->out.failed)
        return bulla_fail(asker->call, BULLA_ECONFIG, "key store \"%s\": the credentials are too long",
                          asker->config->name);
    BULLA_TRY(bulla_login_send(asker->call, &asker->site, &request, &answer));
    return bulla_login_read(asker->call, &asker->site, &answer, out_grant);
}
