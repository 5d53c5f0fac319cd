/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over a folder tree that cannot be led out of it: every step opens one name in a folder that is already open
 * and never through a symbolic link, so that nobody who swaps a folder for a link while it is walked sends it anywhere
 * else. Depth and path length are bounded.
 */
#ifndef BULLA_CLI_WALK_H
#define BULLA_CLI_WALK_H

#include "bulla/call.h"

#include <sys/stat.h>

#define CLI_WALK_DEPTH 128u  /* folders inside one another: one descriptor each, or two when a tree is mirrored */
#define CLI_WALK_PATH 32768u /* bytes of a path from the root of the walk */

typedef enum cli_walk_event {
    CLI_WALK_FILE,  /* a regular file */
    CLI_WALK_ENTER, /* a folder, before what it holds */
    CLI_WALK_LEAVE, /* the same, after it; only when CLI_WALK_ENTER succeeded */
    CLI_WALK_SKIP,  /* neither a regular file nor a folder: a symbolic link, a socket, a device */
    CLI_WALK_FAIL   /* this entry's visit failed, or it could not be read; the call says why */
} cli_walk_event;

typedef struct cli_walk_entry {
    const char *path; /* for people: the root's path and the way down */
    const char *name; /* in dir_fd */
    int dir_fd;       /* borrowed */
    int fd;           /* of the folder itself, for CLI_WALK_ENTER and CLI_WALK_LEAVE; else -1 */
    unsigned depth;   /* 0: the root */
    struct stat st;
} cli_walk_entry;

/* A visit that fails leaves out that entry (and what is below it) and is followed by CLI_WALK_FAIL; when that visit
 * fails too, or the failure is of class STOP, the walk ends with its status. */
typedef bulla_status (*cli_walk_visit)(void *arg, bulla_call *call, cli_walk_event event, const cli_walk_entry *entry);

/* cli_walk visits the folder `name` in `dir_fd` and everything in it; `path` is its name for people. */
BULLA_MUST_USE bulla_status cli_walk(bulla_call *call, int dir_fd, const char *name, const char *path,
                                     cli_walk_visit visit, void *arg);

#endif
