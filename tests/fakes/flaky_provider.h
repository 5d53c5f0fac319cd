/* SPDX-License-Identifier: Apache-2.0 */
/* A wrapper that does not answer every n-th time it is asked for anything: BULLA_EUNAVAIL, and nothing happened. */
#ifndef BULLA_TESTS_FLAKY_PROVIDER_H
#define BULLA_TESTS_FLAKY_PROVIDER_H

#include "bulla/provider_impl.h"

/* `every` 0: it always answers; 1: never. Takes a reference to `inner`. */
BULLA_MUST_USE bulla_status flaky_provider_new(bulla_call *call, bulla_provider *inner, size_t every,
                                               bulla_provider **out_provider);
void flaky_provider_every_set(bulla_provider *provider, size_t every);

#endif
