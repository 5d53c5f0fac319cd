/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_kit.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vault_kit kit;

#define BLOB "vault:v%u:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7"

/* The text of a member of a flat object. */
static void member(const char *body, const char *name, char *out, size_t cap)
{
    char start[64];
    (void)snprintf(start, sizeof start, "\"%s\":\"", name);
    const char *at = strstr(body, start);
    out[0] = '\0';
    if (at == NULL) return;
    at += strlen(start);
    size_t len = strcspn(at, "\"");
    if (len >= cap) abort();
    memcpy(out, at, len);
    out[len] = '\0';
}

static void say_grant(http_reply *reply, int64_t lease_s)
{
    http_reply_print(reply,
                     "{\"data\":null,\"auth\":{\"client_token\":\"%s\",\"lease_duration\":%lld,\"renewable\":%s}}",
                     kit.token, (long long)lease_s, kit.is_not_renewable ? "false" : "true");
}

static void say_error(http_reply *reply, int code, const char *words)
{
    reply->code = code;
    http_reply_print(reply, "{\"errors\":[%s%s%s]}", words[0] == '\0' ? "" : "\"", words, words[0] == '\0' ? "" : "\"");
}

static void say_key(http_reply *reply)
{
    if (kit.is_missing)
        say_error(reply, 404, "");
    else
        http_reply_print(reply,
                         "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":%u,\"keys\":{\"1\":1700000000}%s}}",
                         kit.version, kit.key_more == NULL ? "" : kit.key_more);
}

static void encrypt(const http_seen *seen, http_reply *reply)
{
    kit.num_encrypts++;
    member(seen->body, "plaintext", kit.plaintext, sizeof kit.plaintext);
    member(seen->body, "associated_data", kit.data, sizeof kit.data);
    if (kit.is_deaf || kit.is_deaf_in_encrypt) kit.data[0] = '\0';
    http_reply_print(reply, "{\"data\":{\"ciphertext\":\"" BLOB "\"},\"warnings\":[\"%s\"]}", kit.version,
                     kit.ignores_data ? "ignored these: [associated_data]" : "none");
}

static void decrypt(const http_seen *seen, http_reply *reply)
{
    char data[256];
    kit.num_decrypts++;
    if (kit.on_decrypt != NULL && kit.on_decrypt(seen, reply)) return;
    member(seen->body, "associated_data", data, sizeof data);
    if (strcmp(data, kit.data) != 0 && !kit.is_deaf)
        say_error(reply, 400, "cipher: message authentication failed");
    else
        http_reply_print(reply, "{\"data\":{\"plaintext\":\"%s\"}}", kit.plaintext);
}

/* As OpenBao 2.6 does: associated_data is not known here. */
static void make_datakey(http_reply *reply)
{
    kit.num_datakeys++;
    kit.data[0] = '\0';
    (void)strcpy(kit.plaintext, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    http_reply_print(reply, "{\"data\":{\"ciphertext\":\"" BLOB "\",\"plaintext\":\"%s\"},\"warnings\":null}",
                     kit.version, kit.plaintext);
}

/* Transit says nothing of it when the key was there. */
static void create(const http_seen *seen, http_reply *reply)
{
    kit.num_creates++;
    member(seen->body, "type", kit.made_type, sizeof kit.made_type);
    kit.is_missing = false;
    if (kit.loses_creates) reply->fault = HTTP_CLOSE_BEFORE;
    if (kit.is_terse)
        reply->code = 204;
    else
        http_reply_print(reply, "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":%u}%s}", kit.version,
                         kit.made_more == NULL ? "" : kit.made_more);
}

static bool answer_login(const http_seen *seen, http_reply *reply)
{
    if (strstr(seen->target, "/login") == NULL) return false;
    kit.num_logins++;
    (void)snprintf(kit.login, sizeof kit.login, "%.100s %.400s", seen->target, seen->body);
    (void)snprintf(kit.token, sizeof kit.token, "s.token-%u", kit.num_logins);
    say_grant(reply, kit.lease_s);
    return true;
}

static void answer_key(const http_seen *seen, http_reply *reply)
{
    if (strcmp(seen->target, "/v1/transit/keys/app/rotate") == 0) {
        kit.version++;
        reply->code = 204; /* as Vault does */
    } else if (strcmp(seen->target, "/v1/transit/keys/app") == 0 && strcmp(seen->method, "POST") == 0)
        create(seen, reply);
    else if (strcmp(seen->target, "/v1/transit/keys/app") == 0) {
        kit.num_describes++;
        say_key(reply);
    } else if (strcmp(seen->target, "/v1/transit/encrypt/app") == 0)
        encrypt(seen, reply);
    else if (strcmp(seen->target, "/v1/transit/decrypt/app") == 0)
        decrypt(seen, reply);
    else if (strcmp(seen->target, "/v1/transit/datakey/plaintext/app") == 0)
        make_datakey(reply);
    else if (strcmp(seen->target, "/v1/transit/rewrap/app") == 0) {
        kit.num_rewraps++;
        http_reply_print(reply, "{\"data\":{\"ciphertext\":\"" BLOB "\"}}", kit.version);
    } else if (strcmp(seen->target, "/v1/transit/keys?list=true") == 0)
        http_reply_print(reply, "{\"data\":{\"keys\":[\"app\",\"other\"]}}");
    else
        say_error(reply, 404, "no handler for route");
}

static void answer_token(const http_seen *seen, http_reply *reply)
{
    char token[64] = "";
    (void)http_seen_header(seen, "X-Vault-Token", token, sizeof token);
    if (strcmp(token, kit.token) != 0)
        say_error(reply, 403, "permission denied");
    else if (strstr(seen->target, "lookup-self") != NULL) {
        kit.num_lookups++;
        http_reply_print(reply, "{\"data\":{\"ttl\":%lld,\"renewable\":%s}}", (long long)kit.lease_s,
                         kit.is_not_renewable ? "false" : "true");
    } else if (strstr(seen->target, "renew-self") != NULL) {
        kit.num_renewals++;
        say_grant(reply, kit.renewed_lease_s);
    } else
        answer_key(seen, reply);
}

static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    (void)arg;
    reply->headers = "Content-Type: application/json\r\n";
    if (http_seen_header(seen, "X-Vault-Namespace", kit.space, sizeof kit.space) == NULL) kit.space[0] = '\0';
    if (kit.fault_path != NULL && kit.num_faults != 0 && strstr(seen->target, kit.fault_path) != NULL) {
        kit.num_faults--;
        reply->code = kit.fault_code;
        reply->fault = kit.fault;
        if (kit.fault_headers != NULL) reply->headers = kit.fault_headers;
        if (kit.fault_body != NULL) reply->body = kit.fault_body;
        return;
    }
    if (strstr(seen->target, "sys/health") != NULL) {
        reply->code = kit.is_sealed ? 503 : kit.is_standby ? 429 : 200;
        http_reply_print(reply, "{\"initialized\":true,\"sealed\":%s,\"standby\":%s,\"version\":\"%s\"}",
                         kit.is_sealed ? "true" : "false", kit.is_standby ? "true" : "false",
                         kit.health == NULL ? "" : kit.health);
        return;
    }
    if (!answer_login(seen, reply)) answer_token(seen, reply);
}

static void start(const http_server_options *options)
{
    const bulla_pair pair = {bulla_view_text("table"), bulla_view_text("users")};
    http_server_options wanted = options == NULL ? (http_server_options){.arg = NULL} : *options;
    memset(&kit, 0, sizeof kit);
    fake_env_init(&kit.fake);
    bulla_call_init(&kit.call, &kit.fake.env);
    kit.lease_s = kit.renewed_lease_s = 3600;
    kit.version = 1;
    wanted.handler = answer;
    kit.server = http_server_start(&wanted);
    assert_int_equal(bulla_secret_copy(&kit.call, bulla_view_text("the secret id"), &kit.secret_id), BULLA_OK);
    assert_int_equal(bulla_secret_random(&kit.call, 32, &kit.dek), BULLA_OK);
    assert_int_equal(bulla_context_new(&kit.call, &pair, 1, &kit.context), BULLA_OK);
    kit.config = (bulla_kms_config){.size = sizeof kit.config,
                                    .name = "main",
                                    .provider = "vault",
                                    .address = http_server_url(kit.server),
                                    .role_id = "the-role",
                                    .secret_id = kit.secret_id,
                                    .timeout_ms = 2000};
    if (wanted.tls != HTTP_TLS_NONE) kit.config.tls.ca_cert = http_server_ca();
}

int kit_start(void **state)
{
    (void)state;
    start(NULL);
    return 0;
}

int kit_start_open(void **state)
{
    (void)kit_start(state);
    kit_must_open();
    return 0;
}

static void close_key(void)
{
    bulla_provider_unref(kit.key);
    bulla_kms_free(kit.kms);
    kit.key = NULL;
    kit.kms = NULL;
}

int kit_stop(void **state)
{
    (void)state;
    close_key();
    http_server_stop(kit.server);
    bulla_metrics_unref(kit.metrics);
    bulla_secret_unref(kit.dek);
    bulla_secret_unref(kit.secret_id);
    bulla_context_unref(kit.context);
    return 0;
}

void kit_restart(const http_server_options *options)
{
    (void)kit_stop(NULL);
    start(options);
}

bulla_status kit_open(const char *address)
{
    const bulla_kms_config *config = NULL;
    if (address == NULL) address = "vault:transit/keys/app";
    close_key();
    BULLA_TRY(bulla_kms_new(&kit.call, &kit.config, 1, kit.metrics, &kit.kms));
    BULLA_TRY(bulla_kms_find(kit.kms, &kit.call, "vault", NULL, &config));
    return bulla_vault_backend.open(kit.kms, &kit.call, config, address, 0, &kit.key);
}

void kit_must_open(void)
{
    assert_ok(kit_open(NULL));
}

bulla_status kit_wrap(bulla_wrapped **out_wrapped)
{
    return bulla_provider_wrap(kit.key, &kit.call, kit.context, kit.dek, out_wrapped);
}

bulla_status kit_unwrap(const bulla_wrapped *wrapped)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_provider_unwrap(kit.key, &kit.call, kit.context, wrapped, &dek));
    assert_true(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(kit.dek)));
    return BULLA_OK;
}

bulla_status kit_use(void)
{
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    return kit_wrap(&wrapped);
}

void assert_used(void)
{
    assert_ok(kit_use());
}

void kit_fault(const char *path, unsigned num, int code, const char *body)
{
    kit.fault_path = path;
    kit.num_faults = num;
    kit.fault_code = code;
    kit.fault_body = body;
}

void assert_why(const char *part)
{
    if (strstr(kit.call.why, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", kit.call.why, part);
}
