/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that the platform hands out: containers of ECS and EKS Pod Identity, instances of EC2 (IMDSv2). */
#include "base/bytes.h"
#include "provider/aws.h"
#include "provider/oauth.h"

#include <stdio.h>

#define CONTAINER_SOURCE "the container's credential service"
#define INSTANCE_SOURCE "the metadata service of EC2"
#define CONTAINER_TIMEOUT_MS 2000u
#define CONTAINER_TRIES 3u
#define INSTANCE_TIMEOUT_MS 1000u
#define FIRMWARE "/sys/class/dmi/id"
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define MAX_TOKEN 8192u

static const char *variable(const bulla_aws_asker *asker, const char *name)
{
    return bulla_kms_setting(asker->call, NULL, name, NULL);
}

static bool is_true(const bulla_aws_asker *asker, const char *name)
{
    const char *value = variable(asker, name);
    return value != NULL && strcasecmp(value, "true") == 0;
}

/* Plain http goes to this machine and to the addresses where AWS puts these services, and nowhere else: the answer is
 * credentials, and the request may hold a token. */
static bulla_status url_check(const bulla_aws_asker *asker, const char *url)
{
    static const char *const known[] = {"169.254.170.2",   "169.254.170.23", "fd00:ec2::23",   "[fd00:ec2::23]",
                                        "169.254.169.254", "fd00:ec2::254",  "[fd00:ec2::254]"};
    bulla_http_url parsed;
    BULLA_TRY(bulla_http_url_parse(asker->call, url, &parsed));
    if (strcmp(parsed.scheme, "https") == 0 || parsed.is_loopback) return BULLA_OK;
    for (size_t i = 0; i < BULLA_LEN(known); i++)
        if (strcmp(parsed.host, known[i]) == 0) return BULLA_OK;
    return bulla_fail(asker->call, BULLA_ECONFIG,
                      "credentials of AWS are not fetched from %.64s by plain http: that is not where AWS has them",
                      parsed.host);
}

/* Silence is an outage, and the sentence says whose. */
static bulla_status fetch(const bulla_aws_asker *asker, const char *source, const bulla_http_request *request,
                          bulla_http_answer *out_answer)
{
    const bulla_login_site site = {asker->config->name, &asker->config->tls, request->timeout_ms, true};
    char why[BULLA_AWS_MAX_WHY];
    bulla_status status = bulla_login_send(asker->call, &site, request, out_answer);
    if (status != BULLA_EUNAVAIL) return status;
    memcpy(why, asker->call->why, sizeof why);
    return bulla_fail(asker->call, status, "%s does not answer: %s", source, why);
}

/* An answer that gives nothing. Whoever says no has been asked well; what is neither that nor a bad moment of the
 * service's comes from somebody else. */
static bulla_status refused(const bulla_aws_asker *asker, const char *source, const char *what,
                            const bulla_http_answer *answer)
{
    bool is_no = answer->code >= 400 && answer->code < 500 && answer->code != 408;
    bulla_status status = answer->code == 429 ? BULLA_ETHROTTLED : is_no ? BULLA_EAUTHN : BULLA_EUNAVAIL;
    status = bulla_fail(asker->call, status, "%s gives no %s: HTTP %d", source, what, answer->code);
    asker->call->native = answer->code;
    asker->call->retry_after_ms = answer->retry_after_ms;
    return status;
}

static bulla_status creds_take(const bulla_aws_asker *asker, const char *source, const bulla_http_answer *answer,
                               bulla_aws_creds **out_creds)
{
    BULLA_AWSCREDS(value);
    if (answer->code != 200) return refused(asker, source, "credentials", answer);
    bulla_status status = bulla_awscreds_decode(asker->call, bulla_http_body(answer), source, &value);
    if (status != BULLA_OK) return bulla_aws_nonsense(asker->call, status);
    return bulla_aws_creds_new(asker->call, &value, source, out_creds);
}

/* --- containers --- */

/* The file is read each time: EKS replaces it. A token with a line break in it would be two headers. */
static bulla_status container_token(const bulla_aws_asker *asker, bulla_secret **out_token)
{
    BULLA_AUTO(bulla_secret) *token = NULL;
    const char *file = variable(asker, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (file != NULL)
        BULLA_TRY(bulla_kms_secret_file(asker->call, file, &token));
    else
        BULLA_TRY(bulla_kms_secret(asker->call, NULL, "AWS_CONTAINER_AUTHORIZATION_TOKEN", &token));
    bulla_view text = bulla_secret_borrow(token);
    if (text.len > MAX_TOKEN) return bulla_fail(asker->call, BULLA_ECONFIG, "the container's token is too long");
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7F)
            return bulla_fail(asker->call, BULLA_ECONFIG, "the container's token has a control character in it");
    *out_token = BULLA_TAKE(token);
    return BULLA_OK;
}

static bulla_status container_try(const bulla_aws_asker *asker, const char *url, bulla_aws_creds **out_creds)
{
    BULLA_AUTO(bulla_secret) *token = NULL;
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(container_token(asker, &token));
    const bulla_http_header headers[] = {{"Accept", bulla_view_text("application/json")},
                                         {"Authorization", bulla_secret_borrow(token)}};
    const bulla_http_request request = {.method = "GET",
                                        .url = url,
                                        .headers = headers,
                                        .num_headers = token == NULL ? 1 : 2,
                                        .what = "login",
                                        .timeout_ms = CONTAINER_TIMEOUT_MS,
                                        .idempotent = true};
    BULLA_TRY(fetch(asker, CONTAINER_SOURCE, &request, &answer));
    return creds_take(asker, CONTAINER_SOURCE, &answer, out_creds);
}

bulla_status bulla_aws_container_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    char url[BULLA_AWS_MAX_URL];
    const char *relative = variable(asker, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = variable(asker, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative == NULL && full == NULL) return BULLA_OK;
    if (relative != NULL && relative[0] != '/')
        return bulla_fail(asker->call, BULLA_ECONFIG, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not start with /");
    int len = snprintf(url, sizeof url, "%s%s", relative != NULL ? "http://169.254.170.2" : full,
                       relative != NULL ? relative : "");
    if (len < 0 || (size_t)len >= sizeof url)
        return bulla_fail(asker->call, BULLA_ECONFIG, "the URI of the container's credential service is too long");
    BULLA_TRY(url_check(asker, url));
    bulla_status status = BULLA_EUNAVAIL;
    for (unsigned i = 0; i < CONTAINER_TRIES && status == BULLA_EUNAVAIL; i++)
        status = container_try(asker, url, out_creds);
    return status;
}

/* --- instances --- */

typedef struct instance {
    const bulla_aws_asker *asker;
    const char *endpoint;
    bool is_named;
    bool has_answered;   /* somebody is there */
    bulla_secret *token; /* NULL: IMDSv1 */
} instance;

static void instance_done(instance *imds)
{
    bulla_secret_unref(imds->token);
}

#define INSTANCE __attribute__((cleanup(instance_done))) instance

static const char *endpoint_given(const bulla_aws_asker *asker)
{
    return variable(asker, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
}

static const char *endpoint_of(const bulla_aws_asker *asker)
{
    const char *given = endpoint_given(asker);
    return given != NULL ? given : asker->instance_url != NULL ? asker->instance_url : bulla_aws_instance_url();
}

/* Whether somebody must be there: who says so, or the machine. Elsewhere nobody answers at the usual address, and a
 * program that has no other credentials was simply given none. */
static bool is_expected(const instance *imds)
{
    return imds->has_answered || imds->is_named || endpoint_given(imds->asker) != NULL || bulla_aws_is_ec2(FIRMWARE);
}

static bulla_status instance_send(instance *imds, const char *method, const char *path, const bulla_http_header *header,
                                  bulla_http_answer *out_answer)
{
    char url[BULLA_AWS_MAX_URL];
    size_t len = strlen(imds->endpoint);
    if (len != 0 && imds->endpoint[len - 1] == '/') len--;
    if ((size_t)snprintf(url, sizeof url, "%.*s%s", (int)len, imds->endpoint, path) >= sizeof url)
        return bulla_fail(imds->asker->call, BULLA_ECONFIG, "AWS_EC2_METADATA_SERVICE_ENDPOINT is too long");
    BULLA_TRY(url_check(imds->asker, url));
    const bulla_http_request request = {.method = method,
                                        .url = url,
                                        .headers = header,
                                        .num_headers = header == NULL ? 0 : 1,
                                        .what = "login",
                                        .timeout_ms = INSTANCE_TIMEOUT_MS,
                                        .idempotent = true};
    BULLA_TRY(fetch(imds->asker, INSTANCE_SOURCE, &request, out_answer));
    imds->has_answered = true;
    return BULLA_OK;
}

static bulla_status instance_get(instance *imds, const char *path, bulla_http_answer *out_answer)
{
    const bulla_http_header header = {"X-aws-ec2-metadata-token", bulla_secret_borrow(imds->token)};
    return instance_send(imds, "GET", path, imds->token == NULL ? NULL : &header, out_answer);
}

/* Without a token there is IMDSv1, which answers anybody who can make this machine send a GET: only where the service
 * does not know tokens or its answer does not come through (a hop limit of 1), and only as long as it is allowed. */
static bulla_status instance_token(instance *imds)
{
    const bulla_http_header header = {"X-aws-ec2-metadata-token-ttl-seconds", bulla_view_text("21600")};
    bool may_go_without = !is_true(imds->asker, "AWS_EC2_METADATA_V1_DISABLED");
    BULLA_HTTP_ANSWER(answer);
    bulla_secret_unref(BULLA_TAKE(imds->token));
    bulla_status status = instance_send(imds, "PUT", "/latest/api/token", &header, &answer);
    if (status == BULLA_EUNAVAIL && may_go_without && is_expected(imds)) return BULLA_OK;
    BULLA_TRY(status);
    bulla_view token = bulla_http_body(&answer);
    if (answer.code == 200 && token.len != 0 && token.len <= MAX_TOKEN)
        return bulla_secret_copy(imds->asker->call, token, &imds->token);
    bool knows_none = answer.code == 403 || answer.code == 404 || answer.code == 405;
    return knows_none && may_go_without ? BULLA_OK : refused(imds->asker, INSTANCE_SOURCE, "credentials", &answer);
}

/* A token that has ended is fetched anew, once. */
static bulla_status instance_ask(instance *imds, const char *path, bulla_http_answer *out_answer)
{
    BULLA_HTTP_ANSWER(first);
    BULLA_TRY(instance_get(imds, path, &first));
    if (first.code == 401) {
        BULLA_TRY(instance_token(imds));
        return instance_get(imds, path, out_answer);
    }
    *out_answer = first;
    first.body = NULL;
    return BULLA_OK;
}

/* The first line; the names of roles and zones have these characters and no others. */
static bool name_read(bulla_view body, char *out, size_t cap)
{
    size_t len = 0;
    while (len < body.len && body.data[len] > ' ')
        len++;
    if (len == 0 || len >= cap) return false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = body.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && (c == 0 || strchr("+=,.@_-", c) == NULL)) return false;
    }
    memcpy(out, body.data, len);
    out[len] = '\0';
    return true;
}

static bulla_status instance_role(instance *imds, bulla_aws_creds **out_creds)
{
    char role[65], path[sizeof ROLES + sizeof role];
    BULLA_HTTP_ANSWER(roles);
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(instance_ask(imds, ROLES, &roles));
    if (roles.code == 404) return BULLA_OK; /* an instance without a role */
    if (roles.code != 200) return refused(imds->asker, INSTANCE_SOURCE, "credentials", &roles);
    if (!name_read(bulla_http_body(&roles), role, sizeof role))
        return bulla_fail(imds->asker->call, BULLA_EUNAVAIL, "%s names no role", INSTANCE_SOURCE);
    (void)snprintf(path, sizeof path, "%s%s", ROLES, role);
    BULLA_TRY(instance_ask(imds, path, &answer));
    return creds_take(imds->asker, INSTANCE_SOURCE, &answer, out_creds);
}

bulla_status bulla_aws_instance_ask(const bulla_aws_asker *asker, bool is_named, bulla_aws_creds **out_creds,
                                    const char **out_why)
{
    INSTANCE imds = {.asker = asker, .endpoint = endpoint_of(asker), .is_named = is_named};
    *out_why = INSTANCE_SOURCE " is switched off (AWS_EC2_METADATA_DISABLED)";
    if (is_true(asker, "AWS_EC2_METADATA_DISABLED")) return BULLA_OK;
    *out_why = INSTANCE_SOURCE " gives this machine no role";
    bulla_status status = instance_token(&imds);
    if (status == BULLA_OK) status = instance_role(&imds, out_creds);
    if (status != BULLA_EUNAVAIL || is_expected(&imds)) return status;
    *out_why = INSTANCE_SOURCE " does not answer, nor is this a machine of EC2";
    bulla_aws_forgive(asker->call);
    return BULLA_OK;
}

bulla_status bulla_aws_instance_text(const bulla_aws_asker *asker, const char *what, const char *path, char *out,
                                     size_t cap)
{
    INSTANCE imds = {.asker = asker, .endpoint = endpoint_of(asker), .is_named = true};
    BULLA_HTTP_ANSWER(answer);
    if (is_true(asker, "AWS_EC2_METADATA_DISABLED"))
        return bulla_fail(asker->call, BULLA_ECONFIG, "%s is switched off (AWS_EC2_METADATA_DISABLED)",
                          INSTANCE_SOURCE);
    BULLA_TRY(instance_token(&imds));
    BULLA_TRY(instance_ask(&imds, path, &answer));
    if (answer.code != 200) return refused(asker, INSTANCE_SOURCE, what, &answer);
    if (!name_read(bulla_http_body(&answer), out, cap))
        return bulla_fail(asker->call, BULLA_EUNAVAIL, "%s gives what is no %s", INSTANCE_SOURCE, what);
    return BULLA_OK;
}
