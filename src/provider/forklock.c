/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/forklock.h"

#include "base/wait.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static size_t num_forks; /* under the lock */

static void before_fork(void)
{
    (void)pthread_mutex_lock(&lock);
}

static void enter_child(void)
{
    num_forks++;
    bulla_forklock_give();
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, bulla_forklock_give, enter_child);
}

void bulla_forklock_take(void)
{
    (void)pthread_once(&watch_once, watch_forks);
    (void)pthread_mutex_lock(&lock);
}

void bulla_forklock_give(void)
{
    (void)pthread_mutex_unlock(&lock);
}

void bulla_forklock_doze(pthread_cond_t *cond, int64_t ns)
{
    bulla_cond_doze(cond, &lock, ns);
}

size_t bulla_forklock_num_forks(void)
{
    return num_forks;
}
