/* SPDX-License-Identifier: Apache-2.0 */
/* What registry.c opens: one function for each back end, in the shape of bulla_scheme.open. */
#ifndef BULLA_PROVIDER_BACKENDS_H
#define BULLA_PROVIDER_BACKENDS_H

#include "bulla/provider_impl.h"
#include "provider/kms.h"

/* What may be asked of every key store on the network once more without harm: all but what makes something. */
#define BULLA_OPS_REPEATABLE                                                                                           \
    (BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP | BULLA_OP_CHECK |       \
     BULLA_OP_LIST)

/* A key in a file of its own: file:PATH?namespace=N&name=K */
BULLA_MUST_USE bulla_status bulla_file_provider_open(void *arg, bulla_call *call, const char *address,
                                                     bulla_provider **out_provider);
/* A key in a variable of the call's environment: env:VAR?namespace=N&name=K */
BULLA_MUST_USE bulla_status bulla_env_provider_open(void *arg, bulla_call *call, const char *address,
                                                    bulla_provider **out_provider);
/* An RSA key in PEM: rsa:PATH?namespace=N&name=K&padding=P */
BULLA_MUST_USE bulla_status bulla_rsa_provider_open(void *arg, bulla_call *call, const char *address,
                                                    bulla_provider **out_provider);

/* AWS KMS, Google Cloud KMS, Azure Key Vault and Managed HSM. */
extern const bulla_backend bulla_aws_backend;
extern const bulla_backend bulla_gcp_backend;
extern const bulla_backend bulla_azure_backend;
extern const bulla_backend bulla_pkcs11_backend; /* keys on PKCS#11 tokens */
extern const bulla_backend bulla_vault_backend;  /* HashiCorp Vault, OpenBao */

#endif
