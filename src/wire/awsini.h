/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that AWS's tools share: ~/.aws/credentials and ~/.aws/config. Pure: values are views into the text, which
 * is a secret's. A later value of a name counts, and sections of one profile are read as one, as AWS's own tools do.
 */
#ifndef BULLA_WIRE_AWSINI_H
#define BULLA_WIRE_AWSINI_H

#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/call.h"

typedef enum bulla_awsini_kind {
    BULLA_AWSINI_CREDENTIALS, /* [NAME] */
    BULLA_AWSINI_CONFIG       /* [profile NAME], and [default] */
} bulla_awsini_kind;

/* What is known of a profile; empty views: not given. */
typedef struct bulla_awsini_profile {
    bool is_there;
    bulla_view access_key_id, secret_access_key, session_token;
    bulla_view role_arn, source_profile, credential_source, external_id, role_session_name, duration_seconds;
    bulla_view web_identity_token_file, mfa_serial;
    bulla_view region;
    bulla_view credential_process, sso; /* there to be refused: a command line; any of the sso_… settings */
} bulla_awsini_profile;

/* Adds to *profile what `text` says of the profile `name`; what is there already stays, so the file that counts more is
 * read first. `what` names the file in errors. Errors: EFORMAT with the line. */
BULLA_MUST_USE bulla_status bulla_awsini_read(bulla_call *call, bulla_view text, const char *what,
                                              bulla_awsini_kind kind, const char *name, bulla_awsini_profile *profile);

#endif
