/* SPDX-License-Identifier: Apache-2.0 */
/* A key store that hides nothing: a wrapped key is the key, then the context's bytes. For tests of what lies above it.
 */
#ifndef BULLA_TESTS_PLAIN_PROVIDER_H
#define BULLA_TESTS_PLAIN_PROVIDER_H

#include "bulla/provider_impl.h"

typedef struct plain_provider {
    bulla_provider base;
    bulla_status answer; /* what every call returns; BULLA_OK: it works */
    size_t num_calls;
} plain_provider;

/* In the caller's storage, one reference; nothing to release. */
void plain_provider_init(plain_provider *plain);

#endif
