/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many additional requests a wrapper may make: a part of the ordinary ones and a few in advance, so that a lone
 * request may be repeated, and an outage does not multiply the traffic.
 */
#ifndef BULLA_PROVIDER_BUDGET_H
#define BULLA_PROVIDER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BULLA_BUDGET_START 10 /* additional requests before any ordinary one */
#define BULLA_BUDGET_MAX 100  /* that are saved up at most */

typedef struct bulla_budget {
    int64_t hundredths; /* of a request */
    int64_t percent;
} bulla_budget;

void bulla_budget_init(bulla_budget *budget, uint32_t percent);

/* For each ordinary request. */
void bulla_budget_earn(bulla_budget *budget);

/* For each additional one: false when there must be none. */
bool bulla_budget_spend(bulla_budget *budget);

#endif
