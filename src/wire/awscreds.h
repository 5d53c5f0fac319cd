/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials of AWS, and the JSON in which the metadata service of EC2 (IMDS), the credential endpoint of ECS and EKS
 * Pod Identity hand them out. Pure.
 */
#ifndef BULLA_WIRE_AWSCREDS_H
#define BULLA_WIRE_AWSCREDS_H

#include "base/bytes.h"
#include "base/secret.h"

#define BULLA_AWSCREDS_MAX_ID 129u      /* bytes of an access key's id, with its NUL */
#define BULLA_AWSCREDS_MAX_SECRET 256u  /* bytes of a secret access key */
#define BULLA_AWSCREDS_MAX_TOKEN 12288u /* bytes of a session token */

typedef struct bulla_awscreds {
    char access_key_id[BULLA_AWSCREDS_MAX_ID];
    bulla_secret *secret_key, *token; /* token NULL: none */
    int64_t expires_s;                /* 0: never */
} bulla_awscreds;

void bulla_awscreds_done(bulla_awscreds *creds);
#define BULLA_AWSCREDS(name) __attribute__((cleanup(bulla_awscreds_done))) bulla_awscreds name = {.expires_s = 0}

/* Checks three texts and keeps them as credentials: what is in them goes into headers. `what` names them in errors.
 * Errors: EFORMAT, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_awscreds_init(bulla_call *call, const char *what, const bulla_view texts[3],
                                                bulla_awscreds *out_creds);

/* Errors: EFORMAT; with the code of an answer that is not "Success", EAUTHN when the role may not be used, else
 * EUNAVAIL. */
BULLA_MUST_USE bulla_status bulla_awscreds_decode(bulla_call *call, bulla_view body, const char *what,
                                                  bulla_awscreds *out_creds);

#endif
