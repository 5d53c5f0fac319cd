/* SPDX-License-Identifier: Apache-2.0 */
/* Wrappers that take their time, and honour the call's deadline and cancellation while they do. */
#ifndef BULLA_TESTS_WAITING_PROVIDERS_H
#define BULLA_TESTS_WAITING_PROVIDERS_H

#include "bulla/provider_impl.h"
#include "fakes/fake_env.h"

/* slow: every answer takes `ms` on the clock of `fake`, which it moves itself. */
BULLA_MUST_USE bulla_status slow_provider_new(bulla_call *call, bulla_provider *inner, fake_env *fake, int64_t ms,
                                              bulla_provider **out_provider);

/* hanging: never answers; ends with the call's deadline or its cancellation, looked at every millisecond. */
BULLA_MUST_USE bulla_status hanging_provider_new(bulla_call *call, bulla_provider *inner,
                                                 bulla_provider **out_provider);

#endif
