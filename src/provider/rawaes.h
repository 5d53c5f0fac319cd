/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A master key that is nothing but AES bytes: wraps data keys as the Raw AES keyring of the AWS Encryption SDK does
 * (raw-aes-keyring.md), so any of its implementations opens the message with the same key, namespace and name.
 */
#ifndef BULLA_PROVIDER_RAWAES_H
#define BULLA_PROVIDER_RAWAES_H

#include "base/secret.h"
#include "bulla/provider_impl.h"
#include "provider/address.h"

typedef enum bulla_rawaes_home { BULLA_RAWAES_FILE, BULLA_RAWAES_ENV } bulla_rawaes_home;

/* How the key is called in messages. Views into an address. */
typedef struct bulla_raw_name {
    bulla_view space, name;
} bulla_raw_name;

/* Reads namespace and name out of an address, with these defaults, and checks them. EINVAL. */
BULLA_MUST_USE bulla_status bulla_raw_name_parse(bulla_call *call, const bulla_address *address, const char *space,
                                                 const char *name, bulla_raw_name *out_name);

/* `text` is the address, for descriptions. The key is copied. */
BULLA_MUST_USE bulla_status bulla_rawaes_open(bulla_call *call, bulla_rawaes_home home, const char *text,
                                              const bulla_raw_name *name, const bulla_secret *key,
                                              bulla_provider **out_provider);

/* The description every key outside a store gives: its address, one enabled version. */
void bulla_raw_describe(const char *address, bulla_key_type type, bulla_view name, bulla_key_info *out_info);

#endif
