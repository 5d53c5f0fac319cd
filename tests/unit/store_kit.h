/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the wrappers share: a store in memory behind a script, in a world that does what the test says, and
 * data keys of that store. */
#ifndef BULLA_TESTS_STORE_KIT_H
#define BULLA_TESTS_STORE_KIT_H

#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/memory_provider.h"
#include "fakes/scripted_provider.h"

#define KIT_KEYS 50u

typedef struct store_kit {
    fake_env fake;
    bulla_call call;
    bulla_provider *memory;
    scripted_provider *script;        /* before it */
    bulla_provider *key;              /* what is tested: before that, made by the test; released here */
    bulla_wrapped *wrapped[KIT_KEYS]; /* by the store itself, the script has not seen them */
    bulla_secret *deks[KIT_KEYS];
} store_kit;

extern store_kit kit;

/* cmocka set-up and tear-down. */
int kit_start(void **state);
int kit_stop(void **state);

/* A cache is what is tested. */
void kit_cache_open(bulla_cache_options options);
bulla_cache_stats kit_stats(void);

/* Opens data key `i`, which must be the right one. */
bulla_status kit_unwrap(size_t i);
bulla_status kit_unwrap_with(bulla_call *call, size_t i);

/* How many requests came since the script began. */
size_t kit_times_asked(void);

/* Waits, for ten seconds at most, until a thread has done something. */
bool kit_comes_true(bool (*is_so)(void));

#endif
