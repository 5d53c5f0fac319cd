/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/rsa_der.h"

#include "base/bytes.h"

enum tag { INTEGER = 0x02, OCTET_STRING = 0x04, SEQUENCE = 0x30 };

/* AlgorithmIdentifier of rsaEncryption, whose parameters are NULL (RFC 8017, A.1). */
static const uint8_t algorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                    0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8_t version_0[] = {INTEGER, 1, 0};

/* --- reading --- */

/* X.690, 10.1: lengths in their shortest form. No part of a key is over 64 KiB. */
static bulla_view part_read(bulla_reader *reader, uint8_t tag)
{
    if (bulla_read_u8(reader) != tag) reader->failed = true;
    size_t len = bulla_read_u8(reader), least = 0;
    if (len == 0x81) {
        len = bulla_read_u8(reader);
        least = 0x80;
    } else if (len == 0x82) {
        len = bulla_read_u16(reader);
        least = 0x100;
    } else if (len >= 0x80) {
        reader->failed = true;
    }
    if (len < least) reader->failed = true;
    return bulla_read_view(reader, len);
}

/* A positive number without its sign. X.690, 8.3.2: no more zeros before it than that takes. */
static bulla_view number_read(bulla_reader *reader)
{
    bulla_view bytes = part_read(reader, INTEGER);
    bool has_sign = bytes.len > 1 && bytes.data[0] == 0;
    if (bytes.len == 0 || (bytes.data[0] & 0x80) != 0 || (has_sign && (bytes.data[1] & 0x80) == 0)) {
        reader->failed = true;
        return (bulla_view){NULL, 0};
    }
    return has_sign ? bulla_view_of(bytes.data + 1, bytes.len - 1) : bytes;
}

static void exactly(bulla_reader *reader, const uint8_t *bytes, size_t len)
{
    if (!bulla_view_equal(bulla_read_view(reader, len), bulla_view_of(bytes, len))) reader->failed = true;
}

static bool is_all_read(const bulla_reader *reader)
{
    return !reader->failed && reader->rest.len == 0;
}

bool bulla_rsa_pkcs1_read(bulla_view der, bulla_rsa_numbers *out_numbers)
{
    bulla_reader outer = bulla_reader_of(der);
    bulla_reader key = bulla_reader_of(part_read(&outer, SEQUENCE));
    exactly(&key, version_0, sizeof version_0); /* 1 is a key of more than two primes */
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        out_numbers->at[i] = number_read(&key);
    return is_all_read(&outer) && is_all_read(&key);
}

/* RFC 5958, 2: version 2 is written as 1 and may have the public key behind, both versions attributes. */
bool bulla_rsa_pkcs8_read(bulla_view der, bulla_rsa_numbers *out_numbers)
{
    bulla_reader outer = bulla_reader_of(der);
    bulla_reader info = bulla_reader_of(part_read(&outer, SEQUENCE));
    bulla_view version = part_read(&info, INTEGER);
    exactly(&info, algorithm, sizeof algorithm);
    bulla_view key = part_read(&info, OCTET_STRING);
    while (!info.failed && info.rest.len != 0) {
        uint8_t tag = info.rest.data[0];
        if (tag != 0xA0 && tag != 0x81) return false;
        (void)part_read(&info, tag);
    }
    return is_all_read(&outer) && is_all_read(&info) && version.len == 1 && version.data[0] <= 1 &&
           bulla_rsa_pkcs1_read(key, out_numbers);
}

/* --- writing --- */

static size_t part_len(size_t len)
{
    return 1 + (len < 0x80 ? 1u : len < 0x100 ? 2u : 3u) + len;
}

static size_t sign_len(bulla_view number)
{
    return number.len == 0 || (number.data[0] & 0x80) != 0 ? 1 : 0;
}

static size_t numbers_len(const bulla_rsa_numbers *numbers)
{
    size_t len = sizeof version_0;
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        len += part_len(sign_len(numbers->at[i]) + numbers->at[i].len);
    return len;
}

static size_t info_len(const bulla_rsa_numbers *numbers)
{
    return sizeof version_0 + sizeof algorithm + part_len(part_len(numbers_len(numbers)));
}

size_t bulla_rsa_pkcs8_len(const bulla_rsa_numbers *numbers)
{
    return part_len(info_len(numbers));
}

static void head_write(bulla_writer *writer, uint8_t tag, size_t len)
{
    bulla_write_u8(writer, tag);
    if (len >= 0x100) bulla_write_u8(writer, 0x82);
    if (len >= 0x80 && len < 0x100) bulla_write_u8(writer, 0x81);
    if (len >= 0x100)
        bulla_write_u16(writer, (uint16_t)len);
    else
        bulla_write_u8(writer, (uint8_t)len);
}

void bulla_rsa_pkcs8_write(const bulla_rsa_numbers *numbers, uint8_t *out)
{
    bulla_writer writer = bulla_writer_of(out, bulla_rsa_pkcs8_len(numbers));
    head_write(&writer, SEQUENCE, info_len(numbers));
    bulla_write_view(&writer, bulla_view_of(version_0, sizeof version_0));
    bulla_write_view(&writer, bulla_view_of(algorithm, sizeof algorithm));
    head_write(&writer, OCTET_STRING, part_len(numbers_len(numbers)));
    head_write(&writer, SEQUENCE, numbers_len(numbers));
    bulla_write_view(&writer, bulla_view_of(version_0, sizeof version_0));
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++) {
        bulla_view number = numbers->at[i];
        head_write(&writer, INTEGER, sign_len(number) + number.len);
        if (sign_len(number) != 0) bulla_write_u8(&writer, 0);
        bulla_write_view(&writer, number);
    }
}
