/* SPDX-License-Identifier: Apache-2.0 */
/* Small inputs, whole. */
#include "cli/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

void cli_fd_done(int *fd)
{
    if (*fd > STDERR_FILENO) (void)close(*fd);
}

/* Grows by doubling through a new wiped buffer: realloc would leave copies of what may be secret. */
static bulla_status grow(struct cli *cli, bulla_bytes *bytes, size_t *cap, size_t max)
{
    size_t larger = *cap == 0 ? 4096 : 2 * *cap;
    if (larger > max + 1) larger = max + 1; /* one more byte tells "too long" from "just fits" */
    uint8_t *data = cli->env.alloc(cli->env.arg, larger);
    if (data == NULL) return bulla_fail(&cli->call, BULLA_ENOMEM, "not enough memory for %zu bytes", larger);
    if (bytes->len != 0) memcpy(data, bytes->data, bytes->len);
    size_t len = bytes->len;
    bulla_bytes_done(bytes);
    *bytes = (bulla_bytes){data, len, &cli->env};
    *cap = larger;
    return BULLA_OK;
}

static bulla_status read_all(struct cli *cli, int fd, const char *path, size_t max, bulla_bytes *bytes)
{
    size_t cap = 0;
    for (;;) {
        if (bytes->len == cap) CLI_TRY(grow(cli, bytes, &cap, max));
        CLI_TRY(cli_ready_wait(&cli->call, fd, POLLIN));
        ssize_t num = read(fd, bytes->data + bytes->len, cap - bytes->len);
        if (num < 0 && errno != EINTR && errno != EAGAIN) return cli_errno(cli, path);
        if (num == 0) return BULLA_OK;
        if (num > 0) bytes->len += (size_t)num;
        if (bytes->len > max) return bulla_fail(&cli->call, BULLA_ELIMIT, "%s: longer than %zu bytes", path, max);
    }
}

bulla_status cli_read(struct cli *cli, const char *path, size_t cap, bulla_bytes *out_bytes)
{
    CLI_AUTO(cli_fd_done) int fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return cli_errno(cli, path);
    CLI_AUTO(bulla_bytes_done) bulla_bytes bytes = {NULL, 0, &cli->env};
    CLI_TRY(read_all(cli, fd, path, cap, &bytes));
    *out_bytes = bytes;
    bytes = (bulla_bytes){NULL, 0, &cli->env};
    return BULLA_OK;
}
