/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/rsa.h"

#include "base/bytes.h"
#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_PEM 8192u

static const bulla_rsa_padding paddings[] = {BULLA_RSA_PKCS1, BULLA_RSA_OAEP_SHA1, BULLA_RSA_OAEP_SHA256,
                                             BULLA_RSA_OAEP_SHA384, BULLA_RSA_OAEP_SHA512};
static bulla_call call;
static bulla_rsa *key;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return bulla_rsa_generate(&call, 2048, &key) == BULLA_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    bulla_rsa_free(key);
    return 0;
}

/* PEM as other programs write it: a label, base64 in lines of 64. */
static void pem_of(const char *label, bulla_view der, char *out)
{
    char *text = malloc(4 * ((der.len + 2) / 3) + 1);
    assert_non_null(text);
    bulla_base64_encode(der, text);
    size_t len = (size_t)snprintf(out, MAX_PEM, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < strlen(text); at += 64)
        len += (size_t)snprintf(out + len, MAX_PEM - len, "%.64s\n", text + at);
    (void)snprintf(out + len, MAX_PEM - len, "-----END %s-----\n", label);
    free(text);
}

static void assert_opens(const bulla_rsa *with, const bulla_rsa *from)
{
    uint8_t sealed[512], out[512];
    size_t len = 0, got = 0;
    bulla_view text = bulla_view_text("a data key");
    assert_ok(bulla_rsa_encrypt(&call, from, BULLA_RSA_OAEP_SHA256, text, sealed, sizeof sealed, &len));
    assert_ok(bulla_rsa_decrypt(&call, with, BULLA_RSA_OAEP_SHA256, bulla_view_of(sealed, len), out, 512, &got));
    assert_true(bulla_view_equal(bulla_view_of(out, got), text));
}

static void test_every_padding_gives_back_the_message(void **state)
{
    (void)state;
    uint8_t sealed[256], out[256];
    bulla_view texts[] = {bulla_view_text(""), bulla_view_text("x"), bulla_view_text("a key of some length")};
    for (size_t p = 0; p < BULLA_LEN(paddings); p++)
        for (size_t t = 0; t < BULLA_LEN(texts); t++) {
            size_t len = 0, got = 0;
            assert_ok(bulla_rsa_encrypt(&call, key, paddings[p], texts[t], sealed, sizeof sealed, &len));
            assert_int_equal(len, bulla_rsa_len(key));
            assert_ok(bulla_rsa_decrypt(&call, key, paddings[p], bulla_view_of(sealed, len), out, 256, &got));
            assert_true(bulla_view_equal(bulla_view_of(out, got), texts[t]));
        }
}

static void test_messages_end_where_the_padding_begins(void **state)
{
    (void)state;
    const size_t longest[] = {256 - 11, 256 - 42, 256 - 66, 256 - 98, 256 - 130}; /* RFC 8017, 7.1.1 and 7.2.1 */
    uint8_t text[256] = {1}, sealed[256];
    for (size_t p = 0; p < BULLA_LEN(paddings); p++) {
        size_t len = 0;
        assert_ok(bulla_rsa_encrypt(&call, key, paddings[p], bulla_view_of(text, longest[p]), sealed, 256, &len));
        assert_status(
            bulla_rsa_encrypt(&call, key, paddings[p], bulla_view_of(text, longest[p] + 1), sealed, 256, &len),
            BULLA_EINVAL);
        assert_status(bulla_rsa_encrypt(&call, key, paddings[p], bulla_view_of(text, 1), sealed, 255, &len),
                      BULLA_EINVAL);
    }
}

static void test_a_changed_ciphertext_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    uint8_t sealed[256], out[256];
    for (size_t p = 1; p < BULLA_LEN(paddings); p++) {
        size_t len = 0, got = 99;
        assert_ok(bulla_rsa_encrypt(&call, key, paddings[p], bulla_view_text("text"), sealed, sizeof sealed, &len));
        for (size_t i = 0; i < len; i += 51) {
            sealed[i] ^= 1;
            memset(out, 0xEE, sizeof out);
            assert_status(bulla_rsa_decrypt(&call, key, paddings[p], bulla_view_of(sealed, len), out, 256, &got),
                          BULLA_EINTEGRITY);
            for (size_t j = 0; j < sizeof out; j++)
                assert_int_equal(out[j], 0);
            sealed[i] ^= 1;
        }
        assert_status(bulla_rsa_decrypt(&call, key, paddings[p], bulla_view_of(sealed, 255), out, 256, &got),
                      BULLA_EINTEGRITY);
        assert_status(bulla_rsa_decrypt(&call, key, paddings[p % 4 + 1], bulla_view_of(sealed, len), out, 256, &got),
                      BULLA_EINTEGRITY);
        assert_int_equal(got, 99);
    }
}

static void test_a_public_key_survives_pem_and_cannot_decrypt(void **state)
{
    (void)state;
    char pem[MAX_PEM];
    uint8_t bytes[256] = {0};
    size_t len = 0;
    assert_ok(bulla_rsa_public_pem(&call, key, pem, sizeof pem));
    BULLA_AUTO(bulla_rsa) *public_key = NULL;
    assert_ok(bulla_rsa_parse(&call, bulla_view_text(pem), &public_key));
    assert_false(bulla_rsa_is_private(public_key));
    assert_int_equal(bulla_rsa_len(public_key), 256);
    assert_opens(key, public_key);
    assert_status(
        bulla_rsa_decrypt(&call, public_key, BULLA_RSA_OAEP_SHA1, bulla_view_of(bytes, 256), bytes, 256, &len),
        BULLA_EINVAL);
    bulla_secret *der = NULL;
    assert_status(bulla_rsa_private_der(&call, public_key, &der), BULLA_EINVAL);
    assert_null(der);
    assert_status(bulla_rsa_public_pem(&call, key, pem, strlen(pem)), BULLA_EINVAL);
    assert_ok(bulla_rsa_public_pem(&call, key, pem, strlen(pem) + 1));
}

static void test_a_private_key_survives_der_and_pem(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *der = NULL;
    assert_ok(bulla_rsa_private_der(&call, key, &der));
    BULLA_AUTO(bulla_rsa) *from_der = NULL;
    assert_ok(bulla_rsa_private_parse(&call, bulla_secret_borrow(der), &from_der));
    assert_true(bulla_rsa_is_private(from_der));
    assert_opens(from_der, key);
    char pem[MAX_PEM];
    pem_of("PRIVATE KEY", bulla_secret_borrow(der), pem);
    BULLA_AUTO(bulla_rsa) *from_pem = NULL;
    assert_ok(bulla_rsa_parse(&call, bulla_view_text(pem), &from_pem));
    assert_true(bulla_rsa_is_private(from_pem));
    assert_opens(from_pem, key);
}

/* PKCS#8 of an RSA key is 26 bytes, then the PKCS#1 form. */
static void test_pkcs1_private_keys_are_read(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *der = NULL;
    assert_ok(bulla_rsa_private_der(&call, key, &der));
    bulla_view pkcs8 = bulla_secret_borrow(der);
    char pem[MAX_PEM];
    pem_of("RSA PRIVATE KEY", bulla_view_of(pkcs8.data + 26, pkcs8.len - 26), pem);
    BULLA_AUTO(bulla_rsa) *read = NULL;
    assert_ok(bulla_rsa_parse(&call, bulla_view_text(pem), &read));
    assert_opens(read, key);
}

static void test_text_before_the_pem_is_passed_over(void **state)
{
    (void)state;
    char pem[MAX_PEM], commented[2 * MAX_PEM];
    assert_ok(bulla_rsa_public_pem(&call, key, pem, sizeof pem));
    (void)snprintf(commented, sizeof commented, "Our key, made in spring.\n\n%s", pem);
    BULLA_AUTO(bulla_rsa) *read = NULL;
    assert_ok(bulla_rsa_parse(&call, bulla_view_text(commented), &read));
}

static void assert_malformed(const char *pem, const char *why)
{
    bulla_rsa *read = NULL;
    assert_status(bulla_rsa_parse(&call, bulla_view_text(pem), &read), BULLA_EFORMAT);
    assert_null(read);
    assert_non_null(strstr(call.why, why));
}

static void test_what_is_no_rsa_key_is_malformed(void **state)
{
    (void)state;
    const uint8_t sequence[] = {0x30, 0x03, 0x02, 0x01, 0x00};
    char pem[MAX_PEM];
    assert_malformed("", "no PEM");
    assert_malformed("hello", "no PEM");
    assert_malformed("-----BEGIN PUBLIC KEY-----\n****\n-----END PUBLIC KEY-----\n", "no PEM");
    const char *const labels[] = {"PUBLIC KEY", "RSA PUBLIC KEY", "PRIVATE KEY", "RSA PRIVATE KEY"};
    for (size_t i = 0; i < BULLA_LEN(labels); i++) {
        pem_of(labels[i], bulla_view_of(sequence, sizeof sequence), pem);
        assert_malformed(pem, "not an RSA");
    }
    pem_of("CERTIFICATE", bulla_view_of(sequence, sizeof sequence), pem);
    assert_malformed(pem, "CERTIFICATE");
    bulla_rsa *read = NULL;
    assert_status(bulla_rsa_private_parse(&call, bulla_view_of(sequence, sizeof sequence), &read), BULLA_EFORMAT);
    assert_status(bulla_rsa_private_parse(&call, bulla_view_of(NULL, 0), &read), BULLA_EFORMAT);
    assert_null(read);
}

static void test_bytes_after_the_key_are_malformed(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *der = NULL;
    assert_ok(bulla_rsa_private_der(&call, key, &der));
    bulla_view good = bulla_secret_borrow(der);
    uint8_t *longer = calloc(1, good.len + 1);
    assert_non_null(longer);
    memcpy(longer, good.data, good.len);
    bulla_rsa *read = NULL;
    assert_status(bulla_rsa_private_parse(&call, bulla_view_of(longer, good.len + 1), &read), BULLA_EFORMAT);
    assert_status(bulla_rsa_private_parse(&call, bulla_view_of(longer, good.len - 1), &read), BULLA_EFORMAT);
    free(longer);
}

static void test_a_key_under_a_password_is_refused_without_asking(void **state)
{
    (void)state;
    const uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x00};
    char pem[MAX_PEM];
    pem_of("ENCRYPTED PRIVATE KEY", bulla_view_of(der, sizeof der), pem);
    assert_malformed(pem, "password");
    assert_malformed("-----BEGIN RSA PRIVATE KEY-----\n"
                     "Proc-Type: 4,ENCRYPTED\n"
                     "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                     "MAMCAQA=\n"
                     "-----END RSA PRIVATE KEY-----\n",
                     "password");
}

/* A 1,024-bit modulus, in SPKI: the shape is right, the size is not. */
static void test_sizes_out_of_bounds_are_refused(void **state)
{
    (void)state;
    uint8_t spki[162] = {0x30, 0x81, 0x9f, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
                         0x01, 0x05, 0x00, 0x03, 0x81, 0x8d, 0x00, 0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00};
    memset(spki + 29, 0xC1, 128);
    memcpy(spki + 157, "\x02\x03\x01\x00\x01", 5);
    char pem[MAX_PEM];
    pem_of("PUBLIC KEY", bulla_view_of(spki, sizeof spki), pem);
    bulla_rsa *read = NULL;
    assert_status(bulla_rsa_parse(&call, bulla_view_text(pem), &read), BULLA_ELIMIT);
    assert_non_null(strstr(call.why, "1024"));
    assert_status(bulla_rsa_generate(&call, 2047, &read), BULLA_EINVAL);
    assert_status(bulla_rsa_generate(&call, 8193, &read), BULLA_EINVAL);
    char *large = calloc(1, 70000);
    assert_non_null(large);
    assert_status(bulla_rsa_parse(&call, bulla_view_of(large, 70000), &read), BULLA_ELIMIT);
    free(large);
    assert_null(read);
}

static void *round_trip(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        uint8_t sealed[256], out[256];
        size_t len = 0, got = 0;
        bulla_view text = bulla_view_of(&i, sizeof i);
        if (bulla_rsa_encrypt(NULL, key, BULLA_RSA_OAEP_SHA256, text, sealed, 256, &len) != BULLA_OK) return NULL;
        if (bulla_rsa_decrypt(NULL, key, BULLA_RSA_OAEP_SHA256, bulla_view_of(sealed, len), out, 256, &got) != BULLA_OK)
            return NULL;
        if (!bulla_view_equal(bulla_view_of(out, got), text)) return NULL;
    }
    return key;
}

static void test_threads_share_a_key(void **state)
{
    (void)state;
    pthread_t threads[6];
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, round_trip, NULL), 0);
    for (size_t i = 0; i < BULLA_LEN(threads); i++) {
        void *is_right = NULL;
        assert_int_equal(pthread_join(threads[i], &is_right), 0);
        assert_non_null(is_right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_padding_gives_back_the_message),
        cmocka_unit_test(test_messages_end_where_the_padding_begins),
        cmocka_unit_test(test_a_changed_ciphertext_is_refused_and_leaves_nothing),
        cmocka_unit_test(test_a_public_key_survives_pem_and_cannot_decrypt),
        cmocka_unit_test(test_a_private_key_survives_der_and_pem),
        cmocka_unit_test(test_pkcs1_private_keys_are_read),
        cmocka_unit_test(test_text_before_the_pem_is_passed_over),
        cmocka_unit_test(test_what_is_no_rsa_key_is_malformed),
        cmocka_unit_test(test_bytes_after_the_key_are_malformed),
        cmocka_unit_test(test_a_key_under_a_password_is_refused_without_asking),
        cmocka_unit_test(test_sizes_out_of_bounds_are_refused),
        cmocka_unit_test(test_threads_share_a_key),
    };
    (void)close(STDIN_FILENO); /* whoever asks for a password gets an error, not a wait */
    return cmocka_run_group_tests(tests, start, end);
}
