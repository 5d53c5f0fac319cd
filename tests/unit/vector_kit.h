/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors of spec/vectors, read from JSON; randomness that is a vector's nonce: the only thing a writer draws. */
#ifndef BULLA_TESTS_VECTOR_KIT_H
#define BULLA_TESTS_VECTOR_KIT_H

#include "bulla/bulla.h"

#include <jansson.h>

#define VECTOR_MAX 8192u
#define VECTOR_NONCE 12u

typedef struct vector_bytes {
    uint8_t data[VECTOR_MAX];
    size_t len;
} vector_bytes;

extern uint8_t vector_nonce[VECTOR_NONCE]; /* drawn next, and again */
extern bulla_call vector_call;

/* For cmocka: 0 when spec/vectors/FILE is read. */
int vectors_load(const char *file);
int vectors_unload(void **state);

/* The rows of a section, at least so many. */
json_t *vector_rows_of(const char *section, size_t at_least);

/* A member of a row: text, a number, hexadecimal digits as bytes, as many of them as `len`. */
const char *vector_text_of(const json_t *row, const char *name);
uint32_t vector_number_of(const json_t *row, const char *name);
bulla_view vector_bytes_of(const json_t *row, const char *name, vector_bytes *out);
void vector_array_of(const json_t *row, const char *name, uint8_t *out, size_t len);
bulla_view vector_decode(const json_t *text, vector_bytes *out);

#endif
