/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of Google Cloud KMS, v1 (cloud.google.com/kms/docs/reference/rest): requests written, answers read and their
 * checksums compared (cloud.google.com/kms/docs/data-integrity-guidelines). Bytes that are keys go into secrets.
 */
#ifndef BULLA_WIRE_GCPKMS_H
#define BULLA_WIRE_GCPKMS_H

#include "base/json.h"
#include "base/secret.h"

#define BULLA_GCPKMS_MAX_NAME 512u
#define BULLA_GCPKMS_MAX_AAD 65536u

/* projects/P/locations/L/keyRings/R/cryptoKeys/K and, with a version, /cryptoKeyVersions/N. Views into the text. */
typedef struct bulla_gcpkms_name {
    bulla_view key; /* the whole without the version */
    bulla_view project, location, ring, id;
    uint32_t version; /* 0: none */
} bulla_gcpkms_name;
bool bulla_gcpkms_name_parse(bulla_view text, bulla_gcpkms_name *out_name);

/* Bodies of requests. */
BULLA_MUST_USE bulla_status bulla_gcpkms_encrypt_encode(bulla_call *call, bulla_view plaintext, bulla_view aad,
                                                        bulla_secret **out_body);
BULLA_MUST_USE bulla_status bulla_gcpkms_decrypt_encode(bulla_call *call, bulla_view ciphertext, bulla_view aad,
                                                        bulla_secret **out_body);

/* What an answer's checksums say. */
typedef enum bulla_gcpkms_sums {
    BULLA_GCPKMS_SUMS_RIGHT,
    BULLA_GCPKMS_SUMS_WRONG, /* something changed on the way, in either direction */
    BULLA_GCPKMS_SUMS_ABSENT /* the answer has none: whoever answered does not check */
} bulla_gcpkms_sums;

typedef struct bulla_gcpkms_answer {
    char name[BULLA_GCPKMS_MAX_NAME]; /* encrypt: the version that was used; else empty */
    bulla_secret *bytes;              /* ciphertext or plaintext */
    bulla_gcpkms_sums sums;
    bool has_aad; /* encrypt: the additional data arrived, and with its checksum */
} bulla_gcpkms_answer;
void bulla_gcpkms_answer_done(bulla_gcpkms_answer *answer);
#define BULLA_GCPKMS_ANSWER(variable)                                                                                  \
    __attribute__((cleanup(bulla_gcpkms_answer_done))) bulla_gcpkms_answer variable = {.bytes = NULL}

/* Errors of all readers: EFORMAT for what is not the answer that the interface promises, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_gcpkms_encrypt_read(bulla_call *call, bulla_view body,
                                                      bulla_gcpkms_answer *out_answer);
BULLA_MUST_USE bulla_status bulla_gcpkms_decrypt_read(bulla_call *call, bulla_view body,
                                                      bulla_gcpkms_answer *out_answer);

typedef enum bulla_gcpkms_state {
    BULLA_GCPKMS_UNKNOWN,
    BULLA_GCPKMS_PENDING, /* generation or import */
    BULLA_GCPKMS_ENABLED,
    BULLA_GCPKMS_DISABLED,
    BULLA_GCPKMS_DESTROY_SCHEDULED,
    BULLA_GCPKMS_DESTROYED /* or its generation or import failed: there is no material */
} bulla_gcpkms_state;

typedef struct bulla_gcpkms_version {
    uint32_t number;
    bulla_gcpkms_state state;
    int64_t created_s, destroy_s;
} bulla_gcpkms_version;

typedef struct bulla_gcpkms_key {
    char name[BULLA_GCPKMS_MAX_NAME];
    bool is_symmetric;            /* purpose ENCRYPT_DECRYPT */
    bulla_gcpkms_version primary; /* number 0: none */
    int64_t created_s, next_rotation_s, rotation_period_s;
} bulla_gcpkms_key;
BULLA_MUST_USE bulla_status bulla_gcpkms_key_read(bulla_call *call, bulla_view body, bulla_gcpkms_key *out_key);
BULLA_MUST_USE bulla_status bulla_gcpkms_version_read(bulla_call *call, bulla_view body,
                                                      bulla_gcpkms_version *out_version);

/* A page of keys. `page` gets the token of the next one, empty after the last; `visit` ends the walk by failing. */
#define BULLA_GCPKMS_MAX_PAGE 512u
typedef bulla_status (*bulla_gcpkms_visit)(void *arg, bulla_call *call, const bulla_gcpkms_key *key);
BULLA_MUST_USE bulla_status bulla_gcpkms_list_read(bulla_call *call, bulla_view body, bulla_gcpkms_visit visit,
                                                   void *arg, char page[BULLA_GCPKMS_MAX_PAGE]);
/* totalSize of a page of versions; 0 when it is not said. */
BULLA_MUST_USE bulla_status bulla_gcpkms_total_read(bulla_call *call, bulla_view body, uint32_t *out_total);

/* google.rpc.Status in JSON. Empty when the body is not one. */
typedef struct bulla_gcpkms_error {
    char status[40]; /* INVALID_ARGUMENT, … */
    char text[320];  /* resource names are long, and what is said of them comes last */
} bulla_gcpkms_error;
void bulla_gcpkms_error_read(bulla_view body, bulla_gcpkms_error *out_error);

#endif
