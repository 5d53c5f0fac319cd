/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the fake module: found, shown, made. */
#include "fakes/hsm.h"

#include <openssl/rand.h>
#include <string.h>

static hsm_state *const hsm = &fake_hsm_state;

CK_OBJECT_HANDLE hsm_object_handle(const hsm_object *object)
{
    size_t index = (size_t)(object - hsm->objects);
    return 1 + (CK_OBJECT_HANDLE)((index + hsm->shift) % HSM_OBJECTS);
}

static bool is_seen(const hsm_session *session, const hsm_object *object)
{
    return object->is_there && object->token == session->token &&
           (!object->is_private || hsm->tokens[session->token].is_logged_in);
}

hsm_object *hsm_object_find(const hsm_session *session, CK_OBJECT_HANDLE handle)
{
    for (size_t i = 0; i < HSM_OBJECTS; i++)
        if (hsm_object_handle(&hsm->objects[i]) == handle && is_seen(session, &hsm->objects[i]))
            return &hsm->objects[i];
    return NULL;
}

/* --- attributes --- */

/* Where an attribute is kept; 0 bytes: there is no such. */
static const void *attribute_of(const hsm_object *object, CK_ATTRIBUTE_TYPE type, CK_ULONG number[2], size_t *out_len)
{
    number[0] = CKO_SECRET_KEY;
    number[1] = (CK_ULONG)object->value_len;
    *out_len = sizeof(CK_BBOOL);
    switch (type) {
    case CKA_CLASS: *out_len = sizeof number[0]; return &number[0];
    case CKA_VALUE_LEN: *out_len = sizeof number[1]; return &number[1];
    case CKA_KEY_TYPE: *out_len = sizeof object->type; return &object->type;
    case CKA_LABEL: *out_len = object->label_len; return object->label;
    case CKA_ID: *out_len = object->id_len; return object->id;
    case CKA_VALUE: *out_len = object->value_len; return object->value;
    case CKA_ENCRYPT: return &object->encrypts;
    case CKA_DECRYPT: return &object->decrypts;
    case CKA_WRAP: return &object->wraps;
    case CKA_UNWRAP: return &object->unwraps;
    case CKA_SENSITIVE: return &object->is_sensitive;
    case CKA_EXTRACTABLE: return &object->is_extractable;
    case CKA_PRIVATE: return &object->is_private;
    case CKA_LOCAL: return &object->is_local;
    default: return NULL;
    }
}

static CK_RV attribute_show(const hsm_object *object, CK_ATTRIBUTE *attribute)
{
    CK_ULONG number[2];
    size_t len = 0;
    const void *value = attribute_of(object, attribute->type, number, &len);
    CK_RV rv = value == NULL ? CKR_ATTRIBUTE_TYPE_INVALID
               : attribute->type == CKA_VALUE && (object->is_sensitive || !object->is_extractable)
                   ? CKR_ATTRIBUTE_SENSITIVE
               : attribute->pValue != NULL && attribute->ulValueLen < len ? CKR_BUFFER_TOO_SMALL
                                                                          : CKR_OK;
    if (rv == CKR_OK && attribute->pValue != NULL) memcpy(attribute->pValue, value, len);
    attribute->ulValueLen = rv == CKR_OK ? (CK_ULONG)len : CK_UNAVAILABLE_INFORMATION;
    return rv;
}

CK_RV hsm_attributes(const hsm_object *object, CK_ATTRIBUTE *attributes, CK_ULONG num)
{
    CK_RV rv = CKR_OK;
    for (CK_ULONG i = 0; i < num; i++) {
        CK_RV one = attribute_show(object, &attributes[i]);
        if (one != CKR_OK) rv = one;
    }
    return rv;
}

/* --- searching --- */

static bool has_attribute(const hsm_object *object, const CK_ATTRIBUTE *wanted)
{
    CK_ULONG number[2];
    size_t len = 0;
    CK_BBOOL stays = object->session == 0;
    const void *value = attribute_of(object, wanted->type, number, &len);
    if (wanted->type == CKA_TOKEN) {
        value = &stays;
        len = sizeof stays;
    }
    return value != NULL && len == wanted->ulValueLen && memcmp(value, wanted->pValue, len) == 0;
}

CK_RV hsm_search(hsm_session *session, const CK_ATTRIBUTE *wanted, CK_ULONG num)
{
    if (session->is_searching) return CKR_OPERATION_ACTIVE;
    session->is_searching = true;
    session->num_found = 0;
    for (size_t i = 0; i < HSM_OBJECTS; i++) {
        const hsm_object *object = &hsm->objects[i];
        bool fits = is_seen(session, object);
        for (CK_ULONG k = 0; fits && k < num; k++)
            fits = has_attribute(object, &wanted[k]);
        if (fits) session->found[session->num_found++] = hsm_object_handle(object);
    }
    return CKR_OK;
}

/* --- making --- */

static CK_RV bytes_take(const CK_ATTRIBUTE *from, void *out, size_t cap, size_t *out_len)
{
    if (from->ulValueLen > cap) return CKR_ATTRIBUTE_VALUE_INVALID;
    memcpy(out, from->pValue, from->ulValueLen);
    *out_len = from->ulValueLen;
    return CKR_OK;
}

static CK_RV attribute_take(hsm_object *object, const CK_ATTRIBUTE *from, bool *out_stays)
{
    size_t len = 0;
    CK_BBOOL stays = CK_FALSE;
    CK_ULONG number = 0;
    CK_RV rv = CKR_OK;
    switch (from->type) {
    case CKA_LABEL: return bytes_take(from, object->label, sizeof object->label, &object->label_len);
    case CKA_ID: return bytes_take(from, object->id, sizeof object->id, &object->id_len);
    case CKA_VALUE: return bytes_take(from, object->value, sizeof object->value, &object->value_len);
    case CKA_CLASS: return bytes_take(from, &number, sizeof number, &len);
    case CKA_KEY_TYPE: return bytes_take(from, &object->type, sizeof object->type, &len);
    case CKA_ENCRYPT: return bytes_take(from, &object->encrypts, sizeof object->encrypts, &len);
    case CKA_DECRYPT: return bytes_take(from, &object->decrypts, sizeof object->decrypts, &len);
    case CKA_WRAP: return bytes_take(from, &object->wraps, sizeof object->wraps, &len);
    case CKA_UNWRAP: return bytes_take(from, &object->unwraps, sizeof object->unwraps, &len);
    case CKA_SENSITIVE: return bytes_take(from, &object->is_sensitive, sizeof object->is_sensitive, &len);
    case CKA_EXTRACTABLE: return bytes_take(from, &object->is_extractable, sizeof object->is_extractable, &len);
    case CKA_PRIVATE: return bytes_take(from, &object->is_private, sizeof object->is_private, &len);
    case CKA_VALUE_LEN:
        rv = bytes_take(from, &number, sizeof number, &len);
        object->value_len = number;
        return rv == CKR_OK && number > sizeof object->value ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
    case CKA_TOKEN:
        rv = bytes_take(from, &stays, sizeof stays, &len);
        *out_stays = stays != CK_FALSE;
        return rv;
    default: return CKR_ATTRIBUTE_TYPE_INVALID;
    }
}

static hsm_object *room_find(void)
{
    for (size_t i = 0; i < HSM_OBJECTS; i++)
        if (!hsm->objects[i].is_there) return &hsm->objects[i];
    return NULL;
}

CK_RV hsm_object_make(hsm_session *session, const CK_ATTRIBUTE *what, CK_ULONG num, CK_OBJECT_HANDLE *out_handle)
{
    hsm_object made = {.is_there = true, .token = session->token};
    hsm_object *room = room_find();
    bool stays = false;
    for (CK_ULONG i = 0; i < num; i++) {
        CK_RV rv = attribute_take(&made, &what[i], &stays);
        if (rv != CKR_OK) return rv;
    }
    if (stays && !session->is_rw) return CKR_SESSION_READ_ONLY;
    if (room == NULL) return CKR_DEVICE_MEMORY;
    made.session = stays ? 0 : session->handle;
    *room = made;
    *out_handle = hsm_object_handle(room);
    return CKR_OK;
}

CK_RV hsm_key_generate(hsm_session *session, const CK_ATTRIBUTE *what, CK_ULONG num, CK_OBJECT_HANDLE *out_handle)
{
    CK_OBJECT_HANDLE twin = 0;
    for (int i = 0; i < (hsm->makes_twins ? 2 : 1); i++) {
        CK_RV rv = hsm_object_make(session, what, num, i == 0 ? out_handle : &twin);
        if (rv != CKR_OK) return rv;
        hsm_object *made = hsm_object_find(session, i == 0 ? *out_handle : twin);
        if (made == NULL || RAND_bytes(made->value, (int)made->value_len) != 1) return CKR_FUNCTION_FAILED;
        made->is_local = CK_TRUE;
    }
    return CKR_OK;
}
