/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#define CHUNK 48u /* bytes encoded at a time */

bulla_json_writer bulla_json_writer_of(bulla_writer *out)
{
    return (bulla_json_writer){.out = out};
}

static void put_char(bulla_json_writer *writer, char c)
{
    bulla_write_u8(writer->out, (uint8_t)c);
}

/* Before a value or a name: the comma after what came before it. */
static void put_comma(bulla_json_writer *writer)
{
    if (!writer->named && writer->comma[writer->depth]) put_char(writer, ',');
    writer->comma[writer->depth] = true;
    writer->named = false;
}

void bulla_json_open(bulla_json_writer *writer, char bracket)
{
    put_comma(writer);
    if (writer->depth == BULLA_JSON_MAX_DEPTH) {
        writer->out->failed = true;
        return;
    }
    put_char(writer, bracket);
    writer->comma[++writer->depth] = false;
}

void bulla_json_close(bulla_json_writer *writer, char bracket)
{
    if (writer->depth == 0 || writer->named) {
        writer->out->failed = true;
        return;
    }
    put_char(writer, bracket);
    writer->depth--;
}

static void put_escaped(bulla_json_writer *writer, uint8_t c)
{
    static const char names[] = "\"\\bfnrt", meant[] = "\"\\\b\f\n\r\t";
    const char *known = c == 0 ? NULL : strchr(meant, c);
    if (known != NULL) {
        const char text[2] = {'\\', names[known - meant]};
        bulla_write_view(writer->out, bulla_view_of(text, sizeof text));
        return;
    }
    char digits[3];
    bulla_hex_encode(bulla_view_of(&c, 1), digits);
    bulla_write_view(writer->out, bulla_view_text("\\u00"));
    bulla_write_view(writer->out, bulla_view_of(digits, 2));
}

static void put_string(bulla_json_writer *writer, bulla_view text)
{
    if (!bulla_utf8_is(text)) writer->out->failed = true;
    put_char(writer, '"');
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        bulla_write_view(writer->out, bulla_view_of(text.data + start, i - start));
        put_escaped(writer, c);
        start = i + 1;
    }
    if (start < text.len) bulla_write_view(writer->out, bulla_view_of(text.data + start, text.len - start));
    put_char(writer, '"');
}

void bulla_json_put_name(bulla_json_writer *writer, const char *name)
{
    if (writer->named || writer->depth == 0) writer->out->failed = true;
    put_comma(writer);
    put_string(writer, bulla_view_text(name));
    put_char(writer, ':');
    writer->named = true;
}

void bulla_json_put_text(bulla_json_writer *writer, bulla_view text)
{
    put_comma(writer);
    put_string(writer, text);
}

void bulla_json_put_int(bulla_json_writer *writer, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    put_comma(writer);
    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (value < 0) put_char(writer, '-');
    bulla_write_view(writer->out, bulla_view_of(digits + at, sizeof digits - at));
}

void bulla_json_put_bool(bulla_json_writer *writer, bool value)
{
    put_comma(writer);
    bulla_write_view(writer->out, bulla_view_text(value ? "true" : "false"));
}

/* In pieces, each of which fills its groups, so that the text of a key lies in one small array that is wiped. */
void bulla_json_put_base64(bulla_json_writer *writer, bulla_json_form form, bulla_view bytes)
{
    put_comma(writer);
    put_char(writer, '"');
    for (size_t at = 0; at < bytes.len; at += CHUNK) {
        BULLA_WIPED(char, text, CHUNK / 3 * 4 + 1);
        size_t left = bytes.len - at;
        bulla_view piece = bulla_view_of(bytes.data + at, left < CHUNK ? left : CHUNK);
        if (form == BULLA_JSON_BASE64URL)
            bulla_base64url_encode(piece, text);
        else
            bulla_base64_encode(piece, text);
        bulla_write_view(writer->out, bulla_view_text(text));
    }
    put_char(writer, '"');
}
