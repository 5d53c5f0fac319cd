/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses OpenSSL itself finds its error queue as it left it. */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "crypto/keywrap.h"
#include "crypto/rsa.h"
#include "crypto/sign.h"

#include <openssl/err.h>
#include <string.h>

#define REASON 1234

static bulla_call call;
static const uint8_t key[32] = {1, 2, 3};

static void aead_right_and_wrong(void)
{
    uint8_t sealed[4], opened[4], tag[BULLA_TAG_LEN];
    const uint8_t nonce[BULLA_NONCE_LEN] = {0};
    const bulla_view none = {NULL, 0};
    BULLA_AUTO(bulla_aead) *aead = NULL;
    assert_ok(bulla_aead_engine_set(&call, "openssl"));
    assert_ok(bulla_aead_new(&call, bulla_view_of(key, sizeof key), &aead));
    assert_ok(bulla_aead_seal(aead, &call, nonce, none, bulla_view_text("text"), sealed, tag));
    assert_ok(bulla_aead_open(aead, &call, nonce, none, bulla_view_of(sealed, 4), tag, opened));
    tag[0] ^= 1;
    assert_status(bulla_aead_open(aead, &call, nonce, none, bulla_view_of(sealed, 4), tag, opened), BULLA_EINTEGRITY);
}

static void hashes_and_wraps_right_and_wrong(void)
{
    uint8_t out[BULLA_HASH_MAX], wrapped[40], opened[40];
    size_t len = 0;
    const bulla_view kek = bulla_view_of(key, sizeof key);
    assert_ok(bulla_digest(&call, BULLA_SHA384, bulla_view_text("text"), out));
    assert_ok(bulla_hmac(&call, BULLA_SHA256, kek, bulla_view_text("text"), out));
    assert_ok(bulla_kwp_wrap(&call, kek, bulla_view_of(key, sizeof key), wrapped, sizeof wrapped, &len));
    wrapped[0] ^= 1;
    assert_status(bulla_kwp_unwrap(&call, kek, bulla_view_of(wrapped, len), opened, sizeof opened, &len),
                  BULLA_EINTEGRITY);
}

static void rsa_right_and_wrong(void)
{
    uint8_t out[256] = {0}, opened[256];
    size_t len = 0;
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    bulla_rsa *none = NULL;
    assert_ok(bulla_rsa_generate(&call, 2048, &rsa));
    assert_status(bulla_rsa_parse(&call, bulla_view_text("no PEM"), &none), BULLA_EFORMAT);
    assert_status(bulla_rsa_private_parse(&call, bulla_view_text("no DER"), &none), BULLA_EFORMAT);
    assert_status(bulla_rsa_decrypt(&call, rsa, BULLA_RSA_OAEP_SHA256, bulla_view_of(out, sizeof out), opened,
                                    sizeof opened, &len),
                  BULLA_EINTEGRITY);
}

static void signatures_right_and_wrong(void)
{
    uint8_t digest[32] = {7}, point[BULLA_POINT_MAX], signature[BULLA_SIGNATURE_MAX];
    size_t len = 0;
    BULLA_AUTO(bulla_sign_key) *signer = NULL;
    assert_ok(bulla_sign_key_generate(&call, BULLA_P256, &signer));
    assert_ok(bulla_sign_key_public(&call, signer, point));
    assert_ok(
        bulla_sign_digest(&call, signer, bulla_view_of(digest, sizeof digest), signature, sizeof signature, &len));
    digest[0] = 8;
    assert_status(bulla_verify_digest(&call, BULLA_P256, bulla_view_of(point, 33), bulla_view_of(digest, sizeof digest),
                                      bulla_view_of(signature, len)),
                  BULLA_EINTEGRITY);
    point[0] = 5;
    assert_status(bulla_verify_digest(&call, BULLA_P256, bulla_view_of(point, 33), bulla_view_of(digest, sizeof digest),
                                      bulla_view_of(signature, len)),
                  BULLA_EFORMAT);
}

static void (*const works[])(void) = {aead_right_and_wrong, hashes_and_wraps_right_and_wrong, rsa_right_and_wrong,
                                      signatures_right_and_wrong};

static void test_errors_that_the_program_has_queued_stay_alone_in_the_queue(void **state)
{
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(works); i++) {
        const char *data = NULL;
        int flags = 0;
        ERR_clear_error();
        ERR_raise_data(ERR_LIB_USER, REASON, "of the program");
        works[i]();
        unsigned long code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
        assert_int_equal(ERR_GET_REASON(code), REASON);
        assert_string_equal(data, "of the program");
        assert_int_equal(ERR_get_error(), 0);
    }
}

static void test_an_empty_queue_stays_empty(void **state)
{
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(works); i++) {
        ERR_clear_error();
        works[i]();
        assert_int_equal(ERR_get_error(), 0);
    }
}

/* A mark left behind would make the program's own ERR_pop_to_mark stop too early. */
static void test_marks_of_the_program_stay_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < BULLA_LEN(works); i++) {
        ERR_clear_error();
        ERR_raise(ERR_LIB_USER, REASON);
        assert_int_equal(ERR_set_mark(), 1);
        ERR_raise(ERR_LIB_USER, REASON + 1);
        works[i]();
        assert_int_equal(ERR_pop_to_mark(), 1);
        assert_int_equal(ERR_pop_to_mark(), 0); /* no other: the queue is empty now */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_that_the_program_has_queued_stay_alone_in_the_queue),
        cmocka_unit_test(test_an_empty_queue_stays_empty),
        cmocka_unit_test(test_marks_of_the_program_stay_its_own),
    };
    bulla_call_init(&call, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
