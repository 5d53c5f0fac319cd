/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as people give them, taken apart into an open folder and a name in it. */
#ifndef BULLA_CLI_PLACE_H
#define BULLA_CLI_PLACE_H

#include "cli/cli.h"

#include <limits.h>

struct cli_place {
    int fd;     /* of something to write on, such as standard output, a device or a pipe; -1: a file to be */
    int dir_fd; /* the folder */
    char name[NAME_MAX + 1];
    char path[PATH_MAX]; /* for people */
};

#define CLI_NO_PLACE                                                                                                   \
    {                                                                                                                  \
        .fd = -1, .dir_fd = -1                                                                                         \
    }

/* Opens the folder of `path`. EINVAL when its last part names no file: ".", "..", "/". */
bulla_status cli_place_open(bulla_call *call, const char *path, struct cli_place *out_place);

/* The same for a result at `path`: "-" is standard output; a device or a pipe is opened to be written on. */
bulla_status cli_place_open_output(bulla_call *call, const char *path, struct cli_place *out_place);

/* `name` in the folder of `path`, or in the folder `folder` when that is not NULL. */
bulla_status cli_place_open_beside(bulla_call *call, const char *path, const char *folder, const char *name,
                                   struct cli_place *out_place);

void cli_place_done(struct cli_place *place);

/* Where the last part of a path begins, and where it ends without the slashes that may follow. */
void cli_last_part(const char *path, size_t *out_begin, size_t *out_end);

/* The last part of a path, without slashes at its end, into NAME_MAX + 1 places. */
bulla_status cli_base_name(bulla_call *call, const char *path, char *out_name);

#endif
