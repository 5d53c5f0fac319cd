/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

int bulla_view_compare(bulla_view a, bulla_view b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    if (order != 0) return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool bulla_equal_ct(const uint8_t *a, const uint8_t *b, size_t len)
{
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference = (uint8_t)(difference | (a[i] ^ b[i]));
    return difference == 0;
}

/* Length of the UTF-8 sequence at `text` (RFC 3629: shortest form, no surrogates, up to U+10FFFF), 0 when malformed. */
static size_t sequence_len(const uint8_t *text, size_t len)
{
    uint8_t lead = text[0];
    if (lead < 0x80) return 1;
    size_t need = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
    if (need == 0 || need > len) return 0;
    uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (text[1] < low || text[1] > high) return 0;
    for (size_t i = 2; i < need; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    return need;
}

bool bulla_utf8_is(bulla_view text)
{
    for (size_t at = 0; at < text.len;) {
        size_t len = sequence_len(text.data + at, text.len - at);
        if (len == 0) return false;
        at += len;
    }
    return true;
}

bulla_view bulla_read_view(bulla_reader *reader, size_t len)
{
    if (reader->failed || len > reader->rest.len) {
        reader->failed = true;
        return (bulla_view){NULL, 0};
    }
    bulla_view taken = {reader->rest.data, len};
    if (len != 0) reader->rest.data += len;
    reader->rest.len -= len;
    return taken;
}

static uint64_t read_big_endian(bulla_reader *reader, size_t len)
{
    bulla_view bytes = bulla_read_view(reader, len);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | bytes.data[i];
    return value;
}

uint8_t bulla_read_u8(bulla_reader *reader)
{
    return (uint8_t)read_big_endian(reader, 1);
}

uint16_t bulla_read_u16(bulla_reader *reader)
{
    return (uint16_t)read_big_endian(reader, 2);
}

uint32_t bulla_read_u32(bulla_reader *reader)
{
    return (uint32_t)read_big_endian(reader, 4);
}

uint64_t bulla_read_u64(bulla_reader *reader)
{
    return read_big_endian(reader, 8);
}

void bulla_write_view(bulla_writer *writer, bulla_view bytes)
{
    if (writer->failed || (writer->out != NULL && bytes.len > writer->cap - writer->len)) {
        writer->failed = true;
        return;
    }
    if (writer->out != NULL) bulla_copy(writer->out + writer->len, bytes.data, bytes.len);
    writer->len += bytes.len;
}

static void write_big_endian(bulla_writer *writer, uint64_t value, size_t len)
{
    uint8_t bytes[8];
    bulla_put_u64(bytes, value);
    bulla_write_view(writer, bulla_view_of(bytes + 8 - len, len));
}

void bulla_write_u8(bulla_writer *writer, uint8_t value)
{
    write_big_endian(writer, value, 1);
}

void bulla_write_u16(bulla_writer *writer, uint16_t value)
{
    write_big_endian(writer, value, 2);
}

void bulla_write_u32(bulla_writer *writer, uint32_t value)
{
    write_big_endian(writer, value, 4);
}

void bulla_write_u64(bulla_writer *writer, uint64_t value)
{
    write_big_endian(writer, value, 8);
}

void bulla_write_view16(bulla_writer *writer, bulla_view bytes)
{
    if (bytes.len > UINT16_MAX) writer->failed = true;
    bulla_write_u16(writer, (uint16_t)bytes.len);
    bulla_write_view(writer, bytes);
}

/* 1 when low <= c <= high. The compiler must not know that nothing else comes out: clang 14 makes branches of products
 * with 0 or 1. */
static unsigned within(unsigned c, unsigned low, unsigned high)
{
    unsigned is_within = ((low - 1u - c) & (c - high - 1u)) >> 31;
    __asm__("" : "+r"(is_within));
    return is_within;
}

/* 0 to 15 for a hexadecimal digit, 16 for what is none: no table, no branch that the value could be read from. */
static unsigned hex_value(unsigned c)
{
    unsigned digit = within(c, '0', '9'), upper = within(c, 'A', 'F'), lower = within(c, 'a', 'f');
    return digit * (c - '0') + upper * (c - 'A' + 10) + lower * (c - 'a' + 10) + (1 - (digit | upper | lower)) * 16;
}

void bulla_hex_encode(bulla_view bytes, char *out)
{
    for (size_t i = 0; i < 2 * bytes.len; i++) {
        unsigned nibble = (unsigned)bytes.data[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15u;
        unsigned above_nine = within(nibble, 10, 15);
        out[i] = (char)('0' + nibble + above_nine * ('a' - '0' - 10));
    }
    out[2 * bytes.len] = '\0';
}

bool bulla_hex_decode(bulla_view text, uint8_t *out, size_t len)
{
    if (text.len != 2 * len) return false;
    unsigned bad = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned high = hex_value(text.data[2 * i]), low = hex_value(text.data[2 * i + 1]);
        bad |= (high | low) >> 4;
        out[i] = (uint8_t)(high << 4 | (low & 15u));
    }
    return bad == 0;
}

/* The two digits in which the alphabets differ: those for 62 and 63 (RFC 4648, 4 and 5). */
typedef struct alphabet {
    unsigned d62, d63;
} alphabet;
static const alphabet standard = {'+', '/'}, url_safe = {'-', '_'};

static char base64_digit(const alphabet *digits, unsigned value)
{
    unsigned c = within(value + 1, 1, 26) * (value + 'A') + within(value, 26, 51) * (value - 26 + 'a') +
                 within(value, 52, 61) * (value - 52 + '0') + within(value, 62, 62) * digits->d62 +
                 within(value, 63, 63) * digits->d63;
    return (char)c;
}

/* 0 to 63, or 64 for what is no digit. */
static unsigned base64_value(const alphabet *digits, unsigned c)
{
    unsigned upper = within(c, 'A', 'Z'), lower = within(c, 'a', 'z'), digit = within(c, '0', '9');
    unsigned is_62 = within(c, digits->d62, digits->d62), is_63 = within(c, digits->d63, digits->d63);
    unsigned known = upper | lower | digit | is_62 | is_63;
    return upper * (c - 'A') + lower * (c - 'a' + 26) + digit * (c - '0' + 52) + is_62 * 62 + is_63 * 63 +
           (1 - known) * 64;
}

static size_t digits_encode(const alphabet *digits, bulla_view bytes, char *out)
{
    size_t at = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i;
        unsigned group = (unsigned)bytes.data[i] << 16;
        if (have > 1) group |= (unsigned)bytes.data[i + 1] << 8;
        if (have > 2) group |= bytes.data[i + 2];
        out[at++] = base64_digit(digits, group >> 18);
        out[at++] = base64_digit(digits, group >> 12 & 63);
        if (have > 1) out[at++] = base64_digit(digits, group >> 6 & 63);
        if (have > 2) out[at++] = base64_digit(digits, group & 63);
    }
    out[at] = '\0';
    return at;
}

void bulla_base64_encode(bulla_view bytes, char *out)
{
    size_t at = digits_encode(&standard, bytes, out);
    while (at % 4 != 0)
        out[at++] = '=';
    out[at] = '\0';
}

void bulla_base64url_encode(bulla_view bytes, char *out)
{
    (void)digits_encode(&url_safe, bytes, out);
}

/* Digits without padding. A group of two or three ends the text; the bits that it has to spare are zero, so that there
 * is one text for one value. */
static bool digits_decode(const alphabet *digits, bulla_view text, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t len = text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1);
    if (text.len % 4 == 1 || len > cap) return false;
    unsigned bad = 0, group = 0;
    size_t at = 0, num_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned value = base64_value(digits, text.data[i]);
        bad |= value >> 6;
        group = group << 6 | (value & 63);
        num_bits += 6;
        if (num_bits < 8) continue;
        num_bits -= 8;
        out[at++] = (uint8_t)(group >> num_bits);
        group &= (1u << num_bits) - 1;
    }
    if ((bad | group) != 0) return false;
    *out_len = len;
    return true;
}

bool bulla_base64_decode(bulla_view text, uint8_t *out, size_t cap, size_t *out_len)
{
    if (text.len % 4 != 0) return false;
    for (unsigned pad = 0; pad < 2 && text.len != 0 && text.data[text.len - 1] == '='; pad++)
        text.len--;
    return digits_decode(&standard, text, out, cap, out_len);
}

bool bulla_base64url_decode(bulla_view text, uint8_t *out, size_t cap, size_t *out_len)
{
    return digits_decode(&url_safe, text, out, cap, out_len);
}
