/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/address.h"

#include "base/bytes.h"
#include "base/nearest.h"

/* A place in the text; columns count from 1. */
typedef struct cursor {
    const char *text, *at;
} cursor;

static bulla_status fail_at(bulla_call *call, const cursor *place, const char *what)
{
    return bulla_fail(call, BULLA_EINVAL, "address, column %zu: %s", (size_t)(place->at - place->text) + 1, what);
}

static bool is_scheme_char(char c, bool first)
{
    if (c >= 'a' && c <= 'z') return true;
    return !first && ((c >= '0' && c <= '9') || c == '+' || c == '.' || c == '-');
}

bool bulla_scheme_name_is(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_scheme_char(name[i], i == 0)) return false;
    return len >= 1 && len <= BULLA_SCHEME_MAX;
}

bulla_status bulla_address_scheme_parse(bulla_call *call, const char *text, char out_scheme[BULLA_SCHEME_MAX + 1])
{
    if (text == NULL) return bulla_fail(call, BULLA_EINVAL, "no address is given");
    size_t len = strnlen(text, BULLA_MAX_ADDRESS + 1);
    const char *colon = memchr(text, ':', len);
    if (len > BULLA_MAX_ADDRESS) return bulla_fail(call, BULLA_EINVAL, "address: over %u bytes", BULLA_MAX_ADDRESS);
    if (colon == NULL)
        return bulla_fail(call, BULLA_EINVAL,
                          "address \"%.64s\" has no scheme: write SCHEME:…, such as local:NAME or file:PATH", text);
    size_t scheme_len = (size_t)(colon - text);
    if (!bulla_scheme_name_is(text, scheme_len))
        return bulla_fail(call, BULLA_EINVAL,
                          "address, column 1: a scheme is 1 to %u of a-z 0-9 + . - and starts with a letter",
                          BULLA_SCHEME_MAX);
    memcpy(out_scheme, text, scheme_len);
    out_scheme[scheme_len] = '\0';
    return BULLA_OK;
}

/* Decodes up to one of `stops` or the end into `out` of `cap` bytes, and ends it. */
static bulla_status decode_text(bulla_call *call, cursor *from, const char *stops, char *out, size_t cap)
{
    size_t len = 0;
    while (*from->at != '\0' && strchr(stops, *from->at) == NULL) {
        uint8_t byte = (uint8_t)*from->at;
        size_t taken = 1;
        if (byte == '%') {
            if (!bulla_hex_decode(bulla_view_of(from->at + 1, strnlen(from->at + 1, 2)), &byte, 1))
                return fail_at(call, from, "% wants two hexadecimal digits; write % itself as %25");
            if (byte == 0) return fail_at(call, from, "%00 is not allowed");
            taken = 3;
        } else if (byte < 0x20 || byte == 0x7F) {
            return fail_at(call, from, "a control character; write it as %XX");
        }
        if (len + 1 >= cap) return fail_at(call, from, "too long");
        out[len++] = (char)byte;
        from->at += taken;
    }
    out[len] = '\0';
    return BULLA_OK;
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bulla_status parse_key(bulla_call *call, cursor *from, bulla_address *address)
{
    char *key = address->params[address->num_params].key;
    cursor start = *from;
    size_t len = 0;
    while (is_key_char(*from->at)) {
        if (len + 1 >= sizeof address->params[0].key) return fail_at(call, from, "the parameter's name is too long");
        key[len++] = *from->at++;
    }
    key[len] = '\0';
    if (len == 0) return fail_at(call, from, "a parameter's name is missing (a-z 0-9 _ -)");
    if (*from->at != '=') return fail_at(call, from, "\"=\" and a value must follow the parameter's name");
    if (bulla_address_param(address, key, NULL) != NULL) return fail_at(call, &start, "a parameter is given twice");
    from->at++;
    return BULLA_OK;
}

static bulla_status parse_params(bulla_call *call, cursor *from, bulla_address *address)
{
    while (*from->at == '?' || *from->at == '&') {
        if (address->num_params == BULLA_ADDRESS_PARAMS) return fail_at(call, from, "too many parameters");
        from->at++;
        BULLA_TRY(parse_key(call, from, address));
        char *value = address->params[address->num_params].value;
        BULLA_TRY(decode_text(call, from, "&", value, sizeof address->params[0].value));
        address->num_params++;
    }
    return BULLA_OK;
}

bulla_status bulla_address_parse(bulla_call *call, const char *text, bulla_address *out_address)
{
    bulla_address address;
    memset(&address, 0, sizeof address);
    BULLA_TRY(bulla_address_scheme_parse(call, text, address.scheme));
    cursor from = {text, text + strlen(address.scheme) + 1};
    BULLA_TRY(decode_text(call, &from, "?", address.body, sizeof address.body));
    BULLA_TRY(parse_params(call, &from, &address));
    *out_address = address;
    return BULLA_OK;
}

const char *bulla_address_param(const bulla_address *address, const char *key, const char *fallback)
{
    for (size_t i = 0; i < address->num_params; i++)
        if (strcmp(address->params[i].key, key) == 0) return address->params[i].value;
    return fallback;
}

static bulla_status unknown_param(bulla_call *call, const bulla_address *address, const char *key,
                                  const char *const *known)
{
    size_t num_known = 0;
    while (known[num_known] != NULL)
        num_known++;
    const char *near = bulla_word_nearest(key, known, num_known);
    if (near == NULL)
        return bulla_fail(call, BULLA_EINVAL, "%s: addresses have no parameter \"%s\"", address->scheme, key);
    return bulla_fail(call, BULLA_EINVAL, "%s: addresses have no parameter \"%s\"; did you mean \"%s\"?",
                      address->scheme, key, near);
}

static bool is_known(const char *key, const char *const *known)
{
    while (*known != NULL && strcmp(*known, key) != 0)
        known++;
    return *known != NULL;
}

bulla_status bulla_address_params_check(bulla_call *call, const bulla_address *address, const char *const *known)
{
    for (size_t i = 0; i < address->num_params; i++)
        if (!is_known(address->params[i].key, known))
            return unknown_param(call, address, address->params[i].key, known);
    return BULLA_OK;
}
