/* SPDX-License-Identifier: Apache-2.0 */
/* Every verb of the first level. */
#ifndef BULLA_CLI_VERBS_H
#define BULLA_CLI_VERBS_H

#include "cli/cli.h"

extern const struct cli_verb cli_verb_encrypt, cli_verb_decrypt, cli_verb_inspect, cli_verb_rewrap, cli_verb_repair;
extern const struct cli_verb cli_verb_init, cli_verb_root, cli_verb_key, cli_verb_datakey, cli_verb_random,
    cli_verb_backup, cli_verb_restore, cli_verb_verify, cli_verb_kms, cli_verb_profile, cli_verb_stats, cli_verb_config,
    cli_verb_version;

#endif
