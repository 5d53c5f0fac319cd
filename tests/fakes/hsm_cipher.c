/* SPDX-License-Identifier: Apache-2.0 */
/* What the fake module encrypts with: AES-GCM (SP 800-38D) and AES key wrap (RFC 3394, RFC 5649), by OpenSSL. */
#include "fakes/hsm.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define IV_LEN 12u
#define TAG_LEN 16u
#define MAX_PLAIN 256u

static hsm_state *const hsm = &fake_hsm_state;

/* --- AES-GCM --- */

static bool gcm_seal(const uint8_t *key, const uint8_t *iv, const hsm_session *of, const uint8_t *in, int len,
                     uint8_t *out)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done = 0;
    bool is_ok = context != NULL && EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, iv) == 1 &&
                 EVP_EncryptUpdate(context, NULL, &done, of->aad, (int)of->aad_len) == 1 &&
                 EVP_EncryptUpdate(context, out, &done, in, len) == 1 &&
                 EVP_EncryptFinal_ex(context, out + len, &done) == 1 &&
                 EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, (int)TAG_LEN, out + len) == 1;
    EVP_CIPHER_CTX_free(context);
    return is_ok;
}

static bool gcm_open(const uint8_t *key, const hsm_session *of, const uint8_t *in, int len, uint8_t *out)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t tag[TAG_LEN];
    int done = 0;
    memcpy(tag, in + len, sizeof tag);
    bool is_ok = context != NULL && EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, of->iv) == 1 &&
                 EVP_DecryptUpdate(context, NULL, &done, of->aad, (int)of->aad_len) == 1 &&
                 EVP_DecryptUpdate(context, out, &done, in, len) == 1 &&
                 EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, (int)TAG_LEN, tag) == 1 &&
                 EVP_DecryptFinal_ex(context, out + len, &done) == 1;
    EVP_CIPHER_CTX_free(context);
    return is_ok;
}

/* --- key wrap --- */

static const EVP_CIPHER *key_wrap_of(CK_MECHANISM_TYPE mechanism)
{
    return mechanism == CKM_AES_KEY_WRAP ? EVP_aes_256_wrap() : EVP_aes_256_wrap_pad();
}

/* Returns the length of the result, or 0. */
static size_t key_wrap_run(CK_MECHANISM_TYPE mechanism, const uint8_t *key, bool wraps, const uint8_t *in, size_t len,
                           uint8_t out[MAX_PLAIN + 16])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done = 0;
    if (context == NULL || len > MAX_PLAIN) {
        EVP_CIPHER_CTX_free(context);
        return 0;
    }
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool is_ok = EVP_CipherInit_ex(context, key_wrap_of(mechanism), NULL, key, NULL, wraps ? 1 : 0) == 1 &&
                 EVP_CipherUpdate(context, out, &done, in, (int)len) == 1;
    EVP_CIPHER_CTX_free(context);
    return is_ok && done > 0 ? (size_t)done : 0;
}

/* --- C_Encrypt and C_Decrypt --- */

static const CK_MECHANISM_TYPE mechanisms[HSM_MECHANISMS] = {CKM_AES_GCM, CKM_AES_KEY_WRAP, HSM_KEY_WRAP_KWP,
                                                             CKM_AES_KEY_WRAP_PAD};

static bool may(CK_MECHANISM_TYPE mechanism, CK_FLAGS flag)
{
    for (size_t i = 0; i < HSM_MECHANISMS; i++)
        if (mechanisms[i] == mechanism) return (hsm->flags[i] & flag) != 0;
    return false;
}

static CK_RV gcm_params_take(hsm_session *session, const CK_MECHANISM *mechanism, bool encrypts)
{
    static const uint8_t zeros[IV_LEN];
    const CK_GCM_PARAMS *params = mechanism->pParameter;
    if (params == NULL || mechanism->ulParameterLen != sizeof *params || params->ulIvLen != IV_LEN ||
        params->ulTagBits != TAG_LEN * 8 || params->ulAADLen > sizeof session->aad)
        return CKR_MECHANISM_PARAM_INVALID;
    bool is_zero = memcmp(params->pIv, zeros, sizeof zeros) == 0;
    if (encrypts && hsm->ivs != HSM_IV_GIVEN && !is_zero) return CKR_MECHANISM_PARAM_INVALID;
    session->iv = params->pIv;
    memcpy(session->aad, params->pAAD, params->ulAADLen);
    session->aad_len = params->ulAADLen;
    return CKR_OK;
}

CK_RV hsm_cipher_begin(hsm_session *session, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key, bool encrypts)
{
    const hsm_object *object = hsm_object_find(session, key);
    if (session->doing != HSM_IDLE) return CKR_OPERATION_ACTIVE;
    if (object == NULL) return CKR_KEY_HANDLE_INVALID;
    if (!may(mechanism->mechanism, encrypts ? CKF_ENCRYPT : CKF_DECRYPT)) return CKR_MECHANISM_INVALID;
    if ((encrypts ? object->encrypts : object->decrypts) == CK_FALSE) return CKR_KEY_FUNCTION_NOT_PERMITTED;
    if (mechanism->mechanism == CKM_AES_GCM) {
        CK_RV rv = gcm_params_take(session, mechanism, encrypts);
        if (rv != CKR_OK) return rv;
    }
    session->doing = encrypts ? HSM_ENCRYPTING : HSM_DECRYPTING;
    session->mechanism = mechanism->mechanism;
    session->object = (size_t)(object - hsm->objects);
    return CKR_OK;
}

CK_RV hsm_encrypt(hsm_session *session, const uint8_t *in, CK_ULONG len, uint8_t *out, CK_ULONG *out_len)
{
    const uint8_t *key = hsm->objects[session->object].value;
    uint8_t sealed[MAX_PLAIN + 16];
    size_t num = (size_t)len + TAG_LEN;
    if (session->doing != HSM_ENCRYPTING) return CKR_OPERATION_NOT_INITIALIZED;
    session->doing = HSM_IDLE;
    if (len > MAX_PLAIN) return CKR_DATA_LEN_RANGE;
    if (session->mechanism != CKM_AES_GCM) {
        num = key_wrap_run(session->mechanism, key, true, in, len, sealed);
    } else {
        if (hsm->ivs == HSM_IV_OWN && RAND_bytes(session->iv, (int)IV_LEN) != 1) return CKR_FUNCTION_FAILED;
        if (!gcm_seal(key, session->iv, session, in, (int)len, sealed)) return CKR_FUNCTION_FAILED;
    }
    if (num == 0) return CKR_DATA_LEN_RANGE;
    if (*out_len < num) return CKR_BUFFER_TOO_SMALL;
    memcpy(out, sealed, num);
    *out_len = (CK_ULONG)num;
    return CKR_OK;
}

CK_RV hsm_decrypt(hsm_session *session, const uint8_t *in, CK_ULONG len, uint8_t *out, CK_ULONG *out_len)
{
    const uint8_t *key = hsm->objects[session->object].value;
    uint8_t plain[MAX_PLAIN + 16];
    size_t num = 0;
    if (session->doing != HSM_DECRYPTING) return CKR_OPERATION_NOT_INITIALIZED;
    session->doing = HSM_IDLE;
    if (len > MAX_PLAIN || len < TAG_LEN) return CKR_ENCRYPTED_DATA_LEN_RANGE;
    if (session->mechanism != CKM_AES_GCM) {
        num = key_wrap_run(session->mechanism, key, false, in, len, plain);
    } else if (gcm_open(key, session, in, (int)(len - TAG_LEN), plain)) {
        num = (size_t)len - TAG_LEN;
    }
    if (num == 0) return hsm->wrong_tag;
    if (*out_len < num) return CKR_BUFFER_TOO_SMALL;
    memcpy(out, plain, num);
    *out_len = (CK_ULONG)num;
    return CKR_OK;
}

/* --- C_WrapKey and C_UnwrapKey --- */

CK_RV hsm_wrap(hsm_session *session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE what,
               uint8_t *out, CK_ULONG *out_len)
{
    const hsm_object *key = hsm_object_find(session, by), *object = hsm_object_find(session, what);
    uint8_t wrapped[MAX_PLAIN + 16];
    if (key == NULL) return CKR_WRAPPING_KEY_HANDLE_INVALID;
    if (object == NULL) return CKR_KEY_HANDLE_INVALID;
    if (!may(mechanism, CKF_WRAP)) return CKR_MECHANISM_INVALID;
    if (key->wraps == CK_FALSE) return CKR_KEY_FUNCTION_NOT_PERMITTED;
    if (object->is_extractable == CK_FALSE) return CKR_KEY_UNEXTRACTABLE;
    size_t num = key_wrap_run(mechanism, key->value, true, object->value, object->value_len, wrapped);
    if (num == 0) return CKR_KEY_SIZE_RANGE;
    if (*out_len < num) return CKR_BUFFER_TOO_SMALL;
    memcpy(out, wrapped, num);
    *out_len = (CK_ULONG)num;
    return CKR_OK;
}

CK_RV hsm_unwrap(const hsm_session *session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE by, const uint8_t *in,
                 CK_ULONG len, uint8_t *out, CK_ULONG *out_len)
{
    const hsm_object *key = hsm_object_find(session, by);
    uint8_t plain[MAX_PLAIN + 16];
    if (key == NULL) return CKR_UNWRAPPING_KEY_HANDLE_INVALID;
    if (!may(mechanism, CKF_UNWRAP)) return CKR_MECHANISM_INVALID;
    if (key->unwraps == CK_FALSE) return CKR_KEY_FUNCTION_NOT_PERMITTED;
    size_t num = key_wrap_run(mechanism, key->value, false, in, len, plain);
    if (num == 0) return hsm->wrong_tag;
    if (num > 32) return CKR_WRAPPED_KEY_LEN_RANGE;
    memcpy(out, plain, num);
    *out_len = (CK_ULONG)num;
    return CKR_OK;
}
