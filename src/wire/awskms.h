/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and answers of AWS KMS (TrentService, application/x-amz-json-1.1). Pure. Bodies may hold data keys: they lie
 * in secrets. What an answer says besides is ignored, since KMS adds members.
 */
#ifndef BULLA_WIRE_AWSKMS_H
#define BULLA_WIRE_AWSKMS_H

#include "base/bytes.h"
#include "base/secret.h"
#include "bulla/context.h"
#include "bulla/key.h"
#include "wire/awsarn.h"

#define BULLA_AWSKMS_MAX_BLOB 6144u        /* bytes of a CiphertextBlob */
#define BULLA_AWSKMS_MAX_PLAINTEXT 4096u   /* that KMS encrypts */
#define BULLA_AWSKMS_MAX_MARKER 1025u      /* with its NUL */
#define BULLA_AWSKMS_MAX_ALIAS 257u        /* bytes of an alias, with its NUL */
#define BULLA_AWSKMS_MAX_CONTEXT_KEY 4096u /* bytes of one name in an encryption context, with its NUL */

typedef enum bulla_awskms_op {
    BULLA_AWSKMS_ENCRYPT,
    BULLA_AWSKMS_DECRYPT,
    BULLA_AWSKMS_GENERATE_DATA_KEY,
    BULLA_AWSKMS_GENERATE_DATA_KEY_WITHOUT_PLAINTEXT,
    BULLA_AWSKMS_RE_ENCRYPT,
    BULLA_AWSKMS_DESCRIBE_KEY,
    BULLA_AWSKMS_LIST_KEYS,
    BULLA_AWSKMS_LIST_ALIASES,
    BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND,
    BULLA_AWSKMS_GET_KEY_ROTATION_STATUS,
    BULLA_AWSKMS_LIST_KEY_ROTATIONS
} bulla_awskms_op;

/* The header X-Amz-Target. */
const char *bulla_awskms_target(bulla_awskms_op op);
/* The operation's name, for people: "Encrypt". */
const char *bulla_awskms_name(bulla_awskms_op op);

typedef struct bulla_awskms_request {
    bulla_awskms_op op;
    const char *key_id;           /* of all but the lists of keys and aliases; ReEncrypt: source and destination */
    const char *marker;           /* of a list's next page; NULL or empty: the first */
    bulla_view plaintext;         /* Encrypt */
    bulla_view blob;              /* Decrypt, ReEncrypt */
    size_t len;                   /* GenerateDataKey */
    const bulla_context *context; /* of all that encrypt or decrypt; may be NULL */
} bulla_awskms_request;

/* Writes the body. A writer without room counts. Errors: ELIMIT. */
BULLA_MUST_USE bulla_status bulla_awskms_request_write(bulla_call *call, const bulla_awskms_request *request,
                                                       bulla_writer *writer);

/* --- answers; errors: EFORMAT, ELIMIT, ENOMEM --- */

typedef struct bulla_awskms_answer {
    char key_arn[BULLA_AWSARN_MAX];    /* of the key that did it */
    char source_arn[BULLA_AWSARN_MAX]; /* ReEncrypt: of the key that opened */
    uint8_t blob[BULLA_AWSKMS_MAX_BLOB];
    size_t blob_len;         /* Encrypt, GenerateDataKey…, ReEncrypt */
    bulla_secret *plaintext; /* Decrypt, GenerateDataKey */
} bulla_awskms_answer;
void bulla_awskms_answer_done(bulla_awskms_answer *answer);
#define BULLA_AWSKMS_ANSWER(name)                                                                                      \
    __attribute__((cleanup(bulla_awskms_answer_done))) bulla_awskms_answer name = {.plaintext = NULL}

/* What `op` answers of these. */
BULLA_MUST_USE bulla_status bulla_awskms_answer_decode(bulla_call *call, bulla_awskms_op op, bulla_view body,
                                                       bulla_awskms_answer *out_answer);

typedef struct bulla_awskms_key {
    char arn[BULLA_AWSARN_MAX], id[BULLA_AWSKMS_MAX_ALIAS];
    bulla_key_state state;
    bool is_symmetric; /* SYMMETRIC_DEFAULT, for encryption: what Bulla can use */
    bool is_imported;  /* its material came from outside */
    int64_t created_s, deletion_s;
} bulla_awskms_key;
BULLA_MUST_USE bulla_status bulla_awskms_key_decode(bulla_call *call, bulla_view body, bulla_awskms_key *out_key);

typedef struct bulla_awskms_rotation {
    uint32_t period_days; /* 0: not by itself */
    int64_t next_s;
    bool is_running; /* one on demand was asked for and is not done yet */
} bulla_awskms_rotation;
BULLA_MUST_USE bulla_status bulla_awskms_rotation_decode(bulla_call *call, bulla_view body,
                                                         bulla_awskms_rotation *out_rotation);

/* A page of a list. `visit` sees each item; a visitor ends the walk by failing. */
typedef bulla_status (*bulla_awskms_visit)(void *arg, bulla_call *call, const char *name, const char *target);
typedef struct bulla_awskms_page {
    char marker[BULLA_AWSKMS_MAX_MARKER]; /* empty: this was the last */
    size_t num_items;
} bulla_awskms_page;
/* LIST_KEYS: the key's id and ARN. LIST_ALIASES: the alias and the id of its key, aliases without a key left out.
 * LIST_KEY_ROTATIONS: "" and the date of each in seconds since 1970. */
BULLA_MUST_USE bulla_status bulla_awskms_page_decode(bulla_call *call, bulla_awskms_op op, bulla_view body,
                                                     bulla_awskms_visit visit, void *arg, bulla_awskms_page *out_page);

/* What an answer that is none says: the code without namespace, and the message, printable and cut. Empty when it is
 * not one of KMS's. `header` is x-amzn-errortype. */
typedef struct bulla_awskms_error {
    char code[64], message[160];
} bulla_awskms_error;
void bulla_awskms_error_decode(bulla_view body, const char *header, bulla_awskms_error *out_error);

#endif
