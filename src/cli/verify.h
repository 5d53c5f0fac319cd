/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs below `bulla verify`. */
#ifndef BULLA_CLI_VERIFY_H
#define BULLA_CLI_VERIFY_H

#include "cli/cli.h"

extern const struct cli_verb cli_verb_verify_kms;

#endif
