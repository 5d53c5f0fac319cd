/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that appears whole or not at all. It is written without a name (O_TMPFILE) or, where the file system has no
 * such files, under a hidden one of its own with mode 0600; cli_outfile_commit gives it its mode, times and name in one
 * step, after its content is on the disk. Whatever is not committed is gone with cli_outfile_done.
 */
#ifndef BULLA_CLI_OUTFILE_H
#define BULLA_CLI_OUTFILE_H

#include "bulla/call.h"

#include <limits.h>
#include <sys/stat.h>

struct cli_outfile {
    int fd;
    int dir_fd;              /* borrowed */
    char name[NAME_MAX + 1]; /* the one to come */
    char temp[NAME_MAX + 1]; /* the one it has now; empty: none */
    bool replace;
};

/* Starts the file `name` in `dir_fd`. EEXISTS when there is one, unless `replace`, which takes the place of a regular
 * file or a symbolic link and of nothing else. */
bulla_status cli_outfile_open(bulla_call *call, int dir_fd, const char *name, bool replace,
                              struct cli_outfile *out_file);

/* What the file is to look like: permission bits, and the rest unless `times` is false. */
struct cli_outfile_look {
    mode_t mode;
    bool times;
    gid_t group; /* whom the mode's bits for the group are meant for */
    struct timespec accessed, modified;
};

/* Gives what is open the group, and returns the mode that it may have then: all of `mode`, or, when it cannot have the
 * group, no more for the one it has than for everybody. */
mode_t cli_group_give(int fd, gid_t group, mode_t mode);

/* The look of a file made from the one that `st` describes, without set-user-ID and the like; that of a new file, by
 * the umask, when `st` is NULL. */
struct cli_outfile_look cli_outfile_look_of(const struct stat *st);

/* Makes the file durable and gives it its name; `sync_folder` makes that durable too. EEXISTS when somebody else took
 * the name meanwhile; EUNKNOWN when the file is there but its folder could not be synchronised. */
bulla_status cli_outfile_commit(struct cli_outfile *file, bulla_call *call, const struct cli_outfile_look *look,
                                bool sync_folder);

/* Closes, and removes what was not committed. */
void cli_outfile_done(struct cli_outfile *file);

/* EIO and the like when what happened in the folder may not survive a power cut. */
bulla_status cli_folder_sync(bulla_call *call, int dir_fd);

#endif
