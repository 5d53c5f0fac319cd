/* SPDX-License-Identifier: Apache-2.0 */
/* What the values of a JSON document say. */
#include "base/json_impl.h"
#include "base/secret.h"

#define CHUNK 64u /* characters of base64 decoded at a time */

static const bulla_json_value no_value = {NULL, BULLA_JSON_NO_NODE};

static const bulla_json_node *node_of(bulla_json_value value)
{
    return value.json == NULL ? NULL : &value.json->nodes[value.node];
}

static const bulla_json_node *node_as(bulla_json_value value, bulla_json_kind kind)
{
    const bulla_json_node *node = node_of(value);
    return node != NULL && node->kind == kind ? node : NULL;
}

bulla_json_value bulla_json_root(const bulla_json *json)
{
    return json == NULL ? no_value : (bulla_json_value){json, 0};
}

bulla_json_kind bulla_json_kind_of(bulla_json_value value)
{
    const bulla_json_node *node = node_of(value);
    return node == NULL ? BULLA_JSON_NONE : node->kind;
}

bulla_json_value bulla_json_first(bulla_json_value value)
{
    const bulla_json_node *node = node_of(value);
    return node == NULL || node->num == 0 ? no_value : (bulla_json_value){value.json, value.node + 1};
}

bulla_json_value bulla_json_next(bulla_json_value value)
{
    const bulla_json_node *node = node_of(value);
    if (node == NULL || node->parent == BULLA_JSON_NO_NODE) return no_value;
    return node->end < value.json->nodes[node->parent].end ? (bulla_json_value){value.json, node->end} : no_value;
}

size_t bulla_json_count(bulla_json_value value)
{
    const bulla_json_node *node = node_of(value);
    return node == NULL ? 0 : node->num;
}

static bool walk_is(bulla_json_walk walk, bulla_view text)
{
    for (size_t i = 0; i < text.len; i++)
        if (bulla_json_walk_next(&walk) != text.data[i]) return false;
    return bulla_json_walk_next(&walk) < 0;
}

/* The decoded bytes and a NUL; nothing is written when they do not fit or one of them is NUL. */
static bool walk_copy(bulla_json_walk walk, char *out, size_t cap)
{
    size_t len = 0;
    bulla_json_walk counted = walk;
    for (int c; (c = bulla_json_walk_next(&counted)) >= 0; len++)
        if (c == 0) return false;
    if (len >= cap) return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)bulla_json_walk_next(&walk);
    out[len] = '\0';
    return true;
}

static bulla_json_walk name_walk(bulla_json_value value)
{
    const bulla_json_node *node = node_of(value);
    return bulla_json_walk_of(value.json, node->name_at, node->name_len);
}

static bulla_json_walk text_walk(bulla_json_value value)
{
    const bulla_json_node *node = node_of(value);
    return bulla_json_walk_of(value.json, node->at, node->len);
}

static bulla_json_value member_of(bulla_json_value object, bulla_view name)
{
    if (node_as(object, BULLA_JSON_OBJECT) == NULL) return no_value;
    bulla_json_value member = bulla_json_first(object);
    while (member.json != NULL && !walk_is(name_walk(member), name))
        member = bulla_json_next(member);
    return member;
}

bulla_json_value bulla_json_get(bulla_json_value value, const char *path)
{
    for (;;) {
        const char *slash = strchr(path, '/');
        value = member_of(value, bulla_view_of(path, slash == NULL ? strlen(path) : (size_t)(slash - path)));
        if (slash == NULL) return value;
        path = slash + 1;
    }
}

bool bulla_json_name(bulla_json_value value, char *out, size_t cap)
{
    const bulla_json_node *node = node_of(value);
    if (node == NULL || node->parent == BULLA_JSON_NO_NODE) return false;
    if (value.json->nodes[node->parent].kind != BULLA_JSON_OBJECT) return false;
    return walk_copy(name_walk(value), out, cap);
}

bool bulla_json_text(bulla_json_value value, char *out, size_t cap)
{
    return node_as(value, BULLA_JSON_STRING) != NULL && walk_copy(text_walk(value), out, cap);
}

bool bulla_json_is(bulla_json_value value, const char *text)
{
    return node_as(value, BULLA_JSON_STRING) != NULL && walk_is(text_walk(value), bulla_view_text(text));
}

bool bulla_json_bool(bulla_json_value value, bool *out)
{
    const bulla_json_node *node = node_as(value, BULLA_JSON_BOOL);
    if (node == NULL) return false;
    *out = value.json->text.data[node->at] == 't';
    return true;
}

/* A number: its digits without the point, and how many of them stand before it once the exponent is applied. */
typedef struct decimal {
    bulla_view text; /* up to the exponent; sign and point are in it */
    int64_t before_point;
    bool is_negative;
} decimal;

/* "e-12", "E+3": far beyond any number that fits it is cut. */
static int64_t exponent_of(bulla_view text)
{
    int64_t exponent = 0;
    for (size_t i = 1; i < text.len; i++)
        if (text.data[i] >= '0' && exponent < BULLA_JSON_MAX_TEXT) exponent = exponent * 10 + text.data[i] - '0';
    return text.data[1] == '-' ? -exponent : exponent;
}

static decimal decimal_of(bulla_view text)
{
    decimal number = {.text = text, .is_negative = text.data[0] == '-'};
    bool is_after_point = false;
    for (size_t i = 0; i < number.text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '.') is_after_point = true;
        if (c >= '0' && c <= '9' && !is_after_point) number.before_point++;
        if ((c | 0x20) == 'e') number.text.len = i;
    }
    if (number.text.len < text.len)
        number.before_point += exponent_of(bulla_view_of(text.data + number.text.len, text.len - number.text.len));
    return number;
}

static bool digit_append(int64_t *number, int digit, bool is_negative)
{
    return !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_add_overflow(*number, is_negative ? -digit : digit, number);
}

/* What stands before the point; *out_is_cut tells that something other than zeros stood behind it. */
static bool decimal_whole(decimal number, int64_t *out, bool *out_is_cut)
{
    int64_t whole = 0, at = 0;
    *out_is_cut = false;
    for (size_t i = 0; i < number.text.len; i++) {
        uint8_t c = number.text.data[i];
        if (c < '0' || c > '9') continue;
        if (at++ >= number.before_point)
            *out_is_cut = *out_is_cut || c != '0';
        else if (!digit_append(&whole, c - '0', number.is_negative))
            return false;
    }
    for (; whole != 0 && at < number.before_point; at++)
        if (!digit_append(&whole, 0, number.is_negative)) return false;
    *out = whole;
    return true;
}

static bool number_whole(bulla_json_value value, bool may_cut, int64_t *out)
{
    const bulla_json_node *node = node_as(value, BULLA_JSON_NUMBER);
    int64_t whole = 0;
    bool is_cut = false;
    if (node == NULL) return false;
    bulla_view text = bulla_view_of(value.json->text.data + node->at, node->len);
    if (!decimal_whole(decimal_of(text), &whole, &is_cut) || (is_cut && !may_cut)) return false;
    *out = whole;
    return true;
}

bool bulla_json_int(bulla_json_value value, int64_t *out)
{
    return number_whole(value, false, out);
}

bool bulla_json_time_s(bulla_json_value value, int64_t *out)
{
    return number_whole(value, true, out);
}

/* Decodes up to CHUNK characters of a string. All but the last chunk are whole groups of base64. */
static bool chunk_decode(bulla_json_walk *walk, bulla_json_form form, uint8_t *out, size_t *out_len, bool *out_more)
{
    BULLA_WIPED(uint8_t, text, CHUNK);
    size_t len = 0;
    bool is_good = true;
    for (int c; len < CHUNK && (c = bulla_json_walk_next(walk)) >= 0;)
        text[len++] = (uint8_t)c;
    *out_more = len == CHUNK;
    bulla_view view = bulla_view_of(text, len);
    switch (form) {
    case BULLA_JSON_BASE64: is_good = bulla_base64_decode(view, out, CHUNK, out_len); break;
    case BULLA_JSON_BASE64URL: is_good = bulla_base64url_decode(view, out, CHUNK, out_len); break;
    case BULLA_JSON_PLAIN:
        bulla_copy(out, text, len);
        *out_len = len;
        break;
    }
    return is_good;
}

/* All of a string decoded into `out`, or only counted with NULL. Padding ends a string: whatever comes after it makes
 * the text bad. */
static bool bytes_decode(bulla_json_value value, bulla_json_form form, bulla_writer *writer)
{
    if (node_as(value, BULLA_JSON_STRING) == NULL) return false;
    bulla_json_walk walk = text_walk(value);
    const size_t whole = form == BULLA_JSON_PLAIN ? CHUNK : CHUNK / 4 * 3;
    size_t len = whole;
    for (bool more = true; more;) {
        BULLA_WIPED(uint8_t, bytes, CHUNK);
        bool is_past_padding = len != whole;
        if (!chunk_decode(&walk, form, bytes, &len, &more)) return false;
        if (is_past_padding && (len != 0 || more)) return false;
        bulla_write_view(writer, bulla_view_of(bytes, len));
    }
    return !writer->failed;
}

bool bulla_json_bytes(bulla_json_value value, bulla_json_form form, uint8_t *out, size_t cap, size_t *out_len)
{
    bulla_writer counter = bulla_writer_of(NULL, 0), writer = bulla_writer_of(out, cap);
    if (!bytes_decode(value, form, &counter) || counter.len > cap) return false;
    if (counter.len != 0 && !bytes_decode(value, form, &writer)) return false;
    *out_len = counter.len;
    return true;
}

bulla_status bulla_json_secret(bulla_call *call, bulla_json_value value, bulla_json_form form, const char *what,
                               bulla_secret **out_secret)
{
    static const char *const kinds[] = {"base64", "base64url", "text"};
    BULLA_AUTO(bulla_secret) *secret = NULL;
    bulla_writer counter = bulla_writer_of(NULL, 0);
    if (!bytes_decode(value, form, &counter) || counter.len == 0)
        return bulla_fail(call, BULLA_EFORMAT, "%s is not %s", what, kinds[form]);
    if (counter.len > BULLA_MAX_SECRET)
        return bulla_fail(call, BULLA_ELIMIT, "%s has %zu bytes, at most %u fit", what, counter.len, BULLA_MAX_SECRET);
    BULLA_TRY(bulla_secret_new(call, counter.len, &secret));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(secret), counter.len);
    if (writer.out == NULL || !bytes_decode(value, form, &writer))
        return bulla_fail(call, BULLA_EINTERNAL, "the memory for %s went away", what);
    *out_secret = BULLA_TAKE(secret);
    return BULLA_OK;
}
