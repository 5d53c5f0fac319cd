/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"

const struct cli_verb *const cli_verbs[] = {
    &cli_verb_version,
    NULL,
};
