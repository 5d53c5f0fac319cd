/* SPDX-License-Identifier: Apache-2.0 */
/* Many who unwrap at once, before a scripted Vault that opens several ciphertexts in one request. */
#ifndef BULLA_TESTS_VAULT_CROWD_H
#define BULLA_TESTS_VAULT_CROWD_H

#include "vault_kit.h"

#include <pthread.h>

#define PLACES 4u /* that a key's requests have */
#define MANY 80u
#define LONG_CONTEXT 6000u /* such a context is good, too */
#define FREELY SIZE_MAX

/* One who wants data key `i`: 32 bytes of that value. The server "encrypts" by base64, with the kit's context. */
typedef struct caller {
    pthread_t thread;
    bulla_call call;
    uint8_t i;
    bulla_context *context;
    bulla_status status;
    bulla_secret *dek;
} caller;

typedef struct vault_crowd {
    caller first[PLACES], others[MANY];
    bool is_down;             /* the next who asks alone is told that the store is sealed */
    const char *batch_answer; /* to batches; NULL: the right one */
    int batch_code;
    http_fault batch_fault;
    enum { RIGHT, SHORT, LONG, SWAPPED, NAMELESS, CROSSED, BRIEF } lie;
    char reference[32];                                   /* of the last batch's first item */
    size_t num_alone, num_batches, num_items, most_items; /* what was asked */
} vault_crowd;
extern vault_crowd crowd;

int crowd_setup(void **state); /* with kit_stop */
bulla_status crowd_unwrap(bulla_call *call, bulla_context *context, uint8_t i, bulla_secret **out_dek);
void caller_start(caller *who, size_t i);
void caller_join(caller *who);
void assert_has_key(caller *who);

/* Whoever asks to decrypt needs a pass, one after the other. */
void crowd_gate(size_t num);
/* All places are taken, and those who have them stand at the gate; then `num` others come, in their order. */
void crowd_gather(size_t num);
/* One who has a place comes back: then somebody leads, and has sent his batch before the next comes back. */
void crowd_open(void);
void crowd_first_join(void);
void assert_all_served(size_t num);

/* Waits, for a minute at most. */
void crowd_until(bool (*is_so)(size_t num), size_t num);
bool are_queued(size_t num);
bool are_flying(size_t num); /* requests have reached the server */
bool are_batches(size_t num);
uint64_t crowd_metric(const char *name);

#endif
