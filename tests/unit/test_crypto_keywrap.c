/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/keywrap.h"

#include "base/bytes.h"
#include "cmocka_all.h"

static bulla_call call;
static const uint8_t kek_bytes[32] = {1, 2, 3};
static const bulla_view kek = {kek_bytes, sizeof kek_bytes};

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

/* RFC 5649, 6: 20 bytes and 7 bytes under a key of 192 bits. */
static void test_wrap_gives_the_published_answers(void **state)
{
    (void)state;
    uint8_t key[24], plain[20], out[40];
    char text[81];
    size_t len = 0;
    assert_true(bulla_hex_decode(bulla_view_text("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"), key, 24));
    assert_true(bulla_hex_decode(bulla_view_text("c37b7e6492584340bed12207808941155068f738"), plain, 20));
    assert_ok(bulla_kwp_wrap(&call, bulla_view_of(key, 24), bulla_view_of(plain, 20), out, sizeof out, &len));
    bulla_hex_encode(bulla_view_of(out, len), text);
    assert_string_equal(text, "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a");
    assert_true(bulla_hex_decode(bulla_view_text("466f7250617369"), plain, 7));
    assert_ok(bulla_kwp_wrap(&call, bulla_view_of(key, 24), bulla_view_of(plain, 7), out, sizeof out, &len));
    bulla_hex_encode(bulla_view_of(out, len), text);
    assert_string_equal(text, "afbeb0f07dfbf5419200f2ccb50bb24f");
}

static void test_unwrap_gives_back_every_length(void **state)
{
    (void)state;
    static uint8_t key[4096], wrapped[4104], out[4104];
    memset(key, 0x77, sizeof key);
    for (size_t want = 1; want <= sizeof key; want += want < 70 ? 1 : 671) {
        size_t len = 0, got = 0;
        assert_ok(bulla_kwp_wrap(&call, kek, bulla_view_of(key, want), wrapped, sizeof wrapped, &len));
        assert_int_equal(len, (want + 7) / 8 * 8 + 8);
        memset(out, 0xEE, sizeof out);
        assert_ok(bulla_kwp_unwrap(&call, kek, bulla_view_of(wrapped, len), out, len - 8, &got));
        assert_int_equal(got, want);
        assert_memory_equal(out, key, want);
        assert_int_equal(out[len - 8], 0xEE);
    }
}

static void test_a_change_of_any_bit_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    uint8_t wrapped[48], out[40];
    size_t len = 0, got = 99;
    assert_ok(bulla_kwp_wrap(&call, kek, bulla_view_text("thirty-three bytes of key material"), wrapped, 48, &len));
    for (size_t bit = 0; bit < 8 * len; bit++) {
        wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memset(out, 0xEE, sizeof out);
        assert_status(bulla_kwp_unwrap(&call, kek, bulla_view_of(wrapped, len), out, sizeof out, &got),
                      BULLA_EINTEGRITY);
        for (size_t i = 0; i < len - 8; i++)
            assert_int_equal(out[i], 0);
        wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(got, 99);
}

static void test_lengths_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static uint8_t bytes[5000], out[5000];
    size_t len = 99;
    bulla_view short_kek = {kek_bytes, 20};
    assert_status(bulla_kwp_wrap(&call, kek, bulla_view_of(bytes, 0), out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_kwp_wrap(&call, kek, bulla_view_of(bytes, 4097), out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_kwp_wrap(&call, kek, bulla_view_of(bytes, 9), out, 23, &len), BULLA_EINVAL);
    assert_status(bulla_kwp_wrap(&call, short_kek, bulla_view_of(bytes, 9), out, sizeof out, &len), BULLA_EINVAL);
    const size_t bad[] = {0, 8, 15, 17, 23, 4112};
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        assert_status(bulla_kwp_unwrap(&call, kek, bulla_view_of(bytes, bad[i]), out, sizeof out, &len),
                      BULLA_EINTEGRITY);
    assert_status(bulla_kwp_unwrap(&call, kek, bulla_view_of(bytes, 24), out, 15, &len), BULLA_EINVAL);
    assert_int_equal(len, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrap_gives_the_published_answers),
        cmocka_unit_test(test_unwrap_gives_back_every_length),
        cmocka_unit_test(test_a_change_of_any_bit_is_refused_and_leaves_nothing),
        cmocka_unit_test(test_lengths_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
