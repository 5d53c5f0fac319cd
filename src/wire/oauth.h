/* SPDX-License-Identifier: Apache-2.0 */
/* What token endpoints are sent and answer: OAuth 2.0 (RFC 6749, 4.4 and 5; RFC 7523; RFC 8693) and its relatives. */
#ifndef BULLA_WIRE_OAUTH_H
#define BULLA_WIRE_OAUTH_H

#include "base/json.h"
#include "base/secret.h"

#define BULLA_OAUTH_MAX_TOKEN 16384u

/* One field of a form (application/x-www-form-urlencoded): after the first, with "&" before it. */
void bulla_oauth_field_write(bulla_writer *form, const char *name, bulla_view value);

typedef struct bulla_oauth_grant {
    bulla_secret *bearer; /* "Bearer TOKEN": the value of an Authorization header */
    int64_t lifetime_s;   /* from now */
    int64_t renew_s;      /* when to renew, from now; 0: shortly before its end */
} bulla_oauth_grant;
void bulla_oauth_grant_done(bulla_oauth_grant *grant);

/* Reads access_token or accessToken, and expires_in, expires_on or expireTime. Dates are taken relative to `now_s`, the
 * issuer's clock when its answer told it. Errors: EFORMAT, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_oauth_grant_read(bulla_call *call, bulla_view body, int64_t now_s,
                                                   bulla_oauth_grant *out_grant);

/* RFC 6749, 5.2, and Google's {"error": {"status", "message"}}: words for a person, empty where there are none. */
typedef struct bulla_oauth_error {
    char code[64], text[128];
} bulla_oauth_error;
void bulla_oauth_error_read(bulla_view body, bulla_oauth_error *out_error);

#endif
