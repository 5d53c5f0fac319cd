/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/transit.h"

#include "base/mem.h"
#include "wire/answer.h"

#define MAX_VERSION_DIGITS 9u

static bulla_status malformed(bulla_call *call, const char *what)
{
    return bulla_fail(call, BULLA_EFORMAT, "the answer has no proper %s", what);
}

/* The number of "vN:" without leading zeros; the text after it in *out_rest. */
static bool version_parse(bulla_view text, uint32_t *out_version, bulla_view *out_rest)
{
    uint32_t version = 0;
    size_t at = 0;
    for (; at < text.len && at < MAX_VERSION_DIGITS && text.data[at] >= '0' && text.data[at] <= '9'; at++)
        version = version * 10 + (uint32_t)(text.data[at] - '0');
    if (at == 0 || text.data[0] == '0' || at >= text.len || text.data[at] != ':') return false;
    *out_version = version;
    *out_rest = bulla_view_of(text.data + at + 1, text.len - at - 1);
    return true;
}

bool bulla_transit_ciphertext_is(bulla_view text, uint32_t *out_version)
{
    static const char prefix[] = "vault:v";
    const size_t len = sizeof prefix - 1;
    uint8_t bytes[BULLA_TRANSIT_MAX_CIPHERTEXT];
    size_t num = 0;
    uint32_t version = 0;
    if (text.len <= len || text.len > BULLA_TRANSIT_MAX_CIPHERTEXT || memcmp(text.data, prefix, len) != 0) return false;
    if (!version_parse(bulla_view_of(text.data + len, text.len - len), &version, &text)) return false;
    if (text.len == 0 || !bulla_base64_decode(text, bytes, sizeof bytes, &num)) return false;
    *out_version = version;
    return true;
}

static void request_write(const bulla_transit_request *request, bulla_writer *out)
{
    bulla_json_writer json = bulla_json_writer_of(out);
    bulla_json_open(&json, '{');
    if (request->plaintext.len != 0) {
        bulla_json_put_name(&json, "plaintext");
        bulla_json_put_base64(&json, BULLA_JSON_BASE64, request->plaintext);
    }
    if (request->ciphertext.len != 0) {
        bulla_json_put_name(&json, "ciphertext");
        bulla_json_put_text(&json, request->ciphertext);
    }
    if (request->bits != 0) {
        bulla_json_put_name(&json, "bits");
        bulla_json_put_int(&json, request->bits);
    }
    if (request->data.len != 0) {
        bulla_json_put_name(&json, "associated_data");
        bulla_json_put_base64(&json, BULLA_JSON_BASE64, request->data);
    }
    bulla_json_close(&json, '}');
}

bulla_status bulla_transit_request_encode(bulla_call *call, const bulla_transit_request *request,
                                          bulla_secret **out_body)
{
    BULLA_AUTO(bulla_secret) *body = NULL;
    bulla_writer counter = bulla_writer_of(NULL, 0);
    request_write(request, &counter);
    BULLA_TRY(bulla_secret_new(call, counter.len, &body));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(body), counter.len);
    request_write(request, &writer);
    if (writer.failed) return bulla_fail(call, BULLA_EFORMAT, "the ciphertext is not UTF-8");
    *out_body = BULLA_TAKE(body);
    return BULLA_OK;
}

void bulla_transit_answer_done(bulla_transit_answer *answer)
{
    bulla_secret_unref(answer->plaintext);
    *answer = (bulla_transit_answer){.version = 0};
}

/* A server that does not know a member of the request says so, and works without it. */
static bool warns_of(bulla_json_value root, const char *member)
{
    char text[512];
    bulla_json_value warning = bulla_json_first(bulla_json_get(root, "warnings"));
    for (; bulla_json_kind_of(warning) != BULLA_JSON_NONE; warning = bulla_json_next(warning)) {
        bulla_answer_words(warning, text, sizeof text);
        if (strstr(text, member) != NULL) return true;
    }
    return false;
}

static bulla_status parse(bulla_call *call, bulla_view body, bulla_json **out_json, bulla_json_value *out_data)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_TRY(bulla_json_parse(call, body, "the answer", &json));
    bulla_json_value data = bulla_json_get(bulla_json_root(json), "data");
    if (bulla_json_kind_of(data) != BULLA_JSON_OBJECT) return malformed(call, "data");
    *out_data = data;
    *out_json = BULLA_TAKE(json);
    return BULLA_OK;
}

bulla_status bulla_transit_answer_decode(bulla_call *call, bulla_view body, unsigned wanted,
                                         bulla_transit_answer *out_answer)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_json_value data;
    BULLA_TRANSIT_ANSWER(answer);
    BULLA_TRY(parse(call, body, &json, &data));
    answer.ignored_data = warns_of(bulla_json_root(json), "associated_data");
    if ((wanted & BULLA_TRANSIT_CIPHERTEXT) != 0) {
        bulla_json_value text = bulla_json_get(data, "ciphertext");
        if (!bulla_json_text(text, answer.ciphertext, sizeof answer.ciphertext) ||
            !bulla_transit_ciphertext_is(bulla_view_text(answer.ciphertext), &answer.version))
            return malformed(call, "ciphertext");
    }
    if ((wanted & BULLA_TRANSIT_PLAINTEXT) != 0)
        BULLA_TRY(bulla_json_secret(call, bulla_json_get(data, "plaintext"), BULLA_JSON_BASE64,
                                    "the answer's plaintext", &answer.plaintext));
    *out_answer = answer;
    answer.plaintext = NULL;
    return BULLA_OK;
}

bool bulla_transit_type_binds(const char *type)
{
    static const char *const types[] = {"aes256-gcm96", "aes128-gcm96", "chacha20-poly1305", "xchacha20-poly1305"};
    for (size_t i = 0; i < BULLA_LEN(types); i++)
        if (strcmp(types[i], type) == 0) return true;
    return false;
}

static bool version_read(bulla_json_value value, uint32_t *out)
{
    int64_t number = 0;
    if (!bulla_json_int(value, &number) || number < 0 || number > UINT32_MAX) return false;
    *out = (uint32_t)number;
    return true;
}

/* When a version was made: a number for symmetric keys, an object for the others. */
static int64_t version_made_s(bulla_json_value version)
{
    int64_t made_s = 0;
    if (bulla_json_kind_of(version) == BULLA_JSON_OBJECT)
        (void)bulla_answer_date(bulla_json_get(version, "creation_time"), &made_s);
    else
        (void)bulla_json_time_s(version, &made_s);
    return made_s;
}

static void versions_read(bulla_json_value versions, bulla_transit_key *key)
{
    bulla_json_value version = bulla_json_first(versions);
    for (; bulla_json_kind_of(version) != BULLA_JSON_NONE; version = bulla_json_next(version)) {
        int64_t made_s = version_made_s(version);
        key->num_versions++;
        if (key->created_s == 0 || made_s < key->created_s) key->created_s = made_s;
        if (made_s > key->rotated_s) key->rotated_s = made_s;
    }
}

bulla_status bulla_transit_key_decode(bulla_call *call, bulla_view body, bulla_transit_key *out_key)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_json_value data;
    bulla_transit_key key = {.latest_version = 0};
    BULLA_TRY(parse(call, body, &json, &data));
    if (!bulla_json_text(bulla_json_get(data, "type"), key.type, sizeof key.type)) return malformed(call, "type");
    if (!version_read(bulla_json_get(data, "latest_version"), &key.latest_version) || key.latest_version == 0)
        return malformed(call, "latest_version");
    (void)version_read(bulla_json_get(data, "min_decryption_version"), &key.min_decryption_version);
    (void)bulla_json_bool(bulla_json_get(data, "derived"), &key.is_derived);
    (void)bulla_json_bool(bulla_json_get(data, "imported_key"), &key.is_imported);
    (void)bulla_json_bool(bulla_json_get(data, "soft_deleted"), &key.is_deleted);
    (void)bulla_json_time_s(bulla_json_get(data, "auto_rotate_period"), &key.period_s);
    versions_read(bulla_json_get(data, "keys"), &key);
    *out_key = key;
    return BULLA_OK;
}

bulla_status bulla_transit_list_decode(bulla_call *call, bulla_view body, bulla_transit_visit visit, void *arg)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_json_value data;
    char name[BULLA_TRANSIT_MAX_NAME + 1];
    BULLA_TRY(parse(call, body, &json, &data));
    bulla_json_value names = bulla_json_get(data, "keys");
    if (bulla_json_kind_of(names) != BULLA_JSON_ARRAY) return malformed(call, "list of keys");
    for (bulla_json_value item = bulla_json_first(names); bulla_json_kind_of(item) != BULLA_JSON_NONE;
         item = bulla_json_next(item)) {
        if (!bulla_json_text(item, name, sizeof name)) return malformed(call, "name of a key");
        BULLA_TRY(visit(arg, call, name));
    }
    return BULLA_OK;
}
