/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rsa:PATH?namespace=N&name=K&padding=P: an RSA key in PEM, used as the Raw RSA keyring of the AWS Encryption SDK does
 * (raw-rsa-keyring.md). A public key wraps, a private one unwraps too. RSA has no place for the context: the message
 * binds it, through the header's tag under the key that is derived from the data key.
 */
#include "crypto/rsa.h"

#include "base/bytes.h"
#include "provider/backends.h"
#include "provider/keyfile.h"
#include "provider/provider.h"
#include "provider/rawkey.h"

#define PEM_MAX 65536u
#define MODULUS_MAX 1024u

typedef struct rsa_key {
    bulla_rawkey key; /* first */
    bulla_rsa *rsa;
    bulla_rsa_padding padding;
} rsa_key;

static const char *const params[] = {"namespace", "name", "padding", NULL};

static const struct {
    const char *name;
    bulla_rsa_padding padding;
} paddings[] = {
    {"oaep-sha256", BULLA_RSA_OAEP_SHA256}, /* first: the default */
    {"oaep-sha1", BULLA_RSA_OAEP_SHA1},     {"oaep-sha384", BULLA_RSA_OAEP_SHA384},
    {"oaep-sha512", BULLA_RSA_OAEP_SHA512}, {"pkcs1", BULLA_RSA_PKCS1},
};

static const rsa_key *self_of(const bulla_provider *provider)
{
    return (const rsa_key *)(const void *)provider;
}

static bool rsa_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const rsa_key *self = self_of(provider);
    return bulla_view_equal(wrapped->provider, self->key.space) && bulla_view_equal(wrapped->info, self->key.name);
}

static bulla_status rsa_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                             bulla_wrapped **out_wrapped)
{
    (void)context;
    const rsa_key *self = self_of(provider);
    uint8_t blob[MODULUS_MAX];
    size_t len = 0;
    BULLA_TRY(bulla_rsa_encrypt(call, self->rsa, self->padding, bulla_secret_borrow(dek), blob, sizeof blob, &len));
    return bulla_wrapped_new(call, self->key.space, self->key.name, bulla_view_of(blob, len), out_wrapped);
}

static bulla_status blob_len_check(const rsa_key *self, bulla_call *call, bulla_view blob)
{
    if (blob.len == bulla_rsa_len(self->rsa)) return BULLA_OK;
    return bulla_rawkey_mismatch(&self->key, call);
}

static bulla_status rsa_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                               const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    (void)context;
    const rsa_key *self = self_of(provider);
    BULLA_WIPED(uint8_t, dek, MODULUS_MAX);
    size_t len = 0;
    BULLA_TRY(blob_len_check(self, call, wrapped->blob));
    bulla_status status = bulla_rsa_decrypt(call, self->rsa, self->padding, wrapped->blob, dek, sizeof dek, &len);
    if (status == BULLA_EINTEGRITY) return bulla_rawkey_mismatch(&self->key, call);
    BULLA_TRY(status);
    if (len < BULLA_DEK_MIN || len > BULLA_DEK_MAX) return bulla_rawkey_mismatch(&self->key, call);
    return bulla_secret_copy(call, bulla_view_of(dek, len), out_dek);
}

/*
 * With PKCS#1 v1.5 whoever learns that a ciphertext had good padding can open others with it (Bleichenbacher 1998). So
 * bad padding is answered as TLS does (RFC 5246, 7.4.7.1): with a random key, drawn before anything is known, under
 * which the message then fails like any altered one. The call does not hear of it either.
 */
static bulla_status rsa_unwrap_pkcs1(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                     const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    (void)context;
    const rsa_key *self = self_of(provider);
    BULLA_WIPED(uint8_t, dek, MODULUS_MAX);
    size_t len = 0;
    BULLA_AUTO(bulla_secret) *decoy = NULL;
    BULLA_AUTO(bulla_secret) *real = NULL;
    BULLA_TRY(blob_len_check(self, call, wrapped->blob));
    BULLA_TRY(bulla_secret_random(call, 32, &decoy));
    bulla_status status = bulla_rsa_decrypt(NULL, self->rsa, self->padding, wrapped->blob, dek, sizeof dek, &len);
    if (status != BULLA_OK && status != BULLA_EINTEGRITY) return bulla_fail(call, status, "cannot decrypt with RSA");
    bool is_key = status == BULLA_OK && (len == 16 || len == 24 || len == 32);
    BULLA_TRY(bulla_secret_copy(call, bulla_view_of(dek, is_key ? len : 32), &real));
    *out_dek = is_key ? BULLA_TAKE(real) : BULLA_TAKE(decoy);
    return BULLA_OK;
}

static void rsa_destroy(bulla_provider *provider)
{
    rsa_key *self = (rsa_key *)(void *)provider;
    bulla_rsa_free(self->rsa);
    bulla_rawkey_free(&self->key);
}

#define REPEATABLE (BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP)

static const bulla_provider_ops public_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "rsa",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP,
    .idempotent = REPEATABLE,
    .matches = rsa_matches, /* so that a rewrap knows the recipient again */
    .describe = bulla_rawkey_describe,
    .wrap = rsa_wrap,
    .destroy = rsa_destroy,
};

static const bulla_provider_ops private_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "rsa",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP,
    .idempotent = REPEATABLE,
    .matches = rsa_matches,
    .describe = bulla_rawkey_describe,
    .wrap = rsa_wrap,
    .unwrap = rsa_unwrap,
    .destroy = rsa_destroy,
};

/* Opens what others wrote; nobody should write more of it. */
static const bulla_provider_ops pkcs1_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "rsa",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_UNWRAP,
    .idempotent = REPEATABLE,
    .matches = rsa_matches,
    .describe = bulla_rawkey_describe,
    .unwrap = rsa_unwrap_pkcs1,
    .destroy = rsa_destroy,
};

static bulla_status padding_parse(bulla_call *call, const bulla_address *address, bulla_rsa_padding *out_padding)
{
    const char *name = bulla_address_param(address, "padding", paddings[0].name);
    for (size_t i = 0; i < BULLA_LEN(paddings); i++) {
        if (strcmp(paddings[i].name, name) != 0) continue;
        *out_padding = paddings[i].padding;
        return BULLA_OK;
    }
    return bulla_fail(call, BULLA_EINVAL,
                      "rsa: padding \"%.32s\" is not known: oaep-sha256, oaep-sha1, oaep-sha384, oaep-sha512 or pkcs1",
                      name);
}

/* The reader of PEM does not know whose text it reads. */
static bulla_status fail_in_file(bulla_call *call, bulla_status status, const char *path)
{
    char why[sizeof call->why];
    if (call == NULL) return status;
    memcpy(why, call->why, sizeof why);
    return bulla_fail(call, status, "key file \"%.100s\": %.130s", path, why);
}

/* Reads the key; a private one must be in a file that nobody else can read. */
static bulla_status pem_read(bulla_call *call, const bulla_keyfile *file, bulla_rsa **out_rsa)
{
    BULLA_AUTO(bulla_secret) *pem = NULL;
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    BULLA_TRY(bulla_keyfile_read(call, file, &pem));
    bulla_status status = bulla_rsa_parse(call, bulla_secret_borrow(pem), &rsa);
    if (status != BULLA_OK) return fail_in_file(call, status, file->path);
    if (bulla_rsa_is_private(rsa)) BULLA_TRY(bulla_keyfile_private_check(call, file));
    *out_rsa = BULLA_TAKE(rsa);
    return BULLA_OK;
}

static bulla_status pem_open(bulla_call *call, const char *path, bulla_rsa **out_rsa)
{
    bulla_keyfile file;
    BULLA_TRY(bulla_keyfile_open(call, path, PEM_MAX, &file));
    bulla_status status = pem_read(call, &file, out_rsa);
    bulla_keyfile_close(&file);
    return status;
}

bulla_status bulla_rsa_provider_open(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    (void)arg;
    bulla_address parsed;
    bulla_rawkey_name name;
    bulla_rsa_padding padding;
    bulla_rawkey *rawkey = NULL;
    BULLA_TRY(bulla_address_parse(call, address, &parsed));
    BULLA_TRY(bulla_address_params_check(call, &parsed, params));
    BULLA_TRY(padding_parse(call, &parsed, &padding));
    if (parsed.body[0] == '\0') return bulla_fail(call, BULLA_EINVAL, "rsa: the path of the PEM file is missing");
    BULLA_TRY(bulla_rawkey_name_parse(call, &parsed, "rsa", bulla_path_base(parsed.body), &name));
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    BULLA_TRY(pem_open(call, parsed.body, &rsa));
    bool is_private = bulla_rsa_is_private(rsa);
    if (padding == BULLA_RSA_PKCS1 && !is_private)
        return bulla_fail(call, BULLA_EINVAL, "rsa: padding=pkcs1 only opens what others wrote: give the private key");
    const bulla_provider_ops *ops = padding == BULLA_RSA_PKCS1 ? &pkcs1_ops : is_private ? &private_ops : &public_ops;
    BULLA_TRY(bulla_rawkey_new(call, ops, sizeof(rsa_key), address, &name, &rawkey));
    rsa_key *self = (rsa_key *)(void *)rawkey;
    rawkey->type = BULLA_KEY_RSA;
    self->padding = padding;
    self->rsa = BULLA_TAKE(rsa);
    *out_provider = &rawkey->base;
    return BULLA_OK;
}
