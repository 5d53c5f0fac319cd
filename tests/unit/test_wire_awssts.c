/* SPDX-License-Identifier: Apache-2.0 */
/* Roles of AWS STS, credentials of metadata services, and the XML and JSON they come in. */
#include "wire/awssts.h"

#include "cmocka_all.h"
#include "wire/xml.h"

#include <stdio.h>

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static const char *written(const bulla_awssts_request *request)
{
    static char text[1024];
    bulla_writer writer = bulla_writer_of((uint8_t *)text, sizeof text - 1);
    assert_ok(bulla_awssts_request_write(&call, request, &writer));
    text[writer.len] = '\0';
    return text;
}

static void test_forms_are_encoded(void **state)
{
    (void)state;
    bulla_awssts_request request = {
        .role_arn = "arn:aws:iam::1:role/a", .session_name = "b", .external_id = "x&y=z", .duration_s = "900"};
    assert_string_equal(written(&request),
                        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa&"
                        "RoleSessionName=b&ExternalId=x%26y%3Dz&DurationSeconds=900");
    request.web_identity = bulla_view_text("ey.J+");
    assert_string_equal(written(&request),
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa&"
                        "RoleSessionName=b&DurationSeconds=900&WebIdentityToken=ey.J%2B");
}

#define CREDENTIALS                                                                                                    \
    "<Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s&amp;t</SecretAccessKey>"                          \
    "<SessionToken>tok/en==</SessionToken><Expiration>2026-03-19T15:31:12.5Z</Expiration></Credentials>"

static void test_credentials_of_a_role_come_out_of_the_answer(void **state)
{
    (void)state;
    BULLA_AWSCREDS(creds);
    bulla_view body = bulla_view_text("<?xml version=\"1.0\"?>\n<AssumeRoleResponse xmlns=\"https://sts\">\n  "
                                      "<AssumeRoleResult><!-- here -->" CREDENTIALS
                                      "<AssumedRoleUser><Arn>x</Arn></AssumedRoleUser></AssumeRoleResult>"
                                      "<ResponseMetadata><RequestId/></ResponseMetadata></AssumeRoleResponse>\n");
    assert_ok(bulla_awssts_answer_decode(&call, body, &creds));
    assert_string_equal(creds.access_key_id, "ASIAX");
    assert_true(bulla_view_is(bulla_secret_borrow(creds.secret_key), "s&t"));
    assert_true(bulla_view_is(bulla_secret_borrow(creds.token), "tok/en=="));
    assert_int_equal(creds.expires_s, 1773934272);
}

static void assert_refused(const char *body)
{
    BULLA_AWSCREDS(creds);
    assert_status(bulla_awssts_answer_decode(&call, bulla_view_text(body), &creds), BULLA_EFORMAT);
    assert_null(creds.secret_key);
}

static void test_answers_that_are_no_credentials_are_malformed(void **state)
{
    (void)state;
    assert_refused("");
    assert_refused("{}");
    assert_refused(CREDENTIALS); /* of nothing */
    assert_refused("<AssumeRoleResponse><AssumeRoleResult></AssumeRoleResult></AssumeRoleResponse>");
    assert_refused("<AssumeRoleResponse><AssumeRoleResult>" CREDENTIALS "</AssumeRoleResult>");
    assert_refused("<AssumeRoleResponse><AssumeRoleResult>" CREDENTIALS CREDENTIALS
                   "</AssumeRoleResult></AssumeRoleResponse>");
    assert_refused("<AssumeRoleResponse><AssumeRoleResult>" CREDENTIALS "</AssumeRoleResult></AssumeRoleResponse><x/>");
}

/* --- XML --- */

static void ignore(void *arg, const char *path, bulla_view text)
{
    (void)arg;
    (void)path;
    (void)text;
}

static void test_xml_that_is_more_than_elements_and_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>",
        "<a><![CDATA[x]]></a>",
        "<a><?php ?></a>",
        "<a></b>",
        "<a>",
        "</a>",
        "<a b></a>",
        "<a b=c></a>",
        "<a b=\"></a>",
        "< a></a>",
        "text",
        "<a/><b/>",
        "<a>text<b/></a>",
        "<a><b/>text</a>",
        "<a/>text",
        "<a>\xFF</a>",
        "<a><!-- </a>",
    };
    for (size_t i = 0; i < BULLA_LEN(texts); i++)
        assert_status(bulla_xml_walk(&call, bulla_view_text(texts[i]), "a test", ignore, NULL), BULLA_EFORMAT);
}

static void test_xml_has_bounds(void **state)
{
    (void)state;
    char deep[3 * (BULLA_XML_MAX_DEPTH + 1) + 1] = "";
    static char longer[BULLA_XML_MAX_TEXT + 2];
    for (size_t i = 0; i <= BULLA_XML_MAX_DEPTH; i++)
        memcpy(deep + 3 * i, "<a>", 4);
    assert_status(bulla_xml_walk(&call, bulla_view_text(deep), "a test", ignore, NULL), BULLA_ELIMIT);
    memset(longer, 'x', sizeof longer - 1);
    assert_status(bulla_xml_walk(&call, bulla_view_text(longer), "a test", ignore, NULL), BULLA_ELIMIT);
}

static void test_references_are_resolved_or_refused(void **state)
{
    (void)state;
    char out[32];
    assert_true(bulla_xml_text_decode(bulla_view_text("&lt;&gt;&quot;&apos;&amp;&#65;&#x42;"), out, sizeof out));
    assert_string_equal(out, "<>\"'&AB");
    static const char *const wrong[] = {"&", "&amp", "&nbsp;", "&#;", "&#x;", "&#0;", "&#xE9;", "&#9999999;"};
    for (size_t i = 0; i < BULLA_LEN(wrong); i++)
        assert_false(bulla_xml_text_decode(bulla_view_text(wrong[i]), out, sizeof out));
    assert_false(bulla_xml_text_decode(bulla_view_text("four"), out, 4));
}

static void test_an_error_says_its_code(void **state)
{
    (void)state;
    bulla_awssts_error error;
    bulla_awssts_error_decode(bulla_view_text("<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code>"
                                              "<Message>too\n\x1b[2Jlate</Message></Error></ErrorResponse>"),
                              &error);
    assert_string_equal(error.code, "ExpiredToken");
    assert_string_equal(error.message, "too  [2Jlate");
    bulla_awssts_error_decode(bulla_view_text("<html>"), &error);
    assert_string_equal(error.code, "");
}

/* --- JSON --- */

static void test_credentials_of_a_metadata_service_have_their_token_under_its_name(void **state)
{
    (void)state;
    BULLA_AWSCREDS(creds);
    bulla_view body = bulla_view_text("{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIAY\","
                                      "\"SecretAccessKey\":\"secret\",\"Token\":\"token\",\"SessionToken\":\"other\","
                                      "\"Expiration\":\"2026-03-19T15:31:12Z\"}");
    assert_ok(bulla_awscreds_decode(&call, body, "the service", &creds));
    assert_string_equal(creds.access_key_id, "ASIAY");
    assert_true(bulla_view_is(bulla_secret_borrow(creds.token), "token"));
    assert_int_equal(creds.expires_s, 1773934272);
}

static void test_a_metadata_service_that_has_none_says_so(void **state)
{
    (void)state;
    BULLA_AWSCREDS(creds);
    bulla_view body = bulla_view_text("{\"Code\":\"AssumeRoleUnauthorizedAccess\"}");
    assert_status(bulla_awscreds_decode(&call, body, "the service", &creds), BULLA_EAUTHN);
    assert_non_null(strstr(call.why, "AssumeRoleUnauthorizedAccess"));
    body = bulla_view_text("{\"Code\":\"Failed\"}"); /* and no word of why: it may pass */
    assert_status(bulla_awscreds_decode(&call, body, "the service", &creds), BULLA_EUNAVAIL);
    body = bulla_view_text("{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"soon\"}");
    assert_status(bulla_awscreds_decode(&call, body, "the service", &creds), BULLA_EFORMAT);
}

static void test_credentials_that_could_end_a_header_are_none(void **state)
{
    (void)state;
    BULLA_AWSCREDS(creds);
    const bulla_view lines[3] = {bulla_view_text("AKIA\r\nX-Evil: 1"), bulla_view_text("secret"), {NULL, 0}};
    assert_status(bulla_awscreds_init(&call, "a test", lines, &creds), BULLA_EFORMAT);
    const bulla_view token[3] = {bulla_view_text("AKIA"), bulla_view_text("secret"), bulla_view_text("to\nken")};
    assert_status(bulla_awscreds_init(&call, "a test", token, &creds), BULLA_EFORMAT);
    assert_null(strstr(call.why, "secret access key: secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_forms_are_encoded, start),
        cmocka_unit_test_setup(test_credentials_of_a_role_come_out_of_the_answer, start),
        cmocka_unit_test_setup(test_answers_that_are_no_credentials_are_malformed, start),
        cmocka_unit_test_setup(test_xml_that_is_more_than_elements_and_text_is_refused, start),
        cmocka_unit_test_setup(test_xml_has_bounds, start),
        cmocka_unit_test_setup(test_references_are_resolved_or_refused, start),
        cmocka_unit_test_setup(test_an_error_says_its_code, start),
        cmocka_unit_test_setup(test_credentials_of_a_metadata_service_have_their_token_under_its_name, start),
        cmocka_unit_test_setup(test_a_metadata_service_that_has_none_says_so, start),
        cmocka_unit_test_setup(test_credentials_that_could_end_a_header_are_none, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
