/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opening.h"

static bulla_status keystore_add(struct cli *cli, struct cli_providers *providers)
{
    bulla *house = NULL;
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    CLI_TRY(cli_house_open(cli, &house));
    if (settings->options.store == NULL || providers->num == BULLA_MAX_RECIPIENTS) return BULLA_OK;
    bulla_status status = bulla_provider_open(house, &cli->call, "local:", &providers->list[providers->num]);
    /* Nobody has made a keystore; unless one was named. */
    if (status == BULLA_ENOFILE && !cli_flag(cli, "store")) return BULLA_OK;
    if (status == BULLA_OK) providers->num++;
    return status;
}

/* As many of the option's keys as there is room for. */
static bulla_status others_add(struct cli *cli, const char *name, struct cli_providers *providers)
{
    CLI_AUTO(cli_providers_done) struct cli_providers others = {.num = 0};
    CLI_TRY(cli_providers_open(cli, name, false, &others));
    while (others.num > 0 && providers->num < BULLA_MAX_RECIPIENTS)
        providers->list[providers->num++] = others.list[--others.num];
    return BULLA_OK;
}

bulla_status cli_opening_open(struct cli *cli, const char *name, const char *also, struct cli_providers *out_providers)
{
    CLI_AUTO(cli_providers_done) struct cli_providers providers = {.num = 0};
    CLI_TRY(cli_providers_open(cli, name, true, &providers));
    if (!cli_flag(cli, name)) CLI_TRY(keystore_add(cli, &providers));
    if (!cli_flag(cli, name) && also != NULL) CLI_TRY(others_add(cli, also, &providers));
    if (providers.num == 0)
        return cli_usage(cli, "no key to open with: say --%s ADDRESS, or make a keystore (bulla init)", name);
    *out_providers = providers;
    providers.num = 0;
    return BULLA_OK;
}
