/* SPDX-License-Identifier: Apache-2.0 */
/* spec/vectors/record.json against the library, both directions. */
#include "envelope/record.h"

#include "base/bytes.h"
#include "base/context.h"
#include "cmocka_all.h"
#include "fakes/plain_provider.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 8192u

typedef struct bytes {
    uint8_t data[MAX_BYTES];
    size_t len;
} bytes;

static json_t *vectors;
static uint8_t next_nonce[BULLA_NONCE_LEN];
static bulla_env env;
static bulla_call call;

/* Randomness that is a vector's nonce: the only thing a writer draws. */
static bulla_status vector_random(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    assert_int_equal(len, sizeof next_nonce);
    memcpy(out, next_nonce, sizeof next_nonce);
    return BULLA_OK;
}

static int load(void **state)
{
    (void)state;
    vectors = json_load_file(BULLA_SPEC_VECTORS "/record.json", 0, NULL);
    env = *bulla_env_default();
    env.random = vector_random;
    bulla_call_init(&call, &env);
    return vectors == NULL;
}

static int unload(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

static const char *text_of(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    assert_non_null(text);
    return text;
}

static bulla_view bytes_of(const json_t *row, const char *name, bytes *out)
{
    const char *text = text_of(row, name);
    out->len = strlen(text) / 2;
    assert_true(out->len <= MAX_BYTES && bulla_hex_decode(bulla_view_text(text), out->data, out->len));
    return bulla_view_of(out->data, out->len);
}

static void array_of(const json_t *row, const char *name, uint8_t *out, size_t len)
{
    assert_true(bulla_hex_decode(bulla_view_text(text_of(row, name)), out, len));
}

static void key_of(const json_t *row, const char *key, const char *id, const char *version, bulla_record_key *out_key)
{
    uint8_t material[32];
    array_of(row, key, material, sizeof material);
    array_of(row, id, out_key->id, sizeof out_key->id);
    out_key->version = (uint32_t)json_integer_value(json_object_get(row, version));
    assert_ok(bulla_aead_new(&call, bulla_view_of(material, sizeof material), &out_key->aead));
}

static json_t *rows_of(const char *section, size_t at_least)
{
    json_t *rows = json_object_get(vectors, section);
    assert_true(json_array_size(rows) >= at_least);
    return rows;
}

static void test_the_id_of_a_data_key_is_computed_from_it(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    plain_provider plain;
    plain_provider_init(&plain);
    json_array_foreach(rows_of("ids", 5), i, row)
    {
        bytes dek, id;
        uint8_t out[BULLA_RECORD_OVERHEAD];
        size_t len = 0;
        const bulla_wrapped wrapped = {bulla_view_text("plain"), {NULL, 0}, bytes_of(row, "key", &dek)};
        bulla_datakey *datakey = NULL;
        assert_ok(bulla_datakey_open(&call, &plain.base, NULL, &wrapped, NULL, &datakey));
        assert_ok(bulla_record_encrypt(datakey, &call, NULL, bulla_view_of(NULL, 0), out, sizeof out, &len));
        assert_memory_equal(out + 1, bytes_of(row, "id", &id).data, BULLA_RECORD_ID_LEN);
        bulla_datakey_unref(datakey);
    }
}

static void seal_check(const json_t *row, const bulla_record_key *key, bulla_view bound)
{
    bytes text, record;
    uint8_t out[MAX_BYTES];
    bulla_view plaintext = bytes_of(row, "plaintext", &text), sealed = bytes_of(row, "record", &record);
    array_of(row, "nonce", next_nonce, sizeof next_nonce);
    assert_int_equal(record.len, text.len + BULLA_RECORD_OVERHEAD);
    assert_ok(bulla_record_seal(key, &call, bound, plaintext, out));
    assert_memory_equal(out, record.data, record.len);
    assert_ok(bulla_record_open(key, &call, bound, sealed, out));
    if (text.len != 0) assert_memory_equal(out, text.data, text.len);
}

static void test_sealing_makes_the_vectors_record_and_opening_its_plaintext(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    json_array_foreach(rows_of("seal", 30), i, row)
    {
        bytes bound;
        bulla_record_key key;
        key_of(row, "key", "id", "version", &key);
        seal_check(row, &key, bytes_of(row, "bound", &bound));
        bulla_aead_unref(key.aead);
    }
}

static bulla_context *context_of(json_t *pairs)
{
    bulla_pair list[8];
    size_t num = 0;
    const char *name;
    json_t *value;
    json_object_foreach(pairs, name, value)
    {
        assert_true(num < BULLA_LEN(list));
        list[num++] = (bulla_pair){bulla_view_text(name), bulla_view_text(json_string_value(value))};
    }
    bulla_context *context = NULL;
    assert_ok(bulla_context_new(&call, list, num, &context));
    return context;
}

static void datakey_check(const json_t *row, bulla_datakey *datakey, const bulla_context *context)
{
    bytes text, record;
    uint8_t out[MAX_BYTES];
    size_t len = 0;
    bulla_view plaintext = bytes_of(row, "plaintext", &text), sealed = bytes_of(row, "record", &record);
    array_of(row, "nonce", next_nonce, sizeof next_nonce);
    assert_ok(bulla_record_encrypt(datakey, &call, context, plaintext, out, sizeof out, &len));
    assert_int_equal(len, record.len);
    assert_memory_equal(out, record.data, record.len);
    assert_ok(bulla_record_decrypt(datakey, &call, context, sealed, out, sizeof out, &len));
    assert_int_equal(len, text.len);
    assert_memory_equal(out, text.data, text.len);
}

static void test_data_keys_have_their_id_and_bind_contexts_in_canonical_order(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    plain_provider plain;
    plain_provider_init(&plain);
    json_array_foreach(rows_of("contexts", 5), i, row)
    {
        bytes dek;
        const bulla_wrapped wrapped = {bulla_view_text("plain"), {NULL, 0}, bytes_of(row, "key", &dek)};
        bulla_datakey *datakey = NULL;
        assert_ok(bulla_datakey_open(&call, &plain.base, NULL, &wrapped, NULL, &datakey));
        bulla_context *context = context_of(json_object_get(row, "context"));
        datakey_check(row, datakey, context);
        bulla_context_unref(context);
        bulla_datakey_unref(datakey);
    }
}

static void test_rewrapping_makes_the_vectors_record(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    json_array_foreach(rows_of("rewrap", 4), i, row)
    {
        bytes bound, record, expected;
        uint8_t out[MAX_BYTES];
        bulla_record_key from, to;
        key_of(row, "key", "id", "version", &from);
        key_of(row, "to_key", "to_id", "to_version", &to);
        array_of(row, "to_nonce", next_nonce, sizeof next_nonce);
        (void)bytes_of(row, "to_record", &expected);
        assert_ok(bulla_record_rewrap(&from, &to, &call, bytes_of(row, "bound", &bound),
                                      bytes_of(row, "record", &record), out));
        assert_memory_equal(out, expected.data, expected.len);
        bulla_aead_unref(from.aead);
        bulla_aead_unref(to.aead);
    }
}

static void test_refused_records_report_the_vectors_status(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    json_array_foreach(rows_of("refuse", 41), i, row)
    {
        bytes bound, record;
        uint8_t out[MAX_BYTES];
        bulla_record_key key;
        key_of(row, "key", "id", "version", &key);
        bulla_status status =
            bulla_record_open(&key, &call, bytes_of(row, "bound", &bound), bytes_of(row, "record", &record), out);
        if (strcmp(bulla_status_name(status), text_of(row, "status")) != 0) print_error("%s\n", text_of(row, "name"));
        assert_string_equal(bulla_status_name(status), text_of(row, "status"));
        bulla_aead_unref(key.aead);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_id_of_a_data_key_is_computed_from_it),
        cmocka_unit_test(test_sealing_makes_the_vectors_record_and_opening_its_plaintext),
        cmocka_unit_test(test_data_keys_have_their_id_and_bind_contexts_in_canonical_order),
        cmocka_unit_test(test_rewrapping_makes_the_vectors_record),
        cmocka_unit_test(test_refused_records_report_the_vectors_status),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
