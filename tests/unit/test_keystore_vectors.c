/* SPDX-License-Identifier: Apache-2.0 */
/* spec/vectors/keystore.json against the library. */
#include "cmocka_all.h"
#include "keystore/container.h"
#include "keystore/inside.h"
#include "vector_kit.h"

static int load(void **state)
{
    (void)state;
    return vectors_load("keystore.json");
}

static bulla_view version_bind(const json_t *row, uint8_t bound[BULLA_BIND_LEN])
{
    uint8_t store[BULLA_ID_LEN];
    bulla_key_row key = {.type = (bulla_key_type)vector_number_of(row, "type"),
                         .usage = (bulla_key_usage)vector_number_of(row, "usage")};
    vector_array_of(row, "store", store, sizeof store);
    vector_array_of(row, "key", key.id, sizeof key.id);
    return bulla_bind_version(store, &key, vector_number_of(row, "version"), bound);
}

static void same(const json_t *row, const char *name, bulla_view found)
{
    vector_bytes expected;
    assert_int_equal(vector_bytes_of(row, name, &expected).len, found.len);
    assert_memory_equal(found.data, expected.data, found.len);
}

static void test_what_sealed_columns_are_bound_to(void **state)
{
    size_t i;
    json_t *row;
    uint8_t bound[BULLA_BIND_LEN + VECTOR_MAX], a[BULLA_ID_LEN], b[BULLA_ID_LEN];
    vector_bytes context;
    (void)state;
    json_array_foreach(vector_rows_of("bind_version", 4), i, row) same(row, "bound", version_bind(row, bound));
    json_array_foreach(vector_rows_of("bind_import", 3), i, row)
    {
        vector_array_of(row, "store", a, sizeof a);
        vector_array_of(row, "key", b, sizeof b);
        same(row, "bound", bulla_bind_import(a, b, json_integer_value(json_object_get(row, "expires")), bound));
    }
    json_array_foreach(vector_rows_of("bind_dek", 3), i, row)
    {
        vector_array_of(row, "dek", a, sizeof a);
        same(row, "bound", bulla_bind_dek(a, vector_bytes_of(row, "context", &context), bound));
    }
}

static void test_a_version_is_sealed_as_the_specification_says(void **state)
{
    size_t i;
    json_t *row;
    (void)state;
    json_array_foreach(vector_rows_of("sealed", 2), i, row)
    {
        uint8_t bound[BULLA_BIND_LEN], sealed[BULLA_SEALED_LEN];
        vector_bytes root, material;
        bulla_record_key key = {.version = vector_number_of(row, "generation")};
        vector_array_of(row, "root_id", key.id, sizeof key.id);
        vector_array_of(row, "nonce", vector_nonce, sizeof vector_nonce);
        assert_ok(bulla_aead_new(&vector_call, vector_bytes_of(row, "root", &root), &key.aead));
        assert_ok(bulla_record_seal(&key, &vector_call, version_bind(row, bound),
                                    vector_bytes_of(row, "material", &material), sealed));
        same(row, "sealed", bulla_view_of(sealed, sizeof sealed));
        bulla_aead_unref(key.aead);
    }
}

static void test_the_fields_of_a_wrapped_data_key(void **state)
{
    size_t i;
    json_t *row;
    (void)state;
    json_array_foreach(vector_rows_of("entry", 3), i, row)
    {
        uint8_t blob[BULLA_SEALED_LEN], id[BULLA_ID_LEN];
        char info[BULLA_LOCAL_INFO_LEN + 1];
        const char *expected = json_string_value(json_object_get(row, "info"));
        vector_bytes material, context, dek;
        uint32_t version = 0;
        bulla_record_key key = {.version = vector_number_of(row, "version")};
        vector_array_of(row, "key", key.id, sizeof key.id);
        vector_array_of(row, "nonce", vector_nonce, sizeof vector_nonce);
        assert_ok(bulla_aead_new(&vector_call, vector_bytes_of(row, "material", &material), &key.aead));
        assert_ok(bulla_record_seal(&key, &vector_call, vector_bytes_of(row, "context", &context),
                                    vector_bytes_of(row, "dek", &dek), blob));
        same(row, "blob", bulla_view_of(blob, sizeof blob));
        bulla_local_info(key.id, key.version, info);
        assert_string_equal(info, expected);
        assert_true(bulla_local_info_parse(bulla_view_text(expected), id, &version));
        assert_int_equal(version, key.version);
        assert_string_equal(json_string_value(json_object_get(row, "provider")), BULLA_LOCAL_NAME);
        bulla_aead_unref(key.aead);
    }
}

typedef struct parts {
    vector_bytes content[4];
} parts;

static bulla_status gather(void *arg, bulla_call *unused, bulla_part part, bulla_view piece)
{
    vector_bytes *to = &((parts *)arg)->content[part - 1];
    (void)unused;
    bulla_copy(to->data + to->len, piece.data, piece.len);
    to->len += piece.len;
    return BULLA_OK;
}

static void container_write(const json_t *list, bulla_writer *writer)
{
    uint8_t start[BULLA_CONTAINER_START], head[BULLA_CONTAINER_HEAD], end[BULLA_CONTAINER_END];
    bulla_container_start(start);
    bulla_write_view(writer, bulla_view_of(start, sizeof start));
    for (unsigned i = 0; i < 4; i++) {
        vector_bytes content;
        bulla_view part = vector_decode(json_array_get(list, i), &content);
        bulla_container_head((bulla_part)(i + 1), part.len, head);
        bulla_write_view(writer, bulla_view_of(head, sizeof head));
        bulla_write_view(writer, part);
    }
    bulla_container_end(4, writer->len, end);
    bulla_write_view(writer, bulla_view_of(end, sizeof end));
}

static void test_a_container_is_written_and_read_in_any_pieces(void **state)
{
    size_t i;
    json_t *row;
    (void)state;
    json_array_foreach(vector_rows_of("container", 2), i, row)
    {
        uint8_t out[VECTOR_MAX];
        bulla_writer writer = bulla_writer_of(out, sizeof out);
        container_write(json_object_get(row, "parts"), &writer);
        same(row, "container", bulla_view_of(out, writer.len));
        for (size_t piece = 1; piece <= writer.len; piece += 7) {
            parts found = {.content = {{.len = 0}}};
            bulla_container container = {.visit = gather, .arg = &found};
            for (size_t at = 0; at < writer.len; at += piece)
                assert_ok(
                    bulla_container_read(&container, &vector_call,
                                         bulla_view_of(out + at, writer.len - at < piece ? writer.len - at : piece)));
            assert_ok(bulla_container_finish(&container, &vector_call));
            vector_bytes expected;
            bulla_view database = vector_decode(json_array_get(json_object_get(row, "parts"), 1), &expected);
            assert_true(bulla_view_equal(database, bulla_view_of(found.content[1].data, found.content[1].len)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_sealed_columns_are_bound_to),
        cmocka_unit_test(test_a_version_is_sealed_as_the_specification_says),
        cmocka_unit_test(test_the_fields_of_a_wrapped_data_key),
        cmocka_unit_test(test_a_container_is_written_and_read_in_any_pieces),
    };
    return cmocka_run_group_tests(tests, load, vectors_unload);
}
