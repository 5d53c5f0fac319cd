/* SPDX-License-Identifier: Apache-2.0 */
#include "vector_kit.h"

#include "base/bytes.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

uint8_t vector_nonce[VECTOR_NONCE];
bulla_call vector_call;
static bulla_env env;
static json_t *vectors;

static bulla_status vector_random(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    assert_int_equal(len, sizeof vector_nonce);
    memcpy(out, vector_nonce, sizeof vector_nonce);
    return BULLA_OK;
}

int vectors_load(const char *file)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", BULLA_SPEC_VECTORS, file);
    vectors = json_load_file(path, 0, NULL);
    env = *bulla_env_default();
    env.random = vector_random;
    bulla_call_init(&vector_call, &env);
    return vectors == NULL;
}

int vectors_unload(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

json_t *vector_rows_of(const char *section, size_t at_least)
{
    json_t *rows = json_object_get(vectors, section);
    assert_true(json_array_size(rows) >= at_least);
    return rows;
}

const char *vector_text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    assert_non_null(text);
    return text;
}

uint32_t vector_number_of(const json_t *row, const char *name)
{
    const json_t *number = json_object_get(row, name);
    assert_true(json_is_integer(number));
    return (uint32_t)json_integer_value(number);
}

bulla_view vector_decode(const json_t *text, vector_bytes *out)
{
    const char *digits = json_string_value(text);
    assert_non_null(digits);
    out->len = strlen(digits) / 2;
    assert_true(out->len <= VECTOR_MAX && bulla_hex_decode(bulla_view_text(digits), out->data, out->len));
    return bulla_view_of(out->data, out->len);
}

bulla_view vector_bytes_of(const json_t *row, const char *name, vector_bytes *out)
{
    return vector_decode(json_object_get(row, name), out);
}

void vector_array_of(const json_t *row, const char *name, uint8_t *out, size_t len)
{
    assert_true(bulla_hex_decode(bulla_view_text(vector_text_of(row, name)), out, len));
}
