/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures and the files that client certificates come in, against what the openssl command made of them. */
#include "crypto/rsa.h"

#include "base/bytes.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

/* openssl req -x509 -newkey rsa:2048 -nodes; nothing but this test knows them. */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCyIPN9/KkVcCaV\n"
                              "lYhLRGKvmamcfGAZ5f1qRwguVaoVVR106Sa77Nahh3nbjpOijtwzftINMb7IAkBI\n"
                              "g9gXx67Gor1+b/61ztr3RBJGsmX0m1yV6lkS7daYY9nEPXNfK7yTBfWWW7006TMx\n"
                              "zQ7hO2WyzKL2DauwlsomcBMkOyicdjy9N6v105slESrYYJMAK/CcFsLEZZ7VQOIL\n"
                              "dA60kdgjQrTKXNUISq3/A0wxbfG8JeOY0CeWBZ39eV8GJm5yuigEsWRs77mrWG+d\n"
                              "4wlIdxfGhhc2M5WdZYVpyWhSmknoUhYehm8/CO+dn5Ej1Hhk+AK07kU1N+/WXKgf\n"
                              "cjHMiu/9AgMBAAECggEAD0/9VoB8gYMHUhcNZRj/GcTOG41mjntinjr2dVM4YIaV\n"
                              "Vmo/geqhZbfZbhoSz2fT/ppBkNBMq/FjmMg6sIqiF+HAA+k5PmRGlvhzUL//uzgK\n"
                              "zLldSF8JMkbtHq1AqHcASiw6OR9wQ6bjV33e8FY0jxr/zEKPFopT3NuIDbaHLnHn\n"
                              "sN1LoxUifoqs3y/LfKoPkGu86u4PmQaWwpF4Z8wpqC0ig2jpZ9vglE0EO8gb/8ab\n"
                              "TyGk8iJnbzi9ANTMRFcC8scWr8XXcoYeQ2xaVGgSWPcvr8qn0sVYa7ZzG5PpClcg\n"
                              "/CJW07u7uUY94zGywK+2PPaZRkX5sELmsM71VD9sgQKBgQDroWRXQI4M0wLj3Gvb\n"
                              "hzUz0tLHn77uV1lMqWGLUIUXLB/OxniT8DzVRVyGwiZrO504ua0C9buK0Y1v55uR\n"
                              "ySxpehK+mks7earswLUQqHYhXHNqKgmxC48K1+VRvr5SMyN9SHgX1IifuL8ECYAf\n"
                              "qIlFnTvsq83nQ2xqPZPzGCoggQKBgQDBhwUlF5HYz+Uz/CoIe7jfDJJia+/QK9Sq\n"
                              "1c9afl47A6okr9dyzgqfhNtPZqchcqK5Q/LwSe/IGSiB3bJVeIWtSKCO0ERajVnR\n"
                              "0JlBgtL6BnF7AdsYC7CkE7tEpD1dIXhgoxpCjjnb0O4tC3GfwNpvlgF4NAUxCg5z\n"
                              "T4sPW5CRfQKBgQCXXn2sQ489k8y2fqJXS5uU6Cl6DhhE2p5GTkWYjqiBA1qHph5N\n"
                              "wzYBN+bBtzWhC5Hrn/QSA7Rv8EBxFBNvaxH5zG8APPR5h6aTIxTuV5pTwiVunQTO\n"
                              "1IMWzyzE/8kZ2zpAQG7NuD3whWlIeaXyMH3G18RoPNIwb7LU6SwDLZHagQKBgCL3\n"
                              "Qz21aXuT7GSdHfcUa42ZVuWDfPvOv4jyQpmmFV5yRg6E2td6VL8HoRxSfsXzUWVJ\n"
                              "2p4BrdooeYIlTTBWK0jow2GqTX9S5LSdDOOiQH4+JcjEyBIrIooyqnY3eoLWJkrH\n"
                              "jVoTGm8V68Klu6zSimT45GEUfQ+kMoIxD/4BXDh9AoGACqVxVZVs8CuGmIZ5YqC0\n"
                              "O1e+LOrKx0JmWn/kDjvgdYRU3JgTQ8KfAQrQTT7or73hzPzmEAswZaXk6F+zotv2\n"
                              "BcCVyJDl6ABkGHAyL1+qFHXrK+yMy2imGWD2djcX2XbOMsPBmEe2xC2AOYD1aJJ2\n"
                              "PBFIPxoo2tfvpKrj2F9tf20=\n"
                              "-----END PRIVATE KEY-----\n";
static const char certificate_pem[] = "-----BEGIN CERTIFICATE-----\n"
                                      "MIIDDTCCAfWgAwIBAgIUTve6JNd3UCTU86tAEWTrGNzNOr4wDQYJKoZIhvcNAQEL\n"
                                      "BQAwFTETMBEGA1UEAwwKYnVsbGEgdGVzdDAgFw0yNjExMjIwMzIwMTJaGA8yMTI2\n"
                                      "MTAyOTAzMjAxMlowFTETMBEGA1UEAwwKYnVsbGEgdGVzdDCCASIwDQYJKoZIhvcN\n"
                                      "AQEBBQADggEPADCCAQoCggEBALIg8338qRVwJpWViEtEYq+ZqZx8YBnl/WpHCC5V\n"
                                      "qhVVHXTpJrvs1qGHeduOk6KO3DN+0g0xvsgCQEiD2BfHrsaivX5v/rXO2vdEEkay\n"
                                      "ZfSbXJXqWRLt1phj2cQ9c18rvJMF9ZZbvTTpMzHNDuE7ZbLMovYNq7CWyiZwEyQ7\n"
                                      "KJx2PL03q/XTmyURKthgkwAr8JwWwsRlntVA4gt0DrSR2CNCtMpc1QhKrf8DTDFt\n"
                                      "8bwl45jQJ5YFnf15XwYmbnK6KASxZGzvuatYb53jCUh3F8aGFzYzlZ1lhWnJaFKa\n"
                                      "SehSFh6Gbz8I752fkSPUeGT4ArTuRTU379ZcqB9yMcyK7/0CAwEAAaNTMFEwHQYD\n"
                                      "VR0OBBYEFFA0O2MyL1QiPIPwS+PFB5NVO70SMB8GA1UdIwQYMBaAFFA0O2MyL1Qi\n"
                                      "PIPwS+PFB5NVO70SMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADggEB\n"
                                      "AACNCKhPbs/wP3GaBovekBDd2t6zuSl1fS+6qTyE8d7KcSFqKW1ZjEwLduSlg5zF\n"
                                      "4oEjp+NzQBHq59rw95NW2nIxF0ChziENAwmhHAsLkdN87qdiIgu9WGr9LolK5c1d\n"
                                      "pm/xxT8XQtznNBIabtKyilz7p1u9U+oSZ8IqCFOH+DFZbLOMDxYZGf/xFFM5QvCZ\n"
                                      "QR4on6B0Iuqh98sYaVwaIce0RnliddNfC9m0ap0k35vNv6Qw3r2zOvENck8Wtoow\n"
                                      "kHMganM0/xPNGUQXRZ67hJNFyz9cRS6ocl+BtxasWU9GxCXnl/Ta4F630BpHz1lC\n"
                                      "UTLXh/tdpvo5cw/KFrThu78=\n"
                                      "-----END CERTIFICATE-----\n";
/* openssl dgst -sha256 -sign, of "header.claims" */
static const char signature_hex[] = "840d281d3ad4b2d6e4a285413e6197b043369cc5c9fb56e4530e0416afb42adf"
                                    "c4d2fd8a9ce61bcb898bae25a096b9bd1f4ff74ed6193e5d5cd1e284d7c4f4f3"
                                    "01f3ab4c2d954f1a5dfdd9b23595be2597a22ebeac729ce0e785f9eeab2d3bcc"
                                    "987db3df23f4106c12f03778420972fb391002b0f86d420b9208dc211984cc8a"
                                    "99baccedbcabb1017018f62c1c260d82a25e922a0646851bfae7a9cb9e070e60"
                                    "98475e820e26d52ac70a7588404b27496503e163954b4820ed3a79763141839a"
                                    "0b12bb34622d2963da877f1e6aa0e76a37e42c9b6662b19c3bc7d7e465539f1a"
                                    "7ee610eede441ff8acf0d86bc44440a224849ff322cc40c6e6935391fe79e1f0";

static bulla_call call;
static char both[8192];

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    (void)snprintf(both, sizeof both, "a comment\n%s%s", certificate_pem, key_pem);
    return 0;
}

static void a_signature_is_the_one_that_openssl_makes(void **state)
{
    (void)state;
    uint8_t out[256], expected[256];
    size_t len = 0;
    bulla_rsa *key = NULL;
    assert_ok(bulla_rsa_parse(&call, bulla_view_text(key_pem), &key));
    assert_true(bulla_hex_decode(bulla_view_text(signature_hex), expected, sizeof expected));
    assert_ok(bulla_rsa_sign(&call, key, bulla_view_text("header.claims"), out, sizeof out, &len));
    assert_true(bulla_view_equal(bulla_view_of(out, len), bulla_view_of(expected, sizeof expected)));
    assert_status(bulla_rsa_sign(&call, key, bulla_view_text("x"), out, sizeof out - 1, &len), BULLA_EINVAL);
    bulla_rsa_free(key);
}

static void a_public_key_does_not_sign(void **state)
{
    (void)state;
    char pem[2048];
    uint8_t out[256];
    size_t len = 7;
    bulla_rsa *key = NULL, *public_key = NULL;
    assert_ok(bulla_rsa_parse(&call, bulla_view_text(key_pem), &key));
    assert_ok(bulla_rsa_public_pem(&call, key, pem, sizeof pem));
    assert_ok(bulla_rsa_parse(&call, bulla_view_text(pem), &public_key));
    assert_status(bulla_rsa_sign(&call, public_key, bulla_view_text("x"), out, sizeof out, &len), BULLA_EINVAL);
    assert_int_equal(len, 7);
    bulla_rsa_free(key);
    bulla_rsa_free(public_key);
}

static void a_certificate_is_found_and_hashed_wherever_it_stands(void **state)
{
    (void)state;
    char hex[2 * 32 + 1];
    uint8_t digest[BULLA_HASH_MAX];
    assert_ok(bulla_certificate_digest(&call, bulla_view_text(both), BULLA_SHA1, digest));
    bulla_hex_encode(bulla_view_of(digest, 20), hex);
    assert_string_equal(hex, "a7ea54be35dd68d86a2aa1207747e8b7c40961f7");
    assert_ok(bulla_certificate_digest(&call, bulla_view_text(certificate_pem), BULLA_SHA256, digest));
    bulla_hex_encode(bulla_view_of(digest, 32), hex);
    assert_string_equal(hex, "2e92479075518acb4119cfa62f35451beb9d4c888b5c0c347646cdd669789575");
    assert_status(bulla_certificate_digest(&call, bulla_view_text(key_pem), BULLA_SHA1, digest), BULLA_EFORMAT);
    assert_status(bulla_certificate_digest(&call, bulla_view_text(""), BULLA_SHA1, digest), BULLA_EFORMAT);
}

static void a_private_key_is_found_behind_a_certificate(void **state)
{
    (void)state;
    bulla_rsa *key = NULL;
    assert_ok(bulla_rsa_private_find(&call, bulla_view_text(both), &key));
    assert_true(bulla_rsa_is_private(key));
    bulla_rsa_free(key);
    key = NULL;
    assert_status(bulla_rsa_private_find(&call, bulla_view_text(certificate_pem), &key), BULLA_EFORMAT);
    assert_status(bulla_rsa_private_find(&call, bulla_view_text("-----BEGIN PRIVATE KEY-----\nAA"), &key),
                  BULLA_EFORMAT);
    assert_null(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_the_one_that_openssl_makes),
        cmocka_unit_test(a_public_key_does_not_sign),
        cmocka_unit_test(a_certificate_is_found_and_hashed_wherever_it_stands),
        cmocka_unit_test(a_private_key_is_found_behind_a_certificate),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
