/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "provider/pkcs11_uri.h"

#include <stdio.h>
#include <string.h>

static void test_an_address_is_read_and_written_again(void **state)
{
    (void)state;
    static const char text[] = "pkcs11:token=My%20token;serial=0a;object=a%3Bb;id=%01%FF?"
                               "module-path=/x.so&pin-source=/run/pin&kms=hsm";
    char again[512];
    bulla_pkcs11_uri uri;
    assert_int_equal(bulla_pkcs11_uri_parse(NULL, text, &uri), BULLA_OK);
    assert_string_equal(uri.token, "My token");
    assert_string_equal(uri.object, "a;b");
    assert_int_equal(uri.id_len, 2);
    assert_int_equal(uri.id[1], 0xFF);
    assert_string_equal(uri.pin_source, "/run/pin");
    assert_int_equal(bulla_pkcs11_uri_format(NULL, &uri, again, sizeof again), BULLA_OK);
    assert_string_equal(again, text);
}

static void test_a_pin_in_an_address_is_refused_and_not_repeated(void **state)
{
    (void)state;
    bulla_call call;
    bulla_pkcs11_uri uri;
    bulla_call_init(&call, NULL);
    assert_int_equal(bulla_pkcs11_uri_parse(&call, "pkcs11:token=t;object=k?pin-value=hunter2", &uri), BULLA_EINVAL);
    assert_non_null(strstr(call.why, "pin-value"));
    assert_null(strstr(call.why, "hunter2"));
}

static void test_a_pin_source_is_a_path_or_a_file_uri_of_this_machine(void **state)
{
    (void)state;
    static const char *const good[] = {"/p", "file:/p", "file:///p"};
    static const char *const bad[] = {"p", "file:p", "file://host/p", "|cmd", "https://h/p", ""};
    char text[128];
    bulla_pkcs11_uri uri;
    for (size_t i = 0; i < BULLA_LEN(good); i++) {
        (void)snprintf(text, sizeof text, "pkcs11:object=k?pin-source=%s", good[i]);
        assert_int_equal(bulla_pkcs11_uri_parse(NULL, text, &uri), BULLA_OK);
        assert_string_equal(uri.pin_source, "/p");
    }
    for (size_t i = 0; i < BULLA_LEN(bad); i++) {
        (void)snprintf(text, sizeof text, "pkcs11:object=k?pin-source=%s", bad[i]);
        assert_int_equal(bulla_pkcs11_uri_parse(NULL, text, &uri), BULLA_EINVAL);
    }
}

static void test_what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"pkcs11:",
                                      "pkcs11:token=t",
                                      "pkcs11:object=",
                                      "pkcs11:object=%00",
                                      "pkcs11:object=%1",
                                      "pkcs11:object=%FF",
                                      "pkcs11:object=a;object=b",
                                      "pkcs11:object=a;",
                                      "pkcs11:objekt=a",
                                      "pkcs11:object=a;type=private",
                                      "pkcs11:object=a?module-path=x.so",
                                      "pkcs11:object=a?module-name=x",
                                      "pkcs11:object=a;slot-id=x",
                                      "object=a"};
    bulla_pkcs11_uri uri;
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        if (bulla_pkcs11_uri_parse(NULL, bad[i], &uri) != BULLA_EINVAL) fail_msg("%s is taken", bad[i]);
}

static void test_an_info_is_written_in_one_way_only(void **state)
{
    (void)state;
    bulla_pkcs11_uri uri;
    assert_true(bulla_pkcs11_info_parse(bulla_view_text("serial=0a;object=k;id=%01"), &uri));
    assert_string_equal(uri.serial, "0a");
    assert_false(bulla_pkcs11_info_parse(bulla_view_text("object=k;serial=0a;id=%01"), &uri));
    assert_false(bulla_pkcs11_info_parse(bulla_view_text("serial=0a;object=%6b;id=%01"), &uri));
    assert_false(bulla_pkcs11_info_parse(bulla_view_text("serial=0a;object=k;token=t;id=%01"), &uri));
    assert_false(bulla_pkcs11_info_parse(bulla_view_text(""), &uri));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_is_read_and_written_again),
        cmocka_unit_test(test_a_pin_in_an_address_is_refused_and_not_repeated),
        cmocka_unit_test(test_a_pin_source_is_a_path_or_a_file_uri_of_this_machine),
        cmocka_unit_test(test_what_is_no_address_is_refused),
        cmocka_unit_test(test_an_info_is_written_in_one_way_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
