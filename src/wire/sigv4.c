/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/sigv4.h"

#include "crypto/kdf.h"
#include "wire/uri.h"

#include <stdio.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define MAX_SEGMENTS 64u
#define MAX_SCOPE 160u
#define HASH_LEN 32u

static void put(bulla_writer *writer, const char *text)
{
    bulla_write_view(writer, bulla_view_text(text));
}

static bulla_status fits(bulla_call *call, const bulla_writer *writer, const char *what)
{
    return writer->failed ? bulla_fail(call, BULLA_ELIMIT, "%s is too long to be signed", what) : BULLA_OK;
}

static bulla_view written(const bulla_writer *writer)
{
    return bulla_view_of(writer->out, writer->len);
}

void bulla_sigv4_time_format(int64_t time_s, char out[BULLA_SIGV4_TIME])
{
    struct tm date = {.tm_mday = 1};
    time_t seconds = (time_t)time_s;
    (void)gmtime_r(&seconds, &date);
    if (strftime(out, BULLA_SIGV4_TIME, "%Y%m%dT%H%M%SZ", &date) != BULLA_SIGV4_TIME - 1) out[0] = '\0';
}

/* DATE/REGION/SERVICE/aws4_request */
static bulla_status scope_format(bulla_call *call, const bulla_sigv4_scope *scope, char time[BULLA_SIGV4_TIME],
                                 char out[MAX_SCOPE])
{
    bulla_sigv4_time_format(scope->time_s, time);
    if (scope->time_s < 0 || time[0] == '\0') return bulla_fail(call, BULLA_EINVAL, "the clock is not set");
    int len = snprintf(out, MAX_SCOPE, "%.8s/%s/%s/aws4_request", time, scope->region, scope->service);
    if (len < 0 || (size_t)len >= MAX_SCOPE)
        return bulla_fail(call, BULLA_ELIMIT, "the region \"%.32s…\" is too long", scope->region);
    return BULLA_OK;
}

/* --- the path --- */

static bulla_view segment_take(bulla_view *path)
{
    const uint8_t *slash = memchr(path->data, '/', path->len);
    size_t len = slash == NULL ? path->len : (size_t)(slash - path->data);
    bulla_view segment = bulla_view_of(path->data, len);
    size_t taken = slash == NULL ? len : len + 1;
    *path = bulla_view_of(path->data + taken, path->len - taken);
    return segment;
}

/* RFC 3986, 5.2.4, and empty segments go too. */
static bool path_normalise(bulla_writer *writer, bulla_view path)
{
    bulla_view kept[MAX_SEGMENTS];
    size_t num = 0;
    bool is_folder = false, has_slash = path.data[path.len - 1] == '/';
    while (path.len != 0) {
        bulla_view segment = segment_take(&path);
        bool is_up = bulla_view_is(segment, "..");
        is_folder = is_up || segment.len == 0 || bulla_view_is(segment, ".");
        if (is_up && num != 0) num--;
        if (is_folder) continue;
        if (num == MAX_SEGMENTS) return false;
        kept[num++] = segment;
    }
    for (size_t i = 0; i < num; i++) {
        bulla_write_u8(writer, '/');
        bulla_uri_encode(writer, kept[i], "");
    }
    if (num == 0 || is_folder || has_slash) bulla_write_u8(writer, '/');
    return true;
}

static bulla_status path_write(bulla_call *call, const bulla_sigv4_request *request, bulla_writer *writer)
{
    if (request->path.len == 0)
        bulla_write_u8(writer, '/');
    else if (request->keep_path)
        bulla_uri_encode(writer, request->path, "/");
    else if (!path_normalise(writer, request->path))
        return bulla_fail(call, BULLA_ELIMIT, "the path has over %u parts", MAX_SEGMENTS);
    return BULLA_OK;
}

/* --- the query --- */

typedef struct param {
    bulla_view name, value; /* encoded */
} param;

/* However it was encoded before: canonically now. */
static bulla_view text_recode(bulla_writer *scratch, bulla_view text)
{
    size_t start = scratch->len;
    while (text.len != 0) {
        uint8_t byte = bulla_uri_decode_next(&text);
        bulla_uri_encode(scratch, bulla_view_of(&byte, 1), "");
    }
    return bulla_view_of(scratch->out + start, scratch->len - start);
}

static int param_compare(const param *a, const param *b)
{
    int order = bulla_view_compare(a->name, b->name);
    return order != 0 ? order : bulla_view_compare(a->value, b->value);
}

static void param_insert(param *params, size_t num, param added)
{
    while (num > 0 && param_compare(&params[num - 1], &added) > 0) {
        params[num] = params[num - 1];
        num--;
    }
    params[num] = added;
}

static bulla_view part_take(bulla_view *text, char stop)
{
    const uint8_t *at = text->len == 0 ? NULL : memchr(text->data, stop, text->len);
    size_t len = at == NULL ? text->len : (size_t)(at - text->data);
    bulla_view part = bulla_view_of(text->data, len);
    size_t taken = at == NULL ? len : len + 1;
    *text = bulla_view_of(taken == 0 ? text->data : text->data + taken, text->len - taken);
    return part;
}

static bulla_status query_write(bulla_call *call, bulla_view query, bulla_writer *writer)
{
    BULLA_WIPED(uint8_t, bytes, BULLA_SIGV4_MAX_TEXT);
    bulla_writer scratch = bulla_writer_of(bytes, sizeof bytes);
    param params[BULLA_SIGV4_MAX_FIELDS];
    size_t num = 0;
    while (query.len != 0) {
        bulla_view value = part_take(&query, '&');
        bulla_view name = part_take(&value, '=');
        if (name.len == 0 && value.len == 0) continue;
        if (num == BULLA_SIGV4_MAX_FIELDS)
            return bulla_fail(call, BULLA_ELIMIT, "a query has over %u parameters", BULLA_SIGV4_MAX_FIELDS);
        param added = {text_recode(&scratch, name), text_recode(&scratch, value)};
        BULLA_TRY(fits(call, &scratch, "the query"));
        param_insert(params, num++, added);
    }
    for (size_t i = 0; i < num; i++) {
        if (i != 0) bulla_write_u8(writer, '&');
        bulla_write_view(writer, params[i].name);
        bulla_write_u8(writer, '=');
        bulla_write_view(writer, params[i].value);
    }
    return BULLA_OK;
}

/* --- the headers --- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static int name_compare(const char *a, const char *b)
{
    while (*a != '\0' && lower((uint8_t)*a) == lower((uint8_t)*b)) {
        a++;
        b++;
    }
    return (int)lower((uint8_t)*a) - (int)lower((uint8_t)*b);
}

/* Indices by name; headers of one name stay in their order. */
static bulla_status headers_sort(bulla_call *call, const bulla_sigv4_request *request,
                                 size_t order[BULLA_SIGV4_MAX_FIELDS])
{
    if (request->num_headers > BULLA_SIGV4_MAX_FIELDS)
        return bulla_fail(call, BULLA_ELIMIT, "over %u headers are to be signed", BULLA_SIGV4_MAX_FIELDS);
    for (size_t i = 0; i < request->num_headers; i++) {
        size_t at = i;
        while (at > 0 && name_compare(request->headers[order[at - 1]].name, request->headers[i].name) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return BULLA_OK;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks around it go, and inside several are one. */
static void value_write(bulla_writer *writer, bulla_view value)
{
    bool is_first = true, is_pending = false;
    for (size_t i = 0; i < value.len; i++) {
        if (is_blank(value.data[i])) {
            is_pending = !is_first;
            continue;
        }
        if (is_pending) bulla_write_u8(writer, ' ');
        bulla_write_u8(writer, value.data[i]);
        is_first = is_pending = false;
    }
}

static void name_write(bulla_writer *writer, const char *name)
{
    for (; *name != '\0'; name++)
        bulla_write_u8(writer, lower((uint8_t)*name));
}

static bool is_repeated(const bulla_sigv4_request *request, const size_t *order, size_t index)
{
    return index != 0 &&
           name_compare(request->headers[order[index - 1]].name, request->headers[order[index]].name) == 0;
}

static void headers_write(bulla_writer *writer, const bulla_sigv4_request *request, const size_t *order)
{
    for (size_t i = 0; i < request->num_headers; i++) {
        const bulla_sigv4_header *header = &request->headers[order[i]];
        if (is_repeated(request, order, i)) {
            bulla_write_u8(writer, ',');
        } else {
            if (i != 0) bulla_write_u8(writer, '\n');
            name_write(writer, header->name);
            bulla_write_u8(writer, ':');
        }
        value_write(writer, header->value);
    }
    put(writer, request->num_headers == 0 ? "\n" : "\n\n");
}

static void names_write(bulla_writer *writer, const bulla_sigv4_request *request, const size_t *order,
                        const char *separator)
{
    for (size_t i = 0; i < request->num_headers; i++) {
        if (is_repeated(request, order, i)) continue;
        if (i != 0) put(writer, separator);
        name_write(writer, request->headers[order[i]].name);
    }
}

/* --- the whole --- */

static bulla_status hash_write(bulla_call *call, bulla_writer *writer, bulla_view bytes)
{
    uint8_t hash[HASH_LEN];
    char hex[BULLA_SIGV4_HEX];
    BULLA_TRY(bulla_digest(call, BULLA_SHA256, bytes, hash));
    bulla_hex_encode(bulla_view_of(hash, sizeof hash), hex);
    put(writer, hex);
    return BULLA_OK;
}

bulla_status bulla_sigv4_canonical_write(bulla_call *call, const bulla_sigv4_request *request, bulla_writer *writer)
{
    size_t order[BULLA_SIGV4_MAX_FIELDS];
    BULLA_TRY(headers_sort(call, request, order));
    put(writer, request->method);
    bulla_write_u8(writer, '\n');
    BULLA_TRY(path_write(call, request, writer));
    bulla_write_u8(writer, '\n');
    BULLA_TRY(query_write(call, request->query, writer));
    bulla_write_u8(writer, '\n');
    headers_write(writer, request, order);
    names_write(writer, request, order, ";");
    bulla_write_u8(writer, '\n');
    BULLA_TRY(hash_write(call, writer, request->body));
    return fits(call, writer, "the request");
}

bulla_status bulla_sigv4_string_write(bulla_call *call, const bulla_sigv4_scope *scope, bulla_view canonical,
                                      bulla_writer *writer)
{
    char time[BULLA_SIGV4_TIME], name[MAX_SCOPE];
    BULLA_TRY(scope_format(call, scope, time, name));
    put(writer, ALGORITHM "\n");
    put(writer, time);
    bulla_write_u8(writer, '\n');
    put(writer, name);
    bulla_write_u8(writer, '\n');
    BULLA_TRY(hash_write(call, writer, canonical));
    return fits(call, writer, "the string");
}

bulla_status bulla_sigv4_key_derive(bulla_call *call, bulla_view secret, const bulla_sigv4_scope *scope,
                                    uint8_t out[BULLA_SIGV4_KEY])
{
    BULLA_WIPED(uint8_t, first, 260);
    BULLA_WIPED(uint8_t, key, BULLA_HASH_MAX);
    char time[BULLA_SIGV4_TIME], name[MAX_SCOPE];
    BULLA_TRY(scope_format(call, scope, time, name));
    bulla_writer writer = bulla_writer_of(first, sizeof first);
    put(&writer, "AWS4");
    bulla_write_view(&writer, secret);
    BULLA_TRY(fits(call, &writer, "the secret access key"));
    time[BULLA_SIGV4_DATE_LEN] = '\0';
    const char *const steps[] = {time, scope->region, scope->service, "aws4_request"};
    bulla_view current = written(&writer);
    for (size_t i = 0; i < BULLA_LEN(steps); i++) {
        BULLA_TRY(bulla_hmac(call, BULLA_SHA256, current, bulla_view_text(steps[i]), key));
        current = bulla_view_of(key, BULLA_SIGV4_KEY);
    }
    memcpy(out, key, BULLA_SIGV4_KEY);
    return BULLA_OK;
}

static bulla_status sign(bulla_call *call, const bulla_sigv4_request *request, const bulla_sigv4_scope *scope,
                         bulla_view key, char out[BULLA_SIGV4_HEX])
{
    BULLA_WIPED(uint8_t, canonical, BULLA_SIGV4_MAX_TEXT);
    uint8_t text[BULLA_SIGV4_MAX_STRING], mac[HASH_LEN];
    bulla_writer first = bulla_writer_of(canonical, sizeof canonical);
    bulla_writer second = bulla_writer_of(text, sizeof text);
    BULLA_TRY(bulla_sigv4_canonical_write(call, request, &first));
    BULLA_TRY(bulla_sigv4_string_write(call, scope, written(&first), &second));
    BULLA_TRY(bulla_hmac(call, BULLA_SHA256, key, written(&second), mac));
    bulla_hex_encode(bulla_view_of(mac, sizeof mac), out);
    return BULLA_OK;
}

bulla_status bulla_sigv4_authorization_write(bulla_call *call, const bulla_sigv4_request *request,
                                             const bulla_sigv4_scope *scope, bulla_view access_key_id, bulla_view key,
                                             bulla_writer *writer)
{
    char time[BULLA_SIGV4_TIME], name[MAX_SCOPE], signature[BULLA_SIGV4_HEX];
    size_t order[BULLA_SIGV4_MAX_FIELDS];
    BULLA_TRY(scope_format(call, scope, time, name));
    BULLA_TRY(sign(call, request, scope, key, signature));
    BULLA_TRY(headers_sort(call, request, order));
    put(writer, ALGORITHM " Credential=");
    bulla_write_view(writer, access_key_id);
    bulla_write_u8(writer, '/');
    put(writer, name);
    put(writer, ", SignedHeaders=");
    names_write(writer, request, order, ";");
    put(writer, ", Signature=");
    put(writer, signature);
    return fits(call, writer, "the request");
}

/* The parameters that say who signs what, before the signature itself. */
static bulla_status presign_write(bulla_call *call, const bulla_sigv4_request *request, const bulla_sigv4_scope *scope,
                                  const bulla_sigv4_presign *presign, bulla_writer *writer)
{
    char time[BULLA_SIGV4_TIME], name[MAX_SCOPE], expires[32];
    size_t order[BULLA_SIGV4_MAX_FIELDS];
    BULLA_TRY(scope_format(call, scope, time, name));
    BULLA_TRY(headers_sort(call, request, order));
    bulla_write_view(writer, request->query);
    put(writer, request->query.len == 0 ? "X-Amz-Algorithm=" : "&X-Amz-Algorithm=");
    put(writer, ALGORITHM "&X-Amz-Credential=");
    bulla_uri_encode(writer, presign->access_key_id, "");
    put(writer, "%2F");
    bulla_uri_encode(writer, bulla_view_text(name), "");
    put(writer, "&X-Amz-Date=");
    put(writer, time);
    put(writer, "&X-Amz-SignedHeaders=");
    names_write(writer, request, order, "%3B");
    (void)snprintf(expires, sizeof expires, "&X-Amz-Expires=%u", (unsigned)presign->expires_s);
    put(writer, expires);
    if (presign->token.len != 0) put(writer, "&X-Amz-Security-Token=");
    bulla_uri_encode(writer, presign->token, "");
    return fits(call, writer, "the query");
}

bulla_status bulla_sigv4_query_write(bulla_call *call, const bulla_sigv4_request *request,
                                     const bulla_sigv4_scope *scope, const bulla_sigv4_presign *presign,
                                     bulla_writer *writer)
{
    char signature[BULLA_SIGV4_HEX];
    bulla_sigv4_request extended = *request;
    size_t start = writer->len;
    BULLA_TRY(presign_write(call, request, scope, presign, writer));
    extended.query = bulla_view_of(writer->out + start, writer->len - start);
    BULLA_TRY(sign(call, &extended, scope, presign->key, signature));
    put(writer, "&X-Amz-Signature=");
    put(writer, signature);
    return fits(call, writer, "the query");
}
