/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access tokens that are kept until shortly before their end and then renewed by one caller while the others go on with
 * the old one; and requests that carry them. Any thread; a forked child logs in anew.
 */
#ifndef BULLA_PROVIDER_OAUTH_H
#define BULLA_PROVIDER_OAUTH_H

#include "base/secret.h"
#include "net/http.h"
#include "wire/oauth.h"

typedef struct bulla_oauth bulla_oauth;

/* Logs in, within the call's deadline. */
typedef bulla_status (*bulla_oauth_login)(void *arg, bulla_call *call, bulla_oauth_grant *out_grant);

/* `arg` is borrowed for the life of *out_oauth. */
BULLA_MUST_USE bulla_status bulla_oauth_new(bulla_call *call, bulla_oauth_login login, void *arg,
                                            bulla_oauth **out_oauth);
void bulla_oauth_free(bulla_oauth *oauth);
BULLA_AUTO_DEFINE(bulla_oauth, bulla_oauth_free)

/* The value of an Authorization header; one reference is the caller's. Logs in when there is none; callers that come
 * meanwhile wait for that one login, no longer than their own deadline, and share its failure. */
BULLA_MUST_USE bulla_status bulla_oauth_bearer(bulla_oauth *oauth, bulla_call *call, bulla_secret **out_bearer);

/* Forgets the token that the store has refused and keeps in mind `why` (the owner's own, not 0). Nothing of this, and
 * false, when that token has been replaced: a refusal that comes late says nothing of its successor. */
bool bulla_oauth_refuse(bulla_oauth *oauth, const bulla_secret *bearer, unsigned why);
/* Whether it is the token that is kept. */
bool bulla_oauth_keeps(bulla_oauth *oauth, const bulla_secret *bearer);
/* Why the last token was refused, since when no login has succeeded, and on env's clock when; 0: it was not. */
unsigned bulla_oauth_refusal(bulla_oauth *oauth, int64_t *out_ns);

/* Sends `request` with an Authorization header (there must be room for one more), and once more with a new token when
 * the answer is 401. `headers` of the request are in an array of BULLA_HTTP_MAX_HEADERS. */
BULLA_MUST_USE bulla_status bulla_oauth_send(bulla_oauth *oauth, bulla_http *http, bulla_call *call,
                                             const bulla_http_request *request, bulla_http_answer *out_answer);

/* One request of a login, through connections of its own that are closed again: logins are rare and go elsewhere than
 * the store. `is_local` goes past every proxy (metadata services). */
typedef struct bulla_login_site {
    const char *store;            /* in errors */
    const bulla_tls_options *tls; /* only whom to trust is taken from it */
    uint32_t timeout_ms;
    bool is_local;
} bulla_login_site;
BULLA_MUST_USE bulla_status bulla_login_send(bulla_call *call, const bulla_login_site *site,
                                             const bulla_http_request *request, bulla_http_answer *out_answer);

/* Takes the grant out of an answer to a login, or says why there is none: EAUTHN when it was refused, ETHROTTLED and
 * EUNAVAIL when it may work later, or when the answer is none of a token endpoint. */
BULLA_MUST_USE bulla_status bulla_login_read(bulla_call *call, const bulla_login_site *site,
                                             const bulla_http_answer *answer, bulla_oauth_grant *out_grant);

/* A url that credentials may be sent to: https, or http to this machine. ECONFIG naming `what`. */
BULLA_MUST_USE bulla_status bulla_login_url_check(bulla_call *call, const char *what, const char *url);

#endif
