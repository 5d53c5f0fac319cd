/* SPDX-License-Identifier: Apache-2.0 */
#include "aws_kit.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START_S 1790000000 /* 2026-09-21T14:13:20Z */
#define PATIENCE_MS 60000u

/* --- the environment --- */

static void *kit_alloc(void *arg, size_t len)
{
    (void)arg;
    return malloc(len);
}

static void kit_free(void *arg, void *ptr)
{
    (void)arg;
    free(ptr);
}

static int64_t kit_wall_ns(void *arg)
{
    aws_kit *kit = arg;
    (void)__atomic_fetch_add(&kit->num_wall_reads, 1, __ATOMIC_ACQ_REL);
    return __atomic_load_n(&kit->wall_ns, __ATOMIC_RELAXED);
}

static int64_t kit_ticks_ns(void *arg)
{
    (void)arg;
    return bulla_env_default()->ticks_ns(bulla_env_default()->arg);
}

static const char *kit_lookup(void *arg, const char *name)
{
    aws_kit *kit = arg;
    for (size_t i = 0; i < AWS_KIT_VARS; i++)
        if (kit->vars[i][0] != NULL && strcmp(kit->vars[i][0], name) == 0) return kit->vars[i][1];
    return NULL;
}

static void kit_log(void *arg, bulla_log_level level, const char *line)
{
    aws_kit *kit = arg;
    size_t len = strlen(kit->log);
    (void)snprintf(kit->log + len, sizeof kit->log - len, "%d %s\n", (int)level, line);
}

void aws_kit_var(aws_kit *kit, const char *name, const char *format, ...)
{
    size_t i = 0;
    while (kit->vars[i][0] != NULL && strcmp(kit->vars[i][0], name) != 0)
        i++;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(kit->texts[i], sizeof kit->texts[i], format, args);
    va_end(args);
    kit->vars[i][0] = name;
    kit->vars[i][1] = kit->texts[i];
}

void aws_kit_advance(aws_kit *kit, int64_t seconds)
{
    (void)__atomic_add_fetch(&kit->wall_ns, seconds * 1000000000, __ATOMIC_RELAXED);
}

void aws_kit_file(aws_kit *kit, const char *name, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", kit->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* --- the server --- */

static void access_key_of(const http_seen *seen, char *out, size_t cap)
{
    char header[1024];
    out[0] = '\0';
    if (http_seen_header(seen, "Authorization", header, sizeof header) == NULL) return;
    const char *start = strstr(header, "Credential=");
    if (start != NULL) (void)snprintf(out, cap, "%.*s", (int)strcspn(start + 11, "/"), start + 11);
}

static void code_set(http_reply *reply, int code)
{
    if (code == AWS_CLOSED) reply->fault = HTTP_CLOSE_BEFORE;
    if (code == AWS_SILENT) reply->fault = HTTP_SILENCE;
    if (code > 0) reply->code = code;
}

static void expiry_format(const aws_kit *kit, char out[32])
{
    time_t at = (time_t)(kit_wall_ns((void *)(uintptr_t)kit) / 1000000000 + (kit->life_s == 0 ? 3600 : kit->life_s));
    struct tm date;
    (void)gmtime_r(&at, &date);
    (void)strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &date);
}

static void kms_answer(aws_kit *kit, const http_seen *seen, const char *target, http_reply *reply)
{
    const aws_answer *answer = &kit->kms_answers[kit->kms_at];
    size_t at = kit->num_kms % AWS_KIT_SEEN;
    kit->num_kms++;
    (void)snprintf(kit->operation[at], sizeof kit->operation[at], "%s", strchr(target, '.') + 1);
    access_key_of(seen, kit->signer[at], sizeof kit->signer[at]);
    (void)snprintf(kit->kms_body, sizeof kit->kms_body, "%s", seen->body);
    (void)http_seen_header(seen, "X-Amz-Date", kit->kms_date, sizeof kit->kms_date);
    kit->kms_token[0] = '\0';
    (void)http_seen_header(seen, "X-Amz-Security-Token", kit->kms_token, sizeof kit->kms_token);
    reply->delay_ms = kit->kms_delay_ms;
    if (answer->code != 0) {
        kit->kms_at++;
        reply->code = answer->code;
        reply->fault = answer->fault;
        reply->headers = answer->headers;
        reply->body = answer->body;
        return;
    }
    http_reply_print(reply, "%s", strcmp(kit->operation[at], "Decrypt") == 0 ? AWS_OPENED : AWS_WRAPPED);
}

/* False: it did not, in a minute. */
static bool hold_comes_to(aws_kit *kit, aws_hold wanted)
{
    for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
        if (__atomic_load_n(&kit->login_hold, __ATOMIC_ACQUIRE) == (int)wanted) return true;
        (void)usleep(1000);
    }
    return false;
}

static void hold_set(aws_kit *kit, aws_hold hold)
{
    __atomic_store_n(&kit->login_hold, (int)hold, __ATOMIC_RELEASE);
}

static void login_hold(aws_kit *kit)
{
    int next = AWS_HOLD_NEXT;
    if (__atomic_compare_exchange_n(&kit->login_hold, &next, (int)AWS_HOLD_HAS_ONE, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE) &&
        !hold_comes_to(kit, AWS_HOLD_NONE))
        hold_set(kit, AWS_HOLD_NONE); /* a test that hangs fails */
}

void aws_kit_login_hold(aws_kit *kit)
{
    hold_set(kit, AWS_HOLD_NEXT);
}

void aws_kit_login_await(aws_kit *kit)
{
    assert_true(hold_comes_to(kit, AWS_HOLD_HAS_ONE));
}

void aws_kit_login_release(aws_kit *kit)
{
    hold_set(kit, AWS_HOLD_NONE);
}

static void sts_answer(aws_kit *kit, const http_seen *seen, http_reply *reply)
{
    char expiry[32];
    kit->num_sts++;
    expiry_format(kit, expiry);
    access_key_of(seen, kit->sts_signer, sizeof kit->sts_signer);
    (void)snprintf(kit->sts_form, sizeof kit->sts_form, "%s", seen->body);
    const char *action = strstr(seen->body, "WithWebIdentity") != NULL ? "AssumeRoleWithWebIdentity" : "AssumeRole";
    code_set(reply, kit->sts_code);
    reply->delay_ms = kit->login_delay_ms;
    if (kit->sts_body != NULL)
        reply->body = kit->sts_body;
    else
        http_reply_print(reply,
                         "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult><Credentials>"
                         "<AccessKeyId>ASIAROLE%zu</AccessKeyId><SecretAccessKey>rolesecret</SecretAccessKey>"
                         "<SessionToken>roletoken%zu</SessionToken><Expiration>%s</Expiration></Credentials>"
                         "</%sResult></%sResponse>",
                         action, action, kit->num_sts, kit->num_sts, expiry, action, action);
    login_hold(kit);
}

static void creds_print(aws_kit *kit, const char *kind, size_t number, http_reply *reply)
{
    char expiry[32];
    expiry_format(kit, expiry);
    reply->delay_ms = kit->login_delay_ms;
    http_reply_print(reply,
                     "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA%s%zu\",\"SecretAccessKey\":\"metasecret\","
                     "\"Token\":\"metatoken%zu\",\"Expiration\":\"%s\"}",
                     kind, number, number, expiry);
}

static void container_answer(aws_kit *kit, const http_seen *seen, http_reply *reply)
{
    kit->num_container++;
    kit->container_token[0] = '\0';
    (void)http_seen_header(seen, "Authorization", kit->container_token, sizeof kit->container_token);
    creds_print(kit, "CONTAINER", kit->num_container, reply);
    if (kit->login_headers != NULL) reply->headers = kit->login_headers;
    code_set(reply, kit->container_code);
}

static void imds_token_answer(aws_kit *kit, const http_seen *seen, http_reply *reply)
{
    char ttl[16] = "";
    kit->num_imds_token++;
    bool is_asked = http_seen_header(seen, "X-aws-ec2-metadata-token-ttl-seconds", ttl, sizeof ttl) != NULL;
    code_set(reply, is_asked ? kit->imds_token_code : 400);
    http_reply_print(reply, "imds-token-%zu", kit->num_imds_token);
}

static void imds_answer(aws_kit *kit, const http_seen *seen, http_reply *reply)
{
    kit->num_imds++;
    kit->imds_sent_token[0] = '\0';
    (void)http_seen_header(seen, "X-aws-ec2-metadata-token", kit->imds_sent_token, sizeof kit->imds_sent_token);
    if (kit->imds_stale != 0) {
        kit->imds_stale--;
        reply->code = 401;
        return;
    }
    if (strcmp(seen->target, "/latest/meta-data/iam/security-credentials/") == 0)
        http_reply_print(reply, "app-role\n");
    else if (strcmp(seen->target, "/latest/meta-data/iam/security-credentials/app-role") == 0)
        creds_print(kit, "INSTANCE", kit->num_imds, reply);
    code_set(reply, kit->imds_code);
}

void aws_kit_answer(void *arg, const http_seen *seen, http_reply *reply)
{
    aws_kit *kit = arg;
    char target[80];
    reply->headers = "Content-Type: application/x-amz-json-1.1\r\n";
    if (http_seen_header(seen, "X-Amz-Target", target, sizeof target) != NULL)
        kms_answer(kit, seen, target, reply);
    else if (strcmp(seen->method, "POST") == 0)
        sts_answer(kit, seen, reply);
    else if (strcmp(seen->target, "/container") == 0)
        container_answer(kit, seen, reply);
    else if (strcmp(seen->method, "PUT") == 0)
        imds_token_answer(kit, seen, reply);
    else
        imds_answer(kit, seen, reply);
}

/* --- from beginning to end --- */

static void secret_set(aws_kit *kit, bulla_secret **secret, const char *text)
{
    assert_ok(bulla_secret_copy(&kit->call, bulla_view_text(text), secret));
}

int aws_kit_setup(void **state)
{
    aws_kit *kit = calloc(1, sizeof *kit);
    assert_non_null(kit);
    kit->wall_ns = INT64_C(1000000000) * START_S;
    kit->env = (bulla_env){.size = sizeof kit->env,
                           .arg = kit,
                           .alloc = kit_alloc,
                           .free = kit_free,
                           .wall_ns = kit_wall_ns,
                           .ticks_ns = kit_ticks_ns,
                           .lookup = kit_lookup,
                           .log = kit_log,
                           .log_level = BULLA_LOG_DEBUG};
    bulla_call_init(&kit->call, &kit->env);
    (void)snprintf(kit->dir, sizeof kit->dir, "/tmp/bulla-aws-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
    kit->server = http_server_start(&(http_server_options){.handler = aws_kit_answer, .arg = kit});
    (void)snprintf(kit->url, sizeof kit->url, "%s", http_server_url(kit->server));
    kit->config = (bulla_kms_config){.size = sizeof kit->config,
                                     .name = "main",
                                     .provider = "aws",
                                     .region = AWS_REGION_NAME,
                                     .endpoint = kit->url,
                                     .sts_endpoint = kit->url,
                                     .access_key_id = "AKIACONFIG"};
    secret_set(kit, &kit->config.access_key_secret, "configsecret");
    aws_kit_var(kit, "HOME", "%s", kit->dir);
    aws_kit_var(kit, "AWS_EC2_METADATA_DISABLED", "true");
    *state = kit;
    return 0;
}

void aws_kit_chain_use(aws_kit *kit)
{
    kit->config.access_key_id = NULL;
    bulla_secret_unref(kit->config.access_key_secret);
    kit->config.access_key_secret = NULL;
}

void aws_kit_web_identity_use(aws_kit *kit)
{
    aws_kit_chain_use(kit);
    aws_kit_file(kit, "token", "eyJ.first\n");
    aws_kit_var(kit, "AWS_WEB_IDENTITY_TOKEN_FILE", "%s/token", kit->dir);
    aws_kit_var(kit, "AWS_ROLE_ARN", "arn:aws:iam::1:role/pod");
}

void aws_kit_container_use(aws_kit *kit)
{
    aws_kit_chain_use(kit);
    aws_kit_var(kit, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/container", kit->url);
}

void aws_kit_instance_use(aws_kit *kit)
{
    aws_kit_chain_use(kit);
    aws_kit_var(kit, "AWS_EC2_METADATA_DISABLED", "false");
    aws_kit_var(kit, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s", kit->url);
}

void aws_kit_close(aws_kit *kit)
{
    bulla_provider_unref(BULLA_TAKE(kit->key));
    bulla_kms_free(BULLA_TAKE(kit->kms));
}

int aws_kit_teardown(void **state)
{
    aws_kit *kit = *state;
    char command[128];
    aws_kit_login_release(kit);
    aws_kit_close(kit);
    bulla_secret_unref(kit->config.access_key_secret);
    bulla_secret_unref(kit->config.session_token);
    http_server_stop(kit->server);
    (void)snprintf(command, sizeof command, "rm -rf %s", kit->dir);
    assert_int_equal(system(command), 0);
    free(kit);
    return 0;
}

bulla_status aws_kit_open_at(aws_kit *kit, const char *address, size_t endpoint, bulla_provider **out_provider)
{
    if (kit->kms == NULL) BULLA_TRY(bulla_kms_new(&kit->call, &kit->config, 1, NULL, &kit->kms));
    return bulla_aws_backend.open(kit->kms, &kit->call, bulla_kms_at(kit->kms, 0), address, endpoint, out_provider);
}

bulla_status aws_kit_open(aws_kit *kit, const char *address)
{
    return aws_kit_open_at(kit, address, 0, &kit->key);
}

bulla_status aws_kit_ask(aws_kit *kit)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    const bulla_wrapped wrapped = {bulla_view_text("aws-kms"), bulla_view_text(AWS_KEY_ARN), bulla_view_text("blob")};
    if (kit->key == NULL) BULLA_TRY(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    return bulla_provider_unwrap(kit->key, &kit->call, NULL, &wrapped, &dek);
}

const char *aws_kit_signer(const aws_kit *kit)
{
    return kit->signer[(kit->num_kms - 1) % AWS_KIT_SEEN];
}

void aws_kit_say(aws_kit *kit, int code, const char *body)
{
    size_t at = kit->kms_at;
    while (kit->kms_answers[at].code != 0)
        at++;
    assert_true(at < BULLA_LEN(kit->kms_answers) - 1);
    kit->kms_answers[at] = (aws_answer){.code = code, .body = body};
}

void aws_kit_means(aws_kit *kit, int code, const char *body, bulla_status status)
{
    aws_kit_say(kit, code, body);
    assert_status(aws_kit_ask(kit), status);
}
