/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/pem.h"

#include "base/bytes.h"

#define DASHES "-----"
#define BEGIN DASHES "BEGIN "
#define END DASHES "END "

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* The next line of *text, without what ends it. */
static bool line_next(bulla_view *text, bulla_view *out_line)
{
    if (text->len == 0) return false;
    const uint8_t *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data), whole = end == NULL ? len : len + 1;
    *out_line = bulla_view_of(text->data, len);
    while (out_line->len > 0 && is_space(out_line->data[out_line->len - 1]))
        out_line->len--;
    *text = bulla_view_of(text->data + whole, text->len - whole);
    return true;
}

/* "-----BEGIN LABEL-----" and its counterpart. */
static bool label_get(bulla_view line, const char *start, bulla_view *out_label)
{
    size_t before = strlen(start), after = sizeof DASHES - 1;
    if (line.len < before + after || memcmp(line.data, start, before) != 0 ||
        memcmp(line.data + line.len - after, DASHES, after) != 0)
        return false;
    *out_label = bulla_view_of(line.data + before, line.len - before - after);
    return true;
}

static bool end_find(bulla_view *text, bulla_pem *block)
{
    const uint8_t *start = text->data;
    bulla_view line, label;
    for (const uint8_t *at = start; line_next(text, &line); at = text->data) {
        if (!label_get(line, END, &label)) continue;
        block->body = bulla_view_of(start, (size_t)(at - start));
        return bulla_view_equal(label, block->label);
    }
    return false;
}

bool bulla_pem_next(bulla_view *text, bulla_pem *out_block)
{
    bulla_view line;
    bulla_pem block;
    while (line_next(text, &line)) {
        if (!label_get(line, BEGIN, &block.label)) continue;
        if (!end_find(text, &block)) return false;
        *out_block = block;
        return true;
    }
    return false;
}

bool bulla_pem_has_headers(const bulla_pem *block)
{
    return block->body.len != 0 && memchr(block->body.data, ':', block->body.len) != NULL;
}

bulla_status bulla_pem_decode(bulla_call *call, const bulla_pem *block, bulla_secret **out_bytes)
{
    BULLA_AUTO(bulla_secret) *text = NULL;
    BULLA_AUTO(bulla_secret) *bytes = NULL;
    size_t text_len = 0, len = 0;
    if (block->body.len == 0) return bulla_fail(call, BULLA_EFORMAT, "an empty PEM block");
    BULLA_TRY(bulla_secret_new(call, block->body.len, &text));
    BULLA_TRY(bulla_secret_new(call, block->body.len, &bytes));
    uint8_t *to = bulla_secret_fill(text);
    for (size_t i = 0; i < block->body.len; i++)
        if (!is_space(block->body.data[i])) to[text_len++] = block->body.data[i];
    if (!bulla_base64_decode(bulla_view_of(to, text_len), bulla_secret_fill(bytes), block->body.len, &len) || len == 0)
        return bulla_fail(call, BULLA_EFORMAT, "no PEM block, or a damaged one");
    return bulla_secret_copy(call, bulla_view_of(bulla_secret_fill(bytes), len), out_bytes);
}
