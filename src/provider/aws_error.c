/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What refusals of KMS mean. The code decides, not the HTTP status: throttling is a 400, and documents disagree about
 * the status of refusals.
 */
#include "provider/aws.h"

#include <stdio.h>

typedef struct refusal {
    const char *code;
    bulla_status status;
    bool is_login;
    const char *advice; /* NULL: the message says it all */
} refusal;

static const refusal refusals[] = {
    {"AccessDeniedException", BULLA_EAUTHZ, false, "allow it in the IAM or key policy"},
    {"AccessDenied", BULLA_EAUTHZ, false, "allow it in the IAM or key policy"},
    {"NotAuthorizedException", BULLA_EAUTHZ, false, "allow it in the IAM or key policy"},

    {"UnrecognizedClientException", BULLA_EAUTHN, true, "check the access key"},
    {"InvalidClientTokenId", BULLA_EAUTHN, true, "check the access key"},
    {"InvalidSignatureException", BULLA_EAUTHN, true, "check the secret access key, the region and the clock"},
    {"SignatureDoesNotMatch", BULLA_EAUTHN, true, "check the secret access key, the region and the clock"},
    {"ExpiredTokenException", BULLA_EAUTHN, true, "renew the credentials"},
    {"ExpiredToken", BULLA_EAUTHN, true, "renew the credentials"},
    {"RequestExpired", BULLA_EAUTHN, true, "check the clock"},
    {"RequestTimeTooSkewed", BULLA_EAUTHN, true, "check the clock"},
    {"IncompleteSignature", BULLA_EAUTHN, false, NULL},
    {"IncompleteSignatureException", BULLA_EAUTHN, false, NULL},
    {"MissingAuthenticationToken", BULLA_EAUTHN, false, NULL},
    {"MissingAuthenticationTokenException", BULLA_EAUTHN, false, NULL},
    {"OptInRequired", BULLA_EAUTHN, false, "enable the region for the account"},

    {"ThrottlingException", BULLA_ETHROTTLED, false, NULL},
    {"Throttling", BULLA_ETHROTTLED, false, NULL},
    {"ThrottledException", BULLA_ETHROTTLED, false, NULL},
    {"RequestThrottledException", BULLA_ETHROTTLED, false, NULL},
    {"TooManyRequestsException", BULLA_ETHROTTLED, false, NULL},
    {"RequestLimitExceeded", BULLA_ETHROTTLED, false, NULL},

    {"KMSInternalException", BULLA_EUNAVAIL, false, NULL},
    {"DependencyTimeoutException", BULLA_EUNAVAIL, false, NULL},
    {"KeyUnavailableException", BULLA_EUNAVAIL, false, NULL},
    {"InternalFailure", BULLA_EUNAVAIL, false, NULL},
    {"ServiceUnavailable", BULLA_EUNAVAIL, false, NULL},

    {"NotFoundException", BULLA_ENOKEY, false, "check key id, account and region"},
    {"InvalidArnException", BULLA_ENOKEY, false, "check key id, account and region"},
    {"DisabledException", BULLA_ESTATE, false, "enable the key"},
    {"KMSInvalidStateException", BULLA_ESTATE, false, NULL},
    {"ConflictException", BULLA_ESTATE, false, NULL},
    {"InvalidKeyUsageException", BULLA_EUNSUPPORTED, false, "use a symmetric key for encryption"},
    {"UnsupportedOperationException", BULLA_EUNSUPPORTED, false, NULL},
    {"LimitExceededException", BULLA_ELIMIT, false, NULL},
    {"ValidationException", BULLA_EINVAL, false, NULL},

    {"InvalidCiphertextException", BULLA_EINTEGRITY, false, NULL},
    {"IncorrectKeyException", BULLA_EINTEGRITY, false, NULL},
};

static const refusal *refusal_find(const char *code)
{
    for (size_t i = 0; i < BULLA_LEN(refusals); i++)
        if (strcmp(refusals[i].code, code) == 0) return &refusals[i];
    return NULL;
}

/* KMS says so when the key that the ciphertext itself names is not there: the ciphertext was altered, since the key we
 * asked with is named in the request. */
static bool is_about_ciphertext(bulla_awskms_op op, const bulla_awskms_error *error)
{
    bool opens = op == BULLA_AWSKMS_DECRYPT || op == BULLA_AWSKMS_RE_ENCRYPT;
    return opens && strcmp(error->code, "AccessDeniedException") == 0 &&
           strncmp(error->message, "The ciphertext refers to", 24) == 0;
}

static bulla_status unknown_of(bulla_awskms_op op, int code, const bulla_awskms_error *error)
{
    if (code == 429) return BULLA_ETHROTTLED;
    if (code >= 500) return op == BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND ? BULLA_EUNKNOWN : BULLA_EUNAVAIL;
    return error->code[0] == '\0' ? BULLA_EUNAVAIL : BULLA_EINVAL; /* a proxy's page; a refusal that is news to us */
}

bulla_aws_refusal bulla_aws_refusal_of(bulla_awskms_op op, int code, const bulla_awskms_error *error)
{
    const refusal *found = refusal_find(error->code);
    if (is_about_ciphertext(op, error)) return (bulla_aws_refusal){BULLA_EINTEGRITY, false};
    if (found == NULL) return (bulla_aws_refusal){unknown_of(op, code, error), false};
    if (found->status == BULLA_EUNAVAIL) return (bulla_aws_refusal){unknown_of(op, 500, error), false};
    return (bulla_aws_refusal){found->status, found->is_login};
}

static bulla_status why_say(const bulla_aws_key *key, bulla_call *call, bulla_awskms_op op,
                            const bulla_http_answer *answer, const bulla_aws_creds *creds)
{
    bulla_awskms_error error;
    bulla_awskms_error_decode(bulla_http_body(answer), answer->error_type, &error);
    const refusal *found = refusal_find(error.code);
    bulla_status status = bulla_aws_refusal_of(op, answer->code, &error).status;
    const char *advice = found == NULL || found->advice == NULL ? "" : found->advice;
    if (status == BULLA_EINTEGRITY)
        return bulla_fail(call, status, "AWS KMS does not open the data key: it or its context was altered");
    if (error.code[0] == '\0')
        return bulla_fail(call, status,
                          "AWS KMS \"%s\": %s answered HTTP %d with something that is none of KMS's answers",
                          key->config->name, bulla_awskms_name(op), answer->code);
    return bulla_fail(call, status, "AWS KMS \"%s\", %s%s%s, %.96s: %s%s%s%s%s", key->config->name,
                      bulla_awskms_name(op), status == BULLA_EAUTHN ? " with credentials from " : "",
                      status == BULLA_EAUTHN ? creds->source : "", key->key_id, error.code,
                      advice[0] == '\0' ? "" : "; ", advice, error.message[0] == '\0' ? "" : ": ", error.message);
}

bulla_status bulla_aws_fail(const bulla_aws_key *key, bulla_call *call, bulla_awskms_op op,
                            const bulla_http_answer *answer, const bulla_aws_creds *creds)
{
    bulla_status status = why_say(key, call, op, answer, creds);
    call->native = answer->code;
    call->retry_after_ms = answer->retry_after_ms;
    return status;
}

bulla_status bulla_aws_restate(bulla_call *call, bulla_status status)
{
    char why[sizeof call->why];
    memcpy(why, call->why, sizeof why);
    return bulla_fail(call, status, "%s", why);
}

bulla_status bulla_aws_nonsense(bulla_call *call, bulla_status status)
{
    return status == BULLA_EFORMAT || status == BULLA_ELIMIT ? bulla_aws_restate(call, BULLA_EUNAVAIL) : status;
}
