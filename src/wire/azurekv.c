/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/azurekv.h"

#include "wire/answer.h"

#include <stdio.h>
#include <strings.h>

#define MAX_NAME 127u /* of a key; a version has 32 */

/* --- key identifiers --- */

static bool is_name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_host_char(uint8_t c)
{
    return is_name_char(c) || c == '.' || c == '_';
}

/* The longest front of *rest whose bytes `is_one` accepts. */
static bulla_view run_read(bulla_view *rest, bool (*is_one)(uint8_t))
{
    size_t len = 0;
    while (len < rest->len && is_one(rest->data[len]))
        len++;
    bulla_view run = bulla_view_of(rest->data, len);
    *rest = bulla_view_of(rest->data + len, rest->len - len);
    return run;
}

static bool literal_read(bulla_view *rest, const char *literal)
{
    size_t len = strlen(literal);
    if (rest->len < len || memcmp(rest->data, literal, len) != 0) return false;
    *rest = bulla_view_of(rest->data + len, rest->len - len);
    return true;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool bulla_azurekv_kid_parse(bulla_view text, bulla_azurekv_kid *out_kid)
{
    bulla_azurekv_kid kid = {.version = {NULL, 0}};
    bulla_view rest = text;
    if (text.len == 0 || text.len >= BULLA_AZUREKV_MAX_KID) return false;
    if (!literal_read(&rest, "https://") && !literal_read(&rest, "http://")) return false;
    kid.host = run_read(&rest, is_host_char);
    if (literal_read(&rest, ":") && run_read(&rest, is_digit).len == 0) return false;
    kid.base = bulla_view_of(text.data, text.len - rest.len);
    if (!literal_read(&rest, "/keys/")) return false;
    kid.name = run_read(&rest, is_name_char);
    if (literal_read(&rest, "/")) {
        kid.version = run_read(&rest, is_name_char);
        if (kid.version.len == 0) return false;
    }
    if (rest.len != 0 || kid.host.len == 0 || kid.name.len == 0 || kid.name.len > MAX_NAME) return false;
    if (kid.version.len > MAX_NAME) return false;
    *out_kid = kid;
    return true;
}

static bool is_same_word(bulla_view a, bulla_view b)
{
    return a.len == b.len && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

bool bulla_azurekv_kid_is_of(const bulla_azurekv_kid *kid, const bulla_azurekv_kid *key)
{
    return is_same_word(kid->base, key->base) && is_same_word(kid->name, key->name);
}

/* --- the challenge --- */

/* The next NAME="VALUE" of a challenge (RFC 9110, 11.2), or NAME=VALUE; false at the end. */
static bool parameter_read(const char **at, bulla_view *out_name, bulla_view *out_value)
{
    const char *from = *at + strspn(*at, " \t,");
    size_t name_len = strcspn(from, "=, \t");
    if (from[name_len] != '=') return false;
    *out_name = bulla_view_of(from, name_len);
    from += name_len + 1;
    bool is_quoted = *from == '"';
    from += is_quoted;
    size_t len = strcspn(from, is_quoted ? "\"" : ", \t");
    if (is_quoted && from[len] != '"') return false;
    *out_value = bulla_view_of(from, len);
    *at = from + len + is_quoted;
    return true;
}

/* Copies what is printable and needs no encoding; false when it is empty, too long or something else. */
static bool value_copy(bulla_view value, char *out, size_t cap)
{
    if (value.len == 0 || value.len >= cap) return false;
    for (size_t i = 0; i < value.len; i++)
        if (!is_host_char(value.data[i]) && value.data[i] != ':' && value.data[i] != '/') return false;
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    return true;
}

/* https://HOST/TENANT[/…] */
static bool authority_read(bulla_view value, bulla_azurekv_challenge *challenge)
{
    bulla_view rest = value;
    if (!literal_read(&rest, "https://")) return false;
    size_t host_len = 0;
    while (host_len < rest.len && rest.data[host_len] != '/')
        host_len++;
    size_t base_len = value.len - rest.len + host_len;
    if (host_len == 0 ||
        !value_copy(bulla_view_of(value.data, base_len), challenge->authority, sizeof challenge->authority))
        return false;
    rest = bulla_view_of(rest.data + host_len, rest.len - host_len);
    if (!literal_read(&rest, "/")) return false;
    return value_copy(run_read(&rest, is_host_char), challenge->tenant, sizeof challenge->tenant);
}

/* The resource as it is, or the scope without what stands for all of its permissions. */
static bool resource_read(bulla_view value, bulla_azurekv_challenge *challenge)
{
    static const char all[] = "/.default";
    size_t len = sizeof all - 1;
    if (value.len > len && memcmp(value.data + value.len - len, all, len) == 0) value.len -= len;
    while (value.len != 0 && value.data[value.len - 1] == '/')
        value.len--;
    bulla_view rest = value;
    return literal_read(&rest, "https://") && value_copy(value, challenge->resource, sizeof challenge->resource);
}

bulla_status bulla_azurekv_challenge_parse(bulla_call *call, const char *header, bulla_azurekv_challenge *out_challenge)
{
    bulla_azurekv_challenge challenge = {.tenant = ""};
    bulla_view name, value;
    bool is_right = strncasecmp(header, "Bearer ", 7) == 0;
    for (const char *at = header + (is_right ? 7 : 0); is_right && parameter_read(&at, &name, &value);) {
        if (bulla_view_is(name, "authorization") || bulla_view_is(name, "authorization_uri"))
            is_right = authority_read(value, &challenge);
        else if (bulla_view_is(name, "resource") || bulla_view_is(name, "scope"))
            is_right = resource_read(value, &challenge);
    }
    if (!is_right || challenge.authority[0] == '\0' || challenge.resource[0] == '\0')
        return bulla_fail(call, BULLA_EFORMAT, "the vault does not say where to log in (WWW-Authenticate)");
    *out_challenge = challenge;
    return BULLA_OK;
}

bool bulla_azurekv_challenge_is_for(const bulla_azurekv_challenge *challenge, const char *host)
{
    const char *above = challenge->resource + strlen("https://");
    size_t above_len = strcspn(above, ":/"), host_len = strlen(host);
    if (above_len == 0 || above_len > host_len) return false;
    const char *end = host + host_len - above_len;
    if (strncasecmp(end, above, above_len) != 0) return false;
    /* A name without a dot is no domain: it is the host itself or nothing. */
    return end == host || (end[-1] == '.' && memchr(above, '.', above_len) != NULL);
}

/* --- operations --- */

static void operation_write(bulla_writer *out, const char *algorithm, bulla_view value)
{
    bulla_json_writer json = bulla_json_writer_of(out);
    bulla_json_open(&json, '{');
    bulla_json_put_name(&json, "alg");
    bulla_json_put_text(&json, bulla_view_text(algorithm));
    bulla_json_put_name(&json, "value");
    bulla_json_put_base64(&json, BULLA_JSON_BASE64URL, value);
    bulla_json_close(&json, '}');
}

bulla_status bulla_azurekv_operation_encode(bulla_call *call, const char *algorithm, bulla_view value,
                                            bulla_secret **out_body)
{
    bulla_writer count = bulla_writer_of(NULL, 0);
    BULLA_AUTO(bulla_secret) *body = NULL;
    operation_write(&count, algorithm, value);
    BULLA_TRY(bulla_secret_new(call, count.len, &body));
    bulla_writer out = bulla_writer_of(bulla_secret_fill(body), count.len);
    operation_write(&out, algorithm, value);
    if (out.failed) return bulla_fail(call, BULLA_EINTERNAL, "the request to the vault could not be written");
    *out_body = BULLA_TAKE(body);
    return BULLA_OK;
}

void bulla_azurekv_result_done(bulla_azurekv_result *result)
{
    bulla_secret_unref(result->value);
    result->value = NULL;
}

static bulla_status not_promised(bulla_call *call, const char *what)
{
    return bulla_fail(call, BULLA_EFORMAT, "the answer of the vault has no %s, or a malformed one", what);
}

static bool kid_read(bulla_json_value value, char out[BULLA_AZUREKV_MAX_KID], bulla_azurekv_kid *out_kid)
{
    return bulla_json_text(value, out, BULLA_AZUREKV_MAX_KID) && bulla_azurekv_kid_parse(bulla_view_text(out), out_kid);
}

bulla_status bulla_azurekv_result_read(bulla_call *call, bulla_view body, bulla_azurekv_result *out_result)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_AZUREKV_RESULT(result);
    bulla_azurekv_kid kid;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of the vault", &json));
    bulla_json_value root = bulla_json_root(json);
    if (!kid_read(bulla_json_get(root, "kid"), result.kid, &kid) || kid.version.len == 0)
        return not_promised(call, "identifier of a key version");
    BULLA_TRY(bulla_json_secret(call, bulla_json_get(root, "value"), BULLA_JSON_BASE64URL, "the vault's answer",
                                &result.value));
    *out_result = result;
    result.value = NULL;
    return BULLA_OK;
}

/* --- keys --- */

static bool has_operation(bulla_json_value operations, const char *name)
{
    if (bulla_json_count(operations) == 0) return true;
    bulla_json_value item = bulla_json_first(operations);
    for (; bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item))
        if (bulla_json_is(item, name)) return true;
    return false;
}

static void attributes_read(bulla_json_value attributes, bulla_azurekv_key *key)
{
    key->is_enabled = true; /* the default of the interface */
    (void)bulla_json_bool(bulla_json_get(attributes, "enabled"), &key->is_enabled);
    (void)bulla_json_time_s(bulla_json_get(attributes, "nbf"), &key->not_before_s);
    (void)bulla_json_time_s(bulla_json_get(attributes, "exp"), &key->expires_s);
    (void)bulla_json_time_s(bulla_json_get(attributes, "created"), &key->created_s);
    (void)bulla_json_time_s(bulla_json_get(attributes, "updated"), &key->updated_s);
}

static bulla_azurekv_type type_read(bulla_json_value kty)
{
    if (bulla_json_is(kty, "RSA") || bulla_json_is(kty, "RSA-HSM")) return BULLA_AZUREKV_RSA;
    if (bulla_json_is(kty, "oct") || bulla_json_is(kty, "oct-HSM")) return BULLA_AZUREKV_OCT;
    return BULLA_AZUREKV_OTHER;
}

bulla_status bulla_azurekv_key_read(bulla_call *call, bulla_view body, bulla_azurekv_key *out_key)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_azurekv_key key = {.type = BULLA_AZUREKV_OTHER};
    bulla_azurekv_kid kid;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of the vault", &json));
    bulla_json_value root = bulla_json_root(json), jwk = bulla_json_get(root, "key");
    if (!kid_read(bulla_json_get(jwk, "kid"), key.kid, &kid) || kid.version.len == 0) return not_promised(call, "key");
    key.type = type_read(bulla_json_get(jwk, "kty"));
    key.can_wrap = has_operation(bulla_json_get(jwk, "key_ops"), "wrapKey");
    key.can_unwrap = has_operation(bulla_json_get(jwk, "key_ops"), "unwrapKey");
    attributes_read(bulla_json_get(root, "attributes"), &key);
    *out_key = key;
    return BULLA_OK;
}

bulla_status bulla_azurekv_list_read(bulla_call *call, bulla_view body, bulla_azurekv_visit visit, void *arg,
                                     char link[BULLA_AZUREKV_MAX_LINK])
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_azurekv_kid kid;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of the vault", &json));
    bulla_json_value root = bulla_json_root(json);
    bulla_json_value item = bulla_json_first(bulla_json_get(root, "value"));
    for (; bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item)) {
        bulla_azurekv_key key = {.can_wrap = true, .can_unwrap = true};
        if (!kid_read(bulla_json_get(item, "kid"), key.kid, &kid)) return not_promised(call, "key in a list");
        attributes_read(bulla_json_get(item, "attributes"), &key);
        BULLA_TRY(visit(arg, call, &key));
    }
    return bulla_answer_next(bulla_json_get(root, "nextLink"), link, BULLA_AZUREKV_MAX_LINK)
               ? BULLA_OK
               : not_promised(call, "address of the next page");
}

void bulla_azurekv_error_read(bulla_view body, bulla_azurekv_error *out_error)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    memset(out_error, 0, sizeof *out_error);
    if (bulla_json_parse(NULL, body, "the refusal", &json) != BULLA_OK) return;
    bulla_json_value error = bulla_json_get(bulla_json_root(json), "error");
    bulla_json_value inner = bulla_json_get(error, "innererror");
    if (bulla_json_kind_of(inner) == BULLA_JSON_NONE) inner = bulla_json_get(error, "innerError");
    bulla_answer_words(bulla_json_get(error, "code"), out_error->code, sizeof out_error->code);
    bulla_answer_words(bulla_json_get(inner, "code"), out_error->inner, sizeof out_error->inner);
    bulla_answer_words(bulla_json_get(error, "message"), out_error->text, sizeof out_error->text);
}
