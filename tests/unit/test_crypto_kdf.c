/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/kdf.h"

#include "base/bytes.h"
#include "cmocka_all.h"
#include "crypto/aead.h"

#include <stdlib.h>

#define EMPTY ((bulla_view){NULL, 0})

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    char text[257];
    assert_true(2 * len < sizeof text);
    bulla_hex_encode(bulla_view_of(bytes, len), text);
    assert_string_equal(text, expected);
}

static void test_hashes_give_the_published_answers(void **state)
{
    (void)state;
    uint8_t out[BULLA_HASH_MAX];
    assert_ok(bulla_digest(&call, BULLA_SHA1, bulla_view_text("abc"), out));
    assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_ok(bulla_digest(&call, BULLA_SHA256, bulla_view_text("abc"), out));
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ok(bulla_digest(&call, BULLA_SHA384, bulla_view_text("abc"), out));
    assert_hex(out, 48,
               "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    assert_ok(bulla_digest(&call, BULLA_SHA512, bulla_view_text("abc"), out));
    assert_hex(
        out, 64,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423"
        "643ce80e2a9ac94fa54ca49f");
    assert_ok(bulla_digest(NULL, BULLA_SHA256, EMPTY, out));
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_a_hash_in_pieces_is_the_hash_of_the_whole(void **state)
{
    (void)state;
    const bulla_hash hashes[] = {BULLA_SHA1, BULLA_SHA256, BULLA_SHA384, BULLA_SHA512};
    uint8_t bytes[1000], whole[BULLA_HASH_MAX], pieces[BULLA_HASH_MAX];
    memset(bytes, 0x3C, sizeof bytes);
    for (size_t h = 0; h < BULLA_LEN(hashes); h++) {
        BULLA_AUTO(bulla_hasher) *hasher = NULL;
        assert_ok(bulla_hasher_new(&call, hashes[h], &hasher));
        for (size_t at = 0, len = 0; at < sizeof bytes; at += len, len++) {
            size_t part = len < sizeof bytes - at ? len : sizeof bytes - at;
            assert_ok(bulla_hasher_write(hasher, &call, bulla_view_of(bytes + at, part)));
            len = part;
        }
        assert_ok(bulla_hasher_write(hasher, &call, EMPTY));
        assert_ok(bulla_hasher_finish(hasher, &call, pieces));
        assert_ok(bulla_digest(&call, hashes[h], bulla_view_of(bytes, sizeof bytes), whole));
        assert_memory_equal(pieces, whole, bulla_hash_len(hashes[h]));
    }
}

static void test_a_finished_hash_takes_nothing_more(void **state)
{
    (void)state;
    uint8_t out[BULLA_HASH_MAX];
    BULLA_AUTO(bulla_hasher) *hasher = NULL;
    assert_ok(bulla_hasher_new(&call, BULLA_SHA256, &hasher));
    assert_ok(bulla_hasher_finish(hasher, &call, out));
    assert_status(bulla_hasher_finish(hasher, &call, out), BULLA_EINVAL);
    assert_status(bulla_hasher_write(hasher, &call, bulla_view_text("more")), BULLA_EINVAL);
}

/* RFC 4231, test cases 2 and 6: a short key, and one longer than a block. */
static void test_hmac_gives_the_published_answers(void **state)
{
    (void)state;
    uint8_t out[BULLA_HASH_MAX], key[131];
    bulla_view text = bulla_view_text("what do ya want for nothing?");
    assert_ok(bulla_hmac(&call, BULLA_SHA256, bulla_view_text("Jefe"), text, out));
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xAA, sizeof key);
    text = bulla_view_text("Test Using Larger Than Block-Size Key - Hash Key First");
    assert_ok(bulla_hmac(&call, BULLA_SHA256, bulla_view_of(key, sizeof key), text, out));
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_ok(
        bulla_hmac(&call, BULLA_SHA512, bulla_view_text("Jefe"), bulla_view_text("what do ya want for nothing?"), out));
    assert_hex(out, 64,
               "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a"
               "34d4a6b4b"
               "636e070a38bce737");
    assert_ok(bulla_hmac(NULL, BULLA_SHA256, EMPTY, EMPTY, out));
    assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

#define NUM_KEYS 6
#define NUM_TEXTS 300

/* HMACs and HKDF outputs around every border: of a block, of what is hashed in one piece, of OpenSSL's turn. */
static void derive_many(const char *engine, uint8_t out[NUM_KEYS][NUM_TEXTS][2][BULLA_HASH_MAX])
{
    static const size_t key_lens[NUM_KEYS] = {0, 1, 64, 127, 128, 129};
    uint8_t key[129], text[NUM_TEXTS];
    memset(key, 0x5A, sizeof key);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    assert_ok(bulla_aead_engine_set(&call, engine));
    for (size_t k = 0; k < NUM_KEYS; k++)
        for (size_t len = 0; len < NUM_TEXTS; len++) {
            bulla_view key_view = bulla_view_of(key, key_lens[k]), text_view = bulla_view_of(text, len);
            assert_ok(bulla_hmac(&call, BULLA_SHA512, key_view, text_view, out[k][len][0]));
            uint8_t derived[BULLA_HASH_MAX + 10]; /* of two blocks: what is kept is of both */
            assert_ok(bulla_hkdf_expand(&call, BULLA_SHA512, key_view, text_view, derived, sizeof derived));
            memcpy(out[k][len][1], derived + 10, BULLA_HASH_MAX);
        }
    assert_ok(bulla_aead_engine_set(&call, "auto"));
}

static void test_hmacs_are_the_same_with_every_engine(void **state)
{
    (void)state;
    static uint8_t expected[NUM_KEYS][NUM_TEXTS][2][BULLA_HASH_MAX], out[NUM_KEYS][NUM_TEXTS][2][BULLA_HASH_MAX];
    if (bulla_aead_engine_set(&call, "ipsec-mb") == BULLA_EUNSUPPORTED) skip();
    derive_many("openssl", expected);
    derive_many("ipsec-mb", out);
    assert_memory_equal(out, expected, sizeof out);
}

/* RFC 5869, A.1 and A.3. */
static void test_hkdf_gives_the_published_answers(void **state)
{
    (void)state;
    uint8_t ikm[22], salt[13], info[10], out[42], prk[BULLA_HASH_MAX];
    memset(ikm, 0x0B, sizeof ikm);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof info; i++)
        info[i] = (uint8_t)(0xF0 + i);
    bulla_view key = bulla_view_of(ikm, sizeof ikm), salt_view = bulla_view_of(salt, sizeof salt);
    assert_ok(bulla_hkdf(&call, BULLA_SHA256, salt_view, key, bulla_view_of(info, sizeof info), out, sizeof out));
    assert_hex(out, sizeof out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assert_ok(bulla_hkdf_extract(&call, BULLA_SHA256, salt_view, key, prk));
    assert_hex(prk, 32, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    assert_ok(bulla_hkdf(&call, BULLA_SHA256, EMPTY, key, EMPTY, out, sizeof out));
    assert_hex(out, sizeof out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

static void test_an_empty_salt_is_a_salt_of_zeros(void **state)
{
    (void)state;
    const uint8_t zeros[64] = {0};
    uint8_t with[32], without[32];
    bulla_view key = bulla_view_text("key material"), info = bulla_view_text("info");
    assert_ok(bulla_hkdf(&call, BULLA_SHA512, bulla_view_of(zeros, 64), key, info, with, sizeof with));
    assert_ok(bulla_hkdf(&call, BULLA_SHA512, EMPTY, key, info, without, sizeof without));
    assert_memory_equal(with, without, sizeof with);
}

static void test_longer_outputs_begin_with_the_shorter(void **state)
{
    (void)state;
    enum { LONGEST = 255 * 20 };
    static uint8_t longest[LONGEST], out[LONGEST + 1];
    bulla_view key = bulla_view_text("key material");
    assert_ok(bulla_hkdf(&call, BULLA_SHA1, EMPTY, key, EMPTY, longest, LONGEST));
    for (size_t len = 0; len < LONGEST; len += 173) {
        memset(out, 0xEE, sizeof out);
        assert_ok(bulla_hkdf(&call, BULLA_SHA1, EMPTY, key, EMPTY, out, len));
        assert_memory_equal(out, longest, len);
        assert_int_equal(out[len], 0xEE);
    }
    assert_status(bulla_hkdf(&call, BULLA_SHA1, EMPTY, key, EMPTY, out, LONGEST + 1), BULLA_EINVAL);
}

static void test_info_may_be_as_long_as_a_context(void **state)
{
    (void)state;
    uint8_t *info = calloc(1, 65535), one[32], two[32];
    assert_non_null(info);
    bulla_view key = bulla_view_text("key material"), view = bulla_view_of(info, 65535);
    assert_ok(bulla_hkdf(&call, BULLA_SHA256, EMPTY, key, view, one, sizeof one));
    info[65534] = 1;
    assert_ok(bulla_hkdf(&call, BULLA_SHA256, EMPTY, key, view, two, sizeof two));
    assert_memory_not_equal(one, two, sizeof one);
    free(info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes_give_the_published_answers),
        cmocka_unit_test(test_a_hash_in_pieces_is_the_hash_of_the_whole),
        cmocka_unit_test(test_a_finished_hash_takes_nothing_more),
        cmocka_unit_test(test_hmac_gives_the_published_answers),
        cmocka_unit_test(test_hmacs_are_the_same_with_every_engine),
        cmocka_unit_test(test_hkdf_gives_the_published_answers),
        cmocka_unit_test(test_an_empty_salt_is_a_salt_of_zeros),
        cmocka_unit_test(test_longer_outputs_begin_with_the_shorter),
        cmocka_unit_test(test_info_may_be_as_long_as_a_context),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
