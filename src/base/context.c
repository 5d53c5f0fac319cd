/* SPDX-License-Identifier: Apache-2.0 */
#include "base/context.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <stdlib.h>

#define MAX_PAIRS ((BULLA_MAX_CONTEXT - 2) / 5) /* of two lengths and a byte each: what a context can hold */

struct bulla_context {
    size_t refs, num_pairs, len;
    const bulla_env *env;
    bulla_pair *pairs; /* views into bytes */
    uint8_t *bytes;
};

static int compare_pairs(const void *a, const void *b)
{
    return bulla_view_compare(((const bulla_pair *)a)->key, ((const bulla_pair *)b)->key);
}

static bool is_reserved(bulla_view key)
{
    size_t len = sizeof BULLA_CONTEXT_RESERVED - 1;
    return key.len >= len && memcmp(key.data, BULLA_CONTEXT_RESERVED, len) == 0;
}

static bulla_status pair_check(bulla_call *call, const bulla_pair *pair)
{
    if (pair->key.len == 0) return bulla_fail(call, BULLA_EINVAL, "a context key is empty");
    if (pair->key.len > UINT16_MAX || pair->value.len > UINT16_MAX)
        return bulla_fail(call, BULLA_ELIMIT, "a context key or value is over 65,535 bytes");
    if (!bulla_utf8_is(pair->key) || !bulla_utf8_is(pair->value))
        return bulla_fail(call, BULLA_EINVAL, "a context key or value is not UTF-8");
    return BULLA_OK;
}

static size_t encoded_len(const bulla_pair *pairs, size_t num_pairs)
{
    size_t len = num_pairs == 0 ? 0 : 2;
    for (size_t i = 0; i < num_pairs; i++)
        len += 4 + pairs[i].key.len + pairs[i].value.len;
    return len;
}

/* One allocation: the struct, the pairs, the bytes. */
static bulla_status context_alloc(bulla_call *call, size_t num_pairs, size_t len, bulla_context **out_context)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_context) + num_pairs * sizeof(bulla_pair) + len, &memory));
    bulla_context *context = memory;
    context->refs = 1;
    context->env = bulla_env_of(call);
    context->num_pairs = num_pairs;
    context->len = len;
    context->pairs = (bulla_pair *)(context + 1);
    context->bytes = (uint8_t *)(context->pairs + num_pairs);
    *out_context = context;
    return BULLA_OK;
}

static bulla_view write_text(bulla_writer *writer, bulla_view text)
{
    bulla_write_view16(writer, text);
    return bulla_view_of(writer->out + writer->len - text.len, text.len);
}

static void context_encode(bulla_context *context)
{
    if (context->num_pairs == 0) return;
    bulla_writer writer = bulla_writer_of(context->bytes, context->len);
    bulla_write_u16(&writer, (uint16_t)context->num_pairs);
    for (size_t i = 0; i < context->num_pairs; i++) {
        bulla_pair *pair = &context->pairs[i];
        pair->key = write_text(&writer, pair->key);
        pair->value = write_text(&writer, pair->value);
    }
}

bulla_status bulla_context_new_reserved(bulla_call *call, const bulla_pair *pairs, size_t num_pairs,
                                        bulla_context **out_context)
{
    if (num_pairs > MAX_PAIRS) return bulla_fail(call, BULLA_ELIMIT, "a context holds at most %u pairs", MAX_PAIRS);
    for (size_t i = 0; i < num_pairs; i++)
        BULLA_TRY(pair_check(call, &pairs[i]));
    size_t len = encoded_len(pairs, num_pairs);
    if (len > BULLA_MAX_CONTEXT)
        return bulla_fail(call, BULLA_ELIMIT, "the context takes %zu bytes, at most %u fit", len, BULLA_MAX_CONTEXT);
    BULLA_AUTO(bulla_context) *context = NULL;
    BULLA_TRY(context_alloc(call, num_pairs, len, &context));
    bulla_copy(context->pairs, pairs, num_pairs * sizeof *pairs);
    if (num_pairs > 1) qsort(context->pairs, num_pairs, sizeof *pairs, compare_pairs);
    for (size_t i = 1; i < num_pairs; i++)
        if (compare_pairs(&context->pairs[i - 1], &context->pairs[i]) == 0)
            return bulla_fail(call, BULLA_EINVAL, "context key \"%.*s\" is given twice", (int)context->pairs[i].key.len,
                              (const char *)context->pairs[i].key.data);
    context_encode(context);
    *out_context = BULLA_TAKE(context);
    return BULLA_OK;
}

bulla_status bulla_context_new(bulla_call *call, const bulla_pair *pairs, size_t num_pairs, bulla_context **out_context)
{
    for (size_t i = 0; i < num_pairs; i++)
        if (is_reserved(pairs[i].key))
            return bulla_fail(call, BULLA_EINVAL,
                              "context keys starting with \"" BULLA_CONTEXT_RESERVED
                              "\" are reserved by the message format");
    return bulla_context_new_reserved(call, pairs, num_pairs, out_context);
}

static bulla_status decode_pairs(bulla_call *call, bulla_reader *reader, bulla_context *context)
{
    for (size_t i = 0; i < context->num_pairs; i++) {
        bulla_pair *pair = &context->pairs[i];
        pair->key = bulla_read_view16(reader);
        pair->value = bulla_read_view16(reader);
        if (reader->failed) return bulla_fail(call, BULLA_EFORMAT, "context pair %zu runs past the end", i + 1);
        if (!bulla_utf8_is(pair->key) || !bulla_utf8_is(pair->value))
            return bulla_fail(call, BULLA_EFORMAT, "context pair %zu is not UTF-8", i + 1);
        if (i > 0 && compare_pairs(pair - 1, pair) >= 0)
            return bulla_fail(call, BULLA_EFORMAT, "context pair %zu is out of order", i + 1);
    }
    return BULLA_OK;
}

bulla_status bulla_context_decode(bulla_call *call, bulla_view bytes, bulla_context **out_context)
{
    bulla_reader reader = bulla_reader_of(bytes);
    size_t num_pairs = bytes.len == 0 ? 0 : bulla_read_u16(&reader);
    if (bytes.len != 0 && (num_pairs == 0 || num_pairs > bytes.len / 4))
        return bulla_fail(call, BULLA_EFORMAT, "the context's count does not fit its length");
    BULLA_AUTO(bulla_context) *context = NULL;
    BULLA_TRY(context_alloc(call, num_pairs, bytes.len, &context));
    bulla_copy(context->bytes, bytes.data, bytes.len);
    reader = bulla_reader_of(bulla_view_of(context->bytes, bytes.len));
    (void)bulla_read_view(&reader, bytes.len == 0 ? 0 : 2);
    BULLA_TRY(decode_pairs(call, &reader, context));
    if (reader.rest.len != 0) return bulla_fail(call, BULLA_EFORMAT, "bytes are left over after the context");
    *out_context = BULLA_TAKE(context);
    return BULLA_OK;
}

bulla_view bulla_context_bytes(const bulla_context *context)
{
    return context == NULL ? (bulla_view){NULL, 0} : (bulla_view){context->bytes, context->len};
}

size_t bulla_context_count(const bulla_context *context)
{
    return context == NULL ? 0 : context->num_pairs;
}

bulla_pair bulla_context_at(const bulla_context *context, size_t index)
{
    return index < bulla_context_count(context) ? context->pairs[index] : (bulla_pair){{NULL, 0}, {NULL, 0}};
}

bool bulla_context_find(const bulla_context *context, bulla_view key, bulla_view *out_value)
{
    for (size_t i = 0; i < bulla_context_count(context); i++) {
        if (!bulla_view_equal(context->pairs[i].key, key)) continue;
        *out_value = context->pairs[i].value;
        return true;
    }
    return false;
}

bulla_context *bulla_context_ref(bulla_context *context)
{
    if (context != NULL) bulla_refs_take(&context->refs);
    return context;
}

void bulla_context_unref(bulla_context *context)
{
    if (context != NULL && bulla_refs_drop(&context->refs)) bulla_free(context->env, context);
}
