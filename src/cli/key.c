/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key: its verbs, and what they share. */
#include "cli/key.h"

#include "cli/verbs.h"

static double percent(const bulla_key_info *info)
{
    return info->num_deks == 0 ? 100.0 : 100.0 * (double)info->num_rewrapped / (double)info->num_deks;
}

json_t *cli_key_json(const bulla_key_info *info)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:I, s:o, s:b, s:I, s:{s:I, s:I, s:f, s:o}}",
                     "name", info->name, "id", info->id, "type", bulla_key_type_name(info->type), "usage",
                     bulla_key_usage_name(info->usage), "state", bulla_key_state_name(info->state), "current_version",
                     (int)info->primary_version, "versions", (int)info->num_versions, "created",
                     cli_json_date(info->created_s), "rotated", cli_json_date(info->rotated_s), "next_rotation",
                     cli_json_date(info->next_rotation_s), "rotation_period_seconds",
                     (json_int_t)info->rotation_period_s, "deletion", cli_json_date(info->deletion_s), "imported",
                     (int)info->imported, "active_deks", (json_int_t)info->num_deks, "rewrap", "done",
                     (json_int_t)info->num_rewrapped, "total", (json_int_t)info->num_deks, "percent", percent(info),
                     "last", cli_json_date(info->rewrapped_s));
}

static enum cli_paint paint_of(bulla_key_state state)
{
    switch (state) {
    case BULLA_KEY_ENABLED: return CLI_GREEN;
    case BULLA_KEY_DISABLED:
    case BULLA_KEY_PENDING_IMPORT: return CLI_YELLOW;
    case BULLA_KEY_STATE_UNKNOWN:
    case BULLA_KEY_PENDING_DELETION:
    case BULLA_KEY_DESTROYED: return CLI_RED;
    }
    return CLI_PLAIN;
}

void cli_key_state_print(const struct cli *cli, bulla_key_state state, int width)
{
    (void)printf("%s%-*s%s", cli_paint(cli, paint_of(state)), width, bulla_key_state_name(state),
                 cli_paint(cli, CLI_PLAIN));
}

bulla_status cli_key_print(struct cli *cli, bulla *house, const char *key)
{
    bulla_key_info info;
    CLI_TRY(bulla_key_info_get(house, &cli->call, key, &info));
    if (cli->json) return cli_json(cli, cli_key_json(&info));
    (void)printf("%s: ", info.name);
    cli_key_state_print(cli, info.state, 0);
    (void)printf(", version %u\n", info.primary_version);
    return BULLA_OK;
}

const struct cli_verb cli_verb_key = {
    .name = "key",
    .summary = "The keys of the keystore",
    .details = "NAME is a key's name, its alias or its id.\n",
    .subs = (const struct cli_verb *const[]){&cli_verb_key_create, &cli_verb_key_list, &cli_verb_key_show,
                                             &cli_verb_key_status, &cli_verb_key_history, &cli_verb_key_rotate,
                                             &cli_verb_key_rewrap, &cli_verb_key_enable, &cli_verb_key_disable,
                                             &cli_verb_key_alias, &cli_verb_key_tag, &cli_verb_key_schedule_rotation,
                                             &cli_verb_key_schedule_deletion, &cli_verb_key_cancel_deletion,
                                             &cli_verb_key_import, &cli_verb_key_export_public, NULL},
};
