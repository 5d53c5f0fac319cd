/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/awssts.h"

#include "wire/answer.h"
#include "wire/uri.h"
#include "wire/xml.h"

static void put(bulla_writer *writer, const char *name, bulla_view value)
{
    bulla_write_view(writer, bulla_view_text(name));
    bulla_uri_encode(writer, value, "");
}

bulla_status bulla_awssts_request_write(bulla_call *call, const bulla_awssts_request *request, bulla_writer *writer)
{
    bool is_web = request->web_identity.len != 0;
    put(writer, "Action=", bulla_view_text(is_web ? "AssumeRoleWithWebIdentity" : "AssumeRole"));
    put(writer, "&Version=", bulla_view_text("2011-06-15"));
    put(writer, "&RoleArn=", bulla_view_text(request->role_arn));
    put(writer, "&RoleSessionName=", bulla_view_text(request->session_name));
    if (request->external_id != NULL && !is_web) put(writer, "&ExternalId=", bulla_view_text(request->external_id));
    if (request->duration_s != NULL) put(writer, "&DurationSeconds=", bulla_view_text(request->duration_s));
    if (is_web) put(writer, "&WebIdentityToken=", request->web_identity);
    return writer->failed ? bulla_fail(call, BULLA_ELIMIT, "the request to STS is too long") : BULLA_OK;
}

/* --- answers --- */

typedef struct answer {
    bulla_view id, secret, token, expires;
    bool is_twice; /* a member that stands there twice: which one counts nobody knows */
} answer;

static void keep(answer *a, bulla_view *member, bulla_view text)
{
    a->is_twice = a->is_twice || member->data != NULL;
    *member = text;
}

static void answer_visit(void *arg, const char *path, bulla_view text)
{
    answer *a = arg;
    const char *slash = strchr(path, '/');
    const char *rest = slash == NULL ? "" : slash + 1;
    bool is_web = strncmp(path, "AssumeRoleWithWebIdentityResponse/", 34) == 0 &&
                  strncmp(rest, "AssumeRoleWithWebIdentityResult/Credentials/", 44) == 0;
    bool is_role =
        strncmp(path, "AssumeRoleResponse/", 19) == 0 && strncmp(rest, "AssumeRoleResult/Credentials/", 29) == 0;
    if (!is_web && !is_role) return;
    const char *name = rest + (is_web ? 44 : 29);
    if (strcmp(name, "AccessKeyId") == 0) keep(a, &a->id, text);
    if (strcmp(name, "SecretAccessKey") == 0) keep(a, &a->secret, text);
    if (strcmp(name, "SessionToken") == 0) keep(a, &a->token, text);
    if (strcmp(name, "Expiration") == 0) keep(a, &a->expires, text);
}

static bulla_view text_of(bulla_view text, char *out, size_t cap)
{
    out[0] = '\0';
    return bulla_xml_text_decode(text, out, cap) ? bulla_view_text(out) : bulla_view_of(NULL, 0);
}

bulla_status bulla_awssts_answer_decode(bulla_call *call, bulla_view body, bulla_awscreds *out_creds)
{
    static const char what[] = "the answer of AWS STS";
    BULLA_WIPED(char, secret, BULLA_AWSCREDS_MAX_SECRET + 1);
    BULLA_WIPED(char, token, BULLA_AWSCREDS_MAX_TOKEN + 1);
    char id[BULLA_AWSCREDS_MAX_ID], date[40];
    answer found = {.is_twice = false};
    BULLA_AWSCREDS(creds);
    BULLA_TRY(bulla_xml_walk(call, body, what, answer_visit, &found));
    const bulla_view texts[3] = {text_of(found.id, id, sizeof id), text_of(found.secret, secret, sizeof secret),
                                 text_of(found.token, token, sizeof token)};
    BULLA_TRY(bulla_awscreds_init(call, what, texts, &creds));
    (void)text_of(found.expires, date, sizeof date);
    if (creds.token == NULL || found.is_twice || !bulla_answer_date_parse(date, &creds.expires_s))
        return bulla_fail(call, BULLA_EFORMAT, "%s: no session token or no expiration that could be one", what);
    *out_creds = creds;
    creds.secret_key = creds.token = NULL;
    return BULLA_OK;
}

/* --- errors --- */

static void printable_copy(bulla_view text, char *out, size_t cap)
{
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = text.data[i] < ' ' || text.data[i] >= 0x7F ? ' ' : (char)text.data[i];
    out[len] = '\0';
}

/* ErrorResponse/Error/… of STS; other services have Response/Errors/Error/…. */
static bool is_at(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);
    return len > end_len && strcmp(path + len - end_len, end) == 0;
}

static void error_visit(void *arg, const char *path, bulla_view text)
{
    bulla_awssts_error *error = arg;
    if (is_at(path, "/Error/Code")) printable_copy(text, error->code, sizeof error->code);
    if (is_at(path, "/Error/Message")) printable_copy(text, error->message, sizeof error->message);
}

void bulla_awssts_error_decode(bulla_view body, bulla_awssts_error *out_error)
{
    bulla_awssts_error error = {.code = ""};
    bool is_xml = bulla_xml_walk(NULL, body, "the answer", error_visit, &error) == BULLA_OK;
    *out_error = is_xml ? error : (bulla_awssts_error){.code = ""};
}
