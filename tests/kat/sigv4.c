/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signing suite of AWS (aws-c-auth, v4) against the codec: canonical request, string to sign, signature and signed
 * request of each case, with the signature in a header and in the query. They lie in $BULLA_VECTORS/sigv4/v4.
 */
#include "wire/sigv4.h"
#include "crypto/kdf.h"

#include "kat.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_FILE 16384u
#define MAX_HEADERS 16u

typedef struct suite_case {
    char dir[768];
    json_t *context;
    char request[MAX_FILE]; /* taken apart in place */
    bulla_sigv4_header headers[MAX_HEADERS];
    bulla_sigv4_request asked;
    bulla_sigv4_scope scope;
    bulla_view access_key_id, secret, token;
    bool token_is_signed, body_is_signed;
} suite_case;

static const char *slurp(const suite_case *c, const char *name, char *out)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", c->dir, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    out[fread(out, 1, MAX_FILE - 1, file)] = '\0';
    (void)fclose(file);
    return out;
}

static char *line_cut(char **rest)
{
    char *line = *rest, *end = line + strcspn(line, "\n");
    while (end[0] == '\n' && (end[1] == ' ' || end[1] == '\t')) /* the value goes on */
        end += 1 + strcspn(end + 1, "\n");
    *rest = end[0] == '\0' ? end : end + 1;
    *end = '\0';
    return line;
}

static void target_parse(suite_case *c, char *line)
{
    char *target = strchr(line, ' '), *protocol = strrchr(line, ' ');
    *target++ = '\0';
    *protocol = '\0';
    char *query = strchr(target, '?');
    if (query != NULL) *query++ = '\0';
    c->asked.method = line;
    c->asked.path = bulla_view_text(target);
    c->asked.query = bulla_view_text(query);
}

static void request_parse(suite_case *c)
{
    char *rest = c->request;
    target_parse(c, line_cut(&rest));
    while (rest[0] != '\0' && rest[0] != '\n') {
        char *line = line_cut(&rest), *colon = strchr(line, ':');
        *colon = '\0';
        c->headers[c->asked.num_headers++] = (bulla_sigv4_header){line, bulla_view_text(colon + 1)};
    }
    if (rest[0] == '\n') c->asked.body = bulla_view_text(rest + 1);
    c->asked.headers = c->headers;
}

static const char *text_at(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool case_load(suite_case *c, const char *root, const char *name)
{
    char path[1024];
    struct tm date = {0};
    (void)snprintf(c->dir, sizeof c->dir, "%s/%s", root, name);
    (void)snprintf(path, sizeof path, "%s/context.json", c->dir);
    c->context = json_load_file(path, 0, NULL);
    if (c->context == NULL) return false;
    const json_t *credentials = json_object_get(c->context, "credentials");
    (void)slurp(c, "request.txt", c->request);
    request_parse(c);
    c->asked.keep_path = !json_is_true(json_object_get(c->context, "normalize"));
    (void)strptime(text_at(c->context, "timestamp"), "%Y-%m-%dT%H:%M:%SZ", &date);
    c->scope = (bulla_sigv4_scope){timegm(&date), text_at(c->context, "region"), text_at(c->context, "service")};
    c->access_key_id = bulla_view_text(text_at(credentials, "access_key_id"));
    c->secret = bulla_view_text(text_at(credentials, "secret_access_key"));
    c->token = bulla_view_text(text_at(credentials, "token"));
    c->token_is_signed = c->token.len != 0 && !json_is_true(json_object_get(c->context, "omit_session_token"));
    c->body_is_signed = json_is_true(json_object_get(c->context, "sign_body"));
    return true;
}

static bool is_same(const suite_case *c, const char *file, bulla_view got)
{
    char expected[MAX_FILE];
    if (bulla_view_is(got, slurp(c, file, expected))) return true;
    (void)fprintf(stderr, "%s/%s:\n--- wanted\n%s\n--- got\n%.*s\n", c->dir, file, expected, (int)got.len,
                  (const char *)got.data);
    return false;
}

/* What the signed request holds, as a piece of its text. */
static bool is_within(const suite_case *c, const char *file, const char *piece)
{
    char text[MAX_FILE];
    if (strstr(slurp(c, file, text), piece) != NULL) return true;
    (void)fprintf(stderr, "%s/%s lacks %s\n", c->dir, file, piece);
    return false;
}

static bool steps_match(const suite_case *c, const bulla_sigv4_request *request, const char *const files[2])
{
    uint8_t canonical[BULLA_SIGV4_MAX_TEXT], string[BULLA_SIGV4_MAX_STRING];
    bulla_writer first = bulla_writer_of(canonical, sizeof canonical);
    bulla_writer second = bulla_writer_of(string, sizeof string);
    return bulla_sigv4_canonical_write(NULL, request, &first) == BULLA_OK &&
           is_same(c, files[0], bulla_view_of(canonical, first.len)) &&
           bulla_sigv4_string_write(NULL, &c->scope, bulla_view_of(canonical, first.len), &second) == BULLA_OK &&
           is_same(c, files[1], bulla_view_of(string, second.len));
}

static bool header_form_matches(suite_case *c)
{
    static const char *const files[] = {"header-canonical-request.txt", "header-string-to-sign.txt"};
    char time[BULLA_SIGV4_TIME], hash_text[65], text[4096] = "Authorization:";
    uint8_t key[BULLA_SIGV4_KEY], hash[BULLA_HASH_MAX];
    bulla_sigv4_request request = c->asked;
    bulla_sigv4_time_format(c->scope.time_s, time);
    c->headers[request.num_headers++] = (bulla_sigv4_header){"X-Amz-Date", bulla_view_text(time)};
    if (c->token_is_signed) c->headers[request.num_headers++] = (bulla_sigv4_header){"X-Amz-Security-Token", c->token};
    if (bulla_digest(NULL, BULLA_SHA256, request.body, hash) != BULLA_OK) return false;
    bulla_hex_encode(bulla_view_of(hash, 32), hash_text);
    if (c->body_is_signed)
        c->headers[request.num_headers++] = (bulla_sigv4_header){"x-amz-content-sha256", bulla_view_text(hash_text)};
    bulla_writer writer = bulla_writer_of((uint8_t *)text, sizeof text - 1);
    writer.len = strlen(text);
    return steps_match(c, &request, files) && bulla_sigv4_key_derive(NULL, c->secret, &c->scope, key) == BULLA_OK &&
           bulla_sigv4_authorization_write(NULL, &request, &c->scope, c->access_key_id, bulla_view_of(key, sizeof key),
                                           &writer) == BULLA_OK &&
           is_within(c, "header-signed-request.txt", text);
}

/* The suite writes a token that is not signed before the signature; the codec leaves adding it to the caller. */
static bool query_form_matches(const suite_case *c)
{
    static const char *const files[] = {"query-canonical-request.txt", "query-string-to-sign.txt"};
    char query[8192] = "", wanted[MAX_FILE], *signature;
    uint8_t key[BULLA_SIGV4_KEY];
    const json_t *expires = json_object_get(c->context, "expiration_in_seconds");
    bulla_sigv4_presign presign = {c->access_key_id, bulla_view_of(key, sizeof key),
                                   c->token_is_signed ? c->token : bulla_view_of(NULL, 0),
                                   (uint32_t)json_integer_value(expires)};
    bulla_writer writer = bulla_writer_of((uint8_t *)query, sizeof query - 1);
    if (bulla_sigv4_key_derive(NULL, c->secret, &c->scope, key) != BULLA_OK) return false;
    if (bulla_sigv4_query_write(NULL, &c->asked, &c->scope, &presign, &writer) != BULLA_OK) return false;
    signature = strstr(query, "&X-Amz-Signature=");
    bulla_sigv4_request signed_request = c->asked;
    signed_request.query = bulla_view_of(query, (size_t)(signature - query));
    if (!steps_match(c, &signed_request, files)) return false;
    if (c->token.len == 0 || c->token_is_signed) return is_within(c, "query-signed-request.txt", query);
    (void)slurp(c, "query-signature.txt", wanted);
    return strcmp(signature + strlen("&X-Amz-Signature="), wanted) == 0;
}

static void case_run(const char *root, const char *name, kat_counts *header, kat_counts *query)
{
    static suite_case c;
    memset(&c, 0, sizeof c);
    if (!case_load(&c, root, name)) {
        kat_count(header, KAT_FAIL);
        return;
    }
    kat_count(query, query_form_matches(&c) ? KAT_PASS : KAT_FAIL);
    kat_count(header, header_form_matches(&c) ? KAT_PASS : KAT_FAIL);
    json_decref(c.context);
}

int main(void)
{
    char root[512];
    kat_counts header = {0}, query = {0};
    const char *vectors = getenv("BULLA_VECTORS");
    if (vectors == NULL) return kat_absent("BULLA_VECTORS is not set; it names the folder with sigv4/v4");
    (void)snprintf(root, sizeof root, "%s/sigv4/v4", vectors);
    DIR *dir = opendir(root);
    if (dir == NULL) return kat_absent("BULLA_VECTORS has no sigv4/v4");
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.') case_run(root, entry->d_name, &header, &query);
    (void)closedir(dir);
    bool header_passed = kat_report("SigV4, in a header", &header);
    return kat_report("SigV4, in the query", &query) && header_passed && header.run >= 38 ? 0 : 1;
}
