/* SPDX-License-Identifier: Apache-2.0 */
/* spec/vectors/record.json against the library, both directions. */
#include "envelope/record.h"

#include "base/bytes.h"
#include "base/context.h"
#include "cmocka_all.h"
#include "fakes/keyed_provider.h"
#include "vector_kit.h"

#include <string.h>

static int load(void **state)
{
    (void)state;
    return vectors_load("record.json");
}

static void key_of(const json_t *row, const char *key, const char *id, const char *version, bulla_record_key *out_key)
{
    uint8_t material[32];
    vector_array_of(row, key, material, sizeof material);
    vector_array_of(row, id, out_key->id, sizeof out_key->id);
    out_key->version = (uint32_t)json_integer_value(json_object_get(row, version));
    assert_ok(bulla_aead_new(&vector_call, bulla_view_of(material, sizeof material), &out_key->aead));
}

static void test_the_id_of_a_data_key_is_computed_from_it(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    keyed_provider plain;
    keyed_provider_init_plain(&plain);
    json_array_foreach(vector_rows_of("ids", 5), i, row)
    {
        vector_bytes dek, id;
        uint8_t out[BULLA_RECORD_OVERHEAD];
        size_t len = 0;
        const bulla_wrapped wrapped = {bulla_view_text("plain"), {NULL, 0}, vector_bytes_of(row, "key", &dek)};
        bulla_datakey *datakey = NULL;
        assert_ok(bulla_datakey_open(&vector_call, &plain.base, NULL, &wrapped, NULL, &datakey));
        assert_ok(bulla_record_encrypt(datakey, &vector_call, NULL, bulla_view_of(NULL, 0), out, sizeof out, &len));
        assert_memory_equal(out + 1, vector_bytes_of(row, "id", &id).data, BULLA_RECORD_ID_LEN);
        bulla_datakey_unref(datakey);
    }
}

static void seal_check(const json_t *row, const bulla_record_key *key, bulla_view bound)
{
    vector_bytes text, record;
    uint8_t out[VECTOR_MAX];
    bulla_view plaintext = vector_bytes_of(row, "plaintext", &text), sealed = vector_bytes_of(row, "record", &record);
    vector_array_of(row, "nonce", vector_nonce, sizeof vector_nonce);
    assert_int_equal(record.len, text.len + BULLA_RECORD_OVERHEAD);
    assert_ok(bulla_record_seal(key, &vector_call, bound, plaintext, out));
    assert_memory_equal(out, record.data, record.len);
    assert_ok(bulla_record_open(key, &vector_call, bound, sealed, out));
    if (text.len != 0) assert_memory_equal(out, text.data, text.len);
}

static void test_sealing_makes_the_vectors_record_and_opening_its_plaintext(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    json_array_foreach(vector_rows_of("seal", 30), i, row)
    {
        vector_bytes bound;
        bulla_record_key key;
        key_of(row, "key", "id", "version", &key);
        seal_check(row, &key, vector_bytes_of(row, "bound", &bound));
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
    assert_ok(bulla_context_new(&vector_call, list, num, &context));
    return context;
}

static void datakey_check(const json_t *row, bulla_datakey *datakey, const bulla_context *context)
{
    vector_bytes text, record;
    uint8_t out[VECTOR_MAX];
    size_t len = 0;
    bulla_view plaintext = vector_bytes_of(row, "plaintext", &text), sealed = vector_bytes_of(row, "record", &record);
    vector_array_of(row, "nonce", vector_nonce, sizeof vector_nonce);
    assert_ok(bulla_record_encrypt(datakey, &vector_call, context, plaintext, out, sizeof out, &len));
    assert_int_equal(len, record.len);
    assert_memory_equal(out, record.data, record.len);
    assert_ok(bulla_record_decrypt(datakey, &vector_call, context, sealed, out, sizeof out, &len));
    assert_int_equal(len, text.len);
    assert_memory_equal(out, text.data, text.len);
}

static void test_data_keys_have_their_id_and_bind_contexts_in_canonical_order(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    keyed_provider plain;
    keyed_provider_init_plain(&plain);
    json_array_foreach(vector_rows_of("contexts", 5), i, row)
    {
        vector_bytes dek;
        const bulla_wrapped wrapped = {bulla_view_text("plain"), {NULL, 0}, vector_bytes_of(row, "key", &dek)};
        bulla_datakey *datakey = NULL;
        assert_ok(bulla_datakey_open(&vector_call, &plain.base, NULL, &wrapped, NULL, &datakey));
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
    json_array_foreach(vector_rows_of("rewrap", 4), i, row)
    {
        vector_bytes bound, record, expected;
        uint8_t out[VECTOR_MAX];
        bulla_record_key from, to;
        key_of(row, "key", "id", "version", &from);
        key_of(row, "to_key", "to_id", "to_version", &to);
        vector_array_of(row, "to_nonce", vector_nonce, sizeof vector_nonce);
        (void)vector_bytes_of(row, "to_record", &expected);
        assert_ok(bulla_record_rewrap(&from, &to, &vector_call, vector_bytes_of(row, "bound", &bound),
                                      vector_bytes_of(row, "record", &record), out));
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
    json_array_foreach(vector_rows_of("refuse", 41), i, row)
    {
        vector_bytes bound, record;
        uint8_t out[VECTOR_MAX];
        bulla_record_key key;
        key_of(row, "key", "id", "version", &key);
        bulla_status status = bulla_record_open(&key, &vector_call, vector_bytes_of(row, "bound", &bound),
                                                vector_bytes_of(row, "record", &record), out);
        if (strcmp(bulla_status_name(status), vector_text_of(row, "status")) != 0)
            print_error("%s\n", vector_text_of(row, "name"));
        assert_string_equal(bulla_status_name(status), vector_text_of(row, "status"));
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
    return cmocka_run_group_tests(tests, load, vectors_unload);
}
