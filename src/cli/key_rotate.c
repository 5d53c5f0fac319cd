/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key rotate, key rewrap */
#include "cli/key.h"

static bulla_status rotate_due(struct cli *cli, bulla *house)
{
    uint32_t num = 0;
    CLI_TRY(bulla_key_rotate_due(house, &cli->call, &num));
    if (cli->json) return cli_json(cli, json_pack("{s:i}", "rotated", (int)num));
    (void)printf("%u %s rotated\n", num, num == 1 ? "key" : "keys");
    return BULLA_OK;
}

static bulla_status rotate_run(struct cli *cli, int argc, char **argv)
{
    bulla *house = NULL;
    if ((argc == 1) == cli_flag(cli, "due")) return cli_usage(cli, "say either NAME or --due");
    CLI_TRY(cli_house_open(cli, &house));
    if (argc == 0) return rotate_due(cli, house);
    CLI_TRY(bulla_key_rotate(house, &cli->call, argv[0], NULL));
    return cli_key_print(cli, house, argv[0]);
}

static void on_progress(void *arg, bulla_call *call, uint64_t done, uint64_t total)
{
    (void)call;
    cli_progress_set(arg, done, total);
}

static bulla_status rewrap_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    bulla_key_info info;
    struct cli_progress progress;
    CLI_TRY(cli_house_open(cli, &house));
    cli_progress_begin(cli, &progress, "rewrapping", 0, false);
    bulla_status status = bulla_key_rewrap(house, &cli->call, argv[0], on_progress, &progress);
    cli_progress_end(&progress);
    CLI_TRY(status);
    CLI_TRY(bulla_key_info_get(house, &cli->call, argv[0], &info));
    if (cli->json) return cli_json(cli, cli_key_json(&info));
    (void)printf("%s: %llu of %llu data keys under version %u\n", info.name, (unsigned long long)info.num_rewrapped,
                 (unsigned long long)info.num_deks, info.primary_version);
    return BULLA_OK;
}

static const struct cli_option rotate_options[] = {
    {0, "due", NULL, "every key whose rotation period has passed", false},
    {0},
};

const struct cli_verb cli_verb_key_rotate = {
    .name = "rotate",
    .summary = "Give a key a new version",
    .operands = "[NAME]",
    .max_operands = 1,
    .details = "The new version wraps from now on; older ones go on to unwrap. No data is touched.\n",
    .examples = "  bulla key rotate orders\n"
                "  bulla key rotate --due\n",
    .options = rotate_options,
    .run = rotate_run,
};

const struct cli_verb cli_verb_key_rewrap = {
    .name = "rewrap",
    .summary = "Wrap the kept data keys of a key under its current version",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .details =
        "Interrupted anywhere, it goes on from there the next time. For messages in files see \"bulla rewrap\".\n",
    .examples = "  bulla key rewrap orders\n",
    .run = rewrap_run,
};
