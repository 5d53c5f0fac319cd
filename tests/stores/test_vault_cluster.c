/* SPDX-License-Identifier: Apache-2.0 */
/* Three OpenBao nodes behind the full stack: who reads keys must not notice that one of them goes. */
#include "base/bytes.h"
#include "base/secret.h"
#include "bulla/house.h"
#include "bulla/kms.h"
#include "cmocka_all.h"
#include "stores/control.h"

#include <pthread.h>
#include <unistd.h>

#define NUM_THREADS 4u
#define NODE_MS 1000u /* one node's share of a request */

typedef struct cluster {
    bulla_call call;
    bulla *house;
    bulla_provider *key;
    bulla_secret *token;
    bulla_wrapped *wrapped;
    int is_over; /* atomic */
    unsigned num_ok, num_failed;
} cluster;

static const char *node_addresses[2];

static void cluster_open(cluster *c)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    memset(c, 0, sizeof *c);
    bulla_call_init(&c->call, NULL);
    assert_int_equal(bulla_secret_copy(&c->call, bulla_view_text(fact("OPENBAO_CLUSTER_TOKEN")), &c->token), BULLA_OK);
    node_addresses[0] = fact("OPENBAO_CLUSTER_STANDBY_1_ADDR");
    node_addresses[1] = fact("OPENBAO_CLUSTER_STANDBY_2_ADDR");
    const bulla_kms_config store = {.size = sizeof store,
                                    .name = "main",
                                    .provider = "vault",
                                    .address = fact("OPENBAO_CLUSTER_ADDR"),
                                    .standby_addresses = node_addresses,
                                    .num_standby_addresses = 2,
                                    .token = c->token,
                                    .timeout_ms = NODE_MS,
                                    .failover = {.failover_timeout_ms = NODE_MS}};
    const bulla_options options = {.size = sizeof options, .kms = &store, .num_kms = 1};
    if (bulla_open(&c->call, &options, &c->house) != BULLA_OK ||
        bulla_provider_open(c->house, &c->call, "vault:transit/keys/bulla", &c->key) != BULLA_OK ||
        bulla_provider_datakey(c->key, &c->call, NULL, 32, &dek, &c->wrapped) != BULLA_OK)
        fail_msg("%s", c->call.why);
}

static void cluster_close(cluster *c)
{
    bulla_wrapped_free(c->wrapped);
    bulla_provider_unref(c->key);
    bulla_secret_unref(c->token);
    bulla_close(c->house);
}

/* Each request has 30 seconds, which an election takes some of. */
static void *unwrap_on(void *arg)
{
    cluster *c = arg;
    bulla_call call;
    bulla_call_init(&call, NULL);
    while (__atomic_load_n(&c->is_over, __ATOMIC_RELAXED) == 0) {
        bulla_secret *dek = NULL;
        bulla_status status = BULLA_EUNAVAIL;
        bulla_call_deadline_set(&call, 30000);
        while (bulla_status_class(status) == BULLA_CLASS_RETRY) {
            status = bulla_provider_unwrap(c->key, &call, NULL, c->wrapped, &dek);
            if (status != BULLA_OK) (void)usleep(50000);
        }
        bulla_secret_unref(dek);
        if (status != BULLA_OK) print_message("%s: %s\n", bulla_status_name(status), call.why);
        (void)__atomic_fetch_add(status == BULLA_OK ? &c->num_ok : &c->num_failed, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void run(cluster *c, void (*meanwhile)(void))
{
    pthread_t threads[NUM_THREADS];
    for (size_t i = 0; i < NUM_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, unwrap_on, c), 0);
    meanwhile();
    __atomic_store_n(&c->is_over, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < NUM_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(c->num_failed, 0);
    assert_true(c->num_ok > 50);
}

static void kill_the_active_one(void)
{
    (void)usleep(500000);
    control("openbao-cluster kill_active");
    (void)usleep(1000000);
    control("openbao-cluster start_all");
    (void)usleep(500000);
}

static void test_a_node_that_dies_is_replaced(void **state)
{
    (void)state;
    cluster c;
    cluster_open(&c);
    run(&c, kill_the_active_one);
    cluster_close(&c);
}

static void pause_the_active_one(void)
{
    (void)usleep(500000);
    control("openbao-cluster pause_active");
    (void)usleep(5000000);
    control("openbao-cluster resume_all");
    (void)usleep(500000);
}

static void test_a_node_that_hangs_is_replaced(void **state)
{
    (void)state;
    cluster c;
    cluster_open(&c);
    run(&c, pause_the_active_one);
    cluster_close(&c);
}

/* Each node by itself: a standby passes requests on. */
static void test_a_standby_serves(void **state)
{
    (void)state;
    bulla_call call;
    bulla *house = NULL;
    BULLA_AUTO(bulla_secret) *token = NULL;
    bulla_provider *key = NULL;
    bulla_wrapped *wrapped = NULL;
    bulla_secret *dek = NULL;
    bulla_call_init(&call, NULL);
    assert_int_equal(bulla_secret_copy(&call, bulla_view_text(fact("OPENBAO_CLUSTER_TOKEN")), &token), BULLA_OK);
    const bulla_kms_config store = {.size = sizeof store,
                                    .name = "main",
                                    .provider = "vault",
                                    .address = fact("OPENBAO_CLUSTER_STANDBY_1_ADDR"),
                                    .token = token};
    const bulla_options options = {.size = sizeof options, .kms = &store, .num_kms = 1};
    assert_int_equal(bulla_open(&call, &options, &house), BULLA_OK);
    assert_int_equal(bulla_provider_open(house, &call, "vault:transit/keys/bulla", &key), BULLA_OK);
    if (bulla_provider_check(key, &call) != BULLA_OK) fail_msg("%s", call.why);
    if (bulla_provider_datakey(key, &call, NULL, 32, &dek, &wrapped) != BULLA_OK) fail_msg("%s", call.why);
    bulla_secret_unref(dek);
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(key);
    bulla_close(house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_standby_serves),
        cmocka_unit_test(test_a_node_that_dies_is_replaced),
        cmocka_unit_test(test_a_node_that_hangs_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
