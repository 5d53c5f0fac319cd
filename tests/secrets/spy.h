/* SPDX-License-Identifier: Apache-2.0 */
/* A provider around another that notes, masked, the last key that went through it. */
#ifndef BULLA_TESTS_SPY_H
#define BULLA_TESTS_SPY_H

#include "bulla/house.h"
#include "secrets/memory.h"

struct spy {
    bulla *inner_house;
    struct needle seen;
};

/* Makes "spy:ADDRESS" of `house` open ADDRESS of `inner_house`, another one so that neither holds itself, with `spy` in
 * between. */
BULLA_MUST_USE bulla_status spy_scheme_add(bulla *house, bulla_call *call, bulla *inner_house, struct spy *spy);

#endif
