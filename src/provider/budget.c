/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/budget.h"

void bulla_budget_init(bulla_budget *budget, uint32_t percent)
{
    budget->hundredths = BULLA_BUDGET_START * 100;
    budget->percent = (int64_t)percent;
}

void bulla_budget_earn(bulla_budget *budget)
{
    int64_t have = __atomic_load_n(&budget->hundredths, __ATOMIC_RELAXED), next;
    do {
        next = have + budget->percent > BULLA_BUDGET_MAX * 100 ? BULLA_BUDGET_MAX * 100 : have + budget->percent;
    } while (have < next &&
             !__atomic_compare_exchange_n(&budget->hundredths, &have, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

bool bulla_budget_spend(bulla_budget *budget)
{
    int64_t have = __atomic_load_n(&budget->hundredths, __ATOMIC_RELAXED);
    while (have >= 100)
        if (__atomic_compare_exchange_n(&budget->hundredths, &have, have - 100, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}
