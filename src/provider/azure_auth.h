/* SPDX-License-Identifier: Apache-2.0 */
/* How a program shows Microsoft Entra ID who it is, once a vault has said which tenant it trusts. */
#ifndef BULLA_PROVIDER_AZURE_AUTH_H
#define BULLA_PROVIDER_AZURE_AUTH_H

#include "provider/kms.h"
#include "provider/oauth.h"
#include "wire/azurekv.h"

/* Logs in for the challenge's resource: with the client secret, the client certificate, the federated token of a
 * workload identity, or the managed identity of the machine, in this order of what is configured. */
BULLA_MUST_USE bulla_status bulla_azure_login(bulla_call *call, const bulla_kms_config *config,
                                              const bulla_azurekv_challenge *challenge, bulla_oauth_grant *out_grant);

#endif
