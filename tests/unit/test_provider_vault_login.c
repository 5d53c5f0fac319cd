/* SPDX-License-Identifier: Apache-2.0 */
/* How a client comes to its token, keeps it and gets over its loss. */
#include "base/bytes.h"
#include "provider/vault.h"
#include "vault_kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char file_path[64];

static void write_file(const char *text)
{
    (void)snprintf(file_path, sizeof file_path, "/tmp/bulla-vault-%ld", (long)getpid());
    int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void test_a_token_is_renewed_at_two_thirds_of_its_lease(void **state)
{
    (void)state;
    assert_used();
    fake_env_advance_ms(&kit.fake, 3600 * 590);
    assert_used();
    assert_int_equal(kit.num_renewals, 0);
    fake_env_advance_ms(&kit.fake, 3600 * 120);
    assert_used();
    assert_int_equal(kit.num_renewals, 1);
    fake_env_advance_ms(&kit.fake, 3600 * 710);
    assert_used();
    assert_int_equal(kit.num_renewals, 2);
    assert_int_equal(kit.num_logins, 1);
}

static void test_a_lease_that_shrinks_leads_to_a_login(void **state)
{
    (void)state;
    assert_used();
    kit.renewed_lease_s = 600;
    fake_env_advance_ms(&kit.fake, 3600 * 710);
    assert_used();
    assert_int_equal(kit.num_renewals, 1);
    assert_int_equal(kit.num_logins, 2);
}

static void test_a_token_that_cannot_be_renewed_is_replaced_in_time(void **state)
{
    (void)state;
    kit.is_not_renewable = true; /* a batch token */
    kit_must_open();
    assert_used();
    fake_env_advance_ms(&kit.fake, 3600 * 710);
    assert_used();
    assert_int_equal(kit.num_renewals, 0);
    assert_int_equal(kit.num_logins, 2);
}

static void test_a_renewal_that_fails_harms_nobody(void **state)
{
    (void)state;
    assert_used();
    kit_fault("renew-self", 1, 500, NULL);
    fake_env_advance_ms(&kit.fake, 3600 * 710);
    assert_used();
    assert_used();
    assert_int_equal(kit.num_logins, 1);
    fake_env_advance_ms(&kit.fake, 11000);
    assert_used();
    assert_int_equal(kit.num_renewals, 1);
}

static void test_a_revoked_token_is_replaced_once(void **state)
{
    (void)state;
    assert_used();
    (void)strcpy(kit.token, "s.gone");
    assert_used();
    assert_int_equal(kit.num_logins, 2);
    assert_int_equal(kit.num_renewals, 0);
}

/* The answer to a request that was sent with the token before. */
static void test_a_refusal_that_comes_late_says_nothing_of_the_next_token(void **state)
{
    (void)state;
    static const bulla_vault_reason reasons[] = {BULLA_VAULT_BAD_TOKEN, BULLA_VAULT_UNKNOWN};
    bulla_vault_client *client = ((bulla_vault_key *)(void *)kit.key)->client;
    BULLA_AUTO(bulla_secret) *old = NULL, *kept = NULL;
    assert_ok(bulla_oauth_bearer(client->tokens, &kit.call, &old));
    (void)strcpy(kit.token, "s.gone");
    assert_used();
    assert_int_equal(kit.num_logins, 2);
    for (size_t i = 0; i < BULLA_LEN(reasons); i++)
        assert_true(bulla_vault_give_up(client, &(bulla_vault_error){.reason = reasons[i]}, old)); /* try the next */
    assert_ok(bulla_oauth_bearer(client->tokens, &kit.call, &kept));
    assert_true(bulla_view_is(bulla_secret_borrow(kept), "s.token-2"));
    fake_env_advance_ms(&kit.fake, 3600 * 710);
    assert_used();
    assert_int_equal(kit.num_renewals, 1);
    assert_int_equal(kit.num_logins, 2);
}

static void test_a_policy_that_forbids_does_not_make_each_request_a_login(void **state)
{
    (void)state;
    assert_used();
    kit_fault("/encrypt/", 1000, 403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}");
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(kit_use(), BULLA_EAUTHZ);
    assert_int_equal(kit.num_logins, 1);
    fake_env_advance_ms(&kit.fake, 61000); /* the role may have another policy by now */
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(kit_use(), BULLA_EAUTHZ);
    assert_int_equal(kit.num_logins, 2);
}

static void test_a_refused_login_says_so(void **state)
{
    (void)state;
    kit_fault("/login", 1, 400, "{\"errors\":[\"invalid role or secret ID\"]}");
    assert_int_equal(kit_use(), BULLA_EAUTHN);
    assert_why("login: invalid role or secret ID");
    assert_null(strstr(kit.call.why, "the secret id"));
    assert_used();
}

static void test_a_sealed_store_is_no_bad_login(void **state)
{
    (void)state;
    kit_fault("/login", 1, 503, "{\"errors\":[\"Vault is sealed\"]}");
    assert_int_equal(kit_use(), BULLA_EUNAVAIL);
    assert_why("sealed");
}

/* What is not a token would end the header that it is sent in. */
static void test_a_login_that_gives_no_token_is_an_outage(void **state)
{
    (void)state;
    static const char *const rows[] = {"<html>", "{\"auth\":{\"client_token\":\"a\\r\\nb: c\",\"lease_duration\":9}}",
                                       ""};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        kit_restart(NULL);
        kit_must_open();
        kit_fault("/login", 1, 200, rows[i]);
        assert_int_equal(kit_use(), BULLA_EUNAVAIL);
        assert_int_equal(http_server_num_requests(kit.server), 1);
    }
}

/* A configuration without any credential. */
static void make_bare(void)
{
    kit_restart(NULL);
    kit.config.role_id = NULL;
    kit.config.secret_id = NULL;
    (void)strcpy(kit.token, "s.given");
}

static void test_a_given_token_is_looked_up_and_renewed(void **state)
{
    (void)state;
    make_bare();
    fake_env_var_set(&kit.fake, "VAULT_TOKEN", "s.given");
    kit_must_open();
    assert_used();
    assert_int_equal(kit.num_lookups, 1);
    fake_env_advance_ms(&kit.fake, 3600 * 710);
    assert_used();
    assert_int_equal(kit.num_renewals, 1);
    assert_int_equal(kit.num_logins, 0);
}

static void test_a_given_token_that_is_dead_is_asked_about_once_a_minute(void **state)
{
    (void)state;
    make_bare();
    fake_env_var_set(&kit.fake, "VAULT_TOKEN", "s.given");
    kit_must_open();
    assert_used();
    (void)strcpy(kit.token, "s.other");
    assert_int_equal(kit_use(), BULLA_EAUTHN);
    size_t num = http_server_num_requests(kit.server);
    assert_int_equal(kit_use(), BULLA_EAUTHN);
    assert_int_equal(http_server_num_requests(kit.server), num);
    (void)strcpy(kit.token, "s.given");
    fake_env_advance_ms(&kit.fake, 61000);
    assert_used();
}

static void test_a_token_that_may_not_look_at_itself_is_used(void **state)
{
    (void)state;
    make_bare();
    fake_env_var_set(&kit.fake, "BAO_TOKEN", "s.given");
    kit_must_open();
    kit_fault("lookup-self", 1, 403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}");
    assert_used();
}

static void test_a_token_file_is_read_again_when_its_token_is_dead(void **state)
{
    (void)state;
    make_bare();
    write_file("s.given\n");
    kit.config.token_file = file_path;
    kit_must_open();
    assert_used();
    (void)strcpy(kit.token, "s.next");
    write_file("s.next\n");
    assert_used();
    assert_int_equal(unlink(file_path), 0);
}

static void test_a_jwt_is_read_from_its_file_at_each_login(void **state)
{
    (void)state;
    make_bare();
    write_file("first.jwt.x");
    kit.config.jwt_file = file_path;
    kit.config.auth_role = "app";
    kit.config.auth_mount = "/sso/jwt/";
    kit_must_open();
    assert_used();
    assert_string_equal(kit.login, "/v1/auth/sso/jwt/login {\"role\":\"app\",\"jwt\":\"first.jwt.x\"}");
    write_file("second.jwt.x");
    (void)strcpy(kit.token, "s.gone");
    assert_used();
    assert_non_null(strstr(kit.login, "second.jwt.x"));
    assert_int_equal(unlink(file_path), 0);
}

static void test_the_method_follows_from_what_is_given(void **state)
{
    (void)state;
    make_bare();
    write_file("the.jwt.x");
    kit.config.jwt_file = file_path;
    kit.config.auth_role = "app";
    kit.config.auth_method = "kubernetes";
    kit_must_open();
    assert_used();
    assert_memory_equal(kit.login, "/v1/auth/kubernetes/login ", 26);
    make_bare();
    kit.config.auth_role = "app";
    kit.config.auth_method = "cert";
    kit_must_open();
    assert_used();
    assert_string_equal(kit.login, "/v1/auth/cert/login {\"name\":\"app\"}");
    assert_int_equal(unlink(file_path), 0);
}

static void test_no_credentials_and_unknown_methods_are_told(void **state)
{
    (void)state;
    make_bare();
    kit_must_open();
    assert_int_equal(kit_use(), BULLA_ECONFIG);
    assert_why("there are no credentials");
    make_bare();
    kit.config.auth_method = "ldap";
    kit_must_open();
    assert_int_equal(kit_use(), BULLA_ECONFIG);
    assert_why("no such auth_method");
}

/* What a forked child does with a key store that its parent opened; its exit code is the status. */
static bulla_status describe_in_child(void)
{
    int code = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bulla_key_info info;
        bulla_status status = bulla_provider_describe(kit.key, &kit.call, &info);
        if (status != BULLA_OK) (void)fprintf(stderr, "in the child: %s\n", kit.call.why);
        _exit((int)status);
    }
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    return (bulla_status)WEXITSTATUS(code);
}

static void test_a_forked_child_logs_in_itself(void **state)
{
    (void)state;
    make_bare();
    write_file("s.given");
    kit.config.token_file = file_path;
    kit_must_open();
    assert_used();
    assert_int_equal(kit.num_lookups, 1);
    assert_int_equal(describe_in_child(), BULLA_OK);
    assert_int_equal(kit.num_lookups, 2);
    assert_used();
    assert_int_equal(unlink(file_path), 0);
}

static void test_a_forked_child_does_not_have_credentials_given_as_values(void **state)
{
    (void)state;
    assert_used();
    assert_int_equal(describe_in_child(), BULLA_EAUTHN);
    assert_int_equal(kit.num_logins, 1);
}

/* Wherever memory runs out the request fails, nothing is lost, and the next one works. */
static void test_without_memory_a_request_fails_and_the_next_works(void **state)
{
    (void)state;
    unsigned num_failed = 0;
    for (size_t n = 1; n <= 30; n++) {
        fake_env_advance_ms(&kit.fake, 3600 * 1001); /* log in and look at the key each time */
        fake_env_fail_alloc_in(&kit.fake, n);
        bulla_status status = kit_use();
        kit.fake.fail_alloc = 0;
        if (status != BULLA_OK && status != BULLA_ENOMEM) fail_msg("%zu: %s", n, kit.call.why);
        num_failed += status == BULLA_ENOMEM;
    }
    assert_in_range(num_failed, 6, 20);
    assert_used();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN_CASE(test_a_token_is_renewed_at_two_thirds_of_its_lease),
        OPEN_CASE(test_a_lease_that_shrinks_leads_to_a_login),
        CASE(test_a_token_that_cannot_be_renewed_is_replaced_in_time),
        OPEN_CASE(test_a_renewal_that_fails_harms_nobody),
        OPEN_CASE(test_a_revoked_token_is_replaced_once),
        OPEN_CASE(test_a_refusal_that_comes_late_says_nothing_of_the_next_token),
        OPEN_CASE(test_a_policy_that_forbids_does_not_make_each_request_a_login),
        OPEN_CASE(test_a_refused_login_says_so),
        OPEN_CASE(test_a_sealed_store_is_no_bad_login),
        CASE(test_a_login_that_gives_no_token_is_an_outage),
        CASE(test_a_given_token_is_looked_up_and_renewed),
        CASE(test_a_given_token_that_is_dead_is_asked_about_once_a_minute),
        CASE(test_a_token_that_may_not_look_at_itself_is_used),
        CASE(test_a_token_file_is_read_again_when_its_token_is_dead),
        CASE(test_a_jwt_is_read_from_its_file_at_each_login),
        CASE(test_the_method_follows_from_what_is_given),
        CASE(test_no_credentials_and_unknown_methods_are_told),
        CASE(test_a_forked_child_logs_in_itself),
        OPEN_CASE(test_a_forked_child_does_not_have_credentials_given_as_values),
        OPEN_CASE(test_without_memory_a_request_fails_and_the_next_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
