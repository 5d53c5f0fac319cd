/* SPDX-License-Identifier: Apache-2.0 */
/* A token, between the files that open its sessions (pkcs11_token.c) and log in to it (pkcs11_login.c). */
#ifndef BULLA_PROVIDER_PKCS11_TOKEN_H
#define BULLA_PROVIDER_PKCS11_TOKEN_H

#include "provider/pkcs11.h"

typedef struct bulla_pkcs11_idle {
    CK_SESSION_HANDLE session;
    int64_t since_ns;
} bulla_pkcs11_idle;

struct bulla_pkcs11_token {
    struct bulla_pkcs11_token *next;
    bulla_pkcs11_client *client;
    bulla_pkcs11_module *module;
    bulla_pkcs11_uri uri;

    /* Under the lock. */
    size_t life, era;
    bulla_pkcs11_idle idle[BULLA_PKCS11_MAX_SESSIONS]; /* the last one came last */
    size_t num_idle, num_open;                         /* open: idle ones and those in use */
    size_t limit;                                      /* of num_open; 0: the configuration's */
    int64_t limit_until_ns;
    bool has_slot;
    CK_SLOT_ID slot;
    char serial[17];
    CK_RV refusal; /* why a token refused the PIN; 0: it has not */
    bulla_secret *refused_pin;
    char refused_serial[17]; /* of that token */
};

/* For messages. */
const char *bulla_pkcs11_token_label(const bulla_pkcs11_token *token);

/* Sees to it that the token of the lease's session is logged in to. */
BULLA_MUST_USE bulla_status bulla_pkcs11_log_in(bulla_pkcs11_lease *lease, bulla_call *call);

#endif
