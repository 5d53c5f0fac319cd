/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes without pointer arithmetic: views to look, readers to take apart, writers to put together. Readers and writers
 * have sticky failure: do all the steps, then ask once.
 */
#ifndef BULLA_BASE_BYTES_H
#define BULLA_BASE_BYTES_H

#include "bulla/types.h"

#include <string.h>

static inline bulla_view bulla_view_of(const void *data, size_t len)
{
    return (bulla_view){(const uint8_t *)data, len};
}

static inline bulla_view bulla_view_text(const char *text)
{
    return (bulla_view){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool bulla_view_equal(bulla_view a, bulla_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool bulla_view_is(bulla_view a, const char *text)
{
    return bulla_view_equal(a, bulla_view_text(text));
}

/* memcmp of the shorter length, then the shorter first. */
int bulla_view_compare(bulla_view a, bulla_view b);

/* Equal or not in time that depends on `len` alone. */
bool bulla_equal_ct(const uint8_t *a, const uint8_t *b, size_t len);

/* memcpy that accepts NULL with length 0. */
static inline void bulla_copy(void *to, const void *from, size_t len)
{
    if (len != 0) memcpy(to, from, len);
}

bool bulla_utf8_is(bulla_view text);

typedef struct bulla_reader {
    bulla_view rest;
    bool failed; /* something was read past the end */
} bulla_reader;

static inline bulla_reader bulla_reader_of(bulla_view bytes)
{
    return (bulla_reader){bytes, false};
}

bulla_view bulla_read_view(bulla_reader *reader, size_t len); /* empty view after failure */
uint8_t bulla_read_u8(bulla_reader *reader);
uint16_t bulla_read_u16(bulla_reader *reader); /* big-endian, all of them */
uint32_t bulla_read_u32(bulla_reader *reader);
uint64_t bulla_read_u64(bulla_reader *reader);
static inline bulla_view bulla_read_view16(bulla_reader *reader) /* u16 length, then the bytes */
{
    return bulla_read_view(reader, bulla_read_u16(reader));
}

typedef struct bulla_writer {
    uint8_t *out; /* NULL: count only */
    size_t cap, len;
    bool failed; /* something did not fit; nothing past cap was touched */
} bulla_writer;

static inline bulla_writer bulla_writer_of(uint8_t *out, size_t cap)
{
    return (bulla_writer){out, cap, 0, false};
}

void bulla_write_view(bulla_writer *writer, bulla_view bytes);
void bulla_write_u8(bulla_writer *writer, uint8_t value);
void bulla_write_u16(bulla_writer *writer, uint16_t value);
void bulla_write_u32(bulla_writer *writer, uint32_t value);
void bulla_write_u64(bulla_writer *writer, uint64_t value);
void bulla_write_view16(bulla_writer *writer, bulla_view bytes); /* fails over 65,535 bytes */

static inline void bulla_put_u16(uint8_t *out, uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}
static inline void bulla_put_u32(uint8_t *out, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(out, &v, 4);
}
static inline void bulla_put_u64(uint8_t *out, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(out, &v, 8);
}
static inline uint32_t bulla_get_u32(const uint8_t *in)
{
    uint32_t v;
    memcpy(&v, in, 4);
    return __builtin_bswap32(v);
}

/* Hexadecimal, lower case, base64 (RFC 4648, 4, padded) and base64url (5, unpadded). In constant time for the data:
 * keys pass through here.
 * Encoders write a NUL after the text; `out` holds 2 * len + 1, or 4 * ((len + 2) / 3) + 1. */
void bulla_hex_encode(bulla_view bytes, char *out);
bool bulla_hex_decode(bulla_view text, uint8_t *out, size_t len); /* exactly 2 * len digits, either case */
void bulla_base64_encode(bulla_view bytes, char *out);
bool bulla_base64_decode(bulla_view text, uint8_t *out, size_t cap, size_t *out_len); /* strict padding, no spaces */
void bulla_base64url_encode(bulla_view bytes, char *out);
bool bulla_base64url_decode(bulla_view text, uint8_t *out, size_t cap, size_t *out_len);

#endif
