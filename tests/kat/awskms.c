/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings of the real AWS KMS against the codec: requests must be written as they were sent, answers must be read.
 * They lie in $BULLA_VECTORS: cloud-kms-recordings (whole exchanges) and aws-kms-snapshots (what answers said, with
 * placeholders for names and dates).
 */
#include "wire/awskms.h"

#include "kat.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_BODY 65536u

typedef struct exchange {
    char asked[MAX_BODY], answered[MAX_BODY];
    const char *operation;
    int code;
    json_t *request; /* asked, taken apart */
} exchange;

static bool text_decode(const json_t *base64, char *out)
{
    size_t len = 0;
    const char *text = json_string_value(base64);
    if (text == NULL || !bulla_base64_decode(bulla_view_text(text), (uint8_t *)out, MAX_BODY - 1, &len)) return false;
    out[len] = '\0';
    return true;
}

/* The bytes of a member in base64, decoded in place of `out`. */
static bulla_view bytes_at(const exchange *e, const char *member, uint8_t *out)
{
    size_t len = 0;
    const char *text = json_string_value(json_object_get(e->request, member));
    return text != NULL && bulla_base64_decode(bulla_view_text(text), out, MAX_BODY, &len) ? bulla_view_of(out, len)
                                                                                           : bulla_view_of(NULL, 0);
}

static bool request_matches(const exchange *e, bulla_awskms_op op)
{
    static uint8_t bytes[MAX_BODY], written[MAX_BODY];
    bulla_awskms_request request = {.op = op, .key_id = json_string_value(json_object_get(e->request, "KeyId"))};
    if (op == BULLA_AWSKMS_ENCRYPT) request.plaintext = bytes_at(e, "Plaintext", bytes);
    if (op == BULLA_AWSKMS_DECRYPT) request.blob = bytes_at(e, "CiphertextBlob", bytes);
    bulla_writer writer = bulla_writer_of(written, sizeof written);
    return bulla_awskms_request_write(NULL, &request, &writer) == BULLA_OK &&
           bulla_view_is(bulla_view_of(written, writer.len), e->asked);
}

static bulla_status alias_count(void *arg, bulla_call *call, const char *name, const char *target)
{
    (void)call;
    if (strncmp(name, "alias/", 6) == 0 && target[0] != '\0') ++*(size_t *)arg;
    return BULLA_OK;
}

/* Every alias with a key in the raw text comes out of the reader. */
static bool aliases_match(const exchange *e)
{
    bulla_awskms_page page;
    size_t seen = 0, wanted = 0;
    for (const char *at = e->answered; (at = strstr(at, "\"TargetKeyId\"")) != NULL; at++)
        wanted++;
    return bulla_awskms_page_decode(NULL, BULLA_AWSKMS_LIST_ALIASES, bulla_view_text(e->answered), alias_count, &seen,
                                    &page) == BULLA_OK &&
           seen == wanted && wanted != 0 && page.marker[0] == '\0';
}

static bool exchange_matches(const exchange *e)
{
    bulla_view body = bulla_view_text(e->answered);
    BULLA_AWSKMS_ANSWER(answer);
    bulla_awskms_error error;
    if (strcmp(e->operation, bulla_awskms_target(BULLA_AWSKMS_LIST_ALIASES)) == 0) return aliases_match(e);
    bool encrypts = strcmp(e->operation, bulla_awskms_target(BULLA_AWSKMS_ENCRYPT)) == 0;
    bulla_awskms_op op = encrypts ? BULLA_AWSKMS_ENCRYPT : BULLA_AWSKMS_DECRYPT;
    if (!request_matches(e, op)) return false;
    if (e->code != 200) {
        bulla_awskms_error_decode(body, "", &error);
        return strcmp(error.code, "InvalidCiphertextException") == 0 && error.message[0] == '\0';
    }
    if (bulla_awskms_answer_decode(NULL, op, body, &answer) != BULLA_OK) return false;
    return encrypts ? answer.blob_len > 100
                    : bulla_view_is(bulla_secret_borrow(answer.plaintext), "I'm a secret message!");
}

static void recording_run(const char *path, kat_counts *counts)
{
    static exchange e;
    size_t index;
    const json_t *entry;
    json_t *recording = json_load_file(path, 0, NULL);
    if (recording == NULL) kat_count(counts, KAT_FAIL);
    json_array_foreach(json_object_get(recording, "Entries"), index, entry)
    {
        const json_t *request = json_object_get(entry, "Request"), *response = json_object_get(entry, "Response");
        const json_t *target = json_object_get(json_object_get(request, "Header"), "X-Amz-Target");
        e.operation = json_string_value(json_array_get(target, 0));
        e.code = (int)json_integer_value(json_object_get(response, "StatusCode"));
        bool is_read = text_decode(json_array_get(json_object_get(request, "BodyParts"), 0), e.asked) &&
                       text_decode(json_object_get(response, "Body"), e.answered);
        e.request = json_loads(e.asked, 0, NULL);
        bool passed = is_read && exchange_matches(&e);
        if (!passed) (void)fprintf(stderr, "%s, exchange %zu: %s\n%s\n", path, index, e.asked, e.answered);
        kat_count(counts, passed ? KAT_PASS : KAT_FAIL);
        json_decref(e.request);
    }
    json_decref(recording);
}

static void folder_run(const char *folder, kat_counts *counts)
{
    char path[1024];
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strstr(entry->d_name, ".replay") != NULL) recording_run(path, counts);
    }
    if (dir != NULL) (void)closedir(dir);
}

/* --- snapshots --- */

static void placeholders_fill(const char *text, char *out, size_t cap)
{
    static const char *const names[][2] = {{"<partition>", "aws"},
                                           {"<region>", "eu-central-1"},
                                           {"<key-id:1>", "k-1"},
                                           {"<key-id:2>", "k-2"},
                                           {"<secondary-region>", "us-east-1"}};
    size_t len = 0;
    while (*text != '\0' && len + 32 < cap) {
        size_t i = 0;
        while (i < BULLA_LEN(names) && strncmp(text, names[i][0], strlen(names[i][0])) != 0)
            i++;
        if (i < BULLA_LEN(names))
            len += (size_t)sprintf(out + len, "%s", names[i][1]);
        else
            out[len++] = *text;
        text += i < BULLA_LEN(names) ? strlen(names[i][0]) : 1;
    }
    out[len] = '\0';
}

/* {"Code": …, "Message": …} as KMS had it on the wire. */
static bool error_matches(const json_t *error)
{
    bulla_awskms_error decoded;
    const char *code = json_string_value(json_object_get(error, "Code"));
    json_t *body = json_pack("{s:s, s:O}", "__type", code, "message", json_object_get(error, "Message"));
    char *text = json_dumps(body, 0);
    bulla_awskms_error_decode(bulla_view_text(text), "", &decoded);
    free(text);
    json_decref(body);
    return strcmp(decoded.code, code) == 0;
}

static bool metadata_matches(const json_t *metadata)
{
    static char filled[MAX_BODY];
    bulla_awskms_key key;
    json_t *body = json_pack("{s:O}", "KeyMetadata", metadata);
    char *text = json_dumps(body, 0);
    placeholders_fill(text, filled, sizeof filled);
    free(text);
    json_decref(body);
    bool is_read = bulla_awskms_key_decode(NULL, bulla_view_text(filled), &key) == BULLA_OK;
    const char *spec = json_string_value(json_object_get(metadata, "KeySpec"));
    bool enabled = json_is_true(json_object_get(metadata, "Enabled"));
    if (!is_read) (void)fprintf(stderr, "%s\n", filled);
    return is_read && key.is_symmetric == (spec != NULL && strcmp(spec, "SYMMETRIC_DEFAULT") == 0) &&
           enabled == (key.state == BULLA_KEY_ENABLED);
}

static void snapshot_walk(const json_t *value, kat_counts *errors, kat_counts *keys)
{
    const char *name;
    json_t *member;
    size_t index;
    bool is_error = json_is_string(json_object_get(value, "Code")) && json_is_string(json_object_get(value, "Message"));
    bool is_key = json_is_string(json_object_get(value, "KeyState")) && json_is_string(json_object_get(value, "Arn"));
    if (is_error) kat_count(errors, error_matches(value) ? KAT_PASS : KAT_FAIL);
    if (is_key) kat_count(keys, metadata_matches(value) ? KAT_PASS : KAT_FAIL);
    json_object_foreach((json_t *)(uintptr_t)value, name, member) snapshot_walk(member, errors, keys);
    json_array_foreach(value, index, member) snapshot_walk(member, errors, keys);
}

int main(void)
{
    char path[1024];
    kat_counts exchanges = {0}, errors = {0}, keys = {0};
    const char *vectors = getenv("BULLA_VECTORS");
    if (vectors == NULL)
        return kat_absent(
            "BULLA_VECTORS is not set; it names the folder with cloud-kms-recordings and aws-kms-snapshots");
    (void)snprintf(path, sizeof path, "%s/cloud-kms-recordings/secrets/awskms/testdata/TestConformance", vectors);
    folder_run(path, &exchanges);
    (void)snprintf(path, sizeof path, "%s/cloud-kms-recordings/secrets/awskms/testdata/TestConformance/TestAs",
                   vectors);
    folder_run(path, &exchanges);
    (void)snprintf(path, sizeof path, "%s/aws-kms-snapshots/test_kms.snapshot.json", vectors);
    json_t *snapshots = json_load_file(path, 0, NULL);
    snapshot_walk(snapshots, &errors, &keys);
    json_decref(snapshots);
    bool passed = kat_report("AWS KMS, recorded exchanges", &exchanges);
    passed = kat_report("AWS KMS, refusals in snapshots", &errors) && passed;
    return kat_report("AWS KMS, keys in snapshots", &keys) && passed ? 0 : 1;
}
