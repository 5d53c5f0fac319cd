/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two requests of AWS STS that give credentials, version 2011-06-15: forms in, XML out. Pure. Forms and answers
 * hold credentials: they lie in secrets.
 */
#ifndef BULLA_WIRE_AWSSTS_H
#define BULLA_WIRE_AWSSTS_H

#include "wire/awscreds.h"

typedef struct bulla_awssts_request {
    const char *role_arn, *session_name;
    const char *external_id; /* NULL: none */
    const char *duration_s;  /* digits; NULL: the role's default */
    bulla_view web_identity; /* not empty: AssumeRoleWithWebIdentity, which is not signed */
} bulla_awssts_request;

/* Writes the form. A writer without room counts. Errors: ELIMIT. */
BULLA_MUST_USE bulla_status bulla_awssts_request_write(bulla_call *call, const bulla_awssts_request *request,
                                                       bulla_writer *writer);

/* Errors: EFORMAT, ELIMIT, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_awssts_answer_decode(bulla_call *call, bulla_view body, bulla_awscreds *out_creds);

/* What an answer that is none says: code and message, printable and cut; empty when it says nothing. */
typedef struct bulla_awssts_error {
    char code[64], message[160];
} bulla_awssts_error;
void bulla_awssts_error_decode(bulla_view body, bulla_awssts_error *out_error);

#endif
