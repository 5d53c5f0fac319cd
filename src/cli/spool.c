/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spool.h"

#include "cli/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define SPOOL_FOLDER "/var/tmp"

const char *cli_spool_folder(const struct cli *cli)
{
    const char *folder = cli->env.lookup(cli->env.arg, "TMPDIR");
    return folder == NULL || folder[0] == '\0' ? SPOOL_FOLDER : folder;
}

/* Where the file system has no files without names: one that loses its name at once. */
static int unnamed_open(const char *folder)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/.bulla-XXXXXX", folder);
    if (len < 0 || (size_t)len >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) (void)unlink(path);
    return fd;
}

bulla_status cli_spool_open(struct cli *cli, int *out_fd)
{
    const char *folder = cli_spool_folder(cli);
    int fd = open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) fd = unnamed_open(folder);
    if (fd < 0) {
        char doing[200];
        (void)snprintf(doing, sizeof doing,
                       "no temporary file for the signed message in %.80s (set TMPDIR, or say -o FILE)", folder);
        return cli_errno_fail(&cli->call, errno, doing);
    }
    *out_fd = fd;
    return BULLA_OK;
}
