/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/gcpkms.h"

#include "wire/answer.h"
#include "wire/crc32c.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_PART 128u /* of a name; Google allows 63 for most */

/* --- names --- */

/* "LITERAL/" and then what is before the next slash or the end. Only projects may have what is in `more`: those of
 * domains are called example.com:app. */
static bool part_read(bulla_view *rest, const char *literal, const char *more, bulla_view *out_part)
{
    size_t len = strlen(literal);
    if (rest->len < len || memcmp(rest->data, literal, len) != 0) return false;
    bulla_view after = bulla_view_of(rest->data + len, rest->len - len);
    size_t end = 0;
    while (end < after.len && after.data[end] != '/') {
        uint8_t c = after.data[end++];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!is_plain && c != '_' && (c == 0 || strchr(more, c) == NULL)) return false;
    }
    *out_part = bulla_view_of(after.data, end);
    *rest = bulla_view_of(after.data + end, after.len - end);
    return end != 0 && end <= MAX_PART && after.data[0] != '.';
}

/* "/cryptoKeyVersions/N", N from 1 without leading zeros. */
static bool version_parse(bulla_view rest, uint32_t *out_version)
{
    bulla_view digits;
    uint64_t number = 0;
    if (!part_read(&rest, "/cryptoKeyVersions/", "", &digits) || rest.len != 0 || digits.len > 10) return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') return false;
        number = number * 10 + (digits.data[i] - (uint64_t)'0');
    }
    *out_version = (uint32_t)number;
    return digits.data[0] != '0' && number <= UINT32_MAX;
}

bool bulla_gcpkms_name_parse(bulla_view text, bulla_gcpkms_name *out_name)
{
    bulla_gcpkms_name name = {.version = 0};
    bulla_view rest = text;
    if (text.len == 0 || text.len >= BULLA_GCPKMS_MAX_NAME) return false;
    if (!part_read(&rest, "projects/", ".:", &name.project) || !part_read(&rest, "/locations/", "", &name.location) ||
        !part_read(&rest, "/keyRings/", "", &name.ring) || !part_read(&rest, "/cryptoKeys/", "", &name.id))
        return false;
    name.key = bulla_view_of(text.data, text.len - rest.len);
    if (rest.len != 0 && !version_parse(rest, &name.version)) return false;
    *out_name = name;
    return true;
}

/* --- requests --- */

typedef struct field {
    const char *name, *sum_name;
    bulla_view bytes;
} field;

/* int64 in JSON is a string of digits (protobuf's JSON mapping). */
static void sum_write(bulla_json_writer *json, const field *what)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%" PRIu32, bulla_crc32c(what->bytes));
    bulla_json_put_name(json, what->sum_name);
    bulla_json_put_text(json, bulla_view_text(text));
}

static void body_write(bulla_writer *out, const field *first, const field *second)
{
    bulla_json_writer json = bulla_json_writer_of(out);
    bulla_json_open(&json, '{');
    bulla_json_put_name(&json, first->name);
    bulla_json_put_base64(&json, BULLA_JSON_BASE64, first->bytes);
    sum_write(&json, first);
    if (second->bytes.len != 0) {
        bulla_json_put_name(&json, second->name);
        bulla_json_put_base64(&json, BULLA_JSON_BASE64, second->bytes);
        sum_write(&json, second);
    }
    bulla_json_close(&json, '}');
}

static bulla_status body_encode(bulla_call *call, const field *first, bulla_view aad, bulla_secret **out_body)
{
    const field second = {"additionalAuthenticatedData", "additionalAuthenticatedDataCrc32c", aad};
    bulla_writer count = bulla_writer_of(NULL, 0);
    BULLA_AUTO(bulla_secret) *body = NULL;
    if (aad.len > BULLA_GCPKMS_MAX_AAD)
        return bulla_fail(call, BULLA_ELIMIT, "Cloud KMS takes a context of at most %u bytes", BULLA_GCPKMS_MAX_AAD);
    body_write(&count, first, &second);
    BULLA_TRY(bulla_secret_new(call, count.len, &body));
    bulla_writer out = bulla_writer_of(bulla_secret_fill(body), count.len);
    body_write(&out, first, &second);
    if (out.failed) return bulla_fail(call, BULLA_EINTERNAL, "the request to Cloud KMS could not be written");
    *out_body = BULLA_TAKE(body);
    return BULLA_OK;
}

bulla_status bulla_gcpkms_encrypt_encode(bulla_call *call, bulla_view plaintext, bulla_view aad,
                                         bulla_secret **out_body)
{
    const field first = {"plaintext", "plaintextCrc32c", plaintext};
    return body_encode(call, &first, aad, out_body);
}

bulla_status bulla_gcpkms_decrypt_encode(bulla_call *call, bulla_view ciphertext, bulla_view aad,
                                         bulla_secret **out_body)
{
    const field first = {"ciphertext", "ciphertextCrc32c", ciphertext};
    return body_encode(call, &first, aad, out_body);
}

/* --- answers of encrypt and decrypt --- */

void bulla_gcpkms_answer_done(bulla_gcpkms_answer *answer)
{
    bulla_secret_unref(answer->bytes);
    answer->bytes = NULL;
}

static bulla_status not_promised(bulla_call *call, const char *what)
{
    return bulla_fail(call, BULLA_EFORMAT, "the answer of Cloud KMS has no %s, or a malformed one", what);
}

/* Booleans are absent when they are false (protobuf's JSON mapping). */
static bool is_true(bulla_json_value root, const char *name)
{
    bool value = false;
    return bulla_json_bool(bulla_json_get(root, name), &value) && value;
}

static bulla_gcpkms_sums sums_compare(bulla_json_value root, const char *sum_name, bulla_view bytes)
{
    int64_t sum = 0;
    bulla_json_value value = bulla_json_get(root, sum_name);
    if (bulla_json_kind_of(value) == BULLA_JSON_NONE) return BULLA_GCPKMS_SUMS_ABSENT;
    if (!bulla_answer_int(value, &sum)) return BULLA_GCPKMS_SUMS_WRONG;
    return sum == (int64_t)bulla_crc32c(bytes) ? BULLA_GCPKMS_SUMS_RIGHT : BULLA_GCPKMS_SUMS_WRONG;
}

bulla_status bulla_gcpkms_encrypt_read(bulla_call *call, bulla_view body, bulla_gcpkms_answer *out_answer)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_GCPKMS_ANSWER(answer);
    bulla_gcpkms_name name;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of Cloud KMS", &json));
    bulla_json_value root = bulla_json_root(json);
    if (!bulla_json_text(bulla_json_get(root, "name"), answer.name, sizeof answer.name) ||
        !bulla_gcpkms_name_parse(bulla_view_text(answer.name), &name) || name.version == 0)
        return not_promised(call, "name of a key version");
    BULLA_TRY(bulla_json_secret(call, bulla_json_get(root, "ciphertext"), BULLA_JSON_BASE64, "the ciphertext",
                                &answer.bytes));
    answer.sums = sums_compare(root, "ciphertextCrc32c", bulla_secret_borrow(answer.bytes));
    if (answer.sums == BULLA_GCPKMS_SUMS_RIGHT && !is_true(root, "verifiedPlaintextCrc32c"))
        answer.sums = BULLA_GCPKMS_SUMS_WRONG;
    answer.has_aad = is_true(root, "verifiedAdditionalAuthenticatedDataCrc32c");
    *out_answer = answer;
    answer.bytes = NULL;
    return BULLA_OK;
}

bulla_status bulla_gcpkms_decrypt_read(bulla_call *call, bulla_view body, bulla_gcpkms_answer *out_answer)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_GCPKMS_ANSWER(answer);
    BULLA_TRY(bulla_json_parse(call, body, "the answer of Cloud KMS", &json));
    bulla_json_value root = bulla_json_root(json);
    BULLA_TRY(
        bulla_json_secret(call, bulla_json_get(root, "plaintext"), BULLA_JSON_BASE64, "the plaintext", &answer.bytes));
    answer.sums = sums_compare(root, "plaintextCrc32c", bulla_secret_borrow(answer.bytes));
    *out_answer = answer;
    answer.bytes = NULL;
    return BULLA_OK;
}

/* --- keys --- */

static bulla_gcpkms_state state_read(bulla_json_value value)
{
    static const struct {
        const char *name;
        bulla_gcpkms_state state;
    } states[] = {
        {"ENABLED", BULLA_GCPKMS_ENABLED},
        {"DISABLED", BULLA_GCPKMS_DISABLED},
        {"DESTROY_SCHEDULED", BULLA_GCPKMS_DESTROY_SCHEDULED},
        {"DESTROYED", BULLA_GCPKMS_DESTROYED},
        {"PENDING_GENERATION", BULLA_GCPKMS_PENDING},
        {"PENDING_IMPORT", BULLA_GCPKMS_PENDING},
        {"GENERATION_FAILED", BULLA_GCPKMS_DESTROYED},
        {"IMPORT_FAILED", BULLA_GCPKMS_DESTROYED},
        {"PENDING_EXTERNAL_DESTRUCTION", BULLA_GCPKMS_DESTROYED},
        {"EXTERNAL_DESTRUCTION_FAILED", BULLA_GCPKMS_DESTROYED},
    };
    for (size_t i = 0; i < BULLA_LEN(states); i++)
        if (bulla_json_is(value, states[i].name)) return states[i].state;
    return BULLA_GCPKMS_UNKNOWN;
}

static bool version_of(bulla_json_value value, bulla_gcpkms_version *out_version)
{
    char text[BULLA_GCPKMS_MAX_NAME];
    bulla_gcpkms_name name;
    bulla_gcpkms_version version = {.number = 0};
    if (!bulla_json_text(bulla_json_get(value, "name"), text, sizeof text) ||
        !bulla_gcpkms_name_parse(bulla_view_text(text), &name) || name.version == 0)
        return false;
    version.number = name.version;
    version.state = state_read(bulla_json_get(value, "state"));
    (void)bulla_answer_date(bulla_json_get(value, "createTime"), &version.created_s);
    if (!bulla_answer_date(bulla_json_get(value, "destroyEventTime"), &version.destroy_s))
        (void)bulla_answer_date(bulla_json_get(value, "destroyTime"), &version.destroy_s);
    *out_version = version;
    return true;
}

/* A Duration, "7776000s" (protobuf's JSON mapping); fractions are cut. */
static int64_t duration_read(bulla_json_value value)
{
    char text[32];
    int64_t seconds = 0;
    if (!bulla_json_text(value, text, sizeof text)) return 0;
    for (const char *c = text; *c >= '0' && *c <= '9' && c - text < 12; c++)
        seconds = seconds * 10 + (*c - '0');
    return seconds;
}

static bool key_of(bulla_json_value value, bulla_gcpkms_key *out_key)
{
    bulla_gcpkms_name name;
    bulla_gcpkms_key key = {.is_symmetric = bulla_json_is(bulla_json_get(value, "purpose"), "ENCRYPT_DECRYPT")};
    bulla_json_value primary = bulla_json_get(value, "primary");
    if (!bulla_json_text(bulla_json_get(value, "name"), key.name, sizeof key.name) ||
        !bulla_gcpkms_name_parse(bulla_view_text(key.name), &name) || name.version != 0)
        return false;
    if (bulla_json_kind_of(primary) == BULLA_JSON_OBJECT && !version_of(primary, &key.primary)) return false;
    (void)bulla_answer_date(bulla_json_get(value, "createTime"), &key.created_s);
    (void)bulla_answer_date(bulla_json_get(value, "nextRotationTime"), &key.next_rotation_s);
    key.rotation_period_s = duration_read(bulla_json_get(value, "rotationPeriod"));
    *out_key = key;
    return true;
}

bulla_status bulla_gcpkms_key_read(bulla_call *call, bulla_view body, bulla_gcpkms_key *out_key)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of Cloud KMS", &json));
    return key_of(bulla_json_root(json), out_key) ? BULLA_OK : not_promised(call, "key");
}

bulla_status bulla_gcpkms_version_read(bulla_call *call, bulla_view body, bulla_gcpkms_version *out_version)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of Cloud KMS", &json));
    return version_of(bulla_json_root(json), out_version) ? BULLA_OK : not_promised(call, "key version");
}

bulla_status bulla_gcpkms_list_read(bulla_call *call, bulla_view body, bulla_gcpkms_visit visit, void *arg,
                                    char page[BULLA_GCPKMS_MAX_PAGE])
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_gcpkms_key key;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of Cloud KMS", &json));
    bulla_json_value root = bulla_json_root(json);
    bulla_json_value item = bulla_json_first(bulla_json_get(root, "cryptoKeys"));
    for (; bulla_json_kind_of(item) != BULLA_JSON_NONE; item = bulla_json_next(item)) {
        if (!key_of(item, &key)) return not_promised(call, "key in a list");
        BULLA_TRY(visit(arg, call, &key));
    }
    return bulla_answer_next(bulla_json_get(root, "nextPageToken"), page, BULLA_GCPKMS_MAX_PAGE)
               ? BULLA_OK
               : not_promised(call, "token of the next page");
}

bulla_status bulla_gcpkms_total_read(bulla_call *call, bulla_view body, uint32_t *out_total)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    int64_t total = 0;
    BULLA_TRY(bulla_json_parse(call, body, "the answer of Cloud KMS", &json));
    bool is_said = bulla_json_int(bulla_json_get(bulla_json_root(json), "totalSize"), &total);
    *out_total = is_said && total > 0 && total <= UINT32_MAX ? (uint32_t)total : 0;
    return BULLA_OK;
}

void bulla_gcpkms_error_read(bulla_view body, bulla_gcpkms_error *out_error)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    memset(out_error, 0, sizeof *out_error);
    if (bulla_json_parse(NULL, body, "the refusal", &json) != BULLA_OK) return;
    bulla_json_value error = bulla_json_get(bulla_json_root(json), "error");
    bulla_answer_words(bulla_json_get(error, "status"), out_error->status, sizeof out_error->status);
    bulla_answer_words(bulla_json_get(error, "message"), out_error->text, sizeof out_error->text);
}
