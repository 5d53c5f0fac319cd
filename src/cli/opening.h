/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that open messages. */
#ifndef BULLA_CLI_OPENING_H
#define BULLA_CLI_OPENING_H

#include "cli/cli.h"

/* The keys of the repeated option `name`; without it those of the option `also` (NULL: none), the whole keystore, where
 * there is one, and the configured recipients. EINVAL when that is nobody. */
bulla_status cli_opening_open(struct cli *cli, const char *name, const char *also, struct cli_providers *out_providers);

#endif
