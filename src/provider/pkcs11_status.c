/* SPDX-License-Identifier: Apache-2.0 */
/* What a PKCS#11 module answers (PKCS #11 2.40, 5.1), in our words. */
#include "provider/pkcs11.h"

#include <stdio.h>

/* What to do about it. LOSS: sessions, handles or the login are gone. VAGUE: could be anything, and some tokens say it
 * of a wrong tag. */
typedef enum kind { PLAIN, LOSS, VAGUE } kind;

static const struct answer {
    CK_RV rv;
    bulla_status status;
    kind kind;
    const char *name;
} answers[] = {
#define ANSWER(name, status, kind)                                                                                     \
    {                                                                                                                  \
        CKR_##name, BULLA_##status, kind, "CKR_" #name                                                                 \
    }
    ANSWER(HOST_MEMORY, ENOMEM, PLAIN),
    ANSWER(SLOT_ID_INVALID, EUNAVAIL, LOSS),
    ANSWER(GENERAL_ERROR, EUNAVAIL, VAGUE),
    ANSWER(FUNCTION_FAILED, EUNAVAIL, VAGUE),
    ANSWER(ARGUMENTS_BAD, EUNSUPPORTED, PLAIN),
    ANSWER(CANT_LOCK, EUNSUPPORTED, PLAIN),
    ANSWER(ATTRIBUTE_READ_ONLY, EUNSUPPORTED, PLAIN),
    ANSWER(ATTRIBUTE_SENSITIVE, EUNSUPPORTED, PLAIN),
    ANSWER(ATTRIBUTE_TYPE_INVALID, EUNSUPPORTED, PLAIN),
    ANSWER(ATTRIBUTE_VALUE_INVALID, EUNSUPPORTED, PLAIN),
    ANSWER(BUFFER_TOO_SMALL, EUNSUPPORTED, PLAIN),
    ANSWER(CRYPTOKI_NOT_INITIALIZED, EUNAVAIL, LOSS),
    ANSWER(DATA_INVALID, EUNSUPPORTED, PLAIN),
    ANSWER(DATA_LEN_RANGE, EUNSUPPORTED, PLAIN),
    ANSWER(DEVICE_ERROR, EUNAVAIL, VAGUE),
    ANSWER(DEVICE_MEMORY, ETHROTTLED, PLAIN),
    ANSWER(DEVICE_REMOVED, EUNAVAIL, LOSS),
    ANSWER(ENCRYPTED_DATA_INVALID, EINTEGRITY, PLAIN),
    ANSWER(ENCRYPTED_DATA_LEN_RANGE, EINTEGRITY, PLAIN),
    ANSWER(FUNCTION_CANCELED, EUNAVAIL, PLAIN),
    ANSWER(FUNCTION_NOT_SUPPORTED, EUNSUPPORTED, PLAIN),
    ANSWER(KEY_FUNCTION_NOT_PERMITTED, EAUTHZ, PLAIN),
    ANSWER(KEY_HANDLE_INVALID, EUNAVAIL, LOSS),
    ANSWER(KEY_NOT_WRAPPABLE, EUNSUPPORTED, PLAIN),
    ANSWER(KEY_SIZE_RANGE, EUNSUPPORTED, PLAIN),
    ANSWER(KEY_TYPE_INCONSISTENT, EUNSUPPORTED, PLAIN),
    ANSWER(KEY_UNEXTRACTABLE, EUNSUPPORTED, PLAIN),
    ANSWER(MECHANISM_INVALID, EUNSUPPORTED, PLAIN),
    ANSWER(MECHANISM_PARAM_INVALID, EUNSUPPORTED, PLAIN),
    ANSWER(OBJECT_HANDLE_INVALID, EUNAVAIL, LOSS),
    ANSWER(OPERATION_ACTIVE, EUNAVAIL, LOSS),
    ANSWER(OPERATION_NOT_INITIALIZED, EUNAVAIL, LOSS),
    ANSWER(PIN_EXPIRED, EAUTHN, PLAIN),
    ANSWER(PIN_INCORRECT, EAUTHN, PLAIN),
    ANSWER(PIN_INVALID, EAUTHN, PLAIN),
    ANSWER(PIN_LEN_RANGE, EAUTHN, PLAIN),
    ANSWER(PIN_LOCKED, EAUTHN, PLAIN),
    ANSWER(SESSION_CLOSED, EUNAVAIL, LOSS),
    ANSWER(SESSION_COUNT, ETHROTTLED, PLAIN),
    ANSWER(SESSION_HANDLE_INVALID, EUNAVAIL, LOSS),
    ANSWER(SESSION_READ_ONLY, EAUTHZ, PLAIN),
    ANSWER(TEMPLATE_INCOMPLETE, EUNSUPPORTED, PLAIN),
    ANSWER(TEMPLATE_INCONSISTENT, EUNSUPPORTED, PLAIN),
    ANSWER(TOKEN_NOT_PRESENT, EUNAVAIL, LOSS),
    ANSWER(TOKEN_NOT_RECOGNIZED, EUNAVAIL, LOSS),
    ANSWER(TOKEN_WRITE_PROTECTED, EAUTHZ, PLAIN),
    ANSWER(UNWRAPPING_KEY_HANDLE_INVALID, EUNAVAIL, LOSS),
    ANSWER(USER_ANOTHER_ALREADY_LOGGED_IN, EAUTHN, PLAIN),
    ANSWER(USER_NOT_LOGGED_IN, EUNAVAIL, LOSS),
    ANSWER(USER_PIN_NOT_INITIALIZED, EAUTHN, PLAIN),
    ANSWER(USER_TOO_MANY_TYPES, EAUTHN, PLAIN),
    ANSWER(WRAPPED_KEY_INVALID, EINTEGRITY, PLAIN),
    ANSWER(WRAPPED_KEY_LEN_RANGE, EINTEGRITY, PLAIN),
    ANSWER(WRAPPING_KEY_HANDLE_INVALID, EUNAVAIL, LOSS),
#undef ANSWER
};

static const struct answer *find(CK_RV rv)
{
    for (size_t i = 0; i < BULLA_LEN(answers); i++)
        if (answers[i].rv == rv) return &answers[i];
    return NULL;
}

bulla_status bulla_pkcs11_status(CK_RV rv)
{
    const struct answer *answer = find(rv);
    return answer == NULL ? BULLA_EUNAVAIL : answer->status; /* vendors have codes of their own */
}

const char *bulla_pkcs11_name(CK_RV rv, char out[32])
{
    const struct answer *answer = find(rv);
    if (answer != NULL) return answer->name;
    (void)snprintf(out, 32, "CK_RV 0x%lx", rv);
    return out;
}

bool bulla_pkcs11_is_loss(CK_RV rv)
{
    const struct answer *answer = find(rv);
    return rv != CKR_OK && (answer == NULL || answer->kind != PLAIN);
}

bool bulla_pkcs11_is_vague(CK_RV rv)
{
    const struct answer *answer = find(rv);
    return rv != CKR_OK && (answer == NULL || answer->kind == VAGUE);
}
