/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that share a data key, where a cache is told to: which do, and that each opens all the same. */
#include "base/bytes.h"
#include "bulla/record.h"
#include "envelope/stream.h"
#include "message_kit.h"

static bulla_provider *cache;

static int start(void **state)
{
    const bulla_cache_options options = {
        .size = sizeof options, .ttl_ms = 60000, .reuse_ms = 60000, .reuse_bytes = 10000};
    int failed = kit_start(state);
    return failed != 0 || bulla_cache_new(&kit.call, &kit.ann.base, &options, &cache) != BULLA_OK;
}

static int stop(void **state)
{
    bulla_provider_unref(cache);
    return kit_stop(state);
}

static bulla_encrypt_options options_for_cache(void)
{
    bulla_encrypt_options options = kit_encrypt_options(4096);
    options.recipients = &cache;
    options.num_recipients = 1;
    return options;
}

/* How many data keys `num` messages of `len` bytes take; each is opened, and begins as no other does. */
static size_t keys_for(size_t num, size_t len, const bulla_encrypt_options *options)
{
    size_t before = kit.ann.num_wrapped;
    bulla_decrypt_options open = kit_decrypt_options();
    bulla_bytes last = {0};
    for (size_t i = 0; i < num; i++) {
        bulla_bytes message = {0};
        assert_ok(bulla_encrypt(&kit.call, options, kit_text(len), &message));
        kit_opens(&open, kit_view(message), len);
        assert_false(bulla_view_equal(kit_view(message), kit_view(last)));
        bulla_bytes_done(&last);
        last = message;
    }
    bulla_bytes_done(&last);
    assert_int_equal(kit.call.message_len, 0);
    return kit.ann.num_wrapped - before;
}

static void test_messages_of_one_context_share_within_the_bytes(void **state)
{
    (void)state;
    bulla_encrypt_options options = options_for_cache();
    assert_int_equal(keys_for(20, 1000, &options), 2);
    assert_int_equal(keys_for(3, 10001, &options), 3);
    options.context = NULL;
    assert_int_equal(keys_for(5, 1000, &options), 1);
}

static void test_signed_messages_never_share(void **state)
{
    (void)state;
    bulla_encrypt_options options = options_for_cache();
    options.suite = BULLA_SUITE_COMMIT_SIGNED;
    assert_int_equal(keys_for(5, 100, &options), 5);
}

static void test_a_stream_shares_when_its_length_is_told(void **state)
{
    (void)state;
    bulla_encrypt_options options = options_for_cache();
    size_t before = kit.ann.num_wrapped;
    for (uint64_t told = 0; told < 2; told++) {
        for (int i = 0; i < 3; i++) {
            bulla_encryptor encryptor;
            kit.call.message_len = told * 1000;
            assert_ok(bulla_encryptor_init(&encryptor, &kit.call, &options));
            bulla_encryptor_done(&encryptor);
        }
    }
    assert_int_equal(kit.ann.num_wrapped - before, 3 + 1);
}

static void test_a_data_key_for_records_is_alone(void **state)
{
    (void)state;
    bulla_encrypt_options options = options_for_cache();
    assert_int_equal(keys_for(3, 10, &options), 1);
    size_t before = kit.ann.num_wrapped;
    for (int i = 0; i < 3; i++) {
        bulla_datakey *key = NULL;
        assert_ok(bulla_datakey_create(&kit.call, cache, kit.context, NULL, &key));
        bulla_datakey_unref(key);
    }
    assert_int_equal(kit.ann.num_wrapped - before, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_of_one_context_share_within_the_bytes, start, stop),
        cmocka_unit_test_setup_teardown(test_signed_messages_never_share, start, stop),
        cmocka_unit_test_setup_teardown(test_a_stream_shares_when_its_length_is_told, start, stop),
        cmocka_unit_test_setup_teardown(test_a_data_key_for_records_is_alone, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
