/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the gcp: back end's logins: what the credentials say and forms for token endpoints (gcp_login.c),
 * identities from elsewhere (gcp_federation.c) and those of AWS among them (gcp_aws.c). gcp_auth.c has the rest.
 */
#ifndef BULLA_PROVIDER_GCP_LOGIN_H
#define BULLA_PROVIDER_GCP_LOGIN_H

#include "base/bytes.h"
#include "base/json.h"
#include "provider/kms.h"
#include "provider/oauth.h"

#define BULLA_GCP_MAX_LOGIN_URL 1024u
#define BULLA_GCP_MAX_AUDIENCE 512u

/* One login. */
typedef struct bulla_gcp_asker {
    bulla_call *call;
    const bulla_kms_config *config;
    bulla_login_site site;
    bulla_json_value credentials; /* an object of the file */
    const char *within;           /* its place in the file, with "/" behind it; "": it is the file */
    const char *scope;            /* to ask for */
} bulla_gcp_asker;

/* --- what the credentials say --- */

/* ECONFIG: the file has no `what`. */
bulla_status bulla_gcp_missing(const bulla_gcp_asker *asker, const char *what);
bool bulla_gcp_has(const bulla_gcp_asker *asker, const char *path);
BULLA_MUST_USE bulla_status bulla_gcp_text_read(const bulla_gcp_asker *asker, const char *path, char *out, size_t cap);
/* A url, or `fallback` (NULL: it must be there); only one that credentials may go to. */
BULLA_MUST_USE bulla_status bulla_gcp_url_read(const bulla_gcp_asker *asker, const char *path, const char *fallback,
                                               char out[BULLA_GCP_MAX_LOGIN_URL]);

/* --- forms --- */

typedef struct bulla_gcp_form {
    bulla_secret *memory;
    bulla_writer out;
} bulla_gcp_form;
void bulla_gcp_form_done(bulla_gcp_form *form);
#define BULLA_GCP_FORM(name) __attribute__((cleanup(bulla_gcp_form_done))) bulla_gcp_form name = {.memory = NULL}

BULLA_MUST_USE bulla_status bulla_gcp_form_begin(const bulla_gcp_asker *asker, bulla_gcp_form *form);
void bulla_gcp_form_text(bulla_gcp_form *form, const char *name, const char *value);
BULLA_MUST_USE bulla_status bulla_gcp_form_send(const bulla_gcp_asker *asker, const char *url,
                                                const bulla_gcp_form *form, bulla_oauth_grant *out_grant);

/* --- workload identity federation --- */

/* Exchanges the token that credential_source leads to (RFC 8693). */
BULLA_MUST_USE bulla_status bulla_gcp_token_exchange(const bulla_gcp_asker *asker, bulla_oauth_grant *out_grant);

/* The token of an identity of AWS: a signed question to AWS who has signed it, which Google puts to AWS. */
BULLA_MUST_USE bulla_status bulla_gcp_aws_subject(const bulla_gcp_asker *asker, const char *audience,
                                                  bulla_secret **out_token);

#endif
