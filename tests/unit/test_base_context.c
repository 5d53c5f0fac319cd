/* SPDX-License-Identifier: Apache-2.0 */
#include "base/context.h"

#include "base/bytes.h"
#include "cmocka_all.h"

#include <stdlib.h>

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static bulla_pair pair_of(const char *key, const char *value)
{
    return (bulla_pair){bulla_view_text(key), bulla_view_text(value)};
}

static void test_context_sorts_and_encodes(void **state)
{
    (void)state;
    const bulla_pair pairs[] = {pair_of("b", "2"), pair_of("a", "1"), pair_of("ab", "")};
    const uint8_t expected[] = {0, 3, 0, 1, 'a', 0, 1, '1', 0, 2, 'a', 'b', 0, 0, 0, 1, 'b', 0, 1, '2'};
    BULLA_AUTO(bulla_context) *context = NULL;
    assert_ok(bulla_context_new(&call, pairs, 3, &context));
    bulla_view bytes = bulla_context_bytes(context);
    assert_int_equal(bytes.len, sizeof expected);
    assert_memory_equal(bytes.data, expected, sizeof expected);
    assert_true(bulla_view_is(bulla_context_at(context, 1).key, "ab"));
    assert_int_equal(bulla_context_at(context, 3).key.len, 0);
}

static void test_no_pairs_encode_to_nothing(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_context) *context = NULL;
    assert_ok(bulla_context_new(&call, NULL, 0, &context));
    assert_int_equal(bulla_context_bytes(context).len, 0);
    assert_int_equal(bulla_context_bytes(NULL).len, 0);
    assert_int_equal(bulla_context_count(NULL), 0);
}

static void test_context_refuses_what_could_be_read_two_ways(void **state)
{
    (void)state;
    const bulla_pair twice[] = {pair_of("k", "1"), pair_of("k", "2")}, empty = pair_of("", "v");
    const bulla_pair reserved = pair_of("aws-crypto-public-key", "x"), broken = pair_of("k", "\xC3");
    bulla_context *context = NULL;
    assert_status(bulla_context_new(&call, twice, 2, &context), BULLA_EINVAL);
    assert_status(bulla_context_new(&call, &empty, 1, &context), BULLA_EINVAL);
    assert_status(bulla_context_new(&call, &reserved, 1, &context), BULLA_EINVAL);
    assert_status(bulla_context_new(&call, &broken, 1, &context), BULLA_EINVAL);
    assert_null(context);
}

static void test_context_holds_up_to_its_limit(void **state)
{
    (void)state;
    uint8_t *long_value = malloc(65535);
    assert_non_null(long_value);
    memset(long_value, 'v', 65535);
    bulla_pair fits = {bulla_view_text("k"), bulla_view_of(long_value, 65535 - 2 - 5)};
    bulla_pair over = {bulla_view_text("k"), bulla_view_of(long_value, 65535 - 2 - 4)};
    BULLA_AUTO(bulla_context) *context = NULL;
    bulla_context *none = NULL;
    assert_ok(bulla_context_new(&call, &fits, 1, &context));
    assert_int_equal(bulla_context_bytes(context).len, 65535);
    assert_status(bulla_context_new(&call, &over, 1, &none), BULLA_ELIMIT);
    free(long_value);
}

static void test_every_context_that_fits_is_taken(void **state)
{
    (void)state;
    enum { NUM = 9350 }; /* keys of three bytes, no values: 7 * NUM + 2 is within the limit */
    static uint8_t keys[NUM][3];
    static bulla_pair pairs[NUM];
    for (unsigned i = 0; i < NUM; i++) {
        keys[i][0] = (uint8_t)('0' + i / 1000);
        keys[i][1] = (uint8_t)('0' + i % 1000 / 32);
        keys[i][2] = (uint8_t)('0' + i % 32);
        pairs[i].key = bulla_view_of(keys[i], 3);
    }
    BULLA_AUTO(bulla_context) *context = NULL;
    BULLA_AUTO(bulla_context) *again = NULL;
    assert_ok(bulla_context_new(&call, pairs, NUM, &context));
    assert_ok(bulla_context_decode(&call, bulla_context_bytes(context), &again));
    assert_int_equal(bulla_context_count(again), NUM);
}

static void test_decode_reads_what_encode_wrote(void **state)
{
    (void)state;
    const bulla_pair pairs[] = {pair_of("tenant", "acme"), pair_of("\xC3\xA9", "\xE2\x82\xAC"), pair_of("z", "")};
    BULLA_AUTO(bulla_context) *written = NULL;
    BULLA_AUTO(bulla_context) *read = NULL;
    assert_ok(bulla_context_new(&call, pairs, 3, &written));
    assert_ok(bulla_context_decode(&call, bulla_context_bytes(written), &read));
    assert_true(bulla_view_equal(bulla_context_bytes(written), bulla_context_bytes(read)));
    bulla_view value = {NULL, 0};
    assert_true(bulla_context_find(read, bulla_view_text("tenant"), &value));
    assert_true(bulla_view_is(value, "acme"));
    assert_false(bulla_context_find(read, bulla_view_text("tenan"), &value));
}

static void test_decode_refuses_every_prefix_and_one_byte_more(void **state)
{
    (void)state;
    const bulla_pair pairs[] = {pair_of("a", "1"), pair_of("b", "2")};
    BULLA_AUTO(bulla_context) *written = NULL;
    assert_ok(bulla_context_new(&call, pairs, 2, &written));
    bulla_view bytes = bulla_context_bytes(written);
    uint8_t longer[64] = {0};
    memcpy(longer, bytes.data, bytes.len);
    bulla_context *none = NULL;
    for (size_t len = 1; len < bytes.len; len++)
        assert_status(bulla_context_decode(&call, bulla_view_of(longer, len), &none), BULLA_EFORMAT);
    assert_status(bulla_context_decode(&call, bulla_view_of(longer, bytes.len + 1), &none), BULLA_EFORMAT);
    assert_null(none);
}

static void test_decode_refuses_disorder(void **state)
{
    (void)state;
    const uint8_t unsorted[] = {0, 2, 0, 1, 'b', 0, 0, 0, 1, 'a', 0, 0},
                  twice[] = {0, 2, 0, 1, 'a', 0, 0, 0, 1, 'a', 0, 0};
    const uint8_t zero[] = {0, 0}, broken[] = {0, 1, 0, 1, 0xFF, 0, 0};
    bulla_context *none = NULL;
    assert_status(bulla_context_decode(&call, bulla_view_of(unsorted, sizeof unsorted), &none), BULLA_EFORMAT);
    assert_status(bulla_context_decode(&call, bulla_view_of(twice, sizeof twice), &none), BULLA_EFORMAT);
    assert_status(bulla_context_decode(&call, bulla_view_of(zero, sizeof zero), &none), BULLA_EFORMAT);
    assert_status(bulla_context_decode(&call, bulla_view_of(broken, sizeof broken), &none), BULLA_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_context_sorts_and_encodes),
        cmocka_unit_test(test_no_pairs_encode_to_nothing),
        cmocka_unit_test(test_context_refuses_what_could_be_read_two_ways),
        cmocka_unit_test(test_context_holds_up_to_its_limit),
        cmocka_unit_test(test_every_context_that_fits_is_taken),
        cmocka_unit_test(test_decode_reads_what_encode_wrote),
        cmocka_unit_test(test_decode_refuses_every_prefix_and_one_byte_more),
        cmocka_unit_test(test_decode_refuses_disorder),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
