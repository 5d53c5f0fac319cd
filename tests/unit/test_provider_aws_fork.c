/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that are forked while other threads use a key store, and what they have of it. Those that are forked under
 * load are children of a child: the server's threads, which take memory, are not in it, for the heap of a sanitizer has
 * locks that no fork waits for.
 */
#include "aws_kit.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUM_THREADS 4
#define NUM_FORKS 15
#define PATIENCE_S 120 /* a child that waits for ever is ended */

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif
#ifndef HAS_TSAN
#define HAS_TSAN 0
#endif

/* From a service that is given its time, and asked once. */
static void login_use(aws_kit *kit)
{
    aws_kit_web_identity_use(kit);
    kit->config.timeout_ms = PATIENCE_S * 1000;
}

static bulla_aws_client *home_of(aws_kit *kit)
{
    return ((bulla_aws_key *)(void *)kit->key)->home;
}

/* The access key that this process has now, or an error. */
static bulla_status creds_get(aws_kit *kit, char out_id[BULLA_AWSCREDS_MAX_ID])
{
    bulla_call call;
    BULLA_AUTO(bulla_aws_creds) *creds = NULL;
    int64_t skew_s = 0;
    bulla_call_init(&call, &kit->env);
    const bulla_aws_asker asker = {&call, bulla_kms_at(kit->kms, 0), AWS_REGION_NAME, &skew_s, NULL};
    BULLA_TRY(bulla_aws_login_get(&home_of(kit)->login, &asker, &creds));
    memcpy(out_id, creds->value.access_key_id, sizeof creds->value.access_key_id);
    return BULLA_OK;
}

static bulla_status never_make(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, size_t endpoint,
                               bulla_client **out_client)
{
    (void)kms;
    (void)config;
    (void)endpoint;
    (void)out_client;
    return bulla_fail(call, BULLA_EINTERNAL, "there is a client already");
}

static bulla_status client_get(aws_kit *kit)
{
    bulla_call call;
    BULLA_AUTO(bulla_client) *client = NULL;
    bulla_call_init(&call, &kit->env);
    return bulla_kms_client(kit->kms, &call, bulla_kms_at(kit->kms, 0), 0, never_make, &client);
}

/* --- children --- */

/* What a child does: 0 when all went well. */
typedef int (*child_work)(aws_kit *kit);

/* What became of it; 100 when it was ended: it waited for a thread that it does not have. */
static int child_run(aws_kit *kit, child_work work)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(PATIENCE_S);
        _exit(work(kit));
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return 101;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int log_in(aws_kit *kit)
{
    char id[BULLA_AWSCREDS_MAX_ID];
    return creds_get(kit, id) == BULLA_OK && strcmp(id, "ASIAROLE2") == 0 ? 0 : 1;
}

/* Everything that a thread of the parent may have been in the middle of: the client, the login, a request. */
static int ask(aws_kit *kit)
{
    if (client_get(kit) != BULLA_OK) return 1;
    return aws_kit_ask(kit) == BULLA_OK ? 0 : 2;
}

static int close_all(aws_kit *kit)
{
    aws_kit_close(kit);
    return 0;
}

/* --- threads --- */

typedef struct worker {
    aws_kit *kit;
    unsigned *num_ready; /* of those that are to begin together */
    bool *is_over;       /* of those that go on until then */
    pthread_t thread;
    bulla_status status;
    bulla_aws_client *home;
} worker;

static bool workers_start(aws_kit *kit, worker all[NUM_THREADS], void *(*work)(void *arg), bool *is_over)
{
    static unsigned num_ready;
    num_ready = 0;
    for (size_t i = 0; i < NUM_THREADS; i++) {
        all[i] = (worker){.kit = kit, .num_ready = &num_ready, .is_over = is_over};
        if (pthread_create(&all[i].thread, NULL, work, &all[i]) != 0) return false;
    }
    return true;
}

static bool workers_join(worker all[NUM_THREADS])
{
    bool all_well = true;
    for (size_t i = 0; i < NUM_THREADS; i++)
        all_well = pthread_join(all[i].thread, NULL) == 0 && all[i].status == BULLA_OK && all_well;
    return all_well;
}

static void await_all(const unsigned *num_ready)
{
    while (__atomic_load_n(num_ready, __ATOMIC_ACQUIRE) < NUM_THREADS)
        (void)sched_yield();
}

/* All at once, or nobody would be in anybody's way. */
static void begin_together(const worker *self)
{
    (void)__atomic_add_fetch(self->num_ready, 1, __ATOMIC_ACQ_REL);
    await_all(self->num_ready);
}

static void *creds_get_together(void *arg)
{
    worker *self = arg;
    char id[BULLA_AWSCREDS_MAX_ID];
    begin_together(self);
    self->status = creds_get(self->kit, id);
    return NULL;
}

static int log_in_together(aws_kit *kit)
{
    worker all[NUM_THREADS];
    if (!workers_start(kit, all, creds_get_together, NULL)) return 3;
    return workers_join(all) ? 0 : 4;
}

/* Nothing but what takes the lock, again and again. */
static void *use_often(void *arg)
{
    worker *self = arg;
    char id[BULLA_AWSCREDS_MAX_ID];
    begin_together(self);
    while (self->status == BULLA_OK && !__atomic_load_n(self->is_over, __ATOMIC_ACQUIRE)) {
        self->status = client_get(self->kit);
        if (self->status == BULLA_OK) self->status = creds_get(self->kit, id);
    }
    return NULL;
}

static int fork_under_load(aws_kit *kit, child_work work)
{
    worker loads[NUM_THREADS];
    char id[BULLA_AWSCREDS_MAX_ID];
    bool is_over = false;
    int failed = creds_get(kit, id) == BULLA_OK ? 0 : 5;
    if (!workers_start(kit, loads, use_often, &is_over)) return 6;
    await_all(loads[0].num_ready); /* a thread that begins takes memory, too */
    for (int i = 0; i < NUM_FORKS && failed == 0; i++) {
        (void)alarm(PATIENCE_S);
        failed = child_run(kit, work);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
    return workers_join(loads) ? failed : 7;
}

static int ask_under_load(aws_kit *kit)
{
    return fork_under_load(kit, ask);
}

static int log_in_together_under_load(aws_kit *kit)
{
    return fork_under_load(kit, log_in_together);
}

/* --- forks --- */

static void test_a_forked_child_logs_in_anew(void **state)
{
    aws_kit *kit = *state;
    login_use(kit);
    assert_ok(aws_kit_ask(kit));
    assert_int_equal(child_run(kit, log_in), 0);
}

static void test_children_forked_under_load_ask_within_their_time(void **state)
{
    aws_kit *kit = *state;
    if (HAS_TSAN) skip(); /* it knows no threads of forked children */
    login_use(kit);
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_int_equal(child_run(kit, ask_under_load), 0);
    assert_int_equal(kit->num_sts, 1 + NUM_FORKS);
    assert_int_equal(kit->num_kms, NUM_FORKS);
}

static void test_many_threads_of_a_forked_child_log_in_once(void **state)
{
    aws_kit *kit = *state;
    if (HAS_TSAN) skip();
    login_use(kit);
    kit->login_delay_ms = 20;
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_int_equal(child_run(kit, log_in_together_under_load), 0);
    assert_int_equal(kit->num_sts, 1 + NUM_FORKS);
}

static void *ask_in_thread(void *arg)
{
    worker *self = arg;
    self->status = aws_kit_ask(self->kit);
    return NULL;
}

/* A thread of the parent waits at a condition, which the child must not wait for in turn. */
static void test_a_child_forked_in_the_middle_of_a_login_asks_and_closes(void **state)
{
    aws_kit *kit = *state;
    worker waiter = {.kit = kit};
    login_use(kit);
    kit->login_delay_ms = 500;
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    assert_int_equal(pthread_create(&waiter.thread, NULL, ask_in_thread, &waiter), 0);
    while (http_server_num_requests(kit->server) == 0)
        (void)usleep(1000);
    assert_int_equal(child_run(kit, ask), 0);
    assert_int_equal(child_run(kit, close_all), 0);
    assert_int_equal(pthread_join(waiter.thread, NULL), 0);
    assert_ok(waiter.status);
}

/* --- and without --- */

static void *open_a_key(void *arg)
{
    worker *self = arg;
    BULLA_AUTO(bulla_provider) *key = NULL;
    bulla_call call;
    bulla_call_init(&call, &self->kit->env);
    begin_together(self);
    self->status =
        bulla_aws_backend.open(self->kit->kms, &call, bulla_kms_at(self->kit->kms, 0), "aws:alias/app", 0, &key);
    if (self->status == BULLA_OK) self->home = ((bulla_aws_key *)(void *)key)->home;
    return NULL;
}

static void test_threads_that_open_keys_of_one_store_share_its_client(void **state)
{
    aws_kit *kit = *state;
    worker all[NUM_THREADS];
    assert_ok(bulla_kms_new(&kit->call, &kit->config, 1, NULL, &kit->kms));
    assert_true(workers_start(kit, all, open_a_key, NULL));
    assert_true(workers_join(all));
    assert_ok(aws_kit_open(kit, "aws:" AWS_KEY_ARN));
    for (size_t i = 0; i < NUM_THREADS; i++)
        assert_ptr_equal(all[i].home, home_of(kit));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, aws_kit_setup, aws_kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_forked_child_logs_in_anew),
        TEST(test_children_forked_under_load_ask_within_their_time),
        TEST(test_many_threads_of_a_forked_child_log_in_once),
        TEST(test_a_child_forked_in_the_middle_of_a_login_asks_and_closes),
        TEST(test_threads_that_open_keys_of_one_store_share_its_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
