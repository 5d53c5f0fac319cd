/* SPDX-License-Identifier: Apache-2.0 */
/* The section kms of a configuration, and the stores that a house makes of it. */
#include "base/bytes.h"
#include "base/macros.h"
#include "base/secret.h"
#include "bulla/config.h"
#include "cmocka_all.h"
#include "engine/kms_config.h"
#include "provider/kms.h"

#include <stdio.h>
#include <string.h>

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "MY_TOKEN") == 0 ? "s.from-the-environment" : NULL;
}

static bulla_env env;
static bulla_call call;

static int set_up(void **state)
{
    (void)state;
    env = *bulla_env_default();
    env.lookup = lookup;
    bulla_call_init(&call, &env);
    return 0;
}

static const char two_stores[] = "cache: {enabled: true, ttl: 7m}\n"
                                 "kms:\n"
                                 "  main:\n"
                                 "    provider: vault\n"
                                 "    address: https://vault:8200\n"
                                 "    standby_addresses: [https://v2:8200, https://v3:8200]\n"
                                 "    token: ${MY_TOKEN}\n"
                                 "    tls: {min_version: '1.3', accept_any_server_certificate: true,\n"
                                 "      accept_unencrypted_http: true}\n"
                                 "    timeout: 2s\n"
                                 "    max_retries: 4\n"
                                 "    retry: {enabled: false}\n"
                                 "    failover: {enabled: true, replicas: ['kms:other']}\n"
                                 "    cache: {offline_window: 1h}\n"
                                 "  other:\n"
                                 "    provider: aws\n"
                                 "    secret_access_key: hunter2hunter2\n"
                                 "    cache: {enabled: false}\n";

static bulla_config *parse(const char *text)
{
    bulla_config *config = NULL;
    if (bulla_config_parse(&call, bulla_view_text(text), "b.yaml", &config) != BULLA_OK) fail_msg("%s", call.why);
    return config;
}

static void test_every_kind_of_setting_arrives(void **state)
{
    (void)state;
    bulla_config *config = parse(two_stores);
    const bulla_options *options = &bulla_config_settings(config)->options;
    assert_int_equal(options->num_kms, 2);
    const bulla_kms_config *main_store = &options->kms[0];
    assert_string_equal(main_store->name, "main");
    assert_string_equal(main_store->provider, "vault");
    assert_string_equal(main_store->address, "https://vault:8200");
    assert_int_equal(main_store->num_standby_addresses, 2);
    assert_string_equal(main_store->standby_addresses[1], "https://v3:8200");
    assert_true(bulla_view_is(bulla_secret_borrow(main_store->token), "s.from-the-environment"));
    assert_string_equal(main_store->tls.min_version, "1.3");
    assert_true(main_store->tls.accept_any_server_certificate);
    assert_true(main_store->tls.accept_unencrypted_http);
    assert_int_equal(main_store->timeout_ms, 2000);
    assert_int_equal(main_store->retry.max_retries, 4);
    assert_true(main_store->retry.disabled);
    assert_true(main_store->failover.enabled);
    assert_string_equal(main_store->failover.replicas[0], "kms:other");
    bulla_config_free(config);
}

static void test_a_store_takes_what_it_does_not_say_of_the_cache_from_the_whole(void **state)
{
    (void)state;
    bulla_config *config = parse(two_stores);
    const bulla_options *options = &bulla_config_settings(config)->options;
    assert_int_equal(options->kms[0].cache->ttl_ms, 420000);
    assert_int_equal(options->kms[0].cache->offline_window_ms, 3600000);
    assert_int_equal(options->cache->offline_window_ms, 0);
    assert_int_equal(options->kms[1].cache->ttl_ms, 0); /* off */
    bulla_config_free(config);
}

typedef struct shown {
    char text[4096];
    size_t len;
} shown;

static bulla_status show(void *arg, bulla_call *visit_call, const bulla_config_item *item)
{
    (void)visit_call;
    shown *all = arg;
    int len = snprintf(all->text + all->len, sizeof all->text - all->len, "%s=%s\n", item->name, item->value);
    all->len += (size_t)len;
    return BULLA_OK;
}

static void test_no_credential_is_shown(void **state)
{
    (void)state;
    shown all = {.len = 0};
    bulla_config *config = parse(two_stores);
    assert_int_equal(bulla_config_show(config, &call, show, &all), BULLA_OK);
    assert_non_null(strstr(all.text, "kms.main.token=${MY_TOKEN}\n"));
    assert_non_null(strstr(all.text, "kms.other.secret_access_key=********\n"));
    assert_non_null(strstr(all.text, "kms.main.timeout=2s\n"));
    assert_null(strstr(all.text, "hunter2"));
    assert_null(strstr(all.text, "from-the-environment"));
    bulla_config_free(config);
}

static void test_mistakes_in_a_store_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"kms: {a: {adress: x}}", "b.yaml:1:11: kms.a: unknown name \"adress\"; did you mean \"address\"?"},
        {"kms: {a: {provider: valt}}", "did you mean \"vault\"?"},
        {"kms: {A: {}}", "b.yaml:1:7: kms: a name here is 1 to 31 of a-z 0-9 _ -"},
        {"kms: {a: {address: x}}", "kms.a: provider: is missing"},
        {"kms: [1]", "holds named blocks"},
        {"kms: {a: 1}", "kms.a holds names and values"},
        {"kms: {a: {provider: vault}, a: {provider: aws}}", "kms.a is there twice"},
        {"kms: {a: {token: '${NOT_SET}'}}", "the variable ${NOT_SET} is not set"},
    };
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        bulla_config *config = NULL;
        assert_int_equal(bulla_config_parse(&call, bulla_view_text(cases[i].text), "b.yaml", &config), BULLA_ECONFIG);
        assert_null(config);
        if (strstr(call.why, cases[i].why) == NULL) fail_msg("%s: %s", cases[i].text, call.why);
    }
}

static void test_a_setting_of_another_provider_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"kms: {a: {provider: vault, endpoint: x}}",
         "b.yaml:1:38: kms.a: endpoint: is no setting of provider vault, but of aws, gcp"},
        {"kms: {a: {key_name: x, provider: aws}}", "key_name: is no setting of provider aws, but of vault, azure, gcp"},
        {"kms: {a: {provider: gcp, vault_url: x}}", "is no setting of provider gcp, but of azure"},
        {"kms: {a: {provider: azure, tls: {ca_cert: x}, pin: x}}", "pin: is no setting of provider azure"},
        {"kms: {a: {provider: pkcs11, tls: {ca_cert: x}}}", "tls.ca_cert: is no setting of provider pkcs11"},
        {"kms: {a: {provider: azure, address: x}}", "address: is no setting of provider azure, but of vault"},
    };
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        bulla_config *config = NULL;
        assert_int_equal(bulla_config_parse(&call, bulla_view_text(cases[i].text), "b.yaml", &config), BULLA_ECONFIG);
        if (strstr(call.why, cases[i].why) == NULL) fail_msg("%s: %s", cases[i].text, call.why);
    }
}

static const char *sample_of(const bulla_conf_field *field)
{
    switch (field->kind) {
    case BULLA_CONF_NUMBER: return "7";
    case BULLA_CONF_DURATION: return "700ms";
    case BULLA_CONF_BOOL: return strstr(field->name, "retry.") || strstr(field->name, "breaker.") ? "false" : "true";
    case BULLA_CONF_WORD: return field->words[1];
    case BULLA_CONF_TEXT:
    case BULLA_CONF_SIZE:
    case BULLA_CONF_LIST:
    case BULLA_CONF_SECRET:
    case BULLA_CONF_BLOCKS: break;
    }
    return "value";
}

/* What a configuration becomes when field `index` is set; 0: none is. */
static void read_with(size_t index, bulla_kms_config *out)
{
    char name[80];
    bulla_config *config = parse("kms: {a: {provider: vault}}");
    (void)snprintf(name, sizeof name, "kms.a.%s", bulla_kms_fields[index].name);
    if (index != 0)
        assert_int_equal(bulla_config_set(config, &call, name, sample_of(&bulla_kms_fields[index]), "test"), BULLA_OK);
    *out = bulla_config_settings(config)->options.kms[0];
    out->name = out->provider = NULL;
    out->cache = NULL;
    bulla_config_free(config);
}

static void test_every_name_reaches_a_member_of_its_own(void **state)
{
    (void)state;
    bulla_kms_config none, with;
    size_t taken_by[sizeof none] = {0};
    memset(&none, 0, sizeof none);
    memset(&with, 0, sizeof with);
    read_with(0, &none);
    for (size_t i = 1; i < BULLA_KMS_NUM_FIELDS - BULLA_CACHE_NUM; i++) {
        size_t num = 0;
        read_with(i, &with);
        for (size_t at = 0; at < sizeof none; at++) {
            if (((const uint8_t *)&none)[at] == ((const uint8_t *)&with)[at]) continue;
            if (taken_by[at] != 0)
                fail_msg("%s and %s are one", bulla_kms_fields[i].name, bulla_kms_fields[taken_by[at]].name);
            taken_by[at] = i;
            num++;
        }
        if (num == 0) fail_msg("%s reaches nothing", bulla_kms_fields[i].name);
    }
}

static void test_no_retries_are_none(void **state)
{
    (void)state;
    bulla_config *config = parse("kms: {a: {provider: vault, max_retries: 0, retry: {enabled: true}}}");
    assert_true(bulla_config_settings(config)->options.kms[0].retry.disabled);
    bulla_config_free(config);
}

static void test_a_setting_of_a_store_can_be_overridden(void **state)
{
    (void)state;
    bulla_config *config = parse(two_stores);
    assert_int_equal(bulla_config_set(config, &call, "kms.main.address", "http://[::1]:8200", "test"), BULLA_OK);
    assert_int_equal(bulla_config_set(config, &call, "kms.third.provider", "gcp", "test"), BULLA_OK);
    const bulla_options *options = &bulla_config_settings(config)->options;
    assert_string_equal(options->kms[0].address, "http://[::1]:8200");
    assert_int_equal(options->num_kms, 3);
    assert_string_equal(options->kms[2].name, "third");
    assert_int_equal(bulla_config_set(config, &call, "kms.main.adress", "x", "test"), BULLA_EINVAL);
    assert_int_equal(bulla_config_set(config, &call, "kms.main", "x", "test"), BULLA_EINVAL);
    bulla_config_free(config);
}

static void test_stores_are_copied_whole(void **state)
{
    (void)state;
    bulla_kms *kms = NULL;
    const bulla_kms_config *found = NULL;
    bulla_config *config = parse(two_stores);
    const bulla_options *options = &bulla_config_settings(config)->options;
    assert_int_equal(bulla_kms_new(&call, options->kms, options->num_kms, NULL, &kms), BULLA_OK);
    bulla_config_free(config); /* what follows is read from the copy */
    assert_int_equal(bulla_kms_find(kms, &call, "vault", NULL, &found), BULLA_OK);
    assert_string_equal(found->name, "main");
    assert_string_equal(found->standby_addresses[1], "https://v3:8200");
    assert_string_equal(found->failover.replicas[0], "kms:other");
    assert_true(bulla_view_is(bulla_secret_borrow(found->token), "s.from-the-environment"));
    assert_int_equal(found->cache->ttl_ms, 420000);
    assert_int_equal(bulla_kms_find(kms, &call, "vault", "other", &found), BULLA_ECONFIG);
    assert_int_equal(bulla_kms_find(kms, &call, "vault", "mian", &found), BULLA_ECONFIG);
    assert_non_null(strstr(call.why, "did you mean \"main\"?"));
    assert_int_equal(bulla_kms_find(kms, &call, "gcp", NULL, &found), BULLA_OK); /* from the environment alone */
    assert_string_equal(found->name, "gcp");
    assert_int_equal(bulla_kms_find(kms, &call, "gcp", "gcp", &found), BULLA_OK); /* the same by its name */
    assert_string_equal(found->name, "gcp");
    assert_int_equal(bulla_kms_find(kms, &call, "vault", "vault", &found), BULLA_ECONFIG); /* that is "main" */
    bulla_kms_free(kms);
}

static void test_two_stores_of_one_name_are_refused(void **state)
{
    (void)state;
    const bulla_kms_config twice[] = {{.size = sizeof twice[0], .name = "a", .provider = "vault"},
                                      {.size = sizeof twice[0], .name = "a", .provider = "aws"}};
    bulla_kms *kms = NULL;
    assert_int_equal(bulla_kms_new(&call, twice, 2, NULL, &kms), BULLA_ECONFIG);
    assert_null(kms);
}

static void test_the_store_of_an_address_is_found_in_its_query(void **state)
{
    (void)state;
    char name[BULLA_KMS_NAME_MAX + 2];
    assert_true(bulla_kms_name_of("vault:transit/keys/a?kms=main", name, sizeof name));
    assert_string_equal(name, "main");
    assert_true(bulla_kms_name_of("pkcs11:token=t?pin-source=/x&kms=hsm", name, sizeof name));
    assert_string_equal(name, "hsm");
    assert_false(bulla_kms_name_of("vault:transit/keys/a?xkms=main", name, sizeof name));
    assert_false(bulla_kms_name_of("vault:kms=main", name, sizeof name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_every_kind_of_setting_arrives, set_up),
        cmocka_unit_test_setup(test_a_store_takes_what_it_does_not_say_of_the_cache_from_the_whole, set_up),
        cmocka_unit_test_setup(test_no_credential_is_shown, set_up),
        cmocka_unit_test_setup(test_mistakes_in_a_store_are_named_with_their_place, set_up),
        cmocka_unit_test_setup(test_a_setting_of_another_provider_is_refused, set_up),
        cmocka_unit_test_setup(test_every_name_reaches_a_member_of_its_own, set_up),
        cmocka_unit_test_setup(test_no_retries_are_none, set_up),
        cmocka_unit_test_setup(test_a_setting_of_a_store_can_be_overridden, set_up),
        cmocka_unit_test_setup(test_stores_are_copied_whole, set_up),
        cmocka_unit_test_setup(test_two_stores_of_one_name_are_refused, set_up),
        cmocka_unit_test_setup(test_the_store_of_an_address_is_found_in_its_query, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
