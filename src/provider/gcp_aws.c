/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs on AWS shows Google who he is with a request to AWS STS that he signs and does not send: Google sends it,
 * and AWS answers it with his name (cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds). The
 * resource that the token is for is signed too, so that it is of use for no other.
 */
#include "base/mem.h"
#include "provider/aws.h"
#include "provider/gcp_login.h"
#include "provider/request.h"
#include "wire/uri.h"

#include <stdio.h>

#define SOURCE "credential_source/"
#define QUESTION "Action=GetCallerIdentity&Version=2011-06-15"
#define MAX_HEADERS 4u

/* The request on its way to being a token. */
typedef struct proof {
    const bulla_gcp_asker *asker;
    bulla_aws_creds *creds;
    bulla_secret *authorization;
    bulla_sigv4_header headers[MAX_HEADERS]; /* the signed ones */
    size_t num_headers;
    bulla_http_url host;
    char url[BULLA_AWS_MAX_URL], region[BULLA_AWS_MAX_REGION], time[BULLA_SIGV4_TIME];
} proof;

static void proof_done(proof *self)
{
    bulla_aws_creds_unref(self->creds);
    bulla_secret_unref(self->authorization);
}

/* --- where this is --- */

/* The file says where the metadata service of AWS is, and credentials come from there: it may be where AWS has it, and
 * nowhere else, as Google's own tools will have it. */
static bulla_status metadata_check(const bulla_gcp_asker *asker, const char *path, const char **out_origin)
{
    static const char *const origins[] = {"http://169.254.169.254", "http://[fd00:ec2::254]"};
    char url[BULLA_GCP_MAX_LOGIN_URL];
    if (!bulla_gcp_has(asker, path)) return BULLA_OK;
    BULLA_TRY(bulla_gcp_text_read(asker, path, url, sizeof url));
    for (size_t i = 0; i < BULLA_LEN(origins); i++) {
        size_t len = strlen(origins[i]);
        if (strncmp(url, origins[i], len) != 0 || url[len] != '/') continue;
        *out_origin = origins[i];
        return BULLA_OK;
    }
    return bulla_fail(
        asker->call, BULLA_ECONFIG,
        "key store \"%s\": %s is \"%.80s\", but AWS has its metadata service at http://169.254.169.254/ or "
        "http://[fd00:ec2::254]/",
        asker->config->name, path, url);
}

static bulla_status source_check(const bulla_gcp_asker *asker, const char **out_origin)
{
    char id[32];
    BULLA_TRY(bulla_gcp_text_read(asker, SOURCE "environment_id", id, sizeof id));
    if (strcmp(id, "aws1") != 0)
        return bulla_fail(asker->call, BULLA_EUNSUPPORTED,
                          "key store \"%s\": " SOURCE "environment_id is \"%s\": only aws1 is supported",
                          asker->config->name, id);
    BULLA_TRY(metadata_check(asker, SOURCE "imdsv2_session_token_url", out_origin));
    BULLA_TRY(metadata_check(asker, SOURCE "region_url", out_origin));
    return metadata_check(asker, SOURCE "url", out_origin);
}

/* An availability zone is its region, which ends with a number, and a letter; a local zone, such as us-west-2-lax-1a,
 * has more behind it. */
static bulla_status zone_ask(const bulla_gcp_asker *asker, const bulla_aws_asker *aws, char *out, size_t cap)
{
    char url[BULLA_GCP_MAX_LOGIN_URL];
    if (!bulla_gcp_has(asker, SOURCE "region_url"))
        return bulla_fail(asker->call, BULLA_ECONFIG,
                          "key store \"%s\": no region of AWS: set AWS_REGION, or " SOURCE
                          "region_url in the credentials file",
                          asker->config->name);
    BULLA_TRY(bulla_gcp_text_read(asker, SOURCE "region_url", url, sizeof url));
    const char *path = strchr(url + strlen("http://"), '/'); /* metadata_check has seen it */
    bulla_status status = bulla_aws_instance_text(aws, "region", path, out, cap);
    if (status != BULLA_OK) bulla_why_add(asker->call, "AWS_REGION is not set");
    BULLA_TRY(status);
    size_t end = strcspn(out, "0123456789");
    out[end + strspn(out + end, "0123456789")] = '\0';
    return BULLA_OK;
}

static bulla_status region_find(proof *self, const bulla_aws_asker *aws)
{
    const bulla_gcp_asker *asker = self->asker;
    char zone[sizeof self->region + 1];
    const char *region = bulla_kms_setting(asker->call, NULL, "AWS_REGION AWS_DEFAULT_REGION", NULL);
    if (region == NULL) {
        BULLA_TRY(zone_ask(asker, aws, zone, sizeof zone));
        region = zone;
    }
    if (!bulla_awsarn_is_region(bulla_view_text(region)))
        return bulla_fail(asker->call, BULLA_ECONFIG, "key store \"%s\": \"%.40s\" is no region of AWS",
                          asker->config->name, region);
    memcpy(self->region, region, strlen(region) + 1);
    return BULLA_OK;
}

/* --- the request --- */

/* Whoever has the request has its answer. So it asks who we are and nothing else, whatever a file says that came from
 * somewhere; and it is signed for no other service. */
static bulla_status url_init(proof *self)
{
    const bulla_gcp_asker *asker = self->asker;
    static const char path[] = SOURCE "regional_cred_verification_url";
    char pattern[BULLA_AWS_MAX_URL];
    BULLA_TRY(bulla_gcp_text_read(asker, path, pattern, sizeof pattern));
    if (!bulla_aws_region_fill(pattern, self->region, self->url))
        return bulla_fail(asker->call, BULLA_ECONFIG, "key store \"%s\": %s is too long", asker->config->name, path);
    BULLA_TRY(bulla_http_url_parse(asker->call, self->url, &self->host));
    const char *rest = strstr(self->url, "://") + 3;
    rest += strcspn(rest, "/?#");
    if (*rest == '/') rest++;
    if (strcmp(self->host.scheme, "https") == 0 && self->host.port == 443 && strcmp(rest, "?" QUESTION) == 0)
        return BULLA_OK;
    return bulla_fail(asker->call, BULLA_ECONFIG,
                      "key store \"%s\": %s is \"%.80s\", not https://sts.{region}.amazonaws.com?" QUESTION,
                      asker->config->name, path, pattern);
}

static void header_add(proof *self, const char *name, bulla_view value)
{
    self->headers[self->num_headers++] = (bulla_sigv4_header){name, value};
}

static bulla_status sign(proof *self, const char *audience, int64_t now_s)
{
    bulla_call *call = self->asker->call;
    const bulla_sigv4_scope scope = {now_s, self->region, "sts"};
    bulla_sigv4_time_format(now_s, self->time);
    header_add(self, "host", bulla_view_text(self->host.host));
    header_add(self, "x-amz-date", bulla_view_text(self->time));
    header_add(self, "x-goog-cloud-target-resource", bulla_view_text(audience));
    if (self->creds->value.token != NULL)
        header_add(self, "x-amz-security-token", bulla_secret_borrow(self->creds->value.token));
    const bulla_sigv4_request request = {.method = "POST",
                                         .path = bulla_view_text("/"),
                                         .query = bulla_view_text(QUESTION),
                                         .headers = self->headers,
                                         .num_headers = self->num_headers};
    return bulla_aws_authorize(call, self->creds, &request, &scope, &self->authorization);
}

/* --- the token --- */

static void header_write(bulla_json_writer *json, const char *name, bulla_view value)
{
    bulla_json_open(json, '{');
    bulla_json_put_name(json, "key");
    bulla_json_put_text(json, bulla_view_text(name));
    bulla_json_put_name(json, "value");
    bulla_json_put_text(json, value);
    bulla_json_close(json, '}');
}

static void request_write(const proof *self, bulla_writer *out)
{
    bulla_json_writer json = bulla_json_writer_of(out);
    bulla_json_open(&json, '{');
    bulla_json_put_name(&json, "url");
    bulla_json_put_text(&json, bulla_view_text(self->url));
    bulla_json_put_name(&json, "method");
    bulla_json_put_text(&json, bulla_view_text("POST"));
    bulla_json_put_name(&json, "headers");
    bulla_json_open(&json, '[');
    header_write(&json, "Authorization", bulla_secret_borrow(self->authorization));
    for (size_t i = 0; i < self->num_headers; i++)
        header_write(&json, self->headers[i].name, self->headers[i].value);
    bulla_json_close(&json, ']');
    bulla_json_close(&json, '}');
}

static bulla_status token_write(const proof *self, bulla_secret **out_token)
{
    bulla_call *call = self->asker->call;
    BULLA_AUTO(bulla_secret) *json = NULL;
    BULLA_AUTO(bulla_secret) *token = NULL;
    bulla_writer counter = bulla_writer_of(NULL, 0);
    request_write(self, &counter);
    if (counter.failed)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the audience is no text", self->asker->config->name);
    BULLA_TRY(bulla_secret_new(call, counter.len, &json));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(json), counter.len);
    request_write(self, &writer);
    counter = bulla_writer_of(NULL, 0);
    bulla_uri_encode(&counter, bulla_secret_borrow(json), "");
    BULLA_TRY(bulla_secret_new(call, counter.len, &token));
    writer = bulla_writer_of(bulla_secret_fill(token), counter.len);
    bulla_uri_encode(&writer, bulla_secret_borrow(json), "");
    *out_token = BULLA_TAKE(token);
    return BULLA_OK;
}

bulla_status bulla_gcp_aws_subject(const bulla_gcp_asker *asker, const char *audience, bulla_secret **out_token)
{
    int64_t skew_s = 0;
    bulla_aws_asker aws = {.call = asker->call, .config = asker->config, .skew_s = &skew_s};
    __attribute__((cleanup(proof_done))) proof self = {.asker = asker};
    BULLA_TRY(source_check(asker, &aws.instance_url));
    BULLA_TRY(region_find(&self, &aws));
    BULLA_TRY(url_init(&self));
    aws.region = self.region;
    BULLA_TRY(bulla_aws_chain_ask(&aws, &self.creds));
    BULLA_TRY(sign(&self, audience, bulla_aws_now_s(asker->call, &skew_s)));
    return token_write(&self, out_token);
}
