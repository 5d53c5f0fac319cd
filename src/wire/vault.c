/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vault.h"

#include "base/mem.h"

#define MAX_WORDS 2048u
#define MIN_TOKEN 24u /* the shortest tokens have 26 characters */

static void fields_write(const bulla_vault_field *fields, size_t num_fields, bulla_writer *out)
{
    bulla_json_writer json = bulla_json_writer_of(out);
    bulla_json_open(&json, '{');
    for (size_t i = 0; i < num_fields; i++) {
        if (fields[i].value.len == 0) continue;
        bulla_json_put_name(&json, fields[i].name);
        bulla_json_put_text(&json, fields[i].value);
    }
    bulla_json_close(&json, '}');
}

bulla_status bulla_vault_login_encode(bulla_call *call, const bulla_vault_field *fields, size_t num_fields,
                                      bulla_secret **out_body)
{
    BULLA_AUTO(bulla_secret) *body = NULL;
    bulla_writer counter = bulla_writer_of(NULL, 0);
    fields_write(fields, num_fields, &counter);
    if (counter.failed) return bulla_fail(call, BULLA_ECONFIG, "a credential for Vault is not UTF-8");
    BULLA_TRY(bulla_secret_new(call, counter.len, &body));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(body), counter.len);
    if (writer.out == NULL) return bulla_fail(call, BULLA_EINTERNAL, "the memory of a login went away");
    fields_write(fields, num_fields, &writer);
    *out_body = BULLA_TAKE(body);
    return BULLA_OK;
}

void bulla_vault_grant_done(bulla_vault_grant *grant)
{
    bulla_secret_unref(grant->token);
    *grant = (bulla_vault_grant){.token = NULL};
}

/* A token travels in a header (RFC 9110, 5.5): visible ASCII is all that it may consist of. */
static bool is_token(bulla_view token)
{
    if (token.len == 0 || token.len > BULLA_VAULT_MAX_TOKEN) return false;
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] <= 0x20 || token.data[i] >= 0x7F) return false;
    return true;
}

/* `lease` is "lease_duration" or "ttl". */
static bool lease_read(bulla_json_value from, const char *lease, bulla_vault_grant *grant)
{
    int64_t seconds = 0;
    if (!bulla_json_time_s(bulla_json_get(from, lease), &seconds) || seconds < 0) return false;
    if (!bulla_json_bool(bulla_json_get(from, "renewable"), &grant->is_renewable)) grant->is_renewable = false;
    grant->lease_s = seconds;
    return true;
}

bulla_status bulla_vault_grant_decode(bulla_call *call, bulla_view body, bulla_vault_grant *out_grant)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_AUTO(bulla_secret) *token = NULL;
    bulla_vault_grant grant = {.token = NULL};
    BULLA_TRY(bulla_json_parse(call, body, "the answer", &json));
    bulla_json_value auth = bulla_json_get(bulla_json_root(json), "auth");
    if (!lease_read(auth, "lease_duration", &grant))
        return bulla_fail(call, BULLA_EFORMAT, "the answer has no auth with a lease_duration");
    BULLA_TRY(bulla_json_secret(call, bulla_json_get(auth, "client_token"), BULLA_JSON_PLAIN,
                                "the answer's client_token", &token));
    if (!is_token(bulla_secret_borrow(token)))
        return bulla_fail(call, BULLA_EFORMAT, "the answer's client_token is not a token");
    grant.token = BULLA_TAKE(token);
    *out_grant = grant;
    return BULLA_OK;
}

bulla_status bulla_vault_lookup_decode(bulla_call *call, bulla_view body, bulla_vault_grant *out_grant)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_vault_grant grant = {.token = NULL};
    BULLA_TRY(bulla_json_parse(call, body, "the answer", &json));
    if (!lease_read(bulla_json_get(bulla_json_root(json), "data"), "ttl", &grant))
        return bulla_fail(call, BULLA_EFORMAT, "the answer has no data with a ttl");
    *out_grant = grant;
    return BULLA_OK;
}

/* The first two numbers of "1.17.3+ent", each below 1000. */
static uint32_t version_parse(const char *text)
{
    uint32_t numbers[2] = {0, 0};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strspn(text, "0123456789");
        if (len == 0 || len > 3) return 0;
        for (size_t at = 0; at < len; at++)
            numbers[i] = numbers[i] * 10 + (uint32_t)(text[at] - '0');
        text += len;
        if (i == 0 && *text++ != '.') return 0;
    }
    return numbers[0] * 1000 + numbers[1];
}

bool bulla_vault_health_decode(bulla_view body, bulla_vault_health *out_health)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_vault_health health = {.is_sealed = false};
    if (bulla_json_parse(NULL, body, "the answer", &json) != BULLA_OK) return false;
    bulla_json_value root = bulla_json_root(json);
    if (!bulla_json_bool(bulla_json_get(root, "initialized"), &health.is_initialized)) return false;
    if (!bulla_json_bool(bulla_json_get(root, "sealed"), &health.is_sealed)) return false;
    if (!bulla_json_bool(bulla_json_get(root, "standby"), &health.is_standby)) return false;
    char version[32];
    if (bulla_json_text(bulla_json_get(root, "version"), version, sizeof version))
        health.version = version_parse(version);
    *out_health = health;
    return true;
}

/* What each kind of refusal says, in Vault and OpenBao of all versions. The first that fits counts. */
static bulla_vault_reason reason_of(const char *text)
{
    static const struct {
        const char *words;
        bulla_vault_reason reason;
    } rows[] = {
        {"message authentication failed", BULLA_VAULT_BAD_CIPHERTEXT},
        {"invalid ciphertext", BULLA_VAULT_BAD_CIPHERTEXT},
        {"disallowed by policy (too old)", BULLA_VAULT_OLD_VERSION},
        {"soft-deleted", BULLA_VAULT_DELETED},
        {"key not found", BULLA_VAULT_NO_KEY},
        {"invalid token", BULLA_VAULT_BAD_TOKEN},
        {"bad token", BULLA_VAULT_BAD_TOKEN},
        {"missing client token", BULLA_VAULT_BAD_TOKEN},
        {"no handler for route", BULLA_VAULT_NO_MOUNT},
        {"unsupported path", BULLA_VAULT_NO_MOUNT},
        {"unsupported operation", BULLA_VAULT_NO_MOUNT},
        {"is sealed", BULLA_VAULT_SEALED},
        {"not supported", BULLA_VAULT_UNSUPPORTED},
        {"non-AEAD", BULLA_VAULT_UNSUPPORTED},
        {"missing 'context'", BULLA_VAULT_UNSUPPORTED},
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++)
        if (strstr(text, rows[i].words) != NULL) return rows[i].reason;
    /* Just so for a token that is none; what a policy denies is in a list of "1 error occurred". */
    return strcmp(text, "permission denied") == 0 ? BULLA_VAULT_BAD_TOKEN : BULLA_VAULT_UNKNOWN;
}

/* Characters from `text` on that a token, a JWT or an id may consist of. */
static size_t run_len(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=+-");
}

/* "1 error occurred:\n\t* permission denied\n\n" is shown as "permission denied". What is as long as a token is left
 * out: a server may say back what it was sent. */
static void words_show(const char *words, char *out, size_t cap)
{
    const char *first = strstr(words, "* ");
    bulla_writer shown = bulla_writer_of((uint8_t *)out, cap - 1);
    bool was_blank = true;
    for (const char *at = first == NULL ? words : first + 2; *at != '\0' && shown.len < shown.cap; at++) {
        size_t run = run_len(at);
        bool is_blank = *at == ' ' || *at == '\t' || *at == '\n' || *at == '\r';
        if (run >= MIN_TOKEN) {
            bulla_write_view(&shown, bulla_view_text("[...]"));
            at += run - 1;
        } else if (!is_blank || !was_blank)
            bulla_write_u8(&shown, (uint8_t)(is_blank ? ' ' : *at > 0x20 && *at < 0x7F ? *at : '?'));
        was_blank = is_blank;
    }
    while (shown.len != 0 && (out[shown.len - 1] == ' ' || out[shown.len - 1] == '.'))
        shown.len--;
    out[shown.len] = '\0';
}

void bulla_vault_error_decode(bulla_view body, bulla_vault_error *out_error)
{
    char words[MAX_WORDS];
    BULLA_AUTO(bulla_json) *json = NULL;
    *out_error = (bulla_vault_error){.reason = BULLA_VAULT_NO_VAULT};
    if (bulla_json_parse(NULL, body, "the answer", &json) != BULLA_OK) return;
    bulla_json_value errors = bulla_json_get(bulla_json_root(json), "errors");
    if (bulla_json_kind_of(errors) != BULLA_JSON_ARRAY) return;
    bulla_json_value error = bulla_json_first(errors);
    out_error->reason = BULLA_VAULT_UNKNOWN;
    out_error->is_empty = bulla_json_kind_of(error) == BULLA_JSON_NONE;
    for (; bulla_json_kind_of(error) != BULLA_JSON_NONE; error = bulla_json_next(error)) {
        if (!bulla_json_text(error, words, sizeof words)) continue;
        if (out_error->text[0] == '\0') words_show(words, out_error->text, sizeof out_error->text);
        if (out_error->reason == BULLA_VAULT_UNKNOWN) out_error->reason = reason_of(words);
    }
}
