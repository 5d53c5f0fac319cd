/* SPDX-License-Identifier: Apache-2.0 */
/* Reuse of data keys on encrypt: what is shared, for how long, and what ends it. */
#include "base/bytes.h"
#include "base/context.h"
#include "base/secret.h"
#include "provider/provider.h"
#include "store_kit.h"

#define ALL ((bulla_view){NULL, 0})

static bulla_wrapped *make_key(uint64_t message_len, bulla_context *context)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    bulla_wrapped *made = NULL;
    kit.call.message_len = message_len;
    assert_ok(bulla_provider_datakey(kit.key, &kit.call, context, 32, &dek, &made));
    assert_ok(bulla_provider_unwrap(kit.memory, &kit.call, context, made, &opened));
    assert_true(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(opened)));
    return made;
}

/* How many different keys `num` messages get. */
static size_t keys_for(size_t num, uint64_t message_len, bulla_context *context)
{
    size_t before = memory_provider_counts(kit.memory).datakeys;
    for (size_t i = 0; i < num; i++)
        bulla_wrapped_free(make_key(message_len, context));
    return memory_provider_counts(kit.memory).datakeys - before;
}

static void test_without_reuse_every_message_has_its_key(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000});
    assert_int_equal(keys_for(10, 100, NULL), 10);
}

static void test_messages_share_a_key_within_the_limits(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000, .reuse_messages = 4});
    assert_int_equal(keys_for(12, 100, NULL), 3);
    assert_int_equal(kit_stats().reused, 9);
    bulla_wrapped_free(make_key(BULLA_MESSAGE_UNKNOWN, NULL));
    fake_env_advance_ms(&kit.fake, 4999);
    assert_int_equal(keys_for(1, BULLA_MESSAGE_UNKNOWN, NULL), 0);
    fake_env_advance_ms(&kit.fake, 1);
    assert_int_equal(keys_for(1, BULLA_MESSAGE_UNKNOWN, NULL), 1);
}

static void test_the_bytes_under_one_key_are_limited(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000, .reuse_bytes = 1000});
    assert_int_equal(keys_for(20, 100, NULL), 2);
    assert_int_equal(keys_for(3, BULLA_MESSAGE_UNKNOWN, NULL), 3);
    assert_int_equal(keys_for(3, 1001, NULL), 3); /* too long to share */
    assert_int_equal(keys_for(3, 600, NULL), 3);
}

static void test_a_data_key_for_no_message_is_nobody_elses(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000});
    assert_int_equal(keys_for(1, 10, NULL), 1);
    assert_int_equal(keys_for(3, 0, NULL), 3);
    assert_int_equal(keys_for(3, 10, NULL), 0);
}

static void test_contexts_do_not_share(void **state)
{
    (void)state;
    const bulla_pair one = {bulla_view_text("table"), bulla_view_text("one")};
    const bulla_pair two = {bulla_view_text("table"), bulla_view_text("two")};
    const bulla_pair sign = {bulla_view_text(BULLA_CONTEXT_PUBLIC_KEY), bulla_view_text("AAAA")};
    BULLA_AUTO(bulla_context) *first = NULL, *second = NULL, *third = NULL;
    assert_ok(bulla_context_new(&kit.call, &one, 1, &first));
    assert_ok(bulla_context_new(&kit.call, &two, 1, &second));
    assert_ok(bulla_context_new_reserved(&kit.call, &sign, 1, &third));
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000});
    assert_int_equal(keys_for(5, 10, first), 1);
    assert_int_equal(keys_for(5, 10, second), 1);
    assert_int_equal(keys_for(5, 10, NULL), 1);
    assert_int_equal(keys_for(5, 10, third), 5); /* a signed message's context is its own */
}

static void test_a_purge_and_a_rotation_end_reuse(void **state)
{
    (void)state;
    uint32_t version = 0;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000});
    assert_int_equal(keys_for(3, 10, NULL), 1);
    bulla_provider_purge(kit.key, bulla_view_text("another key"));
    assert_int_equal(keys_for(3, 10, NULL), 0);
    bulla_provider_purge(kit.key, bulla_view_text("key"));
    assert_int_equal(keys_for(3, 10, NULL), 1);
    assert_ok(bulla_provider_rotate(kit.key, &kit.call, &version));
    assert_int_equal(keys_for(3, 10, NULL), 1);
}

static void purge_always(void *arg)
{
    (void)arg;
    bulla_provider_purge(kit.key, ALL);
}

static void test_a_purge_while_a_data_key_is_made_keeps_it_from_others(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000});
    kit.script->hook = purge_always;
    assert_int_equal(keys_for(3, 10, NULL), 3);
    kit.script->hook = NULL;
    assert_int_equal(keys_for(3, 10, NULL), 1);
}

static void test_reuse_is_bounded(void **state)
{
    (void)state;
    kit_cache_open((bulla_cache_options){.ttl_ms = 1000, .reuse_ms = 5000});
    size_t before = kit.fake.num_live;
    for (uint32_t i = 0; i < 2000; i++) {
        const bulla_pair pair = {bulla_view_text("number"), bulla_view_of(&i, sizeof i)};
        BULLA_AUTO(bulla_context) *context = NULL;
        if (bulla_context_new(&kit.call, &pair, 1, &context) == BULLA_OK) bulla_wrapped_free(make_key(10, context));
    }
    assert_true(kit.fake.num_live - before <= (size_t)3 * 256);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, kit_start, kit_stop)
    const struct CMUnitTest tests[] = {
        WITH(test_without_reuse_every_message_has_its_key),
        WITH(test_messages_share_a_key_within_the_limits),
        WITH(test_the_bytes_under_one_key_are_limited),
        WITH(test_a_data_key_for_no_message_is_nobody_elses),
        WITH(test_contexts_do_not_share),
        WITH(test_a_purge_and_a_rotation_end_reuse),
        WITH(test_a_purge_while_a_data_key_is_made_keeps_it_from_others),
        WITH(test_reuse_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
