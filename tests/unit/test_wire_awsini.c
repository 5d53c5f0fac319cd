/* SPDX-License-Identifier: Apache-2.0 */
/* The files that AWS's tools share. */
#include "wire/awsini.h"

#include "cmocka_all.h"

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static bulla_awsini_profile read_as(bulla_awsini_kind kind, const char *text, const char *name)
{
    bulla_awsini_profile profile;
    memset(&profile, 0, sizeof profile);
    assert_ok(bulla_awsini_read(&call, bulla_view_text(text), "a file", kind, name, &profile));
    return profile;
}

static void test_a_profile_is_found_among_others(void **state)
{
    (void)state;
    static const char text[] = "# comment\r\n[default]\naws_access_key_id = A\naws_secret_access_key=B = #b\n\n"
                               "[other]\naws_access_key_id=C\naws_session_token = D ; why\n";
    bulla_awsini_profile profile = read_as(BULLA_AWSINI_CREDENTIALS, text, "default");
    assert_true(profile.is_there);
    assert_true(bulla_view_is(profile.access_key_id, "A"));
    assert_true(bulla_view_is(profile.secret_access_key, "B ="));
    profile = read_as(BULLA_AWSINI_CREDENTIALS, text, "other");
    assert_true(bulla_view_is(profile.access_key_id, "C"));
    assert_true(bulla_view_is(profile.session_token, "D"));
    assert_int_equal(profile.secret_access_key.len, 0);
    assert_false(read_as(BULLA_AWSINI_CREDENTIALS, text, "third").is_there);
}

static void test_the_config_file_has_another_heading(void **state)
{
    (void)state;
    static const char text[] = "[default]\nregion = a\n[profile  dev ]\nregion = b\nrole_arn = r\nsource_profile = s\n"
                               "[dev]\nregion = c\n[sso-session dev]\nregion = d\n[profiledev]\nregion = e\n";
    assert_true(bulla_view_is(read_as(BULLA_AWSINI_CONFIG, text, "default").region, "a"));
    bulla_awsini_profile profile = read_as(BULLA_AWSINI_CONFIG, text, "dev");
    assert_true(bulla_view_is(profile.region, "b"));
    assert_true(bulla_view_is(profile.source_profile, "s"));
}

static void test_settings_within_a_setting_are_passed_over(void **state)
{
    (void)state;
    bulla_awsini_profile profile =
        read_as(BULLA_AWSINI_CONFIG, "[default]\ns3 =\n  region = no\n\tanything at all\nregion = yes\n", "default");
    assert_true(bulla_view_is(profile.region, "yes"));
}

static void test_a_later_value_counts_and_sections_of_one_name_are_one(void **state)
{
    (void)state;
    bulla_awsini_profile profile = read_as(
        BULLA_AWSINI_CONFIG, "[default]\nregion=a\nregion=b\n[profile x]\n[default]\nexternal_id=e\n", "default");
    assert_true(bulla_view_is(profile.region, "b"));
    assert_true(bulla_view_is(profile.external_id, "e"));
}

static void test_what_was_read_first_stays(void **state)
{
    (void)state;
    bulla_awsini_profile profile = read_as(BULLA_AWSINI_CREDENTIALS, "[p]\nregion = a\n", "p");
    assert_ok(bulla_awsini_read(&call, bulla_view_text("[profile p]\nregion = b\nrole_arn = r\n"), "a file",
                                BULLA_AWSINI_CONFIG, "p", &profile));
    assert_true(bulla_view_is(profile.region, "a"));
    assert_true(bulla_view_is(profile.role_arn, "r"));
}

static void test_mistakes_are_shown_with_their_line(void **state)
{
    (void)state;
    static const char *const texts[] = {"[a]\nx=1\n[b\n", "[a]\n\nnonsense\n", "\n\nx = 1\n"};
    bulla_awsini_profile profile = {.is_there = false};
    for (size_t i = 0; i < BULLA_LEN(texts); i++) {
        assert_status(bulla_awsini_read(&call, bulla_view_text(texts[i]), "a file", BULLA_AWSINI_CONFIG, "a", &profile),
                      BULLA_EFORMAT);
        assert_non_null(strstr(call.why, "line 3"));
        assert_false(profile.is_there);
    }
    assert_status(bulla_awsini_read(&call, bulla_view_text("[\xFF]\n"), "a file", BULLA_AWSINI_CONFIG, "a", &profile),
                  BULLA_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_profile_is_found_among_others, start),
        cmocka_unit_test_setup(test_the_config_file_has_another_heading, start),
        cmocka_unit_test_setup(test_settings_within_a_setting_are_passed_over, start),
        cmocka_unit_test_setup(test_a_later_value_counts_and_sections_of_one_name_are_one, start),
        cmocka_unit_test_setup(test_what_was_read_first_stays, start),
        cmocka_unit_test_setup(test_mistakes_are_shown_with_their_line, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
