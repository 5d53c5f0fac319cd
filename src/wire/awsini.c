/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/awsini.h"

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"aws_access_key_id", offsetof(bulla_awsini_profile, access_key_id)},
    {"aws_secret_access_key", offsetof(bulla_awsini_profile, secret_access_key)},
    {"aws_session_token", offsetof(bulla_awsini_profile, session_token)},
    {"role_arn", offsetof(bulla_awsini_profile, role_arn)},
    {"source_profile", offsetof(bulla_awsini_profile, source_profile)},
    {"credential_source", offsetof(bulla_awsini_profile, credential_source)},
    {"external_id", offsetof(bulla_awsini_profile, external_id)},
    {"role_session_name", offsetof(bulla_awsini_profile, role_session_name)},
    {"duration_seconds", offsetof(bulla_awsini_profile, duration_seconds)},
    {"web_identity_token_file", offsetof(bulla_awsini_profile, web_identity_token_file)},
    {"mfa_serial", offsetof(bulla_awsini_profile, mfa_serial)},
    {"region", offsetof(bulla_awsini_profile, region)},
    {"credential_process", offsetof(bulla_awsini_profile, credential_process)},
    {"sso_session", offsetof(bulla_awsini_profile, sso)},
    {"sso_account_id", offsetof(bulla_awsini_profile, sso)},
    {"sso_start_url", offsetof(bulla_awsini_profile, sso)},
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bulla_view trim(bulla_view text)
{
    while (text.len != 0 && is_blank(text.data[0]))
        text = bulla_view_of(text.data + 1, text.len - 1);
    while (text.len != 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool cut(bulla_view text, uint8_t at, bulla_view *out_before, bulla_view *out_after)
{
    const uint8_t *found = text.len == 0 ? NULL : memchr(text.data, at, text.len);
    if (found == NULL) return false;
    size_t len = (size_t)(found - text.data);
    *out_before = bulla_view_of(text.data, len);
    *out_after = bulla_view_of(found + 1, text.len - len - 1);
    return true;
}

static bulla_view line_take(bulla_view *rest)
{
    bulla_view line = *rest, after = {NULL, 0};
    if (!cut(*rest, '\n', &line, &after)) line = *rest;
    *rest = after;
    return line;
}

/* A comment after a value starts with a blank before its sign. */
static bulla_view comment_cut(bulla_view value)
{
    for (size_t i = 1; i < value.len; i++)
        if ((value.data[i] == '#' || value.data[i] == ';') && is_blank(value.data[i - 1])) value.len = i;
    return trim(value);
}

/* Whether the section of this heading is the profile's, which is one without its brackets. */
static bool is_wanted(bulla_view heading, bulla_awsini_kind kind, const char *name)
{
    static const char prefix[] = "profile";
    size_t len = sizeof prefix - 1;
    if (kind == BULLA_AWSINI_CREDENTIALS) return bulla_view_is(heading, name);
    if (bulla_view_is(heading, "default")) return strcmp(name, "default") == 0;
    if (heading.len <= len || memcmp(heading.data, prefix, len) != 0 || !is_blank(heading.data[len])) return false;
    return bulla_view_is(trim(bulla_view_of(heading.data + len, heading.len - len)), name);
}

static void field_set(bulla_awsini_profile *profile, bulla_view name, bulla_view value)
{
    for (size_t i = 0; i < BULLA_LEN(fields); i++)
        if (bulla_view_is(name, fields[i].name)) *(bulla_view *)(void *)((char *)profile + fields[i].offset) = value;
}

static void profile_merge(bulla_awsini_profile *profile, const bulla_awsini_profile *added)
{
    profile->is_there = profile->is_there || added->is_there;
    for (size_t i = 0; i < BULLA_LEN(fields); i++) {
        bulla_view *have = (bulla_view *)(void *)((char *)profile + fields[i].offset);
        const bulla_view *more = (const bulla_view *)(const void *)((const char *)added + fields[i].offset);
        if (have->len == 0) *have = *more;
    }
}

/* What lines between two headings mean. */
typedef struct section {
    bool is_wanted, is_open;
} section;

static const char *line_read(bulla_view line, bulla_awsini_kind kind, const char *wanted, section *at,
                             bulla_awsini_profile *found)
{
    bulla_view text = trim(line), name, value, heading, rest;
    if (text.len == 0 || text.data[0] == '#' || text.data[0] == ';') return NULL;
    if (text.data[0] == '[') {
        if (!cut(bulla_view_of(text.data + 1, text.len - 1), ']', &heading, &rest)) return "a heading without \"]\"";
        at->is_wanted = is_wanted(trim(heading), kind, wanted);
        at->is_open = true;
        found->is_there = found->is_there || at->is_wanted;
        return NULL;
    }
    if (!at->is_open) return "a setting before the first heading";
    if (is_blank(line.data[0])) return NULL; /* settings within a setting, which are none of ours */
    if (!cut(text, '=', &name, &value)) return "neither a heading nor NAME = VALUE";
    if (at->is_wanted) field_set(found, trim(name), comment_cut(trim(value)));
    return NULL;
}

bulla_status bulla_awsini_read(bulla_call *call, bulla_view text, const char *what, bulla_awsini_kind kind,
                               const char *name, bulla_awsini_profile *profile)
{
    bulla_awsini_profile found;
    section at = {.is_open = false};
    memset(&found, 0, sizeof found);
    if (!bulla_utf8_is(text)) return bulla_fail(call, BULLA_EFORMAT, "%s is not UTF-8", what);
    for (size_t number = 1; text.len != 0; number++) {
        const char *wrong = line_read(line_take(&text), kind, name, &at, &found);
        if (wrong != NULL) return bulla_fail(call, BULLA_EFORMAT, "%s, line %zu: %s", what, number, wrong);
    }
    profile_merge(profile, &found);
    return BULLA_OK;
}
