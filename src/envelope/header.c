/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/header.h"

#include "base/bytes.h"
#include "crypto/aead.h"

#include <stdio.h>

#define TYPE_CUSTOMER_DATA 0x80u /* message-header.md, Type: the only one; version 1 only */
#define CONTENT_NONFRAMED 0x01u
#define CONTENT_FRAMED 0x02u

/* A reader that, when bytes run out, or the bound of a header, remembers how many there must be instead of failing. */
typedef struct scanner {
    bulla_view bytes;
    size_t at, need;
} scanner;

static bool take_view(scanner *cursor, size_t len, bulla_view *out)
{
    size_t end = cursor->at + len;
    if (cursor->need == 0 && (end > cursor->bytes.len || end > BULLA_MAX_HEADER)) cursor->need = end;
    if (cursor->need != 0) return false;
    *out = bulla_view_of(cursor->bytes.data + cursor->at, len);
    cursor->at += len;
    return true;
}

/* A big-endian number of `len` bytes, 4 at most. */
static bool take_number(scanner *cursor, size_t len, uint32_t *out)
{
    bulla_view view;
    if (!take_view(cursor, len, &view)) return false;
    *out = 0;
    for (size_t i = 0; i < len; i++)
        *out = *out << 8 | view.data[i];
    return true;
}

static bool take_view16(scanner *cursor, bulla_view *out)
{
    uint32_t len = 0;
    return take_number(cursor, 2, &len) && take_view(cursor, len, out);
}

static bulla_status malformed(bulla_call *call, size_t at, const char *what)
{
    return bulla_fail(call, BULLA_EFORMAT, "the message header is malformed at byte %zu: %s", at, what);
}

/* decrypt.md, Encrypted Message Format: base64 text given for bytes is a common mistake that its first two characters
 * betray: 01 80 becomes "AY"; version 2 with a suite byte below 0x10 becomes "Ag". */
static bulla_status not_a_message(bulla_call *call, bulla_view bytes)
{
    if (bytes.data[0] == 'A' && (bytes.data[1] == 'Y' || bytes.data[1] == 'g'))
        return bulla_fail(call, BULLA_EFORMAT,
                          "this looks like a message in base64: decode it to bytes first (base64 -d)");
    return bulla_fail(call, BULLA_EFORMAT,
                      "this is not a message: it begins with the byte 0x%02x, a message with "
                      "its version, 0x01 or 0x02",
                      bytes.data[0]);
}

/* message-header.md, Version, Type, Algorithm Suite ID. */
static bulla_status scan_suite(bulla_call *call, scanner *cursor, bulla_header *header)
{
    bulla_view start;
    if (!take_view(cursor, 2, &start)) return BULLA_OK;
    uint8_t version = start.data[0];
    if (version != 1 && version != 2) return not_a_message(call, start);
    if (version == 1 && start.data[1] != TYPE_CUSTOMER_DATA) return malformed(call, 1, "the type is not 0x80");
    if (version == 2) cursor->at = 1;
    size_t at = cursor->at;
    uint32_t id = 0;
    if (!take_number(cursor, 2, &id)) return BULLA_OK;
    header->suite = bulla_suite_find((uint16_t)id);
    if (header->suite == NULL)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "the message header at byte %zu names suite 0x%04x, which is not known", at, (unsigned)id);
    if (header->suite->version != version)
        return bulla_fail(call, BULLA_EFORMAT,
                          "the message header at byte %zu names suite 0x%04x, which version %u "
                          "does not have",
                          at, (unsigned)id, (unsigned)version);
    return BULLA_OK;
}

static bulla_status scan_id_context(bulla_call *call, scanner *cursor, bulla_header *header)
{
    (void)call;
    if (take_view(cursor, header->suite->version == 2 ? 32 : 16, &header->id))
        (void)take_view16(cursor, &header->context_bytes);
    return BULLA_OK;
}

/* message-header.md, Encrypted Data Keys: at least one. More than Bulla's limit end the reading at once (decrypt.md,
 * Parse the header). */
static bulla_status scan_recipients(bulla_call *call, scanner *cursor, bulla_header *header)
{
    size_t start = cursor->at;
    uint32_t num = 0;
    if (!take_number(cursor, 2, &num)) return BULLA_OK;
    if (num == 0) return malformed(call, start, "no wrapped data key follows");
    if (num > BULLA_MAX_RECIPIENTS)
        return bulla_fail(call, BULLA_ELIMIT,
                          "the message header at byte %zu says %u wrapped data keys; at most %u are read", start,
                          (unsigned)num, BULLA_MAX_RECIPIENTS);
    for (header->num_recipients = 0; header->num_recipients < num; header->num_recipients++) {
        bulla_wrapped *wrapped = &header->recipients[header->num_recipients];
        size_t at = cursor->at;
        if (!take_view16(cursor, &wrapped->provider) || !take_view16(cursor, &wrapped->info) ||
            !take_view16(cursor, &wrapped->blob))
            return BULLA_OK;
        if (!bulla_utf8_is(wrapped->provider)) return malformed(call, at, "a key provider id is not UTF-8");
    }
    return BULLA_OK;
}

/* message-header.md, Reserved and IV Length: version 1 only. */
static bulla_status scan_reserved(bulla_call *call, scanner *cursor)
{
    size_t at = cursor->at;
    uint32_t reserved = 0, iv_len = 0;
    if (!take_number(cursor, 4, &reserved)) return BULLA_OK;
    if (reserved != 0) return malformed(call, at, "the reserved bytes are not zero");
    if (!take_number(cursor, 1, &iv_len)) return BULLA_OK;
    return iv_len == BULLA_NONCE_LEN ? BULLA_OK : malformed(call, at + 4, "the IV length is not 12");
}

/* message-header.md, Content Type and Frame Length. */
static bulla_status scan_frames(bulla_call *call, scanner *cursor, bulla_header *header)
{
    size_t at = cursor->at;
    uint32_t type = 0;
    if (!take_number(cursor, 1, &type)) return BULLA_OK;
    if (type != CONTENT_NONFRAMED && type != CONTENT_FRAMED)
        return malformed(call, at, "the content type is neither 1 nor 2");
    header->framed = type == CONTENT_FRAMED;
    if (header->suite->version == 1) BULLA_TRY(scan_reserved(call, cursor));
    at = cursor->at;
    if (!take_number(cursor, 4, &header->frame_len)) return BULLA_OK;
    if (header->framed && header->frame_len == 0) return malformed(call, at, "the frame length is 0");
    if (!header->framed && header->frame_len != 0)
        return malformed(call, at, "a body without frames has a frame length");
    return BULLA_OK;
}

/* message-header.md, Header Authentication: version 1 writes its IV, version 2 has none and commits to its key. */
static bulla_status scan_auth(bulla_call *call, scanner *cursor, bulla_header *header)
{
    (void)call;
    if (header->suite->version == 2 && !take_view(cursor, BULLA_COMMITMENT_LEN, &header->commitment)) return BULLA_OK;
    header->body = bulla_view_of(cursor->bytes.data, cursor->at);
    if (header->suite->version == 1 && !take_view(cursor, BULLA_NONCE_LEN, &header->iv)) return BULLA_OK;
    if (take_view(cursor, BULLA_TAG_LEN, &header->tag)) header->len = cursor->at;
    return BULLA_OK;
}

static bulla_status scan(bulla_call *call, scanner *cursor, bulla_header *header)
{
    static bulla_status (*const stages[])(bulla_call *, scanner *, bulla_header *) = {
        scan_suite, scan_id_context, scan_recipients, scan_frames, scan_auth};
    for (size_t i = 0; i < BULLA_LEN(stages) && cursor->need == 0; i++)
        BULLA_TRY(stages[i](call, cursor, header));
    if (cursor->need > BULLA_MAX_HEADER)
        return bulla_fail(call, BULLA_ELIMIT, "the message header is over %u bytes long", BULLA_MAX_HEADER);
    return BULLA_OK;
}

/* Gives the place to what the context's own decoder says. */
static bulla_status decode_context(bulla_call *call, bulla_view bytes, bulla_header *header)
{
    if (header->context_bytes.len == 0) return BULLA_OK;
    bulla_status status = bulla_context_decode(call, header->context_bytes, &header->context);
    if (status != BULLA_EFORMAT || call == NULL) return status;
    char why[sizeof call->why];
    (void)snprintf(why, sizeof why, "%s", call->why);
    return malformed(call, (size_t)(header->context_bytes.data - bytes.data), why);
}

bulla_status bulla_header_decode(bulla_call *call, bulla_view bytes, bulla_header *out_header, size_t *out_need)
{
    scanner cursor = {bytes, 0, 0};
    bulla_header header = {0};
    BULLA_TRY(scan(call, &cursor, &header));
    if (cursor.need == 0) {
        BULLA_TRY(decode_context(call, bytes, &header));
        *out_header = header;
    }
    *out_need = cursor.need != 0 ? cursor.need : header.len;
    return BULLA_OK;
}

size_t bulla_header_encoded_len(const bulla_header *header)
{
    size_t len = 1 + 2 + BULLA_ID_MAX + 2 + bulla_context_bytes(header->context).len + 2;
    for (size_t i = 0; i < header->num_recipients; i++) {
        const bulla_wrapped *wrapped = &header->recipients[i];
        len += 6 + wrapped->provider.len + wrapped->info.len + wrapped->blob.len;
    }
    return len + 1 + 4 + BULLA_COMMITMENT_LEN + BULLA_TAG_LEN;
}

bulla_status bulla_header_encode(bulla_call *call, const bulla_header *header, uint8_t *out, size_t cap,
                                 size_t *out_len)
{
    bulla_writer writer = bulla_writer_of(out, cap);
    bulla_write_u8(&writer, header->suite->version);
    bulla_write_u16(&writer, header->suite->id);
    bulla_write_view(&writer, header->id);
    bulla_write_view16(&writer, bulla_context_bytes(header->context));
    bulla_write_u16(&writer, (uint16_t)header->num_recipients);
    for (size_t i = 0; i < header->num_recipients; i++) {
        bulla_write_view16(&writer, header->recipients[i].provider);
        bulla_write_view16(&writer, header->recipients[i].info);
        bulla_write_view16(&writer, header->recipients[i].blob);
    }
    bulla_write_u8(&writer, header->framed ? CONTENT_FRAMED : CONTENT_NONFRAMED);
    bulla_write_u32(&writer, header->frame_len);
    bulla_write_view(&writer, header->commitment);
    if (writer.failed)
        return bulla_fail(call, BULLA_ELIMIT, "a part of the message header does not fit its length field");
    *out_len = writer.len;
    return BULLA_OK;
}

void bulla_header_done(bulla_header *header)
{
    bulla_context_unref(header->context);
    *header = (bulla_header){0};
}
