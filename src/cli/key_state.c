/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key enable, disable, schedule-deletion, cancel-deletion */
#include "cli/key.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bulla_status enable_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_enable(house, &cli->call, argv[0]));
    return cli_key_print(cli, house, argv[0]);
}

static bulla_status disable_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_disable(house, &cli->call, argv[0]));
    return cli_key_print(cli, house, argv[0]);
}

static bulla_status cancel_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_deletion_cancel(house, &cli->call, argv[0]));
    return cli_key_print(cli, house, argv[0]);
}

/* What is typed must be the name: a "y" is typed too easily. */
static bulla_status confirm(struct cli *cli, const char *name)
{
    char line[BULLA_MAX_NAME + 2] = "";
    if (cli_flag(cli, "yes")) return BULLA_OK;
    if (!cli->tty_in || !cli->tty_err) return cli_usage(cli, "nobody is there to confirm on a terminal: say --yes");
    (void)fprintf(stderr, "Every message under \"%s\" will be lost. Type its name to confirm: ", name);
    ssize_t len = read(STDIN_FILENO, line, sizeof line - 1);
    if (len < 0) return cli_errno(cli, "standard input");
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, name) == 0) return BULLA_OK;
    return bulla_fail(&cli->call, BULLA_EINVAL, "that is not the name; nothing was changed");
}

static bulla_status schedule_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    uint64_t days = 0;
    int64_t deletion = 0;
    CLI_TRY(cli_number(cli, "days", 7, 30, 30, &days));
    CLI_TRY(confirm(cli, argv[0]));
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_deletion_schedule(house, &cli->call, argv[0], (unsigned)days, &deletion));
    if (cli->json) return cli_key_print(cli, house, argv[0]);
    (void)printf("%s: no longer usable, destroyed %s\n", argv[0], cli_when(cli, deletion).text);
    cli_note(cli, "\"bulla key cancel-deletion %s\" takes it back until then.", argv[0]);
    return BULLA_OK;
}

const struct cli_verb cli_verb_key_enable = {
    .name = "enable",
    .summary = "Let a disabled key be used again",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .examples = "  bulla key enable orders\n",
    .run = enable_run,
};

const struct cli_verb cli_verb_key_disable = {
    .name = "disable",
    .summary = "Stop a key: it neither wraps nor unwraps",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .examples = "  bulla key disable orders\n",
    .run = disable_run,
};

static const struct cli_option schedule_options[] = {
    {0, "days", "N", "how long it can be taken back: 7 to 30, 30 when not given", false},
    {'y', "yes", NULL, "do not ask for the name", false},
    {0},
};

const struct cli_verb cli_verb_key_schedule_deletion = {
    .name = "schedule-deletion",
    .summary = "Stop a key now and destroy it later",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .details =
        "On a terminal the name is to be typed again. After the date, once the keystore has seen it passed at two\n"
        "uses an hour or more apart, the key is destroyed; messages under it can never be opened again.\n",
    .examples = "  bulla key schedule-deletion orders --days 7\n",
    .options = schedule_options,
    .run = schedule_run,
};

const struct cli_verb cli_verb_key_cancel_deletion = {
    .name = "cancel-deletion",
    .summary = "Take a scheduled deletion back",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .details = "The key is disabled afterwards; \"bulla key enable\" lets it be used.\n",
    .examples = "  bulla key cancel-deletion orders\n",
    .run = cancel_run,
};
