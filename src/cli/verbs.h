/* SPDX-License-Identifier: Apache-2.0 */
/* Every verb of the first level. */
#ifndef BULLA_CLI_VERBS_H
#define BULLA_CLI_VERBS_H

#include "cli/cli.h"

extern const struct cli_verb cli_verb_version;

#endif
