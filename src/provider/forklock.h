/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lock for what the threads of a process share of key stores: which clients there are, which credentials are in
 * use, what was seen of a key. It is held for a few operations at a time. While it is held nothing is allocated, logged
 * or asked and no other lock is taken, because a fork waits for it: so no child is born while it is taken, or while
 * what it guards is half done.
 */
#ifndef BULLA_PROVIDER_FORKLOCK_H
#define BULLA_PROVIDER_FORKLOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

void bulla_forklock_take(void);
void bulla_forklock_give(void);

/* The rest is for who holds it. */

/* As bulla_cond_doze; others may have the lock meanwhile. */
void bulla_forklock_doze(pthread_cond_t *cond, int64_t ns);
/* Counts the forks that this process descends by: what was noted under another number is a parent's. */
size_t bulla_forklock_num_forks(void);

#endif
