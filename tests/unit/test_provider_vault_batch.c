/* SPDX-License-Identifier: Apache-2.0 */
/* Unwraps that come together: one request for those who wait, and for each of them the same as if it had been alone. */
#include "base/bytes.h"
#include "vault_crowd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_who_comes_alone_does_not_wait_and_is_no_batch(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 10; i++) {
        caller one = {.i = i};
        one.status = crowd_unwrap(&kit.call, kit.context, i, &one.dek);
        assert_has_key(&one);
    }
    assert_int_equal(crowd.num_alone, 10);
    assert_true(crowd_metric("bulla_kms_unwraps_queued_total") == 0);
}

static void test_those_who_wait_are_one_request(void **state)
{
    (void)state;
    crowd_gather(20);
    crowd_open();
    assert_all_served(20);
    assert_int_equal(crowd.num_batches, 1);
    assert_int_equal(crowd.num_items, 20);
    assert_int_equal(crowd.num_alone, PLACES);
    assert_true(crowd_metric("bulla_kms_unwraps_batched_total") == 20);
}

static void test_a_batch_is_bounded_in_number(void **state)
{
    (void)state;
    crowd_gather(MANY);
    crowd_open();
    assert_all_served(MANY);
    assert_int_equal(crowd.most_items, 64);
    assert_int_equal(crowd.num_items + crowd.num_alone, MANY + PLACES);
}

static void test_a_batch_is_bounded_in_bytes(void **state)
{
    (void)state;
    char value[LONG_CONTEXT];
    bulla_context *context = NULL;
    memset(value, 'v', sizeof value);
    const bulla_pair pair = {bulla_view_text("k"), bulla_view_of((const uint8_t *)value, sizeof value)};
    assert_ok(bulla_context_new(&kit.call, &pair, 1, &context));
    for (size_t i = 0; i < 30; i++)
        crowd.others[i].context = context;
    crowd_gather(30);
    crowd_open();
    assert_all_served(30);
    assert_int_equal(crowd.most_items, 65536 / (LONG_CONTEXT + 62));
    bulla_context_unref(context);
}

static void test_one_that_does_not_open_is_told_what_it_would_have_been_told_alone(void **state)
{
    (void)state;
    const bulla_pair pair = {bulla_view_text("table"), bulla_view_text("orders")};
    bulla_context *other = NULL;
    assert_ok(bulla_context_new(&kit.call, &pair, 1, &other));
    crowd.others[3].context = other;
    crowd_gather(8);
    crowd_open();
    caller_join(&crowd.others[3]);
    assert_status(crowd.others[3].status, BULLA_EINTEGRITY);
    assert_string_equal(crowd.others[3].call.why, "the wrapped data key is damaged, or not for this context");
    assert_int_equal(crowd.others[3].call.native, 400);
    for (size_t i = 0; i < 8; i++) {
        if (i == 3) continue;
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    crowd_first_join();
    assert_int_equal(crowd.num_items, 8);
    assert_int_equal(crowd.num_alone, PLACES + 1);
    bulla_context_unref(other);
}

/* What is not just one result for each item, in order and under its name, is worth nothing. */
static void test_a_lying_batch_gives_no_keys(void **state)
{
    (void)state;
    for (crowd.lie = SHORT; crowd.lie <= CROSSED; crowd.lie++) {
        size_t alone = crowd.num_alone;
        crowd_gather(6);
        crowd_open();
        assert_all_served(6);
        assert_int_equal(crowd.num_alone - alone, PLACES + 6);
        fake_env_advance_ms(&kit.fake, 61000); /* until batches are tried again */
    }
    assert_int_equal(crowd.num_batches, 5);
    assert_true(crowd_metric("bulla_kms_unwraps_batched_total") == 0);
}

/* So an answer that a proxy gives to the wrong asker is worth nothing to him. */
static void test_no_two_queues_use_the_same_references(void **state)
{
    (void)state;
    char before[sizeof crowd.reference];
    crowd_gather(2);
    crowd_open();
    assert_all_served(2);
    memcpy(before, crowd.reference, sizeof before);
    kit_must_open();
    caller one = {.i = 7};
    one.status = crowd_unwrap(&kit.call, kit.context, 7, &one.dek); /* logs in */
    assert_has_key(&one);
    crowd_gather(2);
    crowd_open();
    assert_all_served(2);
    assert_int_equal(crowd.num_batches, 2);
    assert_string_not_equal(crowd.reference, before);
}

static void test_something_else_than_a_data_key_is_refused_as_alone(void **state)
{
    (void)state;
    crowd.lie = BRIEF;
    crowd_gather(3);
    crowd_open();
    for (size_t i = 0; i < 3; i++) {
        caller_join(&crowd.others[i]);
        assert_status(crowd.others[i].status, BULLA_EINTEGRITY);
    }
    for (size_t i = 0; i < PLACES; i++)
        caller_join(&crowd.first[i]);
    assert_int_equal(crowd.num_alone, PLACES + 3);
}

static void test_a_batch_that_is_refused_makes_everybody_ask_alone_for_a_minute(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *body;
    } rows[] = {{400, "{\"errors\":[\"missing ciphertext to decrypt\"]}"},
                {403, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}"},
                {413, "{\"errors\":[\"too large\"]}"},
                {200, "<html>Welcome</html>"}};
    for (size_t i = 0, batches = 0; i < BULLA_LEN(rows); i++) {
        crowd.batch_answer = rows[i].body;
        crowd.batch_code = rows[i].code;
        crowd_gather(5);
        crowd_open();
        assert_all_served(5);
        assert_true(crowd.num_batches > batches);
        batches = crowd.num_batches;
        fake_env_advance_ms(&kit.fake, 59000);
        caller one = {.i = 7};
        one.status = crowd_unwrap(&kit.call, kit.context, 7, &one.dek);
        assert_has_key(&one);
        fake_env_advance_ms(&kit.fake, 2000);
    }
    assert_int_equal(kit.num_logins, 2); /* what is forbidden may be about the token: once */
}

/* Else it would get one request for each of them just then. */
static void test_a_server_that_wants_fewer_requests_gets_none_for_those_of_the_batch(void **state)
{
    (void)state;
    crowd.batch_answer = "{\"errors\":[\"rate limit quota exceeded\"]}";
    crowd.batch_code = 429;
    crowd_gather(6);
    crowd_open();
    for (size_t i = 0; i < 6; i++) {
        caller_join(&crowd.others[i]);
        assert_status(crowd.others[i].status, BULLA_ETHROTTLED);
        assert_int_equal(crowd.others[i].call.native, 429);
        assert_non_null(strstr(crowd.others[i].call.why, "limits the rate"));
    }
    crowd_first_join();
    assert_int_equal(crowd.num_batches, 1);
    assert_int_equal(crowd.num_alone, PLACES);
    crowd.batch_answer = NULL;
    crowd_gather(6);
    crowd_open();
    assert_all_served(6);
    assert_int_equal(crowd.num_batches, 2);
}

/* A second crowd, which comes before batches are tried again: nobody waits. */
static void test_nobody_waits_after_a_refused_batch(void **state)
{
    (void)state;
    crowd.batch_answer = "{}";
    crowd.batch_code = 400;
    crowd_gather(5);
    crowd_open();
    assert_all_served(5);
    uint64_t queued = crowd_metric("bulla_kms_unwraps_queued_total");
    crowd_gate(0);
    size_t before = http_server_num_requests(kit.server);
    for (size_t i = 0; i < 6; i++)
        caller_start(&crowd.others[i], i);
    crowd_until(are_flying, before + 6);
    crowd_gate(FREELY);
    for (size_t i = 0; i < 6; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    assert_true(crowd_metric("bulla_kms_unwraps_queued_total") == queued);
    assert_int_equal(crowd.num_batches, 1);
}

static void test_a_batch_that_is_lost_is_asked_for_one_by_one(void **state)
{
    (void)state;
    crowd.batch_fault = HTTP_RESET;
    crowd_gather(6);
    crowd_open();
    caller_join(&crowd.others[0]); /* its own request was lost */
    assert_status(crowd.others[0].status, BULLA_EUNAVAIL);
    for (size_t i = 1; i < 6; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    crowd_first_join();
}

/* While the server does not answer nobody waits for others. */
static void test_an_outage_ends_all_waiting(void **state)
{
    (void)state;
    unsigned num_failed = 0;
    crowd_gather(6);
    crowd.is_down = true;
    size_t before = http_server_num_requests(kit.server);
    crowd_gate(1);
    crowd_until(are_flying, before + 6);
    crowd_gate(FREELY);
    for (size_t i = 0; i < 6; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    for (size_t i = 0; i < PLACES; i++) {
        caller_join(&crowd.first[i]);
        if (crowd.first[i].status == BULLA_OK) assert_has_key(&crowd.first[i]);
        num_failed += crowd.first[i].status == BULLA_EUNAVAIL;
    }
    assert_int_equal(num_failed, 1);
    assert_int_equal(crowd.num_batches, 0);
}

/* --- callers that end --- */

/* The batch is under way: its leader is the first of the others. */
static void batch_fly(size_t num)
{
    crowd_gather(num);
    crowd.batch_fault = HTTP_SILENCE;
    crowd_open();
    crowd_until(are_batches, 1);
}

static void test_a_leader_that_is_cancelled_takes_nobody_along(void **state)
{
    (void)state;
    batch_fly(6);
    bulla_call_cancel(&crowd.others[0].call);
    caller_join(&crowd.others[0]);
    assert_status(crowd.others[0].status, BULLA_ECANCELLED);
    for (size_t i = 1; i < 6; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    crowd_first_join();
    assert_int_equal(crowd.num_alone, PLACES + 5);
}

static void test_a_leader_whose_time_is_over_takes_nobody_along(void **state)
{
    (void)state;
    bulla_call_init(&crowd.others[0].call, &kit.fake.env);
    bulla_call_deadline_set(&crowd.others[0].call, 20000);
    batch_fly(6);
    fake_env_advance_ms(&kit.fake, 21000);
    caller_join(&crowd.others[0]);
    assert_status(crowd.others[0].status, BULLA_EDEADLINE);
    for (size_t i = 1; i < 6; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    crowd_first_join();
}

static void test_one_who_leaves_the_queue_is_not_asked_for(void **state)
{
    (void)state;
    crowd_gather(6);
    bulla_call_cancel(&crowd.others[2].call);
    bulla_call_cancel(&crowd.others[5].call); /* the last */
    caller_join(&crowd.others[2]);
    caller_join(&crowd.others[5]);
    assert_status(crowd.others[2].status, BULLA_ECANCELLED);
    assert_status(crowd.others[5].status, BULLA_ECANCELLED);
    caller_start(&crowd.others[6], 6);
    crowd_until(are_queued, 7);
    crowd_open();
    static const size_t stayed[] = {0, 1, 3, 4, 6};
    for (size_t i = 0; i < BULLA_LEN(stayed); i++) {
        caller_join(&crowd.others[stayed[i]]);
        assert_has_key(&crowd.others[stayed[i]]);
    }
    crowd_first_join();
    assert_int_equal(crowd.num_items, 5);
}

static void test_who_was_to_lead_and_is_gone_is_followed_by_the_next(void **state)
{
    (void)state;
    crowd_gather(4);
    bulla_call_cancel(&crowd.others[0].call);
    crowd_open();
    caller_join(&crowd.others[0]);
    assert_status(crowd.others[0].status, BULLA_ECANCELLED);
    for (size_t i = 1; i < 4; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    crowd_first_join();
}

static void test_one_who_leaves_a_batch_under_way_does_not_wait_for_it(void **state)
{
    (void)state;
    batch_fly(6);
    bulla_call_cancel(&crowd.others[4].call);
    caller_join(&crowd.others[4]);
    assert_status(crowd.others[4].status, BULLA_ECANCELLED);
    bulla_call_cancel(&crowd.others[0].call);
    caller_join(&crowd.others[0]);
    for (size_t i = 1; i < 6; i++) {
        if (i == 4) continue;
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    crowd_first_join();
}

/* A minute is half of the time that a try has here. */
static void test_nobody_waits_for_others_longer_than_half_of_a_try(void **state)
{
    (void)state;
    batch_fly(4);
    fake_env_advance_ms(&kit.fake, 61000);
    for (size_t i = 1; i < 4; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    bulla_call_cancel(&crowd.others[0].call);
    caller_join(&crowd.others[0]);
    crowd_first_join();
    assert_int_equal(crowd.num_alone, PLACES + 3);
}

static void *ask_often(void *arg)
{
    caller *self = arg;
    bulla_call_init(&self->call, &kit.fake.env);
    for (uint8_t i = 0; i < 200 && self->status == BULLA_OK; i++) {
        uint8_t key[32];
        bulla_secret *dek = NULL;
        self->status = crowd_unwrap(&self->call, kit.context, i, &dek);
        memset(key, i, sizeof key);
        if (self->status == BULLA_OK && !bulla_view_equal(bulla_secret_borrow(dek), bulla_view_of(key, sizeof key)))
            self->status = BULLA_ECONTRACT;
        bulla_secret_unref(dek);
    }
    return NULL;
}

/* In every order that comes up. */
static void test_many_who_come_and_go_get_each_his_own_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&crowd.others[i].thread, NULL, ask_often, &crowd.others[i]), 0);
    for (size_t i = 0; i < 16; i++) {
        caller_join(&crowd.others[i]);
        assert_ok(crowd.others[i].status);
    }
    assert_true(crowd_metric("bulla_kms_unwraps_batched_total") > 0);
    assert_int_equal(crowd.num_items + crowd.num_alone, 16 * 200);
}

/* In the child nobody is left who would lead. */
static void test_a_forked_child_asks_alone(void **state)
{
    (void)state;
    char path[] = "/tmp/bulla-token-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0 && write(file, "s.given", 7) == 7 && close(file) == 0);
    kit.config.role_id = NULL;
    kit.config.secret_id = NULL;
    kit.config.token_file = path;
    (void)strcpy(kit.token, "s.given");
    kit.num_logins = 1; /* one look at the token, as one login */
    kit_must_open();
    bulla_secret *dek = NULL;
    assert_ok(crowd_unwrap(&kit.call, kit.context, 1, &dek));
    bulla_secret_unref(dek);
    crowd_gather(5);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit((int)crowd_unwrap(&kit.call, kit.context, 9, &dek));
    int code = 0;
    crowd_open();
    assert_all_served(5);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), BULLA_OK);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
#define BATCH_CASE(test) cmocka_unit_test_setup_teardown(test, crowd_setup, kit_stop)
    const struct CMUnitTest tests[] = {
        BATCH_CASE(test_who_comes_alone_does_not_wait_and_is_no_batch),
        BATCH_CASE(test_those_who_wait_are_one_request),
        BATCH_CASE(test_a_batch_is_bounded_in_number),
        BATCH_CASE(test_a_batch_is_bounded_in_bytes),
        BATCH_CASE(test_one_that_does_not_open_is_told_what_it_would_have_been_told_alone),
        BATCH_CASE(test_a_lying_batch_gives_no_keys),
        BATCH_CASE(test_no_two_queues_use_the_same_references),
        BATCH_CASE(test_something_else_than_a_data_key_is_refused_as_alone),
        BATCH_CASE(test_a_batch_that_is_refused_makes_everybody_ask_alone_for_a_minute),
        BATCH_CASE(test_a_server_that_wants_fewer_requests_gets_none_for_those_of_the_batch),
        BATCH_CASE(test_nobody_waits_after_a_refused_batch),
        BATCH_CASE(test_a_batch_that_is_lost_is_asked_for_one_by_one),
        BATCH_CASE(test_an_outage_ends_all_waiting),
        BATCH_CASE(test_a_leader_that_is_cancelled_takes_nobody_along),
        BATCH_CASE(test_a_leader_whose_time_is_over_takes_nobody_along),
        BATCH_CASE(test_one_who_leaves_the_queue_is_not_asked_for),
        BATCH_CASE(test_who_was_to_lead_and_is_gone_is_followed_by_the_next),
        BATCH_CASE(test_one_who_leaves_a_batch_under_way_does_not_wait_for_it),
        BATCH_CASE(test_nobody_waits_for_others_longer_than_half_of_a_try),
        BATCH_CASE(test_many_who_come_and_go_get_each_his_own_key),
        BATCH_CASE(test_a_forked_child_asks_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
