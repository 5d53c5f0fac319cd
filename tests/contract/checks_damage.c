/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is done to a wrapped key, it does not open: each check starts with one that was opened before. */
#include "contract/provider_contract.h"

#include <stdlib.h>

/* An exact-size copy lets the address sanitizer see a read past the end. */
static uint8_t *exact_copy(bulla_view bytes)
{
    uint8_t *copy = malloc(bytes.len == 0 ? 1 : bytes.len);
    assert_non_null(copy);
    bulla_copy(copy, bytes.data, bytes.len);
    return copy;
}

static void flip_each_byte(contract *c, size_t part)
{
    contract_sample sample = contract_sample_new(c);
    bulla_view whole = *contract_part(sample.wrapped, part);
    for (size_t at = 0; at < whole.len; at++) {
        bulla_wrapped damaged = *sample.wrapped;
        uint8_t *bytes = exact_copy(whole);
        bytes[at] ^= (uint8_t)(1u << (at % 8));
        *contract_part(&damaged, part) = bulla_view_of(bytes, whole.len);
        assert_refused(c, c->key, c->context, &damaged);
        free(bytes);
    }
    contract_sample_done(&sample);
}

static void a_bit_changed_anywhere_in_the_blob_is_seen(void **state)
{
    flip_each_byte(*state, 2);
}

static void a_bit_changed_anywhere_in_the_info_is_seen(void **state)
{
    flip_each_byte(*state, 1);
}

static void a_bit_changed_anywhere_in_the_provider_name_is_seen(void **state)
{
    flip_each_byte(*state, 0);
}

/* A first byte is a version in most blobs: another version than the key's, at every length it could have. */
static void a_blob_of_another_version_is_refused(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    uint8_t *bytes = exact_copy(sample.wrapped->blob);
    for (uint8_t version = 0; version < 8; version++) {
        bulla_wrapped damaged = *sample.wrapped;
        if (sample.wrapped->blob.data[0] == version) continue;
        bytes[0] = version;
        for (size_t len = sample.wrapped->blob.len; len > 8; len -= 8) {
            damaged.blob = bulla_view_of(bytes, len);
            assert_refused(c, c->key, c->context, &damaged);
        }
    }
    free(bytes);
    contract_sample_done(&sample);
}

static void cut_everywhere(contract *c, size_t part)
{
    contract_sample sample = contract_sample_new(c);
    bulla_view whole = *contract_part(sample.wrapped, part);
    for (size_t len = 0; len < whole.len; len++) {
        bulla_wrapped damaged = *sample.wrapped;
        uint8_t *bytes = exact_copy(bulla_view_of(whole.data, len));
        *contract_part(&damaged, part) = bulla_view_of(bytes, len);
        assert_refused(c, c->key, c->context, &damaged);
        *contract_part(&damaged, part) = bulla_view_of(whole.data + whole.len - len, len); /* cut at the front */
        assert_refused(c, c->key, c->context, &damaged);
        free(bytes);
    }
    contract_sample_done(&sample);
}

static void a_blob_cut_anywhere_is_refused(void **state)
{
    cut_everywhere(*state, 2);
}

static void an_info_cut_anywhere_is_refused(void **state)
{
    cut_everywhere(*state, 1);
}

static void a_provider_name_cut_anywhere_is_refused(void **state)
{
    cut_everywhere(*state, 0);
}

static void bytes_added_to_a_part_are_seen(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    for (size_t part = 0; part < 3; part++) {
        uint8_t longer[2048] = {0};
        bulla_wrapped damaged = *sample.wrapped;
        bulla_view *view = contract_part(&damaged, part);
        assert_true(view->len < sizeof longer - 16);
        bulla_copy(longer, view->data, view->len);
        for (size_t more = 1; more <= 16; more++) {
            *view = bulla_view_of(longer, contract_part(sample.wrapped, part)->len + more);
            assert_refused(c, c->key, c->context, &damaged);
        }
    }
    contract_sample_done(&sample);
}

static void nothing_at_all_is_refused(void **state)
{
    contract *c = *state;
    const bulla_wrapped empty = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    bulla_secret *opened = NULL;
    assert_refused(c, c->key, c->context, &empty);
    assert_status(bulla_provider_unwrap(c->key, &c->call, c->context, NULL, &opened), BULLA_EINVAL);
    assert_null(opened);
}

static void parts_of_two_wrapped_keys_do_not_mix(void **state)
{
    contract *c = *state;
    contract_sample one = contract_sample_new(c), two = contract_sample_new(c);
    bulla_secret *opened = NULL;
    bulla_wrapped mixed = {one.wrapped->provider, one.wrapped->info, two.wrapped->blob};
    bulla_status status = bulla_provider_unwrap(c->key, &c->call, c->context, &mixed, &opened);
    if (status == BULLA_OK) { /* the info names the key and no more: then it is the second one, whole */
        assert_true(bulla_view_equal(one.wrapped->info, two.wrapped->info));
        assert_same_key(opened, two.dek);
        bulla_secret_unref(opened);
    } else {
        assert_status(status, BULLA_EINTEGRITY);
    }
    contract_sample_done(&one);
    contract_sample_done(&two);
}

static void another_key_of_its_kind_does_not_open(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    assert_refused(c, c->other, c->context, sample.wrapped);
    BULLA_AUTO(bulla_secret) *opened = NULL;
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, sample.wrapped, &opened));
    contract_sample_done(&sample);
}

static void another_key_does_not_rewrap(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_wrapped *again = NULL;
    bulla_status status = bulla_provider_rewrap(c->other, &c->call, c->context, sample.wrapped, &again);
    assert_true(status == BULLA_ENOKEY || status == BULLA_EINTEGRITY);
    assert_null(again);
    contract_sample_done(&sample);
}

static void a_damaged_key_does_not_rewrap(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_view blob = sample.wrapped->blob;
    for (size_t at = 0; at < blob.len; at += 5) {
        bulla_wrapped damaged = *sample.wrapped, *again = NULL;
        uint8_t *bytes = exact_copy(blob);
        bytes[at] ^= 0x80;
        damaged.blob = bulla_view_of(bytes, blob.len);
        assert_status(bulla_provider_rewrap(c->key, &c->call, c->context, &damaged, &again), BULLA_EINTEGRITY);
        assert_null(again);
        free(bytes);
    }
    contract_sample_done(&sample);
}

static void what_somebody_else_wrapped_is_not_this_providers(void **state)
{
    contract *c = *state;
    const bulla_wrapped foreign = {bulla_view_text("aws-kms"), bulla_view_text("arn:aws:kms:eu-west-1:1:key/2"),
                                   bulla_view_text("some blob of somebody else's key store here")};
    bulla_secret *opened = NULL;
    assert_false(bulla_provider_matches(c->key, &foreign));
    assert_status(bulla_provider_unwrap(c->key, &c->call, c->context, &foreign, &opened), BULLA_ENOKEY);
    assert_null(opened);
}

static void parts_longer_than_a_message_can_carry_are_refused(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    uint8_t *huge = calloc(1, 65536);
    for (size_t part = 0; part < 3; part++) {
        bulla_wrapped longer = *sample.wrapped, *again = NULL;
        bulla_secret *opened = NULL;
        *contract_part(&longer, part) = bulla_view_of(huge, 65536);
        assert_status(bulla_provider_unwrap(c->key, &c->call, c->context, &longer, &opened), BULLA_ELIMIT);
        assert_status(bulla_provider_rewrap(c->key, &c->call, c->context, &longer, &again), BULLA_ELIMIT);
        assert_true(opened == NULL && again == NULL);
    }
    free(huge);
    contract_sample_done(&sample);
}

const contract_check damage_checks[] = {
    CONTRACT_CHECK(a_bit_changed_anywhere_in_the_blob_is_seen),
    CONTRACT_CHECK(a_bit_changed_anywhere_in_the_info_is_seen),
    CONTRACT_CHECK(a_bit_changed_anywhere_in_the_provider_name_is_seen),
    CONTRACT_CHECK(a_blob_of_another_version_is_refused),
    CONTRACT_CHECK(a_blob_cut_anywhere_is_refused),
    CONTRACT_CHECK(an_info_cut_anywhere_is_refused),
    CONTRACT_CHECK(a_provider_name_cut_anywhere_is_refused),
    CONTRACT_CHECK(bytes_added_to_a_part_are_seen),
    CONTRACT_CHECK(nothing_at_all_is_refused),
    CONTRACT_CHECK(parts_of_two_wrapped_keys_do_not_mix),
    CONTRACT_CHECK(another_key_of_its_kind_does_not_open),
    CONTRACT_CHECK(another_key_does_not_rewrap),
    CONTRACT_CHECK(a_damaged_key_does_not_rewrap),
    CONTRACT_CHECK(what_somebody_else_wrapped_is_not_this_providers),
    CONTRACT_CHECK(parts_longer_than_a_message_can_carry_are_refused),
};
const size_t num_damage_checks = BULLA_LEN(damage_checks);
