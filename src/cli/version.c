/* SPDX-License-Identifier: Apache-2.0 */
/* bulla version */
#include "cli/cli.h"
#include "cli/verbs.h"

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    if (cli->json) CLI_TRY(cli_house_open(cli, &house)); /* it chooses the engine, as the configuration has it */
    if (cli->json) return cli_json(cli, json_pack("{s:s, s:s}", "version", bulla_version(), "aead", bulla_aead_name()));
    (void)printf("bulla %s\n", bulla_version());
    return BULLA_OK;
}

const struct cli_verb cli_verb_version = {
    .name = "version",
    .summary = "Print the version",
    .leaves_no_history = true,
    .details = "With --json also the AEAD engine in use, which the configuration can choose.\n",
    .examples = "  bulla version --json\n",
    .run = run,
};
