/* SPDX-License-Identifier: Apache-2.0 */
/* Each way in which a Vault, or what stands before it, fails; told apart in status and words. */
#include "base/bytes.h"
#include "vault_kit.h"

#include <stdio.h>
#include <string.h>

static bulla_wrapped *wrap_once(void)
{
    bulla_wrapped *wrapped = NULL;
    assert_ok(kit_wrap(&wrapped));
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
    BULLA_AUTO(bulla_wrapped) *wrapped = wrap_once();
    for (size_t i = 0; i < BULLA_LEN(refusals); i++) {
        const struct refusal *row = &refusals[i];
        kit_fault("/decrypt/", 1, row->code, row->body);
        kit.fault_headers = row->headers;
        bulla_status status = kit_unwrap(wrapped);
        if (status != row->status) fail_msg("%s: %s: %s", row->body, bulla_status_name(status), kit.call.why);
        assert_why(row->why);
        if (row->code != 200 && row->code != 204) assert_int_equal(kit.call.native, row->code);
        assert_null(strstr(kit.call.why, "s.token"));
    }
}

static void test_an_answer_without_end_is_an_outage(void **state)
{
    (void)state;
    static char page[300u << 10];
    BULLA_AUTO(bulla_wrapped) *wrapped = wrap_once();
    memset(page, 'x', sizeof page - 1);
    kit_fault("/decrypt/", 1, 200, page);
    assert_int_equal(kit_unwrap(wrapped), BULLA_EUNAVAIL);
    assert_why("does not say");
}

static void test_how_long_to_wait_is_handed_on(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = wrap_once();
    kit_fault("/decrypt/", 1, 429, "{\"errors\":[]}");
    kit.fault_headers = "Retry-After: 7\r\n";
    assert_int_equal(kit_unwrap(wrapped), BULLA_ETHROTTLED);
    assert_int_equal(kit.call.retry_after_ms, 7000);
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
    uint32_t version = 0;
    bulla_wrapped_free(wrap_once());
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        kit_fault("/rotate", 1, rows[i].code, "{\"errors\":[\"x\"]}");
        assert_int_equal(bulla_provider_rotate(kit.key, &kit.call, &version), rows[i].status);
    }
    assert_int_equal(version, 0);
}

static void test_broken_connections_are_outages(void **state)
{
    (void)state;
    static const http_fault faults[] = {HTTP_CLOSE_BEFORE,  HTTP_RESET,       HTTP_CLOSE_IN_HEAD, HTTP_CLOSE_IN_BODY,
                                        HTTP_RESET_IN_BODY, HTTP_LONG_LENGTH, HTTP_GARBAGE,       HTTP_HALF_CLOSE};
    BULLA_AUTO(bulla_wrapped) *wrapped = wrap_once();
    for (size_t i = 0; i < BULLA_LEN(faults); i++) {
        kit_fault("/decrypt/", 2, 200, "{\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODw==\"}}");
        kit.fault = faults[i];
        bulla_status status = kit_unwrap(wrapped);
        if (status != BULLA_EUNAVAIL)
            fail_msg("fault %d: %s: %s", (int)faults[i], bulla_status_name(status), kit.call.why);
        kit.num_faults = 0;
    }
    assert_int_equal(kit_unwrap(wrapped), BULLA_OK);
}

static void test_a_key_of_a_strange_length_is_not_given_out(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = wrap_once();
    kit_fault("/decrypt/", 1, 200, "{\"data\":{\"plaintext\":\"AAEC\"}}");
    assert_int_equal(kit_unwrap(wrapped), BULLA_EINTEGRITY);
}

static void test_a_check_tells_sealed_from_standby(void **state)
{
    (void)state;
    bulla_wrapped_free(wrap_once());
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_OK);
    kit.is_standby = true; /* and passes requests on */
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_OK);
    assert_int_equal(kit.num_lookups, 1);
    kit_fault("lookup-self", 1, 307, NULL);
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_EUNAVAIL);
    assert_why("standby");
    kit.is_sealed = true;
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_EUNAVAIL);
    assert_why("is sealed: unseal it");
    assert_int_equal(kit.call.native, 503);
}

static void test_a_check_of_something_else_is_an_outage(void **state)
{
    (void)state;
    bulla_wrapped_free(wrap_once());
    kit_fault("sys/health", 1, 200, "OK");
    assert_int_equal(bulla_provider_check(kit.key, &kit.call), BULLA_EUNAVAIL);
}

static void test_certificates_are_checked(void **state)
{
    (void)state;
    static const http_tls bad[] = {HTTP_TLS_WRONG_HOST, HTTP_TLS_EXPIRED, HTTP_TLS_NOT_YET, HTTP_TLS_SELF_SIGNED,
                                   HTTP_TLS_OTHER_CA};
    for (size_t i = 0; i < BULLA_LEN(bad); i++) {
        bulla_wrapped *none = NULL;
        kit_restart(&(http_server_options){.tls = bad[i]});
        assert_int_equal(kit_open(NULL), BULLA_OK);
        assert_int_equal(kit_wrap(&none), BULLA_EUNTRUSTED);
        assert_int_equal(kit.num_logins, 0); /* no credential was sent */
    }
}

static void test_a_good_certificate_is_accepted(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    kit_restart(&(http_server_options){.tls = HTTP_TLS_GOOD, .wants_client_cert = true});
    kit.config.tls.client_cert = http_client_cert();
    kit.config.tls.client_key = http_client_key();
    assert_int_equal(kit_open(NULL), BULLA_OK);
    assert_int_equal(kit_wrap(&wrapped), BULLA_OK);
}

static void test_http_over_a_network_is_refused_or_told(void **state)
{
    (void)state;
    kit_must_open();
    assert_int_equal(kit.fake.num_logged, 0);
    kit.config.address = "http://10.0.0.1:8200";
    assert_int_equal(kit_open(NULL), BULLA_ECONFIG);
    assert_why("plain http to 10.0.0.1");
    assert_why("tls.accept_unencrypted_http");
    assert_null(kit.key);
    kit.config.tls.accept_unencrypted_http = true;
    for (unsigned i = 1; i <= 2; i++) {
        kit_must_open();
        assert_non_null(strstr(kit.fake.last_line, "tls.accept_unencrypted_http is set"));
        assert_int_equal(kit.fake.num_logged, i);
    }
}

static void test_addresses_of_servers_are_checked(void **state)
{
    (void)state;
    static const char *const rows[] = {NULL, "10.0.0.1:8200", "ftp://h", "https://", "https://h:8200/?x=1"};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        kit.config.address = rows[i];
        bulla_status status = kit_open(NULL);
        if (status != BULLA_ECONFIG && status != BULLA_EINVAL) fail_msg("%zu: %s", i, bulla_status_name(status));
        assert_null(kit.key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN_CASE(test_every_refusal_has_its_status_and_words),
        OPEN_CASE(test_an_answer_without_end_is_an_outage),
        OPEN_CASE(test_how_long_to_wait_is_handed_on),
        OPEN_CASE(test_a_rotation_with_an_unsure_answer_is_unsure),
        OPEN_CASE(test_broken_connections_are_outages),
        OPEN_CASE(test_a_key_of_a_strange_length_is_not_given_out),
        OPEN_CASE(test_a_check_tells_sealed_from_standby),
        OPEN_CASE(test_a_check_of_something_else_is_an_outage),
        CASE(test_certificates_are_checked),
        CASE(test_a_good_certificate_is_accepted),
        CASE(test_http_over_a_network_is_refused_or_told),
        CASE(test_addresses_of_servers_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
