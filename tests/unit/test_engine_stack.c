/* SPDX-License-Identifier: Apache-2.0 */
/* What the stack makes of a configuration, seen from outside: which of two Vaults is asked, and for how long; and what
 * it says when somebody else answers. */
#include "bulla/bulla.h"

#include "cmocka_all.h"
#include "fakes/http_server.h"

#include <string.h>
#include <time.h>

static bulla_call call;

/* A Vault with one key, as far as it takes to wrap with it. */
static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    if (strcmp(seen->method, "GET") == 0)
        http_reply_print(reply,
                         "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":1,\"ttl\":0,\"keys\":{\"1\":1}}}");
    else if (strstr(seen->target, "/decrypt/") != NULL)
        http_reply_print(reply, "{\"data\":{\"plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}}");
    else
        http_reply_print(reply, "{\"data\":{\"ciphertext\":\"vault:v1:AAECAwQFBgcICQoLDA0ODw==\"}}");
}

static void stay_silent(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    (void)seen;
    reply->fault = HTTP_SILENCE;
}

static bulla *house_open(const http_server *first, const http_server *second, bulla_secret *token)
{
    static const char *const replicas[] = {"kms:second"};
    bulla *house = NULL;
    bulla_kms_config stores[2] = {{.size = sizeof stores[0], .name = "first"},
                                  {.size = sizeof stores[0], .name = "second"}};
    for (size_t i = 0; i < 2; i++) {
        stores[i].provider = "vault";
        stores[i].key_name = "app";
        stores[i].address = http_server_url(i == 0 ? first : second);
        stores[i].token = token;
        stores[i].timeout_ms = 60000;
    }
    stores[0].failover =
        (bulla_failover_options){.enabled = true, .replicas = replicas, .num_replicas = 1, .failover_timeout_ms = 500};
    const bulla_options options = {.size = sizeof options, .kms = stores, .num_kms = 2};
    if (bulla_open(&call, &options, &house) != BULLA_OK) fail_msg("%s", call.why);
    return house;
}

static void test_a_key_of_one_endpoint_has_the_time_of_one_before_the_next_is_asked(void **state)
{
    (void)state;
    bulla_provider *key = NULL;
    bulla_secret *dek = NULL, *token = NULL;
    bulla_wrapped *wrapped = NULL;
    http_server *first = http_server_start(&(http_server_options){.handler = stay_silent});
    http_server *second = http_server_start(&(http_server_options){.handler = answer});
    bulla_call_init(&call, NULL);
    assert_int_equal(bulla_secret_random(&call, 32, &dek), BULLA_OK);
    assert_int_equal(bulla_secret_copy(&call, (bulla_view){(const uint8_t *)"s.token", 7}, &token), BULLA_OK);
    bulla *house = house_open(first, second, token);
    if (bulla_provider_open(house, &call, "kms:first", &key) != BULLA_OK) fail_msg("%s", call.why);
    bulla_call_deadline_set(&call, 3500); /* less than eight times 500 ms */
    if (bulla_provider_wrap(key, &call, NULL, dek, &wrapped) != BULLA_OK) fail_msg("%s", call.why);
    assert_true(http_server_num_requests(first) >= 1);
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(key);
    bulla_close(house);
    bulla_secret_unref(dek);
    bulla_secret_unref(token);
    http_server_stop(first);
    http_server_stop(second);
}

/* --- a certificate that is not accepted --- */

/* A key with everything around it that there is, and one endpoint. Entries are past their time at once, nearly. */
static bulla_provider *key_open(const http_server *server, bulla **out_house)
{
    bulla_secret *token = NULL;
    bulla_provider *key = NULL;
    static const bulla_cache_options cache = {.size = sizeof cache, .ttl_ms = 20, .offline_window_ms = 600000};
    bulla_kms_config store = {.size = sizeof store, .name = "main", .provider = "vault", .key_name = "app"};
    assert_int_equal(bulla_secret_copy(&call, (bulla_view){(const uint8_t *)"s.token", 7}, &token), BULLA_OK);
    store.address = http_server_url(server);
    store.token = token;
    store.tls.ca_cert = http_server_ca();
    store.cache = &cache;
    const bulla_options options = {.size = sizeof options, .kms = &store, .num_kms = 1};
    if (bulla_open(&call, &options, out_house) != BULLA_OK ||
        bulla_provider_open(*out_house, &call, "kms:main", &key) != BULLA_OK)
        fail_msg("%s", call.why);
    bulla_secret_unref(token);
    return key;
}

static bulla_status unwrap(bulla_provider *key, const bulla_wrapped *wrapped)
{
    bulla_secret *dek = NULL;
    bulla_call_deadline_set(&call, 20000);
    bulla_status status = bulla_provider_unwrap(key, &call, NULL, wrapped, &dek);
    bulla_secret_unref(dek);
    return status;
}

static void let_entries_end(void)
{
    static const struct timespec while_ = {0, 40000000};
    (void)nanosleep(&while_, NULL);
}

/* Another server takes the place of the one that is there. */
static http_server *replace(http_server *server, http_tls tls)
{
    uint16_t port = http_server_port(server);
    http_server_stop(server);
    return http_server_start(&(http_server_options){.handler = answer, .tls = tls, .port = port});
}

/* More often than it takes for a breaker to open: each time it is one connection, and the certificate that is told. */
static void assert_told_of_the_certificate(bulla_provider *key, const bulla_wrapped *wrapped, const http_server *server)
{
    size_t before = http_server_num_connections(server);
    for (size_t i = 1; i <= 15; i++) {
        if (unwrap(key, wrapped) != BULLA_EUNTRUSTED) fail_msg("%s: %s", bulla_status_name(call.status), call.why);
        if (strstr(call.why, "certificate") == NULL) fail_msg("%s", call.why);
        assert_int_equal(call.attempts, 1);
        assert_int_equal(http_server_num_connections(server), before + i);
    }
    assert_int_equal(http_server_num_requests(server), 0);
}

static void test_a_certificate_that_is_not_accepted_is_no_outage(void **state)
{
    (void)state;
    for (http_tls tls = HTTP_TLS_WRONG_HOST; tls <= HTTP_TLS_OTHER_CA; tls++) {
        bulla *house = NULL;
        bulla_wrapped *wrapped = NULL;
        bulla_secret *dek = NULL;
        bulla_call_init(&call, NULL);
        http_server *server = http_server_start(&(http_server_options){.handler = answer, .tls = HTTP_TLS_GOOD});
        bulla_provider *key = key_open(server, &house);
        assert_int_equal(bulla_secret_random(&call, 32, &dek), BULLA_OK);
        if (bulla_provider_wrap(key, &call, NULL, dek, &wrapped) != BULLA_OK) fail_msg("%s", call.why);
        assert_int_equal(unwrap(key, wrapped), BULLA_OK);
        server = replace(server, tls);
        let_entries_end();
        assert_told_of_the_certificate(key, wrapped, server);
        server = replace(server, HTTP_TLS_GOOD);
        if (unwrap(key, wrapped) != BULLA_OK) fail_msg("%s", call.why); /* nothing was held back for a while */
        bulla_secret_unref(dek);
        bulla_wrapped_free(wrapped);
        bulla_provider_unref(key);
        bulla_close(house);
        http_server_stop(server);
    }
}

static void test_a_share_of_time_beyond_its_limit_is_refused_before_it_can_overflow(void **state)
{
    (void)state;
    static const uint32_t shares[] = {600001, UINT32_MAX / 8 + 2, UINT32_MAX};
    bulla_kms_config store = {.size = sizeof store, .name = "main", .provider = "vault", .key_name = "app"};
    const bulla_options options = {.size = sizeof options, .kms = &store, .num_kms = 1};
    bulla *house = NULL;
    bulla_call_init(&call, NULL);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        store.failover.failover_timeout_ms = shares[i];
        assert_status(bulla_open(&call, &options, &house), BULLA_ECONFIG);
        assert_non_null(strstr(call.why, "failover_timeout is at most 600000 ms"));
        assert_null(house);
    }
    store.failover.failover_timeout_ms = 600000;
    assert_ok(bulla_open(&call, &options, &house));
    bulla_close(house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_of_one_endpoint_has_the_time_of_one_before_the_next_is_asked),
        cmocka_unit_test(test_a_share_of_time_beyond_its_limit_is_refused_before_it_can_overflow),
        cmocka_unit_test(test_a_certificate_that_is_not_accepted_is_no_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
