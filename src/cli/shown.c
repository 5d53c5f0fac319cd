/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/shown.h"

#include <string.h>

/* One character at the start of `bytes`: its length, and its code point; length 0 when it is not UTF-8 (Unicode 15,
 * table 3-7). */
static size_t character(bulla_view bytes, uint32_t *out_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = bytes.data[0];
    size_t len = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || len > bytes.len) return 0;
    uint32_t code = len == 1 ? lead : lead & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((bytes.data[i] & 0xc0u) != 0x80) return 0;
        code = code << 6 | (bytes.data[i] & 0x3fu);
    }
    if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *out_code = code;
    return len;
}

/* C0, DEL and C1 steer terminals; the embeddings, overrides and isolates of bidirectional text reorder what is read. */
static bool is_harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200e && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void cli_shown(bulla_view bytes, char *out, size_t cap)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    while (bytes.len > 0) {
        uint32_t code = 0;
        size_t len = character(bytes, &code);
        bool plain = len != 0 && !is_harmful(code);
        size_t step = len == 0 ? 1 : len;
        if (at + (plain ? step : 4 * step) + 4 > cap) {
            memcpy(out + at, "...", 4);
            return;
        }
        for (size_t i = 0; i < step; i++) {
            if (plain) {
                out[at++] = (char)bytes.data[i];
                continue;
            }
            const char escaped[4] = {'\\', 'x', digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15u]};
            memcpy(out + at, escaped, sizeof escaped);
            at += sizeof escaped;
        }
        bytes = (bulla_view){bytes.data + step, bytes.len - step};
    }
    out[at] = '\0';
}

const char *cli_shown_text(const char *text, bool as_json, char *out, size_t cap)
{
    if (text == NULL) return NULL;
    bool plain = true;
    bulla_view bytes = {(const uint8_t *)text, strlen(text)}, rest = bytes;
    while (rest.len > 0 && plain) {
        uint32_t code = 0;
        size_t len = character(rest, &code);
        plain = len != 0 && (as_json || !is_harmful(code));
        rest = (bulla_view){rest.data + len, rest.len - len};
    }
    if (plain) return text;
    cli_shown(bytes, out, cap);
    return out;
}

json_t *cli_json_path(const char *path)
{
    char shown[CLI_SHOWN];
    return json_string(cli_shown_text(path, true, shown, sizeof shown));
}
