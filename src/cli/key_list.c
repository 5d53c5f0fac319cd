/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key list, key history */
#include "cli/key.h"
#include "cli/shown.h"

#include <string.h>

struct listing {
    const struct cli *cli;
    json_t *list;
    unsigned long num;
};

static bulla_status append(bulla_call *call, json_t *list, json_t *take_item)
{
    if (json_array_append_new(list, take_item) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_ENOMEM, "not enough memory for the result");
}

static bulla_status list_key(void *arg, bulla_call *call, const bulla_key_info *info)
{
    struct listing *listing = arg;
    if (listing->cli->json) return append(call, listing->list, cli_key_json(info));
    if (listing->num++ == 0)
        (void)printf("%s%-24s %-16s %7s  %-20s  %s%s\n", cli_paint(listing->cli, CLI_BOLD), "NAME", "STATE", "VERSION",
                     "ROTATED", "NEXT ROTATION", cli_paint(listing->cli, CLI_PLAIN));
    (void)printf("%-24s ", info->name);
    cli_key_state_print(listing->cli, info->state, 16);
    (void)printf(" %7u  %-20s  %s\n", info->primary_version, cli_date(info->rotated_s).text,
                 cli_date(info->next_rotation_s).text);
    return BULLA_OK;
}

static bulla_status list_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    struct listing listing = {cli, list, 0};
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_list(house, &cli->call, cli_flag(cli, "all"), list_key, &listing));
    if (cli->json) return cli_json(cli, json_incref(list));
    if (listing.num == 0) cli_note(cli, "There are no keys; \"bulla key create NAME\" makes one.");
    return BULLA_OK;
}

static bulla_status list_event(void *arg, bulla_call *call, const bulla_event *event)
{
    struct listing *listing = arg;
    if (listing->cli->json)
        return append(call, listing->list,
                      json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:s}", "number", (json_int_t)event->number, "time",
                                cli_json_date(event->time_s), "action", event->action, "key_id", event->key_id,
                                "key_name", event->key_name, "principal", event->principal, "detail", event->detail));
    char shown[CLI_SHOWN];
    cli_shown((bulla_view){(const uint8_t *)event->detail, strlen(event->detail)}, shown, sizeof shown);
    (void)printf("%6llu  %s  %-20s %-16s %s%s%s\n", (unsigned long long)event->number, cli_date(event->time_s).text,
                 event->action, event->key_name[0] == '\0' ? "-" : event->key_name,
                 event->principal[0] == '\0' ? "-" : event->principal, shown[0] == '\0' ? "" : "  ", shown);
    return BULLA_OK;
}

static bulla_status history_run(struct cli *cli, int argc, char **argv)
{
    bulla *house = NULL;
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    struct listing listing = {cli, list, 0};
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_history(house, &cli->call, argc == 0 ? NULL : argv[0], list_event, &listing));
    return cli->json ? cli_json(cli, json_incref(list)) : BULLA_OK;
}

static const struct cli_option list_options[] = {
    {'a', "all", NULL, "destroyed keys too", false},
    {0},
};

const struct cli_verb cli_verb_key_list = {
    .name = "list",
    .summary = "List the keys",
    .examples = "  bulla key list\n"
                "  bulla key list --json | jq -r '.[] | select(.state == \"disabled\").name'\n",
    .options = list_options,
    .run = list_run,
};

const struct cli_verb cli_verb_key_history = {
    .name = "history",
    .summary = "What was done to a key, and by whom",
    .operands = "[NAME]",
    .max_operands = 1,
    .details = "Without NAME: to the whole keystore. Oldest first. For a destroyed key give its id.\n",
    .examples = "  bulla key history orders\n",
    .run = history_run,
};
