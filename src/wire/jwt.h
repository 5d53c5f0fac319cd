/* SPDX-License-Identifier: Apache-2.0 */
/* Signed assertions by which a program shows who it is: JSON Web Tokens (RFC 7519) in compact form, RS256. */
#ifndef BULLA_WIRE_JWT_H
#define BULLA_WIRE_JWT_H

#include "base/secret.h"
#include "crypto/rsa.h"

typedef struct bulla_jwt {
    const char *key_id;    /* "kid"; NULL: none */
    bulla_view thumbprint; /* "x5t": SHA-1 of the certificate; empty: none */
    const char *issuer, *subject, *audience, *scope, *id;
    int64_t issued_s, expires_s;
} bulla_jwt;

/* Members that are NULL are left out. Whoever has the text is the issuer until expires_s, so it is a secret. */
BULLA_MUST_USE bulla_status bulla_jwt_sign(bulla_call *call, const bulla_jwt *jwt, const bulla_rsa *key,
                                           bulla_secret **out_text);

#endif
