/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What encrypt, decrypt and rewrap have in common: operands become tasks, one for each file, with the place of its
 * result; a task that fails is reported and the others go on.
 */
#ifndef BULLA_CLI_FILES_H
#define BULLA_CLI_FILES_H

#include "cli/cli.h"

#define CLI_SUFFIX ".bulla"

/* One file to do. Paths are for people, names for the system; everything is borrowed. */
struct cli_task {
    int in_fd;  /* of a stream that is open already; -1: in_name in in_dir */
    int in_dir; /* may be AT_FDCWD */
    const char *in_name, *in_path;
    bool in_tree; /* met on a walk: links are not followed */

    int out_fd;  /* of a stream to write to; -1: out_name in out_dir */
    int out_dir; /* -1 when the work is done in place */
    const char *out_name, *out_path;
    bool any_input; /* pipes and devices may be read: the place of the result was given */
};

enum cli_naming {
    CLI_NAME_KEEP, /* work in place; in trees, on files that have the suffix */
    CLI_NAME_ADD,  /* FILE to FILE.bulla */
    CLI_NAME_STRIP /* FILE.bulla to FILE */
};

struct cli_files {
    struct cli *cli;
    enum cli_naming naming;
    const char *done_word; /* "encrypted", for the summary */
    bulla_status (*job)(void *arg, struct cli *cli, const struct cli_task *task);
    void *arg;
    struct cli_progress progress; /* over all files, in bytes read */

    const char *output; /* -o or NULL */
    bool recursive;
    uint64_t num_done, num_unchanged, num_failed, num_skipped;
    bulla_status worst;
};

/* Runs the job for every operand, and for every file of folders when `recursive`. No operand, or "-" alone, is standard
 * input to standard output, unless the work is done in place. Failures are reported here; the status is that of the
 * gravest. */
bulla_status cli_files_run(struct cli_files *files, int argc, char **argv);

/* The graver of two statuses, for whoever goes on after failures: what only has to be tried again is the least. */
bulla_status cli_graver(bulla_status a, bulla_status b);

/* --- between files.c and tree.c --- */

/* Runs one task and counts it. Only what must end everything (cancellation, deadline) is returned. */
bulla_status cli_files_do(struct cli_files *files, const struct cli_task *task);

/* Reports the failure in the call as that of `path` and counts it. */
void cli_files_failed(struct cli_files *files, bulla_status status, const char *path);

/* The result's name for the input `name`; EINVAL when it has none. */
bulla_status cli_files_name(struct cli_files *files, const char *name, char *out, size_t cap);

/* Does everything below the folder `path`. The results go to a folder `out_name` in `out_dir`, made when it is not
 * there; `out_path` is its name for people. */
struct cli_tree_place {
    int out_dir; /* -1: in place */
    const char *out_name, *out_path;
};
bulla_status cli_files_tree(struct cli_files *files, const char *path, const struct cli_tree_place *place);

#endif
