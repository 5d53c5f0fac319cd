/* SPDX-License-Identifier: Apache-2.0 */
/* AES-GCM and AES key wrap on the token: bytes in, bytes out. What modules take is not const, hence the copies, which
 * are wiped. */
#include "base/bytes.h"
#include "provider/pkcs11.h"

#define TAG_LEN 16u
#define MAX_BYTES 128u /* more than any of these has */

const bulla_pkcs11_mechanism bulla_pkcs11_mechanisms[BULLA_PKCS11_NUM_MECHANISMS] = {
    {CKM_AES_GCM, 0, "AES-GCM"},
    {CKM_AES_KEY_WRAP, 1, "AES key wrap (RFC 3394)"},
    {0x210BUL, 2, "AES key wrap with padding (RFC 5649)"}, /* CKM_AES_KEY_WRAP_KWP of PKCS #11 3.0 */
    {CKM_AES_KEY_WRAP_PAD, 3, "AES key wrap with padding (PKCS #11 2.40)"},
};

/* --- choosing --- */

/* 0 where the token does not have it; *out_rv where it did not say so. */
static CK_FLAGS flags_of(bulla_pkcs11_lease *lease, CK_MECHANISM_TYPE type, CK_RV *out_rv)
{
    CK_MECHANISM_INFO info;
    memset(&info, 0, sizeof info);
    CK_RV rv = lease->functions->C_GetMechanismInfo(lease->slot, type, &info);
    if (bulla_pkcs11_is_loss(rv)) *out_rv = rv;
    return rv == CKR_OK ? info.flags : 0;
}

static bool has_all(CK_FLAGS flags, CK_FLAGS wanted)
{
    return (flags & wanted) == wanted;
}

bulla_status bulla_pkcs11_way_find(bulla_pkcs11_lease *lease, bulla_call *call, const bulla_pkcs11_version *version,
                                   unsigned allowed, bulla_pkcs11_way *out_way)
{
    CK_RV lost = CKR_OK;
    for (unsigned i = 0; i < BULLA_PKCS11_NUM_MECHANISMS; i++) {
        if ((allowed & version->mechanisms & 1u << i) == 0) continue;
        CK_FLAGS flags = flags_of(lease, bulla_pkcs11_mechanisms[i].type, &lost);
        bool by_cipher = (version->can & BULLA_PKCS11_ENCRYPT) != 0 && has_all(flags, CKF_ENCRYPT | CKF_DECRYPT);
        bool by_wrapping =
            i != BULLA_PKCS11_GCM && (version->can & BULLA_PKCS11_WRAP) != 0 && has_all(flags, CKF_WRAP | CKF_UNWRAP);
        if (!by_cipher && !by_wrapping) continue;
        *out_way = (bulla_pkcs11_way){i, !by_cipher};
        return BULLA_OK;
    }
    if (lost != CKR_OK) return bulla_pkcs11_fail(lease, call, "say what it can do", lost);
    return bulla_fail(call, BULLA_EUNSUPPORTED,
                      "key store \"%s\": token and key have no mechanism in common: AES-GCM takes a key with "
                      "CKA_ENCRYPT and CKA_DECRYPT, AES key wrap one with CKA_WRAP and CKA_UNWRAP",
                      bulla_pkcs11_store(lease->token));
}

/* --- AES-GCM --- */

static CK_GCM_PARAMS gcm_params(uint8_t *iv, size_t iv_len, bulla_secret *aad)
{
    return (CK_GCM_PARAMS){.pIv = iv,
                           .ulIvLen = (CK_ULONG)iv_len,
                           .ulIvBits = (CK_ULONG)iv_len * 8,
                           .pAAD = bulla_secret_fill(aad),
                           .ulAADLen = (CK_ULONG)bulla_secret_borrow(aad).len,
                           .ulTagBits = TAG_LEN * 8};
}

static CK_RV encrypt(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism, bulla_view plain,
                     uint8_t out[MAX_BYTES], CK_ULONG *out_len)
{
    BULLA_WIPED(uint8_t, bytes, MAX_BYTES);
    if (plain.len > MAX_BYTES) return CKR_DATA_LEN_RANGE;
    bulla_copy(bytes, plain.data, plain.len);
    *out_len = MAX_BYTES;
    lease->rv = lease->functions->C_EncryptInit(lease->session, mechanism, key);
    if (lease->rv == CKR_OK)
        lease->rv = lease->functions->C_Encrypt(lease->session, bytes, (CK_ULONG)plain.len, out, out_len);
    return lease->rv;
}

/* The buffer for the result is as long as what goes in: some modules ask for that before they take the tag off. */
static CK_RV decrypt(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism, bulla_view sealed,
                     uint8_t out[MAX_BYTES], CK_ULONG *out_len)
{
    uint8_t bytes[MAX_BYTES];
    if (sealed.len > MAX_BYTES) return CKR_ENCRYPTED_DATA_LEN_RANGE;
    bulla_copy(bytes, sealed.data, sealed.len);
    *out_len = MAX_BYTES;
    lease->rv = lease->functions->C_DecryptInit(lease->session, mechanism, key);
    if (lease->rv == CKR_OK)
        lease->rv = lease->functions->C_Decrypt(lease->session, bytes, (CK_ULONG)sealed.len, out, out_len);
    return lease->rv;
}

CK_RV bulla_pkcs11_gcm_seal(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, uint8_t iv[BULLA_PKCS11_IV_LEN],
                            bulla_secret *aad, bulla_view plain, uint8_t out[BULLA_PKCS11_MAX_SEALED])
{
    uint8_t sealed[MAX_BYTES];
    static const uint8_t zeros[BULLA_PKCS11_IV_LEN];
    CK_ULONG len = 0;
    CK_GCM_PARAMS params = gcm_params(iv, BULLA_PKCS11_IV_LEN, aad);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &params, sizeof params};
    CK_RV rv = encrypt(lease, key, &mechanism, plain, sealed, &len);
    if (rv != CKR_OK) return rv;
    /* Tokens that draw the IV put it where ours was; one under zeros alone would open two data keys with one. */
    if (len != plain.len + TAG_LEN || len > BULLA_PKCS11_MAX_SEALED || memcmp(iv, zeros, sizeof zeros) == 0)
        return lease->rv = CKR_MECHANISM_PARAM_INVALID;
    memcpy(out, sealed, len);
    return CKR_OK;
}

CK_RV bulla_pkcs11_gcm_open(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, bulla_view iv, bulla_secret *aad,
                            bulla_view sealed, uint8_t *out, size_t out_len)
{
    BULLA_WIPED(uint8_t, plain, MAX_BYTES);
    uint8_t iv_copy[BULLA_PKCS11_IV_LEN];
    CK_ULONG len = 0;
    if (iv.len != sizeof iv_copy) return lease->rv = CKR_ENCRYPTED_DATA_INVALID;
    memcpy(iv_copy, iv.data, sizeof iv_copy);
    CK_GCM_PARAMS params = gcm_params(iv_copy, sizeof iv_copy, aad);
    CK_MECHANISM mechanism = {CKM_AES_GCM, &params, sizeof params};
    CK_RV rv = decrypt(lease, key, &mechanism, sealed, plain, &len);
    if (rv != CKR_OK) return rv;
    if (len != out_len) return lease->rv = CKR_ENCRYPTED_DATA_INVALID;
    memcpy(out, plain, out_len);
    return CKR_OK;
}

/* --- key wrap --- */

/* The inner key as an object of this session, gone with it at the latest. */
static CK_RV inner_create(bulla_pkcs11_lease *lease, bulla_view inner, CK_OBJECT_HANDLE *out_object)
{
    BULLA_WIPED(uint8_t, bytes, 32);
    CK_OBJECT_CLASS class_ = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    if (inner.len != sizeof bytes) return lease->rv = CKR_DATA_LEN_RANGE;
    memcpy(bytes, inner.data, sizeof bytes);
    CK_ATTRIBUTE what[] = {{CKA_CLASS, &class_, sizeof class_}, {CKA_KEY_TYPE, &type, sizeof type},
                           {CKA_TOKEN, &no, sizeof no},         {CKA_SENSITIVE, &no, sizeof no},
                           {CKA_EXTRACTABLE, &yes, sizeof yes}, {CKA_VALUE, bytes, sizeof bytes}};
    return lease->rv = lease->functions->C_CreateObject(lease->session, what, BULLA_LEN(what), out_object);
}

static CK_RV wrap_object(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism, bulla_view inner,
                         uint8_t *out, CK_ULONG *out_len)
{
    CK_OBJECT_HANDLE object = 0;
    CK_RV rv = inner_create(lease, inner, &object);
    if (rv != CKR_OK) return rv;
    *out_len = MAX_BYTES;
    rv = lease->functions->C_WrapKey(lease->session, mechanism, key, object, out, out_len);
    (void)lease->functions->C_DestroyObject(lease->session, object);
    return lease->rv = rv;
}

static CK_RV unwrap_object(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, CK_MECHANISM *mechanism, bulla_view outer,
                           uint8_t *out, CK_ULONG *out_len)
{
    uint8_t bytes[BULLA_PKCS11_MAX_OUTER];
    CK_OBJECT_CLASS class_ = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_OBJECT_HANDLE object = 0;
    CK_ATTRIBUTE what[] = {{CKA_CLASS, &class_, sizeof class_},
                           {CKA_KEY_TYPE, &type, sizeof type},
                           {CKA_TOKEN, &no, sizeof no},
                           {CKA_SENSITIVE, &no, sizeof no},
                           {CKA_EXTRACTABLE, &yes, sizeof yes}};
    if (outer.len > sizeof bytes) return lease->rv = CKR_WRAPPED_KEY_LEN_RANGE;
    bulla_copy(bytes, outer.data, outer.len);
    lease->rv = lease->functions->C_UnwrapKey(lease->session, mechanism, key, bytes, (CK_ULONG)outer.len, what,
                                              BULLA_LEN(what), &object);
    if (lease->rv != CKR_OK) return lease->rv;
    CK_ATTRIBUTE value = {CKA_VALUE, out, MAX_BYTES};
    CK_RV rv = lease->functions->C_GetAttributeValue(lease->session, object, &value, 1);
    (void)lease->functions->C_DestroyObject(lease->session, object);
    *out_len = value.ulValueLen;
    return lease->rv = rv;
}

CK_RV bulla_pkcs11_kw_wrap(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, const bulla_pkcs11_way *way,
                           bulla_view inner, uint8_t out[BULLA_PKCS11_MAX_OUTER], size_t *out_len)
{
    uint8_t wrapped[MAX_BYTES];
    CK_ULONG len = 0;
    CK_MECHANISM mechanism = {bulla_pkcs11_mechanisms[way->index].type, NULL, 0};
    CK_RV rv = way->by_wrapping ? wrap_object(lease, key, &mechanism, inner, wrapped, &len)
                                : encrypt(lease, key, &mechanism, inner, wrapped, &len);
    if (rv != CKR_OK) return rv;
    if (len > BULLA_PKCS11_MAX_OUTER || len < inner.len + 8) return lease->rv = CKR_DATA_LEN_RANGE;
    memcpy(out, wrapped, len);
    *out_len = len;
    return CKR_OK;
}

CK_RV bulla_pkcs11_kw_unwrap(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, const bulla_pkcs11_way *way,
                             bulla_view outer, uint8_t out_inner[32])
{
    BULLA_WIPED(uint8_t, plain, MAX_BYTES);
    CK_ULONG len = 0;
    CK_MECHANISM mechanism = {bulla_pkcs11_mechanisms[way->index].type, NULL, 0};
    CK_RV rv = way->by_wrapping ? unwrap_object(lease, key, &mechanism, outer, plain, &len)
                                : decrypt(lease, key, &mechanism, outer, plain, &len);
    if (rv != CKR_OK) return rv;
    if (len != 32) return lease->rv = CKR_WRAPPED_KEY_INVALID;
    memcpy(out_inner, plain, 32);
    return CKR_OK;
}
