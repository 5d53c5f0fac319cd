/* SPDX-License-Identifier: Apache-2.0 */
/* How a provider carries itself: deadlines, failures, memory, threads, references. */
#include "contract/provider_contract.h"

#include <pthread.h>

/* Every operation once; `done` is told each one's status. Outputs of those that succeed are released. */
typedef void (*verdict)(contract *c, bulla_status status);

static void try_everything(contract *c, const contract_sample *sample, verdict judge)
{
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    judge(c, bulla_provider_wrap(c->key, &c->call, c->context, sample->dek, &wrapped));
    assert_null(wrapped);
    judge(c, bulla_provider_unwrap(c->key, &c->call, c->context, sample->wrapped, &dek));
    assert_null(dek);
    judge(c, bulla_provider_datakey(c->key, &c->call, c->context, 32, &dek, &wrapped));
    assert_true(dek == NULL && wrapped == NULL);
    judge(c, bulla_provider_rewrap(c->key, &c->call, c->context, sample->wrapped, &wrapped));
    assert_null(wrapped);
}

static void judge_cancelled(contract *c, bulla_status status)
{
    assert_status(status, BULLA_ECANCELLED);
    assert_status(c->call.status, BULLA_ECANCELLED);
}

static void a_cancelled_call_does_nothing(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_call_cancel(&c->call);
    try_everything(c, &sample, judge_cancelled);
    contract_sample_done(&sample);
}

static void judge_late(contract *c, bulla_status status)
{
    assert_status(status, BULLA_EDEADLINE);
    assert_status(c->call.status, BULLA_EDEADLINE);
}

static void a_call_past_its_deadline_does_nothing(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_call_deadline_set(&c->call, 100);
    fake_env_advance_ms(&c->fake, 100);
    try_everything(c, &sample, judge_late);
    contract_sample_done(&sample);
}

static void a_call_before_its_deadline_works(void **state)
{
    contract *c = *state;
    bulla_call_deadline_set(&c->call, 5000);
    fake_env_advance_ms(&c->fake, 4000);
    contract_sample sample = contract_sample_new(c);
    contract_sample_done(&sample);
}

static void judge_outage(contract *c, bulla_status status)
{
    assert_status(status, BULLA_EUNAVAIL);
    assert_int_equal(bulla_status_class(status), BULLA_CLASS_RETRY);
    assert_true(c->call.provider[0] != '\0' && c->call.why[0] != '\0');
}

static void no_answer_is_not_no_key(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_key_info info;
    c->row->down_set(c->key, true);
    try_everything(c, &sample, judge_outage);
    judge_outage(c, bulla_provider_describe(c->key, &c->call, &info));
    contract_sample_done(&sample);
}

static void after_an_outage_everything_works_again(void **state)
{
    contract *c = *state;
    contract_sample before = contract_sample_new(c);
    BULLA_AUTO(bulla_secret) *opened = NULL;
    c->row->down_set(c->key, true);
    try_everything(c, &before, judge_outage);
    c->row->down_set(c->key, false);
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, before.wrapped, &opened));
    assert_same_key(before.dek, opened);
    contract_sample_done(&before);
}

static void a_failure_says_who_and_why(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_secret *opened = NULL;
    bulla_wrapped damaged = *sample.wrapped;
    damaged.blob.len--;
    assert_status(bulla_provider_unwrap(c->key, &c->call, c->context, &damaged, &opened), BULLA_EINTEGRITY);
    assert_status(c->call.status, BULLA_EINTEGRITY);
    assert_true(strlen(c->call.provider) > 0 && strlen(c->call.why) > 0);
    contract_sample_done(&sample);
}

/* Addresses that nobody may look behind: outputs must still hold them when an operation has failed. */
static void outputs_are_left_alone_on_failure(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    char here;
    bulla_secret *const no_secret = (bulla_secret *)(void *)&here;
    bulla_wrapped *const no_wrapped = (bulla_wrapped *)(void *)&here;
    bulla_secret *dek = no_secret;
    bulla_wrapped *wrapped = no_wrapped, damaged = *sample.wrapped;
    damaged.blob.len -= 1;
    assert_status(bulla_provider_unwrap(c->key, &c->call, c->context, &damaged, &dek), BULLA_EINTEGRITY);
    assert_status(bulla_provider_rewrap(c->key, &c->call, c->context, &damaged, &wrapped), BULLA_EINTEGRITY);
    assert_status(bulla_provider_datakey(c->key, &c->call, c->context, 1, &dek, &wrapped), BULLA_EINVAL);
    assert_status(bulla_provider_wrap(c->key, &c->call, c->context, NULL, &wrapped), BULLA_EINVAL);
    assert_ptr_equal(dek, no_secret);
    assert_ptr_equal(wrapped, no_wrapped);
    contract_sample_done(&sample);
}

static void a_call_and_a_provider_are_required(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    bulla_secret *opened = NULL;
    bulla_wrapped *wrapped = NULL;
    assert_status(bulla_provider_unwrap(c->key, NULL, c->context, sample.wrapped, &opened), BULLA_EINVAL);
    assert_status(bulla_provider_unwrap(NULL, &c->call, c->context, sample.wrapped, &opened), BULLA_EINVAL);
    assert_status(bulla_provider_wrap(NULL, &c->call, c->context, sample.dek, &wrapped), BULLA_EINVAL);
    assert_true(opened == NULL && wrapped == NULL);
    contract_sample_done(&sample);
}

static void it_knows_its_own_wrapped_keys(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_wrapped) *again = NULL;
    assert_true(bulla_provider_matches(c->key, sample.wrapped));
    assert_ok(bulla_provider_rewrap(c->key, &c->call, c->context, sample.wrapped, &again));
    assert_true(bulla_provider_matches(c->key, again));
    contract_sample_done(&sample);
}

static void it_describes_an_enabled_key(void **state)
{
    contract *c = *state;
    bulla_key_info info;
    memset(&info, 0xEE, sizeof info);
    assert_ok(bulla_provider_describe(c->key, &c->call, &info));
    assert_true(strlen(info.name) > 0 && strlen(info.name) < sizeof info.name && strlen(info.id) < sizeof info.id);
    assert_int_equal(info.state, BULLA_KEY_ENABLED);
    assert_int_equal(info.usage, BULLA_USAGE_WRAP);
    assert_true(info.type != BULLA_KEY_UNKNOWN && info.primary_version >= 1 && info.num_versions >= 1);
}

static void its_name_is_a_short_word(void **state)
{
    contract *c = *state;
    const char *name = bulla_provider_name(c->key);
    assert_in_range(strlen(name), 1, sizeof c->call.provider - 1);
    for (; *name != '\0'; name++)
        assert_true((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') || *name == '-');
}

static void references_keep_it_open(void **state)
{
    contract *c = *state;
    bulla_provider *second = bulla_provider_ref(c->key);
    contract_sample sample = contract_sample_new(c);
    bulla_provider_unref(second);
    bulla_provider_unref(NULL);
    assert_null(bulla_provider_ref(NULL));
    BULLA_AUTO(bulla_secret) *opened = NULL;
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, sample.wrapped, &opened));
    contract_sample_done(&sample);
}

static void what_it_gave_outlives_it(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_secret) *opened = NULL;
    BULLA_AUTO(bulla_wrapped) *copy = NULL;
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, sample.wrapped, &opened));
    bulla_provider_unref(c->key);
    c->key = NULL;
    assert_same_key(sample.dek, opened);
    assert_ok(bulla_wrapped_copy(&c->call, sample.wrapped, &copy));
    assert_true(bulla_view_equal(copy->blob, sample.wrapped->blob));
    contract_sample_done(&sample);
}

static void a_purge_forgets_and_nothing_else(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    BULLA_AUTO(bulla_secret) *opened = NULL;
    bulla_provider_purge(c->key, bulla_view_text("no such key"));
    bulla_provider_purge(c->key, (bulla_view){NULL, 0});
    bulla_provider_purge(NULL, (bulla_view){NULL, 0});
    bulla_provider_forget(c->key, c->context, sample.wrapped);
    bulla_provider_forget(c->key, NULL, sample.wrapped);
    bulla_provider_forget(c->key, c->context, NULL);
    bulla_provider_forget(NULL, c->context, sample.wrapped);
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, sample.wrapped, &opened));
    assert_same_key(sample.dek, opened);
    contract_sample_done(&sample);
}

static bulla_status do_nth(contract *c, const contract_sample *sample, int nth)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    if (nth == 0) return bulla_provider_wrap(c->key, &c->call, c->context, sample->dek, &wrapped);
    if (nth == 1) return bulla_provider_unwrap(c->key, &c->call, c->context, sample->wrapped, &dek);
    if (nth == 2) return bulla_provider_datakey(c->key, &c->call, c->context, 32, &dek, &wrapped);
    return bulla_provider_rewrap(c->key, &c->call, c->context, sample->wrapped, &wrapped);
}

/* A provider may do without some memory, but then it does; else it says so and leaves nothing behind. */
static void it_survives_every_shortage_of_memory(void **state)
{
    contract *c = *state;
    contract_sample sample = contract_sample_new(c);
    for (int nth = 0; nth < 4; nth++) {
        assert_ok(do_nth(c, &sample, nth)); /* what is kept from the first time on is not a leak either */
        for (size_t n = 1; n < 100; n++) {
            bulla_provider_purge(c->key, (bulla_view){NULL, 0}); /* what a cache keeps is not a leak */
            size_t before = c->fake.num_allocs, live = c->fake.num_live;
            fake_env_fail_alloc_in(&c->fake, n);
            bulla_status status = do_nth(c, &sample, nth);
            if (status != BULLA_OK) assert_status(status, BULLA_ENOMEM);
            bulla_provider_purge(c->key, (bulla_view){NULL, 0});
            assert_int_equal(c->fake.num_live, live);
            if (c->fake.num_allocs < before + n) break;
        }
        fake_env_fail_alloc_in(&c->fake, 0);
        assert_ok(do_nth(c, &sample, nth));
    }
    contract_sample_done(&sample);
}

static void no_data_key_is_made_without_randomness(void **state)
{
    contract *c = *state;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    c->fake.random_answer = BULLA_ECRYPTO;
    bulla_status status = bulla_provider_datakey(c->key, &c->call, c->context, 32, &dek, &wrapped);
    if (status == BULLA_OK && (bulla_provider_can(c->key) & BULLA_OP_DATAKEY) != 0) { /* the store drew it */
        bulla_secret_unref(dek);
        bulla_wrapped_free(wrapped);
        return;
    }
    assert_status(status, BULLA_ECRYPTO);
    assert_true(dek == NULL && wrapped == NULL);
}

typedef struct worker {
    pthread_t thread;
    contract *c;
    bulla_wrapped *shared;
    bool failed;
} worker;

static void *work(void *arg)
{
    worker *self = arg;
    bulla_call call;
    bulla_call_init(&call, &self->c->fake.env);
    bulla_provider *key = bulla_provider_ref(self->c->key);
    for (int i = 0; i < 40 && !self->failed; i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        BULLA_AUTO(bulla_secret) *opened = NULL;
        BULLA_AUTO(bulla_secret) *common = NULL;
        BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
        self->failed = bulla_provider_datakey(key, &call, self->c->context, 32, &dek, &wrapped) != BULLA_OK ||
                       bulla_provider_unwrap(key, &call, self->c->context, wrapped, &opened) != BULLA_OK ||
                       bulla_provider_unwrap(key, &call, self->c->context, self->shared, &common) != BULLA_OK ||
                       !bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(opened));
        if (i % 10 == 9) bulla_provider_purge(key, (bulla_view){NULL, 0});
    }
    bulla_provider_unref(key);
    return NULL;
}

static void eight_threads_use_it_at_once(void **state)
{
    contract *c = *state;
    worker workers[8];
    contract_sample sample = contract_sample_new(c);
    for (size_t i = 0; i < BULLA_LEN(workers); i++) {
        workers[i] = (worker){.c = c, .shared = sample.wrapped};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < BULLA_LEN(workers); i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_false(workers[i].failed);
    }
    contract_sample_done(&sample);
}

const contract_check conduct_checks[] = {
    CONTRACT_CHECK(a_cancelled_call_does_nothing),
    CONTRACT_CHECK(a_call_past_its_deadline_does_nothing),
    CONTRACT_CHECK(a_call_before_its_deadline_works),
    {"no_answer_is_not_no_key", no_answer_is_not_no_key, true},
    {"after_an_outage_everything_works_again", after_an_outage_everything_works_again, true},
    CONTRACT_CHECK(a_failure_says_who_and_why),
    CONTRACT_CHECK(outputs_are_left_alone_on_failure),
    CONTRACT_CHECK(a_call_and_a_provider_are_required),
    CONTRACT_CHECK(it_knows_its_own_wrapped_keys),
    CONTRACT_CHECK(it_describes_an_enabled_key),
    CONTRACT_CHECK(its_name_is_a_short_word),
    CONTRACT_CHECK(references_keep_it_open),
    CONTRACT_CHECK(what_it_gave_outlives_it),
    CONTRACT_CHECK(a_purge_forgets_and_nothing_else),
    CONTRACT_CHECK(it_survives_every_shortage_of_memory),
    CONTRACT_CHECK(no_data_key_is_made_without_randomness),
    CONTRACT_CHECK(eight_threads_use_it_at_once),
};
const size_t num_conduct_checks = BULLA_LEN(conduct_checks);
