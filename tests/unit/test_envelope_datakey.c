/* SPDX-License-Identifier: Apache-2.0 */
#include "bulla/record.h"

#include "base/bytes.h"
#include "base/context.h"
#include "cmocka_all.h"
#include "fakes/keyed_provider.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUM_THREADS 4u
#define TEXT "the value of one cell"
#define TEXT_LEN 21u
#define RECORD_LEN (TEXT_LEN + BULLA_RECORD_OVERHEAD)

static bulla_env env;
static bulla_call call;
static size_t num_allocs;
static keyed_provider plain;
static bulla_datakey *datakey;
static bulla_context *context;

static void *counted_alloc(void *arg, size_t len)
{
    (void)arg;
    num_allocs++;
    return malloc(len);
}

static bulla_view text(void)
{
    return bulla_view_of(TEXT, TEXT_LEN);
}

static bulla_context *context_of(const char *key, const char *value)
{
    const bulla_pair pair = {bulla_view_text(key), bulla_view_text(value)};
    bulla_context *made = NULL;
    assert_ok(bulla_context_new(&call, &pair, 1, &made));
    return made;
}

static int start(void **state)
{
    (void)state;
    env = *bulla_env_default();
    env.alloc = counted_alloc;
    bulla_call_init(&call, &env);
    keyed_provider_init_plain(&plain);
    context = context_of("row", "17");
    assert_ok(bulla_datakey_create(&call, &plain.base, NULL, NULL, &datakey));
    num_allocs = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    bulla_datakey_unref(datakey);
    bulla_context_unref(context);
    datakey = NULL;
    return 0;
}

static bulla_datakey *limited(uint64_t max_records, uint64_t max_bytes)
{
    const bulla_datakey_options options = {sizeof options, max_records, max_bytes};
    bulla_datakey *made = NULL;
    assert_ok(bulla_datakey_create(&call, &plain.base, NULL, &options, &made));
    return made;
}

static bulla_status seal(bulla_datakey *with, bulla_view plaintext)
{
    uint8_t out[RECORD_LEN];
    size_t len = 0;
    return bulla_record_encrypt(with, NULL, context, plaintext, out, sizeof out, &len);
}

static void test_a_record_opens_again_and_asks_no_store(void **state)
{
    (void)state;
    uint8_t record[RECORD_LEN], out[TEXT_LEN];
    size_t len = 0, num_calls = plain.num_wrapped + plain.num_unwraps;
    assert_ok(bulla_record_encrypt(datakey, &call, context, text(), record, sizeof record, &len));
    assert_int_equal(len, RECORD_LEN);
    assert_ok(bulla_record_decrypt(datakey, &call, context, bulla_view_of(record, len), out, sizeof out, &len));
    assert_int_equal(len, TEXT_LEN);
    assert_memory_equal(out, TEXT, TEXT_LEN);
    assert_int_equal(plain.num_wrapped + plain.num_unwraps, num_calls);
    assert_int_equal(num_allocs, 0);
}

static void test_a_data_key_opened_from_its_wrapped_form_opens_old_records(void **state)
{
    (void)state;
    uint8_t record[RECORD_LEN], out[TEXT_LEN];
    size_t len = 0;
    assert_ok(bulla_record_encrypt(datakey, NULL, context, text(), record, sizeof record, &len));
    bulla_datakey *again = NULL;
    assert_ok(bulla_datakey_open(&call, &plain.base, NULL, bulla_datakey_wrapped(datakey), NULL, &again));
    assert_ok(bulla_record_decrypt(again, NULL, context, bulla_view_of(record, len), out, sizeof out, &len));
    assert_memory_equal(out, TEXT, TEXT_LEN);
    bulla_datakey_unref(again);
}

static void test_the_wrapped_form_is_a_copy_of_its_own(void **state)
{
    (void)state;
    const bulla_wrapped *first = bulla_datakey_wrapped(datakey);
    bulla_datakey *again = NULL;
    assert_ok(bulla_datakey_open(&call, &plain.base, NULL, first, NULL, &again));
    const bulla_wrapped *second = bulla_datakey_wrapped(again);
    assert_ptr_not_equal(first->blob.data, second->blob.data);
    assert_true(bulla_view_equal(first->blob, second->blob));
    assert_true(bulla_view_equal(first->provider, second->provider));
    bulla_datakey_unref(again);
}

static void test_the_wrapped_form_needs_its_context(void **state)
{
    (void)state;
    bulla_datakey *bound = NULL, *again = NULL;
    assert_ok(bulla_datakey_create(&call, &plain.base, context, NULL, &bound));
    const bulla_wrapped *wrapped = bulla_datakey_wrapped(bound);
    bulla_context *other = context_of("row", "18");
    assert_status(bulla_datakey_open(&call, &plain.base, other, wrapped, NULL, &again), BULLA_EINTEGRITY);
    assert_null(again);
    assert_ok(bulla_datakey_open(&call, &plain.base, context, wrapped, NULL, &again));
    bulla_context_unref(other);
    bulla_datakey_unref(again);
    bulla_datakey_unref(bound);
}

static void test_a_record_of_another_data_key_is_no_key(void **state)
{
    (void)state;
    uint8_t record[RECORD_LEN], out[TEXT_LEN];
    size_t len = 0;
    bulla_datakey *other = limited(0, 0);
    assert_ok(bulla_record_encrypt(other, NULL, context, text(), record, sizeof record, &len));
    bulla_view bytes = bulla_view_of(record, sizeof record);
    assert_status(bulla_record_decrypt(datakey, &call, context, bytes, out, sizeof out, &len), BULLA_ENOKEY);
    bulla_datakey_unref(other);
}

static void test_another_context_or_an_altered_record_fails_and_leaves_nothing(void **state)
{
    (void)state;
    uint8_t record[RECORD_LEN], out[TEXT_LEN], zeros[TEXT_LEN] = {0};
    size_t len = 0;
    bulla_context *other = context_of("row", "18");
    assert_ok(bulla_record_encrypt(datakey, NULL, context, text(), record, sizeof record, &len));
    len = 99;
    memset(out, 0, sizeof out);
    bulla_view bytes = bulla_view_of(record, sizeof record);
    assert_status(bulla_record_decrypt(datakey, &call, other, bytes, out, sizeof out, &len), BULLA_EINTEGRITY);
    assert_status(bulla_record_decrypt(datakey, &call, NULL, bytes, out, sizeof out, &len), BULLA_EINTEGRITY);
    record[40] ^= 1;
    assert_status(bulla_record_decrypt(datakey, &call, context, bytes, out, sizeof out, &len), BULLA_EINTEGRITY);
    record[0] = 2;
    assert_status(bulla_record_decrypt(datakey, &call, context, bytes, out, sizeof out, &len), BULLA_EUNSUPPORTED);
    assert_int_equal(len, 99);
    assert_memory_equal(out, zeros, sizeof out);
    bulla_context_unref(other);
}

static void test_capacity_may_be_exact_and_not_one_less(void **state)
{
    (void)state;
    uint8_t record[RECORD_LEN], out[TEXT_LEN];
    size_t len = 99;
    assert_status(bulla_record_encrypt(datakey, &call, NULL, text(), record, sizeof record - 1, &len), BULLA_ELIMIT);
    assert_int_equal(len, 99);
    assert_ok(bulla_record_encrypt(datakey, &call, NULL, text(), record, sizeof record, &len));
    bulla_view bytes = bulla_view_of(record, sizeof record);
    assert_status(bulla_record_decrypt(datakey, &call, NULL, bytes, out, sizeof out - 1, &len), BULLA_ELIMIT);
    assert_int_equal(len, RECORD_LEN);
    assert_ok(bulla_record_decrypt(datakey, &call, NULL, bytes, out, sizeof out, &len));
    assert_status(bulla_record_decrypt(datakey, &call, NULL, bulla_view_of(record, 48), NULL, 0, &len),
                  BULLA_EINTEGRITY);
}

static void test_a_plaintext_over_the_limit_is_refused_unread(void **state)
{
    (void)state;
    uint8_t out[1];
    size_t len = 99;
    bulla_view huge = bulla_view_of(out, (size_t)BULLA_MAX_RECORD + 1);
    assert_status(bulla_record_encrypt(datakey, &call, NULL, huge, out, SIZE_MAX, &len), BULLA_ELIMIT);
    huge.len = SIZE_MAX;
    assert_status(bulla_record_encrypt(datakey, &call, NULL, huge, out, SIZE_MAX, &len), BULLA_ELIMIT);
    assert_int_equal(len, 99);
}

static void test_the_record_after_the_last_is_refused(void **state)
{
    (void)state;
    bulla_datakey *two = limited(2, 0);
    assert_ok(seal(two, text()));
    assert_ok(seal(two, text()));
    assert_status(seal(two, text()), BULLA_ELIMIT);
    assert_status(seal(two, bulla_view_of(NULL, 0)), BULLA_ELIMIT);
    bulla_datakey_unref(two);
}

static void test_the_byte_after_the_last_is_refused_and_less_still_fits(void **state)
{
    (void)state;
    bulla_datakey *few = limited(0, TEXT_LEN + 2);
    assert_ok(seal(few, text()));
    assert_status(seal(few, bulla_view_of(TEXT, 3)), BULLA_ELIMIT);
    assert_ok(seal(few, bulla_view_of(TEXT, 2)));
    assert_status(seal(few, bulla_view_of(TEXT, 1)), BULLA_ELIMIT);
    assert_ok(seal(few, bulla_view_of(NULL, 0)));
    bulla_datakey_unref(few);
}

typedef struct worker {
    pthread_t thread;
    bulla_datakey *datakey;
    size_t num_sealed, num_wrong;
} worker;

static void *seal_until_refused(void *arg)
{
    worker *me = arg;
    while (seal(me->datakey, text()) == BULLA_OK)
        me->num_sealed++;
    return NULL;
}

static size_t run_threads(void *(*work)(void *), bulla_datakey *shared, size_t *out_num_wrong)
{
    worker workers[NUM_THREADS] = {0};
    size_t num_sealed = 0;
    for (size_t i = 0; i < NUM_THREADS; i++) {
        workers[i].datakey = shared;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < NUM_THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        num_sealed += workers[i].num_sealed;
        *out_num_wrong += workers[i].num_wrong;
    }
    return num_sealed;
}

static void test_threads_together_reach_the_limits_exactly(void **state)
{
    (void)state;
    size_t num_wrong = 0;
    bulla_datakey *by_records = limited(5000, 0), *by_bytes = limited(0, 5000 * TEXT_LEN + 1);
    assert_int_equal(run_threads(seal_until_refused, by_records, &num_wrong), 5000);
    assert_int_equal(run_threads(seal_until_refused, by_bytes, &num_wrong), 5000);
    bulla_datakey_unref(by_records);
    bulla_datakey_unref(by_bytes);
}

static void *seal_and_open(void *arg)
{
    worker *me = arg;
    bulla_datakey *mine = bulla_datakey_ref(me->datakey);
    for (size_t i = 0; i < 2000; i++) {
        uint8_t in[64], record[64 + BULLA_RECORD_OVERHEAD], out[64];
        size_t len = 0;
        memset(in, (int)i, sizeof in);
        bool right =
            bulla_record_encrypt(mine, NULL, context, bulla_view_of(in, sizeof in), record, sizeof record, &len) ==
                BULLA_OK &&
            bulla_record_decrypt(mine, NULL, context, bulla_view_of(record, len), out, sizeof out, &len) == BULLA_OK &&
            memcmp(in, out, sizeof in) == 0;
        me->num_wrong += !right;
    }
    bulla_datakey_unref(mine);
    return NULL;
}

static void test_threads_share_one_data_key(void **state)
{
    (void)state;
    size_t num_wrong = 0;
    (void)run_threads(seal_and_open, datakey, &num_wrong);
    assert_int_equal(num_wrong, 0);
}

static void test_a_forked_child_has_no_key_and_the_parent_keeps_it(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(seal(datakey, text()) == BULLA_ECRYPTO ? 0 : 1);
    int how = -1;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    assert_ok(seal(datakey, text()));
}

static void test_what_the_store_answers_is_passed_on(void **state)
{
    (void)state;
    bulla_datakey *none = NULL;
    plain.answer = BULLA_EUNAVAIL;
    assert_status(bulla_datakey_create(&call, &plain.base, NULL, NULL, &none), BULLA_EUNAVAIL);
    assert_status(bulla_datakey_open(&call, &plain.base, NULL, bulla_datakey_wrapped(datakey), NULL, &none),
                  BULLA_EUNAVAIL);
    assert_null(none);
}

static void test_a_data_key_of_another_length_is_refused(void **state)
{
    (void)state;
    const uint8_t short_key[16] = {1};
    const bulla_wrapped wrapped = {bulla_view_text("plain"), bulla_view_text("the key"),
                                   bulla_view_of(short_key, sizeof short_key)};
    bulla_datakey *none = NULL;
    assert_status(bulla_datakey_open(&call, &plain.base, NULL, &wrapped, NULL, &none), BULLA_EUNSUPPORTED);
    assert_null(none);
}

static void test_options_without_their_size_are_refused(void **state)
{
    (void)state;
    const bulla_datakey_options options = {.max_records = 2};
    bulla_datakey *none = NULL;
    assert_status(bulla_datakey_create(&call, &plain.base, NULL, &options, &none), BULLA_EINVAL);
    assert_null(none);
}

static void test_missing_arguments_are_refused(void **state)
{
    (void)state;
    uint8_t out[RECORD_LEN];
    size_t len = 99;
    bulla_view nobody = {NULL, 3};
    assert_status(bulla_record_encrypt(NULL, &call, NULL, text(), out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_record_encrypt(datakey, &call, NULL, text(), NULL, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_record_encrypt(datakey, &call, NULL, text(), out, sizeof out, NULL), BULLA_EINVAL);
    assert_status(bulla_record_encrypt(datakey, &call, NULL, nobody, out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_record_decrypt(NULL, &call, NULL, text(), out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_record_decrypt(datakey, &call, NULL, nobody, out, sizeof out, &len), BULLA_EINVAL);
    assert_status(bulla_datakey_open(&call, &plain.base, NULL, NULL, NULL, &datakey), BULLA_EINVAL);
    assert_int_equal(len, 99);
}

#define WITH_KEY(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_KEY(test_a_record_opens_again_and_asks_no_store),
        WITH_KEY(test_a_data_key_opened_from_its_wrapped_form_opens_old_records),
        WITH_KEY(test_the_wrapped_form_is_a_copy_of_its_own),
        WITH_KEY(test_the_wrapped_form_needs_its_context),
        WITH_KEY(test_a_record_of_another_data_key_is_no_key),
        WITH_KEY(test_another_context_or_an_altered_record_fails_and_leaves_nothing),
        WITH_KEY(test_capacity_may_be_exact_and_not_one_less),
        WITH_KEY(test_a_plaintext_over_the_limit_is_refused_unread),
        WITH_KEY(test_the_record_after_the_last_is_refused),
        WITH_KEY(test_the_byte_after_the_last_is_refused_and_less_still_fits),
        WITH_KEY(test_threads_together_reach_the_limits_exactly),
        WITH_KEY(test_threads_share_one_data_key),
        WITH_KEY(test_a_forked_child_has_no_key_and_the_parent_keeps_it),
        WITH_KEY(test_what_the_store_answers_is_passed_on),
        WITH_KEY(test_a_data_key_of_another_length_is_refused),
        WITH_KEY(test_options_without_their_size_are_refused),
        WITH_KEY(test_missing_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
