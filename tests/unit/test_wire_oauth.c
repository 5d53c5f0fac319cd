/* SPDX-License-Identifier: Apache-2.0 */
/* Logins on the wire: forms, assertions, the answers of token endpoints, and the small things that answers share. */
#include "wire/oauth.h"

#include "cmocka_all.h"
#include "wire/answer.h"
#include "wire/crc32c.h"
#include "wire/jwt.h"

#include <stdlib.h>
#include <string.h>

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static void a_checksum_is_the_one_of_castagnoli(void **state)
{
    (void)state;
    uint8_t bytes[32]; /* RFC 3720, B.4 */
    assert_int_equal(bulla_crc32c(bulla_view_text("123456789")), 0xE3069283);
    assert_int_equal(bulla_crc32c(bulla_view_text("")), 0);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(bulla_crc32c(bulla_view_of(bytes, sizeof bytes)), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(bulla_crc32c(bulla_view_of(bytes, sizeof bytes)), 0x62A8AB43);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(bulla_crc32c(bulla_view_of(bytes, sizeof bytes)), 0x46DD794E);
}

static void a_form_is_percent_encoded(void **state)
{
    (void)state;
    uint8_t out[128];
    bulla_writer form = bulla_writer_of(out, sizeof out);
    bulla_oauth_field_write(&form, "client_id", bulla_view_text("a-b_c.d~e"));
    bulla_oauth_field_write(&form, "client_secret", bulla_view_text("p&=+ %ä"));
    assert_false(form.failed);
    assert_true(
        bulla_view_is(bulla_view_of(out, form.len), "client_id=a-b_c.d~e&client_secret=p%26%3D%2B%20%25%C3%A4"));
}

static bulla_status grant_of(const char *body, bulla_oauth_grant *out_grant)
{
    return bulla_oauth_grant_read(&call, bulla_view_text(body), 1700000000, out_grant);
}

static void every_way_to_say_a_lifetime_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t lifetime_s;
    } rows[] = {
        {"{\"access_token\":\"t\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", 3599},
        {"{\"access_token\":\"t\",\"expires_in\":\"3599\",\"expires_on\":\"1700000007\"}", 3599}, /* IMDS: strings */
        {"{\"access_token\":\"t\",\"expires_on\":\"1700000600\"}", 600},                          /* App Service */
        {"{\"accessToken\":\"t\",\"expireTime\":\"2023-11-14T22:23:20Z\"}", 600},                 /* impersonation */
        {"{\"access_token\":\"t\",\"expires_on\":\"1600000000\"}", 0},
        {"{\"access_token\":\"t\"}", 300},
        {"{\"access_token\":\"t\",\"expires_in\":99999999}", 86400},
        {"{\"access_token\":\"t\",\"expires_in\":-5}", 0},
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_oauth_grant grant = {.bearer = NULL};
        assert_ok(grant_of(rows[i].body, &grant));
        assert_true(bulla_view_is(bulla_secret_borrow(grant.bearer), "Bearer t"));
        assert_int_equal(grant.lifetime_s, rows[i].lifetime_s);
        bulla_oauth_grant_done(&grant);
    }
}

static void what_is_no_grant_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html>sign in</html>",
        "{}",
        "[]",
        "{\"access_token\":\"\"}",
        "{\"access_token\":7}",
        "{\"access_token\":\"a b\"}",
        "{\"access_token\":\"a\\r\\nX-Evil: 1\"}",
        "{\"access_token\":\"\xC3\xA4\"}",
    };
    for (size_t i = 0; i < BULLA_LEN(bodies); i++) {
        bulla_oauth_grant grant = {.bearer = NULL};
        assert_status(grant_of(bodies[i], &grant), BULLA_EFORMAT);
        assert_null(grant.bearer);
    }
}

static void a_token_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static char body[BULLA_OAUTH_MAX_TOKEN + 64];
    bulla_oauth_grant grant = {.bearer = NULL};
    for (int over = 0; over < 2; over++) {
        size_t len = BULLA_OAUTH_MAX_TOKEN - 1 + (size_t)over;
        memcpy(body, "{\"access_token\":\"", 17);
        memset(body + 17, 'a', len);
        memcpy(body + 17 + len, "\"}", 3);
        assert_status(grant_of(body, &grant), over ? BULLA_EFORMAT : BULLA_OK);
        bulla_oauth_grant_done(&grant);
    }
}

static void refusals_are_read_in_both_tongues(void **state)
{
    (void)state;
    bulla_oauth_error error;
    static const char entra[] = "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: wrong secret."
                                "\\r\\nTrace ID: 1\",\"error_codes\":[7000215]}";
    static const char google[] =
        "{\"error\":{\"code\":403,\"message\":\"no \\u001b[31mway\",\"status\":\"PERMISSION_DENIED\"}}";
    bulla_oauth_error_read(bulla_view_text(entra), &error);
    assert_string_equal(error.code, "invalid_client");
    assert_string_equal(error.text, "AADSTS7000215: wrong secret");
    bulla_oauth_error_read(bulla_view_text(google), &error);
    assert_string_equal(error.code, "PERMISSION_DENIED");
    assert_string_equal(error.text, "no ?[31mway");
    bulla_oauth_error_read(bulla_view_text("<html>"), &error);
    assert_true(error.code[0] == '\0' && error.text[0] == '\0');
}

static bool date_of(const char *text, int64_t *out_s)
{
    bulla_json *json = NULL;
    assert_ok(bulla_json_parse(&call, bulla_view_text(text), "a date", &json));
    bool is_date = bulla_answer_date(bulla_json_root(json), out_s);
    bulla_json_free(json);
    return is_date;
}

static void dates_are_those_of_the_calendar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s;
    } rows[] = {
        {"\"1970-01-01T00:00:00Z\"", 0},
        {"\"2000-02-29T23:59:59.999999999Z\"", 951868799},
        {"\"2000-03-01T00:00:00Z\"", 951868800},
        {"\"2026-11-22T02:00:00+02:00\"", 1795305600},
        {"\"2026-11-21T22:30:00-01:30\"", 1795305600},
        {"\"2100-03-01T00:00:00Z\"", 4107542400},
    };
    int64_t s = 0;
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        assert_true(date_of(rows[i].text, &s));
        assert_int_equal(s, rows[i].s);
    }
    static const char *const none[] = {"\"\"",
                                       "7",
                                       "\"2026-11-22\"",
                                       "\"2026-13-01T00:00:00Z\"",
                                       "\"2026-11-22T24:00:00Z\"",
                                       "\"2026-11-22T02:00:00\"",
                                       "\"2026-11-22T02:00:00Zx\"",
                                       "\"1969-12-31T00:00:00Z\""};
    for (size_t i = 0; i < BULLA_LEN(none); i++)
        assert_false(date_of(none[i], &s));
}

/* The `index`th part of a compact token, decoded. */
static bulla_view part_of(bulla_view token, size_t index, uint8_t *out, size_t cap)
{
    char text[4096];
    size_t from = 0, len = 0, out_len = 0;
    for (; index > 0; from++)
        if (token.data[from] == '.') index--;
    while (from + len < token.len && token.data[from + len] != '.')
        len++;
    assert_true(len + 4 < sizeof text);
    for (size_t i = 0; i < len; i++) {
        char c = (char)token.data[from + i];
        text[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    for (; len % 4 != 0; len++)
        text[len] = '=';
    assert_true(bulla_base64_decode(bulla_view_of(text, len), out, cap, &out_len));
    return bulla_view_of(out, out_len);
}

static void an_assertion_says_who_for_whom_and_how_long(void **state)
{
    (void)state;
    static const uint8_t thumbprint[4] = {0xFB, 0xEF, 0xFF, 0x00};
    const bulla_jwt jwt = {.key_id = "k1",
                           .thumbprint = {thumbprint, 4},
                           .issuer = "me@p",
                           .subject = "me",
                           .audience = "https://t",
                           .scope = "s",
                           .id = "7",
                           .issued_s = 1000,
                           .expires_s = 4600};
    uint8_t header[512], claims[512], signature[512], expected[512];
    size_t len = 0, dot = 0;
    bulla_rsa *key = NULL;
    bulla_secret *text = NULL;
    assert_ok(bulla_rsa_generate(&call, 2048, &key));
    assert_ok(bulla_jwt_sign(&call, &jwt, key, &text));
    bulla_view token = bulla_secret_borrow(text);
    assert_true(bulla_view_is(part_of(token, 0, header, sizeof header),
                              "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\",\"x5t\":\"--__AA\"}"));
    assert_true(bulla_view_is(part_of(token, 1, claims, sizeof claims),
                              "{\"iss\":\"me@p\",\"sub\":\"me\",\"aud\":\"https://t\",\"scope\":\"s\",\"jti\":\"7\","
                              "\"iat\":1000,\"nbf\":1000,\"exp\":4600}"));
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] == '.') dot = i;
    assert_ok(bulla_rsa_sign(&call, key, bulla_view_of(token.data, dot), expected, sizeof expected, &len));
    assert_true(bulla_view_equal(part_of(token, 2, signature, sizeof signature), bulla_view_of(expected, len)));
    bulla_secret_unref(text);
    bulla_rsa_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checksum_is_the_one_of_castagnoli),
        cmocka_unit_test(a_form_is_percent_encoded),
        cmocka_unit_test(every_way_to_say_a_lifetime_is_read),
        cmocka_unit_test(what_is_no_grant_is_refused),
        cmocka_unit_test(a_token_that_is_too_long_is_refused),
        cmocka_unit_test(refusals_are_read_in_both_tongues),
        cmocka_unit_test(dates_are_those_of_the_calendar),
        cmocka_unit_test(an_assertion_says_who_for_whom_and_how_long),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
