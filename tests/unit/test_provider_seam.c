/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher: what it asks of providers, and what it does without being asked. */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/flaky_provider.h"
#include "fakes/lying_provider.h"
#include "fakes/memory_provider.h"
#include "provider/provider.h"

#include <stdio.h>

static bulla_call call;
static lying_provider lying;
static const bulla_wrapped own = {
    {(const uint8_t *)"lying", 5}, {(const uint8_t *)"key", 3}, {(const uint8_t *)"b", 1}};

static int setup(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static bulla_status unwrap_lie(lie told)
{
    bulla_secret *dek = NULL;
    lying_provider_init(&lying, told);
    bulla_status status = bulla_provider_unwrap(&lying.base, &call, NULL, &own, &dek);
    assert_true((dek != NULL) == (status == BULLA_OK));
    bulla_secret_unref(dek);
    return status;
}

static bulla_status datakey_lie(lie told)
{
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    lying_provider_init(&lying, told);
    bulla_status status = bulla_provider_datakey(&lying.base, &call, NULL, 32, &dek, &wrapped);
    assert_true((dek != NULL) == (status == BULLA_OK) && (wrapped != NULL) == (status == BULLA_OK));
    bulla_secret_unref(dek);
    bulla_wrapped_free(wrapped);
    return status;
}

/* wrap and rewrap give the same kind of thing. */
static bulla_status wrap_lie(lie told)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bulla_wrapped *wrapped = NULL, *again = NULL;
    assert_ok(bulla_secret_random(&call, 32, &dek));
    lying_provider_init(&lying, told);
    bulla_status status = bulla_provider_wrap(&lying.base, &call, NULL, dek, &wrapped);
    assert_status(bulla_provider_rewrap(&lying.base, &call, NULL, &own, &again), status);
    assert_true((wrapped != NULL) == (status == BULLA_OK) && (again != NULL) == (status == BULLA_OK));
    bulla_wrapped_free(wrapped);
    bulla_wrapped_free(again);
    return status;
}

static void assert_caught(bulla_status status)
{
    assert_status(status, BULLA_ECONTRACT);
    assert_status(call.status, BULLA_ECONTRACT);
    assert_string_equal(call.provider, "lying");
    assert_non_null(strstr(call.why, "\"lying\""));
}

static void test_ok_without_output_is_caught(void **state)
{
    (void)state;
    assert_caught(unwrap_lie(LIE_NOTHING));
    assert_caught(wrap_lie(LIE_NOTHING));
    assert_caught(datakey_lie(LIE_NOTHING));
}

static void test_keys_of_a_wrong_length_are_caught(void **state)
{
    (void)state;
    assert_caught(unwrap_lie(LIE_SHORT_KEY));
    assert_caught(unwrap_lie(LIE_LONG_KEY));
    assert_caught(datakey_lie(LIE_SHORT_KEY));
    assert_caught(datakey_lie(LIE_LONG_KEY));
}

static void test_wrapped_keys_that_cannot_be_are_caught(void **state)
{
    (void)state;
    static const lie lies[] = {LIE_EMPTY_BLOB, LIE_NO_NAME, LIE_BAD_NAME, LIE_FOREIGN_KEY};
    for (size_t i = 0; i < BULLA_LEN(lies); i++) {
        assert_caught(wrap_lie(lies[i]));
        assert_caught(datakey_lie(lies[i]));
    }
}

static void test_a_rotation_to_version_0_is_caught(void **state)
{
    (void)state;
    uint32_t version = 77;
    lying_provider_init(&lying, LIE_NO_VERSION);
    assert_caught(bulla_provider_rotate(&lying.base, &call, &version));
    assert_int_equal(version, 77);
    lying_provider_init(&lying, LIE_NOTHING);
    assert_ok(bulla_provider_rotate(&lying.base, &call, &version));
    assert_int_equal(version, 2);
}

static void test_descriptions_that_cannot_be_are_caught(void **state)
{
    (void)state;
    bulla_key_info info;
    lying_provider_init(&lying, LIE_ENDLESS_TEXT);
    assert_caught(bulla_provider_describe(&lying.base, &call, &info));
    lying_provider_init(&lying, LIE_UNKNOWN_STATE);
    assert_caught(bulla_provider_describe(&lying.base, &call, &info));
}

static void test_a_status_that_does_not_exist_is_caught(void **state)
{
    (void)state;
    assert_caught(unwrap_lie(LIE_UNKNOWN_STATUS));
    assert_caught(wrap_lie(LIE_UNKNOWN_STATUS));
    assert_caught(datakey_lie(LIE_UNKNOWN_STATUS));
}

static void test_outputs_of_a_failure_are_dropped_and_it_gets_a_sentence(void **state)
{
    (void)state;
    assert_status(unwrap_lie(LIE_SILENT_FAILURE), BULLA_EIO);
    assert_status(call.status, BULLA_EIO);
    assert_string_equal(call.provider, "lying");
    assert_true(strlen(call.why) > 0);
    assert_status(wrap_lie(LIE_SILENT_FAILURE), BULLA_EIO);
    assert_status(datakey_lie(LIE_SILENT_FAILURE), BULLA_EIO);
}

static void test_a_failure_without_a_sentence_does_not_get_an_older_one(void **state)
{
    (void)state;
    (void)bulla_fail(&call, BULLA_EIO, "the disk of yesterday");
    (void)snprintf(call.provider, sizeof call.provider, "yesterday");
    assert_status(unwrap_lie(LIE_SILENT_FAILURE), BULLA_EIO);
    assert_string_equal(call.why, bulla_status_text(BULLA_EIO));
    assert_string_equal(call.provider, "lying");
}

static void assert_unsupported(bulla_provider *provider)
{
    bulla_key_info info;
    uint32_t version = 0;
    assert_status(bulla_provider_describe(provider, &call, &info), BULLA_EUNSUPPORTED);
    assert_string_equal(call.provider, "memory");
    assert_status(bulla_provider_rotate(provider, &call, &version), BULLA_EUNSUPPORTED);
}

static void test_slots_beyond_a_providers_size_are_missing(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    const bulla_provider_ops *whole = memory->ops;
    bulla_provider_ops ops = *whole;
    memory->ops = &ops;
    ops.size = offsetof(bulla_provider_ops, describe);
    assert_unsupported(memory);
    ops.size = sizeof ops + 64; /* a later one: what we do not know is not looked at */
    bulla_key_info info;
    assert_ok(bulla_provider_describe(memory, &call, &info));
    memory->ops = whole;
}

static void test_what_a_provider_does_not_say_it_can_is_not_called(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    const bulla_provider_ops *whole = memory->ops;
    bulla_provider_ops ops = *whole;
    memory->ops = &ops;
    ops.can = BULLA_OP_WRAP;
    assert_unsupported(memory);
    ops.can = whole->can;
    ops.describe = NULL;
    ops.rotate = NULL;
    assert_unsupported(memory);
    memory->ops = whole;
    assert_int_equal(memory_provider_counts(memory).describes + memory_provider_counts(memory).rotates, 0);
}

static void test_data_keys_are_drawn_and_wrapped_where_there_is_no_slot(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    BULLA_AUTO(bulla_provider) *relay = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    BULLA_AUTO(bulla_wrapped) *again = NULL;
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    assert_ok(flaky_provider_new(&call, memory, 0, &relay));
    assert_ok(bulla_provider_datakey(relay, &call, NULL, 48, &dek, &wrapped));
    assert_int_equal(bulla_secret_borrow(dek).len, 48);
    assert_ok(bulla_provider_rewrap(relay, &call, NULL, wrapped, &again));
    memory_counts counts = memory_provider_counts(memory);
    assert_int_equal(counts.wraps, 2);
    assert_int_equal(counts.unwraps, 1);
    assert_int_equal(counts.datakeys + counts.rewraps, 0);
}

/* How the slot of a store was asked, which makes keys of 24 bytes when it may choose. */
static struct {
    const bulla_provider_ops *ops;
    size_t len;
    bool is_unseen;
} asked;

static bulla_status watched_datakey(bulla_provider *provider, bulla_call *request, bulla_context *context, size_t len,
                                    bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    asked.len = len;
    asked.is_unseen = out_dek == NULL;
    BULLA_TRY(asked.ops->datakey(provider, request, context, len == 0 ? 24 : len, &dek, out_wrapped));
    if (out_dek != NULL) *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

/* The length of a data key that `provider` makes: the one that is shown, or what the wrapped one opens to. */
static size_t datakey_len(bulla_provider *provider, size_t len, bool is_wanted)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    assert_ok(bulla_provider_datakey(provider, &call, NULL, len, is_wanted ? &dek : NULL, &wrapped));
    assert_ok(bulla_provider_unwrap(provider, &call, NULL, wrapped, &opened));
    if (is_wanted) assert_true(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(opened)));
    return bulla_secret_borrow(opened).len;
}

static void watched_use(bulla_provider *memory, bulla_provider_ops *ops, uint32_t more)
{
    asked.ops = memory->ops;
    *ops = *memory->ops;
    ops->datakey = watched_datakey;
    ops->can |= more;
    memory->ops = ops;
}

static void test_a_store_that_can_hears_that_a_key_is_not_wanted_and_may_be_of_any_length(void **state)
{
    (void)state;
    static bulla_provider_ops ops;
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 60000, .reuse_ms = 60000};
    BULLA_AUTO(bulla_provider) *memory = NULL;
    BULLA_AUTO(bulla_provider) *cache = NULL;
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    watched_use(memory, &ops, BULLA_OP_DATAKEY_BLIND);
    assert_ok(bulla_cache_new(&call, memory, &options, &cache)); /* a wrapper tells it on */
    assert_int_equal(datakey_len(cache, 0, false), 24);
    assert_true(asked.is_unseen && asked.len == 0);
    assert_int_equal(datakey_len(cache, 0, true), 24);
    assert_true(!asked.is_unseen && asked.len == 0);
    assert_int_equal(datakey_len(cache, 48, false), 48);
    assert_true(asked.is_unseen && asked.len == 48);
}

static void test_a_store_that_cannot_is_asked_for_a_key_as_ever(void **state)
{
    (void)state;
    static bulla_provider_ops ops;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    BULLA_AUTO(bulla_provider) *relay = NULL;
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    watched_use(memory, &ops, 0);
    assert_int_equal(datakey_len(memory, 0, false), 32);
    assert_true(!asked.is_unseen && asked.len == 32);
    assert_int_equal(datakey_len(memory, 16, false), 16);
    assert_ok(flaky_provider_new(&call, memory, 0, &relay));
    asked.len = 0;
    assert_int_equal(datakey_len(relay, 0, false), 32); /* without a slot: drawn, wrapped, wiped */
    assert_int_equal(asked.len, 0);
}

static void test_a_foreign_key_is_refused_without_asking_the_store(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    bulla_secret *dek = NULL;
    bulla_wrapped *again = NULL;
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    assert_status(bulla_provider_unwrap(memory, &call, NULL, &own, &dek), BULLA_ENOKEY);
    assert_status(bulla_provider_rewrap(memory, &call, NULL, &own, &again), BULLA_ENOKEY);
    assert_int_equal(memory_provider_counts(memory).unwraps + memory_provider_counts(memory).rewraps, 0);
}

static void test_a_failure_names_the_innermost_provider(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    BULLA_AUTO(bulla_provider) *relay = NULL;
    bulla_key_info info;
    assert_ok(memory_provider_new(&call, "id", 1, &memory));
    assert_ok(flaky_provider_new(&call, memory, 0, &relay));
    memory_provider_down_set(memory, true);
    assert_status(bulla_provider_describe(relay, &call, &info), BULLA_EUNAVAIL);
    assert_string_equal(call.provider, "memory");
    memory_provider_down_set(memory, false);
    flaky_provider_every_set(relay, 1);
    assert_status(bulla_provider_describe(relay, &call, &info), BULLA_EUNAVAIL);
    assert_string_equal(call.provider, "flaky");
}

static void test_wrapped_keys_are_copied_whole(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *copy = NULL;
    assert_ok(bulla_wrapped_copy(&call, &own, &copy));
    assert_true(bulla_view_is(copy->provider, "lying") && bulla_view_is(copy->info, "key"));
    assert_true(bulla_view_is(copy->blob, "b") && copy->blob.data != own.blob.data);
    bulla_wrapped_free(NULL);
}

static void test_names_of_key_words_are_total(void **state)
{
    (void)state;
    assert_string_equal(bulla_key_type_name(BULLA_KEY_AES256_GCM), "aes-256-gcm");
    assert_string_equal(bulla_key_type_name(BULLA_KEY_RSA), "rsa");
    assert_string_equal(bulla_key_usage_name(BULLA_USAGE_WRAP), "wrap");
    assert_string_equal(bulla_key_state_name(BULLA_KEY_PENDING_DELETION), "pending_deletion");
    assert_string_equal(bulla_key_type_name(BULLA_KEY_UNKNOWN), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ok_without_output_is_caught, setup),
        cmocka_unit_test_setup(test_keys_of_a_wrong_length_are_caught, setup),
        cmocka_unit_test_setup(test_wrapped_keys_that_cannot_be_are_caught, setup),
        cmocka_unit_test_setup(test_a_rotation_to_version_0_is_caught, setup),
        cmocka_unit_test_setup(test_descriptions_that_cannot_be_are_caught, setup),
        cmocka_unit_test_setup(test_a_status_that_does_not_exist_is_caught, setup),
        cmocka_unit_test_setup(test_outputs_of_a_failure_are_dropped_and_it_gets_a_sentence, setup),
        cmocka_unit_test_setup(test_a_failure_without_a_sentence_does_not_get_an_older_one, setup),
        cmocka_unit_test_setup(test_slots_beyond_a_providers_size_are_missing, setup),
        cmocka_unit_test_setup(test_what_a_provider_does_not_say_it_can_is_not_called, setup),
        cmocka_unit_test_setup(test_data_keys_are_drawn_and_wrapped_where_there_is_no_slot, setup),
        cmocka_unit_test_setup(test_a_store_that_can_hears_that_a_key_is_not_wanted_and_may_be_of_any_length, setup),
        cmocka_unit_test_setup(test_a_store_that_cannot_is_asked_for_a_key_as_ever, setup),
        cmocka_unit_test_setup(test_a_foreign_key_is_refused_without_asking_the_store, setup),
        cmocka_unit_test_setup(test_a_failure_names_the_innermost_provider, setup),
        cmocka_unit_test_setup(test_wrapped_keys_are_copied_whole, setup),
        cmocka_unit_test_setup(test_names_of_key_words_are_total, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
