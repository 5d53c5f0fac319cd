/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"

#include "base/bytes.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#define EMPTY ((bulla_view){NULL, 0})

static bulla_call call;
static const uint8_t nonce[BULLA_NONCE_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static bulla_aead *key_of(size_t len)
{
    uint8_t key[64];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 7 + len);
    bulla_aead *aead = NULL;
    assert_ok(bulla_aead_new(&call, bulla_view_of(key, len), &aead));
    return aead;
}

static uint8_t *pattern(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 256);
    return bytes;
}

/* The GCM specification, test cases 13 to 15: a zero key and no text, a zero block, four blocks. */
static void test_seal_gives_the_published_answers(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0}, out[16], tag[BULLA_TAG_LEN];
    char text[2 * BULLA_TAG_LEN + 1];
    BULLA_AUTO(bulla_aead) *aead = NULL;
    assert_ok(bulla_aead_new(&call, bulla_view_of(zeros, 32), &aead));
    assert_ok(bulla_aead_seal(aead, &call, zeros, EMPTY, EMPTY, NULL, tag));
    bulla_hex_encode(bulla_view_of(tag, sizeof tag), text);
    assert_string_equal(text, "530f8afbc74536b9a963b4f1c4cb738b");
    assert_ok(bulla_aead_seal(aead, &call, zeros, EMPTY, bulla_view_of(zeros, 16), out, tag));
    bulla_hex_encode(bulla_view_of(out, sizeof out), text);
    assert_string_equal(text, "cea7403d4d606b6e074ec5d3baf39d18");
    bulla_hex_encode(bulla_view_of(tag, sizeof tag), text);
    assert_string_equal(text, "d0d1c8a799996bf0265b98b5d48ab919");
}

static void test_open_gives_back_what_was_sealed_at_every_length(void **state)
{
    (void)state;
    enum { LONGEST = 1100 };
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    uint8_t *text = pattern(LONGEST), sealed[LONGEST], opened[LONGEST], tag[BULLA_TAG_LEN];
    for (size_t len = 0; len <= LONGEST; len++) {
        bulla_view aad = bulla_view_of(text, len % 97);
        assert_ok(bulla_aead_seal(aead, &call, nonce, aad, bulla_view_of(text, len), sealed, tag));
        if (len >= 16) assert_memory_not_equal(sealed, text, len);
        assert_ok(bulla_aead_open(aead, &call, nonce, aad, bulla_view_of(sealed, len), tag, opened));
        assert_memory_equal(opened, text, len);
    }
    free(text);
}

static void test_keys_of_every_length_work_and_differ(void **state)
{
    (void)state;
    const size_t lens[] = {16, 24, 32};
    uint8_t sealed[3][32], tag[3][BULLA_TAG_LEN], opened[32];
    bulla_view text = bulla_view_text("the same thirty-two bytes always");
    for (size_t i = 0; i < 3; i++) {
        BULLA_AUTO(bulla_aead) *aead = key_of(lens[i]);
        assert_ok(bulla_aead_seal(aead, &call, nonce, EMPTY, text, sealed[i], tag[i]));
        assert_ok(bulla_aead_open(aead, &call, nonce, EMPTY, bulla_view_of(sealed[i], 32), tag[i], opened));
        assert_memory_equal(opened, text.data, 32);
        if (i != 0) assert_memory_not_equal(sealed[i], sealed[i - 1], 32);
    }
}

static void test_keys_of_other_lengths_are_refused(void **state)
{
    (void)state;
    const uint8_t key[64] = {0};
    bulla_aead *aead = NULL;
    for (size_t len = 0; len <= sizeof key; len++) {
        if (len == 16 || len == 24 || len == 32) continue;
        assert_status(bulla_aead_new(&call, bulla_view_of(key, len), &aead), BULLA_EINVAL);
        assert_null(aead);
    }
}

static void test_a_message_may_be_sealed_and_opened_in_place(void **state)
{
    (void)state;
    const size_t lens[] = {1, 15, 16, 17, 255, 4096, 65536, 65537};
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    uint8_t tag[BULLA_TAG_LEN];
    for (size_t i = 0; i < BULLA_LEN(lens); i++) {
        uint8_t *text = pattern(lens[i]), *bytes = pattern(lens[i]);
        assert_ok(bulla_aead_seal(aead, &call, nonce, EMPTY, bulla_view_of(bytes, lens[i]), bytes, tag));
        assert_memory_not_equal(bytes, text, lens[i]);
        assert_ok(bulla_aead_open(aead, &call, nonce, EMPTY, bulla_view_of(bytes, lens[i]), tag, bytes));
        assert_memory_equal(bytes, text, lens[i]);
        free(text);
        free(bytes);
    }
}

static void assert_refused(bulla_aead *aead, bulla_view aad, bulla_view sealed, const uint8_t *tag)
{
    uint8_t out[64];
    memset(out, 0xEE, sizeof out);
    assert_status(bulla_aead_open(aead, &call, nonce, aad, sealed, tag, out), BULLA_EINTEGRITY);
    for (size_t i = 0; i < sealed.len; i++)
        assert_int_equal(out[i], 0);
    assert_int_equal(out[sealed.len], 0xEE);
}

static void test_a_change_of_any_bit_is_refused_and_leaves_no_text(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    uint8_t text[37], aad[21], sealed[37], tag[BULLA_TAG_LEN];
    memset(text, 0x55, sizeof text);
    memset(aad, 0x66, sizeof aad);
    bulla_view aad_view = bulla_view_of(aad, sizeof aad), view = bulla_view_of(sealed, sizeof sealed);
    assert_ok(bulla_aead_seal(aead, &call, nonce, aad_view, bulla_view_of(text, sizeof text), sealed, tag));
    struct {
        uint8_t *bytes;
        size_t len;
    } parts[] = {{sealed, sizeof sealed}, {aad, sizeof aad}, {tag, sizeof tag}};
    for (size_t part = 0; part < BULLA_LEN(parts); part++)
        for (size_t bit = 0; bit < 8 * parts[part].len; bit++) {
            parts[part].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_refused(aead, aad_view, view, tag);
            parts[part].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    assert_refused(aead, aad_view, bulla_view_of(sealed, sizeof sealed - 1), tag);
    assert_refused(aead, bulla_view_of(aad, sizeof aad - 1), view, tag);
    assert_ok(bulla_aead_open(aead, &call, nonce, aad_view, view, tag, text));
}

static void test_another_nonce_or_key_is_refused(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    BULLA_AUTO(bulla_aead) *other = key_of(16);
    uint8_t sealed[8], tag[BULLA_TAG_LEN], out[8], other_nonce[BULLA_NONCE_LEN];
    memcpy(other_nonce, nonce, sizeof nonce);
    other_nonce[11] ^= 1;
    assert_ok(bulla_aead_seal(aead, &call, nonce, EMPTY, bulla_view_text("a secret"), sealed, tag));
    bulla_view view = bulla_view_of(sealed, sizeof sealed);
    assert_status(bulla_aead_open(other, &call, nonce, EMPTY, view, tag, out), BULLA_EINTEGRITY);
    assert_status(bulla_aead_open(aead, &call, other_nonce, EMPTY, view, tag, out), BULLA_EINTEGRITY);
    assert_true(strlen(call.why) > 0);
}

static void test_a_large_message_passes_through_one_call(void **state)
{
    (void)state;
    const size_t len = (size_t)64 << 20;
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    uint8_t *bytes = calloc(1, len), tag[BULLA_TAG_LEN];
    assert_non_null(bytes);
    assert_ok(bulla_aead_seal(aead, &call, nonce, EMPTY, bulla_view_of(bytes, len), bytes, tag));
    assert_true(bytes[0] != 0 || bytes[1] != 0 || bytes[len - 1] != 0);
    assert_ok(bulla_aead_open(aead, &call, nonce, EMPTY, bulla_view_of(bytes, len), tag, bytes));
    for (size_t i = 0; i < len; i += 4096)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(bytes[len - 1], 0);
    free(bytes);
}

/* SP 800-38D, 5.2.1.1. The length is refused before a byte is looked at. */
static void test_lengths_past_the_limit_of_gcm_are_refused(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    uint8_t byte = 0, tag[BULLA_TAG_LEN] = {0};
    bulla_view too_long = bulla_view_of(&byte, ((size_t)1 << 36) - 31);
    assert_status(bulla_aead_seal(aead, &call, nonce, EMPTY, too_long, &byte, tag), BULLA_ELIMIT);
    assert_status(bulla_aead_open(aead, &call, nonce, EMPTY, too_long, tag, &byte), BULLA_ELIMIT);
}

static void test_null_for_bytes_is_refused(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    uint8_t byte = 0, tag[BULLA_TAG_LEN] = {0};
    bulla_view null = {NULL, 1}, one = {&byte, 1};
    assert_status(bulla_aead_seal(aead, &call, nonce, EMPTY, null, &byte, tag), BULLA_EINVAL);
    assert_status(bulla_aead_seal(aead, &call, nonce, EMPTY, one, NULL, tag), BULLA_EINVAL);
    assert_status(bulla_aead_seal(aead, &call, nonce, null, one, &byte, tag), BULLA_EINVAL);
    assert_status(bulla_aead_open(aead, NULL, nonce, null, one, tag, &byte), BULLA_EINVAL);
}

static void test_a_key_lives_until_its_last_reference(void **state)
{
    (void)state;
    bulla_aead *aead = key_of(32);
    uint8_t tag[BULLA_TAG_LEN];
    assert_ptr_equal(bulla_aead_ref(aead), aead);
    bulla_aead_unref(aead);
    assert_ok(bulla_aead_seal(aead, &call, nonce, EMPTY, EMPTY, NULL, tag));
    bulla_aead_unref(aead);
    bulla_aead_unref(NULL);
    assert_null(bulla_aead_ref(NULL));
}

static void test_both_engines_give_the_same_bytes(void **state)
{
    (void)state;
    const char *name = bulla_aead_engine_name();
    uint8_t *text = pattern(5000), sealed[5000], opened[5000], tag[BULLA_TAG_LEN];
    BULLA_AUTO(bulla_aead) *aead = key_of(24);
    assert_ok(bulla_aead_engine_set(&call, "openssl"));
    BULLA_AUTO(bulla_aead) *reference = key_of(24);
    assert_ok(bulla_aead_engine_set(&call, name));
    for (size_t len = 0; len <= 5000; len += 61) {
        bulla_view aad = bulla_view_of(text, len % 300), view = bulla_view_of(text, len);
        assert_ok(bulla_aead_seal(aead, &call, nonce, aad, view, sealed, tag));
        assert_ok(bulla_aead_open(reference, &call, nonce, aad, bulla_view_of(sealed, len), tag, opened));
        assert_memory_equal(opened, text, len);
    }
    free(text);
}

static void test_an_unknown_engine_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    const char *before = bulla_aead_engine_name();
    assert_status(bulla_aead_engine_set(&call, "rot13"), BULLA_EUNSUPPORTED);
    assert_non_null(strstr(call.why, "rot13"));
    assert_string_equal(bulla_aead_engine_name(), before);
}

static void test_auto_takes_an_engine_that_seals(void **state)
{
    (void)state;
    const char *before = bulla_aead_engine_name();
    assert_ok(bulla_aead_engine_set(&call, "auto"));
    uint8_t tag[BULLA_TAG_LEN];
    BULLA_AUTO(bulla_aead) *aead = key_of(32);
    assert_ok(bulla_aead_seal(aead, NULL, nonce, EMPTY, EMPTY, NULL, tag));
    assert_ok(bulla_aead_engine_set(&call, before));
}

static int start(const char *engine)
{
    bulla_call_init(&call, NULL);
    return bulla_aead_engine_set(&call, engine) == BULLA_OK ? 0 : 1;
}

static int start_openssl(void **state)
{
    (void)state;
    return start("openssl");
}

static int start_ipsecmb(void **state)
{
    (void)state;
    return start("ipsec-mb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal_gives_the_published_answers),
        cmocka_unit_test(test_open_gives_back_what_was_sealed_at_every_length),
        cmocka_unit_test(test_keys_of_every_length_work_and_differ),
        cmocka_unit_test(test_keys_of_other_lengths_are_refused),
        cmocka_unit_test(test_a_message_may_be_sealed_and_opened_in_place),
        cmocka_unit_test(test_a_change_of_any_bit_is_refused_and_leaves_no_text),
        cmocka_unit_test(test_another_nonce_or_key_is_refused),
        cmocka_unit_test(test_a_large_message_passes_through_one_call),
        cmocka_unit_test(test_lengths_past_the_limit_of_gcm_are_refused),
        cmocka_unit_test(test_null_for_bytes_is_refused),
        cmocka_unit_test(test_a_key_lives_until_its_last_reference),
        cmocka_unit_test(test_both_engines_give_the_same_bytes),
        cmocka_unit_test(test_an_unknown_engine_is_refused_and_changes_nothing),
        cmocka_unit_test(test_auto_takes_an_engine_that_seals),
    };
    int failed = cmocka_run_group_tests_name("openssl", tests, start_openssl, NULL);
    if (start("ipsec-mb") == 0) return failed + cmocka_run_group_tests_name("ipsec-mb", tests, start_ipsecmb, NULL);
    (void)printf("ipsec-mb left out: %s\n", call.why);
    return failed;
}
