/* SPDX-License-Identifier: Apache-2.0 */
/* What goes in comes out, with the context it went in with and with no other. */
#include "contract/provider_contract.h"

static void round_trip(contract *c, bulla_context *context, size_t len)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    assert_ok(bulla_secret_random(&c->call, len, &dek));
    assert_ok(bulla_provider_wrap(c->key, &c->call, context, dek, &wrapped));
    assert_ok(bulla_provider_unwrap(c->key, &c->call, context, wrapped, &opened));
    assert_int_equal(bulla_secret_borrow(opened).len, len);
    assert_same_key(dek, opened);
}

static void a_key_comes_back_without_a_context(void **state)
{
    round_trip(*state, NULL, 32);
}

static void a_key_comes_back_with_a_context(void **state)
{
    contract *c = *state;
    round_trip(c, c->context, 32);
}

static void a_key_comes_back_with_an_empty_context(void **state)
{
    contract *c = *state;
    bulla_context *empty = contract_context_new(c, NULL, 0);
    round_trip(c, empty, 32);
    bulla_context_unref(empty);
}

static void keys_of_16_to_64_bytes_come_back(void **state)
{
    contract *c = *state;
    for (size_t len = 16; len <= 64; len++)
        round_trip(c, c->context, len);
}

static void a_key_comes_back_many_times(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    for (int i = 0; i < 20; i++) {
        BULLA_AUTO(bulla_secret) *opened = NULL;
        assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, sample.wrapped, &opened));
        assert_same_key(sample.dek, opened);
    }
    contract_sample_done(&sample);
}

static void shorter_and_longer_keys_are_not_taken(void **state)
{
    contract *c = *state;
    static const size_t lens[] = {1, 15, 65, 1000};
    for (size_t i = 0; i < BULLA_LEN(lens); i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        bulla_secret *drawn = NULL;
        bulla_wrapped *wrapped = NULL;
        assert_ok(bulla_secret_random(&c->call, lens[i], &dek));
        assert_status(bulla_provider_wrap(c->key, &c->call, NULL, dek, &wrapped), BULLA_EINVAL);
        assert_status(bulla_provider_datakey(c->key, &c->call, NULL, lens[i], &drawn, &wrapped), BULLA_EINVAL);
        assert_true(drawn == NULL && wrapped == NULL);
    }
}

/* With a context bound another one does not open; where there is no place for it, every one does. */
static void assert_other_context(contract *c, bulla_context *wrap_with, bulla_context *open_with)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    assert_ok(bulla_provider_datakey(c->key, &c->call, wrap_with, 32, &dek, &wrapped));
    assert_ok(bulla_provider_unwrap(c->key, &c->call, wrap_with, wrapped, &opened)); /* so that a cache knows it */
    bulla_secret_unref(BULLA_TAKE(opened));
    bulla_status status = bulla_provider_unwrap(c->key, &c->call, open_with, wrapped, &opened);
    assert_status(status, c->row->ignores_context ? BULLA_OK : BULLA_EINTEGRITY);
    assert_true((opened != NULL) == c->row->ignores_context);
}

static void another_value_in_the_context_does_not_open(void **state)
{
    contract *c = *state;
    static const char *const texts[] = {"tenant", "acme", "purpose", "Vertrage"};
    BULLA_AUTO(bulla_context) *changed = contract_context_new(c, texts, 2);
    assert_other_context(c, c->context, changed);
}

static void a_context_short_of_a_pair_does_not_open(void **state)
{
    contract *c = *state;
    static const char *const texts[] = {"tenant", "acme"};
    BULLA_AUTO(bulla_context) *shorter = contract_context_new(c, texts, 1);
    assert_other_context(c, c->context, shorter);
}

static void a_context_with_one_more_pair_does_not_open(void **state)
{
    contract *c = *state;
    static const char *const texts[] = {"tenant", "acme", "purpose", "Verträge", "zone", ""};
    BULLA_AUTO(bulla_context) *longer = contract_context_new(c, texts, 3);
    assert_other_context(c, c->context, longer);
}

static void no_context_does_not_open_what_has_one(void **state)
{
    contract *c = *state;
    assert_other_context(c, c->context, NULL);
}

static void a_context_does_not_open_what_has_none(void **state)
{
    contract *c = *state;
    assert_other_context(c, NULL, c->context);
}

static void letters_moved_from_key_to_value_do_not_open(void **state)
{
    contract *c = *state;
    static const char *const texts[] = {"tenanta", "cme", "purpose", "Verträge"};
    BULLA_AUTO(bulla_context) *moved = contract_context_new(c, texts, 2);
    assert_other_context(c, c->context, moved);
}

static void the_order_of_pairs_does_not_matter(void **state)
{
    contract *c = *state;
    static const char *const texts[] = {"purpose", "Verträge", "tenant", "acme"};
    BULLA_AUTO(bulla_context) *turned = contract_context_new(c, texts, 2);
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_secret) *opened = NULL;
    assert_ok(bulla_provider_unwrap(c->key, &c->call, turned, sample.wrapped, &opened));
    assert_same_key(sample.dek, opened);
    contract_sample_done(&sample);
}

static void data_keys_have_the_length_asked_for_and_open_again(void **state)
{
    contract *c = *state;
    static const size_t lens[] = {16, 24, 32, 48, 64};
    for (size_t i = 0; i < BULLA_LEN(lens); i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        BULLA_AUTO(bulla_secret) *opened = NULL;
        BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
        assert_ok(bulla_provider_datakey(c->key, &c->call, c->context, lens[i], &dek, &wrapped));
        assert_int_equal(bulla_secret_borrow(dek).len, lens[i]);
        assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, wrapped, &opened));
        assert_same_key(dek, opened);
    }
}

static void a_data_key_that_nobody_wants_to_see_opens_all_the_same(void **state)
{
    contract *c = *state;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    BULLA_AUTO(bulla_wrapped) *unseen = NULL;
    BULLA_AUTO(bulla_wrapped) *seen = NULL;
    assert_ok(bulla_provider_datakey(c->key, &c->call, c->context, 0, NULL, &unseen));
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, unseen, &opened));
    assert_ok(bulla_provider_datakey(c->key, &c->call, c->context, 0, &dek, &seen));
    assert_int_equal(bulla_secret_borrow(opened).len, 32); /* as long as any, where nobody says how long */
    assert_int_equal(bulla_secret_borrow(dek).len, 32);
    assert_memory_not_equal(bulla_secret_borrow(opened).data, bulla_secret_borrow(dek).data, 32);
}

static void no_two_data_keys_are_the_same(void **state)
{
    contract *c = *state;
    bulla_secret *deks[32] = {NULL};
    for (size_t i = 0; i < BULLA_LEN(deks); i++) {
        BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
        assert_ok(bulla_provider_datakey(c->key, &c->call, NULL, 32, &deks[i], &wrapped));
        for (size_t k = 0; k < i; k++)
            assert_false(bulla_view_equal(bulla_secret_borrow(deks[i]), bulla_secret_borrow(deks[k])));
    }
    for (size_t i = 0; i < BULLA_LEN(deks); i++)
        bulla_secret_unref(deks[i]);
}

static void one_key_wrapped_twice_looks_different(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_wrapped) *again = NULL;
    assert_ok(bulla_provider_wrap(c->key, &c->call, c->context, sample.dek, &again));
    assert_false(bulla_view_equal(sample.wrapped->blob, again->blob));
    contract_sample_done(&sample);
}

static void the_wrapped_key_does_not_show_the_key(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_view dek = bulla_secret_borrow(sample.dek);
    for (size_t part = 0; part < 3; part++) {
        bulla_view bytes = *contract_part(sample.wrapped, part);
        for (size_t at = 0; at + 8 <= bytes.len; at++)
            for (size_t from = 0; from + 8 <= dek.len; from++)
                assert_memory_not_equal(bytes.data + at, dek.data + from, 8);
    }
    contract_sample_done(&sample);
}

static void rewrapping_keeps_key_and_context(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_wrapped) *again = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    assert_ok(bulla_provider_rewrap(c->key, &c->call, c->context, sample.wrapped, &again));
    assert_false(bulla_view_equal(sample.wrapped->blob, again->blob));
    if (!c->row->ignores_context) assert_refused(c, c->key, NULL, again);
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, again, &opened));
    assert_same_key(sample.dek, opened);
    contract_sample_done(&sample);
}

static void rewrapping_with_another_context_fails(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_wrapped *again = NULL;
    bulla_status status = bulla_provider_rewrap(c->key, &c->call, NULL, sample.wrapped, &again);
    assert_status(status, c->row->ignores_context ? BULLA_OK : BULLA_EINTEGRITY);
    assert_true((again != NULL) == c->row->ignores_context);
    bulla_wrapped_free(again);
    contract_sample_done(&sample);
}

static void a_second_opening_opens_what_the_first_wrapped(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_provider) *again = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    assert_ok(c->row->make(c->row, &c->call, 0, &again));
    assert_ok(bulla_provider_unwrap(again, &c->call, c->context, sample.wrapped, &opened));
    assert_same_key(sample.dek, opened);
    contract_sample_done(&sample);
}

static void rotation_keeps_old_keys_open(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_secret) *opened = NULL;
    uint32_t version = 0;
    bulla_status status = bulla_provider_rotate(c->key, &c->call, &version);
    if (status == BULLA_OK)
        assert_true(version >= 2);
    else
        assert_status(status, BULLA_EUNSUPPORTED);
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, sample.wrapped, &opened));
    assert_same_key(sample.dek, opened);
    round_trip(c, c->context, 32);
    contract_sample_done(&sample);
}

const contract_check roundtrip_checks[] = {
    CONTRACT_CHECK(a_key_comes_back_without_a_context),
    CONTRACT_CHECK(a_key_comes_back_with_a_context),
    CONTRACT_CHECK(a_key_comes_back_with_an_empty_context),
    CONTRACT_CHECK(keys_of_16_to_64_bytes_come_back),
    CONTRACT_CHECK(a_key_comes_back_many_times),
    CONTRACT_CHECK(shorter_and_longer_keys_are_not_taken),
    CONTRACT_CHECK(another_value_in_the_context_does_not_open),
    CONTRACT_CHECK(a_context_short_of_a_pair_does_not_open),
    CONTRACT_CHECK(a_context_with_one_more_pair_does_not_open),
    CONTRACT_CHECK(no_context_does_not_open_what_has_one),
    CONTRACT_CHECK(a_context_does_not_open_what_has_none),
    CONTRACT_CHECK(letters_moved_from_key_to_value_do_not_open),
    CONTRACT_CHECK(the_order_of_pairs_does_not_matter),
    CONTRACT_CHECK(data_keys_have_the_length_asked_for_and_open_again),
    CONTRACT_CHECK(a_data_key_that_nobody_wants_to_see_opens_all_the_same),
    CONTRACT_CHECK(no_two_data_keys_are_the_same),
    CONTRACT_CHECK(one_key_wrapped_twice_looks_different),
    CONTRACT_CHECK(the_wrapped_key_does_not_show_the_key),
    CONTRACT_CHECK(rewrapping_keeps_key_and_context),
    CONTRACT_CHECK(rewrapping_with_another_context_fails),
    CONTRACT_CHECK(a_second_opening_opens_what_the_first_wrapped),
    CONTRACT_CHECK(rotation_keeps_old_keys_open),
};
const size_t num_roundtrip_checks = BULLA_LEN(roundtrip_checks);
