/* SPDX-License-Identifier: Apache-2.0 */
/* A file without a name for what is to be read again: nobody else can change it, and it is gone when it is closed. */
#ifndef BULLA_CLI_SPOOL_H
#define BULLA_CLI_SPOOL_H

#include "cli/cli.h"

/* The folder for such files: $TMPDIR, or /var/tmp, which as a rule is on a disk. */
const char *cli_spool_folder(const struct cli *cli);

/* Opens an empty one there to write and read. The error says what else can be done. */
bulla_status cli_spool_open(struct cli *cli, int *out_fd);

#endif
