/* SPDX-License-Identifier: Apache-2.0 */
/* A message whose data key was opened to another one, by a store that lies: it is noticed, and a cache keeps it no
 * longer; and a message that was damaged is no way to have the store asked. */
#include "message_kit.h"
#include "old_message.h"

#include <string.h>

static bulla_provider *cache;

static int start(void **state)
{
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 86400000};
    int failed = kit_start(state);
    return failed != 0 || bulla_cache_new(&kit.call, &kit.ann.base, &options, &cache) != BULLA_OK;
}

static int stop(void **state)
{
    bulla_provider_unref(cache);
    return kit_stop(state);
}

static bulla_decrypt_options with_cache(void)
{
    bulla_decrypt_options options = kit_decrypt_options();
    options.recipients = &cache;
    options.num_recipients = 1;
    options.legacy = true;
    return options;
}

/* Lies once: the message does not open, and the next time it does. */
static void lie_and_mend(const bulla_decrypt_options *options, bulla_bytes message, size_t len)
{
    size_t before = kit.ann.num_unwraps;
    kit.ann.lies = true;
    kit_fails(options, kit_view(message), BULLA_EINTEGRITY);
    kit.ann.lies = false;
    for (int i = 0; i < 3; i++)
        kit_opens(options, kit_view(message), len);
    assert_int_equal(kit.ann.num_unwraps - before, 2);
}

static void test_a_wrong_data_key_is_asked_for_again_the_next_time(void **state)
{
    (void)state;
    bulla_decrypt_options options = with_cache();
    bulla_bytes message = kit_message(100, 64);
    lie_and_mend(&options, message, 100);
    bulla_bytes_done(&message);
}

static void test_a_message_that_does_not_commit_tells_by_its_tag(void **state)
{
    (void)state;
    bulla_decrypt_options options = with_cache();
    const old_message what = {.suite = 0x0178, .frame_len = 64, .len = 100};
    bulla_bytes message = old_message_make(&what);
    lie_and_mend(&options, message, 100);
    bulla_bytes_done(&message);
}

static void test_a_wrong_data_key_is_noticed_on_rewrap_too(void **state)
{
    (void)state;
    bulla_bytes bytes = kit_message(100, 64), header = {0};
    bulla_message *message = NULL;
    const bulla_rewrap_options options = {
        .size = sizeof options, .open = &cache, .num_open = 1, .add = kit.bob_only, .num_add = 1};
    memory_source memory = {.bytes = kit_view(bytes), .step = bytes.len};
    const bulla_source source = memory_source_of(&memory);
    assert_ok(bulla_message_open(&kit.call, &source, &message));
    kit.ann.lies = true;
    assert_status(bulla_message_rewrap(message, &kit.call, &options, &header), BULLA_EINTEGRITY);
    kit.ann.lies = false;
    assert_ok(bulla_message_rewrap(message, &kit.call, &options, &header));
    bulla_bytes_done(&header);
    bulla_message_close(message);
    bulla_bytes_done(&bytes);
}

static size_t seconds_now(void)
{
    return (size_t)(kit.env.ticks_ns(kit.env.arg) / 1000000000);
}

/* One byte of the header's end, `back` bytes before its last, is another one, a hundred times. How often the store was
 * asked for that, but for once a second. */
static size_t asked_for_damaged(size_t back)
{
    bulla_decrypt_options options = with_cache();
    bulla_bytes message = kit_message(100, 64);
    uint8_t *at = message.data + kit_header_len(kit_view(message)) - 1 - back;
    kit_opens(&options, kit_view(message), 100);
    size_t before = kit.ann.num_unwraps, since = seconds_now();
    for (uint8_t i = 1; i <= 100; i++) {
        *at ^= i;
        kit_fails(&options, kit_view(message), BULLA_EINTEGRITY);
        *at ^= i;
        kit_opens(&options, kit_view(message), 100);
    }
    bulla_bytes_done(&message);
    size_t asked = kit.ann.num_unwraps - before, seconds = seconds_now() - since;
    return asked > seconds ? asked - seconds : 0;
}

/* A message ends its header with 32 bytes of commitment and 16 of the tag. */
static void test_damaged_messages_have_the_store_asked_once(void **state)
{
    (void)state;
    assert_in_range(asked_for_damaged(16), 1, 2);
}

static void test_what_fails_behind_the_commitment_is_not_the_data_keys_fault(void **state)
{
    (void)state;
    assert_int_equal(asked_for_damaged(0), 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        WITH(test_a_wrong_data_key_is_asked_for_again_the_next_time),
        WITH(test_a_message_that_does_not_commit_tells_by_its_tag),
        WITH(test_a_wrong_data_key_is_noticed_on_rewrap_too),
        WITH(test_damaged_messages_have_the_store_asked_once),
        WITH(test_what_fails_behind_the_commitment_is_not_the_data_keys_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
