/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/pump.h"

#include "base/bytes.h"
#include "envelope/failure.h"
#include "envelope/intake.h"

#include <pthread.h>

/* What the threads of one run share. */
typedef struct pump_run {
    const bulla_pump *pump;
    bulla_call *call; /* the caller's: its cancellation counts, and it gets the error */
    bool is_shared;   /* several threads: the locks are used */

    pthread_mutex_t read_lock;
    uint64_t num_read; /* chunks; under read_lock */
    bool is_ended;     /* under read_lock */

    pthread_mutex_t lock;
    pthread_cond_t turn;
    uint64_t num_written;  /* chunks, when writing in order; under lock */
    uint64_t failed_at;    /* chunk of the first failure by position; UINT64_MAX: none; under lock */
    bulla_failure failure; /* what that chunk said; under lock */
} pump_run;

static void lock(const pump_run *run, pthread_mutex_t *mutex)
{
    if (run->is_shared) (void)pthread_mutex_lock(mutex);
}

static void unlock(const pump_run *run, pthread_mutex_t *mutex)
{
    if (run->is_shared) (void)pthread_mutex_unlock(mutex);
}

static void failure_keep(pump_run *run, const bulla_call *call, uint64_t index)
{
    lock(run, &run->lock);
    if (index < run->failed_at) {
        run->failed_at = index;
        bulla_failure_keep(&run->failure, call);
    }
    if (run->is_shared) (void)pthread_cond_broadcast(&run->turn);
    unlock(run, &run->lock);
}

static bool has_failed(pump_run *run)
{
    lock(run, &run->lock);
    bool failed = run->failed_at != UINT64_MAX;
    unlock(run, &run->lock);
    return failed;
}

/* A worker's call sees the caller's cancellation at every chunk. */
static bulla_status call_check(const pump_run *run, bulla_call *call)
{
    if (call != run->call) call->cancelled = __atomic_load_n(&run->call->cancelled, __ATOMIC_ACQUIRE);
    return bulla_call_check(call);
}

/* Under read_lock. */
static bulla_status fill(pump_run *run, bulla_call *call, bulla_chunk *chunk)
{
    BULLA_TRY(call_check(run, call));
    chunk->is_last = false;
    BULLA_TRY(run->pump->fill(run->pump->arg, call, chunk));
    run->is_ended = chunk->is_last;
    return BULLA_OK;
}

/* False when there is nothing more to do. */
static bool chunk_read(pump_run *run, bulla_call *call, bulla_chunk *chunk)
{
    bulla_status status = BULLA_OK;
    lock(run, &run->read_lock);
    bool goes_on = !run->is_ended && !has_failed(run);
    if (goes_on) {
        chunk->index = run->num_read++;
        status = fill(run, call, chunk);
        if (status != BULLA_OK) run->is_ended = true;
    }
    unlock(run, &run->read_lock);
    if (status != BULLA_OK) failure_keep(run, call, chunk->index);
    return goes_on && status == BULLA_OK;
}

/* Waits until all chunks before `index` are written. False when one of them failed. */
static bool turn_wait(pump_run *run, uint64_t index)
{
    lock(run, &run->lock);
    while (run->num_written != index && run->failed_at > index)
        (void)pthread_cond_wait(&run->turn, &run->lock);
    bool is_turn = run->num_written == index && run->failed_at > index;
    unlock(run, &run->lock);
    return is_turn;
}

static void turn_pass(pump_run *run)
{
    lock(run, &run->lock);
    run->num_written++;
    if (run->is_shared) (void)pthread_cond_broadcast(&run->turn);
    unlock(run, &run->lock);
}

static bulla_status chunk_write(pump_run *run, bulla_call *call, const bulla_chunk *chunk)
{
    const bulla_pump *pump = run->pump;
    bool is_ordered = run->is_shared && !pump->sink->random_access;
    if (is_ordered && !turn_wait(run, chunk->index)) return BULLA_OK; /* an earlier chunk told why */
    BULLA_TRY(
        bulla_sink_write(pump->sink, call, pump->start + chunk->index * pump->step, bulla_buffer_view(&chunk->out)));
    if (is_ordered) turn_pass(run);
    return BULLA_OK;
}

static bulla_status chunk_run(pump_run *run, bulla_call *call, bulla_chunk *chunk)
{
    BULLA_TRY(run->pump->work(run->pump->arg, call, chunk));
    return chunk_write(run, call, chunk);
}

static bulla_status chunk_reserve(const bulla_pump *pump, bulla_call *call, bulla_chunk *chunk)
{
    BULLA_TRY(bulla_buffer_reserve(&chunk->in, call, pump->in_cap));
    return bulla_buffer_reserve(&chunk->out, call, pump->out_cap);
}

static void worker_run(pump_run *run, bulla_call *call)
{
    bulla_chunk chunk = {.index = 0};
    bulla_status status = chunk_reserve(run->pump, call, &chunk);
    if (status != BULLA_OK) failure_keep(run, call, 0);
    while (status == BULLA_OK && chunk_read(run, call, &chunk)) {
        status = chunk_run(run, call, &chunk);
        if (status != BULLA_OK) failure_keep(run, call, chunk.index);
        bulla_buffer_reset(&chunk.in);
        bulla_buffer_reset(&chunk.out);
    }
    bulla_buffer_done(&chunk.in);
    bulla_buffer_done(&chunk.out);
}

/* A call belongs to one thread, so every worker has its own with the same limits. */
static void *worker_main(void *arg)
{
    pump_run *shared = arg;
    const bulla_call *from = shared->call;
    bulla_call call;
    bulla_call_init(&call, from->env);
    call.deadline_ns = from->deadline_ns;
    memcpy(call.principal, from->principal, sizeof call.principal);
    memcpy(call.request_id, from->request_id, sizeof call.request_id);
    worker_run(shared, &call);
    return NULL;
}

/* The caller's thread is one of them; fewer than wanted is slower and nothing else. */
static void shared_run(pump_run *run)
{
    pthread_t threads[BULLA_MAX_THREADS];
    unsigned num_threads = 0;
    unsigned wanted = run->pump->threads < BULLA_MAX_THREADS ? run->pump->threads : BULLA_MAX_THREADS;
    while (num_threads + 1 < wanted && pthread_create(&threads[num_threads], NULL, worker_main, run) == 0)
        num_threads++;
    (void)worker_main(run);
    for (unsigned i = 0; i < num_threads; i++)
        (void)pthread_join(threads[i], NULL);
}

bulla_status bulla_pump_run(const bulla_pump *pump, bulla_call *call)
{
    pump_run run = {.pump = pump, .call = call, .is_shared = pump->threads > 1, .failed_at = UINT64_MAX};
    if (!run.is_shared) {
        worker_run(&run, call);
        return run.failure.status;
    }
    (void)pthread_mutex_init(&run.read_lock, NULL);
    (void)pthread_mutex_init(&run.lock, NULL);
    (void)pthread_cond_init(&run.turn, NULL);
    shared_run(&run);
    (void)pthread_cond_destroy(&run.turn);
    (void)pthread_mutex_destroy(&run.lock);
    (void)pthread_mutex_destroy(&run.read_lock);
    return run.failure.status == BULLA_OK ? BULLA_OK : bulla_failure_give(&run.failure, call);
}
