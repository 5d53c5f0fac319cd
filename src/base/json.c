/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser. It goes through the text once and keeps its way back in the index itself, so that depth costs no stack.
 * Nothing of the text is copied and no error shows any of it: there are keys in it.
 */
#include "base/json_impl.h"
#include "base/mem.h"

#include <stdlib.h>

typedef struct parser {
    bulla_call *call;
    bulla_json *json;
    const char *what;
    bulla_view text;
    size_t at;
    uint32_t container, depth; /* what we are in; BULLA_JSON_NO_NODE outside of all */
} parser;

static bulla_status fail_at(const parser *in, size_t at, const char *why)
{
    return bulla_fail(in->call, BULLA_EFORMAT, "%s is not JSON: %s at byte %zu", in->what, why, at);
}

/* The next byte, or 0 at the end: a byte that no grammar has a place for. */
static uint8_t peek(const parser *in)
{
    return in->at < in->text.len ? in->text.data[in->at] : 0;
}

static uint8_t peek_past_blanks(parser *in)
{
    while (in->at < in->text.len && memchr(" \t\n\r", in->text.data[in->at], 4) != NULL)
        in->at++;
    return peek(in);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(uint8_t c)
{
    if (is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The unit of a \uXXXX whose digits are at `at`, or -1. */
static int32_t unit_at(bulla_view text, size_t at)
{
    if (text.len < 4 || at > text.len - 4) return -1;
    int32_t unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(text.data[at + i]);
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Length of the escape whose backslash is at `at`, a surrogate pair being one (RFC 8259, 7); 0 when it is none. Half a
 * pair is refused: it is no character (8.2). */
static size_t escape_len(bulla_view text, size_t at)
{
    if (at + 1 >= text.len) return 0;
    uint8_t c = text.data[at + 1];
    if (c != 'u') return c != 0 && memchr("\"\\/bfnrt", c, 8) != NULL ? 2 : 0;
    int32_t high = unit_at(text, at + 2);
    if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF)) return 0;
    if (high < 0xD800 || high > 0xDBFF) return 6;
    if (text.len - at < 12 || text.data[at + 6] != '\\' || text.data[at + 7] != 'u') return 0;
    int32_t low = unit_at(text, at + 8);
    return low >= 0xDC00 && low <= 0xDFFF ? 12 : 0;
}

bulla_json_walk bulla_json_walk_of(const bulla_json *json, uint32_t at, uint32_t len)
{
    return (bulla_json_walk){.rest = bulla_view_of(json->text.data + at, len)};
}

static void walk_skip(bulla_json_walk *walk, size_t len)
{
    walk->rest.data += len;
    walk->rest.len -= len;
}

static void walk_put(bulla_json_walk *walk, uint32_t point)
{
    unsigned num = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (unsigned i = num; i-- > 1; point >>= 6)
        walk->pending[i] = (uint8_t)(0x80 | (point & 0x3F));
    walk->pending[0] = (uint8_t)(leads[num] | point);
    walk->num_pending = num;
    walk->num_taken = 0;
}

/* An escape that the parser has found to be one. */
static void walk_escape(bulla_json_walk *walk)
{
    static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
    uint8_t c = walk->rest.data[1];
    size_t len = escape_len(walk->rest, 0);
    if (c != 'u') {
        const char *name = strchr(names, c);
        walk_put(walk, name == NULL ? c : (uint8_t)meant[name - names]);
    } else {
        uint32_t point = (uint32_t)unit_at(walk->rest, 2);
        if (len == 12) point = 0x10000 + ((point - 0xD800) << 10) + ((uint32_t)unit_at(walk->rest, 8) - 0xDC00);
        walk_put(walk, point);
    }
    walk_skip(walk, len);
}

int bulla_json_walk_next(bulla_json_walk *walk)
{
    if (walk->num_taken == walk->num_pending) {
        if (walk->rest.len == 0) return -1;
        uint8_t c = walk->rest.data[0];
        if (c != '\\') {
            walk_skip(walk, 1);
            return c;
        }
        walk_escape(walk);
    }
    return walk->pending[walk->num_taken++];
}

/* A string from its opening quote on. */
static bulla_status read_string(parser *in, uint32_t *out_at, uint32_t *out_len)
{
    if (peek(in) != '"') return fail_at(in, in->at, "a string is missing");
    size_t start = ++in->at;
    for (;;) {
        if (in->at == in->text.len) return fail_at(in, in->at, "a string has no end");
        uint8_t c = in->text.data[in->at];
        if (c == '"') break;
        if (c < 0x20) return fail_at(in, in->at, "a control character in a string");
        size_t len = c == '\\' ? escape_len(in->text, in->at) : 1;
        if (len == 0) return fail_at(in, in->at, "a bad escape");
        in->at += len;
    }
    bulla_view string = bulla_view_of(in->text.data + start, in->at - start);
    if (!bulla_utf8_is(string)) return fail_at(in, start, "a string that is not UTF-8");
    in->at++;
    *out_at = (uint32_t)start;
    *out_len = (uint32_t)string.len;
    return BULLA_OK;
}

static bool skip_digits(parser *in)
{
    size_t start = in->at;
    while (is_digit(peek(in)))
        in->at++;
    return in->at != start;
}

static bulla_status read_number(parser *in, bulla_json_node *node)
{
    size_t start = in->at;
    if (peek(in) == '-') in->at++;
    bool is_good = true;
    if (peek(in) == '0')
        in->at++;
    else
        is_good = skip_digits(in);
    if (is_good && peek(in) == '.') {
        in->at++;
        is_good = skip_digits(in);
    }
    if (is_good && (peek(in) | 0x20) == 'e') {
        in->at++;
        if (peek(in) == '+' || peek(in) == '-') in->at++;
        is_good = skip_digits(in);
    }
    if (!is_good) return fail_at(in, in->at, "a number without a digit");
    node->kind = BULLA_JSON_NUMBER;
    node->at = (uint32_t)start;
    node->len = (uint32_t)(in->at - start);
    return BULLA_OK;
}

static bulla_status read_word(parser *in, bulla_json_node *node)
{
    static const struct {
        const char *word;
        bulla_json_kind kind;
    } words[] = {{"null", BULLA_JSON_NULL}, {"true", BULLA_JSON_BOOL}, {"false", BULLA_JSON_BOOL}};
    for (size_t i = 0; i < BULLA_LEN(words); i++) {
        size_t len = strlen(words[i].word);
        if (in->text.len - in->at < len || memcmp(in->text.data + in->at, words[i].word, len) != 0) continue;
        node->kind = words[i].kind;
        node->at = (uint32_t)in->at;
        node->len = (uint32_t)len;
        in->at += len;
        return BULLA_OK;
    }
    return fail_at(in, in->at, in->at == in->text.len ? "the end instead of a value" : "no value");
}

static bulla_status read_scalar(parser *in, bulla_json_node *node)
{
    uint8_t c = peek(in);
    if (c == '-' || is_digit(c)) return read_number(in, node);
    if (c != '"') return read_word(in, node);
    node->kind = BULLA_JSON_STRING;
    return read_string(in, &node->at, &node->len);
}

static bulla_status node_add(parser *in, bulla_json_node **out_node)
{
    bulla_json *json = in->json;
    if (json->num_nodes == json->max_nodes)
        return bulla_fail(in->call, BULLA_ELIMIT, "%s has more than %u values", in->what, BULLA_JSON_MAX_NODES);
    bulla_json_node *node = &json->nodes[json->num_nodes++];
    node->parent = in->container;
    node->end = json->num_nodes;
    if (in->container != BULLA_JSON_NO_NODE) json->nodes[in->container].num++;
    *out_node = node;
    return BULLA_OK;
}

/* One value, with its name inside an object; a container is entered and no more. */
static bulla_status read_value(parser *in)
{
    bulla_json_node *node = NULL;
    BULLA_TRY(node_add(in, &node));
    if (in->container != BULLA_JSON_NO_NODE && in->json->nodes[in->container].kind == BULLA_JSON_OBJECT) {
        (void)peek_past_blanks(in);
        BULLA_TRY(read_string(in, &node->name_at, &node->name_len));
        if (peek_past_blanks(in) != ':') return fail_at(in, in->at, "no colon after a name");
        in->at++;
    }
    uint8_t c = peek_past_blanks(in);
    if (c != '{' && c != '[') return read_scalar(in, node);
    if (++in->depth > BULLA_JSON_MAX_DEPTH)
        return bulla_fail(in->call, BULLA_ELIMIT, "%s is nested more than %u deep", in->what, BULLA_JSON_MAX_DEPTH);
    in->at++;
    node->kind = c == '{' ? BULLA_JSON_OBJECT : BULLA_JSON_ARRAY;
    in->container = (uint32_t)(node - in->json->nodes);
    return BULLA_OK;
}

/* After a value, or just inside a container: ends what ends here. True in *out_more when another value follows. */
static bulla_status read_ends(parser *in, bool *out_more)
{
    *out_more = false;
    while (in->container != BULLA_JSON_NO_NODE) {
        bulla_json_node *node = &in->json->nodes[in->container];
        bool is_object = node->kind == BULLA_JSON_OBJECT;
        uint8_t c = peek_past_blanks(in);
        if (c != (is_object ? '}' : ']')) {
            *out_more = true;
            if (node->num == 0) return BULLA_OK;
            if (c != ',')
                return fail_at(in, in->at, is_object ? "no comma or } after a member" : "no comma or ] after an item");
            in->at++;
            return BULLA_OK;
        }
        in->at++;
        node->end = in->json->num_nodes;
        in->container = node->parent;
        in->depth--;
    }
    return BULLA_OK;
}

static int compare_decoded(bulla_json_walk a, bulla_json_walk b)
{
    for (;;) {
        int from_a = bulla_json_walk_next(&a), from_b = bulla_json_walk_next(&b);
        if (from_a != from_b || from_a < 0) return from_a - from_b;
    }
}

static int compare_members(const void *left, const void *right, void *arg)
{
    const bulla_json *json = arg;
    const bulla_json_node *a = &json->nodes[*(const uint32_t *)left], *b = &json->nodes[*(const uint32_t *)right];
    if (a->parent != b->parent) return a->parent < b->parent ? -1 : 1;
    return compare_decoded(bulla_json_walk_of(json, a->name_at, a->name_len),
                           bulla_json_walk_of(json, b->name_at, b->name_len));
}

/* Sorted rather than compared in pairs or hashed: whoever sends the text may have chosen the names. */
static bulla_status check_repeats(parser *in, uint32_t *members)
{
    bulla_json *json = in->json;
    size_t num = 0;
    for (uint32_t i = 1; i < json->num_nodes; i++)
        if (json->nodes[json->nodes[i].parent].kind == BULLA_JSON_OBJECT) members[num++] = i;
    if (num > 1) qsort_r(members, num, sizeof *members, compare_members, json);
    for (size_t i = 1; i < num; i++)
        if (compare_members(&members[i - 1], &members[i], json) == 0)
            return fail_at(in, json->nodes[members[i]].name_at, "a name repeated in one object");
    return BULLA_OK;
}

static bulla_status read_document(parser *in)
{
    bool more = true;
    while (more) {
        BULLA_TRY(read_value(in));
        BULLA_TRY(read_ends(in, &more));
    }
    if (peek_past_blanks(in) != 0 || in->at != in->text.len) return fail_at(in, in->at, "something after the value");
    void *members = NULL;
    BULLA_TRY(bulla_alloc(in->call, in->json->num_nodes * sizeof(uint32_t), &members));
    bulla_status status = check_repeats(in, members);
    bulla_free(in->json->env, members);
    return status;
}

/* No more values than this: each but the first is first in its container or comes after a comma. */
static size_t count_bound(bulla_view text)
{
    size_t bound = 1;
    for (size_t i = 0; i < text.len; i++)
        bound += text.data[i] == ',' || text.data[i] == '[' || text.data[i] == '{';
    return bound < BULLA_JSON_MAX_NODES ? bound : BULLA_JSON_MAX_NODES;
}

bulla_status bulla_json_parse(bulla_call *call, bulla_view text, const char *what, bulla_json **out_json)
{
    if (text.len > BULLA_JSON_MAX_TEXT)
        return bulla_fail(call, BULLA_ELIMIT, "%s has %zu bytes, at most %u are read", what, text.len,
                          BULLA_JSON_MAX_TEXT);
    size_t max_nodes = count_bound(text);
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_json) + max_nodes * sizeof(bulla_json_node), &memory));
    BULLA_AUTO(bulla_json) *json = memory;
    json->env = bulla_env_of(call);
    json->text = text;
    json->max_nodes = (uint32_t)max_nodes;
    parser in = {.call = call, .json = json, .what = what, .text = text, .container = BULLA_JSON_NO_NODE};
    BULLA_TRY(read_document(&in));
    *out_json = BULLA_TAKE(json);
    return BULLA_OK;
}

void bulla_json_free(bulla_json *json)
{
    if (json != NULL) bulla_free(json->env, json);
}
