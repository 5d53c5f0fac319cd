/* SPDX-License-Identifier: Apache-2.0 */
/* bulla version */
#include "cli/cli.h"
#include "cli/verbs.h"

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    if (cli->json) {
        /* The house chooses the engine, as the configuration has it. Who has a broken one wants the version all the
         * same. */
        const char *aead = cli_house_open(cli, &house) == BULLA_OK ? bulla_aead_name() : NULL;
        return cli_json(cli, json_pack("{s:s, s:s?}", "version", bulla_version(), "aead", aead));
    }
    (void)printf("bulla %s\n", bulla_version());
    return BULLA_OK;
}

const struct cli_verb cli_verb_version = {
    .name = "version",
    .summary = "Print the version",
    .leaves_no_history = true,
    .details = "With --json also the AEAD engine in use, which the configuration can choose;\n"
               "null when the configuration is not usable.\n",
    .examples = "  bulla version --json\n",
    .run = run,
};
