/* SPDX-License-Identifier: Apache-2.0 */
/* The gcp: back end against a fake that does what the real service cannot be asked to do: lies and faults. */
#include "stores/cloud.h"
#include "stores/control.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static cloud c;

static int start(void **state)
{
    (void)state;
    cloud_init(&c, "gcp");
    c.config.endpoint = fact("GCP_ADDR");
    c.config.credentials_file = fact("GCP_CREDENTIALS");
    return 0;
}

static int end(void **state)
{
    (void)state;
    cloud_done(&c);
    control("gcp restart"); /* faults and counters are gone */
    return 0;
}

static void open_ring_key(const char *name)
{
    char key[512];
    (void)snprintf(key, sizeof key, "%s/cryptoKeys/%s", fact("GCP_RING"), name);
    cloud_key(&c, key);
}

static void a_wrapped_key_bears_the_name_of_its_key(void **state)
{
    (void)state;
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    assert_true(bulla_view_is(c.wrapped->provider, "gcp-kms") && bulla_view_is(c.wrapped->info, fact("GCP_KEY")));
}

static void each_refusal_has_its_status(void **state)
{
    (void)state;
    static const cloud_refusal rows[] = {
        {"throttle", BULLA_ETHROTTLED, 429, 7000},
        {"unavailable", BULLA_EUNAVAIL, 503, 7000},
        {"internal", BULLA_EUNAVAIL, 500, 7000},
        {"html", BULLA_EUNAVAIL, 200, 0},
        {"huge", BULLA_EUNAVAIL, 0, 0},
    };
    cloud_key(&c, fact("GCP_KEY"));
    cloud_refusals_check(&c, "gcp", rows, BULLA_LEN(rows));
}

static void what_changed_on_the_way_is_asked_for_again(void **state)
{
    (void)state;
    static const char *const faults[] = {"wrong_crc=2", "flip=2", "bad_crc_seen=2"};
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    for (size_t i = 0; i < BULLA_LEN(faults); i++) {
        control("gcp fake %s", faults[i]);
        assert_ok(cloud_unwrap(&c));
        control("gcp fake %s", faults[i]);
        cloud_roundtrip(&c);
    }
    control("gcp fake unverified=2");
    cloud_roundtrip(&c);
}

static void what_changes_every_time_is_no_answer(void **state)
{
    (void)state;
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    control("gcp fake wrong_crc=3");
    assert_status(cloud_unwrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "3 times");
    control("gcp fake unverified=3");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    control("gcp expect encrypt=4 decrypt=4");
    cloud_roundtrip(&c);
}

static void an_answer_without_checksum_is_not_believed(void **state)
{
    (void)state;
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    control("gcp fake no_crc=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "no checksum");
    control("gcp fake no_crc=1");
    assert_status(cloud_unwrap(&c), BULLA_EUNAVAIL);
    control("gcp fake no_aad=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "that the context arrived");
    control("gcp fake lie_name=1");
    assert_status(cloud_wrap(&c), BULLA_EUNAVAIL);
    assert_why(&c, "was not asked for");
}

static void states_and_missing_keys_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bulla_status status;
        bulla_key_state state;
        const char *words; /* of the guide */
    } rows[] = {
        {"disabled", BULLA_ESTATE, BULLA_KEY_DISABLED, "is not enabled, current state is: DISABLED"},
        {"destroyed", BULLA_EDESTROYED, BULLA_KEY_DESTROYED, "current state is: DESTROYED"},
        {"scheduled", BULLA_ESTATE, BULLA_KEY_PENDING_DELETION, "current state is: DESTROY_SCHEDULED"},
        {"missing", BULLA_ENOKEY, BULLA_KEY_STATE_UNKNOWN, "NOT_FOUND"},
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        bulla_key_info info = {.state = BULLA_KEY_STATE_UNKNOWN};
        open_ring_key(rows[i].key);
        assert_status(cloud_wrap(&c), rows[i].status);
        assert_why(&c, rows[i].key);
        assert_why(&c, rows[i].words);
        bulla_status described = bulla_provider_describe(c.key, &c.call, &info);
        assert_status(described, rows[i].status == BULLA_ENOKEY ? BULLA_ENOKEY : BULLA_OK);
        assert_int_equal(info.state, rows[i].state);
        cloud_close(&c);
    }
}

static void rotation_is_followed_and_old_keys_open(void **state)
{
    (void)state;
    bulla_key_info info;
    uint32_t version = 0;
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    control("gcp fake generation_looks=2");
    assert_ok(bulla_provider_rotate(c.key, &c.call, &version));
    assert_int_equal(version, 2);
    assert_ok(cloud_unwrap(&c));
    assert_ok(bulla_provider_describe(c.key, &c.call, &info));
    assert_true(info.primary_version == 2 && info.num_versions == 2 && info.rotation_period_s == 7776000);
    control("gcp fake state=app,1,DISABLED");
    assert_status(cloud_unwrap(&c), BULLA_ESTATE);
    cloud_roundtrip(&c);
}

static void a_lost_rotation_is_not_known(void **state)
{
    (void)state;
    uint32_t version = 0;
    cloud_key(&c, fact("GCP_KEY"));
    control("gcp fake internal=1");
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EUNKNOWN);
    control("gcp fake unavailable=1");
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EUNAVAIL);
    assert_int_equal(version, 0);
    assert_int_equal(bulla_provider_idempotent(c.key) & BULLA_OP_ROTATE, 0);
}

static void cancel_it(void *arg, int64_t ns)
{
    (void)ns;
    bulla_call_cancel(&((cloud *)arg)->call);
}

static void break_it(void *arg, int64_t ns)
{
    (void)ns;
    ((cloud *)arg)->later_ns += 1000000000; /* the wait is over */
    control("gcp fake unavailable=1");
}

static void a_rotation_that_stops_behind_the_new_version_is_not_known(void **state)
{
    (void)state;
    uint32_t version = 0;
    cloud_key(&c, fact("GCP_KEY"));
    control("gcp fake generation_looks=9");
    c.env.sleep_ns = cancel_it;
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EUNKNOWN);
    assert_why(&c, "version 2 was made");
    c.call.cancelled = 0;
    c.env.sleep_ns = break_it;
    assert_status(bulla_provider_rotate(c.key, &c.call, &version), BULLA_EUNKNOWN);
    assert_why(&c, "version 3 was made");
    assert_int_equal(version, 0);
}

static void a_version_of_the_address_wraps_and_no_other(void **state)
{
    (void)state;
    uint32_t version = 0;
    char key[512];
    cloud_key(&c, fact("GCP_KEY"));
    assert_ok(bulla_provider_rotate(c.key, &c.call, &version));
    cloud_close(&c);
    (void)snprintf(key, sizeof key, "%s/cryptoKeyVersions/1?kms=main", fact("GCP_KEY"));
    cloud_key(&c, key);
    cloud_roundtrip(&c);
    control("gcp fake state=app,1,DISABLED");
    assert_status(cloud_wrap(&c), BULLA_ESTATE);
}

static void rights_that_are_missing_say_which_to_grant(void **state)
{
    (void)state;
    bulla_key_info info;
    c.config.credentials_file = fact("GCP_NOBODY_CREDENTIALS");
    cloud_key(&c, fact("GCP_KEY"));
    assert_status(cloud_wrap(&c), BULLA_EAUTHZ);
    assert_why(&c, "cryptoKeyEncrypterDecrypter");
    cloud_close(&c);
    c.config.credentials_file = fact("GCP_USER_ONLY_CREDENTIALS");
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    assert_ok(bulla_provider_check(c.key, &c.call)); /* who may only use it is served */
    assert_status(bulla_provider_describe(c.key, &c.call, &info), BULLA_EAUTHZ);
}

static void a_token_is_kept_and_a_refused_one_replaced_once(void **state)
{
    (void)state;
    cloud_key(&c, fact("GCP_KEY"));
    for (int i = 0; i < 3; i++)
        cloud_roundtrip(&c);
    control("gcp expect logins=1");
    control("gcp fake forget_tokens=1");
    cloud_roundtrip(&c);
    control("gcp expect logins=2");
}

static void a_token_is_renewed_before_its_end_and_serves_until_then(void **state)
{
    (void)state;
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    c.later_ns = INT64_C(3000) * 1000000000; /* of 3,600 s: not yet */
    cloud_roundtrip(&c);
    control("gcp expect logins=1");
    c.later_ns = INT64_C(3400) * 1000000000;
    control("gcp fake refuse_login=1");
    cloud_roundtrip(&c); /* the renewal failed, the token is good for 200 s more */
    control("gcp expect logins=1");
    c.later_ns = INT64_C(3420) * 1000000000;
    cloud_roundtrip(&c);
    control("gcp expect logins=2");
    assert_ok(c.call.status);
}

static void *use_key(void *arg)
{
    bulla_call call;
    bulla_wrapped *wrapped = NULL;
    bulla_call_init(&call, &c.env);
    *(bulla_status *)arg = bulla_provider_wrap(c.key, &call, NULL, c.dek, &wrapped);
    bulla_wrapped_free(wrapped);
    return NULL;
}

static void many_first_callers_share_one_login_and_its_failure(void **state)
{
    (void)state;
    pthread_t threads[12];
    bulla_status statuses[BULLA_LEN(threads)];
    cloud_key(&c, fact("GCP_KEY"));
    for (size_t i = 0; i < BULLA_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_key, &statuses[i]), 0);
    for (size_t i = 0; i < BULLA_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(statuses[i]);
    }
    control("gcp expect logins=1 encrypt=12");
}

static void a_login_that_hangs_ends_with_the_deadline(void **state)
{
    (void)state;
    cloud_key(&c, fact("GCP_KEY"));
    control("gcp pause");
    bulla_call_deadline_set(&c.call, 300);
    bulla_status status = cloud_wrap(&c);
    control("gcp resume");
    assert_status(status, BULLA_EDEADLINE);
    bulla_call_deadline_set(&c.call, 0);
    cloud_roundtrip(&c);
}

static void a_forked_child_logs_in_anew(void **state)
{
    (void)state;
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
    pid_t child = fork();
    if (child == 0) {
        bulla_secret *dek = NULL;
        bulla_call call;
        bulla_call_init(&call, &c.env);
        bulla_status status = bulla_provider_unwrap(c.key, &call, c.context, c.wrapped, &dek);
        _exit(status == BULLA_OK && bulla_secret_borrow(dek).len == 32 ? 0 : 1);
    }
    int outcome = -1;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_int_equal(outcome, 0);
    control("gcp expect logins=2");
    cloud_roundtrip(&c);
}

static void the_quota_project_is_the_configured_one_or_the_files(void **state)
{
    (void)state;
    c.config.credentials_file = fact("GCP_USER_CREDENTIALS");
    cloud_key(&c, fact("GCP_KEY"));
    assert_ok(cloud_wrap(&c));
    control("gcp expect quota+quota-of-file=1");
    cloud_close(&c);
    c.config.quota_project = "mine";
    cloud_key(&c, fact("GCP_KEY"));
    assert_ok(cloud_wrap(&c));
    control("gcp expect quota+mine=1 quota+quota-of-file=1");
}

static bulla_status count_key(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    (void)call;
    size_t *num = arg;
    assert_true(strncmp(address, "gcp:projects/", 13) == 0 && strstr(address, "?kms=main") != NULL);
    assert_non_null(strstr(address, info->name));
    return ++*num == 130 ? BULLA_ECANCELLED : BULLA_OK;
}

static void a_list_goes_over_all_pages_and_ends_when_the_visitor_wants(void **state)
{
    (void)state;
    size_t num = 0;
    cloud_key(&c, fact("GCP_KEY"));
    assert_ok(bulla_provider_list(c.key, &c.call, count_key, &num));
    assert_int_equal(num, 125);
    assert_status(bulla_provider_list(c.key, &c.call, count_key, &num), BULLA_ECANCELLED);
    assert_int_equal(num, 130);
}

static void a_certificate_that_does_not_fit_is_no_answer(void **state)
{
    (void)state;
    static const char *const addresses[] = {"GCP_EXPIRED_ADDR", "GCP_EARLY_ADDR", "GCP_WRONG_HOST_ADDR",
                                            "GCP_SELF_SIGNED_ADDR", "GCP_TLS_ADDR"};
    for (size_t i = 0; i < BULLA_LEN(addresses); i++) {
        c.config.endpoint = fact(addresses[i]);
        c.config.tls.ca_cert = fact(i == 4 ? "GCP_OTHER_CA" : "GCP_CA");
        cloud_key(&c, fact("GCP_KEY"));
        assert_status(cloud_wrap(&c), BULLA_EUNTRUSTED);
        assert_why(&c, "certificate");
        cloud_close(&c);
    }
    c.config.tls.ca_cert = fact("GCP_CA");
    cloud_key(&c, fact("GCP_KEY"));
    cloud_roundtrip(&c);
}

static void addresses_and_settings_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"gcp:", "gcp:projects/p",
                                        "gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k:decrypt",
                                        "gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k?region=x"};
    for (size_t i = 0; i < BULLA_LEN(wrong); i++)
        assert_status(cloud_open(&c, wrong[i]), BULLA_EINVAL);
    c.config.endpoint = "http://kms.example.com";
    assert_status(cloud_open(&c, "gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k"), BULLA_ECONFIG);
    c.config.endpoint = NULL;
    c.config.key_version = "latest";
    assert_status(cloud_open(&c, "gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k"), BULLA_ECONFIG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wrapped_key_bears_the_name_of_its_key),
        TEST(each_refusal_has_its_status),
        TEST(what_changed_on_the_way_is_asked_for_again),
        TEST(what_changes_every_time_is_no_answer),
        TEST(an_answer_without_checksum_is_not_believed),
        TEST(states_and_missing_keys_are_told_apart),
        TEST(rotation_is_followed_and_old_keys_open),
        TEST(a_lost_rotation_is_not_known),
        TEST(a_rotation_that_stops_behind_the_new_version_is_not_known),
        TEST(a_version_of_the_address_wraps_and_no_other),
        TEST(rights_that_are_missing_say_which_to_grant),
        TEST(a_token_is_kept_and_a_refused_one_replaced_once),
        TEST(a_token_is_renewed_before_its_end_and_serves_until_then),
        TEST(many_first_callers_share_one_login_and_its_failure),
        TEST(a_login_that_hangs_ends_with_the_deadline),
        TEST(a_forked_child_logs_in_anew),
        TEST(the_quota_project_is_the_configured_one_or_the_files),
        TEST(a_list_goes_over_all_pages_and_ends_when_the_visitor_wants),
        TEST(a_certificate_that_does_not_fit_is_no_answer),
        TEST(addresses_and_settings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
