/* SPDX-License-Identifier: Apache-2.0 */
/* Every way to log in to Google, against a fake that checks what each of them sends. */
#include "stores/cloud.h"
#include "stores/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USER "\"type\":\"authorized_user\",\"client_id\":\"i\",\"refresh_token\":\"refresh-me\""
#define TARGET "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b:generateAccessToken"
#define IMPERSONATED "{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":\"" TARGET "\""
#define EXTERNAL                                                                                                       \
    "{\"type\":\"external_account\",\"audience\":\"//iam\",\"token_url\":\"https://sts.googleapis.com/v1/token\","     \
    "\"subject_token_type\":\"urn:ietf:params:aws:token-type:aws4_request\",\"credential_source\":{"
#define AWS EXTERNAL "\"environment_id\":\"aws1\","
#define VERIFY "\"regional_cred_verification_url\":\""

static cloud c;
static char path[64];

static void no_secret_is_logged(void *arg, bulla_log_level level, const char *line)
{
    (void)arg, (void)level;
    assert_null(strstr(line, "s3cret"));
    assert_null(strstr(line, "t0ken."));
}

static int start(void **state)
{
    (void)state;
    cloud_init(&c, "gcp");
    c.env.log = no_secret_is_logged;
    c.env.log_level = BULLA_LOG_DEBUG;
    c.config.endpoint = fact("GCP_ADDR");
    (void)snprintf(path, sizeof path, "/tmp/bulla-gcp-login-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    cloud_done(&c);
    (void)unlink(path);
    control("gcp restart"); /* faults and counters are gone */
    return 0;
}

static void set(size_t index, const char *name, const char *value)
{
    c.vars[index][0] = name;
    c.vars[index][1] = value;
}

static void open_with(const char *credentials)
{
    cloud_close(&c);
    c.config.credentials_file = fact(credentials);
    cloud_key(&c, fact("GCP_KEY"));
}

static void open_with_text(const char *json)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(json, file) >= 0 && fclose(file) == 0);
    cloud_close(&c);
    c.config.credentials_file = path;
    cloud_key(&c, fact("GCP_KEY"));
}

static void every_kind_of_credentials_logs_in(void **state)
{
    (void)state;
    static const char *const files[] = {"GCP_USER_CREDENTIALS", "GCP_EXTERNAL_FILE_CREDENTIALS",
                                        "GCP_EXTERNAL_URL_CREDENTIALS", "GCP_APP_CREDENTIALS"};
    for (size_t i = 0; i < BULLA_LEN(files); i++) {
        set(0, "GOOGLE_APPLICATION_CREDENTIALS", fact(files[i]));
        cloud_key(&c, fact("GCP_KEY"));
        cloud_roundtrip(&c);
        cloud_close(&c);
    }
    control("gcp expect impersonated+near=1 as+near=2"); /* the one at a url */
}

static void the_metadata_server_logs_in_and_must_say_what_it_is(void **state)
{
    (void)state;
    c.config.use_default_credentials = true;
    set(0, "GCE_METADATA_HOST", fact("GCP_METADATA_HOST"));
    cloud_key(&c, fact("GCP_KEY"));
    control("gcp fake no_flavor=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "no metadata server");
    control("gcp fake metadata_down=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    cloud_roundtrip(&c);
}

static void logins_that_cannot_work_say_why(void **state)
{
    (void)state;
    c.config.credentials_file = "/nonexistent/credentials.json";
    cloud_key(&c, fact("GCP_KEY"));
    assert_status(cloud_wrap(&c), BULLA_ENOFILE);
    open_with("GCP_CREDENTIALS");
    control("gcp fake refuse_login=1");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "invalid_client");
    cloud_roundtrip(&c);
}

/* --- impersonation --- */

static void an_account_is_impersonated_through_its_delegates(void **state)
{
    (void)state;
    open_with("GCP_IMPERSONATED_USER_CREDENTIALS");
    cloud_roundtrip(&c);
    control("gcp expect logins=2 impersonated+far=1 as+far=2");
}

static void a_service_account_impersonates_with_the_wider_scope(void **state)
{
    (void)state;
    open_with("GCP_IMPERSONATED_APP_CREDENTIALS");
    cloud_roundtrip(&c);
    control("gcp expect logins=2 impersonated+near=1 as+near=2");
}

static void an_identity_of_aws_impersonates(void **state)
{
    (void)state;
    set(0, "AWS_ACCESS_KEY_ID", fact("GCP_AWS_LASTING_ID"));
    set(1, "AWS_SECRET_ACCESS_KEY", fact("GCP_AWS_LASTING_SECRET"));
    set(2, "AWS_REGION", "us-east-2");
    open_with("GCP_IMPERSONATED_EXTERNAL_AWS_CREDENTIALS");
    cloud_roundtrip(&c);
    control("gcp expect aws+us-east-2=1 impersonated+near=1 as+near=2");
}

static void who_may_not_impersonate_or_not_log_in_is_refused(void **state)
{
    (void)state;
    open_with("GCP_IMPERSONATED_NOBODY_CREDENTIALS");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "iam.serviceAccounts.getAccessToken");
    control("gcp expect logins=1 impersonated+near=0");
    open_with("GCP_IMPERSONATED_USER_CREDENTIALS");
    control("gcp fake refuse_login=1");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "invalid_client");
    control("gcp expect logins=1 impersonated+far=0");
    cloud_roundtrip(&c);
}

/* An outage would let data keys outlive their time: whoever takes the account away must not cause one. */
static void an_account_that_is_gone_is_a_refusal_and_no_outage(void **state)
{
    (void)state;
    char json[1024];
    (void)snprintf(
        json, sizeof json,
        "{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":\"%s/v1/projects/-/"
        "serviceAccounts/gone@bulla-test.iam.gserviceaccount.com:generateAccessToken\","
        "\"source_credentials\":{\"type\":\"authorized_user\",\"client_id\":\"user-client\","
        "\"client_secret\":\"user-secret\",\"refresh_token\":\"1//user&refresh\",\"token_uri\":\"%s/token\"}}",
        fact("GCP_ADDR"), fact("GCP_ADDR"));
    open_with_text(json);
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "Gaia id not found");
}

/* What stands in the endpoint's place says nothing of the account. */
static void a_page_in_the_place_of_the_token_endpoint_is_an_outage(void **state)
{
    (void)state;
    char json[512];
    (void)snprintf(json, sizeof json,
                   "{\"type\":\"authorized_user\",\"client_id\":\"user-client\",\"client_secret\":\"user-secret\","
                   "\"refresh_token\":\"1//user&refresh\",\"token_uri\":\"%s/elsewhere\"}",
                   fact("GCP_ADDR"));
    open_with_text(json);
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "HTTP 404");
}

/* --- identities of AWS --- */

static void an_identity_of_aws_logs_in(void **state)
{
    (void)state;
    set(0, "AWS_ACCESS_KEY_ID", fact("GCP_AWS_LASTING_ID"));
    set(1, "AWS_SECRET_ACCESS_KEY", fact("GCP_AWS_LASTING_SECRET"));
    set(2, "AWS_DEFAULT_REGION", "us-east-2");
    open_with("GCP_EXTERNAL_AWS_CREDENTIALS");
    cloud_roundtrip(&c);
    control("gcp expect logins=1 aws+us-east-2=1");
    set(3, "AWS_REGION", "eu-west-1"); /* which counts more */
    set(0, "AWS_ACCESS_KEY_ID", fact("GCP_AWS_SESSION_ID"));
    set(1, "AWS_SECRET_ACCESS_KEY", fact("GCP_AWS_SESSION_SECRET"));
    set(4, "AWS_SESSION_TOKEN", fact("GCP_AWS_SESSION_TOKEN"));
    open_with("GCP_EXTERNAL_AWS_CREDENTIALS");
    cloud_roundtrip(&c);
    control("gcp expect logins=2 aws+eu-west-1=1");
}

static void a_machine_of_aws_logs_in_with_its_role_and_region(void **state)
{
    (void)state;
    set(0, "AWS_EC2_METADATA_SERVICE_ENDPOINT", fact("GCP_ADDR"));
    open_with("GCP_EXTERNAL_AWS_CREDENTIALS");
    cloud_roundtrip(&c);
    control("gcp expect logins=1 aws+eu-central-1=1");
    open_with("GCP_EXTERNAL_AWS_CREDENTIALS");
    control("gcp fake aws_metadata_down=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "AWS_REGION is not set");
    set(1, "AWS_EC2_METADATA_DISABLED", "true");
    assert_status(cloud_wrap(&c), BULLA_ECONFIG);
    assert_why(&c, "switched off");
    set(1, NULL, NULL);
    cloud_roundtrip(&c);
}

static void a_wrong_key_of_aws_is_refused(void **state)
{
    (void)state;
    set(0, "AWS_ACCESS_KEY_ID", fact("GCP_AWS_SESSION_ID"));
    set(1, "AWS_SECRET_ACCESS_KEY", fact("GCP_AWS_LASTING_SECRET"));
    set(2, "AWS_SESSION_TOKEN", fact("GCP_AWS_SESSION_TOKEN"));
    set(3, "AWS_REGION", "us-east-2");
    open_with("GCP_EXTERNAL_AWS_CREDENTIALS");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "the signature is wrong");
    set(1, "AWS_SECRET_ACCESS_KEY", fact("GCP_AWS_SESSION_SECRET"));
    set(2, NULL, NULL);
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "headers are missing");
    set(3, "AWS_REGION", "us east");
    assert_status(cloud_wrap(&c), BULLA_ECONFIG);
    assert_why(&c, "no region of AWS");
    control("gcp expect logins=0");
}

/* --- files that cannot work; nobody is asked --- */

typedef struct wrong_file {
    const char *json;
    bulla_status status;
    const char *words;
} wrong_file;

static void assert_refused(const wrong_file *rows, size_t num_rows)
{
    for (size_t i = 0; i < num_rows; i++) {
        open_with_text(rows[i].json);
        bulla_status status = cloud_wrap(&c);
        if (status != rows[i].status) print_error("%s\n", rows[i].json);
        assert_status(status, rows[i].status);
        assert_why(&c, rows[i].words);
    }
    control("gcp expect logins=0");
}

static void an_impersonation_that_cannot_work_says_why(void **state)
{
    (void)state;
    static const wrong_file rows[] = {
        {"{\"type\":\"impersonated_service_account\",\"source_credentials\":{" USER "}}", BULLA_ECONFIG,
         "no service_account_impersonation_url"},
        {IMPERSONATED "}", BULLA_ECONFIG, "no source_credentials"},
        {IMPERSONATED ",\"source_credentials\":[]}", BULLA_ECONFIG, "no source_credentials"},
        {IMPERSONATED ",\"source_credentials\":{" USER "}}", BULLA_ECONFIG, "no source_credentials/client_secret"},
        {IMPERSONATED ",\"source_credentials\":{" USER ",\"service_account_impersonation_url\":null}}", BULLA_ECONFIG,
         "no source_credentials/client_secret"},
        {IMPERSONATED ",\"source_credentials\":{\"type\":\"gdch_service_account\"}}", BULLA_EUNSUPPORTED,
         "source_credentials of type \"gdch_service_account\""},
        {IMPERSONATED ",\"source_credentials\":" IMPERSONATED ",\"source_credentials\":{" USER "}}}",
         BULLA_EUNSUPPORTED, "themselves impersonated"},
        {IMPERSONATED ",\"source_credentials\":{\"type\":\"impersonated_service_account\"}}", BULLA_EUNSUPPORTED,
         "not supported"},
        {IMPERSONATED ",\"source_credentials\":{\"type\":\"external_account\","
                      "\"service_account_impersonation_url\":\"" TARGET "\"}}",
         BULLA_EUNSUPPORTED, "themselves impersonated"},
        {"{\"type\":\"impersonated_service_account\",\"source_credentials\":{" USER "},"
         "\"service_account_impersonation_url\":\"http://iamcredentials.googleapis.com/v1/x\"}",
         BULLA_ECONFIG, "only sent through https"},
    };
    assert_refused(rows, BULLA_LEN(rows));
}

static void delegates_are_a_short_list_of_names(void **state)
{
    (void)state;
    static const wrong_file rows[] = {
        {IMPERSONATED ",\"source_credentials\":{" USER "},\"delegates\":\"a@b\"}", BULLA_ECONFIG, "usable delegates"},
        {IMPERSONATED ",\"source_credentials\":{" USER "},\"delegates\":{\"a\":\"a@b\"}}", BULLA_ECONFIG,
         "usable delegates"},
        {IMPERSONATED ",\"source_credentials\":{" USER "},\"delegates\":[\"a@b\",1]}", BULLA_ECONFIG,
         "usable delegates"},
        {IMPERSONATED ",\"source_credentials\":{" USER "},\"delegates\":"
                      "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
         BULLA_ECONFIG, "usable delegates"},
        {IMPERSONATED ",\"source_credentials\":{" USER "},\"delegates\":"
                      "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}",
         BULLA_ECONFIG, "no source_credentials/client_secret"}, /* eight may be: the next thing is wrong */
    };
    assert_refused(rows, BULLA_LEN(rows));
}

static void a_source_of_aws_that_cannot_work_says_why(void **state)
{
    (void)state;
    static const char elsewhere[] = "AWS has its metadata service";
    static const wrong_file rows[] = {
        {EXTERNAL "\"environment_id\":\"aws2\"}}", BULLA_EUNSUPPORTED, "\"aws2\": only aws1"},
        {EXTERNAL "\"environment_id\":1}}", BULLA_ECONFIG, "no credential_source/environment_id"},
        {AWS "\"url\":\"http://10.0.0.1/latest\"}}", BULLA_ECONFIG, elsewhere},
        {AWS "\"url\":\"https://169.254.169.254/latest\"}}", BULLA_ECONFIG, elsewhere},
        {AWS "\"region_url\":\"http://169.254.169.254.example.com/latest\"}}", BULLA_ECONFIG, elsewhere},
        {AWS "\"region_url\":\"http://169.254.169.254@example.com/latest\"}}", BULLA_ECONFIG, elsewhere},
        {AWS "\"imdsv2_session_token_url\":\"http://[fd00:ec2::253]/latest\"}}", BULLA_ECONFIG, elsewhere},
        {AWS "\"url\":\"http://[fd00:ec2::254]/latest\"}}", BULLA_ECONFIG, "no credential_source/regional_cred"},
        {AWS VERIFY "http://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15\"}}", BULLA_ECONFIG,
         "not https://sts"},
        {AWS VERIFY "https://sts.{region}.amazonaws.com:8443?Action=GetCallerIdentity&Version=2011-06-15\"}}",
         BULLA_ECONFIG, "not https://sts"},
        {AWS VERIFY "https://sts.{region}.amazonaws.com?Action=AssumeRole&Version=2011-06-15\"}}", BULLA_ECONFIG,
         "not https://sts"},
        {EXTERNAL "\"environment_id\":null}}", BULLA_EUNSUPPORTED, "certificates or executables"}, /* as if left out */
        {EXTERNAL "\"executable\":{\"command\":\"/bin/true\"}}}", BULLA_EUNSUPPORTED, "certificates or executables"},
        {EXTERNAL "\"certificate\":{\"use_default_certificate_config\":true}}}", BULLA_EUNSUPPORTED,
         "certificates or executables"},
    };
    set(0, "AWS_REGION", "us-east-2");
    assert_refused(rows, BULLA_LEN(rows));
}

static void a_source_of_aws_needs_a_region_and_credentials(void **state)
{
    (void)state;
    static const char json[] =
        AWS VERIFY "https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\"}}";
    set(0, "AWS_EC2_METADATA_DISABLED", "true");
    open_with_text(json);
    assert_status(cloud_wrap(&c), BULLA_ECONFIG);
    assert_why(&c, "set AWS_REGION");
    set(1, "AWS_REGION", "us-east-2");
    assert_status(cloud_wrap(&c), BULLA_EAUTHN);
    assert_why(&c, "no credentials for AWS");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_credentials_logs_in),
        TEST(the_metadata_server_logs_in_and_must_say_what_it_is),
        TEST(logins_that_cannot_work_say_why),
        TEST(an_account_is_impersonated_through_its_delegates),
        TEST(a_service_account_impersonates_with_the_wider_scope),
        TEST(an_identity_of_aws_impersonates),
        TEST(who_may_not_impersonate_or_not_log_in_is_refused),
        TEST(an_account_that_is_gone_is_a_refusal_and_no_outage),
        TEST(a_page_in_the_place_of_the_token_endpoint_is_an_outage),
        TEST(an_identity_of_aws_logs_in),
        TEST(a_machine_of_aws_logs_in_with_its_role_and_region),
        TEST(a_wrong_key_of_aws_is_refused),
        TEST(an_impersonation_that_cannot_work_says_why),
        TEST(delegates_are_a_short_list_of_names),
        TEST(a_source_of_aws_that_cannot_work_says_why),
        TEST(a_source_of_aws_needs_a_region_and_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
