/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys as DER and PEM, where the syntax is at its edges. Real keys are in test_crypto_rsa.c. */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "crypto/pem.h"
#include "crypto/rsa_der.h"

#include <string.h>

#define MAX_DER 4096u

static uint8_t ones[1024];

static bulla_rsa_numbers numbers_of(size_t len)
{
    bulla_rsa_numbers numbers;
    memset(ones, 0x7F, sizeof ones);
    ones[1] = 0x80;
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        numbers.at[i] = bulla_view_of(ones + i % 2, len); /* with and without the first bit set */
    return numbers;
}

static void assert_same(const bulla_rsa_numbers *a, const bulla_rsa_numbers *b)
{
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        assert_true(bulla_view_equal(a->at[i], b->at[i]));
}

static void test_what_is_written_is_read_at_every_length_of_a_length(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 13, 14, 15, 30, 31, 32, 126, 127, 128, 254, 255, 256, 400};
    for (size_t i = 0; i < BULLA_LEN(lens); i++) {
        uint8_t der[MAX_DER];
        bulla_rsa_numbers numbers = numbers_of(lens[i]), read;
        size_t len = bulla_rsa_pkcs8_len(&numbers);
        assert_true(len <= sizeof der);
        bulla_rsa_pkcs8_write(&numbers, der);
        assert_true(bulla_rsa_pkcs8_read(bulla_view_of(der, len), &read));
        assert_same(&numbers, &read);
    }
}

/* A key of one-byte numbers: 30 31, version, algorithm, 04 1d, 30 1b, version, numbers. */
static const uint8_t small[] = {
    0x30, 0x31, 2,    1,    0,    0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x04, 0x1D, 0x30, 0x1B, 2,    1,    0,    2,    1,    15,   2,    1,    3,    2,
    1,    3,    2,    1,    5,    2,    1,    3,    2,    1,    3,    2,    1,    1,    2,    1,    2,
};

static void assert_read(bool expected, size_t at, uint8_t byte)
{
    uint8_t der[sizeof small];
    bulla_rsa_numbers numbers;
    memcpy(der, small, sizeof small);
    der[at] = byte;
    if (bulla_rsa_pkcs8_read(bulla_view_of(der, sizeof der), &numbers) != expected)
        fail_msg("byte %zu as %u is %sread", at, byte, expected ? "not " : "");
}

static void test_a_small_key_is_read_and_its_damaged_copies_are_not(void **state)
{
    (void)state;
    bulla_rsa_numbers numbers;
    assert_read(true, 4, 0);
    assert_read(true, 4, 1);
    assert_read(false, 4, 2);     /* an unknown version */
    assert_read(false, 10, 0x2B); /* another algorithm */
    assert_read(false, 26, 1);    /* more than two primes */
    assert_read(false, 29, 0x80); /* a negative number */
    assert_read(false, 28, 0);    /* a number without bytes */
    assert_read(false, 27, 3);    /* no number */
    for (size_t len = 0; len < sizeof small; len++)
        assert_false(bulla_rsa_pkcs8_read(bulla_view_of(small, len), &numbers));
}

static void test_lengths_and_numbers_have_one_form(void **state)
{
    (void)state;
    static const uint8_t long_length[] = {0x30, 0x81, 0x1B, 2, 1, 0, 2, 1, 15, 2, 1, 3, 2, 1, 3,
                                          2,    1,    5,    2, 1, 3, 2, 1, 3,  2, 1, 1, 2, 1, 2};
    static const uint8_t long_number[] = {0x30, 0x1C, 2, 1, 0, 2, 2, 0, 15, 2, 1, 3, 2, 1, 3,
                                          2,    1,    5, 2, 1, 3, 2, 1, 3,  2, 1, 1, 2, 1, 2};
    static const uint8_t no_end[] = {0x30, 0x80, 2, 1, 0, 0, 0};
    bulla_rsa_numbers numbers;
    assert_true(bulla_rsa_pkcs1_read(bulla_view_of(small + 22, sizeof small - 22), &numbers));
    assert_int_equal(numbers.at[0].data[0], 15);
    assert_false(bulla_rsa_pkcs1_read(bulla_view_of(long_length, sizeof long_length), &numbers));
    assert_false(bulla_rsa_pkcs1_read(bulla_view_of(long_number, sizeof long_number), &numbers));
    assert_false(bulla_rsa_pkcs1_read(bulla_view_of(no_end, sizeof no_end), &numbers));
}

/* RFC 5958, 2: attributes and the public key may follow. */
static void test_what_may_stand_behind_the_key_is_passed_over(void **state)
{
    (void)state;
    uint8_t der[sizeof small + 6];
    bulla_rsa_numbers numbers;
    memcpy(der, small, sizeof small);
    memcpy(der + sizeof small, "\xA0\x00\x81\x02\x00\x00", 6);
    der[1] += 6;
    assert_true(bulla_rsa_pkcs8_read(bulla_view_of(der, sizeof der), &numbers));
    der[sizeof small] = 0x02;
    assert_false(bulla_rsa_pkcs8_read(bulla_view_of(der, sizeof der), &numbers));
}

static void assert_block(const char *text, const char *label, const char *bytes)
{
    bulla_view rest = bulla_view_text(text);
    bulla_pem block;
    BULLA_AUTO(bulla_secret) *secret = NULL;
    assert_true(bulla_pem_next(&rest, &block));
    assert_true(bulla_view_is(block.label, label));
    assert_ok(bulla_pem_decode(NULL, &block, &secret));
    assert_true(bulla_view_is(bulla_secret_borrow(secret), bytes));
}

static void test_pem_is_found_among_other_lines_and_with_other_line_ends(void **state)
{
    (void)state;
    assert_block("-----BEGIN X-----\naGk=\n-----END X-----", "X", "hi");
    assert_block("-----BEGIN X-----\r\naG\r\n k=\r\n-----END X-----  \r\n", "X", "hi");
    assert_block("a\n -----BEGIN Z-----\n-----BEGIN X Y-----\naGk=\n-----END X Y-----\nrest", "X Y", "hi");
}

static void test_what_is_no_whole_block_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "-----BEGIN X-----",
                                        "-----BEGIN X-----\naGk=\n",
                                        "-----BEGIN X----\na\n",
                                        "-----BEGIN X-----\naGk=\n-----END Y-----\n",
                                        "-----END X-----\n"};
    for (size_t i = 0; i < BULLA_LEN(texts); i++) {
        bulla_view rest = bulla_view_text(texts[i]);
        bulla_pem block;
        assert_false(bulla_pem_next(&rest, &block));
    }
    static const char *const bodies[] = {"", "\n", "a", "aGk", "aGk=aGk=", "a*k="};
    for (size_t i = 0; i < BULLA_LEN(bodies); i++) {
        const bulla_pem block = {bulla_view_text("X"), bulla_view_text(bodies[i])};
        bulla_secret *secret = NULL;
        assert_status(bulla_pem_decode(NULL, &block, &secret), BULLA_EFORMAT);
        assert_null(secret);
    }
}

static void test_blocks_come_one_after_another(void **state)
{
    (void)state;
    bulla_view rest = bulla_view_text("-----BEGIN A-----\nYQ==\n-----END A-----\n"
                                      "-----BEGIN B-----\nK: v\n\nYg==\n-----END B-----\n");
    bulla_pem block;
    assert_true(bulla_pem_next(&rest, &block) && bulla_view_is(block.label, "A") && !bulla_pem_has_headers(&block));
    assert_true(bulla_pem_next(&rest, &block) && bulla_view_is(block.label, "B") && bulla_pem_has_headers(&block));
    assert_false(bulla_pem_next(&rest, &block));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read_at_every_length_of_a_length),
        cmocka_unit_test(test_a_small_key_is_read_and_its_damaged_copies_are_not),
        cmocka_unit_test(test_lengths_and_numbers_have_one_form),
        cmocka_unit_test(test_what_may_stand_behind_the_key_is_passed_over),
        cmocka_unit_test(test_pem_is_found_among_other_lines_and_with_other_line_ends),
        cmocka_unit_test(test_what_is_no_whole_block_is_none),
        cmocka_unit_test(test_blocks_come_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
