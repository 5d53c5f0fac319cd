/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/keyhash.h"

#include "crypto/rand.h"

#include <string.h>

__extension__ typedef unsigned __int128 u128;

typedef struct nh_state {
    u128 sum;
    uint64_t chain; /* of the blocks before */
    size_t pair;
} nh_state;

bulla_status bulla_keyhash_init(bulla_call *call, bulla_keyhash *out_hash)
{
    return bulla_rand_key(call, (uint8_t *)out_hash, sizeof *out_hash);
}

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t multiply_fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void block_end(const bulla_keyhash *hash, nh_state *state)
{
    uint64_t mixed = multiply_fold((uint64_t)state->sum ^ hash->fold[0], (uint64_t)(state->sum >> 64) ^ hash->fold[1]);
    state->chain = multiply_fold(mixed ^ state->chain ^ hash->fold[2], hash->fold[3]);
    state->sum = 0;
    state->pair = 0;
}

static inline void absorb(const bulla_keyhash *hash, nh_state *state, uint64_t a, uint64_t b)
{
    const uint64_t *words = &hash->words[2 * state->pair++];
    state->sum += (u128)(a + words[0]) * (b + words[1]);
}

/* The end of a part, under 16 bytes: two loads that may overlap. Lengths are hashed too, so no two parts meet here. */
static inline void absorb_tail(const bulla_keyhash *hash, nh_state *state, const uint8_t *at, size_t len)
{
    uint64_t a = 0, b = 0;
    if (len >= 8) {
        a = load64(at);
        b = load64(at + len - 8);
    } else {
        for (size_t i = 0; i < len; i++)
            a |= (uint64_t)at[i] << (8 * i);
    }
    absorb(hash, state, a, b);
}

static inline void absorb_part(const bulla_keyhash *hash, nh_state *state, bulla_view part)
{
    const uint8_t *at = part.data;
    size_t rest = part.len;
    while (rest >= 16) {
        if (BULLA_UNLIKELY(state->pair == BULLA_KEYHASH_PAIRS)) block_end(hash, state);
        absorb(hash, state, load64(at), load64(at + 8));
        at += 16;
        rest -= 16;
    }
    if (rest == 0) return;
    if (BULLA_UNLIKELY(state->pair == BULLA_KEYHASH_PAIRS)) block_end(hash, state);
    absorb_tail(hash, state, at, rest);
}

uint64_t bulla_keyhash_parts(const bulla_keyhash *hash, const bulla_view parts[4])
{
    nh_state state = {0, 0, 0};
    absorb(hash, &state, (uint64_t)parts[0].len << 32 | parts[1].len, (uint64_t)parts[2].len << 32 | parts[3].len);
    for (size_t i = 0; i < 4; i++)
        absorb_part(hash, &state, parts[i]);
    block_end(hash, &state);
    return state.chain;
}
