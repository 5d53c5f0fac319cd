/* SPDX-License-Identifier: Apache-2.0 */
/* Azure Key Vault on the wire, against bodies as the service writes them and against what was recorded of it. */
#include "wire/azurekv.h"

#include "cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KID "https://v.vault.azure.net/keys/app/b3b31f2922624e1da7a42e4d04d44110"

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static void identifiers_are_taken_apart(void **state)
{
    (void)state;
    bulla_azurekv_kid kid, other;
    assert_true(bulla_azurekv_kid_parse(bulla_view_text(KID), &kid));
    assert_true(bulla_view_is(kid.base, "https://v.vault.azure.net") && bulla_view_is(kid.host, "v.vault.azure.net"));
    assert_true(bulla_view_is(kid.name, "app") && bulla_view_is(kid.version, "b3b31f2922624e1da7a42e4d04d44110"));
    assert_true(bulla_azurekv_kid_parse(bulla_view_text("https://localhost:8443/keys/App"), &other));
    assert_true(bulla_view_is(other.base, "https://localhost:8443") && bulla_view_is(other.host, "localhost"));
    assert_int_equal(other.version.len, 0);
    assert_false(bulla_azurekv_kid_is_of(&kid, &other));
    assert_true(bulla_azurekv_kid_parse(bulla_view_text("https://V.vault.azure.net/keys/APP"), &other));
    assert_true(bulla_azurekv_kid_is_of(&kid, &other));
}

static void what_is_no_identifier_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "https://",
                                        "https:///keys/a",
                                        "ftp://v/keys/a",
                                        "https://v/keys/",
                                        "https://v/keys/a/",
                                        "https://v/keys/a/b/c",
                                        "https://v/secrets/a",
                                        "https://v/keys/a?x",
                                        "https://v/keys/a#x",
                                        "https://v/keys/..",
                                        "https://v/keys/a%2Fb",
                                        "https://u@v/keys/a",
                                        "https://v:/keys/a",
                                        "https://v:8x/keys/a",
                                        "https://v/keys/a/b\r\n",
                                        "HTTPS://v/keys/a"};
    bulla_azurekv_kid kid = {.name = bulla_view_text("untouched")};
    for (size_t i = 0; i < BULLA_LEN(texts); i++)
        assert_false(bulla_azurekv_kid_parse(bulla_view_text(texts[i]), &kid));
    assert_true(bulla_view_is(kid.name, "untouched"));
}

static void a_challenge_says_where_to_log_in(void **state)
{
    (void)state;
#define LOGIN "https://login.example.com/t-1"
    static const char *const headers[] = {
        "Bearer authorization=\"" LOGIN "\", resource=\"https://vault.azure.net\"",
        "bearer authorization_uri=\"" LOGIN "/authorize\",scope=\"https://vault.azure.net/.default\"",
        "Bearer error=\"x\", resource=https://vault.azure.net/, authorization=https://login.example.com/t-1",
    };
    for (size_t i = 0; i < BULLA_LEN(headers); i++) {
        bulla_azurekv_challenge challenge;
        assert_ok(bulla_azurekv_challenge_parse(&call, headers[i], &challenge));
        assert_string_equal(challenge.authority, "https://login.example.com");
        assert_string_equal(challenge.tenant, "t-1");
        assert_string_equal(challenge.resource, "https://vault.azure.net");
    }
}

static void a_challenge_that_says_nothing_usable_is_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",
        "Basic realm=\"x\"",
        "Bearer",
        "Bearer authorization=\"https://l/t\"",
        "Bearer resource=\"https://vault.azure.net\"",
        "Bearer authorization=\"http://l/t\", resource=\"https://vault.azure.net\"",
        "Bearer authorization=\"https://l\", resource=\"https://vault.azure.net\"",
        "Bearer authorization=\"https://l/\", resource=\"https://vault.azure.net\"",
        "Bearer authorization=\"https://l/t\", resource=\"http://vault.azure.net\"",
        "Bearer authorization=\"https://l@evil/t\", resource=\"https://vault.azure.net\"",
        "Bearer authorization=\"https://l/t\", resource=\"https://vault.azure.net",
        "Bearer authorization=\"https://l/t\", resource=\"https://vault azure\"",
    };
    bulla_azurekv_challenge challenge = {.tenant = "untouched"};
    for (size_t i = 0; i < BULLA_LEN(headers); i++)
        assert_status(bulla_azurekv_challenge_parse(&call, headers[i], &challenge), BULLA_EFORMAT);
    assert_string_equal(challenge.tenant, "untouched");
}

static void a_token_is_only_for_hosts_below_its_resource(void **state)
{
    (void)state;
    static const struct {
        const char *resource, *host;
        bool is_for;
    } rows[] = {
        {"https://vault.azure.net", "app.vault.azure.net", true},
        {"https://vault.azure.net", "APP.VAULT.AZURE.NET", true},
        {"https://vault.azure.cn", "app.vault.azure.cn", true},
        {"https://managedhsm.azure.net", "h.managedhsm.azure.net", true},
        {"https://localhost:8443", "localhost", true},
        {"https://vault.azure.net", "app.vault.azure.net.evil.example", false},
        {"https://vault.azure.net", "evilvault.azure.net", false},
        {"https://vault.azure.net", "app.vault.azure.cn", false},
        {"https://vault.azure.net", "net", false},
        {"https://net", "app.vault.azure.net", false},
        {"https://", "app.vault.azure.net", false},
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_azurekv_challenge challenge = {.tenant = "t"};
        (void)snprintf(challenge.resource, sizeof challenge.resource, "%s", rows[i].resource);
        assert_int_equal(bulla_azurekv_challenge_is_for(&challenge, rows[i].host), rows[i].is_for);
    }
}

static void an_operation_is_written_in_base64url(void **state)
{
    (void)state;
    static const uint8_t value[] = {0xFB, 0xEF, 0xFF, 0x00};
    bulla_secret *body = NULL;
    assert_ok(bulla_azurekv_operation_encode(&call, "RSA-OAEP-256", bulla_view_of(value, 4), &body));
    assert_true(bulla_view_is(bulla_secret_borrow(body), "{\"alg\":\"RSA-OAEP-256\",\"value\":\"--__AA\"}"));
    bulla_secret_unref(body);
}

static void a_result_names_the_version_that_was_used(void **state)
{
    (void)state;
    BULLA_AZUREKV_RESULT(result);
    static const char *const bodies[] = {"",
                                         "<html>",
                                         "{}",
                                         "{\"kid\":\"" KID "\"}",
                                         "{\"value\":\"AAAA\"}",
                                         "{\"kid\":\"" KID "\",\"value\":\"A+==\"}",
                                         "{\"kid\":\"https://v.vault.azure.net/keys/app\",\"value\":\"AAAA\"}"};
    for (size_t i = 0; i < BULLA_LEN(bodies); i++)
        assert_status(bulla_azurekv_result_read(&call, bulla_view_text(bodies[i]), &result), BULLA_EFORMAT);
    assert_null(result.value);
    assert_ok(bulla_azurekv_result_read(
        &call, bulla_view_text("{\"alg\":\"A256KW\",\"kid\":\"" KID "\",\"value\":\"--__AA\"}"), &result));
    assert_string_equal(result.kid, KID);
    assert_int_equal(bulla_secret_borrow(result.value).len, 4);
}

static void a_key_says_whether_it_may_wrap_and_when(void **state)
{
    (void)state;
    bulla_azurekv_key key;
    static const char rsa[] =
        "{\"key\":{\"kid\":\"" KID "\",\"kty\":\"RSA-HSM\",\"key_ops\":[\"sign\",\"wrapKey\"],\"n\":\"AQAB\"},"
        "\"attributes\":{\"enabled\":false,\"nbf\":1,\"exp\":2,\"created\":3,\"updated\":4}}";
    assert_ok(bulla_azurekv_key_read(&call, bulla_view_text(rsa), &key));
    assert_true(key.type == BULLA_AZUREKV_RSA && !key.is_enabled && key.can_wrap && !key.can_unwrap);
    assert_true(key.not_before_s == 1 && key.expires_s == 2 && key.created_s == 3 && key.updated_s == 4);
    assert_ok(
        bulla_azurekv_key_read(&call, bulla_view_text("{\"key\":{\"kid\":\"" KID "\",\"kty\":\"oct-HSM\"}}"), &key));
    assert_true(key.type == BULLA_AZUREKV_OCT && key.is_enabled && key.can_wrap && key.can_unwrap);
    assert_ok(bulla_azurekv_key_read(&call, bulla_view_text("{\"key\":{\"kid\":\"" KID "\",\"kty\":\"EC\"}}"), &key));
    assert_int_equal(key.type, BULLA_AZUREKV_OTHER);
    assert_status(bulla_azurekv_key_read(&call, bulla_view_text("{\"key\":{\"kty\":\"RSA\"}}"), &key), BULLA_EFORMAT);
}

static bulla_status count_key(void *arg, bulla_call *ignored, const bulla_azurekv_key *key)
{
    (void)ignored;
    size_t *num = arg;
    assert_true(key->kid[0] == 'h');
    return ++*num == 3 ? BULLA_EINVAL : BULLA_OK;
}

static void a_page_of_keys_is_walked_and_can_be_left(void **state)
{
    (void)state;
    char link[BULLA_AZUREKV_MAX_LINK] = "old";
    size_t num = 0;
    static const char two[] = "{\"value\":[{\"kid\":\"https://v/keys/a\",\"attributes\":{\"enabled\":true}},"
                              "{\"kid\":\"https://v/keys/b\"}],\"nextLink\":\"https://v/keys?$skiptoken=x\"}";
    static const char three[] = "{\"value\":[{\"kid\":\"https://v/keys/c\"},{\"kid\":1}],\"nextLink\":null}";
    assert_ok(bulla_azurekv_list_read(&call, bulla_view_text(two), count_key, &num, link));
    assert_string_equal(link, "https://v/keys?$skiptoken=x");
    assert_status(bulla_azurekv_list_read(&call, bulla_view_text(three), count_key, &num, link), BULLA_EINVAL);
    assert_ok(
        bulla_azurekv_list_read(&call, bulla_view_text("{\"value\":[],\"nextLink\":null}"), count_key, &num, link));
    assert_true(link[0] == '\0' && num == 3);
    assert_status(bulla_azurekv_list_read(&call, bulla_view_text("{\"nextLink\":7}"), count_key, &num, link),
                  BULLA_EFORMAT);
}

static void a_refusal_keeps_both_codes(void **state)
{
    (void)state;
    bulla_azurekv_error error;
    static const char *const spellings[] = {"innererror", "innerError"};
    for (size_t i = 0; i < BULLA_LEN(spellings); i++) {
        char body[256];
        (void)snprintf(body, sizeof body,
                       "{\"error\":{\"code\":\"Forbidden\",\"message\":\"Operation wrapKey is not allowed.\\r\\n\","
                       "\"%s\":{\"code\":\"KeyDisabled\"}}}",
                       spellings[i]);
        bulla_azurekv_error_read(bulla_view_text(body), &error);
        assert_string_equal(error.code, "Forbidden");
        assert_string_equal(error.inner, "KeyDisabled");
        assert_string_equal(error.text, "Operation wrapKey is not allowed");
    }
    bulla_azurekv_error_read(bulla_view_text("<html>"), &error);
    assert_true(error.code[0] == '\0' && error.inner[0] == '\0' && error.text[0] == '\0');
}

/* --- recordings --- */

static void answer_check(json_t *answer, size_t seen[3])
{
    uint8_t body[4096];
    size_t len = 0;
    json_int_t code = json_integer_value(json_object_get(answer, "StatusCode"));
    const char *text = json_string_value(json_object_get(answer, "Body"));
    assert_true(bulla_base64_decode(bulla_view_text(text), body, sizeof body, &len));
    if (code == 200) {
        BULLA_AZUREKV_RESULT(result);
        assert_ok(bulla_azurekv_result_read(&call, bulla_view_of(body, len), &result));
        seen[0]++;
        return;
    }
    bulla_azurekv_error error;
    bulla_azurekv_error_read(bulla_view_of(body, len), &error);
    assert_string_equal(error.code, code == 401 ? "Unauthorized" : "BadParameter");
    seen[code == 401 ? 1 : 2]++;
    if (code != 401) return;
    json_t *header = json_array_get(json_object_get(json_object_get(answer, "Header"), "Www-Authenticate"), 0);
    bulla_azurekv_challenge challenge;
    assert_ok(bulla_azurekv_challenge_parse(&call, json_string_value(header), &challenge));
    assert_string_equal(challenge.authority, "https://login.microsoftonline.com");
    assert_true(bulla_azurekv_challenge_is_for(&challenge, "go-cdk.vault.azure.net"));
}

static void every_recorded_answer_is_understood(void **state)
{
    (void)state;
    static const char *const names[] = {"TestDecryptMalformedError", "TestMultipleEncryptionsNotEqual",
                                        "TestMultipleKeys", "TestEncryptDecrypt", "TestAs/verify_As_function"};
    const char *folder = getenv("BULLA_VECTORS");
    size_t seen[3] = {0};
    if (folder == NULL) {
        print_message("skipped: BULLA_VECTORS is not set\n");
        skip();
    }
    for (size_t i = 0; i < BULLA_LEN(names); i++) {
        char path[512];
        size_t k;
        json_t *entry;
        (void)snprintf(path, sizeof path,
                       "%s/cloud-kms-recordings/secrets/azurekeyvault/testdata/TestConformance/%s.replay", folder,
                       names[i]);
        json_t *file = json_load_file(path, 0, NULL);
        assert_non_null(file);
        json_array_foreach(json_object_get(file, "Entries"), k, entry)
            answer_check(json_object_get(entry, "Response"), seen);
        json_decref(file);
    }
    assert_true(seen[0] >= 8 && seen[1] >= 4 && seen[2] >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identifiers_are_taken_apart),
        cmocka_unit_test(what_is_no_identifier_is_refused),
        cmocka_unit_test(a_challenge_says_where_to_log_in),
        cmocka_unit_test(a_challenge_that_says_nothing_usable_is_refused),
        cmocka_unit_test(a_token_is_only_for_hosts_below_its_resource),
        cmocka_unit_test(an_operation_is_written_in_base64url),
        cmocka_unit_test(a_result_names_the_version_that_was_used),
        cmocka_unit_test(a_key_says_whether_it_may_wrap_and_when),
        cmocka_unit_test(a_page_of_keys_is_walked_and_can_be_left),
        cmocka_unit_test(a_refusal_keeps_both_codes),
        cmocka_unit_test(every_recorded_answer_is_understood),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
