/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/transit.h"

#include "base/mem.h"
#include "wire/answer.h"

#include <inttypes.h>
#include <stdio.h>

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

static void request_write(const void *from, bulla_writer *out)
{
    const bulla_transit_request *request = from;
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

/* What `write` writes, in a secret of just that length. */
static bulla_status body_encode(bulla_call *call, void (*write)(const void *from, bulla_writer *out), const void *from,
                                bulla_secret **out_body)
{
    BULLA_AUTO(bulla_secret) *body = NULL;
    bulla_writer counter = bulla_writer_of(NULL, 0);
    write(from, &counter);
    BULLA_TRY(bulla_secret_new(call, counter.len, &body));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(body), counter.len);
    write(from, &writer);
    if (writer.failed) return bulla_fail(call, BULLA_EFORMAT, "the ciphertext is not UTF-8");
    *out_body = BULLA_TAKE(body);
    return BULLA_OK;
}

bulla_status bulla_transit_request_encode(bulla_call *call, const bulla_transit_request *request,
                                          bulla_secret **out_body)
{
    return body_encode(call, request_write, request, out_body);
}

void bulla_transit_answer_done(bulla_transit_answer *answer)
{
    bulla_secret_unref(answer->plaintext);
    *answer = (bulla_transit_answer){.version = 0};
}

static bool warns_of(bulla_json_value root, const char *words)
{
    char text[512];
    bulla_json_value warning = bulla_json_first(bulla_json_get(root, "warnings"));
    for (; bulla_json_kind_of(warning) != BULLA_JSON_NONE; warning = bulla_json_next(warning)) {
        bulla_answer_words(warning, text, sizeof text);
        if (strstr(text, words) != NULL) return true;
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
    /* A server that does not know a member of the request says so, and works without it. */
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

/* --- several at once --- */

typedef struct batch {
    const bulla_transit_item *items;
    size_t num;
    uint64_t first;
} batch;

static const char *reference_of(uint64_t first, size_t i, char out[24])
{
    (void)snprintf(out, 24, "%" PRIu64, first + i);
    return out;
}

static void batch_write(const void *from, bulla_writer *out)
{
    const batch *all = from;
    bulla_json_writer json = bulla_json_writer_of(out);
    char reference[24];
    bulla_json_open(&json, '{');
    bulla_json_put_name(&json, "batch_input");
    bulla_json_open(&json, '[');
    for (size_t i = 0; i < all->num; i++) {
        bulla_json_open(&json, '{');
        bulla_json_put_name(&json, "ciphertext");
        bulla_json_put_text(&json, all->items[i].ciphertext);
        if (all->items[i].data.len != 0) {
            bulla_json_put_name(&json, "associated_data");
            bulla_json_put_base64(&json, BULLA_JSON_BASE64, all->items[i].data);
        }
        bulla_json_put_name(&json, "reference");
        bulla_json_put_text(&json, bulla_view_text(reference_of(all->first, i, reference)));
        bulla_json_close(&json, '}');
    }
    bulla_json_close(&json, ']');
    bulla_json_close(&json, '}');
}

bulla_status bulla_transit_batch_encode(bulla_call *call, const bulla_transit_item *items, size_t num, uint64_t first,
                                        bulla_secret **out_body)
{
    const batch all = {items, num, first};
    return body_encode(call, batch_write, &all, out_body);
}

/* A result with an error, whatever it says, or without a key leaves *out_plaintext NULL. */
static bulla_status result_read(bulla_call *call, bulla_json_value result, const char *reference,
                                bulla_secret **out_plaintext)
{
    bulla_json_value error = bulla_json_get(result, "error");
    bool has_error = bulla_json_kind_of(error) != BULLA_JSON_NONE && !bulla_json_is(error, "");
    if (!bulla_json_is(bulla_json_get(result, "reference"), reference)) return malformed(call, "reference");
    if (has_error) return BULLA_OK;
    bulla_status status = bulla_json_secret(NULL, bulla_json_get(result, "plaintext"), BULLA_JSON_BASE64,
                                            "the answer's plaintext", out_plaintext);
    return status == BULLA_ENOMEM ? bulla_fail(call, status, "no memory for a data key") : BULLA_OK;
}

bulla_status bulla_transit_batch_decode(bulla_call *call, bulla_view body, size_t num, uint64_t first,
                                        bulla_secret **out_plaintexts)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    bulla_json_value data;
    bulla_secret *opened[BULLA_TRANSIT_MAX_BATCH] = {NULL};
    char reference[24];
    BULLA_TRY(parse(call, body, &json, &data));
    bulla_json_value results = bulla_json_get(data, "batch_results");
    if (bulla_json_kind_of(results) != BULLA_JSON_ARRAY || bulla_json_count(results) != num ||
        num > BULLA_TRANSIT_MAX_BATCH)
        return malformed(call, "list of results");
    bulla_status status = BULLA_OK;
    bulla_json_value result = bulla_json_first(results);
    for (size_t i = 0; i < num && status == BULLA_OK; i++, result = bulla_json_next(result))
        status = result_read(call, result, reference_of(first, i, reference), &opened[i]);
    for (size_t i = 0; i < num; i++) {
        if (status == BULLA_OK)
            out_plaintexts[i] = opened[i];
        else
            bulla_secret_unref(opened[i]);
    }
    return status;
}

/* --- keys --- */

bool bulla_transit_says_exists(bulla_view body)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    if (bulla_json_parse(NULL, body, "the answer", &json) != BULLA_OK) return false;
    return warns_of(bulla_json_root(json), "already existed");
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
