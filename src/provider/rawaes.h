/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A master key that is nothing but AES bytes: wraps data keys as the Raw AES keyring of the AWS Encryption SDK does
 * (raw-aes-keyring.md), so any of its implementations opens the message with the same key, namespace and name.
 */
#ifndef BULLA_PROVIDER_RAWAES_H
#define BULLA_PROVIDER_RAWAES_H

#include "base/secret.h"
#include "bulla/provider_impl.h"
#include "provider/rawkey.h"

typedef enum bulla_rawaes_home { BULLA_RAWAES_FILE, BULLA_RAWAES_ENV } bulla_rawaes_home;

/* The key is copied. EINVAL when it has not 16, 24 or 32 bytes. */
BULLA_MUST_USE bulla_status bulla_rawaes_open(bulla_call *call, bulla_rawaes_home home, const char *address,
                                              const bulla_rawkey_name *name, const bulla_secret *key,
                                              bulla_provider **out_provider);

#endif
