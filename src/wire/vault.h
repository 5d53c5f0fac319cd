/* SPDX-License-Identifier: Apache-2.0 */
/* What HashiCorp Vault and OpenBao have in common for all their engines: logins, leases, health, refusals. */
#ifndef BULLA_WIRE_VAULT_H
#define BULLA_WIRE_VAULT_H

#include "base/json.h"
#include "base/secret.h"

#define BULLA_VAULT_MAX_TOKEN 16384u

/* One member of a login's body, all of them text: role_id, secret_id, role, jwt, name. An empty value is left out. */
typedef struct bulla_vault_field {
    const char *name;
    bulla_view value;
} bulla_vault_field;
BULLA_MUST_USE bulla_status bulla_vault_login_encode(bulla_call *call, const bulla_vault_field *fields,
                                                     size_t num_fields, bulla_secret **out_body);

/* A token and how long it lives. */
typedef struct bulla_vault_grant {
    bulla_secret *token; /* NULL after a look-up */
    int64_t lease_s;     /* 0: it does not end */
    bool is_renewable;
} bulla_vault_grant;
void bulla_vault_grant_done(bulla_vault_grant *grant);

/* The answer to a login or to renew-self. Errors: EFORMAT, ELIMIT, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_vault_grant_decode(bulla_call *call, bulla_view body, bulla_vault_grant *out_grant);
/* The answer to lookup-self: of the token that asked. */
BULLA_MUST_USE bulla_status bulla_vault_lookup_decode(bulla_call *call, bulla_view body, bulla_vault_grant *out_grant);

typedef struct bulla_vault_health {
    bool is_initialized, is_sealed, is_standby;
    uint32_t version; /* 2004 for "2.4.1"; 0: not said */
} bulla_vault_health;
bool bulla_vault_health_decode(bulla_view body, bulla_vault_health *out_health); /* false: it is not one */

/* Why a request was refused, as far as the words tell. */
typedef enum bulla_vault_reason {
    BULLA_VAULT_NO_VAULT, /* the body is none of Vault's: somebody else answered */
    BULLA_VAULT_UNKNOWN,
    BULLA_VAULT_SEALED,
    BULLA_VAULT_BAD_TOKEN,
    BULLA_VAULT_NO_KEY,
    BULLA_VAULT_NO_MOUNT, /* nothing, or another engine, lies at the path */
    BULLA_VAULT_BAD_CIPHERTEXT,
    BULLA_VAULT_OLD_VERSION, /* below min_decryption_version */
    BULLA_VAULT_DELETED,     /* softly */
    BULLA_VAULT_UNSUPPORTED
} bulla_vault_reason;

typedef struct bulla_vault_error {
    bulla_vault_reason reason;
    bool is_empty;  /* Vault's way to say that there is nothing at the path */
    char text[112]; /* for a person: printable, one line; empty when there are no words */
} bulla_vault_error;
void bulla_vault_error_decode(bulla_view body, bulla_vault_error *out_error);

#endif
