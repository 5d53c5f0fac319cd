/* SPDX-License-Identifier: Apache-2.0 */
/* spec/vectors/wrapped.json against the library, both directions, and what only the writer can get wrong. */
#include "provider/innerwrap.h"

#include "base/bytes.h"
#include "cmocka_all.h"
#include "crypto/aead.h"

#include <jansson.h>
#include <string.h>

#define MAX_BYTES 2048u

typedef struct bytes {
    uint8_t data[MAX_BYTES];
    size_t len;
} bytes;

static json_t *vectors;
static uint8_t next_nonce[BULLA_NONCE_LEN];
static bulla_env env;
static bulla_call call;

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
    vectors = json_load_file(BULLA_SPEC_VECTORS "/wrapped.json", 0, NULL);
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

static bulla_secret *secret_of(const json_t *row, const char *name)
{
    bytes content;
    bulla_secret *secret = NULL;
    assert_ok(bulla_secret_copy(&call, bytes_of(row, name, &content), &secret));
    return secret;
}

static bulla_context *context_of(const json_t *row)
{
    bulla_pair pairs[32];
    bulla_context *context = NULL;
    const char *key;
    json_t *value;
    size_t num = 0;
    json_object_foreach(json_object_get(row, "context"), key, value)
    {
        assert_true(num < BULLA_LEN(pairs));
        pairs[num++] = (bulla_pair){bulla_view_text(key), bulla_view_text(json_string_value(value))};
    }
    if (num != 0) assert_ok(bulla_context_new(&call, pairs, num, &context));
    return context;
}

static void seal_row_check(const json_t *row)
{
    bytes outer, blob, nonce;
    bulla_secret *key = secret_of(row, "inner_key"), *dek = secret_of(row, "dek"), *opened = NULL;
    bulla_wrapped *wrapped = NULL;
    bulla_view found;
    bulla_innerwrap_site site = {bulla_view_text(text_of(row, "provider")), bulla_view_text(text_of(row, "info")),
                                 context_of(row)};
    assert_int_equal(bytes_of(row, "nonce", &nonce).len, sizeof next_nonce);
    memcpy(next_nonce, nonce.data, sizeof next_nonce);
    assert_ok(bulla_innerwrap_seal(&call, &site, key, bytes_of(row, "outer", &outer), dek, &wrapped));
    assert_true(bulla_view_equal(wrapped->blob, bytes_of(row, "blob", &blob)));
    assert_true(bulla_view_equal(wrapped->provider, site.provider) && bulla_view_equal(wrapped->info, site.info));
    assert_ok(bulla_innerwrap_outer(&call, wrapped->blob, &found));
    assert_true(bulla_view_equal(found, bulla_view_of(outer.data, outer.len)));
    assert_ok(bulla_innerwrap_open(&call, wrapped, site.context, key, &opened));
    assert_true(bulla_view_equal(bulla_secret_borrow(opened), bulla_secret_borrow(dek)));
    bulla_wrapped_free(wrapped);
    bulla_secret_unref(opened);
    bulla_secret_unref(dek);
    bulla_secret_unref(key);
    bulla_context_unref(site.context);
}

static void sealing_makes_the_vectors_and_opening_undoes_them(void **state)
{
    (void)state;
    size_t i;
    json_t *row, *rows = json_object_get(vectors, "seal");
    assert_true(json_array_size(rows) >= 15);
    json_array_foreach(rows, i, row) seal_row_check(row);
}

static void whatever_is_wrong_is_one_answer(void **state)
{
    (void)state;
    size_t i;
    json_t *row, *rows = json_object_get(vectors, "refuse");
    assert_true(json_array_size(rows) >= 20);
    json_array_foreach(rows, i, row)
    {
        bytes blob;
        bulla_secret *key = secret_of(row, "inner_key"), *opened = NULL;
        bulla_context *context = context_of(row);
        const bulla_wrapped wrapped = {bulla_view_text(text_of(row, "provider")), bulla_view_text(text_of(row, "info")),
                                       bytes_of(row, "blob", &blob)};
        assert_status(bulla_innerwrap_open(&call, &wrapped, context, key, &opened), BULLA_EINTEGRITY);
        assert_null(opened);
        bulla_secret_unref(key);
        bulla_context_unref(context);
    }
}

static void a_blob_without_an_outer_part_has_none(void **state)
{
    (void)state;
    static const uint8_t blob[1 + 2 + BULLA_NONCE_LEN + BULLA_DEK_MIN + BULLA_TAG_LEN] = {0x01, 0, 0};
    bulla_view outer = {NULL, 7};
    assert_status(bulla_innerwrap_outer(&call, bulla_view_of(blob, sizeof blob), &outer), BULLA_EINTEGRITY);
    assert_status(bulla_innerwrap_outer(&call, bulla_view_of(blob, 0), &outer), BULLA_EINTEGRITY);
    assert_int_equal(outer.len, 7);
}

static void parts_too_long_for_a_message_are_refused(void **state)
{
    (void)state;
    static uint8_t big[65536];
    bulla_secret *key = NULL, *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    const bulla_innerwrap_site site = {bulla_view_text("p"), bulla_view_text("i"), NULL};
    assert_ok(bulla_secret_copy(&call, bulla_view_of(big, 32), &key));
    assert_ok(bulla_secret_copy(&call, bulla_view_of(big, 32), &dek));
    assert_status(bulla_innerwrap_seal(&call, &site, key, bulla_view_of(big, 65536), dek, &wrapped), BULLA_ELIMIT);
    assert_status(bulla_innerwrap_seal(&call, &site, key, bulla_view_of(big, 65535), dek, &wrapped), BULLA_ELIMIT);
    assert_status(bulla_innerwrap_seal(&call, &site, key, bulla_view_of(big, 0), dek, &wrapped), BULLA_EINVAL);
    assert_null(wrapped);
    bulla_secret_unref(key);
    bulla_secret_unref(dek);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealing_makes_the_vectors_and_opening_undoes_them),
        cmocka_unit_test(whatever_is_wrong_is_one_answer),
        cmocka_unit_test(a_blob_without_an_outer_part_has_none),
        cmocka_unit_test(parts_too_long_for_a_message_are_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
