/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/awskms.h"

#include "base/json.h"
#include "wire/answer.h"
#include "wire/awssts.h"

#include <stdio.h>

static const char what[] = "the answer of AWS KMS";

#define TARGET "TrentService."
#define PAGE_ITEMS 100 /* the most that ListAliases gives at a time */

static const char *const targets[] = {
    [BULLA_AWSKMS_ENCRYPT] = TARGET "Encrypt",
    [BULLA_AWSKMS_DECRYPT] = TARGET "Decrypt",
    [BULLA_AWSKMS_GENERATE_DATA_KEY] = TARGET "GenerateDataKey",
    [BULLA_AWSKMS_GENERATE_DATA_KEY_WITHOUT_PLAINTEXT] = TARGET "GenerateDataKeyWithoutPlaintext",
    [BULLA_AWSKMS_RE_ENCRYPT] = TARGET "ReEncrypt",
    [BULLA_AWSKMS_DESCRIBE_KEY] = TARGET "DescribeKey",
    [BULLA_AWSKMS_LIST_KEYS] = TARGET "ListKeys",
    [BULLA_AWSKMS_LIST_ALIASES] = TARGET "ListAliases",
    [BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND] = TARGET "RotateKeyOnDemand",
    [BULLA_AWSKMS_GET_KEY_ROTATION_STATUS] = TARGET "GetKeyRotationStatus",
    [BULLA_AWSKMS_LIST_KEY_ROTATIONS] = TARGET "ListKeyRotations",
};

const char *bulla_awskms_target(bulla_awskms_op op)
{
    return targets[op];
}

const char *bulla_awskms_name(bulla_awskms_op op)
{
    return targets[op] + sizeof TARGET - 1;
}

/* --- requests --- */

static void put_text(bulla_json_writer *json, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0') return;
    bulla_json_put_name(json, name);
    bulla_json_put_text(json, bulla_view_text(text));
}

static void put_bytes(bulla_json_writer *json, const char *name, bulla_view bytes)
{
    bulla_json_put_name(json, name);
    bulla_json_put_base64(json, BULLA_JSON_BASE64, bytes);
}

static void put_int(bulla_json_writer *json, const char *name, int64_t value)
{
    bulla_json_put_name(json, name);
    bulla_json_put_int(json, value);
}

/* Names may be any UTF-8 but NUL, which no name of a member can hold here. */
static bool put_context(bulla_json_writer *json, const char *name, const bulla_context *context)
{
    size_t num = bulla_context_count(context);
    if (num == 0) return true;
    bulla_json_put_name(json, name);
    bulla_json_open(json, '{');
    for (size_t i = 0; i < num; i++) {
        bulla_pair pair = bulla_context_at(context, i);
        char key[BULLA_AWSKMS_MAX_CONTEXT_KEY];
        if (pair.key.len >= sizeof key || memchr(pair.key.data, '\0', pair.key.len) != NULL) return false;
        memcpy(key, pair.key.data, pair.key.len);
        key[pair.key.len] = '\0';
        bulla_json_put_name(json, key);
        bulla_json_put_text(json, pair.value);
    }
    bulla_json_close(json, '}');
    return true;
}

/* Exactly one of KeySpec and NumberOfBytes is allowed. */
static void put_len(bulla_json_writer *json, size_t len)
{
    if (len == 32 || len == 16)
        put_text(json, "KeySpec", len == 32 ? "AES_256" : "AES_128");
    else
        put_int(json, "NumberOfBytes", (int64_t)len);
}

static bool put_members(bulla_json_writer *json, const bulla_awskms_request *request)
{
    switch (request->op) {
    case BULLA_AWSKMS_ENCRYPT:
        put_text(json, "KeyId", request->key_id);
        put_bytes(json, "Plaintext", request->plaintext);
        return put_context(json, "EncryptionContext", request->context);
    case BULLA_AWSKMS_DECRYPT:
        put_text(json, "KeyId", request->key_id);
        put_bytes(json, "CiphertextBlob", request->blob);
        return put_context(json, "EncryptionContext", request->context);
    case BULLA_AWSKMS_GENERATE_DATA_KEY:
    case BULLA_AWSKMS_GENERATE_DATA_KEY_WITHOUT_PLAINTEXT:
        put_text(json, "KeyId", request->key_id);
        put_len(json, request->len);
        return put_context(json, "EncryptionContext", request->context);
    case BULLA_AWSKMS_RE_ENCRYPT:
        put_text(json, "SourceKeyId", request->key_id);
        put_text(json, "DestinationKeyId", request->key_id);
        put_bytes(json, "CiphertextBlob", request->blob);
        return put_context(json, "SourceEncryptionContext", request->context) &&
               put_context(json, "DestinationEncryptionContext", request->context);
    case BULLA_AWSKMS_DESCRIBE_KEY:
    case BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND:
    case BULLA_AWSKMS_GET_KEY_ROTATION_STATUS: put_text(json, "KeyId", request->key_id); return true;
    case BULLA_AWSKMS_LIST_KEY_ROTATIONS: put_text(json, "KeyId", request->key_id); break;
    case BULLA_AWSKMS_LIST_KEYS:
    case BULLA_AWSKMS_LIST_ALIASES: break;
    }
    put_int(json, "Limit", PAGE_ITEMS);
    put_text(json, "Marker", request->marker);
    return true;
}

bulla_status bulla_awskms_request_write(bulla_call *call, const bulla_awskms_request *request, bulla_writer *writer)
{
    bulla_json_writer json = bulla_json_writer_of(writer);
    bulla_json_open(&json, '{');
    bool is_whole = put_members(&json, request);
    bulla_json_close(&json, '}');
    if (is_whole && !writer->failed) return BULLA_OK;
    return bulla_fail(call, BULLA_ELIMIT, "the encryption context has a key that AWS KMS cannot take, or is too long");
}

/* --- answers --- */

static bulla_status lacks(bulla_call *call, const char *member)
{
    return bulla_fail(call, BULLA_EFORMAT, "%s has no \"%s\", or one that cannot be it", what, member);
}

static bulla_status arn_decode(bulla_call *call, bulla_json_value object, const char *member,
                               char out[BULLA_AWSARN_MAX])
{
    bulla_awsarn arn;
    char text[BULLA_AWSARN_MAX];
    if (!bulla_json_text(bulla_json_get(object, member), text, sizeof text) ||
        !bulla_awsarn_parse(bulla_view_text(text), &arn) || arn.is_alias)
        return lacks(call, member);
    memcpy(out, text, sizeof text);
    return BULLA_OK;
}

void bulla_awskms_answer_done(bulla_awskms_answer *answer)
{
    bulla_secret_unref(answer->plaintext);
    answer->plaintext = NULL;
}

bulla_status bulla_awskms_answer_decode(bulla_call *call, bulla_awskms_op op, bulla_view body,
                                        bulla_awskms_answer *out_answer)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_AWSKMS_ANSWER(answer);
    BULLA_TRY(bulla_json_parse(call, body, what, &json));
    bulla_json_value root = bulla_json_root(json);
    bulla_json_value blob = bulla_json_get(root, "CiphertextBlob");
    BULLA_TRY(arn_decode(call, root, "KeyId", answer.key_arn));
    if (op == BULLA_AWSKMS_RE_ENCRYPT) BULLA_TRY(arn_decode(call, root, "SourceKeyId", answer.source_arn));
    if (op != BULLA_AWSKMS_DECRYPT &&
        (!bulla_json_bytes(blob, BULLA_JSON_BASE64, answer.blob, sizeof answer.blob, &answer.blob_len) ||
         answer.blob_len == 0))
        return lacks(call, "CiphertextBlob");
    if (op == BULLA_AWSKMS_DECRYPT || op == BULLA_AWSKMS_GENERATE_DATA_KEY)
        BULLA_TRY(bulla_json_secret(call, bulla_json_get(root, "Plaintext"), BULLA_JSON_BASE64,
                                    "\"Plaintext\" in the answer of AWS KMS", &answer.plaintext));
    *out_answer = answer;
    answer.plaintext = NULL;
    return BULLA_OK;
}

/* What is neither enabled nor any of these is on its way from one to another: it cannot be used. */
static bulla_key_state state_of(bulla_json_value metadata)
{
    static const struct {
        const char *name;
        bulla_key_state state;
    } states[] = {
        {"Enabled", BULLA_KEY_ENABLED},
        {"Disabled", BULLA_KEY_DISABLED},
        {"PendingDeletion", BULLA_KEY_PENDING_DELETION},
        {"PendingReplicaDeletion", BULLA_KEY_PENDING_DELETION},
        {"PendingImport", BULLA_KEY_PENDING_IMPORT},
    };
    bulla_json_value state = bulla_json_get(metadata, "KeyState");
    for (size_t i = 0; i < BULLA_LEN(states); i++)
        if (bulla_json_is(state, states[i].name)) return states[i].state;
    return bulla_json_is(state, "Updating") ? BULLA_KEY_ENABLED : BULLA_KEY_DISABLED;
}

/* KeySpec, or its twin of before 2021. Such a key has no usage but one. */
static bool is_symmetric(bulla_json_value metadata)
{
    bulla_json_value spec = bulla_json_get(metadata, "KeySpec");
    if (bulla_json_kind_of(spec) == BULLA_JSON_NONE) spec = bulla_json_get(metadata, "CustomerMasterKeySpec");
    return bulla_json_is(spec, "SYMMETRIC_DEFAULT");
}

bulla_status bulla_awskms_key_decode(bulla_call *call, bulla_view body, bulla_awskms_key *out_key)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_awskms_key key;
    memset(&key, 0, sizeof key);
    BULLA_TRY(bulla_json_parse(call, body, what, &json));
    bulla_json_value metadata = bulla_json_get(bulla_json_root(json), "KeyMetadata");
    BULLA_TRY(arn_decode(call, metadata, "Arn", key.arn));
    if (!bulla_json_text(bulla_json_get(metadata, "KeyId"), key.id, sizeof key.id)) return lacks(call, "KeyId");
    key.state = state_of(metadata);
    key.is_symmetric = is_symmetric(metadata);
    key.is_imported = bulla_json_is(bulla_json_get(metadata, "Origin"), "EXTERNAL");
    (void)bulla_json_time_s(bulla_json_get(metadata, "CreationDate"), &key.created_s);
    (void)bulla_json_time_s(bulla_json_get(metadata, "DeletionDate"), &key.deletion_s);
    *out_key = key;
    return BULLA_OK;
}

bulla_status bulla_awskms_rotation_decode(bulla_call *call, bulla_view body, bulla_awskms_rotation *out_rotation)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_awskms_rotation rotation = {.period_days = 0};
    bool is_enabled = false;
    int64_t days = 365, started_s = 0; /* the period of before 2024, when it was not said */
    BULLA_TRY(bulla_json_parse(call, body, what, &json));
    bulla_json_value root = bulla_json_root(json);
    if (!bulla_json_bool(bulla_json_get(root, "KeyRotationEnabled"), &is_enabled))
        return lacks(call, "KeyRotationEnabled");
    (void)bulla_json_int(bulla_json_get(root, "RotationPeriodInDays"), &days);
    if (is_enabled && days > 0 && days <= 36500) rotation.period_days = (uint32_t)days;
    if (is_enabled) (void)bulla_json_time_s(bulla_json_get(root, "NextRotationDate"), &rotation.next_s);
    rotation.is_running = bulla_json_time_s(bulla_json_get(root, "OnDemandRotationStartDate"), &started_s);
    *out_rotation = rotation;
    return BULLA_OK;
}

/* --- lists --- */

typedef struct listing {
    const char *list, *name, *target;
} listing;

static const listing keys_listing = {"Keys", "KeyId", "KeyArn"};
static const listing aliases_listing = {"Aliases", "AliasName", "TargetKeyId"};

static bulla_status item_visit(bulla_call *call, const listing *kind, bulla_json_value item, bulla_awskms_visit visit,
                               void *arg)
{
    char name[BULLA_AWSKMS_MAX_ALIAS], target[BULLA_AWSARN_MAX];
    if (!bulla_json_text(bulla_json_get(item, kind->name), name, sizeof name)) return lacks(call, kind->name);
    bulla_json_value value = bulla_json_get(item, kind->target);
    if (kind == &aliases_listing && bulla_json_kind_of(value) == BULLA_JSON_NONE) return BULLA_OK;
    if (!bulla_json_text(value, target, sizeof target)) return lacks(call, kind->target);
    return visit(arg, call, name, target);
}

static bulla_status rotation_visit(bulla_call *call, bulla_json_value item, bulla_awskms_visit visit, void *arg)
{
    int64_t date_s = 0;
    char text[24];
    if (!bulla_json_time_s(bulla_json_get(item, "RotationDate"), &date_s)) return lacks(call, "RotationDate");
    (void)snprintf(text, sizeof text, "%lld", (long long)date_s);
    return visit(arg, call, "", text);
}

/* NextMarker counts only beside Truncated; without it the list would never end. */
static bulla_status page_end(bulla_call *call, bulla_json_value root, bulla_awskms_page *page)
{
    bool is_truncated = false;
    (void)bulla_json_bool(bulla_json_get(root, "Truncated"), &is_truncated);
    if (!is_truncated) return BULLA_OK;
    if (!bulla_json_text(bulla_json_get(root, "NextMarker"), page->marker, sizeof page->marker) ||
        page->marker[0] == '\0')
        return lacks(call, "NextMarker");
    return BULLA_OK;
}

bulla_status bulla_awskms_page_decode(bulla_call *call, bulla_awskms_op op, bulla_view body, bulla_awskms_visit visit,
                                      void *arg, bulla_awskms_page *out_page)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_awskms_page page = {.num_items = 0};
    const listing *kind = op == BULLA_AWSKMS_LIST_KEYS      ? &keys_listing
                          : op == BULLA_AWSKMS_LIST_ALIASES ? &aliases_listing
                                                            : NULL;
    const char *name = kind == NULL ? "Rotations" : kind->list;
    BULLA_TRY(bulla_json_parse(call, body, what, &json));
    bulla_json_value list = bulla_json_get(bulla_json_root(json), name);
    if (bulla_json_kind_of(list) != BULLA_JSON_ARRAY) return lacks(call, name);
    BULLA_TRY(page_end(call, bulla_json_root(json), &page));
    for (bulla_json_value item = bulla_json_first(list); bulla_json_kind_of(item) != BULLA_JSON_NONE;
         item = bulla_json_next(item)) {
        BULLA_TRY(kind == NULL ? rotation_visit(call, item, visit, arg) : item_visit(call, kind, item, visit, arg));
        page.num_items++;
    }
    *out_page = page;
    return BULLA_OK;
}

/* --- errors --- */

/* com.amazonaws.kms#NotFoundException:http://… is NotFoundException. */
static void code_clean(const char *text, char *out, size_t cap)
{
    const char *hash = strchr(text, '#');
    if (hash != NULL) text = hash + 1;
    size_t len = 0;
    while (len + 1 < cap && ((text[len] >= 'A' && text[len] <= 'Z') || (text[len] >= 'a' && text[len] <= 'z'))) {
        out[len] = text[len];
        len++;
    }
    out[len] = '\0';
}

/* What stands before KMS, and what stands in for it, may refuse in the XML of older services. */
static void xml_decode(bulla_view body, bulla_awskms_error *error)
{
    bulla_awssts_error xml;
    bulla_awssts_error_decode(body, &xml);
    if (xml.code[0] == '\0') return;
    code_clean(xml.code, error->code, sizeof error->code);
    memcpy(error->message, xml.message, sizeof xml.message);
}

void bulla_awskms_error_decode(bulla_view body, const char *header, bulla_awskms_error *out_error)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_awskms_error error;
    char type[256] = "";
    memset(&error, 0, sizeof error);
    code_clean(header, error.code, sizeof error.code);
    if (body.len != 0 && body.data[0] == '<') {
        xml_decode(body, &error);
    } else if (bulla_json_parse(NULL, body, what, &json) == BULLA_OK) {
        bulla_json_value root = bulla_json_root(json);
        bulla_answer_words(bulla_json_get(root, "__type"), type, sizeof type);
        if (type[0] != '\0') code_clean(type, error.code, sizeof error.code);
        bulla_answer_words(bulla_json_get(root, "message"), error.message, sizeof error.message);
        if (error.message[0] == '\0')
            bulla_answer_words(bulla_json_get(root, "Message"), error.message, sizeof error.message);
    }
    *out_error = error;
}
