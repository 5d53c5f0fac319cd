/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/pkcs11_uri.h"

#include "base/bytes.h"
#include "base/nearest.h"

#include <stdio.h>

/* How the value of an attribute is read (RFC 7512, 2.3 and 2.4). */
typedef enum kind { TEXT, ID, SLOT, TYPE, PIN_SOURCE, MODULE_PATH, PIN_VALUE, UNSUPPORTED } kind;

typedef struct attribute {
    const char *name;
    kind kind;
    size_t at, cap; /* of a text */
} attribute;

#define TEXT_OF(name, member)                                                                                          \
    {                                                                                                                  \
        name, TEXT, offsetof(bulla_pkcs11_uri, member), sizeof(((bulla_pkcs11_uri *)0)->member)                        \
    }
static const attribute path_attributes[] = {
    TEXT_OF("token", token),
    TEXT_OF("serial", serial),
    TEXT_OF("manufacturer", manufacturer),
    TEXT_OF("model", model),
    {"slot-id", SLOT, 0, 0},
    TEXT_OF("object", object),
    {"id", ID, 0, 0},
    {"type", TYPE, 0, 0},
    {"slot-description", UNSUPPORTED, 0, 0},
    {"slot-manufacturer", UNSUPPORTED, 0, 0},
    {"library-description", UNSUPPORTED, 0, 0},
    {"library-manufacturer", UNSUPPORTED, 0, 0},
    {"library-version", UNSUPPORTED, 0, 0},
};
static const attribute query_attributes[] = {
    {"module-path", MODULE_PATH, offsetof(bulla_pkcs11_uri, module), sizeof(((bulla_pkcs11_uri *)0)->module)},
    {"pin-source", PIN_SOURCE, offsetof(bulla_pkcs11_uri, pin_source), sizeof(((bulla_pkcs11_uri *)0)->pin_source)},
    TEXT_OF("kms", store),
    {"pin-value", PIN_VALUE, 0, 0},
    {"module-name", UNSUPPORTED, 0, 0},
};
#define MAX_ATTRIBUTES 16u
_Static_assert(BULLA_LEN(path_attributes) <= MAX_ATTRIBUTES && BULLA_LEN(query_attributes) <= MAX_ATTRIBUTES,
               "their names fit into a list");

/* One half of an address on its way. */
typedef struct part {
    const attribute *known;
    size_t num_known;
    unsigned seen; /* bits of `known` */
    char separator;
} part;

/* Percent-encoding (RFC 3986, 2.1). */
static bool decode(bulla_view text, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte <= ' ' || byte > '~' || len == cap) return false;
        if (byte == '%') {
            if (text.len - i < 3 || !bulla_hex_decode(bulla_view_of(text.data + i + 1, 2), &byte, 1)) return false;
            i += 2;
        }
        out[len++] = byte;
    }
    *out_len = len;
    return true;
}

static bool text_take(bulla_view value, char *out, size_t cap)
{
    uint8_t bytes[512];
    size_t len = 0;
    if (!decode(value, bytes, cap - 1 < sizeof bytes ? cap - 1 : sizeof bytes, &len)) return false;
    if (len == 0 || memchr(bytes, '\0', len) != NULL || !bulla_utf8_is(bulla_view_of(bytes, len))) return false;
    memcpy(out, bytes, len);
    out[len] = '\0';
    return true;
}

static bool slot_take(bulla_view value, bulla_pkcs11_uri *uri)
{
    if (value.len == 0 || value.len > 10) return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') return false;
        uri->slot = uri->slot * 10 + (unsigned long)(value.data[i] - '0');
    }
    uri->has_slot = true;
    return true;
}

/* An absolute path, as it is or as a file: URI of this machine. */
static bool path_take(bulla_view value, char *out, size_t cap)
{
    if (!text_take(value, out, cap)) return false;
    const char *path = strncmp(out, "file:", 5) != 0 ? out : strncmp(out, "file:///", 8) == 0 ? out + 7 : out + 5;
    memmove(out, path, strlen(path) + 1);
    return out[0] == '/' && out[1] != '/';
}

static bool value_take(bulla_view value, const attribute *what, bulla_pkcs11_uri *uri)
{
    char *text = (char *)uri + what->at;
    switch (what->kind) {
    case TEXT: return text_take(value, text, what->cap);
    case ID: uri->has_id = value.len != 0; return uri->has_id && decode(value, uri->id, sizeof uri->id, &uri->id_len);
    case SLOT: return slot_take(value, uri);
    case TYPE: return bulla_view_is(value, "secret-key");
    case PIN_SOURCE: return path_take(value, text, what->cap);
    case MODULE_PATH: return text_take(value, text, what->cap) && text[0] == '/';
    case PIN_VALUE:
    case UNSUPPORTED: return false;
    }
    return false;
}

static bulla_status value_fail(bulla_call *call, const attribute *what)
{
    switch (what->kind) {
    case PIN_VALUE:
        return bulla_fail(
            call, BULLA_EINVAL,
            "pkcs11: pin-value is a credential and has no place in an address; use pin-source, a file, or "
            "pin in the configuration");
    case UNSUPPORTED:
        return bulla_fail(call, BULLA_EINVAL,
                          "pkcs11: %s is not supported; find the token by token, serial, manufacturer, model or "
                          "slot-id, the module by module-path",
                          what->name);
    case PIN_SOURCE:
    case MODULE_PATH:
        return bulla_fail(call, BULLA_EINVAL, "pkcs11: the value of %s must be an absolute path%s", what->name,
                          what->kind == PIN_SOURCE ? " or file:/PATH" : "");
    case TYPE: return bulla_fail(call, BULLA_EINVAL, "pkcs11: only keys of type=secret-key wrap data keys");
    case TEXT:
    case ID:
    case SLOT: break;
    }
    return bulla_fail(call, BULLA_EINVAL, "pkcs11: the value of %s is empty, too long or not well encoded", what->name);
}

static bulla_status unknown_name(bulla_call *call, const part *of, bulla_view name)
{
    const char *known[MAX_ATTRIBUTES];
    char text[32] = "";
    for (size_t i = 0; i < of->num_known; i++)
        known[i] = of->known[i].name;
    for (size_t i = 0; i < name.len && i < sizeof text - 1; i++)
        text[i] = name.data[i] > ' ' && name.data[i] <= '~' ? (char)name.data[i] : '?';
    const char *near = bulla_word_nearest(text, known, of->num_known);
    return bulla_fail(call, BULLA_EINVAL, "pkcs11: there is no attribute \"%s\" %s%s%s%s", text,
                      of->separator == '&' ? "after the question mark" : "before a question mark",
                      near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near, near == NULL ? "" : "\"?");
}

static bulla_status attribute_parse(bulla_call *call, part *of, bulla_view text, bulla_pkcs11_uri *uri)
{
    const uint8_t *equals = memchr(text.data, '=', text.len);
    size_t len = equals == NULL ? text.len : (size_t)(equals - text.data);
    for (size_t i = 0; i < of->num_known; i++) {
        const attribute *what = &of->known[i];
        if (!bulla_view_is(bulla_view_of(text.data, len), what->name)) continue;
        if ((of->seen & 1u << i) != 0) return bulla_fail(call, BULLA_EINVAL, "pkcs11: %s is given twice", what->name);
        of->seen |= 1u << i;
        bool is_taken = equals != NULL && value_take(bulla_view_of(equals + 1, text.len - len - 1), what, uri);
        return is_taken ? BULLA_OK : value_fail(call, what);
    }
    return unknown_name(call, of, bulla_view_of(text.data, len));
}

static bulla_status part_parse(bulla_call *call, part *of, bulla_view text, bulla_pkcs11_uri *uri)
{
    while (text.len != 0) {
        const uint8_t *end = memchr(text.data, of->separator, text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        BULLA_TRY(attribute_parse(call, of, bulla_view_of(text.data, len), uri));
        size_t past = end == NULL ? len : len + 1;
        if (end != NULL && past == text.len)
            return bulla_fail(call, BULLA_EINVAL, "pkcs11: nothing follows the last '%c'", of->separator);
        text = bulla_view_of(text.data + past, text.len - past);
    }
    return BULLA_OK;
}

bulla_status bulla_pkcs11_uri_parse(bulla_call *call, const char *text, bulla_pkcs11_uri *out_uri)
{
    bulla_pkcs11_uri uri;
    part path = {path_attributes, BULLA_LEN(path_attributes), 0, ';'};
    part query = {query_attributes, BULLA_LEN(query_attributes), 0, '&'};
    memset(&uri, 0, sizeof uri);
    if (strncmp(text, "pkcs11:", 7) != 0)
        return bulla_fail(call, BULLA_EINVAL, "an address of a key on a PKCS#11 token starts with pkcs11:");
    const char *body = text + 7, *mark = strchr(body, '?');
    size_t len = mark == NULL ? strlen(body) : (size_t)(mark - body);
    BULLA_TRY(part_parse(call, &path, bulla_view_of(body, len), &uri));
    if (mark != NULL) BULLA_TRY(part_parse(call, &query, bulla_view_text(mark + 1), &uri));
    if (uri.object[0] == '\0' && !uri.has_id)
        return bulla_fail(
            call, BULLA_EINVAL,
            "pkcs11: the address names no key; write pkcs11:token=LABEL;object=KEY, or id= for one version");
    *out_uri = uri;
    return BULLA_OK;
}

bool bulla_pkcs11_info_parse(bulla_view info, bulla_pkcs11_uri *out_uri)
{
    part path = {path_attributes, BULLA_LEN(path_attributes), 0, ';'};
    bulla_pkcs11_uri uri;
    char again[BULLA_PKCS11_MAX_INFO];
    memset(&uri, 0, sizeof uri);
    if (info.len == 0 || info.len >= sizeof again) return false;
    if (part_parse(NULL, &path, info, &uri) != BULLA_OK) return false;
    bulla_pkcs11_info_format(&uri, again); /* one way to write it, and nothing besides */
    if (!bulla_view_is(info, again)) return false;
    *out_uri = uri;
    return true;
}

/* --- writing --- */

/* What stands for itself everywhere: the unreserved characters of RFC 3986, 2.3. */
static bool is_plain(uint8_t byte, const char *also)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && (strchr("-._~", byte) != NULL || strchr(also, byte) != NULL));
}

/* `also` NULL: every byte is encoded, as RFC 7512 likes it for ids. */
static void encoded_write(bulla_writer *to, bulla_view bytes, const char *also)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.data[i];
        if (also != NULL && is_plain(byte, also)) {
            bulla_write_u8(to, byte);
            continue;
        }
        bulla_write_u8(to, '%');
        bulla_write_u8(to, (uint8_t)digits[byte >> 4]);
        bulla_write_u8(to, (uint8_t)digits[byte & 15]);
    }
}

/* `next` stands before it where it is not the first. */
static void attribute_write(bulla_writer *to, const char *name, const char *value, char next)
{
    static const char starts[] = ":?";
    if (value[0] == '\0') return;
    if (to->len != 0 && memchr(starts, to->out[to->len - 1], 2) == NULL) bulla_write_u8(to, (uint8_t)next);
    bulla_write_view(to, bulla_view_text(name));
    bulla_write_u8(to, '=');
    encoded_write(to, bulla_view_text(value), next == '&' ? "/" : "");
}

static void id_write(bulla_writer *to, const bulla_pkcs11_uri *uri)
{
    if (!uri->has_id) return;
    if (to->len != 0 && to->out[to->len - 1] != ':') bulla_write_u8(to, ';');
    bulla_write_view(to, bulla_view_text("id="));
    encoded_write(to, bulla_view_of(uri->id, uri->id_len), NULL);
}

void bulla_pkcs11_info_format(const bulla_pkcs11_uri *uri, char out[BULLA_PKCS11_MAX_INFO])
{
    bulla_writer to = bulla_writer_of((uint8_t *)out, BULLA_PKCS11_MAX_INFO - 1);
    _Static_assert(sizeof "serial=;object=;id=" + 3 * (16 + BULLA_PKCS11_MAX_LABEL + BULLA_PKCS11_MAX_ID) <
                       BULLA_PKCS11_MAX_INFO,
                   "there is room for all");
    attribute_write(&to, "serial", uri->serial, ';');
    attribute_write(&to, "object", uri->object, ';');
    id_write(&to, uri);
    out[to.len] = '\0';
}

bulla_status bulla_pkcs11_uri_format(bulla_call *call, const bulla_pkcs11_uri *uri, char *out, size_t cap)
{
    char slot[24] = "";
    bulla_writer to = bulla_writer_of((uint8_t *)out, cap - 1);
    if (uri->has_slot) (void)snprintf(slot, sizeof slot, "%lu", uri->slot);
    bulla_write_view(&to, bulla_view_text("pkcs11:"));
    attribute_write(&to, "token", uri->token, ';');
    attribute_write(&to, "serial", uri->serial, ';');
    attribute_write(&to, "manufacturer", uri->manufacturer, ';');
    attribute_write(&to, "model", uri->model, ';');
    attribute_write(&to, "slot-id", slot, ';');
    attribute_write(&to, "object", uri->object, ';');
    id_write(&to, uri);
    if (uri->module[0] != '\0' || uri->pin_source[0] != '\0' || uri->store[0] != '\0') bulla_write_u8(&to, '?');
    attribute_write(&to, "module-path", uri->module, '&');
    attribute_write(&to, "pin-source", uri->pin_source, '&');
    attribute_write(&to, "kms", uri->store, '&');
    if (to.failed) return bulla_fail(call, BULLA_EINVAL, "pkcs11: the key's address is too long");
    out[to.len] = '\0';
    return BULLA_OK;
}
