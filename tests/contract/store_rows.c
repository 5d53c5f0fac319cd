/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same contract on keys of a store that is reached over a network, which tests/servers/contract.py has started. It
 * says which by variables: BULLA_CONTRACT_CONFIG is the path of a bulla.yaml, BULLA_CONTRACT_KEY_0 and _1 are
 * addresses. Once with nothing around the back end but the guard, once under the full stack.
 */
#include "bulla/config.h"
#include "contract/provider_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        (void)fprintf(stderr, "%s is not set: run this through tests/servers/contract.py\n", name);
        exit(77);
    }
    return value;
}

/* The house goes with the provider, which holds it. */
static bulla_status open_in_house(bulla_call *call, const bulla_options *options, unsigned which,
                                  bulla_provider **out_provider)
{
    bulla *house = NULL;
    BULLA_TRY(bulla_open(call, options, &house));
    bulla_status status = bulla_provider_open(
        house, call, variable(which == 0 ? "BULLA_CONTRACT_KEY_0" : "BULLA_CONTRACT_KEY_1"), out_provider);
    bulla_close(house);
    return status;
}

/* Logins carry dates, and the server has the real one. */
static void wall_clock_set(bulla_call *call)
{
    fake_env *fake = call->env->arg;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    fake->wall_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static bulla_status open_configured(bulla_call *call, bool is_bare, unsigned which, bulla_provider **out_provider)
{
    static const bulla_cache_options cache = {.size = sizeof cache,
                                              .ttl_ms = 60000,
                                              .max_entries = 100,
                                              .refresh_ahead_ms = 59000,
                                              .offline_window_ms = 60000,
                                              .negative_ttl_ms = 10000};
    bulla_config *config = NULL;
    bulla_kms_config stores[4];
    wall_clock_set(call);
    BULLA_TRY(bulla_config_open(call, variable("BULLA_CONTRACT_CONFIG"), &config));
    bulla_options options = bulla_config_settings(config)->options;
    if (options.num_kms > BULLA_LEN(stores)) abort();
    for (size_t i = 0; i < options.num_kms; i++) {
        stores[i] = options.kms[i];
        stores[i].retry.disabled = is_bare;
        stores[i].breaker.disabled = is_bare;
        stores[i].cache = NULL;
    }
    options.kms = stores;
    options.cache = is_bare ? NULL : &cache;
    bulla_status status = open_in_house(call, &options, which, out_provider);
    bulla_config_free(config);
    return status;
}

static bulla_status make_bare(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    (void)row;
    return open_configured(call, true, which, out_provider);
}

static bulla_status make_stacked(const contract_row *row, bulla_call *call, unsigned which,
                                 bulla_provider **out_provider)
{
    (void)row;
    return open_configured(call, false, which, out_provider);
}

const contract_row contract_rows[] = {
    {.name = "bare", .make = make_bare},
    {.name = "under the full stack", .make = make_stacked},
};
const size_t num_contract_rows = BULLA_LEN(contract_rows);

void contract_rows_prepare(const char *dir)
{
    (void)dir;
}
