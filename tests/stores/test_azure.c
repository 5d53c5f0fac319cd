/* SPDX-License-Identifier: Apache-2.0 */
/* The azure: back end against a fake that does what the real service cannot be asked to do: lies, faults, every login.
 */
#include "stores/cloud.h"
#include "stores/control.h"

#include <stdio.h>
#include <string.h>

static cloud c;

static void open_named(const char *name)
{
    char kid[256];
    (void)snprintf(kid, sizeof kid, "%s/keys/%s", fact("AZURE_FAKE_ADDR"), name);
    cloud_key(&c, kid);
}

static int start(void **state)
{
    (void)state;
    cloud_init(&c, "azure");
    c.config.vault_url = fact("AZURE_FAKE_ADDR");
    c.config.authority_host = fact("AZURE_FAKE_AUTHORITY");
    c.config.client_id = fact("AZURE_FAKE_CLIENT_ID");
    assert_ok(bulla_secret_copy(&c.call, bulla_view_text(fact("AZURE_FAKE_CLIENT_SECRET")), &c.config.client_secret));
    return 0;
}

static int end(void **state)
{
    (void)state;
    cloud_done(&c);
    control("azure-fake restart"); /* faults, versions and counters are gone */
    return 0;
}

static void no_secret(void)
{
    bulla_secret_unref(c.config.client_secret);
    c.config.client_secret = NULL;
}

static void a_wrapped_key_bears_the_version_that_wrapped(void **state)
{
    (void)state;
    char begin[256];
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    int len = snprintf(begin, sizeof begin, "%s/", fact("AZURE_FAKE_KEY"));
    assert_true(bulla_view_is(c.wrapped->provider, "azure-kv"));
    assert_int_equal(c.wrapped->info.len, len + 32);
    assert_memory_equal(c.wrapped->info.data, begin, (size_t)len);
}

static void aes_keys_of_a_managed_hsm_wrap_too(void **state)
{
    (void)state;
    bulla_key_info info;
    cloud_key(&c, fact("AZURE_FAKE_HSM_KEY"));
    cloud_roundtrip(&c);
    assert_int_equal(c.wrapped->blob.len, 1 + 2 + 40 + 12 + 32 + 16);
    assert_ok(bulla_provider_describe(c.key, &c.call, &info));
    assert_int_equal(info.state, BULLA_KEY_ENABLED);
}

static void each_refusal_has_its_status(void **state)
{
    (void)state;
    static const cloud_refusal rows[] = {
        {"throttle", BULLA_ETHROTTLED, 429, 3000},
        {"unavailable", BULLA_EUNAVAIL, 503, 2000},
        {"internal", BULLA_EUNAVAIL, 500, 2000},
        {"html", BULLA_EUNAVAIL, 200, 0},
    };
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_refusals_check(&c, "azure-fake", rows, BULLA_LEN(rows));
}

static void answers_for_another_key_are_not_believed(void **state)
{
    (void)state;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    control("azure-fake fake lie_kid=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "was not asked for");
    control("azure-fake fake flip=1");
    assert_status(cloud_unwrap(&c), BULLA_EINTEGRITY);
}

static void a_key_that_cannot_be_opened_again_does_not_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *key, *why;
        bulla_status status;
    } rows[] = {{"disabled", "is disabled", BULLA_ESTATE},
                {"expired", "has expired", BULLA_ESTATE},
                {"early", "not valid yet", BULLA_ESTATE},
                {"missing", "KeyNotFound", BULLA_ENOKEY}};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        open_named(rows[i].key);
        assert_status(cloud_wrap(&c), rows[i].status);
        assert_why(&c, rows[i].why);
        cloud_close(&c);
    }
    control("azure-fake expect wrapkey=0");
}

static void a_disabled_key_stops_wrapping_within_seconds_and_unwrapping_at_once(void **state)
{
    (void)state;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    control("azure-fake fake enabled=app,0");
    assert_status(cloud_unwrap(&c), BULLA_ESTATE);
    assert_why(&c, "KeyDisabled");
    c.later_ns = INT64_C(31) * 1000000000;
    assert_status(cloud_wrap(&c), BULLA_ESTATE);
    control("azure-fake fake enabled=app,1");
    bulla_provider_purge(c.key, (bulla_view){NULL, 0});
    cloud_roundtrip(&c);
}

static void rotation_is_followed_and_old_keys_open(void **state)
{
    (void)state;
    bulla_provider *other = NULL;
    bulla_key_info info;
    uint32_t version = 0;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c); /* from now on this version is remembered */
    bulla_wrapped *old = c.wrapped;
    c.wrapped = NULL;
    other = c.key;
    c.key = NULL;
    cloud_key(&c, fact("AZURE_FAKE_KEY")); /* another program rotates it, twice */
    assert_ok(bulla_provider_rotate(c.key, &c.call, &version));
    assert_ok(bulla_provider_rotate(c.key, &c.call, &version));
    assert_int_equal(version, 3);
    bulla_provider_unref(c.key);
    c.key = other;
    cloud_roundtrip(&c);
    assert_false(bulla_view_equal(old->info, c.wrapped->info));
    bulla_wrapped_free(c.wrapped);
    c.wrapped = old;
    assert_ok(cloud_unwrap(&c));
    assert_ok(bulla_provider_describe(c.key, &c.call, &info));
    assert_true(info.primary_version == 3 && info.num_versions == 3);
}

static void a_version_of_the_address_wraps_and_no_other(void **state)
{
    (void)state;
    char kid[512];
    uint32_t version = 0;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    (void)snprintf(kid, sizeof kid, "%.*s", (int)c.wrapped->info.len, (const char *)c.wrapped->info.data);
    assert_ok(bulla_provider_rotate(c.key, &c.call, &version));
    cloud_close(&c);
    cloud_key(&c, kid);
    cloud_roundtrip(&c);
    assert_true(bulla_view_is(c.wrapped->info, kid));
}

static void a_lost_rotation_is_not_known(void **state)
{
    (void)state;
    uint32_t version = 0;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    control("azure-fake fake internal=1");
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EUNKNOWN);
    control("azure-fake fake html=1");
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EUNKNOWN);
    control("azure-fake fake lie_kid=1");
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EUNKNOWN);
    assert_why(&c, "which was not asked for");
    assert_int_equal(version, 0);
}

static void certificates_and_workload_identities_log_in(void **state)
{
    (void)state;
    no_secret();
    c.config.client_certificate = fact("AZURE_FAKE_CERTIFICATE");
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    control("azure-fake expect who+certificate=3");
    cloud_close(&c);
    c.config.client_certificate = NULL;
    c.vars[0][0] = "AZURE_FEDERATED_TOKEN_FILE";
    c.vars[0][1] = fact("AZURE_FAKE_FEDERATED_TOKEN_FILE");
    c.vars[1][0] = "AZURE_TENANT_ID";
    c.vars[1][1] = fact("AZURE_FAKE_TENANT");
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    control("azure-fake expect who+federated=3");
}

static void a_certificate_file_without_a_key_is_a_mistake_of_the_configuration(void **state)
{
    (void)state;
    c.config.client_certificate = fact("AZURE_FAKE_CA");
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    assert_status(cloud_wrap(&c), BULLA_ECONFIG);
    assert_why(&c, "its RSA key in PEM");
    control("azure-fake expect logins=0");
}

static void managed_identities_log_in(void **state)
{
    (void)state;
    no_secret();
    c.config.use_managed_identity = true;
    c.config.client_id = NULL;
    c.vars[0][0] = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    c.vars[0][1] = fact("AZURE_FAKE_IMDS");
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    control("azure-fake fake identity_upgrading=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    control("azure-fake fake identity_missing=1");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "Identity not found");
    cloud_roundtrip(&c);
    control("azure-fake expect who+system=3");
    cloud_close(&c);
    c.vars[1][0] = "IDENTITY_ENDPOINT";
    c.vars[1][1] = fact("AZURE_FAKE_IDENTITY_ENDPOINT");
    c.vars[2][0] = "IDENTITY_HEADER";
    c.vars[2][1] = fact("AZURE_FAKE_IDENTITY_HEADER");
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    control("azure-fake expect who+app-service=3");
}

static void credentials_go_nowhere_on_a_vaults_word_alone(void **state)
{
    (void)state;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    control("azure-fake fake evil_challenge=1");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "not its own");
    control("azure-fake fake no_challenge=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    cloud_close(&c);
    c.config.authority_host = NULL;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    assert_status(cloud_wrap(&c), BULLA_ECONFIG);
    assert_why(&c, "login.fake.test");
    control("azure-fake expect logins=0");
}

static void a_refused_token_is_replaced_once(void **state)
{
    (void)state;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    cloud_roundtrip(&c);
    control("azure-fake expect logins=1");
    control("azure-fake fake forget_tokens=1");
    assert_ok(cloud_unwrap(&c));
    control("azure-fake expect logins=2");
    control("azure-fake fake refuse_token=3"); /* the request, the question where to log in, the request again */
    assert_status(cloud_unwrap(&c), BULLA_EAUTHN);
    assert_ok(cloud_unwrap(&c));
}

static void a_wrong_secret_is_said_without_showing_it(void **state)
{
    (void)state;
    no_secret();
    assert_ok(bulla_secret_copy(&c.call, bulla_view_text("s3cret-that-is-wrong"), &c.config.client_secret));
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "invalid_client");
    assert_int_equal(c.call.native, 401);
}

static void keys_of_other_vaults_and_names_are_not_ours(void **state)
{
    (void)state;
    static const char *const kids[] = {"https://evil.example/keys/app/0123", "http://127.0.0.1:1/keys/app/0123"};
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    cloud_roundtrip(&c);
    for (size_t i = 0; i < BULLA_LEN(kids); i++) {
        bulla_secret *dek = NULL;
        bulla_wrapped moved = *c.wrapped;
        moved.info = bulla_view_text(kids[i]);
        assert_status(bulla_provider_unwrap(c.key, &c.call, c.context, &moved, &dek), BULLA_ENOKEY);
        assert_null(dek);
    }
    control("azure-fake expect unwrapkey=1");
}

static bulla_status count_key(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    (void)call;
    size_t *num = arg;
    assert_true(strncmp(address, "azure:http", 10) == 0 && strstr(address, info->name) != NULL);
    return ++*num == 9 ? BULLA_ECANCELLED : BULLA_OK;
}

static void a_list_goes_over_all_pages_of_this_vault_and_no_other(void **state)
{
    (void)state;
    size_t num = 0;
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    assert_ok(bulla_provider_list(c.key, &c.call, count_key, &num));
    assert_int_equal(num, 7);
    assert_status(bulla_provider_list(c.key, &c.call, count_key, &num), BULLA_ECANCELLED);
    num = 20;
    control("azure-fake fake other_host=1");
    assert_status(bulla_provider_list(c.key, &c.call, count_key, &num), BULLA_EUNAVAIL);
}

static void a_certificate_that_does_not_fit_is_no_answer(void **state)
{
    (void)state;
    static const char *const addresses[] = {"AZURE_FAKE_EXPIRED_ADDR", "AZURE_FAKE_EARLY_ADDR",
                                            "AZURE_FAKE_WRONG_HOST_ADDR", "AZURE_FAKE_SELF_SIGNED_ADDR",
                                            "AZURE_FAKE_TLS_ADDR"};
    char key[256];
    for (size_t i = 0; i <= BULLA_LEN(addresses); i++) {
        const char *base = fact(addresses[i < BULLA_LEN(addresses) ? i : i - 1]);
        c.config.vault_url = base;
        c.config.tls.ca_cert = fact(i == 4 ? "AZURE_FAKE_OTHER_CA" : "AZURE_FAKE_CA");
        (void)snprintf(key, sizeof key, "%s/keys/app", base);
        control("azure-fake fake base=%s", base);
        cloud_key(&c, key);
        if (i == BULLA_LEN(addresses)) break; /* the good one: the same, with the right authority */
        assert_status(cloud_wrap(&c), BULLA_EUNTRUSTED);
        assert_why(&c, "certificate");
        cloud_close(&c);
    }
    cloud_roundtrip(&c);
}

static void credentials_are_not_sent_to_a_login_host_that_cannot_show_who_it_is(void **state)
{
    (void)state;
    char authority[256];
    (void)snprintf(authority, sizeof authority, "%s/authority", fact("AZURE_FAKE_SELF_SIGNED_ADDR"));
    c.config.authority_host = authority;
    c.config.tls.ca_cert = fact("AZURE_FAKE_CA");
    cloud_key(&c, fact("AZURE_FAKE_KEY"));
    assert_status(cloud_wrap(&c), BULLA_EUNTRUSTED);
    assert_why(&c, "certificate");
    control("azure-fake expect logins=0");
}

static void addresses_and_settings_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"azure:", "azure:app", "azure:https://v.vault.azure.net/secrets/a",
                                        "azure:https://v.vault.azure.net/keys/a/b/c", "azure:https://v/keys/a?x=y"};
    for (size_t i = 0; i < BULLA_LEN(wrong); i++)
        assert_status(cloud_open(&c, wrong[i]), BULLA_EINVAL);
    assert_status(cloud_open(&c, "azure:https://other.vault.azure.net/keys/a"), BULLA_ECONFIG);
    assert_status(cloud_open(&c, "azure:http://vault.example.com/keys/a"), BULLA_ECONFIG);
    c.config.key_version = "../x";
    assert_status(cloud_open(&c, "azure:https://v.vault.azure.net/keys/a"), BULLA_ECONFIG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wrapped_key_bears_the_version_that_wrapped),
        TEST(aes_keys_of_a_managed_hsm_wrap_too),
        TEST(each_refusal_has_its_status),
        TEST(answers_for_another_key_are_not_believed),
        TEST(a_key_that_cannot_be_opened_again_does_not_wrap),
        TEST(a_disabled_key_stops_wrapping_within_seconds_and_unwrapping_at_once),
        TEST(rotation_is_followed_and_old_keys_open),
        TEST(a_version_of_the_address_wraps_and_no_other),
        TEST(a_lost_rotation_is_not_known),
        TEST(certificates_and_workload_identities_log_in),
        TEST(a_certificate_file_without_a_key_is_a_mistake_of_the_configuration),
        TEST(managed_identities_log_in),
        TEST(credentials_go_nowhere_on_a_vaults_word_alone),
        TEST(a_refused_token_is_replaced_once),
        TEST(a_wrong_secret_is_said_without_showing_it),
        TEST(keys_of_other_vaults_and_names_are_not_ours),
        TEST(a_list_goes_over_all_pages_of_this_vault_and_no_other),
        TEST(a_certificate_that_does_not_fit_is_no_answer),
        TEST(credentials_are_not_sent_to_a_login_host_that_cannot_show_who_it_is),
        TEST(addresses_and_settings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
