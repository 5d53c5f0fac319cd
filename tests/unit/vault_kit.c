/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_kit.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void say_grant(vault_kit *kit, http_reply *reply, int64_t lease_s)
{
    http_reply_print(reply,
                     "{\"data\":null,\"auth\":{\"client_token\":\"%s\",\"lease_duration\":%lld,\"renewable\":%s}}",
                     kit->token, (long long)lease_s, kit->is_not_renewable ? "false" : "true");
}

static void say_error(http_reply *reply, int code, const char *words)
{
    reply->code = code;
    http_reply_print(reply, "{\"errors\":[%s%s%s]}", words[0] == '\0' ? "" : "\"", words, words[0] == '\0' ? "" : "\"");
}

static void say_key(const vault_kit *kit, http_reply *reply)
{
    if (kit->is_missing)
        say_error(reply, 404, "");
    else
        http_reply_print(reply,
                         "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":%u,\"keys\":{\"1\":1700000000}%s}}",
                         kit->version, kit->key_more == NULL ? "" : kit->key_more);
}

static void encrypt(vault_kit *kit, const http_seen *seen, http_reply *reply)
{
    kit->num_encrypts++;
    member(seen->body, "plaintext", kit->plaintext, sizeof kit->plaintext);
    member(seen->body, "associated_data", kit->data, sizeof kit->data);
    http_reply_print(reply, "{\"data\":{\"ciphertext\":\"" BLOB "\"},\"warnings\":[\"%s\"]}", kit->version,
                     kit->ignores_data ? "ignored these: [associated_data]" : "none");
}

static void decrypt(vault_kit *kit, const http_seen *seen, http_reply *reply)
{
    char data[256];
    kit->num_decrypts++;
    member(seen->body, "associated_data", data, sizeof data);
    if (strcmp(data, kit->data) != 0)
        say_error(reply, 400, "cipher: message authentication failed");
    else
        http_reply_print(reply, "{\"data\":{\"plaintext\":\"%s\"}}", kit->plaintext);
}

/* As OpenBao 2.6 does: associated_data is not known here. */
static void make_datakey(vault_kit *kit, http_reply *reply)
{
    kit->num_datakeys++;
    kit->data[0] = '\0';
    (void)strcpy(kit->plaintext, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    http_reply_print(reply, "{\"data\":{\"ciphertext\":\"" BLOB "\",\"plaintext\":\"%s\"},\"warnings\":null}",
                     kit->version, kit->plaintext);
}

static bool answer_login(vault_kit *kit, const http_seen *seen, http_reply *reply)
{
    if (strstr(seen->target, "/login") == NULL) return false;
    kit->num_logins++;
    (void)snprintf(kit->login, sizeof kit->login, "%.100s %.400s", seen->target, seen->body);
    (void)snprintf(kit->token, sizeof kit->token, "s.token-%u", kit->num_logins);
    say_grant(kit, reply, kit->lease_s);
    return true;
}

static void answer_key(vault_kit *kit, const http_seen *seen, http_reply *reply)
{
    if (strcmp(seen->target, "/v1/transit/keys/app/rotate") == 0) {
        kit->version++;
        reply->code = 204; /* as Vault does */
    } else if (strcmp(seen->target, "/v1/transit/keys/app") == 0) {
        kit->num_describes++;
        say_key(kit, reply);
    } else if (strcmp(seen->target, "/v1/transit/encrypt/app") == 0)
        encrypt(kit, seen, reply);
    else if (strcmp(seen->target, "/v1/transit/decrypt/app") == 0)
        decrypt(kit, seen, reply);
    else if (strcmp(seen->target, "/v1/transit/datakey/plaintext/app") == 0)
        make_datakey(kit, reply);
    else if (strcmp(seen->target, "/v1/transit/rewrap/app") == 0) {
        kit->num_rewraps++;
        http_reply_print(reply, "{\"data\":{\"ciphertext\":\"" BLOB "\"}}", kit->version);
    } else if (strcmp(seen->target, "/v1/transit/keys?list=true") == 0)
        http_reply_print(reply, "{\"data\":{\"keys\":[\"app\",\"other\"]}}");
    else
        say_error(reply, 404, "no handler for route");
}

static void answer_token(vault_kit *kit, const http_seen *seen, http_reply *reply)
{
    char token[64] = "";
    (void)http_seen_header(seen, "X-Vault-Token", token, sizeof token);
    if (strcmp(token, kit->token) != 0)
        say_error(reply, 403, "permission denied");
    else if (strstr(seen->target, "lookup-self") != NULL) {
        kit->num_lookups++;
        http_reply_print(reply, "{\"data\":{\"ttl\":%lld,\"renewable\":%s}}", (long long)kit->lease_s,
                         kit->is_not_renewable ? "false" : "true");
    } else if (strstr(seen->target, "renew-self") != NULL) {
        kit->num_renewals++;
        say_grant(kit, reply, kit->renewed_lease_s);
    } else
        answer_key(kit, seen, reply);
}

static void answer(void *arg, const http_seen *seen, http_reply *reply)
{
    vault_kit *kit = arg;
    reply->headers = "Content-Type: application/json\r\n";
    if (http_seen_header(seen, "X-Vault-Namespace", kit->space, sizeof kit->space) == NULL) kit->space[0] = '\0';
    if (kit->fault_path != NULL && kit->num_faults != 0 && strstr(seen->target, kit->fault_path) != NULL) {
        kit->num_faults--;
        reply->code = kit->fault_code;
        reply->fault = kit->fault;
        if (kit->fault_headers != NULL) reply->headers = kit->fault_headers;
        if (kit->fault_body != NULL) reply->body = kit->fault_body;
        return;
    }
    if (strstr(seen->target, "sys/health") != NULL) {
        reply->code = kit->is_sealed ? 503 : kit->is_standby ? 429 : 200;
        http_reply_print(reply, "{\"initialized\":true,\"sealed\":%s,\"standby\":%s}",
                         kit->is_sealed ? "true" : "false", kit->is_standby ? "true" : "false");
        return;
    }
    if (!answer_login(kit, seen, reply)) answer_token(kit, seen, reply);
}

void vault_kit_start(vault_kit *kit, const http_server_options *options)
{
    const bulla_pair pair = {bulla_view_text("table"), bulla_view_text("users")};
    http_server_options wanted = options == NULL ? (http_server_options){.arg = NULL} : *options;
    memset(kit, 0, sizeof *kit);
    fake_env_init(&kit->fake);
    bulla_call_init(&kit->call, &kit->fake.env);
    kit->lease_s = kit->renewed_lease_s = 3600;
    kit->version = 1;
    wanted.handler = answer;
    wanted.arg = kit;
    kit->server = http_server_start(&wanted);
    assert_int_equal(bulla_secret_copy(&kit->call, bulla_view_text("the secret id"), &kit->secret_id), BULLA_OK);
    assert_int_equal(bulla_secret_random(&kit->call, 32, &kit->dek), BULLA_OK);
    assert_int_equal(bulla_context_new(&kit->call, &pair, 1, &kit->context), BULLA_OK);
    kit->config = (bulla_kms_config){.size = sizeof kit->config,
                                     .name = "main",
                                     .provider = "vault",
                                     .address = http_server_url(kit->server),
                                     .role_id = "the-role",
                                     .secret_id = kit->secret_id,
                                     .timeout_ms = 2000};
    if (wanted.tls != HTTP_TLS_NONE) kit->config.tls.ca_cert = http_server_ca();
}

bulla_status vault_kit_open(vault_kit *kit, const char *address)
{
    const bulla_kms_config *config = NULL;
    if (address == NULL) address = "vault:transit/keys/app";
    BULLA_TRY(bulla_kms_new(&kit->call, &kit->config, 1, NULL, &kit->kms));
    BULLA_TRY(bulla_kms_find(kit->kms, &kit->call, "vault", NULL, &config));
    return bulla_vault_backend.open(kit->kms, &kit->call, config, address, 0, &kit->key);
}

void vault_kit_stop(vault_kit *kit)
{
    bulla_provider_unref(kit->key);
    bulla_kms_free(kit->kms);
    http_server_stop(kit->server);
    bulla_secret_unref(kit->dek);
    bulla_secret_unref(kit->secret_id);
    bulla_context_unref(kit->context);
}

bulla_status vault_kit_wrap(vault_kit *kit, bulla_wrapped **out_wrapped)
{
    return bulla_provider_wrap(kit->key, &kit->call, kit->context, kit->dek, out_wrapped);
}

bulla_status vault_kit_unwrap(vault_kit *kit, const bulla_wrapped *wrapped)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_provider_unwrap(kit->key, &kit->call, kit->context, wrapped, &dek));
    assert_true(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(kit->dek)));
    return BULLA_OK;
}

void assert_why(const vault_kit *kit, const char *part)
{
    if (strstr(kit->call.why, part) == NULL) fail_msg("\"%s\" does not say \"%s\"", kit->call.why, part);
}
