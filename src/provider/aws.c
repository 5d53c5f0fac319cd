/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws:KEY?kms=NAME&region=REGION: a key of AWS KMS. KEY is an id, an ARN, alias/NAME or an alias's ARN. What it wraps
 * is wrapped as the AWS KMS keyring of the AWS Encryption SDK does it (aws-kms-keyring.md): provider "aws-kms", the
 * key's ARN, the CiphertextBlob, the message's whole context.
 */
#include "provider/aws.h"

#include "base/context.h"
#include "base/mem.h"
#include "provider/address.h"
#include "provider/backends.h"

#include <stdio.h>

#define PROVIDER "aws-kms"

static const char *const params[] = {"kms", "region", NULL};

static bulla_aws_key *self_of(bulla_provider *provider)
{
    return (bulla_aws_key *)(void *)provider;
}

/* --- which wrapped keys are this key's --- */

/* Of an alias nobody knows without asking which key it is: KMS decides, since each request names the alias. */
static bool is_ours(const bulla_aws_key *self, bulla_view info)
{
    bulla_awsarn of_info, of_key;
    bulla_view key_id = bulla_view_text(self->key_id);
    if (!bulla_awsarn_parse(info, &of_info) || of_info.is_alias) return false;
    bool has_arn = bulla_awsarn_parse(key_id, &of_key);
    if (has_arn && !of_key.is_alias) return bulla_awsarn_is_same_key(key_id, info);
    if (!bulla_view_is(of_info.region, self->region) && !bulla_awsarn_is_multi_region(&of_info)) return false;
    if (has_arn) return bulla_view_equal(of_key.account, of_info.account);
    return strncmp(self->key_id, "alias/", 6) == 0 || bulla_view_equal(of_info.name, key_id);
}

static bool aws_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return bulla_view_is(wrapped->provider, PROVIDER) &&
           is_ours((const bulla_aws_key *)(const void *)provider, wrapped->info);
}

/* --- the context --- */

static bool is_in(const bulla_context *context, bulla_pair pair, bool *out_differs)
{
    bulla_view value;
    if (!bulla_context_find(context, pair.key, &value)) return false;
    *out_differs = !bulla_view_equal(value, pair.value);
    return true;
}

/* The caller's pairs and the configuration's. One reference is the caller's. */
static bulla_status context_merge(const bulla_aws_key *self, bulla_call *call, bulla_context *context,
                                  bulla_context **out_merged)
{
    size_t num = bulla_context_count(context), num_bound = bulla_context_count(self->bound);
    void *memory = NULL;
    if (num_bound == 0 || num == 0) {
        *out_merged = bulla_context_ref(num_bound == 0 ? context : self->bound);
        return BULLA_OK;
    }
    for (size_t i = 0; i < num_bound; i++) {
        bulla_pair pair = bulla_context_at(self->bound, i);
        bool differs = false;
        if (is_in(context, pair, &differs) && differs)
            return bulla_fail(
                call, BULLA_EINVAL,
                "the encryption context says another \"%.*s\" than encryption_context of key store \"%s\"",
                (int)(pair.key.len < 64 ? pair.key.len : 64), (const char *)pair.key.data, self->config->name);
    }
    BULLA_TRY(bulla_alloc(call, (num + num_bound) * sizeof(bulla_pair), &memory));
    bulla_pair *pairs = memory;
    for (size_t i = 0; i < num; i++)
        pairs[i] = bulla_context_at(context, i);
    for (size_t i = 0; i < num_bound; i++) {
        bool differs = false;
        if (!is_in(context, bulla_context_at(self->bound, i), &differs))
            pairs[num++] = bulla_context_at(self->bound, i);
    }
    bulla_status status = bulla_context_new_reserved(call, pairs, num, out_merged);
    bulla_free(bulla_env_of(call), memory);
    return status;
}

/* --- wrapping and unwrapping --- */

/* Sends what encrypts or decrypts, and reads the answer. */
static bulla_status crypt(bulla_aws_key *self, bulla_call *call, bulla_context *context,
                          const bulla_awskms_request *request, bulla_awskms_answer *out_answer)
{
    bulla_awskms_request whole = *request;
    BULLA_AUTO(bulla_context) *merged = NULL;
    BULLA_HTTP_ANSWER(http);
    BULLA_AWSKMS_ANSWER(answer);
    BULLA_TRY(context_merge(self, call, context, &merged));
    whole.key_id = self->key_id;
    whole.context = merged;
    BULLA_TRY(bulla_aws_send(self, call, &whole, &http));
    BULLA_TRY(bulla_aws_nonsense(call, bulla_awskms_answer_decode(call, whole.op, bulla_http_body(&http), &answer)));
    if (!is_ours(self,
                 bulla_view_text(answer.key_arn))) /* aws-kms-keyring.md, OnDecrypt: the key in the answer is checked */
        return bulla_fail(call, BULLA_EUNAVAIL, "AWS KMS \"%s\" answered with another key than %.128s",
                          self->config->name, self->key_id);
    *out_answer = answer;
    answer.plaintext = NULL;
    return BULLA_OK;
}

static bulla_status wrapped_make(bulla_call *call, const bulla_awskms_answer *answer, bulla_wrapped **out_wrapped)
{
    return bulla_wrapped_new(call, bulla_view_text(PROVIDER), bulla_view_text(answer->key_arn),
                             bulla_view_of(answer->blob, answer->blob_len), out_wrapped);
}

static bulla_status aws_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                             bulla_wrapped **out_wrapped)
{
    const bulla_awskms_request request = {.op = BULLA_AWSKMS_ENCRYPT, .plaintext = bulla_secret_borrow(dek)};
    BULLA_AWSKMS_ANSWER(answer);
    BULLA_TRY(crypt(self_of(provider), call, context, &request, &answer));
    return wrapped_make(call, &answer, out_wrapped);
}

/* KMS calls a blob that is too long a mistake of the caller; it is a damaged one. */
static bulla_status blob_check(bulla_call *call, const bulla_wrapped *wrapped)
{
    if (wrapped->blob.len != 0 && wrapped->blob.len <= BULLA_AWSKMS_MAX_BLOB) return BULLA_OK;
    return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged");
}

/* The blob says which key opens it; so does the message, and the two must agree (aws-kms-keyring.md, OnDecrypt). */
static bulla_status opener_check(bulla_call *call, const bulla_wrapped *wrapped, const char *arn)
{
    if (bulla_awsarn_is_same_key(wrapped->info, bulla_view_text(arn))) return BULLA_OK;
    return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged");
}

static bulla_status aws_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                               const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    const bulla_awskms_request request = {.op = BULLA_AWSKMS_DECRYPT, .blob = wrapped->blob};
    BULLA_AWSKMS_ANSWER(answer);
    BULLA_TRY(blob_check(call, wrapped));
    BULLA_TRY(crypt(self_of(provider), call, context, &request, &answer));
    BULLA_TRY(opener_check(call, wrapped, answer.key_arn));
    size_t len = bulla_secret_borrow(answer.plaintext).len;
    if (len < BULLA_DEK_MIN || len > BULLA_DEK_MAX) /* somebody wrapped something else with this key */
        return bulla_fail(call, BULLA_EINTEGRITY, "what AWS KMS opened is no data key");
    *out_dek = BULLA_TAKE(answer.plaintext);
    return BULLA_OK;
}

/* The length that data_key_spec says. */
static size_t usual_len(const bulla_aws_key *self)
{
    const char *spec = self->config->data_key_spec;
    return spec != NULL && strcmp(spec, "AES_128") == 0 ? 16 : 32;
}

/* Without `out_dek` the data key is never shown to this process. */
static bulla_status aws_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    bulla_aws_key *self = self_of(provider);
    bulla_awskms_request request = {.op = BULLA_AWSKMS_GENERATE_DATA_KEY, .len = len == 0 ? usual_len(self) : len};
    BULLA_AWSKMS_ANSWER(answer);
    if (out_dek == NULL) request.op = BULLA_AWSKMS_GENERATE_DATA_KEY_WITHOUT_PLAINTEXT;
    BULLA_TRY(crypt(self, call, context, &request, &answer));
    if (out_dek != NULL && bulla_secret_borrow(answer.plaintext).len != request.len)
        return bulla_fail(call, BULLA_EUNAVAIL, "AWS KMS answered with a data key of another length");
    BULLA_TRY(wrapped_make(call, &answer, out_wrapped));
    if (out_dek != NULL) *out_dek = BULLA_TAKE(answer.plaintext);
    return BULLA_OK;
}

/* ReEncrypt keeps the context and shows the data key to nobody. */
static bulla_status aws_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                               const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    const bulla_awskms_request request = {.op = BULLA_AWSKMS_RE_ENCRYPT, .blob = wrapped->blob};
    BULLA_AWSKMS_ANSWER(answer);
    BULLA_TRY(blob_check(call, wrapped));
    BULLA_TRY(crypt(self_of(provider), call, context, &request, &answer));
    BULLA_TRY(opener_check(call, wrapped, answer.source_arn));
    BULLA_TRY(opener_check(call, wrapped, answer.key_arn)); /* both were asked for by one name */
    return wrapped_make(call, &answer, out_wrapped);
}

static void aws_destroy(bulla_provider *provider)
{
    bulla_aws_key *self = self_of(provider);
    bulla_context_unref(self->bound);
    if (self->home != NULL) bulla_client_unref(&self->home->base); /* NULL: it was not opened whole */
    if (self->client != NULL) bulla_client_unref(&self->client->base);
    bulla_free(self->env, self);
}

static const bulla_provider_ops aws_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "aws",
    .can = BULLA_OPS_REPEATABLE | BULLA_OP_ROTATE | BULLA_OP_DATAKEY_BLIND,
    .idempotent = BULLA_OPS_REPEATABLE,
    .matches = aws_matches,
    .describe = bulla_aws_describe,
    .wrap = aws_wrap,
    .unwrap = aws_unwrap,
    .datakey = aws_datakey,
    .rewrap = aws_rewrap,
    .rotate = bulla_aws_rotate,
    .destroy = aws_destroy,
    .check = bulla_aws_check,
    .list = bulla_aws_list,
};

/* --- opening --- */

static void client_destroy(bulla_client *base)
{
    bulla_aws_client *client = (bulla_aws_client *)(void *)base;
    bulla_http_close(client->http);
    bulla_aws_login_done(&client->login);
    bulla_free(client->env, client);
}

static bulla_status client_make(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                                bulla_client **out_client)
{
    (void)endpoint;
    void *memory = NULL;
    bulla_http *http = NULL;
    const bulla_http_options options = {.store = config->name,
                                        .tls = config->tls,
                                        .pool = config->pool,
                                        .timeout_ms = config->timeout_ms,
                                        .metrics = bulla_kms_metrics(kms)};
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_aws_client), &memory));
    bulla_aws_client *client = memory;
    bulla_status status = bulla_http_open(call, &options, &http);
    if (status != BULLA_OK) {
        bulla_free(bulla_env_of(call), memory);
        return status;
    }
    client->base = (bulla_client){.destroy = client_destroy, .refs = 1};
    client->env = bulla_env_of(call);
    client->config = config;
    client->http = http;
    bulla_aws_login_init(&client->login);
    *out_client = &client->base;
    return BULLA_OK;
}

/* KEY=VALUE texts. */
static bulla_status bound_make(bulla_call *call, const bulla_kms_config *config, bulla_context **out_context)
{
    bulla_pair pairs[64];
    if (config->num_encryption_context > BULLA_LEN(pairs))
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": encryption_context has over %zu pairs", config->name,
                          BULLA_LEN(pairs));
    for (size_t i = 0; i < config->num_encryption_context; i++) {
        const char *text = config->encryption_context[i], *equals = strchr(text, '=');
        if (equals == NULL || equals == text)
            return bulla_fail(call, BULLA_ECONFIG,
                              "key store \"%s\": encryption_context wants KEY=VALUE, not \"%.64s\"", config->name,
                              text);
        pairs[i] = (bulla_pair){bulla_view_of(text, (size_t)(equals - text)), bulla_view_text(equals + 1)};
    }
    bulla_status status = bulla_context_new(call, pairs, config->num_encryption_context, out_context);
    return status == BULLA_EINVAL ? bulla_aws_restate(call, BULLA_ECONFIG) : status;
}

/* The ARN's own, else the address's, the configuration's, the environment's, the profile's. */
static bulla_status region_find(bulla_call *call, const bulla_kms_config *config, const char *asked, bulla_aws_key *key)
{
    bulla_awsarn arn;
    char profile[BULLA_AWS_MAX_REGION] = "";
    const char *region = asked;
    if (bulla_awsarn_parse(bulla_view_text(key->key_id), &arn)) {
        if (asked != NULL && !bulla_view_is(arn.region, asked))
            return bulla_fail(call, BULLA_EINVAL, "aws: the ARN is of another region than region=%.32s", asked);
        memcpy(key->region, arn.region.data, arn.region.len);
        return BULLA_OK;
    }
    if (region == NULL) region = bulla_kms_setting(call, config->region, "AWS_REGION AWS_DEFAULT_REGION", NULL);
    if (region == NULL && bulla_aws_profile_region(call, config, profile)) region = profile;
    if (region == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": no region: give region, AWS_REGION, or the key's ARN",
                          config->name);
    if (!bulla_awsarn_is_region(bulla_view_text(region)))
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": \"%.40s\" is no region", config->name, region);
    memcpy(key->region, region, strlen(region) + 1);
    return BULLA_OK;
}

static bulla_status config_check(bulla_call *call, const bulla_kms_config *config)
{
    const char *spec = config->data_key_spec;
    if (spec != NULL && strcmp(spec, "AES_256") != 0 && strcmp(spec, "AES_128") != 0)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": data_key_spec is AES_256 or AES_128", config->name);
    if (config->external_id != NULL && config->role_arn == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": external_id wants role_arn beside it", config->name);
    return bulla_aws_replicas_check(call, config);
}

static bulla_status key_name(bulla_call *call, const bulla_address *address, const bulla_kms_config *config,
                             size_t endpoint, bulla_aws_key *key)
{
    size_t len = strlen(address->body);
    if (len >= sizeof key->key_id || !bulla_awsarn_is_key(bulla_view_text(address->body)))
        return bulla_fail(call, BULLA_EINVAL,
                          "aws: \"%.96s\" is no key of KMS: write an id, an ARN, alias/NAME or an alias's ARN",
                          address->body);
    memcpy(key->key_id, address->body, len + 1);
    if (bulla_aws_replica_at(config, key->key_id, BULLA_MAX_ENDPOINTS) != NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": replica_keys has over %u of one key", config->name,
                          BULLA_MAX_ENDPOINTS - 1);
    if (endpoint == 0) return region_find(call, config, bulla_address_param(address, "region", NULL), key);
    const char *replica = bulla_aws_replica_at(config, key->key_id, endpoint);
    if (replica == NULL)
        return bulla_fail(call, BULLA_EINTERNAL, "aws: %.128s has no endpoint %zu", key->key_id, endpoint);
    (void)snprintf(key->key_id, sizeof key->key_id, "%s", replica);
    return region_find(call, config, NULL, key);
}

static bulla_status key_open(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                             bulla_aws_key *key)
{
    bulla_client *home = NULL, *client = NULL;
    BULLA_TRY(bulla_aws_url_format(call, config, "kms", key->region, key->url));
    BULLA_TRY(bound_make(call, config, &key->bound));
    BULLA_TRY(bulla_kms_client(kms, call, config, 0, client_make, &home));
    key->home = (bulla_aws_client *)(void *)home;
    BULLA_TRY(bulla_kms_client(kms, call, config, endpoint, client_make, &client));
    key->client = (bulla_aws_client *)(void *)client;
    return BULLA_OK;
}

static bulla_status aws_open(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, const char *address,
                             size_t endpoint, bulla_provider **out_provider)
{
    bulla_address parsed;
    void *memory = NULL;
    BULLA_AUTO(bulla_provider) *provider = NULL;
    BULLA_TRY(bulla_address_parse(call, address, &parsed));
    BULLA_TRY(bulla_address_params_check(call, &parsed, params));
    BULLA_TRY(config_check(call, config));
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_aws_key), &memory));
    bulla_aws_key *key = memory;
    key->env = bulla_env_of(call);
    key->config = config;
    bulla_provider_init(&key->base, &aws_ops);
    provider = &key->base;
    BULLA_TRY(key_name(call, &parsed, config, endpoint, key));
    BULLA_TRY(key_open(kms, call, config, endpoint, key));
    *out_provider = BULLA_TAKE(provider);
    return BULLA_OK;
}

static size_t aws_endpoints(const bulla_kms_config *config, const char *address)
{
    bulla_address parsed;
    size_t num = 1;
    if (bulla_address_parse(NULL, address, &parsed) != BULLA_OK) return 1; /* opening it says why */
    while (num < BULLA_MAX_ENDPOINTS && bulla_aws_replica_at(config, parsed.body, num) != NULL)
        num++;
    return num;
}

static bulla_status aws_address_of(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap)
{
    if (config->key_id == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\" names no key: give key_id", config->name);
    int len = snprintf(out, cap, "aws:%s?kms=%s", config->key_id, config->name);
    if (len < 0 || (size_t)len >= cap || strpbrk(config->key_id, "?%&") != NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": key_id is no key of KMS", config->name);
    return BULLA_OK;
}

const bulla_backend bulla_aws_backend = {
    .scheme = "aws",
    .endpoints = aws_endpoints,
    .address_of = aws_address_of,
    .open = aws_open,
};
