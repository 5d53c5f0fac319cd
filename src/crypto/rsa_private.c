/* SPDX-License-Identifier: Apache-2.0 */
/* The private half of an RSA key on its way into OpenSSL and out: through numbers in our own memory. */
#include "base/bytes.h"
#include "crypto/rsa_der.h"
#include "crypto/rsa_impl.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

static const char *const names[BULLA_RSA_NUMBERS] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
    OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

/* Between big-endian and the machine's order, which OSSL_PARAM has. */
static void order_change(uint8_t *bytes, size_t len)
{
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) return;
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t byte = bytes[i];
        bytes[i] = bytes[len - 1 - i];
        bytes[len - 1 - i] = byte;
    }
}

static bulla_status numbers_copy(bulla_call *call, const bulla_rsa_numbers *numbers, bulla_secret **out_copy,
                                 OSSL_PARAM params[BULLA_RSA_NUMBERS + 1])
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        total += numbers->at[i].len;
    BULLA_TRY(bulla_secret_new(call, total, out_copy));
    uint8_t *copy = bulla_secret_fill(*out_copy);
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++) {
        bulla_view number = numbers->at[i];
        memcpy(copy + at, number.data, number.len);
        order_change(copy + at, number.len);
        params[i] = OSSL_PARAM_construct_BN(names[i], copy + at, number.len);
        at += number.len;
    }
    params[BULLA_RSA_NUMBERS] = OSSL_PARAM_construct_end();
    return BULLA_OK;
}

bulla_status bulla_rsa_private_load(bulla_call *call, bulla_view der, bool is_pkcs8, EVP_PKEY **out_pkey)
{
    bulla_rsa_numbers numbers;
    OSSL_PARAM params[BULLA_RSA_NUMBERS + 1];
    BULLA_AUTO(bulla_secret) *copy = NULL;
    bool is_key = is_pkcs8 ? bulla_rsa_pkcs8_read(der, &numbers) : bulla_rsa_pkcs1_read(der, &numbers);
    for (size_t i = 1; is_key && i < BULLA_RSA_NUMBERS; i++)
        is_key = numbers.at[i].len <= numbers.at[0].len; /* RFC 8017, 3.2: all are smaller than the modulus */
    if (!is_key) return bulla_fail(call, BULLA_EFORMAT, "not an RSA private key, or a damaged one");
    BULLA_TRY(numbers_copy(call, &numbers, &copy, params));
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1) return bulla_ossl_fail(call, "cannot read an RSA key");
    bool is_read = EVP_PKEY_fromdata(ctx, out_pkey, EVP_PKEY_KEYPAIR, params) == 1;
    return bulla_ossl_end(call, is_read, BULLA_EFORMAT, "not an RSA private key, or a damaged one");
}

/* What OpenSSL filled in, without zeros before it. */
static bulla_view number_of(uint8_t *bytes, size_t len)
{
    order_change(bytes, len);
    size_t zeros = 0;
    while (zeros < len - 1 && bytes[zeros] == 0)
        zeros++;
    return bulla_view_of(bytes + zeros, len - zeros);
}

bulla_status bulla_rsa_private_der(bulla_call *call, const bulla_rsa *rsa, bulla_secret **out_der)
{
    bulla_rsa_numbers numbers;
    OSSL_PARAM params[BULLA_RSA_NUMBERS + 1];
    BULLA_AUTO(bulla_secret) *copy = NULL;
    BULLA_AUTO(bulla_secret) *der = NULL;
    size_t len = bulla_rsa_len(rsa);
    if (!rsa->is_private) return bulla_fail(call, BULLA_EINVAL, "the RSA key has no private part");
    BULLA_TRY(bulla_secret_new(call, BULLA_RSA_NUMBERS * len, &copy));
    uint8_t *bytes = bulla_secret_fill(copy);
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        params[i] = OSSL_PARAM_construct_BN(names[i], bytes + i * len, len);
    params[BULLA_RSA_NUMBERS] = OSSL_PARAM_construct_end();
    BULLA_OSSL_WORK(call);
    bool is_whole = EVP_PKEY_get_params(rsa->pkey, params) == 1;
    for (size_t i = 0; is_whole && i < BULLA_RSA_NUMBERS; i++)
        is_whole = OSSL_PARAM_modified(&params[i]) == 1;
    if (!is_whole) return bulla_ossl_fail(call, "cannot write an RSA private key");
    BULLA_TRY(bulla_ossl_check(call));
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        numbers.at[i] = number_of(bytes + i * len, len);
    BULLA_TRY(bulla_secret_new(call, bulla_rsa_pkcs8_len(&numbers), &der));
    bulla_rsa_pkcs8_write(&numbers, bulla_secret_fill(der));
    *out_der = BULLA_TAKE(der);
    return BULLA_OK;
}
