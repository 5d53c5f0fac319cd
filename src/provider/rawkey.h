/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keys outside any store have in common: they are called by a namespace and a name, as the Raw keyrings of the AWS
 * Encryption SDK call theirs (raw-aes-keyring.md, raw-rsa-keyring.md), and they have one version and no states.
 */
#ifndef BULLA_PROVIDER_RAWKEY_H
#define BULLA_PROVIDER_RAWKEY_H

#include "bulla/provider_impl.h"
#include "provider/address.h"

typedef struct bulla_rawkey_name {
    bulla_view space, name; /* into an address */
} bulla_rawkey_name;

/* Reads namespace and name out of an address, with these defaults, and checks them. EINVAL. */
BULLA_MUST_USE bulla_status bulla_rawkey_name_parse(bulla_call *call, const bulla_address *address, const char *space,
                                                    const char *name, bulla_rawkey_name *out_name);

/* First member of a provider's struct. */
typedef struct bulla_rawkey {
    bulla_provider base;
    const bulla_env *env;
    bulla_key_type type;
    bulla_view space, name;
    const char *address;
} bulla_rawkey;

/* Allocates a struct of `size` bytes that begins with a bulla_rawkey, keeps copies of the address and the name behind
 * it, and gives it one reference. */
BULLA_MUST_USE bulla_status bulla_rawkey_new(bulla_call *call, const bulla_provider_ops *ops, size_t size,
                                             const char *address, const bulla_rawkey_name *name,
                                             bulla_rawkey **out_rawkey);
void bulla_rawkey_free(bulla_rawkey *rawkey);

/* A describe slot: the address, one enabled version. */
BULLA_MUST_USE bulla_status bulla_rawkey_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info);

/* What a wrapped key that bears this key's name and does not open means. EINTEGRITY, with the address. */
bulla_status bulla_rawkey_mismatch(const bulla_rawkey *rawkey, bulla_call *call);

#endif
