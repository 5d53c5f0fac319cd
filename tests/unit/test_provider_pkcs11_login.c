/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN: given once when it is wrong, never when it would lock the token, and to nobody who waits for ever. */
#include "pkcs11_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- wrong PINs --- */

typedef struct crowd {
    pkcs11_kit *kit;
    bulla_status expected;
    int num_other;
} crowd;

/* Ten requests of a thread that all end as expected. */
static void *crowd_run(void *arg)
{
    crowd *of = arg;
    for (int i = 0; i < 10; i++) {
        bulla_call call;
        pkcs11_kit_call(of->kit, &call, 0);
        bool is_expected = pkcs11_both_ways(of->kit->key, &call) == of->expected;
        if (!is_expected) (void)fprintf(stderr, "%s: %s\n", bulla_status_name(call.status), call.why);
        (void)__atomic_add_fetch(&of->num_other, is_expected ? 0 : 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_a_wrong_pin_reaches_the_token_once_whatever_asks_for_it(void **state)
{
    pkcs11_kit *kit = *state;
    crowd all = {.kit = kit, .expected = BULLA_EAUTHN};
    pkcs11_kit_pin_set(kit, "1111");
    pkcs11_kit_open(kit);
    pkcs11_threads_run(crowd_run, &all);
    assert_int_equal(all.num_other, 0);
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
    assert_status(pkcs11_kit_wrap(kit), BULLA_EAUTHN);
    assert_why(&kit->call, "refuses the PIN");
    assert_null(strstr(kit->call.why, "1111"));
    assert_int_equal(hsm->num_open, 0);
}

static void test_a_wrong_pin_reaches_the_token_once_by_whatever_address_it_is_found(void **state)
{
    pkcs11_kit *kit = *state;
    static const char *const addresses[] = {PKCS11_KEY, "pkcs11:serial=0001;object=app", "pkcs11:slot-id=0;object=app",
                                            "pkcs11:token=prod;model=fake;object=decoy"};
    pkcs11_kit_pin_set(kit, "1111");
    for (size_t i = 0; i < BULLA_LEN(addresses); i++) {
        BULLA_AUTO(bulla_provider) *key = NULL;
        assert_ok(pkcs11_kit_open_at(kit, addresses[i], &key));
        assert_status(pkcs11_both_ways(key, &kit->call), BULLA_EAUTHN);
        assert_why(&kit->call, "refuses the PIN");
    }
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
}

static void pin_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_another_pin_in_the_file_is_tried_and_the_same_one_is_not(void **state)
{
    pkcs11_kit *kit = *state;
    char path[] = "/tmp/bulla-pin-XXXXXX", address[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(address, sizeof address, PKCS11_KEY "?pin-source=file:%s", path);
    pkcs11_kit_pin_set(kit, NULL);
    assert_ok(pkcs11_kit_open_at(kit, address, &kit->key));
    pin_write(path, "1111\n");
    assert_status(pkcs11_both_ways(kit->key, &kit->call), BULLA_EAUTHN);
    pin_write(path, "1111"); /* that is no other */
    assert_status(pkcs11_both_ways(kit->key, &kit->call), BULLA_EAUTHN);
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
    pin_write(path, "2580\n");
    assert_ok(pkcs11_both_ways(kit->key, &kit->call));
    assert_int_equal(hsm_count(HSM_LOGIN), 2);
    (void)unlink(path);
}

static void test_a_token_that_one_wrong_pin_would_lock_is_given_none(void **state)
{
    pkcs11_kit *kit = *state;
    hsm->tokens[0].wrong_pins = HSM_TRIES - 1;
    pkcs11_kit_open(kit);
    assert_status(pkcs11_kit_wrap(kit), BULLA_EAUTHN);
    assert_why(&kit->call, "one more wrong PIN locks");
    assert_int_equal(hsm_count(HSM_LOGIN), 0);
    HSM_SET(tokens[0].wrong_pins, 0); /* somebody has logged in by hand */
    assert_ok(pkcs11_kit_wrap(kit));
}

static void test_a_locked_pin_is_told_by_whatever_the_token_says_of_it(void **state)
{
    pkcs11_kit *kit = *state;
    hsm->tokens[0].wrong_pins = HSM_TRIES;
    pkcs11_kit_open(kit);
    for (int i = 0; i < 2; i++) {
        HSM_SET(tokens[0].hides_flags, i == 1); /* then only its answer tells */
        assert_status(pkcs11_kit_wrap(kit), BULLA_EAUTHN);
        assert_why(&kit->call, "has locked its PIN; the security officer must unlock it (CKR_PIN_LOCKED)");
        assert_int_equal(hsm_count(HSM_LOGIN), i);
    }
}

static void test_without_a_pin_nothing_is_tried(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_pin_set(kit, NULL);
    pkcs11_kit_open(kit);
    assert_status(pkcs11_kit_wrap(kit), BULLA_EAUTHN);
    assert_why(&kit->call, "there is no PIN; set pin, or pin-source in the address");
    assert_int_equal(hsm_count(HSM_LOGIN), 0);
}

/* --- one login for all --- */

static void test_many_that_come_at_once_log_in_once(void **state)
{
    pkcs11_kit *kit = *state;
    crowd all = {.kit = kit, .expected = BULLA_OK};
    pkcs11_kit_open(kit);
    pkcs11_threads_run(crowd_run, &all);
    assert_int_equal(all.num_other, 0);
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
    assert_int_equal(hsm->num_misused, 0);
}

static void test_a_login_that_ends_under_it_is_done_again_and_nothing_fails(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    HSM_SET(tokens[0].is_logged_in, false);
    hsm_fail(HSM_DECRYPT_INIT, (hsm_fault){CKR_USER_NOT_LOGGED_IN, 0, 1, false});
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_int_equal(hsm_count(HSM_LOGIN), 2);
}

/* --- a login that hangs --- */

typedef struct request {
    pkcs11_kit *kit;
    bulla_call call;
    bulla_status status;
} request;

static void *request_run(void *arg)
{
    request *of = arg;
    of->status = pkcs11_both_ways(of->kit->key, &of->call);
    return NULL;
}

static void test_a_login_that_hangs_keeps_nobody_else_past_a_deadline_or_a_cancellation(void **state)
{
    pkcs11_kit *kit = *state;
    pthread_t first, second;
    bulla_call late;
    request stuck = {.kit = kit}, waiting = {.kit = kit};
    pkcs11_kit_open(kit);
    pkcs11_kit_call(kit, &stuck.call, 0);
    pkcs11_kit_call(kit, &waiting.call, 0);
    pkcs11_kit_call(kit, &late, 30);
    hsm_hold(HSM_LOGIN);
    assert_int_equal(pthread_create(&first, NULL, request_run, &stuck), 0);
    hsm_held_wait(HSM_LOGIN, 1);
    assert_status(pkcs11_both_ways(kit->key, &late), BULLA_EDEADLINE);
    assert_int_equal(pthread_create(&second, NULL, request_run, &waiting), 0);
    bulla_call_cancel(&waiting.call);
    (void)pthread_join(second, NULL);
    assert_status(waiting.status, BULLA_ECANCELLED);
    hsm_release(HSM_LOGIN); /* only now the first gets on */
    (void)pthread_join(first, NULL);
    assert_status(stuck.status, BULLA_OK);
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
}

static void test_a_login_that_comes_back_after_the_deadline_is_the_last_step(void **state)
{
    pkcs11_kit *kit = *state;
    pthread_t thread;
    request late = {.kit = kit};
    pkcs11_kit_open(kit);
    bulla_call_init(&late.call, &kit->fake.env);
    bulla_call_deadline_set(&late.call, 100);
    hsm_hold(HSM_LOGIN);
    assert_int_equal(pthread_create(&thread, NULL, request_run, &late), 0);
    hsm_held_wait(HSM_LOGIN, 1);
    fake_env_advance_ms(&kit->fake, 101);
    hsm_release(HSM_LOGIN);
    (void)pthread_join(thread, NULL);
    assert_status(late.status, BULLA_EDEADLINE);
    assert_int_equal(hsm_count(HSM_FIND), 0);
    assert_ok(pkcs11_kit_wrap(kit)); /* and the login was not in vain */
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
}

static void test_a_request_that_hangs_keeps_nobody_from_being_told_that_the_token_is_gone(void **state)
{
    pkcs11_kit *kit = *state;
    pthread_t thread;
    request stuck = {.kit = kit};
    bulla_call call;
    pkcs11_kit_open(kit);
    pkcs11_kit_call(kit, &stuck.call, 0);
    hsm_hold(HSM_ENCRYPT);
    assert_int_equal(pthread_create(&thread, NULL, request_run, &stuck), 0);
    hsm_held_wait(HSM_ENCRYPT, 1);
    hsm_pull(0);
    pkcs11_kit_call(kit, &call, 0);
    assert_status(pkcs11_both_ways(kit->key, &call), BULLA_EUNAVAIL); /* without a deadline */
    assert_why(&call, "no token \"prod\" is there");
    pkcs11_kit_call(kit, &call, 30);
    bulla_status status = pkcs11_both_ways(kit->key, &call);
    assert_true(status == BULLA_EUNAVAIL || status == BULLA_EDEADLINE); /* where the module would be initialised anew */
    assert_int_equal(hsm_held(HSM_ENCRYPT), 1);
    hsm_put_back(0, true);
    hsm_release(HSM_ENCRYPT);
    (void)pthread_join(thread, NULL);
    assert_status(stuck.status, BULLA_OK); /* it found the token again */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pkcs11_kit_setup, pkcs11_kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_wrong_pin_reaches_the_token_once_whatever_asks_for_it),
        TEST(test_a_wrong_pin_reaches_the_token_once_by_whatever_address_it_is_found),
        TEST(test_another_pin_in_the_file_is_tried_and_the_same_one_is_not),
        TEST(test_a_token_that_one_wrong_pin_would_lock_is_given_none),
        TEST(test_a_locked_pin_is_told_by_whatever_the_token_says_of_it),
        TEST(test_without_a_pin_nothing_is_tried),
        TEST(test_many_that_come_at_once_log_in_once),
        TEST(test_a_login_that_ends_under_it_is_done_again_and_nothing_fails),
        TEST(test_a_login_that_hangs_keeps_nobody_else_past_a_deadline_or_a_cancellation),
        TEST(test_a_login_that_comes_back_after_the_deadline_is_the_last_step),
        TEST(test_a_request_that_hangs_keeps_nobody_from_being_told_that_the_token_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
