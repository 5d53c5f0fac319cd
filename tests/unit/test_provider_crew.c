/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that wrappers own: started when needed, bounded, ended with their owner, absent in a forked child. */
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "provider/crew.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static fake_env fake;
static bulla_call call;

/* What the jobs of a test do and count. */
static unsigned num_run, num_dropped, num_inside, most_inside, num_cancelled;
static bool signals_blocked;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static unsigned seen(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void count(unsigned *counter)
{
    (void)__atomic_fetch_add(counter, 1, __ATOMIC_ACQ_REL);
}

static void until(const unsigned *counter, unsigned num)
{
    static const struct timespec millisecond = {0, 1000000};
    for (int i = 0; i < 10000 && seen(counter) < num; i++)
        (void)nanosleep(&millisecond, NULL);
    assert_true(seen(counter) >= num);
}

static void pass_gate(bulla_job *job, bulla_call *own)
{
    (void)job;
    (void)own;
    unsigned inside = __atomic_add_fetch(&num_inside, 1, __ATOMIC_ACQ_REL), most = seen(&most_inside);
    while (inside > most &&
           !__atomic_compare_exchange_n(&most_inside, &most, inside, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    (void)__atomic_fetch_sub(&num_inside, 1, __ATOMIC_ACQ_REL);
    count(&num_run);
}

static void hang(bulla_job *job, bulla_call *own)
{
    static const struct timespec millisecond = {0, 1000000};
    (void)job;
    count(&num_run);
    while (bulla_call_check(own) == BULLA_OK)
        (void)nanosleep(&millisecond, NULL);
    count(&num_cancelled);
}

static void look_at_signals(bulla_job *job, bulla_call *own)
{
    sigset_t blocked;
    (void)job;
    (void)own;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    signals_blocked = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1;
    count(&num_run);
}

static void drop(bulla_job *job)
{
    (void)job;
    count(&num_dropped);
}

static int setup(void **state)
{
    (void)state;
    fake_env_init(&fake);
    bulla_call_init(&call, &fake.env);
    num_run = num_dropped = num_inside = most_inside = num_cancelled = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return fake.num_live != 0;
}

static void test_every_job_is_done_by_no_more_threads_than_allowed(void **state)
{
    (void)state;
    bulla_job jobs[50];
    bulla_crew *crew = NULL;
    assert_ok(bulla_crew_new(&call, 3, 50, &crew));
    (void)pthread_mutex_lock(&gate);
    for (size_t i = 0; i < 50; i++) {
        jobs[i] = (bulla_job){.run = pass_gate, .drop = drop};
        assert_true(bulla_crew_take(crew, &jobs[i]));
    }
    until(&num_inside, 3);
    (void)pthread_mutex_unlock(&gate);
    until(&num_run, 50);
    bulla_crew_free(crew);
    assert_int_equal(most_inside, 3);
    assert_int_equal(num_dropped, 0);
}

static void test_what_does_not_fit_is_not_taken(void **state)
{
    (void)state;
    bulla_job jobs[4];
    bulla_crew *crew = NULL;
    assert_ok(bulla_crew_new(&call, 1, 2, &crew));
    (void)pthread_mutex_lock(&gate);
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = (bulla_job){.run = pass_gate, .drop = drop};
        assert_int_equal(bulla_crew_take(crew, &jobs[i]), i < 3);
        if (i == 0) until(&num_inside, 1);
    }
    (void)pthread_mutex_unlock(&gate);
    until(&num_run, 3);
    bulla_crew_free(crew);
    assert_int_equal(num_run, 3);
}

static void test_the_end_cancels_what_runs_and_drops_what_waits(void **state)
{
    (void)state;
    bulla_job jobs[5];
    bulla_crew *crew = NULL;
    assert_ok(bulla_crew_new(&call, 2, 5, &crew));
    for (size_t i = 0; i < 5; i++) {
        jobs[i] = (bulla_job){.run = hang, .drop = drop};
        assert_true(bulla_crew_take(crew, &jobs[i]));
    }
    until(&num_run, 2);
    bulla_crew_free(crew);
    assert_int_equal(num_cancelled, 2);
    assert_int_equal(num_dropped, 3);
}

static void test_signals_are_the_programs(void **state)
{
    (void)state;
    bulla_job job = {.run = look_at_signals, .drop = drop};
    bulla_crew *crew = NULL;
    sigset_t own;
    assert_ok(bulla_crew_new(&call, 1, 1, &crew));
    assert_true(bulla_crew_take(crew, &job));
    until(&num_run, 1);
    bulla_crew_free(crew);
    assert_true(signals_blocked);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &own), 0);
    assert_int_equal(sigismember(&own, SIGTERM), 0);
}

static void test_a_forked_child_has_no_threads_and_waits_for_none(void **state)
{
    (void)state;
    bulla_job job = {.run = hang, .drop = drop}, more = {.run = hang, .drop = drop};
    bulla_crew *crew = NULL;
    int result = 0;
    assert_ok(bulla_crew_new(&call, 1, 4, &crew));
    assert_true(bulla_crew_take(crew, &job));
    until(&num_run, 1);
    pid_t child = fork();
    if (child == 0) {
        bool taken = bulla_crew_take(crew, &more);
        bulla_crew_free(crew);
        _exit(taken ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    bulla_crew_free(crew);
    assert_int_equal(num_cancelled, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_job_is_done_by_no_more_threads_than_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_not_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_cancels_what_runs_and_drops_what_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signals_are_the_programs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_forked_child_has_no_threads_and_waits_for_none, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
