/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hedged unwrap: when the first endpoint takes longer than 95 % of the unwraps did lately, a second one is asked as
 * well, and the first to answer wins. What it adds to the traffic is kept within a tenth by a budget.
 */
#ifndef BULLA_PROVIDER_HEDGE_H
#define BULLA_PROVIDER_HEDGE_H

#include "provider/request.h"

typedef struct bulla_hedge bulla_hedge;

BULLA_MUST_USE bulla_status bulla_hedge_new(bulla_call *call, bulla_hedge **out_hedge);

/* Ends what is under way. Accepts NULL. */
void bulla_hedge_free(bulla_hedge *hedge);

/* What became of the second endpoint. */
typedef struct bulla_hedged {
    bool was_asked;        /* and answered in time */
    bool won;              /* its answer is the answer */
    bulla_failure failure; /* when it was asked and failed */
} bulla_hedged;

/* Puts an unwrap to `first` and, if that takes long, to `second`. The status, the call's failure and the result are the
 * first's, unless the second won. */
BULLA_MUST_USE bulla_status bulla_hedge_unwrap(bulla_hedge *hedge, bulla_call *call, bulla_request *request,
                                               bulla_provider *const endpoints[2], bulla_hedged *out_hedged);

#endif
