/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors as the library's sources and sinks, counted by a progress bar. */
#ifndef BULLA_CLI_FDIO_H
#define BULLA_CLI_FDIO_H

#include "cli/cli.h"

#include <sys/stat.h>

/* What a failed system call means: the status for `code` (an errno), and "DOING: its text" in the call. */
bulla_status cli_errno_fail(bulla_call *call, int code, const char *doing);

/* Waits until `fd` can be read or written (POLLIN, POLLOUT) without waiting, in steps: a deadline does not end a read
 * that waits in the kernel, and a signal only when it reaches the thread that waits. */
bulla_status cli_ready_wait(bulla_call *call, int fd, short events);

/* A descriptor of our own for the pipe that is open as `fd`, which does not wait when the pipe is full, and of which
 * whoever shares `fd` sees nothing. -1 when `fd` is no pipe or that cannot be had. */
int cli_pipe_reopen(int fd);

/* All of a descriptor from its present position on. */
struct cli_input {
    int fd;
    struct stat st;
    uint8_t first[4]; /* what it begins with, as far as cli_input_peek has read it */
    size_t num_first;
    size_t num_peeked;             /* of these are still to be given to the reader */
    uint64_t start;                /* its position when it was opened */
    uint64_t len;                  /* bytes read since */
    struct cli_progress *progress; /* counts them; may be NULL */
    struct cli_output *copy;       /* takes them too; may be NULL */
};

/* Opens `name` in `dir_fd` to read. `flags` O_NOFOLLOW for names met on a walk, O_RDWR for files changed in place. Only
 * a regular file, unless `any`. The descriptor is input->fd, closed with cli_input_done; nothing else is to be undone.
 */
bulla_status cli_input_open(bulla_call *call, int dir_fd, const char *name, int flags, bool any,
                            struct cli_input *out_input);
/* Takes over a descriptor that is open, such as standard input. */
bulla_status cli_input_take(bulla_call *call, int fd, struct cli_input *out_input);
void cli_input_done(struct cli_input *input);

bool cli_input_is_regular(const struct cli_input *input);

/* EBUSY when a regular file has another size or time than when it was opened: what was read is not what it held at any
 * one moment. */
bulla_status cli_input_check_same(bulla_call *call, const struct cli_input *input);

/* Reads ahead what it begins with; the reader gets that all the same. Only before anything else was read. */
bulla_status cli_input_peek(bulla_call *call, struct cli_input *input);

/* Back to the start of a regular file, as if nothing had been read. */
bulla_status cli_input_rewind(bulla_call *call, struct cli_input *input);

/* Keeps a regular file from changing under us by a rewrap, `alone` for the rewrap itself, until it is closed. Waits
 * some seconds for whoever has it: EBUSY. */
bulla_status cli_input_lock(bulla_call *call, const struct cli_input *input, bool alone);

bulla_source cli_input_source(struct cli_input *input);

/* A sink on a descriptor: at offsets and from any thread when it is a regular file of our own (`at`), in order when it
 * is a pipe or a terminal. */
struct cli_output {
    int fd;
    bool at;
    uint64_t len; /* bytes written; atomic */
};
bulla_sink cli_output_sink(struct cli_output *output);

/* All of `bytes` at `offset`. */
bulla_status cli_write_at(bulla_call *call, int fd, uint64_t offset, bulla_view bytes);

#endif
