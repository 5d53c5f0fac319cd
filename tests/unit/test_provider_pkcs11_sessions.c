/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: as many as the token has, no longer than they are needed, and others when the token was gone. */
#include "pkcs11_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- requests in threads --- */

typedef struct crowd {
    pkcs11_kit *kit;
    int stop, served, failed, other; /* failed: told as an outage; other: anything else, as a wrong answer */
} crowd;

static void crowd_ask(crowd *of)
{
    bulla_call call;
    pkcs11_kit_call(of->kit, &call, 20000);
    bulla_status status = pkcs11_both_ways(of->kit->key, &call);
    bool is_outage = bulla_status_class(status) == BULLA_CLASS_RETRY;
    int *counter = status == BULLA_OK ? &of->served : is_outage ? &of->failed : &of->other;
    (void)__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
    if (counter == &of->other) (void)fprintf(stderr, "%s: %s\n", bulla_status_name(status), call.why);
}

static void *crowd_run(void *arg)
{
    crowd *of = arg;
    for (int i = 0; i < 50; i++)
        crowd_ask(of);
    return NULL;
}

static void *crowd_run_on(void *arg)
{
    crowd *of = arg;
    while (__atomic_load_n(&of->stop, __ATOMIC_ACQUIRE) == 0) {
        crowd_ask(of);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return NULL;
}

static void wait_for_more(const int *counter, int num)
{
    int wanted = __atomic_load_n(counter, __ATOMIC_RELAXED) + num;
    for (int i = 0; i < 30000 && __atomic_load_n(counter, __ATOMIC_RELAXED) < wanted; i++)
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    assert_true(__atomic_load_n(counter, __ATOMIC_RELAXED) >= wanted);
}

/* One more request, in a thread of its own. */
typedef struct request {
    pkcs11_kit *kit;
    bulla_status status;
    pthread_t thread;
} request;

static void *request_run(void *arg)
{
    request *of = arg;
    bulla_call call;
    pkcs11_kit_call(of->kit, &call, 0);
    of->status = pkcs11_both_ways(of->kit->key, &call);
    return NULL;
}

static void request_start(request *of, pkcs11_kit *kit)
{
    of->kit = kit;
    assert_int_equal(pthread_create(&of->thread, NULL, request_run, of), 0);
}

/* Leaves `num` sessions idle: so many requests in the module at a time. */
static void sessions_use(pkcs11_kit *kit, size_t num)
{
    request all[PKCS11_THREADS];
    hsm_hold(HSM_ENCRYPT);
    for (size_t i = 0; i < num; i++)
        request_start(&all[i], kit);
    hsm_held_wait(HSM_ENCRYPT, num);
    hsm_release(HSM_ENCRYPT);
    for (size_t i = 0; i < num; i++) {
        (void)pthread_join(all[i].thread, NULL);
        assert_ok(all[i].status);
    }
}

/* --- as many as there are --- */

static void test_requests_in_the_module_at_a_time_are_as_many_as_the_pool_has_sessions(void **state)
{
    pkcs11_kit *kit = *state;
    crowd all = {.kit = kit};
    kit->config.pool.max_connections = 3;
    pkcs11_kit_open(kit);
    sessions_use(kit, 3);
    pkcs11_threads_run(crowd_run, &all);
    assert_int_equal(all.served, 50 * PKCS11_THREADS);
    assert_int_equal(hsm->most_open, 3);
    assert_int_equal(hsm->num_misused, 0);
}

static void test_whoever_waits_for_a_session_waits_no_longer_than_its_deadline(void **state)
{
    pkcs11_kit *kit = *state;
    request slow;
    bulla_call call;
    kit->config.pool.max_connections = 1;
    pkcs11_kit_open(kit);
    hsm_hold(HSM_ENCRYPT);
    request_start(&slow, kit);
    hsm_held_wait(HSM_ENCRYPT, 1);
    pkcs11_kit_call(kit, &call, 30);
    assert_status(pkcs11_both_ways(kit->key, &call), BULLA_EDEADLINE);
    hsm_release(HSM_ENCRYPT);
    (void)pthread_join(slow.thread, NULL);
    assert_ok(slow.status);
}

static void test_a_token_with_fewer_sessions_than_the_pool_serves_all_with_those(void **state)
{
    pkcs11_kit *kit = *state;
    crowd all = {.kit = kit};
    hsm->max_sessions = 2;
    pkcs11_kit_open(kit);
    sessions_use(kit, 2);
    pkcs11_threads_run(crowd_run, &all);
    assert_int_equal(all.served, 50 * PKCS11_THREADS);
    assert_int_equal(hsm->num_misused, 0);
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
}

static void test_a_token_whose_sessions_others_have_throttles_and_then_serves(void **state)
{
    pkcs11_kit *kit = *state;
    hsm->max_sessions = 0;
    pkcs11_kit_open(kit);
    assert_status(pkcs11_kit_wrap(kit), BULLA_ETHROTTLED);
    assert_why(&kit->call, "CKR_SESSION_COUNT");
    HSM_SET(max_sessions, 1);
    assert_ok(pkcs11_kit_wrap(kit));
}

static void test_sessions_that_others_have_given_back_are_used_after_a_while(void **state)
{
    pkcs11_kit *kit = *state;
    request first, second;
    hsm->max_sessions = 1;
    pkcs11_kit_open(kit);
    hsm_hold(HSM_ENCRYPT);
    request_start(&first, kit);
    hsm_held_wait(HSM_ENCRYPT, 1);
    size_t num_tries = hsm_count(HSM_OPEN);
    request_start(&second, kit);
    while (hsm_count(HSM_OPEN) == num_tries) /* it has been refused, and waits */
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    HSM_SET(max_sessions, 2);
    while (hsm_held(HSM_ENCRYPT) < 2) { /* both are in the module */
        fake_env_advance_ms(&kit->fake, 11000);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    hsm_release(HSM_ENCRYPT);
    (void)pthread_join(first.thread, NULL);
    (void)pthread_join(second.thread, NULL);
    assert_ok(first.status);
    assert_ok(second.status);
}

/* --- no longer than needed --- */

static void test_sessions_that_lie_idle_are_closed_and_the_login_stays(void **state)
{
    pkcs11_kit *kit = *state;
    kit->config.pool.idle_timeout_ms = 5000;
    pkcs11_kit_open(kit);
    sessions_use(kit, 4);
    assert_int_equal(hsm->num_open, 4);
    fake_env_advance_ms(&kit->fake, 4999);
    assert_ok(pkcs11_kit_wrap(kit)); /* with one of them */
    assert_int_equal(hsm->num_open, 4);
    fake_env_advance_ms(&kit->fake, 1);
    assert_ok(pkcs11_kit_wrap(kit)); /* three have lain for 5 s, and one for 1 ms */
    assert_int_equal(hsm->num_open, 1);
    fake_env_advance_ms(&kit->fake, 3600000);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_int_equal(hsm->num_open, 1);
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
    assert_int_equal(hsm_count(HSM_OPEN), 4);
}

static void test_sessions_lie_idle_for_a_minute_where_nobody_says_how_long(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_open(kit);
    sessions_use(kit, 2);
    fake_env_advance_ms(&kit->fake, 59999);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_int_equal(hsm->num_open, 2);
    fake_env_advance_ms(&kit->fake, 1);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_int_equal(hsm->num_open, 1);
}

static void test_there_is_room_for_others_where_idle_sessions_were_closed(void **state)
{
    pkcs11_kit *kit = *state;
    kit->config.pool.max_connections = 4;
    kit->config.pool.idle_timeout_ms = 1000;
    pkcs11_kit_open(kit);
    for (int i = 0; i < 5; i++) {
        sessions_use(kit, 4);
        assert_int_equal(hsm->num_open, 4);
        fake_env_advance_ms(&kit->fake, 1000);
        assert_ok(pkcs11_kit_wrap(kit));
        assert_int_equal(hsm->num_open, 1);
    }
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
}

/* --- forks --- */

static bulla_status child_status(pkcs11_kit *kit, const char *part)
{
    int how = -1;
    pid_t child = fork();
    if (child == 0) {
        bulla_call call;
        bulla_call_init(&call, &kit->real);
        bulla_status status = pkcs11_both_ways(kit->key, &call);
        _exit(strstr(call.why, part) != NULL ? (int)status : 255);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_not_equal(WEXITSTATUS(how), 255);
    return (bulla_status)WEXITSTATUS(how);
}

static void test_a_forked_child_has_no_pin_of_the_configuration_and_says_so(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    assert_status(child_status(kit, "in a forked process: open the key store after the fork, or use pin-source"),
                  BULLA_EAUTHN);
    assert_ok(pkcs11_kit_unwrap(kit)); /* of the parent nothing was taken */
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
}

static void test_a_forked_child_logs_in_with_the_pin_of_a_file(void **state)
{
    pkcs11_kit *kit = *state;
    char path[] = "/tmp/bulla-pin-XXXXXX", address[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "2580", 4) == 4);
    (void)close(fd);
    (void)snprintf(address, sizeof address, PKCS11_KEY "?pin-source=file:%s", path);
    pkcs11_kit_pin_set(kit, NULL);
    assert_ok(pkcs11_kit_open_at(kit, address, &kit->key));
    sessions_use(kit, 3);
    assert_status(child_status(kit, ""), BULLA_OK);
    assert_ok(pkcs11_both_ways(kit->key, &kit->call));
    assert_int_equal(hsm_count(HSM_LOGIN), 1);
    (void)unlink(path);
}

/* --- loss --- */

/* A module that says it is not initialised is none: that is test_a_module_that_somebody_finalises…. */
static const CK_RV losses[] = {CKR_DEVICE_REMOVED,     CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED,
                               CKR_USER_NOT_LOGGED_IN, CKR_TOKEN_NOT_PRESENT,      CKR_KEY_HANDLE_INVALID,
                               CKR_DEVICE_ERROR,       CKR_VENDOR_DEFINED | 3};

static void test_what_is_lost_under_a_request_is_found_again_by_it(void **state)
{
    pkcs11_kit *kit = *state;
    static const hsm_call calls[] = {HSM_ENCRYPT_INIT, HSM_ENCRYPT, HSM_DECRYPT_INIT, HSM_DECRYPT};
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    for (size_t i = 0; i < BULLA_LEN(losses); i++)
        for (size_t k = 0; k < BULLA_LEN(calls); k++) {
            hsm_fail(calls[k], (hsm_fault){losses[i], 0, 1, false});
            assert_ok(pkcs11_kit_wrap(kit));
            assert_ok(pkcs11_kit_unwrap(kit));
            assert_int_equal(hsm->faults[calls[k]].times, 0);
        }
}

static void test_a_loss_that_stays_is_an_outage_and_heals(void **state)
{
    pkcs11_kit *kit = *state;
    pkcs11_kit_open(kit);
    assert_ok(pkcs11_kit_wrap(kit));
    for (size_t i = 0; i < BULLA_LEN(losses); i++) {
        size_t before = hsm_count(HSM_ENCRYPT_INIT);
        hsm_fail(HSM_ENCRYPT_INIT, (hsm_fault){losses[i], 0, HSM_ALWAYS, false});
        assert_status(pkcs11_kit_wrap(kit), BULLA_EUNAVAIL);
        assert_int_equal(hsm_count(HSM_ENCRYPT_INIT), before + 2); /* once more, and no more */
        hsm_fail(HSM_ENCRYPT_INIT, (hsm_fault){0});
        assert_ok(pkcs11_kit_wrap(kit));
        assert_ok(pkcs11_kit_unwrap(kit));
    }
}

static void test_a_token_that_is_pulled_under_load_heals_without_a_wrong_answer(void **state)
{
    pkcs11_kit *kit = *state;
    pthread_t threads[PKCS11_THREADS];
    crowd all = {.kit = kit};
    pkcs11_kit_open(kit);
    for (size_t i = 0; i < PKCS11_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run_on, &all), 0);
    for (int i = 0; i < 6; i++) {
        wait_for_more(&all.served, 50);
        hsm_pull(0);
        wait_for_more(&all.failed, 10);
        hsm_put_back(0, i % 2 == 0); /* or it is seen only when the module is initialised anew */
    }
    wait_for_more(&all.served, 50);
    __atomic_store_n(&all.stop, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < PKCS11_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(all.other, 0);
}

static void test_a_module_that_somebody_finalises_under_load_heals_without_a_wrong_answer(void **state)
{
    pkcs11_kit *kit = *state;
    pthread_t threads[PKCS11_THREADS];
    crowd all = {.kit = kit};
    pkcs11_kit_open(kit);
    for (size_t i = 0; i < PKCS11_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run_on, &all), 0);
    for (int i = 0; i < 20; i++) {
        wait_for_more(&all.served, 20);
        hsm_close_all();
    }
    wait_for_more(&all.served, 50);
    __atomic_store_n(&all.stop, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < PKCS11_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(all.other, 0);
    assert_int_equal(hsm->num_misused, 0);
}

/* Handles and sessions of one token end with the module's life, though it was another token that was gone. */
static void test_a_module_that_is_initialised_anew_for_one_token_is_known_as_new_by_the_other(void **state)
{
    pkcs11_kit *kit = *state;
    BULLA_AUTO(bulla_provider) *second = NULL;
    HSM_SET(tokens[1].is_there, true);
    hsm_key_add("app", 1)->token = 1;
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:serial=0001;object=app", &kit->key));
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:serial=0002;object=app", &second));
    assert_ok(pkcs11_kit_wrap(kit));
    assert_ok(pkcs11_both_ways(second, &kit->call));
    size_t num_lives = hsm->num_lives;
    hsm_pull(1);
    hsm_put_back(1, false);
    fake_env_advance_ms(&kit->fake, 1000); /* it may have been initialised anew just before */
    assert_ok(pkcs11_both_ways(second, &kit->call));
    assert_int_equal(hsm->num_lives, num_lives + 1);
    assert_ok(pkcs11_kit_unwrap(kit));
    assert_ok(pkcs11_kit_wrap(kit)); /* with the key, not with the one whose handle is now what the key's was */
    assert_int_equal(hsm->num_misused, 0);
    bulla_provider_unref(BULLA_TAKE(kit->key));
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:serial=0001;object=app", &kit->key));
    assert_ok(pkcs11_kit_unwrap(kit));
}

static void test_a_token_that_is_away_costs_another_one_its_sessions_every_half_minute_at_most(void **state)
{
    pkcs11_kit *kit = *state;
    BULLA_AUTO(bulla_provider) *second = NULL;
    HSM_SET(tokens[1].is_there, true);
    hsm_key_add("app", 1)->token = 1;
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:serial=0001;object=app", &kit->key));
    assert_ok(pkcs11_kit_open_at(kit, "pkcs11:serial=0002;object=app", &second));
    assert_ok(pkcs11_both_ways(second, &kit->call));
    hsm_pull(1);
    assert_ok(pkcs11_kit_wrap(kit));
    size_t num_lives = hsm->num_lives;
    for (int i = 0; i < 90; i++) {
        fake_env_advance_ms(&kit->fake, 1000);
        assert_ok(pkcs11_kit_unwrap(kit));
        assert_status(pkcs11_both_ways(second, &kit->call), BULLA_EUNAVAIL);
    }
    assert_in_range(hsm->num_lives - num_lives, 2, 3); /* not 90 */
    hsm_put_back(1, false);
    fake_env_advance_ms(&kit->fake, 30000);
    assert_ok(pkcs11_both_ways(second, &kit->call));
    assert_ok(pkcs11_kit_unwrap(kit));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pkcs11_kit_setup, pkcs11_kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_requests_in_the_module_at_a_time_are_as_many_as_the_pool_has_sessions),
        TEST(test_whoever_waits_for_a_session_waits_no_longer_than_its_deadline),
        TEST(test_a_token_with_fewer_sessions_than_the_pool_serves_all_with_those),
        TEST(test_a_token_whose_sessions_others_have_throttles_and_then_serves),
        TEST(test_sessions_that_others_have_given_back_are_used_after_a_while),
        TEST(test_sessions_that_lie_idle_are_closed_and_the_login_stays),
        TEST(test_sessions_lie_idle_for_a_minute_where_nobody_says_how_long),
        TEST(test_there_is_room_for_others_where_idle_sessions_were_closed),
        TEST(test_a_forked_child_has_no_pin_of_the_configuration_and_says_so),
        TEST(test_a_forked_child_logs_in_with_the_pin_of_a_file),
        TEST(test_what_is_lost_under_a_request_is_found_again_by_it),
        TEST(test_a_loss_that_stays_is_an_outage_and_heals),
        TEST(test_a_token_that_is_pulled_under_load_heals_without_a_wrong_answer),
        TEST(test_a_module_that_somebody_finalises_under_load_heals_without_a_wrong_answer),
        TEST(test_a_module_that_is_initialised_anew_for_one_token_is_known_as_new_by_the_other),
        TEST(test_a_token_that_is_away_costs_another_one_its_sessions_every_half_minute_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
