/* SPDX-License-Identifier: Apache-2.0 */
/* Roles: credentials of AWS STS for others, or for a web identity's token. */
#include "base/mem.h"
#include "provider/aws.h"
#include "provider/oauth.h"

#include <stdio.h>

/* What STS refuses with, and what that is to the caller. */
static const struct {
    const char *code;
    bulla_status status;
    bool may_pass; /* the same again may work: a token file that was just replaced, an identity provider out of reach */
} refusals[] = {
    {"AccessDenied", BULLA_EAUTHN, false}, /* a login that is refused, whatever the reason, says nothing of the key */
    {"IDPRejectedClaim", BULLA_EAUTHN, false},
    {"InvalidIdentityToken", BULLA_EAUTHN, true},
    {"ExpiredTokenException", BULLA_EAUTHN, true},
    {"IDPCommunicationError", BULLA_EUNAVAIL, true},
    {"Throttling", BULLA_ETHROTTLED, false},
    {"ThrottlingException", BULLA_ETHROTTLED, false},
    {"RequestLimitExceeded", BULLA_ETHROTTLED, false},
    {"ValidationError", BULLA_ECONFIG, false},
    {"RegionDisabledException", BULLA_ECONFIG, false},
};

typedef struct sts_verdict {
    bulla_status status;
    bool may_pass;
} sts_verdict;

/* STS gives one code to tokens that are none and to identity providers that do not answer it. */
static bool is_about_provider(const bulla_awssts_error *error)
{
    return strcmp(error->code, "InvalidIdentityToken") == 0 &&
           strncmp(error->message, "Couldn't retrieve verification key", 34) == 0;
}

static sts_verdict verdict_of(const bulla_http_answer *answer, const bulla_awssts_error *error)
{
    if (is_about_provider(error)) return (sts_verdict){BULLA_EUNAVAIL, true};
    for (size_t i = 0; i < BULLA_LEN(refusals); i++)
        if (strcmp(refusals[i].code, error->code) == 0) return (sts_verdict){refusals[i].status, refusals[i].may_pass};
    if (answer->code == 429) return (sts_verdict){BULLA_ETHROTTLED, false};
    if (answer->code >= 500 || error->code[0] == '\0') return (sts_verdict){BULLA_EUNAVAIL, false};
    return (sts_verdict){BULLA_EAUTHN, false}; /* InvalidClientTokenId, SignatureDoesNotMatch, ExpiredToken, … */
}

static bulla_status refused(const bulla_aws_asker *asker, const bulla_aws_role *role, const bulla_http_answer *answer,
                            bool *out_may_pass)
{
    bulla_awssts_error error;
    bulla_awssts_error_decode(bulla_http_body(answer), &error);
    sts_verdict verdict = verdict_of(answer, &error);
    *out_may_pass = verdict.may_pass;
    bulla_status status =
        bulla_fail(asker->call, verdict.status, "AWS STS does not give the role %.120s: %s %s", role->request.role_arn,
                   error.code[0] == '\0' ? "an answer that is none of STS's" : error.code, error.message);
    asker->call->native = answer->code;
    asker->call->retry_after_ms = answer->retry_after_ms;
    return status;
}

static bulla_status post(const bulla_aws_asker *asker, const bulla_aws_role *role, const char *url, bulla_view form,
                         bulla_http_answer *out_answer)
{
    const bulla_login_site site = {asker->config->name, &asker->config->tls, asker->config->timeout_ms, false};
    const bulla_aws_post made = {.url = url,
                                 .region = asker->region,
                                 .service = "sts",
                                 .content_type = "application/x-www-form-urlencoded; charset=utf-8",
                                 .body = form,
                                 .signer = role->signer,
                                 .now_s = bulla_aws_now_s(asker->call, asker->skew_s)};
    BULLA_AWS_HEADERS(headers);
    BULLA_TRY(bulla_aws_headers_init(asker->call, &made, &headers));
    const bulla_http_request request = {.method = "POST",
                                        .url = url,
                                        .headers = headers.list,
                                        .num_headers = headers.num,
                                        .body = form,
                                        .what = "login",
                                        .idempotent = true};
    BULLA_TRY(bulla_login_send(asker->call, &site, &request, out_answer));
    return BULLA_OK;
}

/* Once more when our clock was off. */
static bulla_status exchange(const bulla_aws_asker *asker, const bulla_aws_role *role, bulla_view form,
                             bulla_http_answer *out_answer)
{
    char url[BULLA_AWS_MAX_URL];
    BULLA_HTTP_ANSWER(first);
    BULLA_TRY(bulla_aws_url_format(asker->call, asker->config, "sts", asker->region, url));
    int64_t signed_s = bulla_aws_now_s(asker->call, asker->skew_s);
    BULLA_TRY(post(asker, role, url, form, &first));
    if (role->signer != NULL && bulla_aws_skew_note(asker->call, asker->skew_s, &first, signed_s))
        return post(asker, role, url, form, out_answer);
    *out_answer = first;
    first.body = NULL;
    return BULLA_OK;
}

static bulla_status ask_once(const bulla_aws_asker *asker, const bulla_aws_role *role, bulla_aws_creds **out_creds,
                             bool *out_may_pass)
{
    bulla_awssts_request request = role->request;
    BULLA_AUTO(bulla_secret) *token = NULL;
    BULLA_AUTO(bulla_secret) *form = NULL;
    BULLA_HTTP_ANSWER(answer);
    BULLA_AWSCREDS(value);
    char source[BULLA_AWS_MAX_SOURCE];
    bulla_writer counter = bulla_writer_of(NULL, 0);
    if (role->token_file != NULL) BULLA_TRY(bulla_kms_secret_file(asker->call, role->token_file, &token));
    request.web_identity = bulla_secret_borrow(token);
    BULLA_TRY(bulla_awssts_request_write(asker->call, &request, &counter));
    BULLA_TRY(bulla_secret_new(asker->call, counter.len, &form));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(form), counter.len);
    BULLA_TRY(bulla_awssts_request_write(asker->call, &request, &writer));
    BULLA_TRY(exchange(asker, role, bulla_secret_borrow(form), &answer));
    if (answer.code != 200) return refused(asker, role, &answer, out_may_pass);
    bulla_status status = bulla_awssts_answer_decode(asker->call, bulla_http_body(&answer), &value);
    if (status != BULLA_OK) return bulla_aws_nonsense(asker->call, status);
    (void)snprintf(source, sizeof source, "role %s", request.role_arn);
    return bulla_aws_creds_new(asker->call, &value, source, out_creds);
}

bulla_status bulla_aws_role_ask(const bulla_aws_asker *asker, const bulla_aws_role *role, bulla_aws_creds **out_creds)
{
    bool may_pass = false;
    bulla_status status = ask_once(asker, role, out_creds, &may_pass);
    if (status == BULLA_OK || !may_pass) return status;
    return ask_once(asker, role, out_creds, &may_pass);
}
