/* SPDX-License-Identifier: Apache-2.0 */
/* What the stack makes of a configuration, seen from outside: which of two Vaults is asked, and for how long. */
#include "bulla/bulla.h"

#include "cmocka_all.h"
#include "fakes/http_server.h"

#include <string.h>

static bulla_call call;

/* A Vault with one key, as far as it takes to wrap with it. */
static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    if (strcmp(seen->method, "GET") == 0)
        http_reply_print(reply,
                         "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":1,\"ttl\":0,\"keys\":{\"1\":1}}}");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_of_one_endpoint_has_the_time_of_one_before_the_next_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
