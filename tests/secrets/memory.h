/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for key bytes in all of this process's memory. What is looked for is held masked, so that it does not find
 * itself.
 */
#ifndef BULLA_TESTS_MEMORY_H
#define BULLA_TESTS_MEMORY_H

#include "bulla/types.h"

struct needle {
    uint8_t masked[64], pad[64];
    size_t len; /* 16 to 64; 0: not set */
};

/* Where a needle was found. The first and the last 16 bytes are looked for: a half of a key is as bad as the whole, and
 * a key schedule begins with the key. */
struct sightings {
    size_t locked;   /* in pages that are locked and left out of dumps */
    size_t open;     /* anywhere else */
    char where[128]; /* the first of those elsewhere */
};

void needle_set(struct needle *needle, bulla_view bytes);
void needle_random(struct needle *needle, size_t len);
/* The bytes themselves, for as long as it takes to hand them on; `out` holds `len` bytes. */
void needle_show(const struct needle *needle, uint8_t *out);

struct sightings memory_search(const struct needle *needle);

#endif
