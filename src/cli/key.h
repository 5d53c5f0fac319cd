/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs below "bulla key", and how they show a key. */
#ifndef BULLA_CLI_KEY_H
#define BULLA_CLI_KEY_H

#include "cli/cli.h"

extern const struct cli_verb cli_verb_key_create, cli_verb_key_list, cli_verb_key_show, cli_verb_key_status,
    cli_verb_key_history, cli_verb_key_rotate, cli_verb_key_rewrap, cli_verb_key_enable, cli_verb_key_disable,
    cli_verb_key_alias, cli_verb_key_tag, cli_verb_key_schedule_rotation, cli_verb_key_schedule_deletion,
    cli_verb_key_cancel_deletion, cli_verb_key_import, cli_verb_key_export_public;

/* Everything that is known of a key, as a JSON object; NULL when out of memory. */
json_t *cli_key_json(const bulla_key_info *info);

/* The key as it is now: an object with --json, else one line, "NAME: state, version N". */
bulla_status cli_key_print(struct cli *cli, bulla *house, const char *key);

/* The state, coloured, padded to `width`. */
void cli_key_state_print(const struct cli *cli, bulla_key_state state, int width);

#endif
