/* SPDX-License-Identifier: Apache-2.0 */
#include "bulla/metrics.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "engine/house.h"

bulla_status bulla_metrics_visit(bulla *house, bulla_call *call, bulla_metric_visit visit, void *arg)
{
    if (house == NULL || visit == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no visitor is given");
    BULLA_TRY(bulla_house_admit(call));
    return bulla_metrics_each(house->metrics, call, visit, arg);
}

bulla_status bulla_metrics_text(bulla *house, bulla_call *call, char **out_text)
{
    if (house == NULL || out_text == NULL) return bulla_fail(call, BULLA_EINVAL, "no house or no output is given");
    BULLA_TRY(bulla_house_admit(call));
    return bulla_metrics_format(house->metrics, call, out_text);
}

void bulla_text_free(bulla_call *call, char *text)
{
    bulla_free(bulla_env_of(call), text);
}
