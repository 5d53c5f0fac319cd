/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, the header and the query form, as services other than S3 want it: the path is encoded once
 * more and normalised. Pure: the time is given, nothing is kept. What is put together here may hold a session token, so
 * the caller's buffers are wiped ones.
 */
#ifndef BULLA_WIRE_SIGV4_H
#define BULLA_WIRE_SIGV4_H

#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/call.h"

#define BULLA_SIGV4_MAX_FIELDS 32u  /* headers, and parameters of the query, that are signed */
#define BULLA_SIGV4_MAX_TEXT 16384u /* bytes of a canonical request, and of a query */
#define BULLA_SIGV4_MAX_STRING 512u /* bytes of a string to sign */
#define BULLA_SIGV4_KEY 32u
#define BULLA_SIGV4_TIME 17u    /* "20150830T123600Z" */
#define BULLA_SIGV4_HEX 65u     /* a signature */
#define BULLA_SIGV4_DATE_LEN 8u /* of the time: one key signs a whole day */

typedef struct bulla_sigv4_header {
    const char *name; /* any case */
    bulla_view value;
} bulla_sigv4_header;

typedef struct bulla_sigv4_request {
    const char *method;
    bulla_view path, query;            /* as they are sent; the query without "?" */
    const bulla_sigv4_header *headers; /* the signed ones: Host and, in the header form, X-Amz-Date among them */
    size_t num_headers;
    bulla_view body;
    bool keep_path; /* not normalised */
} bulla_sigv4_request;

typedef struct bulla_sigv4_scope {
    int64_t time_s;
    const char *region, *service;
} bulla_sigv4_scope;

void bulla_sigv4_time_format(int64_t time_s, char out[BULLA_SIGV4_TIME]);

/* All of these: ELIMIT when something does not fit, EINVAL for a time outside the years 1970 to 9999. */
BULLA_MUST_USE bulla_status bulla_sigv4_canonical_write(bulla_call *call, const bulla_sigv4_request *request,
                                                        bulla_writer *writer);
BULLA_MUST_USE bulla_status bulla_sigv4_string_write(bulla_call *call, const bulla_sigv4_scope *scope,
                                                     bulla_view canonical, bulla_writer *writer);

/* The key of one day, region and service. `out` is a wiped array or a secret's bytes. */
BULLA_MUST_USE bulla_status bulla_sigv4_key_derive(bulla_call *call, bulla_view secret, const bulla_sigv4_scope *scope,
                                                   uint8_t out[BULLA_SIGV4_KEY]);

/* The value of the header Authorization. */
BULLA_MUST_USE bulla_status bulla_sigv4_authorization_write(bulla_call *call, const bulla_sigv4_request *request,
                                                            const bulla_sigv4_scope *scope, bulla_view access_key_id,
                                                            bulla_view key, bulla_writer *writer);

/* Who signs a query, and for how long. */
typedef struct bulla_sigv4_presign {
    bulla_view access_key_id, key;
    bulla_view token; /* empty: none */
    uint32_t expires_s;
} bulla_sigv4_presign;

/* The query to send instead of the request's: with the X-Amz- parameters and the signature. */
BULLA_MUST_USE bulla_status bulla_sigv4_query_write(bulla_call *call, const bulla_sigv4_request *request,
                                                    const bulla_sigv4_scope *scope, const bulla_sigv4_presign *presign,
                                                    bulla_writer *writer);

#endif
