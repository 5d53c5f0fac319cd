/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sign.h"

#include "base/bytes.h"
#include "cmocka_all.h"

static bulla_call call;
static const bulla_curve curves[] = {BULLA_P256, BULLA_P384};
static const size_t digest_lens[] = {32, 48};

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

typedef struct signed_digest {
    uint8_t point[BULLA_POINT_MAX], digest[48], signature[BULLA_SIGNATURE_MAX];
    bulla_curve curve;
    bulla_view point_view, digest_view, signature_view;
} signed_digest;

static void sign_something(size_t which, signed_digest *out)
{
    BULLA_AUTO(bulla_sign_key) *key = NULL;
    size_t len = 0;
    out->curve = curves[which];
    memset(out->digest, 0x42, sizeof out->digest);
    out->digest_view = bulla_view_of(out->digest, digest_lens[which]);
    assert_ok(bulla_sign_key_generate(&call, out->curve, &key));
    assert_ok(bulla_sign_key_public(&call, key, out->point));
    assert_ok(bulla_sign_digest(&call, key, out->digest_view, out->signature, sizeof out->signature, &len));
    assert_in_range(len, 8, BULLA_SIGNATURE_MAX);
    out->point_view = bulla_view_of(out->point, bulla_point_len(out->curve));
    out->signature_view = bulla_view_of(out->signature, len);
}

static bulla_status verify(const signed_digest *is)
{
    return bulla_verify_digest(&call, is->curve, is->point_view, is->digest_view, is->signature_view);
}

static void test_a_signature_fits_its_key_and_digest(void **state)
{
    (void)state;
    for (size_t which = 0; which < 2; which++)
        for (int round = 0; round < 8; round++) { /* both signs of y, short and long integers */
            signed_digest is;
            sign_something(which, &is);
            assert_in_range(is.point[0], 2, 3);
            assert_ok(verify(&is));
        }
}

static void test_another_digest_key_or_signature_is_refused(void **state)
{
    (void)state;
    for (size_t which = 0; which < 2; which++) {
        signed_digest is, other;
        sign_something(which, &is);
        sign_something(which, &other);
        signed_digest mixed = is;
        mixed.point_view = other.point_view;
        assert_status(verify(&mixed), BULLA_EINTEGRITY);
        is.digest[0] ^= 1;
        assert_status(verify(&is), BULLA_EINTEGRITY);
        is.digest[0] ^= 1;
        for (size_t i = 0; i < is.signature_view.len; i++) {
            is.signature[i] ^= 0x10;
            assert_status(verify(&is), BULLA_EINTEGRITY);
            is.signature[i] ^= 0x10;
        }
        assert_ok(verify(&is));
        is.signature_view.len--;
        assert_status(verify(&is), BULLA_EINTEGRITY);
        is.signature_view = bulla_view_of(NULL, 0);
        assert_status(verify(&is), BULLA_EINTEGRITY);
    }
}

static void test_what_is_no_compressed_point_is_malformed(void **state)
{
    (void)state;
    signed_digest is;
    sign_something(0, &is);
    const uint8_t good = is.point[0];
    const uint8_t bad_first[] = {0, 1, 4, 5, 0x82};
    for (size_t i = 0; i < BULLA_LEN(bad_first); i++) {
        is.point[0] = bad_first[i];
        assert_status(verify(&is), BULLA_EFORMAT);
    }
    is.point[0] = good;
    memset(is.point + 1, 0xFF, 32); /* not below the field's prime */
    assert_status(verify(&is), BULLA_EFORMAT);
    is.point_view.len = 32;
    assert_status(verify(&is), BULLA_EFORMAT);
    is.point_view = bulla_view_of(NULL, 0);
    assert_status(verify(&is), BULLA_EFORMAT);
}

/* About half of all x have no y on the curve. */
static void test_an_x_without_a_y_is_malformed(void **state)
{
    (void)state;
    signed_digest is;
    sign_something(0, &is);
    size_t num_refused = 0;
    memset(is.point + 1, 0, 32);
    for (uint8_t x = 0; x < 64; x++) {
        is.point[32] = x;
        bulla_status status = verify(&is);
        assert_true(status == BULLA_EFORMAT || status == BULLA_EINTEGRITY);
        num_refused += status == BULLA_EFORMAT;
    }
    assert_in_range(num_refused, 16, 48);
}

static void test_digests_of_another_length_and_small_buffers_are_refused(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_sign_key) *key = NULL;
    uint8_t digest[64] = {0}, out[BULLA_SIGNATURE_MAX];
    size_t len = 99;
    assert_ok(bulla_sign_key_generate(&call, BULLA_P384, &key));
    assert_status(bulla_sign_digest(&call, key, bulla_view_of(digest, 32), out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_sign_digest(&call, key, bulla_view_of(digest, 64), out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_sign_digest(&call, key, bulla_view_of(digest, 48), out, sizeof out - 1, &len), BULLA_EINVAL);
    assert_int_equal(len, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signature_fits_its_key_and_digest),
        cmocka_unit_test(test_another_digest_key_or_signature_is_refused),
        cmocka_unit_test(test_what_is_no_compressed_point_is_malformed),
        cmocka_unit_test(test_an_x_without_a_y_is_malformed),
        cmocka_unit_test(test_digests_of_another_length_and_small_buffers_are_refused),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
