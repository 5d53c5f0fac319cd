/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that the platform hands out: containers of ECS and EKS Pod Identity, instances of EC2 (IMDSv2). */
#include "base/bytes.h"
#include "provider/aws.h"
#include "provider/oauth.h"

#include <stdio.h>

#define CONTAINER_TIMEOUT_MS 2000u
#define CONTAINER_TRIES 3u
#define INSTANCE_TIMEOUT_MS 1000u
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

static bulla_status fetch(const bulla_aws_asker *asker, const bulla_http_request *request,
                          bulla_http_answer *out_answer)
{
    const bulla_login_site site = {asker->config->name, &asker->config->tls, request->timeout_ms, true};
    return bulla_login_send(asker->call, &site, request, out_answer);
}

static bulla_status creds_take(const bulla_aws_asker *asker, const bulla_http_answer *answer, const char *source,
                               bulla_aws_creds **out_creds)
{
    BULLA_AWSCREDS(value);
    if (answer->code != 200) {
        bool may_pass = answer->code == 429 || answer->code >= 500;
        return bulla_fail(asker->call, may_pass ? BULLA_EUNAVAIL : BULLA_EAUTHN, "%s gives no credentials: HTTP %d",
                          source, answer->code);
    }
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
    BULLA_TRY(fetch(asker, &request, &answer));
    return creds_take(asker, &answer, "the container's credential service", out_creds);
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
    bulla_secret *token; /* NULL: IMDSv1 */
} instance;

static void instance_done(instance *imds)
{
    bulla_secret_unref(imds->token);
}

static bulla_status instance_send(const instance *imds, const char *method, const char *path,
                                  const bulla_http_header *header, bulla_http_answer *out_answer)
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
    return fetch(imds->asker, &request, out_answer);
}

static bulla_status instance_get(const instance *imds, const char *path, bulla_http_answer *out_answer)
{
    const bulla_http_header header = {"X-aws-ec2-metadata-token", bulla_secret_borrow(imds->token)};
    return instance_send(imds, "GET", path, imds->token == NULL ? NULL : &header, out_answer);
}

/* Without a token there is IMDSv1, which answers anybody who can make this machine send a GET: only where the service
 * does not know tokens or its answer does not come through (a hop limit of 1), and only as long as it is allowed. */
static bulla_status instance_token(instance *imds)
{
    const bulla_http_header header = {"X-aws-ec2-metadata-token-ttl-seconds", bulla_view_text("21600")};
    BULLA_HTTP_ANSWER(answer);
    bulla_secret_unref(BULLA_TAKE(imds->token));
    bulla_status status = instance_send(imds, "PUT", "/latest/api/token", &header, &answer);
    if (status != BULLA_OK && status != BULLA_EUNAVAIL) return status;
    bulla_view token = bulla_http_body(&answer);
    if (status == BULLA_OK && answer.code == 200 && token.len != 0 && token.len <= MAX_TOKEN)
        return bulla_secret_copy(imds->asker->call, token, &imds->token);
    bool may_go_without = status == BULLA_EUNAVAIL || answer.code == 403 || answer.code == 404 || answer.code == 405;
    if (may_go_without && !is_true(imds->asker, "AWS_EC2_METADATA_V1_DISABLED")) return BULLA_OK;
    return bulla_fail(imds->asker->call, status == BULLA_OK ? BULLA_EAUTHN : BULLA_EUNAVAIL,
                      "the metadata service of EC2 gives no token: HTTP %d", answer.code);
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

/* The first line; a role's name has these characters and no others. */
static bool role_read(bulla_view body, char *out, size_t cap)
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
    static const char source[] = "the metadata service of EC2";
    char role[65], path[sizeof ROLES + sizeof role];
    BULLA_HTTP_ANSWER(roles);
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(instance_ask(imds, ROLES, &roles));
    if (roles.code == 404) return BULLA_OK; /* an instance without a role */
    if (roles.code != 200) return creds_take(imds->asker, &roles, source, out_creds);
    if (!role_read(bulla_http_body(&roles), role, sizeof role))
        return bulla_fail(imds->asker->call, BULLA_EUNAVAIL, "%s names no role", source);
    (void)snprintf(path, sizeof path, "%s%s", ROLES, role);
    BULLA_TRY(instance_ask(imds, path, &answer));
    return creds_take(imds->asker, &answer, source, out_creds);
}

/* Where nobody answers there is no such service, and that is no error. */
bulla_status bulla_aws_instance_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    __attribute__((cleanup(instance_done)))
    instance imds = {.asker = asker,
                     .endpoint = bulla_kms_setting(asker->call, NULL, "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                                   "http://169.254.169.254")};
    if (is_true(asker, "AWS_EC2_METADATA_DISABLED")) return BULLA_OK;
    BULLA_TRY(instance_token(&imds));
    bulla_status status = instance_role(&imds, out_creds);
    return status == BULLA_EUNAVAIL && imds.token == NULL ? BULLA_OK : status;
}
