/* SPDX-License-Identifier: Apache-2.0 */
/* How a program shows Google who it is (cloud.google.com/docs/authentication/application-default-credentials). */
#ifndef BULLA_PROVIDER_GCP_AUTH_H
#define BULLA_PROVIDER_GCP_AUTH_H

#include "provider/kms.h"
#include "provider/oauth.h"

/* A bulla_oauth_login; `arg` is the store's const bulla_kms_config. A credentials file is read at each login, so that
 * it may be replaced. */
BULLA_MUST_USE bulla_status bulla_gcp_login(void *arg, bulla_call *call, bulla_oauth_grant *out_grant);

/* The project that requests are counted for, as the configuration, the environment or the credentials file says; empty
 * when none does. */
void bulla_gcp_quota_project(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap);

#endif
