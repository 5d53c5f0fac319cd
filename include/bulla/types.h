/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types every other header speaks of. Opaque structs are created and destroyed by the functions of their own
 * header; views and options are plain structs that live wherever the caller puts them.
 */
#ifndef BULLA_TYPES_H
#define BULLA_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BULLA_MUST_USE __attribute__((warn_unused_result))
#define BULLA_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#define BULLA_API __attribute__((visibility("default")))
#else
#define BULLA_MUST_USE
#define BULLA_PRINTF(format_index, first_index)
#define BULLA_API
#endif

/* One house: configuration, keystore, registry of providers, AEAD engine. See bulla/house.h. */
typedef struct bulla bulla;
/* One request: deadline, cancellation, who asks, and what went wrong. See bulla/call.h. */
typedef struct bulla_call bulla_call;
/* What the library takes from the world: memory, clock, randomness, environment, log. See bulla/env.h. */
typedef struct bulla_env bulla_env;
/* Key bytes. Locked memory, wiped on release. See bulla/secret.h. */
typedef struct bulla_secret bulla_secret;
/* An encryption context: sorted string pairs, bound as authenticated data, never secret. See bulla/context.h. */
typedef struct bulla_context bulla_context;
/* A key store that can wrap and unwrap data keys. See bulla/provider.h. */
typedef struct bulla_provider bulla_provider;
/* A data key in use, with its wrapped form: seals and opens small records. See bulla/record.h. */
typedef struct bulla_datakey bulla_datakey;
/* A message being encrypted or decrypted. See bulla/envelope.h. */
typedef struct bulla_stream bulla_stream;

/* Bytes somebody else owns, borrowed for the duration of a call. `data` may be NULL only when `len` is 0. */
typedef struct bulla_view {
    const uint8_t *data;
    size_t len;
} bulla_view;

/* A number that nobody reaches: bounds of the library that callers may rely on. */
#define BULLA_MAX_NAME 128u         /* bytes of a key name, alias or tag key */
#define BULLA_MAX_ADDRESS 2048u     /* bytes of a key address */
#define BULLA_MAX_CONTEXT 65535u    /* bytes of an encoded encryption context (message-header.md, AAD length) */
#define BULLA_MAX_RECIPIENTS 64u    /* wrapped data keys Bulla writes or reads in one message */
#define BULLA_MAX_RECORD (1u << 30) /* bytes of plaintext in one record */
#define BULLA_KEY_ID_TEXT 32u       /* characters of a key id: 128 random bits in lower-case hexadecimal */

#ifdef __cplusplus
}
#endif

#endif
