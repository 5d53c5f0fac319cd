/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259), read where it lies: a document is its text and an index of places in it, so that a key in base64
 * goes from the text straight into a secret and into no string on the way. Strict: UTF-8, no repeated names, nothing
 * after the value, bounded depth and count. Written through a bulla_writer, so that it fits or fails.
 */
#ifndef BULLA_BASE_JSON_H
#define BULLA_BASE_JSON_H

#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/secret.h"

#define BULLA_JSON_MAX_TEXT (4u << 20)
#define BULLA_JSON_MAX_NODES 65536u
#define BULLA_JSON_MAX_DEPTH 24u

typedef enum bulla_json_kind {
    BULLA_JSON_NONE, /* no such value */
    BULLA_JSON_NULL,
    BULLA_JSON_BOOL,
    BULLA_JSON_NUMBER,
    BULLA_JSON_STRING,
    BULLA_JSON_ARRAY,
    BULLA_JSON_OBJECT
} bulla_json_kind;

typedef struct bulla_json bulla_json;

/* A value of a document; the one of no document is "no such value", and whatever is taken from it is that too. */
typedef struct bulla_json_value {
    const bulla_json *json;
    uint32_t node;
} bulla_json_value;

/* Takes `text` apart; it is borrowed for the life of *out_json. `what` names it in errors: "the answer of …".
 * Errors: EFORMAT with the offset, ELIMIT, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_json_parse(bulla_call *call, bulla_view text, const char *what,
                                             bulla_json **out_json);
void bulla_json_free(bulla_json *json);
BULLA_AUTO_DEFINE(bulla_json, bulla_json_free)

bulla_json_value bulla_json_root(const bulla_json *json);
bulla_json_kind bulla_json_kind_of(bulla_json_value value);

/* The member of an object, its name compared decoded; "a/b/c" goes down, so that a name with a slash is not found. */
bulla_json_value bulla_json_get(bulla_json_value value, const char *path);
/* Items of an array or members of an object, in order: first, next until BULLA_JSON_NONE. */
bulla_json_value bulla_json_first(bulla_json_value value);
bulla_json_value bulla_json_next(bulla_json_value value);
size_t bulla_json_count(bulla_json_value value);
/* The decoded name of a member found by first and next, NUL-terminated; false when it is none or does not fit. */
bool bulla_json_name(bulla_json_value value, char *out, size_t cap);

/* What a value says; false when it is of another kind or does not fit, and then `out` is untouched. Text is decoded and
 * NUL-terminated, and has no NUL within. int: digits only, or a number without fraction after its exponent is applied.
 * time_s also takes fractions and exponents (1.592412018521E9) and cuts. */
bool bulla_json_text(bulla_json_value value, char *out, size_t cap);
bool bulla_json_is(bulla_json_value value, const char *text);
bool bulla_json_bool(bulla_json_value value, bool *out);
bool bulla_json_int(bulla_json_value value, int64_t *out);
bool bulla_json_time_s(bulla_json_value value, int64_t *out);

/* The bytes that a string stands for: those of base64 (RFC 4648, 4: padded), of base64url (5: unpadded), or its own in
 * UTF-8. `out` is untouched when the string is not that or does not fit. */
typedef enum bulla_json_form { BULLA_JSON_BASE64, BULLA_JSON_BASE64URL, BULLA_JSON_PLAIN } bulla_json_form;
bool bulla_json_bytes(bulla_json_value value, bulla_json_form form, uint8_t *out, size_t cap, size_t *out_len);
/* The same into a secret of exactly that length: keys, and with BULLA_JSON_PLAIN tokens. Errors: EFORMAT saying that
 * `what` is not base64 (or is empty), ELIMIT, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_json_secret(bulla_call *call, bulla_json_value value, bulla_json_form form,
                                              const char *what, bulla_secret **out_secret);

/* Writing. A value follows a name or stands in an array; commas come by themselves. The writer's failure is the sign
 * that it did not fit; depth beyond BULLA_JSON_MAX_DEPTH fails too. */
typedef struct bulla_json_writer {
    bulla_writer *out;
    uint32_t depth;
    bool comma[BULLA_JSON_MAX_DEPTH + 1];
    bool named; /* a name waits for its value */
} bulla_json_writer;

bulla_json_writer bulla_json_writer_of(bulla_writer *out);
void bulla_json_open(bulla_json_writer *writer, char bracket);  /* '{' or '[' */
void bulla_json_close(bulla_json_writer *writer, char bracket); /* '}' or ']' */
void bulla_json_put_name(bulla_json_writer *writer, const char *name);
void bulla_json_put_text(bulla_json_writer *writer, bulla_view text); /* UTF-8, escaped as needed; else fails */
void bulla_json_put_int(bulla_json_writer *writer, int64_t value);
void bulla_json_put_bool(bulla_json_writer *writer, bool value);
void bulla_json_put_base64(bulla_json_writer *writer, bulla_json_form form, bulla_view bytes); /* either base64 */

#endif
