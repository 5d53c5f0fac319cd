/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key create, key schedule-rotation */
#include "cli/key.h"

#include <string.h>

#define MIN_PERIOD 3600u

static bulla_status type_of(struct cli *cli, bulla_key_type *out_type)
{
    const char *text = cli_value(cli, "type");
    const char *known[] = {bulla_key_type_name(BULLA_KEY_AES256_GCM), NULL};
    *out_type = BULLA_KEY_AES256_GCM;
    if (text == NULL || strcmp(text, known[0]) == 0) return BULLA_OK;
    const char *nearest = cli_nearest(text, known);
    if (nearest != NULL) return cli_usage(cli, "--type: there are no \"%.40s\" keys; did you mean %s?", text, nearest);
    return cli_usage(cli, "--type: there are no \"%.40s\" keys; there is %s", text, known[0]);
}

static bulla_status create_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    bulla_key_options options = {.size = sizeof options, .usage = BULLA_USAGE_WRAP};
    uint64_t period = 0;
    CLI_TRY(type_of(cli, &options.type));
    CLI_TRY(cli_duration(cli, "rotate-every", MIN_PERIOD, UINT32_MAX, 0, &period));
    options.rotation_period_s = (uint32_t)period;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_create(house, &cli->call, argv[0], &options, NULL));
    return cli_key_print(cli, house, argv[0]);
}

static bulla_status schedule_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    uint64_t period = 0;
    bool never = cli_flag(cli, "never");
    if (never == cli_flag(cli, "every")) return cli_usage(cli, "say either --every DURATION or --never");
    CLI_TRY(cli_duration(cli, "every", MIN_PERIOD, UINT32_MAX, 0, &period));
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_rotation_set(house, &cli->call, argv[0], (uint32_t)period));
    return cli_key_print(cli, house, argv[0]);
}

static const struct cli_option create_options[] = {
    {0, "type", "TYPE", "aes-256-gcm, which is also the default", false},
    {0, "rotate-every", "DURATION", "have \"key rotate --due\" rotate it when this has passed", false},
    {0},
};

const struct cli_verb cli_verb_key_create = {
    .name = "create",
    .summary = "Make a key",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .details = "Names are 1 to 128 of A-Z a-z 0-9 . _ / - and do not start with - or /.\n",
    .examples = "  bulla key create orders --rotate-every 90d\n",
    .options = create_options,
    .run = create_run,
};

static const struct cli_option schedule_options[] = {
    {0, "every", "DURATION", "the time between two rotations, at least 1h", false},
    {0, "never", NULL, "rotate it only by hand", false},
    {0},
};

const struct cli_verb cli_verb_key_schedule_rotation = {
    .name = "schedule-rotation",
    .summary = "Set how often a key is to be rotated",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .details = "\"bulla key rotate --due\", run regularly, does it.\n",
    .examples = "  bulla key schedule-rotation orders --every 90d\n",
    .options = schedule_options,
    .run = schedule_run,
};
