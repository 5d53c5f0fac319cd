/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/vault.h"

#include "cmocka_all.h"

#include <stdio.h>

static void test_a_login_has_the_fields_that_are_given(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *body = NULL;
    const bulla_vault_field fields[] = {
        {"role", bulla_view_text("app\"x")}, {"secret_id", {NULL, 0}}, {"jwt", bulla_view_text("a.b.c")}};
    assert_int_equal(bulla_vault_login_encode(NULL, fields, BULLA_LEN(fields), &body), BULLA_OK);
    assert_true(bulla_view_is(bulla_secret_borrow(body), "{\"role\":\"app\\\"x\",\"jwt\":\"a.b.c\"}"));
}

static void test_credentials_that_are_no_text_are_refused(void **state)
{
    (void)state;
    bulla_secret *body = NULL;
    const bulla_vault_field field = {"secret_id", bulla_view_text("\xFF")};
    assert_int_equal(bulla_vault_login_encode(NULL, &field, 1, &body), BULLA_ECONFIG);
    assert_null(body);
}

static void test_a_grant_has_token_and_lease(void **state)
{
    (void)state;
    bulla_vault_grant grant = {.token = NULL};
    const char *body = "{\"data\":null,\"auth\":{\"client_token\":\"s.yjzdQreZ\",\"lease_duration\":3600,"
                       "\"renewable\":true,\"token_type\":\"service\"}}";
    assert_int_equal(bulla_vault_grant_decode(NULL, bulla_view_text(body), &grant), BULLA_OK);
    assert_true(bulla_view_is(bulla_secret_borrow(grant.token), "s.yjzdQreZ"));
    assert_int_equal(grant.lease_s, 3600);
    assert_true(grant.is_renewable);
    bulla_vault_grant_done(&grant);
    assert_null(grant.token);
}

static void test_what_is_no_grant_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"auth\":null}",
        "{\"auth\":{\"client_token\":\"x\"}}",
        "{\"auth\":{\"client_token\":\"\",\"lease_duration\":1}}",
        "{\"auth\":{\"client_token\":\"a b\",\"lease_duration\":1}}",
        "{\"auth\":{\"client_token\":\"a\\r\\nX: y\",\"lease_duration\":1}}",
        "{\"auth\":{\"client_token\":\"x\",\"lease_duration\":-1}}",
        "{\"auth\":{\"client_token\":\"x\",\"lease_duration\":\"1h\"}}",
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_vault_grant grant = {.token = NULL};
        bulla_status status = bulla_vault_grant_decode(NULL, bulla_view_text(rows[i]), &grant);
        if (status != BULLA_EFORMAT) fail_msg("%s: %s", rows[i], bulla_status_name(status));
        assert_null(grant.token);
    }
}

static void test_a_look_up_says_how_long(void **state)
{
    (void)state;
    bulla_vault_grant grant = {.token = NULL};
    assert_int_equal(
        bulla_vault_lookup_decode(NULL, bulla_view_text("{\"data\":{\"ttl\":3599,\"renewable\":false}}"), &grant),
        BULLA_OK);
    assert_int_equal(grant.lease_s, 3599);
    assert_false(grant.is_renewable);
    assert_int_equal(bulla_vault_lookup_decode(NULL, bulla_view_text("{\"data\":{}}"), &grant), BULLA_EFORMAT);
}

static void test_a_version_is_its_first_two_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t version;
    } rows[] = {{"2.4.0", 2004}, {"1.17.3+ent", 1017}, {"0.11.5", 11}, {"1.9.0-rc1", 1009}, {"1.8", 1008},
                {"", 0},         {"v1.9", 0},          {"1", 0},       {"1.x", 0},          {"1234.5", 0}};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        char body[128];
        bulla_vault_health health;
        (void)snprintf(body, sizeof body,
                       "{\"initialized\":true,\"sealed\":false,\"standby\":false,\"version\":\"%s\"}", rows[i].text);
        assert_true(bulla_vault_health_decode(bulla_view_text(body), &health));
        if (health.version != rows[i].version) fail_msg("%s: %u", rows[i].text, health.version);
    }
}

static void test_health_is_three_answers(void **state)
{
    (void)state;
    bulla_vault_health health;
    assert_true(bulla_vault_health_decode(bulla_view_text("{\"initialized\":true,\"sealed\":true,\"standby\":false}"),
                                          &health));
    assert_true(health.is_initialized && health.is_sealed && !health.is_standby);
    assert_int_equal(health.version, 0);
    assert_false(bulla_vault_health_decode(bulla_view_text("{\"initialized\":true,\"sealed\":true}"), &health));
    assert_false(bulla_vault_health_decode(bulla_view_text("OK"), &health));
}

static void test_refusals_are_told_apart_by_their_words(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bulla_vault_reason reason;
        const char *text;
    } rows[] = {
        {"{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}", BULLA_VAULT_UNKNOWN,
         "permission denied"},
        {"{\"errors\":[\"permission denied\"]}", BULLA_VAULT_BAD_TOKEN, "permission denied"},
        {"{\"errors\":[\"2 errors occurred:\\n\\t* permission denied\\n\\t* invalid token\\n\\n\"]}",
         BULLA_VAULT_BAD_TOKEN, "permission denied * invalid token"},
        {"{\"errors\":[\"Vault is sealed\"]}", BULLA_VAULT_SEALED, "Vault is sealed"},
        {"{\"errors\":[\"encryption key not found\"]}", BULLA_VAULT_NO_KEY, "encryption key not found"},
        {"{\"errors\":[\"cipher: message authentication failed\"]}", BULLA_VAULT_BAD_CIPHERTEXT,
         "cipher: message authentication failed"},
        {"{\"errors\":[\"invalid ciphertext: version is too new\"]}", BULLA_VAULT_BAD_CIPHERTEXT,
         "invalid ciphertext: version is too new"},
        {"{\"errors\":[\"ciphertext or signature version is disallowed by policy (too old)\"]}",
         BULLA_VAULT_OLD_VERSION, "ciphertext or signature version is disallowed by policy (too old)"},
        {"{\"errors\":[\"refusing to use soft-deleted key\"]}", BULLA_VAULT_DELETED,
         "refusing to use soft-deleted key"},
        {"{\"errors\":[\"no handler for route \\\"x/\\\". route entry not found.\"]}", BULLA_VAULT_NO_MOUNT,
         "no handler for route \"x/\". route entry not found"},
        {"{\"errors\":[\"bell \\u0007 and \\u00e9\"]}", BULLA_VAULT_UNKNOWN, "bell ? and ??"},
        {"{\"errors\":[]}", BULLA_VAULT_UNKNOWN, ""},
        {"{\"errors\":[7]}", BULLA_VAULT_UNKNOWN, ""},
        {"{\"errors\":\"no\"}", BULLA_VAULT_NO_VAULT, ""},
        {"<html>503</html>", BULLA_VAULT_NO_VAULT, ""},
        {"", BULLA_VAULT_NO_VAULT, ""},
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_vault_error error;
        bulla_vault_error_decode(bulla_view_text(rows[i].body), &error);
        if (error.reason != rows[i].reason) fail_msg("%s: reason %d", rows[i].body, (int)error.reason);
        assert_string_equal(error.text, rows[i].text);
        assert_int_equal(error.is_empty, strcmp(rows[i].body, "{\"errors\":[]}") == 0);
    }
}

static void test_long_words_are_cut(void **state)
{
    (void)state;
    char body[4096] = "{\"errors\":[\"";
    bulla_vault_error error;
    for (unsigned i = 0; i < 300; i++)
        strcat(body, "word ");
    strcat(body, "\"]}");
    bulla_vault_error_decode(bulla_view_text(body), &error);
    assert_in_range(strlen(error.text), sizeof error.text - 8, sizeof error.text - 1);
}

/* Runs of letters shorter than any token stay, and so does what stands around one. */
static void test_what_may_be_a_token_is_not_shown(void **state)
{
    (void)state;
    bulla_vault_error error;
    bulla_vault_error_decode(bulla_view_text("{\"errors\":[\"bad s.cKE3QpKg66RcnlwmDlI7fVUX, or xhvs.CAESIJrhiDW4PVtzM"
                                             "x4b in transit/keys/application-one\"]}"),
                             &error);
    assert_string_equal(error.text, "bad [...], or [...] in transit/keys/application-one");
    char body[4096] = "{\"errors\":[\"";
    memset(body + strlen(body), 'x', 1500);
    strcat(body, "\"]}");
    bulla_vault_error_decode(bulla_view_text(body), &error);
    assert_string_equal(error.text, "[...]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_login_has_the_fields_that_are_given),
        cmocka_unit_test(test_credentials_that_are_no_text_are_refused),
        cmocka_unit_test(test_a_grant_has_token_and_lease),
        cmocka_unit_test(test_what_is_no_grant_is_refused),
        cmocka_unit_test(test_a_look_up_says_how_long),
        cmocka_unit_test(test_a_version_is_its_first_two_numbers),
        cmocka_unit_test(test_health_is_three_answers),
        cmocka_unit_test(test_refusals_are_told_apart_by_their_words),
        cmocka_unit_test(test_long_words_are_cut),
        cmocka_unit_test(test_what_may_be_a_token_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
