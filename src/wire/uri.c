/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/uri.h"

static bool is_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void bulla_uri_encode(bulla_writer *writer, bulla_view text, const char *keep)
{
    static const char digits[] = "0123456789ABCDEF"; /* upper case: RFC 3986, 2.1 */
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (is_unreserved(c) || (c != 0 && strchr(keep, c) != NULL)) {
            bulla_write_u8(writer, c);
            continue;
        }
        bulla_write_u8(writer, '%');
        bulla_write_u8(writer, (uint8_t)digits[c >> 4]);
        bulla_write_u8(writer, (uint8_t)digits[c & 15]);
    }
}

uint8_t bulla_uri_decode_next(bulla_view *text)
{
    uint8_t byte = text->data[0];
    size_t taken = 1;
    if (byte == '%' && text->len >= 3 && bulla_hex_decode(bulla_view_of(text->data + 1, 2), &byte, 1))
        taken = 3;
    else
        byte = text->data[0];
    *text = bulla_view_of(text->data + taken, text->len - taken);
    return byte;
}
