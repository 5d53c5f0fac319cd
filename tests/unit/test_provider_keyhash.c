/* SPDX-License-Identifier: Apache-2.0 */
/* The keyed hash of the cache's table. */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "provider/keyhash.h"

static bulla_keyhash hash, other;
static uint8_t bytes[2048];

static int setup(void **state)
{
    (void)state;
    fake_env fake;
    bulla_call call;
    fake_env_init(&fake);
    bulla_call_init(&call, &fake.env);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    return bulla_keyhash_init(&call, &hash) != BULLA_OK || bulla_keyhash_init(&call, &other) != BULLA_OK;
}

static uint64_t hash_of(const bulla_keyhash *with, size_t a, size_t b, size_t c, size_t d)
{
    const bulla_view parts[4] = {bulla_view_of(bytes, a), bulla_view_of(bytes + a, b), bulla_view_of(bytes + a + b, c),
                                 bulla_view_of(bytes + a + b + c, d)};
    return bulla_keyhash_parts(with, parts);
}

static void test_the_same_parts_have_the_same_hash(void **state)
{
    (void)state;
    for (size_t len = 0; len < 600; len += 7)
        assert_true(hash_of(&hash, 4, 30, len, 48) == hash_of(&hash, 4, 30, len, 48));
}

static void test_another_key_gives_another_hash(void **state)
{
    (void)state;
    for (size_t len = 0; len < 600; len += 7)
        assert_true(hash_of(&hash, 4, 30, len, 48) != hash_of(&other, 4, 30, len, 48));
}

static void test_every_bit_counts_in_short_and_long_inputs(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 7, 8, 9, 15, 16, 17, 33, 120, 500, 512, 513, 700, 1500};
    for (size_t i = 0; i < BULLA_LEN(lens); i++) {
        uint64_t before = hash_of(&hash, 0, lens[i], 0, 3);
        for (size_t bit = 0; bit < 8 * lens[i]; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_true(hash_of(&hash, 0, lens[i], 0, 3) != before);
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
}

static void test_where_parts_end_counts(void **state)
{
    (void)state;
    for (size_t a = 0; a < 40; a++)
        for (size_t b = 0; b + a < 40; b++)
            if (a != 10 || b != 20) assert_true(hash_of(&hash, a, b, 40 - a - b, 0) != hash_of(&hash, 10, 20, 10, 0));
}

static void test_low_bits_spread_evenly(void **state)
{
    (void)state;
    unsigned buckets[64] = {0};
    for (unsigned i = 0; i < 64000; i++) {
        bulla_put_u32(bytes, i);
        buckets[hash_of(&hash, 4, 0, 0, 0) % 64]++;
    }
    for (size_t i = 0; i < 64; i++)
        assert_in_range(buckets[i], 840, 1160); /* 1000 and five times its deviation */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_same_parts_have_the_same_hash, setup),
        cmocka_unit_test_setup(test_another_key_gives_another_hash, setup),
        cmocka_unit_test_setup(test_every_bit_counts_in_short_and_long_inputs, setup),
        cmocka_unit_test_setup(test_where_parts_end_counts, setup),
        cmocka_unit_test_setup(test_low_bits_spread_evenly, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
