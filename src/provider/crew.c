/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/crew.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

typedef struct member {
    bulla_crew *crew;
    pthread_t thread;
    bulla_call call; /* of the job that runs */
} member;

struct bulla_crew {
    const bulla_env *env;
    pid_t owner; /* of the threads; its children have none */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bulla_job *first, **last; /* that wait */
    size_t num_jobs, max_jobs;
    unsigned num_threads, max_threads, num_idle;
    bool is_ending;
    member members[];
};

bulla_status bulla_crew_new(bulla_call *call, unsigned max_threads, size_t max_jobs, bulla_crew **out_crew)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_crew) + max_threads * sizeof(member), &memory));
    bulla_crew *crew = memory;
    crew->env = bulla_env_of(call);
    crew->owner = getpid();
    crew->last = &crew->first;
    crew->max_jobs = max_jobs;
    crew->max_threads = max_threads;
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_cond_init(&crew->wake, NULL);
    *out_crew = crew;
    return BULLA_OK;
}

/* With the lock held. */
static bulla_job *job_next(bulla_crew *crew)
{
    bulla_job *job = crew->first;
    if (job == NULL) return NULL;
    crew->first = job->next;
    if (crew->first == NULL) crew->last = &crew->first;
    crew->num_jobs--;
    return job;
}

static void *work(void *arg)
{
    member *self = arg;
    bulla_crew *crew = self->crew;
    (void)pthread_mutex_lock(&crew->lock);
    while (!crew->is_ending) {
        bulla_job *job = job_next(crew);
        if (job == NULL) {
            crew->num_idle++;
            (void)pthread_cond_wait(&crew->wake, &crew->lock);
            crew->num_idle--;
            continue;
        }
        bulla_call_init(&self->call, crew->env);
        (void)pthread_mutex_unlock(&crew->lock);
        job->run(job, &self->call);
        (void)pthread_mutex_lock(&crew->lock);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* With the lock held: the new thread waits for it. Signals are the program's, not ours. */
static bool thread_add(bulla_crew *crew)
{
    sigset_t all, before;
    member *made = &crew->members[crew->num_threads];
    made->crew = crew;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&made->thread, NULL, work, made);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0) crew->num_threads++;
    return failed == 0;
}

static bool has_hands(bulla_crew *crew)
{
    if (crew->num_idle > crew->num_jobs) return true;
    if (crew->num_threads < crew->max_threads && thread_add(crew)) return true;
    return crew->num_threads != 0;
}

bool bulla_crew_take(bulla_crew *crew, bulla_job *job)
{
    if (crew->owner != getpid()) return false; /* before the lock, which a thread of the parent may hold for ever */
    (void)pthread_mutex_lock(&crew->lock);
    bool taken = crew->num_jobs < crew->max_jobs && has_hands(crew);
    if (taken) {
        job->next = NULL;
        *crew->last = job;
        crew->last = &job->next;
        crew->num_jobs++;
        (void)pthread_cond_signal(&crew->wake);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return taken;
}

static void end(bulla_crew *crew)
{
    (void)pthread_mutex_lock(&crew->lock);
    crew->is_ending = true;
    for (unsigned i = 0; i < crew->num_threads; i++)
        bulla_call_cancel(&crew->members[i].call);
    (void)pthread_cond_broadcast(&crew->wake);
    (void)pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->num_threads; i++)
        (void)pthread_join(crew->members[i].thread, NULL);
}

void bulla_crew_free(bulla_crew *crew)
{
    if (crew == NULL) return;
    if (crew->owner == getpid()) { /* a child cannot know in which state a thread of its parent left the list */
        end(crew);
        for (bulla_job *job = job_next(crew); job != NULL; job = job_next(crew))
            job->drop(job);
        (void)pthread_cond_destroy(&crew->wake);
        (void)pthread_mutex_destroy(&crew->lock);
    }
    bulla_free(crew->env, crew);
}
