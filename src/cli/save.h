/* SPDX-License-Identifier: Apache-2.0 */
/* A result at a path that somebody gave: standard output, a device, or a file that appears whole or not at all. */
#ifndef BULLA_CLI_SAVE_H
#define BULLA_CLI_SAVE_H

#include "cli/outfile.h"
#include "cli/place.h"

struct cli_save {
    struct cli_place place;
    struct cli_outfile file;
    int fd; /* write here */
};

#define CLI_NO_SAVE                                                                                                    \
    {                                                                                                                  \
        .place = CLI_NO_PLACE, .file = {.fd = -1}, .fd = -1                                                            \
    }

/* Begins a result at `path`; an existing file is replaced only when `force`. */
bulla_status cli_save_open(struct cli *cli, const char *path, bool force, struct cli_save *save);

/* Gives the file its name, durably, with `mode`. */
bulla_status cli_save_commit(struct cli *cli, struct cli_save *save, mode_t mode);

/* Removes what was not committed. */
void cli_save_done(struct cli_save *save);

/* All of it at once. */
bulla_status cli_save_bytes(struct cli *cli, const char *path, bool force, mode_t mode, bulla_view bytes);

#endif
