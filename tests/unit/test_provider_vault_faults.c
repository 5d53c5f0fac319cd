/* SPDX-License-Identifier: Apache-2.0 */
/* Each way in which a Vault, or what stands before it, fails; told apart in status and words. */
#include "base/bytes.h"
#include "vault_kit.h"

#include <stdio.h>
#include <string.h>

/* A kit that has wrapped its data key once. */
static bulla_wrapped *start_wrapped(vault_kit *kit)
{
    bulla_wrapped *wrapped = NULL;
    vault_kit_start(kit, NULL);
    if (vault_kit_open(kit, NULL) != BULLA_OK || vault_kit_wrap(kit, &wrapped) != BULLA_OK)
        fail_msg("%s", kit->call.why);
    return wrapped;
}

static const struct refusal {
    int code;
    const char *headers, *body;
    bulla_status status;
    const char *why;
} refusals[] = {
    {503, NULL, "{\"errors\":[\"Vault is sealed\"]}", BULLA_EUNAVAIL, "sealed: unseal it (HTTP 503)"},
    {307, "Location: https://10.0.0.2:8200/v1/x\r\n", "", BULLA_EUNAVAIL, "standby"},
    {429, "Retry-After: 7\r\n", "{\"errors\":[\"rate limit quota exceeded\"]}", BULLA_ETHROTTLED, "limits the rate"},
    {429, NULL, "<html>slow down</html>", BULLA_ETHROTTLED, "limits the rate"},
    {500, NULL, "{\"errors\":[\"internal error\"]}", BULLA_EUNAVAIL, "internal error (HTTP 500)"},
    {502, NULL, "<html>Bad Gateway</html>", BULLA_EUNAVAIL, "proxy"},
    {404, NULL, "<html>Not Found</html>", BULLA_EUNAVAIL, "proxy"},
    {403, NULL, "<html>Forbidden</html>", BULLA_EUNAVAIL, "proxy"},
    {200, NULL, "<html>Welcome</html>", BULLA_EUNAVAIL, "proxy"},
    {200, NULL, "{\"data\":{}}", BULLA_EUNAVAIL, "does not say"},
    {200, NULL, "", BULLA_EUNAVAIL, "does not say"},
    {204, NULL, "", BULLA_EUNAVAIL, "does not say"},
    {472, NULL, "{\"errors\":[\"x\"]}", BULLA_EUNAVAIL, "replica"},
    {403, NULL, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}", BULLA_EAUTHZ, "policy"},
    {404, NULL, "{\"errors\":[\"no handler for route \\\"transit\\\"\"]}", BULLA_ECONFIG, "mount"},
    {405, NULL, "{\"errors\":[\"1 error occurred:\\n\\t* unsupported operation\\n\\n\"]}", BULLA_ECONFIG, "mount"},
    {400, NULL, "{\"errors\":[\"encryption key not found\"]}", BULLA_ENOKEY, "transit/keys/app"},
    {400, NULL, "{\"errors\":[\"cipher: message authentication failed\"]}", BULLA_EINTEGRITY, "damaged, or not for"},
    {400, NULL, "{\"errors\":[\"ciphertext or signature version is disallowed by policy (too old)\"]}", BULLA_ESTATE,
     "min_decryption_version"},
    {400, NULL, "{\"errors\":[\"refusing to use soft-deleted key\"]}", BULLA_ESTATE, "restore it"},
    {400, NULL, "{\"errors\":[\"something else\"]}", BULLA_EINVAL, "something else (HTTP 400)"},
    {413, NULL, "{\"errors\":[\"too large\"]}", BULLA_ELIMIT, "too large"},
};

static void test_every_refusal_has_its_status_and_words(void **state)
{
    (void)state;
    vault_kit kit;
    BULLA_AUTO(bulla_wrapped) *wrapped = start_wrapped(&kit);
    for (size_t i = 0; i < BULLA_LEN(refusals); i++) {
        const struct refusal *row = &refusals[i];
        kit.fault_path = "/decrypt/";
        kit.num_faults = 1;
        kit.fault_code = row->code;
        kit.fault_headers = row->headers;
        kit.fault_body = row->body;
        bulla_status status = vault_kit_unwrap(&kit, wrapped);
        if (status != row->status) fail_msg("%s: %s: %s", row->body, bulla_status_name(status), kit.call.why);
        assert_why(&kit, row->why);
        if (row->code != 200 && row->code != 204) assert_int_equal(kit.call.native, row->code);
        assert_null(strstr(kit.call.why, "s.token"));
    }
    vault_kit_stop(&kit);
}

static void test_an_answer_without_end_is_an_outage(void **state)
{
    (void)state;
    static char page[300u << 10];
    vault_kit kit;
    BULLA_AUTO(bulla_wrapped) *wrapped = start_wrapped(&kit);
    memset(page, 'x', sizeof page - 1);
    kit.fault_path = "/decrypt/";
    kit.num_faults = 1;
    kit.fault_code = 200;
    kit.fault_body = page;
    assert_int_equal(vault_kit_unwrap(&kit, wrapped), BULLA_EUNAVAIL);
    assert_why(&kit, "does not say");
    vault_kit_stop(&kit);
}

static void test_how_long_to_wait_is_handed_on(void **state)
{
    (void)state;
    vault_kit kit;
    BULLA_AUTO(bulla_wrapped) *wrapped = start_wrapped(&kit);
    kit.fault_path = "/decrypt/";
    kit.num_faults = 1;
    kit.fault_code = 429;
    kit.fault_headers = "Retry-After: 7\r\n";
    kit.fault_body = "{\"errors\":[]}";
    assert_int_equal(vault_kit_unwrap(&kit, wrapped), BULLA_ETHROTTLED);
    assert_int_equal(kit.call.retry_after_ms, 7000);
    vault_kit_stop(&kit);
}

/* After an answer that says 500 nobody knows whether there is a new version. */
static void test_a_rotation_with_an_unsure_answer_is_unsure(void **state)
{
    (void)state;
    static const struct {
        int code;
        bulla_status status;
    } rows[] = {{500, BULLA_EUNKNOWN}, {502, BULLA_EUNKNOWN},   {504, BULLA_EUNKNOWN},
                {503, BULLA_EUNAVAIL}, {429, BULLA_ETHROTTLED}, {307, BULLA_EUNAVAIL}};
    vault_kit kit;
    uint32_t version = 0;
    bulla_wrapped_free(start_wrapped(&kit));
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        kit.fault_path = "/rotate";
        kit.num_faults = 1;
        kit.fault_code = rows[i].code;
        kit.fault_body = "{\"errors\":[\"x\"]}";
        assert_int_equal(bulla_provider_rotate(kit.key, &kit.call, &version), rows[i].status);
    }
    assert_int_equal(version, 0);
    vault_kit_stop(&kit);
}

static void test_broken_connections_are_outages(void **state)
{
    (void)state;
    static const http_fault faults[] = {HTTP_CLOSE_BEFORE,  HTTP_RESET,       HTTP_CLOSE_IN_HEAD, HTTP_CLOSE_IN_BODY,
                                        HTTP_RESET_IN_BODY, HTTP_LONG_LENGTH, HTTP_GARBAGE,       HTTP_HALF_CLOSE};
    vault_kit kit;
    BULLA_AUTO(bulla_wrapped) *wrapped = start_wrapped(&kit);
    for (size_t i = 0; i < BULLA_LEN(faults); i++) {
        kit.fault_path = "/decrypt/";
        kit.num_faults = 2;
        kit.fault_code = 200;
        kit.fault_body = "{\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODw==\"}}";
        kit.fault = faults[i];
        bulla_status status = vault_kit_unwrap(&kit, wrapped);
        if (status != BULLA_EUNAVAIL)
            fail_msg("fault %d: %s: %s", (int)faults[i], bulla_status_name(status), kit.call.why);
        kit.num_faults = 0;
    }
    assert_int_equal(vault_kit_unwrap(&kit, wrapped), BULLA_OK);
    vault_kit_stop(&kit);
}

static void test_a_key_of_a_strange_length_is_not_given_out(void **state)
{
    (void)state;
    vault_kit kit;
    BULLA_AUTO(bulla_wrapped) *wrapped = start_wrapped(&kit);
    kit.fault_path = "/decrypt/";
    kit.num_faults = 1;
    kit.fault_code = 200;
    kit.fault_body = "{\"data\":{\"plaintext\":\"AAEC\"}}";
    assert_int_equal(vault_kit_unwrap(&kit, wrapped), BULLA_EINTEGRITY);
    vault_kit_stop(&kit);
}

static void test_a_check_tells_sealed_from_standby(void **state)
{
    (void)state;
    vault_kit kit;
    bulla_wrapped_free(start_wrapped(&kit));
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_OK);
    kit.is_standby = true; /* and passes requests on */
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_OK);
    assert_int_equal(kit.num_lookups, 1);
    kit.fault_path = "lookup-self";
    kit.num_faults = 1;
    kit.fault_code = 307;
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_EUNAVAIL);
    assert_why(&kit, "standby");
    kit.is_sealed = true;
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_EUNAVAIL);
    assert_why(&kit, "is sealed: unseal it");
    assert_int_equal(kit.call.native, 503);
    vault_kit_stop(&kit);
}

static void test_a_check_of_something_else_is_an_outage(void **state)
{
    (void)state;
    vault_kit kit;
    bulla_wrapped_free(start_wrapped(&kit));
    kit.fault_path = "sys/health";
    kit.num_faults = 1;
    kit.fault_code = 200;
    kit.fault_body = "OK";
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_EUNAVAIL);
    vault_kit_stop(&kit);
}

static void test_certificates_are_checked(void **state)
{
    (void)state;
    static const http_tls bad[] = {HTTP_TLS_WRONG_HOST, HTTP_TLS_EXPIRED, HTTP_TLS_NOT_YET, HTTP_TLS_SELF_SIGNED,
                                   HTTP_TLS_OTHER_CA};
    for (size_t i = 0; i < BULLA_LEN(bad); i++) {
        vault_kit kit;
        bulla_wrapped *none = NULL;
        vault_kit_start(&kit, &(http_server_options){.tls = bad[i]});
        assert_int_equal(vault_kit_open(&kit, NULL), BULLA_OK);
        assert_int_equal(vault_kit_wrap(&kit, &none), BULLA_EUNTRUSTED);
        assert_int_equal(kit.num_logins, 0); /* no credential was sent */
        vault_kit_stop(&kit);
    }
}

static void test_a_good_certificate_is_accepted(void **state)
{
    (void)state;
    vault_kit kit;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    vault_kit_start(&kit, &(http_server_options){.tls = HTTP_TLS_GOOD, .wants_client_cert = true});
    kit.config.tls.client_cert = http_client_cert();
    kit.config.tls.client_key = http_client_key();
    assert_int_equal(vault_kit_open(&kit, NULL), BULLA_OK);
    assert_int_equal(vault_kit_wrap(&kit, &wrapped), BULLA_OK);
    vault_kit_stop(&kit);
}

static void test_http_over_a_network_is_warned_of(void **state)
{
    (void)state;
    vault_kit kit;
    vault_kit_start(&kit, NULL);
    assert_int_equal(vault_kit_open(&kit, NULL), BULLA_OK);
    assert_null(strstr(kit.fake.last_line, "TLS"));
    bulla_provider_unref(kit.key);
    bulla_kms_free(kit.kms);
    kit.key = NULL;
    kit.kms = NULL;
    kit.config.address = "http://10.0.0.1:8200";
    assert_int_equal(vault_kit_open(&kit, NULL), BULLA_OK);
    assert_non_null(strstr(kit.fake.last_line, "without TLS"));
    vault_kit_stop(&kit);
}

static void test_addresses_of_servers_are_checked(void **state)
{
    (void)state;
    static const char *const rows[] = {NULL, "10.0.0.1:8200", "ftp://h", "https://", "https://h:8200/?x=1"};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        vault_kit kit;
        vault_kit_start(&kit, NULL);
        kit.config.address = rows[i];
        bulla_status status = vault_kit_open(&kit, NULL);
        if (status != BULLA_ECONFIG && status != BULLA_EINVAL) fail_msg("%zu: %s", i, bulla_status_name(status));
        assert_null(kit.key);
        vault_kit_stop(&kit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_refusal_has_its_status_and_words),
        cmocka_unit_test(test_an_answer_without_end_is_an_outage),
        cmocka_unit_test(test_how_long_to_wait_is_handed_on),
        cmocka_unit_test(test_a_rotation_with_an_unsure_answer_is_unsure),
        cmocka_unit_test(test_broken_connections_are_outages),
        cmocka_unit_test(test_a_key_of_a_strange_length_is_not_given_out),
        cmocka_unit_test(test_a_check_tells_sealed_from_standby),
        cmocka_unit_test(test_a_check_of_something_else_is_an_outage),
        cmocka_unit_test(test_certificates_are_checked),
        cmocka_unit_test(test_a_good_certificate_is_accepted),
        cmocka_unit_test(test_http_over_a_network_is_warned_of),
        cmocka_unit_test(test_addresses_of_servers_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
