/* SPDX-License-Identifier: Apache-2.0 */
/* One request to KMS: signed, sent, and sent once more when the clock was off or the credentials had ended. */
#include "base/bytes.h"
#include "provider/aws.h"

#define JSON "application/x-amz-json-1.1"

/* What stays the same however often it is sent. */
typedef struct sending {
    bulla_aws_key *key;
    bulla_call *call;
    bulla_awskms_op op;
    bulla_view body;
    int64_t signed_s;
} sending;

static bulla_status creds_get(const sending *s, bulla_aws_creds **out_creds)
{
    const bulla_aws_asker asker = {s->call, s->key->config, s->key->region, &s->key->client->skew_s, NULL};
    return bulla_aws_login_get(&s->key->home->login, &asker, out_creds);
}

static bool is_idempotent(bulla_awskms_op op)
{
    return op != BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND;
}

static const char *metric_of(bulla_awskms_op op)
{
    switch (op) {
    case BULLA_AWSKMS_ENCRYPT: return "wrap";
    case BULLA_AWSKMS_DECRYPT: return "unwrap";
    case BULLA_AWSKMS_GENERATE_DATA_KEY:
    case BULLA_AWSKMS_GENERATE_DATA_KEY_WITHOUT_PLAINTEXT: return "datakey";
    case BULLA_AWSKMS_RE_ENCRYPT: return "rewrap";
    case BULLA_AWSKMS_LIST_KEYS:
    case BULLA_AWSKMS_LIST_ALIASES: return "list";
    case BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND: return "rotate";
    case BULLA_AWSKMS_DESCRIBE_KEY:
    case BULLA_AWSKMS_GET_KEY_ROTATION_STATUS:
    case BULLA_AWSKMS_LIST_KEY_ROTATIONS: break;
    }
    return "describe";
}

static bulla_status post(sending *s, bulla_aws_creds *creds, bulla_http_answer *out_answer)
{
    bulla_aws_client *client = s->key->client;
    BULLA_AWS_HEADERS(headers);
    s->signed_s = bulla_aws_now_s(s->call, &client->skew_s);
    const bulla_aws_post made = {.url = s->key->url,
                                 .region = s->key->region,
                                 .service = "kms",
                                 .content_type = JSON,
                                 .target = bulla_awskms_target(s->op),
                                 .body = s->body,
                                 .signer = creds,
                                 .now_s = s->signed_s};
    BULLA_TRY(bulla_aws_headers_init(s->call, &made, &headers));
    const bulla_http_request request = {.method = "POST",
                                        .url = s->key->url,
                                        .headers = headers.list,
                                        .num_headers = headers.num,
                                        .body = s->body,
                                        .what = metric_of(s->op),
                                        .idempotent = is_idempotent(s->op)};
    bulla_status status = bulla_http_send(client->http, s->call, &request, out_answer);
    if (status != BULLA_ELIMIT) return status; /* no answer of KMS is as long */
    return bulla_aws_restate(s->call, request.idempotent ? BULLA_EUNAVAIL : BULLA_EUNKNOWN);
}

/* Credentials that AWS refuses while new ones cannot be had, since nobody answers who gives them: that is an outage,
 * and new ones might be taken. */
static bulla_status outage_check(const sending *s, const bulla_aws_creds *creds, const char *code)
{
    char why[BULLA_AWS_MAX_WHY];
    bulla_status status = bulla_aws_login_outage(&s->key->home->login, why);
    if (status == BULLA_OK) return BULLA_OK;
    return bulla_fail(s->call, status,
                      "AWS KMS \"%s\" refuses the credentials from %.64s (%s), and there are no new: %s",
                      s->key->config->name, creds->source, code, why);
}

/* Whether a refused request should be sent again, and with what: *creds may become new ones. */
static bulla_status again_prepare(sending *s, const bulla_http_answer *answer, bulla_aws_creds **creds, bool *out_again)
{
    bulla_awskms_error error;
    BULLA_AUTO(bulla_aws_creds) *newer = NULL;
    *out_again = bulla_aws_skew_note(s->call, &s->key->client->skew_s, answer, s->signed_s);
    if (*out_again) return BULLA_OK;
    bulla_awskms_error_decode(bulla_http_body(answer), answer->error_type, &error);
    if (!bulla_aws_refusal_of(s->op, answer->code, &error).is_login) return BULLA_OK;
    bulla_aws_login_refuse(&s->key->home->login, *creds);
    BULLA_TRY(creds_get(s, &newer));
    *out_again = !bulla_aws_creds_are_same(newer, *creds);
    if (!*out_again) BULLA_TRY(outage_check(s, newer, error.code));
    bulla_aws_creds_unref(*creds);
    *creds = BULLA_TAKE(newer);
    return BULLA_OK;
}

static bulla_status exchange(sending *s, bulla_http_answer *out_answer)
{
    BULLA_AUTO(bulla_aws_creds) *creds = NULL;
    BULLA_TRY(creds_get(s, &creds));
    for (unsigned left = 2;; left--) { /* one for the clock, one for the credentials */
        BULLA_HTTP_ANSWER(answer);
        bool again = false;
        BULLA_TRY(post(s, creds, &answer));
        if (answer.code == 200) {
            bulla_aws_forgive(s->call); /* such as a login that failed while the old credentials still serve */
            *out_answer = answer;
            answer.body = NULL;
            return BULLA_OK;
        }
        if (left != 0) BULLA_TRY(again_prepare(s, &answer, &creds, &again));
        if (!again) return bulla_aws_fail(s->key, s->call, s->op, &answer, creds);
    }
}

bulla_status bulla_aws_send(bulla_aws_key *key, bulla_call *call, const bulla_awskms_request *request,
                            bulla_http_answer *out_answer)
{
    BULLA_AUTO(bulla_secret) *body = NULL;
    bulla_writer counter = bulla_writer_of(NULL, 0);
    BULLA_TRY(bulla_awskms_request_write(call, request, &counter));
    BULLA_TRY(bulla_secret_new(call, counter.len, &body));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(body), counter.len);
    BULLA_TRY(bulla_awskms_request_write(call, request, &writer));
    sending s = {.key = key, .call = call, .op = request->op, .body = bulla_secret_borrow(body)};
    return exchange(&s, out_answer);
}
