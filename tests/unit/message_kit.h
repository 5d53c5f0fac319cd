/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of messages share: three stores, randomness that repeats itself, plaintext that is never the same. */
#ifndef BULLA_TESTS_MESSAGE_KIT_H
#define BULLA_TESTS_MESSAGE_KIT_H

#include "base/bytes.h"
#include "bulla/envelope.h"
#include "cmocka_all.h"
#include "fakes/keyed_provider.h"

#define KIT_MAX (1u << 21)

typedef struct message_kit {
    bulla_env env;
    bulla_call call;
    uint64_t random_state;
    keyed_provider ann, bob, eve; /* eve has bob's label and another key */
    bulla_provider *ann_only[1], *bob_only[1], *eve_only[1], *ann_bob[2];
    bulla_context *context; /* purpose=test, tenant=acme */
    uint8_t *plaintext;     /* KIT_MAX bytes */
} message_kit;

extern message_kit kit;

/* cmocka set-up and tear-down. */
int kit_start(void **state);
int kit_stop(void **state);

/* From here the same random bytes come again. */
void kit_random_restart(void);

/* The first `len` bytes of the plaintext. */
bulla_view kit_text(size_t len);

/* For ann and bob, with the context, in frames of `frame_len`. */
bulla_encrypt_options kit_encrypt_options(uint32_t frame_len);
/* With ann's key. */
bulla_decrypt_options kit_decrypt_options(void);

/* A message by kit_encrypt_options of kit_text(len). */
bulla_bytes kit_message(size_t len, uint32_t frame_len);
bulla_bytes kit_message_with(const bulla_encrypt_options *options, size_t len);

static inline bulla_view kit_view(bulla_bytes bytes)
{
    return (bulla_view){bytes.data, bytes.len};
}

/* Asserts that `message` opens to kit_text(len). */
void kit_opens(const bulla_decrypt_options *options, bulla_view message, size_t len);
/* Asserts that it does not, and that nothing was put out. */
void kit_fails(const bulla_decrypt_options *options, bulla_view message, bulla_status expected);

/* Length of a message's header. */
size_t kit_header_len(bulla_view message);

/* A source over memory that gives at most `step` bytes at a time. */
typedef struct memory_source {
    bulla_view bytes;
    size_t at, step;
    size_t num_reads, fail_at; /* fail_at: the read that fails with EIO, counted from 1; 0: none */
} memory_source;
bulla_source memory_source_of(memory_source *memory);

#endif
