/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in hexadecimal and base64: run under valgrind, which is told that they are undefined, so that it reports every
 * branch and every address that depends on them. Compilers make such branches out of code that has none.
 */
#include "base/bytes.h"
#include "cmocka_all.h"

#include <valgrind/memcheck.h>

#define KEY_LEN 32u

/* What valgrind has found so far. */
static unsigned num_found(void)
{
    return (unsigned)VALGRIND_COUNT_ERRORS;
}

static void hide(void *bytes, size_t len)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, len);
}

static void show(void *bytes, size_t len)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(bytes, len);
}

/* The verdict on a text is no secret; what is in it is. */
static void assert_yes(bool verdict)
{
    show(&verdict, sizeof verdict);
    assert_true(verdict);
}

static void test_hex_of_a_key_shows_nothing_of_it(void **state)
{
    (void)state;
    uint8_t key[KEY_LEN] = "\x00\x09\x0a\x0f\x90\x99\x9a\xa9\xaa\xff and more", back[KEY_LEN];
    char text[2 * KEY_LEN + 1];
    unsigned found = num_found();
    hide(key, sizeof key);
    bulla_hex_encode(bulla_view_of(key, sizeof key), text);
    assert_yes(bulla_hex_decode(bulla_view_of(text, 2 * KEY_LEN), back, sizeof back));
    assert_int_equal(num_found(), found);
    show(key, sizeof key);
    show(back, sizeof back);
    assert_memory_equal(back, key, sizeof key);
}

static void test_base64_of_a_key_shows_nothing_of_it(void **state)
{
    (void)state;
    uint8_t key[KEY_LEN] = "\x00\x10\x83\xfb\xef\xbe\xff\xff\xff\x69\xb7\x1d and more", back[KEY_LEN];
    char text[45];
    size_t len = 0;
    unsigned found = num_found();
    hide(key, sizeof key);
    bulla_base64_encode(bulla_view_of(key, sizeof key), text);
    assert_int_equal(num_found(), found);
    show(text + 42, 3); /* the padding is looked for */
    assert_yes(bulla_base64_decode(bulla_view_of(text, 44), back, sizeof back, &len));
    assert_in_range(num_found() - found, 0, 1); /* the verdict decides whether there is a length */
    show(key, sizeof key);
    show(back, sizeof back);
    assert_memory_equal(back, key, sizeof key);
}

static void test_base64url_of_a_key_shows_nothing_of_it(void **state)
{
    (void)state;
    uint8_t key[KEY_LEN] = "\x00\x10\x83\xfb\xef\xbe\xff\xff\xff\x69\xb7\x1d and more", back[KEY_LEN];
    char text[44];
    size_t len = 0;
    unsigned found = num_found();
    hide(key, sizeof key);
    bulla_base64url_encode(bulla_view_of(key, sizeof key), text);
    assert_yes(bulla_base64url_decode(bulla_view_of(text, 43), back, sizeof back, &len));
    assert_in_range(num_found() - found, 0, 1); /* the verdict decides whether there is a length */
    show(key, sizeof key);
    show(back, sizeof back);
    assert_memory_equal(back, key, sizeof key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex_of_a_key_shows_nothing_of_it),
        cmocka_unit_test(test_base64_of_a_key_shows_nothing_of_it),
        cmocka_unit_test(test_base64url_of_a_key_shows_nothing_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
