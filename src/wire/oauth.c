/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/oauth.h"

#include "wire/answer.h"
#include "wire/uri.h"

#define DEFAULT_LIFETIME_S 300 /* RFC 6749, 5.1: expires_in may be left out */
#define MAX_LIFETIME_S 86400

void bulla_oauth_field_write(bulla_writer *form, const char *name, bulla_view value)
{
    if (form->len != 0) bulla_write_u8(form, '&');
    bulla_write_view(form, bulla_view_text(name));
    bulla_write_u8(form, '=');
    bulla_uri_encode(form, value, "");
}

void bulla_oauth_grant_done(bulla_oauth_grant *grant)
{
    bulla_secret_unref(grant->bearer);
    grant->bearer = NULL;
}

/* A token in a header must not end the header: RFC 6750, 2.1, b64token. */
static bool is_token(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= 0x20 || *c >= 0x7F) return false;
    return text[0] != '\0';
}

static bulla_status bearer_read(bulla_call *call, bulla_json_value root, bulla_secret **out_bearer)
{
    static const char prefix[] = "Bearer ";
    BULLA_WIPED(char, text, sizeof prefix + BULLA_OAUTH_MAX_TOKEN);
    char *token = text + sizeof prefix - 1;
    memcpy(text, prefix, sizeof prefix);
    if (!bulla_json_text(bulla_json_get(root, "access_token"), token, BULLA_OAUTH_MAX_TOKEN) &&
        !bulla_json_text(bulla_json_get(root, "accessToken"), token, BULLA_OAUTH_MAX_TOKEN))
        return bulla_fail(call, BULLA_EFORMAT, "the answer to the login has no access token");
    if (!is_token(token)) return bulla_fail(call, BULLA_EFORMAT, "the answer to the login has a malformed token");
    return bulla_secret_copy(call, bulla_view_text(text), out_bearer);
}

static int64_t lifetime_read(bulla_json_value root, int64_t now_s)
{
    int64_t value = 0, lifetime = DEFAULT_LIFETIME_S;
    if (bulla_answer_int(bulla_json_get(root, "expires_in"), &value))
        lifetime = value;
    else if (bulla_answer_int(bulla_json_get(root, "expires_on"), &value) ||
             bulla_answer_date(bulla_json_get(root, "expireTime"), &value))
        lifetime = value > now_s ? value - now_s : 0;
    return lifetime < 0 ? 0 : lifetime > MAX_LIFETIME_S ? MAX_LIFETIME_S : lifetime;
}

bulla_status bulla_oauth_grant_read(bulla_call *call, bulla_view body, int64_t now_s, bulla_oauth_grant *out_grant)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_AUTO(bulla_secret) *bearer = NULL;
    BULLA_TRY(bulla_json_parse(call, body, "the answer to the login", &json));
    BULLA_TRY(bearer_read(call, bulla_json_root(json), &bearer));
    out_grant->bearer = BULLA_TAKE(bearer);
    out_grant->lifetime_s = lifetime_read(bulla_json_root(json), now_s);
    return BULLA_OK;
}

void bulla_oauth_error_read(bulla_view body, bulla_oauth_error *out_error)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    memset(out_error, 0, sizeof *out_error);
    if (bulla_json_parse(NULL, body, "the refusal", &json) != BULLA_OK) return;
    bulla_json_value root = bulla_json_root(json), error = bulla_json_get(root, "error");
    bool is_google = bulla_json_kind_of(error) == BULLA_JSON_OBJECT;
    bulla_json_value code = is_google ? bulla_json_get(error, "status") : error;
    bulla_json_value text = is_google ? bulla_json_get(error, "message") : bulla_json_get(root, "error_description");
    bulla_answer_words(code, out_error->code, sizeof out_error->code);
    bulla_answer_words(text, out_error->text, sizeof out_error->text);
}
