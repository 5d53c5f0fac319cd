/* SPDX-License-Identifier: Apache-2.0 */
#include "base/macros.h"
#include "base/nearest.h"
#include "cmocka_all.h"

static const char *const words[] = {"path", "root", "max_uses", "ttl"};

static void test_a_slip_finds_its_word(void **state)
{
    (void)state;
    assert_string_equal(bulla_word_nearest("pth", words, BULLA_LEN(words)), "path");
    assert_string_equal(bulla_word_nearest("roto", words, BULLA_LEN(words)), "root");
    assert_string_equal(bulla_word_nearest("maxuses", words, BULLA_LEN(words)), "max_uses");
}

static void test_another_word_finds_none(void **state)
{
    (void)state;
    assert_null(bulla_word_nearest("something", words, BULLA_LEN(words)));
    assert_null(bulla_word_nearest("a word that is longer than any name is", words, BULLA_LEN(words)));
    assert_null(bulla_word_nearest("path", words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slip_finds_its_word),
        cmocka_unit_test(test_another_word_finds_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
