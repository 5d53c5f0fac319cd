/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of the Transit secrets engine of HashiCorp Vault and OpenBao. Bodies that hold keys are secrets, and so is
 * what comes out of an answer. Readers take what they need and ignore the rest: servers add members.
 *
 * Errors of all readers: EFORMAT for what is not the answer that the interface promises, ELIMIT, ENOMEM.
 */
#ifndef BULLA_WIRE_TRANSIT_H
#define BULLA_WIRE_TRANSIT_H

#include "base/json.h"
#include "base/secret.h"

#define BULLA_TRANSIT_MAX_CIPHERTEXT 1024u /* characters, far more than a data key of 64 bytes takes */
#define BULLA_TRANSIT_MAX_NAME 128u

/* "vault:vN:" and base64, in the one spelling that Transit itself writes. Servers also open others (v0, a line end in
 * the base64), which would make two wrapped keys of one. */
bool bulla_transit_ciphertext_is(bulla_view text, uint32_t *out_version);

/* The body of encrypt, decrypt, rewrap and datakey: the members that are given. */
typedef struct bulla_transit_request {
    bulla_view plaintext;  /* bytes */
    bulla_view ciphertext; /* text */
    bulla_view data;       /* associated_data, bytes; empty: left out */
    unsigned bits;         /* of a data key */
} bulla_transit_request;
BULLA_MUST_USE bulla_status bulla_transit_request_encode(bulla_call *call, const bulla_transit_request *request,
                                                         bulla_secret **out_body);

typedef struct bulla_transit_answer {
    char ciphertext[BULLA_TRANSIT_MAX_CIPHERTEXT + 1];
    uint32_t version;        /* of the ciphertext */
    bulla_secret *plaintext; /* NULL: none */
    bool ignored_data;       /* a warning says that the server does not know associated_data here */
} bulla_transit_answer;
void bulla_transit_answer_done(bulla_transit_answer *answer);
#define BULLA_TRANSIT_ANSWER(variable)                                                                                 \
    __attribute__((cleanup(bulla_transit_answer_done))) bulla_transit_answer variable = {.version = 0}

/* What the answer must hold. */
#define BULLA_TRANSIT_CIPHERTEXT 1u
#define BULLA_TRANSIT_PLAINTEXT 2u
BULLA_MUST_USE bulla_status bulla_transit_answer_decode(bulla_call *call, bulla_view body, unsigned wanted,
                                                        bulla_transit_answer *out_answer);

/* Several ciphertexts in one decrypt. The item at index i bears the reference `first` + i, in the answer too, so that
 * no key is taken for another's. */
#define BULLA_TRANSIT_MAX_BATCH 64u
typedef struct bulla_transit_item {
    bulla_view ciphertext, data; /* as in bulla_transit_request */
} bulla_transit_item;
BULLA_MUST_USE bulla_status bulla_transit_batch_encode(bulla_call *call, const bulla_transit_item *items, size_t num,
                                                       uint64_t first, bulla_secret **out_body);
/* The keys that the server opened: out_plaintexts has room for `num`, NULL for each that it did not open. Whole or not
 * at all: EFORMAT unless there is just one result for each item, in order and under its reference. */
BULLA_MUST_USE bulla_status bulla_transit_batch_decode(bulla_call *call, bulla_view body, size_t num, uint64_t first,
                                                       bulla_secret **out_plaintexts);

typedef struct bulla_transit_key {
    char type[32];
    uint32_t latest_version, min_decryption_version, num_versions;
    int64_t created_s, rotated_s;             /* of the oldest version that is there, and of the latest; 0: not said */
    int64_t period_s;                         /* of rotation; 0: by hand */
    bool is_derived, is_imported, is_deleted; /* deleted softly: it can be restored */
} bulla_transit_key;
BULLA_MUST_USE bulla_status bulla_transit_key_decode(bulla_call *call, bulla_view body, bulla_transit_key *out_key);

/* Whether the answer to making a key warns that there was one of that name. */
bool bulla_transit_says_exists(bulla_view body);

/* Whether keys of that type bind associated data. */
bool bulla_transit_type_binds(const char *type);

/* The names of a listing, in its order. A visitor ends the walk by failing. */
typedef bulla_status (*bulla_transit_visit)(void *arg, bulla_call *call, const char *name);
BULLA_MUST_USE bulla_status bulla_transit_list_decode(bulla_call *call, bulla_view body, bulla_transit_visit visit,
                                                      void *arg);

#endif
