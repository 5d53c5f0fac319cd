/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/transit.h"

#include "cmocka_all.h"

#define GOOD "vault:v1:jXR6T2geVFjOOMHN3+XmjZ+eP5Stli84Ko99rOGF2g=="

static void test_a_ciphertext_has_one_spelling(void **state)
{
    (void)state;
    uint32_t version = 0;
    assert_true(bulla_transit_ciphertext_is(bulla_view_text(GOOD), &version));
    assert_int_equal(version, 1);
    assert_true(bulla_transit_ciphertext_is(bulla_view_text("vault:v999999999:AAEC"), &version));
    assert_int_equal(version, 999999999);
    static const char *const bad[] = {
        "",
        "vault:v",
        "vault:v1",
        "vault:v1:",
        "vault:v:AAEC",
        "vault:v0:AAEC",
        "vault:v01:AAEC",
        "vault:v-1:AAEC",
        "vault:v1000000000:AAEC",
        "vault:v1:AAE",
        "vault:v1:AAF=", /* spare bits that are set */
        "vault:v1:AAEC\n",
        "vault:v1:AA-_",
        "vault:v1:AAEC:v2",
        "Vault:v1:AAEC",
        "vault:V1:AAEC",
        " vault:v1:AAEC",
    };
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        if (bulla_transit_ciphertext_is(bulla_view_text(bad[i]), &version)) fail_msg("taken: %s", bad[i]);
}

static void test_a_ciphertext_is_bounded(void **state)
{
    (void)state;
    char text[BULLA_TRANSIT_MAX_CIPHERTEXT + 8] = "vault:v1:";
    uint32_t version = 0;
    size_t start = strlen(text), len = (BULLA_TRANSIT_MAX_CIPHERTEXT - start) / 4 * 4;
    memset(text + start, 'A', len);
    assert_true(bulla_transit_ciphertext_is(bulla_view_of(text, start + len), &version));
    memset(text + start, 'A', len + 4);
    assert_false(bulla_transit_ciphertext_is(bulla_view_of(text, start + len + 4), &version));
}

static void assert_body(const bulla_transit_request *request, const char *expected)
{
    BULLA_AUTO(bulla_secret) *body = NULL;
    assert_int_equal(bulla_transit_request_encode(NULL, request, &body), BULLA_OK);
    bulla_view text = bulla_secret_borrow(body);
    if (!bulla_view_is(text, expected)) fail_msg("%.*s", (int)text.len, (const char *)text.data);
}

static void test_requests_have_the_members_that_are_given(void **state)
{
    (void)state;
    const bulla_view key = bulla_view_text("0123456789abcdef"), data = bulla_view_text("\x01\x02");
    assert_body(&(bulla_transit_request){.plaintext = key, .data = data},
                "{\"plaintext\":\"MDEyMzQ1Njc4OWFiY2RlZg==\",\"associated_data\":\"AQI=\"}");
    assert_body(&(bulla_transit_request){.ciphertext = bulla_view_text(GOOD)}, "{\"ciphertext\":\"" GOOD "\"}");
    assert_body(&(bulla_transit_request){.bits = 256, .data = data}, "{\"bits\":256,\"associated_data\":\"AQI=\"}");
}

static bulla_status decode(const char *body, unsigned wanted, bulla_transit_answer *out)
{
    return bulla_transit_answer_decode(NULL, bulla_view_text(body), wanted, out);
}

static void test_an_answer_gives_ciphertext_and_key(void **state)
{
    (void)state;
    BULLA_TRANSIT_ANSWER(answer);
    assert_int_equal(decode("{\"request_id\":\"x\",\"data\":{\"ciphertext\":\"vault:v3:AAEC\",\"key_version\":3,"
                            "\"plaintext\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"},\"warnings\":null}",
                            BULLA_TRANSIT_CIPHERTEXT | BULLA_TRANSIT_PLAINTEXT, &answer),
                     BULLA_OK);
    assert_string_equal(answer.ciphertext, "vault:v3:AAEC");
    assert_int_equal(answer.version, 3);
    assert_true(bulla_view_is(bulla_secret_borrow(answer.plaintext), "0123456789abcdef"));
    assert_false(answer.ignored_data);
}

static void test_a_warning_about_associated_data_is_heard(void **state)
{
    (void)state;
    BULLA_TRANSIT_ANSWER(answer);
    assert_int_equal(decode("{\"data\":{\"ciphertext\":\"vault:v1:AAEC\"},\"warnings\":[\"something\","
                            "\"Endpoint ignored these unrecognized parameters: [associated_data]\"]}",
                            BULLA_TRANSIT_CIPHERTEXT, &answer),
                     BULLA_OK);
    assert_true(answer.ignored_data);
}

static void test_what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"data\":null}",
        "{\"data\":{}}",
        "{\"data\":{\"ciphertext\":7,\"plaintext\":\"AAAA\"}}",
        "{\"data\":{\"ciphertext\":\"vault:v0:AAEC\",\"plaintext\":\"AAAA\"}}",
        "{\"data\":{\"ciphertext\":\"vault:v1:AAEC\"}}",
        "{\"data\":{\"ciphertext\":\"vault:v1:AAEC\",\"plaintext\":\"\"}}",
        "{\"data\":{\"ciphertext\":\"vault:v1:AAEC\",\"plaintext\":\"A\"}}",
        "{\"data\":{\"plaintext\":\"AAAA\"}}",
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        BULLA_TRANSIT_ANSWER(answer);
        bulla_status status = decode(rows[i], BULLA_TRANSIT_CIPHERTEXT | BULLA_TRANSIT_PLAINTEXT, &answer);
        if (status != BULLA_EFORMAT) fail_msg("%s: %s", rows[i], bulla_status_name(status));
        assert_null(answer.plaintext);
    }
}

static void test_a_symmetric_key_is_read(void **state)
{
    (void)state;
    bulla_transit_key key;
    const char *body = "{\"data\":{\"auto_rotate_period\":86400,\"derived\":true,\"imported_key\":true,\"keys\":"
                       "{\"2\":1795315018,\"3\":1795315019},\"latest_version\":3,\"min_decryption_version\":2,"
                       "\"name\":\"k\",\"soft_deleted\":true,\"type\":\"aes256-gcm96\"}}";
    assert_int_equal(bulla_transit_key_decode(NULL, bulla_view_text(body), &key), BULLA_OK);
    assert_string_equal(key.type, "aes256-gcm96");
    assert_int_equal(key.latest_version, 3);
    assert_int_equal(key.min_decryption_version, 2);
    assert_int_equal(key.num_versions, 2);
    assert_int_equal(key.created_s, 1795315018);
    assert_int_equal(key.rotated_s, 1795315019);
    assert_int_equal(key.period_s, 86400);
    assert_true(key.is_derived && key.is_imported && key.is_deleted);
}

static void test_an_asymmetric_key_is_read(void **state)
{
    (void)state;
    bulla_transit_key key;
    const char *body = "{\"data\":{\"keys\":{\"1\":{\"creation_time\":\"2026-11-22T02:36:58.5Z\",\"name\":\"rsa\"}},"
                       "\"latest_version\":1,\"type\":\"rsa-3072\"}}";
    assert_int_equal(bulla_transit_key_decode(NULL, bulla_view_text(body), &key), BULLA_OK);
    assert_int_equal(key.created_s, 1795315018);
    assert_false(bulla_transit_type_binds(key.type));
    assert_true(bulla_transit_type_binds("chacha20-poly1305"));
    assert_false(key.is_derived || key.is_imported || key.is_deleted);
}

static void test_a_key_without_type_or_version_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"{\"data\":{\"type\":\"aes256-gcm96\"}}",
                                       "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":0}}",
                                       "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":-1}}",
                                       "{\"data\":{\"type\":\"aes256-gcm96\",\"latest_version\":1e10}}",
                                       "{\"data\":{\"latest_version\":1}}",
                                       "{\"errors\":[]}"};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_transit_key key;
        assert_int_equal(bulla_transit_key_decode(NULL, bulla_view_text(rows[i]), &key), BULLA_EFORMAT);
    }
}

#define KEY "MDEyMzQ1Njc4OWFiY2RlZg=="
#define RESULT(n) "{\"plaintext\":\"" KEY "\",\"reference\":\"" n "\"}"
#define BATCH(results) "{\"data\":{\"batch_results\":[" results "]},\"warnings\":null}"

static void test_several_ciphertexts_are_one_request(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_secret) *body = NULL;
    const bulla_transit_item items[] = {{bulla_view_text(GOOD), bulla_view_text("\x01\x02")},
                                        {bulla_view_text("vault:v2:AAEC"), {NULL, 0}}};
    assert_int_equal(bulla_transit_batch_encode(NULL, items, 2, 9, &body), BULLA_OK);
    bulla_view text = bulla_secret_borrow(body);
    if (!bulla_view_is(text, "{\"batch_input\":[{\"ciphertext\":\"" GOOD
                             "\",\"associated_data\":\"AQI=\",\"reference\":\"9\"},"
                             "{\"ciphertext\":\"vault:v2:AAEC\",\"reference\":\"10\"}]}"))
        fail_msg("%.*s", (int)text.len, (const char *)text.data);
}

/* As OpenBao 2.4 answered, with HTTP 400. */
static void test_a_batch_gives_the_keys_that_were_opened(void **state)
{
    (void)state;
    bulla_secret *keys[4] = {NULL};
    const char *body = BATCH(RESULT("7") ",{\"plaintext\":\"\",\"error\":\"cipher: message authentication failed\","
                                         "\"reference\":\"8\"},{\"plaintext\":\"?\",\"reference\":\"9\"},"
                                         "{\"plaintext\":\"" KEY "\",\"error\":\"\",\"reference\":\"10\"}");
    assert_int_equal(bulla_transit_batch_decode(NULL, bulla_view_text(body), 4, 7, keys), BULLA_OK);
    assert_true(bulla_view_is(bulla_secret_borrow(keys[0]), "0123456789abcdef"));
    assert_null(keys[1]);
    assert_null(keys[2]);
    assert_true(bulla_view_is(bulla_secret_borrow(keys[3]), "0123456789abcdef"));
    bulla_secret_unref(keys[0]);
    bulla_secret_unref(keys[3]);
}

static void test_a_batch_that_is_not_just_what_was_asked_gives_none(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       "<html>",
                                       "{\"errors\":[\"missing ciphertext to decrypt\"]}",
                                       "{\"data\":{\"plaintext\":\"" KEY "\"}}",
                                       "{\"data\":{\"batch_results\":{}}}",
                                       BATCH(""),
                                       BATCH(RESULT("7")),
                                       BATCH(RESULT("7") "," RESULT("8") "," RESULT("9")),
                                       BATCH(RESULT("8") "," RESULT("7")),
                                       BATCH(RESULT("7") "," RESULT("7")),
                                       BATCH(RESULT("7") "," RESULT("")),
                                       BATCH(RESULT("7") ",{\"plaintext\":\"" KEY "\"}"),
                                       BATCH(RESULT("7") ",{\"plaintext\":\"" KEY "\",\"reference\":8}"),
                                       BATCH(RESULT("7") ",\"x\"")};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_secret *keys[2] = {NULL};
        bulla_status status = bulla_transit_batch_decode(NULL, bulla_view_text(rows[i]), 2, 7, keys);
        if (status != BULLA_EFORMAT) fail_msg("%s: %s", rows[i], bulla_status_name(status));
        assert_true(keys[0] == NULL && keys[1] == NULL);
    }
}

static void test_a_key_that_was_there_is_heard_of(void **state)
{
    (void)state;
    assert_true(bulla_transit_says_exists(bulla_view_text("{\"warnings\":[\"x\",\"key app already existed\"]}")));
    assert_false(bulla_transit_says_exists(bulla_view_text("{\"warnings\":null}")));
    assert_false(bulla_transit_says_exists(bulla_view_text("already existed")));
}

static bulla_status add_name(void *arg, bulla_call *call, const char *name)
{
    (void)call;
    strcat(arg, name);
    strcat(arg, ",");
    return strcmp(name, "stop") == 0 ? BULLA_ECANCELLED : BULLA_OK;
}

static void test_a_list_shows_its_names_in_order(void **state)
{
    (void)state;
    char names[64] = "";
    assert_int_equal(
        bulla_transit_list_decode(NULL, bulla_view_text("{\"data\":{\"keys\":[\"b\",\"a\"]}}"), add_name, names),
        BULLA_OK);
    assert_string_equal(names, "b,a,");
    assert_int_equal(
        bulla_transit_list_decode(NULL, bulla_view_text("{\"data\":{\"keys\":[\"stop\",\"x\"]}}"), add_name, names),
        BULLA_ECANCELLED);
    assert_string_equal(names, "b,a,stop,");
    assert_int_equal(bulla_transit_list_decode(NULL, bulla_view_text("{\"data\":{\"keys\":[7]}}"), add_name, names),
                     BULLA_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ciphertext_has_one_spelling),
        cmocka_unit_test(test_a_ciphertext_is_bounded),
        cmocka_unit_test(test_requests_have_the_members_that_are_given),
        cmocka_unit_test(test_an_answer_gives_ciphertext_and_key),
        cmocka_unit_test(test_a_warning_about_associated_data_is_heard),
        cmocka_unit_test(test_what_is_no_answer_is_refused),
        cmocka_unit_test(test_a_symmetric_key_is_read),
        cmocka_unit_test(test_an_asymmetric_key_is_read),
        cmocka_unit_test(test_a_key_without_type_or_version_is_refused),
        cmocka_unit_test(test_several_ciphertexts_are_one_request),
        cmocka_unit_test(test_a_batch_gives_the_keys_that_were_opened),
        cmocka_unit_test(test_a_batch_that_is_not_just_what_was_asked_gives_none),
        cmocka_unit_test(test_a_key_that_was_there_is_heard_of),
        cmocka_unit_test(test_a_list_shows_its_names_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
