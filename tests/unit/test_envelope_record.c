/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/record.h"

#include "base/bytes.h"
#include "cmocka_all.h"
#include "crypto/rand.h"

#include <stdlib.h>
#include <string.h>

#define TEXT "thirty-two bytes of a small value"
#define TEXT_LEN 32u
#define RECORD_LEN (TEXT_LEN + BULLA_RECORD_OVERHEAD)

static bulla_call call;
static bulla_env env;
static size_t num_allocs;
static bool memory_is_gone, randomness_is_gone;
static bulla_record_key key, other;
static uint8_t record[RECORD_LEN];

static void *counted_alloc(void *arg, size_t len)
{
    (void)arg;
    num_allocs++;
    return memory_is_gone ? NULL : malloc(len);
}

static void counted_free(void *arg, void *ptr)
{
    (void)arg;
    free(ptr);
}

static bulla_status no_random(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    (void)out;
    (void)len;
    return BULLA_ECRYPTO;
}

static bulla_status some_random(void *arg, uint8_t *out, size_t len)
{
    return randomness_is_gone ? no_random(arg, out, len) : bulla_rand(NULL, out, len);
}

static bulla_view text(void)
{
    return bulla_view_of(TEXT, TEXT_LEN);
}

static void key_make(bulla_record_key *made, uint8_t fill, uint32_t version)
{
    uint8_t bytes[32];
    memset(bytes, fill, sizeof bytes);
    memset(made->id, fill, sizeof made->id);
    made->version = version;
    assert_ok(bulla_aead_new(&call, bulla_view_of(bytes, sizeof bytes), &made->aead));
}

static int start(void **state)
{
    (void)state;
    env = *bulla_env_default();
    env.alloc = counted_alloc;
    env.free = counted_free;
    env.random = some_random;
    memory_is_gone = randomness_is_gone = false;
    bulla_call_init(&call, &env);
    key_make(&key, 0x11, 7);
    key_make(&other, 0x22, 1);
    assert_ok(bulla_record_seal(&key, &call, bulla_view_text("bound"), text(), record));
    num_allocs = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    bulla_aead_unref(key.aead);
    bulla_aead_unref(other.aead);
    return 0;
}

static void assert_filled(const uint8_t *bytes, size_t len, uint8_t fill)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], fill);
}

static void test_sealed_text_opens_again(void **state)
{
    (void)state;
    uint8_t out[TEXT_LEN];
    assert_ok(bulla_record_open(&key, &call, bulla_view_text("bound"), bulla_view_of(record, sizeof record), out));
    assert_memory_equal(out, TEXT, TEXT_LEN);
}

static void test_header_says_version_key_and_key_version(void **state)
{
    (void)state;
    const uint8_t version[] = {0, 0, 0, 7};
    assert_int_equal(record[0], 0x01);
    assert_memory_equal(record + 1, key.id, sizeof key.id);
    assert_memory_equal(record + 17, version, sizeof version);
    bulla_record_header header;
    assert_ok(bulla_record_header_decode(&call, bulla_view_of(record, sizeof record), &header));
    assert_memory_equal(header.id, key.id, sizeof key.id);
    assert_int_equal(header.version, 7);
}

static void test_every_record_has_its_own_nonce(void **state)
{
    (void)state;
    uint8_t again[RECORD_LEN];
    assert_ok(bulla_record_seal(&key, &call, bulla_view_text("bound"), text(), again));
    assert_memory_equal(again, record, 21);
    assert_memory_not_equal(again + 21, record + 21, BULLA_NONCE_LEN);
    assert_memory_not_equal(again + 33, record + 33, TEXT_LEN);
}

static void test_nothing_is_a_plaintext_too(void **state)
{
    (void)state;
    uint8_t empty[BULLA_RECORD_OVERHEAD];
    const bulla_view none = {NULL, 0};
    assert_ok(bulla_record_seal(&key, &call, none, none, empty));
    assert_ok(bulla_record_open(&key, &call, none, bulla_view_of(empty, sizeof empty), NULL));
    empty[sizeof empty - 1] ^= 1;
    assert_status(bulla_record_open(&key, &call, none, bulla_view_of(empty, sizeof empty), NULL), BULLA_EINTEGRITY);
}

/* What a reader reports when a bit at `offset` is not as it was (spec/record.md, Opening). */
static bulla_status expected_at(size_t offset)
{
    if (offset == 0) return BULLA_EUNSUPPORTED;
    return offset < 21 ? BULLA_ENOKEY : BULLA_EINTEGRITY;
}

static void test_no_altered_bit_passes_and_nothing_is_released(void **state)
{
    (void)state;
    const uint8_t zeros[TEXT_LEN] = {0};
    for (size_t bit = 0; bit < 8 * sizeof record; bit++) {
        uint8_t bad[RECORD_LEN], out[TEXT_LEN] = {0};
        memcpy(bad, record, sizeof bad);
        bad[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        bulla_status status =
            bulla_record_open(&key, &call, bulla_view_text("bound"), bulla_view_of(bad, sizeof bad), out);
        assert_status(status, expected_at(bit / 8));
        assert_memory_equal(out, zeros, sizeof out);
    }
}

static void test_no_cut_or_grown_record_passes(void **state)
{
    (void)state;
    uint8_t longer[RECORD_LEN + 1] = {0}, out[TEXT_LEN + 1];
    memcpy(longer, record, sizeof record);
    for (size_t len = 0; len <= sizeof longer; len++) {
        bulla_status status = bulla_record_open(&key, &call, bulla_view_text("bound"), bulla_view_of(longer, len), out);
        assert_status(status, len == RECORD_LEN ? BULLA_OK : BULLA_EINTEGRITY);
    }
}

static void test_other_bound_bytes_do_not_open_it(void **state)
{
    (void)state;
    const char *const bounds[] = {"", "boun", "bound ", "Bound", "boundbound"};
    uint8_t out[TEXT_LEN];
    for (size_t i = 0; i < BULLA_LEN(bounds); i++)
        assert_status(
            bulla_record_open(&key, &call, bulla_view_text(bounds[i]), bulla_view_of(record, sizeof record), out),
            BULLA_EINTEGRITY);
}

static void test_another_key_is_told_from_tampering(void **state)
{
    (void)state;
    uint8_t out[TEXT_LEN];
    bulla_view bytes = bulla_view_of(record, sizeof record);
    assert_status(bulla_record_open(&other, &call, bulla_view_text("bound"), bytes, out), BULLA_ENOKEY);
    assert_non_null(strstr(call.why, "11111111111111111111111111111111 version 7"));
    bulla_record_key older = key;
    older.version = 6;
    assert_status(bulla_record_open(&older, &call, bulla_view_text("bound"), bytes, out), BULLA_ENOKEY);
    bulla_record_key posing = other;
    memcpy(posing.id, key.id, sizeof key.id);
    posing.version = key.version;
    assert_status(bulla_record_open(&posing, &call, bulla_view_text("bound"), bytes, out), BULLA_EINTEGRITY);
}

static void test_header_decode_names_what_is_malformed(void **state)
{
    (void)state;
    const uint8_t newer[] = {0x02};
    bulla_record_header header = {.version = 99};
    assert_status(bulla_record_header_decode(&call, bulla_view_of(record, 48), &header), BULLA_EFORMAT);
    assert_status(bulla_record_header_decode(&call, bulla_view_of(NULL, 0), &header), BULLA_EFORMAT);
    assert_status(bulla_record_header_decode(&call, bulla_view_of(newer, sizeof newer), &header), BULLA_EUNSUPPORTED);
    assert_int_equal(header.version, 99);
    assert_ok(bulla_record_header_decode(NULL, bulla_view_of(record, 49), &header));
}

static void test_up_to_a_kibibyte_of_bound_bytes_takes_no_memory(void **state)
{
    (void)state;
    uint8_t bound[1004] = {0}, out[RECORD_LEN], back[TEXT_LEN];
    bulla_view fits = bulla_view_of(bound, 1003), over = bulla_view_of(bound, 1004);
    assert_ok(bulla_record_seal(&key, &call, fits, text(), out));
    assert_ok(bulla_record_open(&key, &call, fits, bulla_view_of(out, sizeof out), back));
    assert_int_equal(num_allocs, 0);
    assert_ok(bulla_record_seal(&key, &call, over, text(), out));
    assert_ok(bulla_record_open(&key, &call, over, bulla_view_of(out, sizeof out), back));
    assert_int_equal(num_allocs, 2);
}

static void test_seal_without_memory_or_randomness_leaves_out_alone(void **state)
{
    (void)state;
    uint8_t bound[1004] = {0}, out[RECORD_LEN];
    memset(out, 0xAA, sizeof out);
    memory_is_gone = true;
    assert_status(bulla_record_seal(&key, &call, bulla_view_of(bound, sizeof bound), text(), out), BULLA_ENOMEM);
    randomness_is_gone = true;
    assert_status(bulla_record_seal(&key, &call, bulla_view_of(bound, 1), text(), out), BULLA_ECRYPTO);
    assert_filled(out, sizeof out, 0xAA);
}

static void test_rewrap_moves_the_same_text_to_another_key(void **state)
{
    (void)state;
    uint8_t out[TEXT_LEN];
    bulla_view bound = bulla_view_text("bound"), bytes = bulla_view_of(record, sizeof record);
    assert_ok(bulla_record_rewrap(&key, &other, &call, bound, bytes, record));
    assert_status(bulla_record_open(&key, &call, bound, bytes, out), BULLA_ENOKEY);
    assert_ok(bulla_record_open(&other, &call, bound, bytes, out));
    assert_memory_equal(out, TEXT, TEXT_LEN);
}

static void test_rewrap_refuses_what_does_not_open_or_is_no_key(void **state)
{
    (void)state;
    uint8_t out[65 + BULLA_RECORD_OVERHEAD], sealed[65 + BULLA_RECORD_OVERHEAD];
    const uint8_t long_text[65] = {0};
    bulla_view bound = bulla_view_text("bound"), bytes = bulla_view_of(record, sizeof record);
    memset(out, 0xAA, sizeof out);
    assert_status(bulla_record_rewrap(&other, &key, &call, bound, bytes, out), BULLA_ENOKEY);
    record[40] ^= 1;
    assert_status(bulla_record_rewrap(&key, &other, &call, bound, bytes, out), BULLA_EINTEGRITY);
    assert_ok(bulla_record_seal(&key, &call, bound, bulla_view_of(long_text, 65), sealed));
    assert_status(bulla_record_rewrap(&key, &other, &call, bound, bulla_view_of(sealed, sizeof sealed), out),
                  BULLA_ELIMIT);
    sealed[0] = 2; /* what a later version's limits are nobody knows */
    assert_status(bulla_record_rewrap(&key, &other, &call, bound, bulla_view_of(sealed, sizeof sealed), out),
                  BULLA_EUNSUPPORTED);
    assert_filled(out, sizeof out, 0xAA);
    assert_ok(bulla_record_seal(&key, &call, bound, bulla_view_of(long_text, 64), sealed));
    assert_ok(bulla_record_rewrap(&key, &other, &call, bound, bulla_view_of(sealed, sizeof sealed - 1), out));
}

#define WITH_KEYS(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEYS(test_sealed_text_opens_again),
        WITH_KEYS(test_header_says_version_key_and_key_version),
        WITH_KEYS(test_every_record_has_its_own_nonce),
        WITH_KEYS(test_nothing_is_a_plaintext_too),
        WITH_KEYS(test_no_altered_bit_passes_and_nothing_is_released),
        WITH_KEYS(test_no_cut_or_grown_record_passes),
        WITH_KEYS(test_other_bound_bytes_do_not_open_it),
        WITH_KEYS(test_another_key_is_told_from_tampering),
        WITH_KEYS(test_header_decode_names_what_is_malformed),
        WITH_KEYS(test_up_to_a_kibibyte_of_bound_bytes_takes_no_memory),
        WITH_KEYS(test_seal_without_memory_or_randomness_leaves_out_alone),
        WITH_KEYS(test_rewrap_moves_the_same_text_to_another_key),
        WITH_KEYS(test_rewrap_refuses_what_does_not_open_or_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
