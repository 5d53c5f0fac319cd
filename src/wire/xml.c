/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/xml.h"

typedef struct walker {
    bulla_call *call;
    const char *what;
    bulla_view whole, rest;
    char path[BULLA_XML_MAX_PATH];
    size_t path_len, depth;
    size_t starts[BULLA_XML_MAX_DEPTH]; /* of each open element's name in path */
    bool is_leaf;                       /* nothing but text since the last opening tag */
    bool is_done;                       /* the root is closed */
    bulla_xml_visit visit;
    void *arg;
} walker;

static bulla_status malformed(const walker *w, const char *why)
{
    return bulla_fail(w->call, BULLA_EFORMAT, "%s: not the XML it should be, at byte %zu: %s", w->what,
                      w->whole.len - w->rest.len, why);
}

static bulla_view skip(bulla_view text, size_t len)
{
    return bulla_view_of(text.data + len, text.len - len);
}

static bool starts_with(bulla_view text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void blanks_skip(walker *w)
{
    while (w->rest.len != 0 && is_blank(w->rest.data[0]))
        w->rest = skip(w->rest, 1);
}

/* Goes past `end`; false when it does not come. */
static bool past(walker *w, const char *end)
{
    const uint8_t *at = memmem(w->rest.data, w->rest.len, end, strlen(end));
    if (at == NULL) return false;
    w->rest = skip(w->rest, (size_t)(at - w->rest.data) + strlen(end));
    return true;
}

static bool is_name_char(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == ':';
}

static bulla_view name_take(walker *w)
{
    size_t len = 0;
    while (len < w->rest.len && is_name_char(w->rest.data[len]))
        len++;
    bulla_view name = bulla_view_of(w->rest.data, len);
    w->rest = skip(w->rest, len);
    return name;
}

static bulla_status element_open(walker *w, bulla_view name)
{
    if (w->is_done) return malformed(w, "a second root");
    if (w->depth == BULLA_XML_MAX_DEPTH || w->path_len + name.len + 2 > sizeof w->path)
        return bulla_fail(w->call, BULLA_ELIMIT, "%s: XML that is too deep", w->what);
    w->starts[w->depth++] = w->path_len;
    if (w->path_len != 0) w->path[w->path_len++] = '/';
    memcpy(w->path + w->path_len, name.data, name.len);
    w->path_len += name.len;
    w->path[w->path_len] = '\0';
    w->is_leaf = true;
    return BULLA_OK;
}

static void element_close(walker *w, bulla_view text)
{
    if (w->is_leaf) w->visit(w->arg, w->path, text);
    w->path_len = w->starts[--w->depth];
    w->path[w->path_len] = '\0';
    w->is_leaf = false;
    w->is_done = w->depth == 0;
}

/* NAME="value" of an opening tag: only passed over. */
static bulla_status attribute_skip(walker *w)
{
    if (name_take(w).len == 0) return malformed(w, "no attribute");
    blanks_skip(w);
    if (!starts_with(w->rest, "=")) return malformed(w, "an attribute without a value");
    w->rest = skip(w->rest, 1);
    blanks_skip(w);
    const char *quote = starts_with(w->rest, "'") ? "'" : "\"";
    if (!starts_with(w->rest, quote)) return malformed(w, "a value without quotes");
    w->rest = skip(w->rest, 1);
    return past(w, quote) ? BULLA_OK : malformed(w, "a value without an end");
}

static bulla_status opening_tag(walker *w)
{
    w->rest = skip(w->rest, 1);
    bulla_view name = name_take(w);
    if (name.len == 0) return malformed(w, "a tag without a name");
    BULLA_TRY(element_open(w, name));
    blanks_skip(w);
    while (w->rest.len != 0 && is_name_char(w->rest.data[0])) {
        BULLA_TRY(attribute_skip(w));
        blanks_skip(w);
    }
    if (starts_with(w->rest, "/>")) {
        w->rest = skip(w->rest, 2);
        element_close(w, bulla_view_of(NULL, 0));
        return BULLA_OK;
    }
    if (!starts_with(w->rest, ">")) return malformed(w, "a tag without an end");
    w->rest = skip(w->rest, 1);
    return BULLA_OK;
}

static bulla_status closing_tag(walker *w, bulla_view text)
{
    w->rest = skip(w->rest, 2);
    bulla_view name = name_take(w);
    if (w->depth == 0) return malformed(w, "nothing is open that could be closed");
    size_t start = w->starts[w->depth - 1];
    if (start != 0) start++; /* the slash */
    if (!bulla_view_is(name, w->path + start)) return malformed(w, "a closing tag of another element");
    blanks_skip(w);
    if (!starts_with(w->rest, ">")) return malformed(w, "a tag without an end");
    w->rest = skip(w->rest, 1);
    element_close(w, text);
    return BULLA_OK;
}

static bulla_view text_take(walker *w)
{
    const uint8_t *tag = w->rest.len == 0 ? NULL : memchr(w->rest.data, '<', w->rest.len);
    bulla_view text = bulla_view_of(w->rest.data, tag == NULL ? w->rest.len : (size_t)(tag - w->rest.data));
    w->rest = skip(w->rest, text.len);
    return text;
}

static bool is_all_blank(bulla_view text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_blank(text.data[i])) return false;
    return true;
}

static bulla_status step(walker *w)
{
    bulla_view text = text_take(w);
    if (w->depth == 0 && !is_all_blank(text)) return malformed(w, "text outside of the root");
    if (w->rest.len == 0) return BULLA_OK;
    bool closes = starts_with(w->rest, "</");
    if (closes && (w->is_leaf || is_all_blank(text))) return closing_tag(w, text);
    if (!is_all_blank(text)) return malformed(w, "text beside elements");
    if (starts_with(w->rest, "<!--")) {
        w->is_leaf = false; /* a text in two parts is none that we read */
        return past(w, "-->") ? BULLA_OK : malformed(w, "a comment without an end");
    }
    if (starts_with(w->rest, "<!") || starts_with(w->rest, "<?")) return malformed(w, "something other than elements");
    return opening_tag(w);
}

bulla_status bulla_xml_walk(bulla_call *call, bulla_view text, const char *what, bulla_xml_visit visit, void *arg)
{
    walker w = {.call = call, .what = what, .whole = text, .rest = text, .visit = visit, .arg = arg};
    if (text.len > BULLA_XML_MAX_TEXT)
        return bulla_fail(call, BULLA_ELIMIT, "%s: over %u bytes of XML", what, BULLA_XML_MAX_TEXT);
    if (text.len == 0 || !bulla_utf8_is(text)) return malformed(&w, "it is empty or not UTF-8");
    if (starts_with(text, "<?xml") && !past(&w, "?>")) return malformed(&w, "a declaration without an end");
    while (w.rest.len != 0)
        BULLA_TRY(step(&w));
    return w.is_done ? BULLA_OK : malformed(&w, "it ends before its root does");
}

/* --- references --- */

static uint32_t number_of(bulla_view digits, uint32_t base)
{
    uint32_t value = 0;
    if (digits.len == 0 || digits.len > 6) return 0;
    for (size_t i = 0; i < digits.len; i++) {
        uint8_t c = digits.data[i];
        uint32_t digit = c >= '0' && c <= '9'                     ? (uint32_t)(c - '0')
                         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (uint32_t)((c | 0x20) - 'a') + 10
                                                                  : 16;
        if (digit >= base) return 0;
        value = value * base + digit;
    }
    return value;
}

/* The character a reference between "&" and ";" stands for; 0: none. Beyond ASCII it is none that a credential or a
 * code has. */
static uint8_t reference_of(bulla_view name)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (size_t i = 0; i < BULLA_LEN(known); i++)
        if (bulla_view_is(name, known[i].name)) return (uint8_t)known[i].c;
    if (!starts_with(name, "#")) return 0;
    bool is_hex = starts_with(name, "#x");
    uint32_t value = number_of(skip(name, is_hex ? 2 : 1), is_hex ? 16 : 10);
    return value < 0x80 ? (uint8_t)value : 0;
}

bool bulla_xml_text_decode(bulla_view text, char *out, size_t cap)
{
    bulla_writer writer = bulla_writer_of((uint8_t *)out, cap - 1);
    while (text.len != 0) {
        uint8_t c = text.data[0];
        size_t taken = 1;
        if (c == '&') {
            const uint8_t *end = memchr(text.data, ';', text.len);
            if (end == NULL) return false;
            taken = (size_t)(end - text.data) + 1;
            c = reference_of(bulla_view_of(text.data + 1, taken - 2));
        }
        if (c == 0) return false;
        bulla_write_u8(&writer, c);
        text = skip(text, taken);
    }
    if (writer.failed) return false;
    out[writer.len] = '\0';
    return true;
}
