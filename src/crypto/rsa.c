/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/rsa_impl.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/pem.h"

#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define MIN_BITS 2048
#define MAX_BITS 8192

BULLA_AUTO_DEFINE(BIO, BIO_free_all)
BULLA_AUTO_DEFINE(OSSL_DECODER_CTX, OSSL_DECODER_CTX_free)

/* What a DER encoding holds, by the label of its PEM. */
typedef struct key_form {
    const char *label, *structure;
    bool is_private;
} key_form;

static const key_form forms[] = {
    {"PUBLIC KEY", "SubjectPublicKeyInfo", false},
    {"RSA PUBLIC KEY", "type-specific", false},
    {"PRIVATE KEY", NULL, true},
    {"RSA PRIVATE KEY", NULL, true},
};
#define FORM_PKCS8 (&forms[2])

void bulla_rsa_free(bulla_rsa *rsa)
{
    if (rsa == NULL) return;
    EVP_PKEY_free(rsa->pkey);
    bulla_free(rsa->env, rsa);
}

bool bulla_rsa_is_private(const bulla_rsa *rsa)
{
    return rsa->is_private;
}

size_t bulla_rsa_len(const bulla_rsa *rsa)
{
    return (size_t)EVP_PKEY_get_size(rsa->pkey);
}

static bulla_status rsa_new(bulla_call *call, bool is_private, bulla_rsa **out_rsa)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_rsa), &memory));
    *out_rsa = memory;
    (*out_rsa)->env = bulla_env_of(call);
    (*out_rsa)->is_private = is_private;
    return BULLA_OK;
}

static bulla_status public_load(bulla_call *call, const char *structure, bulla_view der, EVP_PKEY **out_pkey)
{
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(OSSL_DECODER_CTX) *ctx =
        OSSL_DECODER_CTX_new_for_pkey(out_pkey, "DER", structure, "RSA", EVP_PKEY_PUBLIC_KEY, NULL, NULL);
    if (ctx == NULL) return bulla_ossl_fail(call, "cannot read an RSA key");
    bool is_read = OSSL_DECODER_from_data(ctx, &der.data, &der.len) == 1 && der.len == 0 && *out_pkey != NULL;
    return bulla_ossl_end(call, is_read, BULLA_EFORMAT, "not an RSA public key, or a damaged one");
}

static bulla_status der_decode(bulla_call *call, const key_form *form, bulla_view der, bulla_rsa **out_rsa)
{
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    BULLA_TRY(rsa_new(call, form->is_private, &rsa));
    if (form->is_private)
        BULLA_TRY(bulla_rsa_private_load(call, der, form == FORM_PKCS8, &rsa->pkey));
    else
        BULLA_TRY(public_load(call, form->structure, der, &rsa->pkey));
    int bits = EVP_PKEY_get_bits(rsa->pkey);
    if (bits < MIN_BITS || bits > MAX_BITS)
        return bulla_fail(call, BULLA_ELIMIT, "an RSA key has %d to %d bits, not %d", MIN_BITS, MAX_BITS, bits);
    *out_rsa = BULLA_TAKE(rsa);
    return BULLA_OK;
}

static bulla_status block_decode(bulla_call *call, const bulla_pem *block, bulla_rsa **out_rsa)
{
    BULLA_AUTO(bulla_secret) *der = NULL;
    if (bulla_view_is(block->label, "ENCRYPTED PRIVATE KEY") || bulla_pem_has_headers(block))
        return bulla_fail(call, BULLA_EFORMAT,
                          "the private key is protected by a password: take it off (openssl pkey) and guard the file");
    BULLA_TRY(bulla_pem_decode(call, block, &der));
    for (size_t i = 0; i < BULLA_LEN(forms); i++)
        if (bulla_view_is(block->label, forms[i].label))
            return der_decode(call, &forms[i], bulla_secret_borrow(der), out_rsa);
    return bulla_fail(call, BULLA_EFORMAT, "the PEM holds a \"%.*s\", not an RSA public or private key",
                      block->label.len > 40 ? 40 : (int)block->label.len, (const char *)block->label.data);
}

bulla_status bulla_rsa_parse(bulla_call *call, bulla_view pem, bulla_rsa **out_rsa)
{
    bulla_pem block;
    if (pem.len > BULLA_RSA_MAX_PEM)
        return bulla_fail(call, BULLA_ELIMIT, "a PEM key has at most %zu bytes, not %zu", BULLA_RSA_MAX_PEM, pem.len);
    if (!bulla_pem_next(&pem, &block)) return bulla_fail(call, BULLA_EFORMAT, "no PEM block, or a damaged one");
    return block_decode(call, &block, out_rsa);
}

bulla_status bulla_rsa_private_parse(bulla_call *call, bulla_view der, bulla_rsa **out_rsa)
{
    if (der.len == 0 || der.len > BULLA_RSA_MAX_PEM)
        return bulla_fail(call, BULLA_EFORMAT, "not an RSA private key: %zu bytes", der.len);
    return der_decode(call, FORM_PKCS8, der, out_rsa);
}

bulla_status bulla_rsa_generate(bulla_call *call, unsigned bits, bulla_rsa **out_rsa)
{
    if (bits < MIN_BITS || bits > MAX_BITS)
        return bulla_fail(call, BULLA_EINVAL, "an RSA key has %d to %d bits, not %u", MIN_BITS, MAX_BITS, bits);
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    BULLA_TRY(rsa_new(call, true, &rsa));
    BULLA_OSSL_WORK(call);
    rsa->pkey = EVP_RSA_gen(bits);
    if (rsa->pkey == NULL) return bulla_ossl_fail(call, "cannot make an RSA key");
    BULLA_TRY(bulla_ossl_check(call));
    *out_rsa = BULLA_TAKE(rsa);
    return BULLA_OK;
}

bulla_status bulla_rsa_public_pem(bulla_call *call, const bulla_rsa *rsa, char *out, size_t cap)
{
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(BIO) *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_PUBKEY(bio, rsa->pkey) != 1) return bulla_ossl_fail(call, "cannot write PEM");
    BULLA_TRY(bulla_ossl_check(call));
    char *text = NULL;
    size_t len = (size_t)BIO_get_mem_data(bio, &text);
    if (len >= cap) return bulla_fail(call, BULLA_EINVAL, "a PEM of %zu bytes does not fit in %zu", len + 1, cap);
    memcpy(out, text, len);
    out[len] = '\0';
    return BULLA_OK;
}

/* The hash of an OAEP padding. */
static bulla_hash oaep_hash(bulla_rsa_padding padding)
{
    switch (padding) {
    case BULLA_RSA_OAEP_SHA1: return BULLA_SHA1;
    case BULLA_RSA_OAEP_SHA384: return BULLA_SHA384;
    case BULLA_RSA_OAEP_SHA512: return BULLA_SHA512;
    case BULLA_RSA_PKCS1:
    case BULLA_RSA_OAEP_SHA256: break;
    }
    return BULLA_SHA256;
}

static bulla_status padding_set(bulla_call *call, EVP_PKEY_CTX *ctx, bulla_rsa_padding padding)
{
    int kind = padding == BULLA_RSA_PKCS1 ? RSA_PKCS1_PADDING : RSA_PKCS1_OAEP_PADDING;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, kind) != 1) return bulla_ossl_fail(call, "cannot set an RSA padding");
    if (padding == BULLA_RSA_PKCS1) return BULLA_OK;
    EVP_MD *digest = NULL;
    BULLA_TRY(bulla_ossl_digest(call, oaep_hash(padding), &digest));
    if (EVP_PKEY_CTX_set_rsa_oaep_md(ctx, digest) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, digest) != 1)
        return bulla_ossl_fail(call, "cannot set an RSA padding");
    return BULLA_OK;
}

/* RFC 8017, 7.1.1 and 7.2.1. */
static size_t max_in(const bulla_rsa *rsa, bulla_rsa_padding padding)
{
    size_t overhead = padding == BULLA_RSA_PKCS1 ? 11 : 2 * bulla_hash_len(oaep_hash(padding)) + 2;
    return bulla_rsa_len(rsa) - overhead;
}

bulla_status bulla_rsa_encrypt(bulla_call *call, const bulla_rsa *rsa, bulla_rsa_padding padding, bulla_view in,
                               uint8_t *out, size_t cap, size_t *out_len)
{
    if (in.len > max_in(rsa, padding) || cap < bulla_rsa_len(rsa))
        return bulla_fail(call, BULLA_EINVAL, "this RSA key and padding take up to %zu bytes and give %zu",
                          max_in(rsa, padding), bulla_rsa_len(rsa));
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, rsa->pkey, NULL);
    if (ctx == NULL || EVP_PKEY_encrypt_init(ctx) != 1) return bulla_ossl_fail(call, "cannot encrypt with RSA");
    BULLA_TRY(padding_set(call, ctx, padding));
    size_t len = cap;
    if (EVP_PKEY_encrypt(ctx, out, &len, bulla_ossl_data(in), in.len) != 1)
        return bulla_ossl_fail(call, "cannot encrypt with RSA");
    BULLA_TRY(bulla_ossl_check(call));
    *out_len = len;
    return BULLA_OK;
}

bulla_status bulla_rsa_decrypt(bulla_call *call, const bulla_rsa *rsa, bulla_rsa_padding padding, bulla_view in,
                               uint8_t *out, size_t cap, size_t *out_len)
{
    if (!rsa->is_private) return bulla_fail(call, BULLA_EINVAL, "the RSA key has no private part");
    if (cap < bulla_rsa_len(rsa))
        return bulla_fail(call, BULLA_EINVAL, "RSA decryption needs room for %zu bytes", bulla_rsa_len(rsa));
    BULLA_OSSL_WORK(call);
    BULLA_AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, rsa->pkey, NULL);
    if (ctx == NULL || EVP_PKEY_decrypt_init(ctx) != 1) return bulla_ossl_fail(call, "cannot decrypt with RSA");
    BULLA_TRY(padding_set(call, ctx, padding));
    size_t len = cap;
    /* RFC 8017, 7.1.2 and 7.2.2, step 1: a ciphertext is as long as the modulus. */
    bool is_right = in.len == bulla_rsa_len(rsa) && EVP_PKEY_decrypt(ctx, out, &len, in.data, in.len) == 1;
    bulla_status status =
        bulla_ossl_end(call, is_right, BULLA_EINTEGRITY, "the RSA ciphertext is damaged or for another key");
    if (status != BULLA_OK)
        bulla_wipe(out, cap);
    else
        *out_len = len;
    return status;
}
