/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/outfile.h"

#include "cli/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define TEMP_TRIES 64
#define TEMP_SUFFIX ".bulla-"
#define TEMP_RANDOM 6u
#define TEMP_EXTRA (1u + sizeof TEMP_SUFFIX - 1 + TEMP_RANDOM) /* dot, suffix, letters */

/* ".NAME.bulla-XXXXXX", NAME cut where the whole would be longer than a name may be. */
static bulla_status temp_name(struct cli_outfile *file, bulla_call *call)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t random[TEMP_RANDOM];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return cli_errno_fail(call, errno, "cannot name a temporary file");
    char drawn[TEMP_RANDOM + 1] = {0};
    for (size_t i = 0; i < TEMP_RANDOM; i++)
        drawn[i] = letters[random[i] % 32];
    int room = (int)(NAME_MAX - TEMP_EXTRA);
    (void)snprintf(file->temp, sizeof file->temp, ".%.*s" TEMP_SUFFIX "%s", room, file->name, drawn);
    return BULLA_OK;
}

/* The way to a descriptor's file that linkat follows; a file without a name can be given one only where /proc is. */
static bool proc_path(int fd, char path[32])
{
    (void)snprintf(path, 32, "/proc/self/fd/%d", fd);
    return access(path, F_OK) == 0;
}

/* Not a failure when the file system has no files without names: file->fd stays -1. */
static bulla_status nameless_open(struct cli_outfile *file, bulla_call *call)
{
    char path[32];
    int fd = openat(file->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) return BULLA_OK;
    if (fd < 0) return cli_errno_fail(call, errno, "cannot write to the folder");
    if (proc_path(fd, path))
        file->fd = fd;
    else
        (void)close(fd);
    return BULLA_OK;
}

static bulla_status hidden_open(struct cli_outfile *file, bulla_call *call)
{
    for (int i = 0; i < TEMP_TRIES; i++) {
        CLI_TRY(temp_name(file, call));
        file->fd = openat(file->dir_fd, file->temp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file->fd >= 0) return BULLA_OK;
        if (errno != EEXIST) break;
    }
    int code = errno;
    file->temp[0] = '\0';
    return cli_errno_fail(call, code, "cannot write to the folder");
}

/* Early, so that nobody waits for work that cannot be kept; the commit decides. */
static bulla_status place_check(bulla_call *call, int dir_fd, const char *name, bool replace)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? BULLA_OK : cli_errno_fail(call, errno, "cannot look at the output's place");
    bool replaceable = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
    if (!replaceable)
        return bulla_fail(call, BULLA_EEXISTS, "the place of the output %.160s is taken by what is not a file", name);
    if (!replace)
        return bulla_fail(call, BULLA_EEXISTS, "the output %.160s is there already; --force replaces it", name);
    return BULLA_OK;
}

bulla_status cli_outfile_open(bulla_call *call, int dir_fd, const char *name, bool replace,
                              struct cli_outfile *out_file)
{
    struct cli_outfile file = {.fd = -1, .dir_fd = dir_fd, .replace = replace};
    size_t len = strlen(name);
    if (len > NAME_MAX) return bulla_fail(call, BULLA_ELIMIT, "the output's name is over %d bytes", NAME_MAX);
    memcpy(file.name, name, len + 1);
    CLI_TRY(place_check(call, dir_fd, name, replace));
    CLI_TRY(nameless_open(&file, call));
    if (file.fd < 0) CLI_TRY(hidden_open(&file, call));
    *out_file = file;
    return BULLA_OK;
}

struct cli_outfile_look cli_outfile_look_of(const struct stat *st)
{
    if (st != NULL)
        return (struct cli_outfile_look){.mode = st->st_mode & 0777,
                                         .times = true,
                                         .group = st->st_gid,
                                         .accessed = st->st_atim,
                                         .modified = st->st_mtim};
    mode_t mask = umask(0);
    (void)umask(mask);
    return (struct cli_outfile_look){.mode = 0666 & ~mask};
}

mode_t cli_group_give(int fd, gid_t group, mode_t mode)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_gid == group) return mode;
    if (fchown(fd, (uid_t)-1, group) == 0) return mode;
    return (mode & ~(mode_t)S_IRWXG) | (mode & (mode & S_IRWXO) << 3);
}

static bulla_status content_keep(const struct cli_outfile *file, bulla_call *call, const struct cli_outfile_look *look)
{
    mode_t mode = look->times ? cli_group_give(file->fd, look->group, look->mode) : look->mode;
    if (fchmod(file->fd, mode) != 0) return cli_errno_fail(call, errno, "cannot set the output's mode");
    const struct timespec times[2] = {look->accessed, look->modified};
    if (look->times && futimens(file->fd, times) != 0)
        return cli_errno_fail(call, errno, "cannot set the output's times");
    return fsync(file->fd) == 0 ? BULLA_OK : cli_errno_fail(call, errno, "cannot write the output to the disk");
}

/* The final name for a file that has none, when it is free. */
static int name_new(const struct cli_outfile *file)
{
    char path[32];
    if (file->temp[0] == '\0')
        return proc_path(file->fd, path) ? linkat(AT_FDCWD, path, file->dir_fd, file->name, AT_SYMLINK_FOLLOW) : -1;
    int result = renameat2(file->dir_fd, file->temp, file->dir_fd, file->name, RENAME_NOREPLACE);
    if (result == 0 || (errno != EINVAL && errno != ENOSYS)) return result;
    /* A file system that cannot rename without replacing can still link without. */
    if (linkat(file->dir_fd, file->temp, file->dir_fd, file->name, 0) != 0) return -1;
    (void)unlinkat(file->dir_fd, file->temp, 0);
    return 0;
}

/* No call puts a nameless file in another's place: it takes a hidden name on the way. */
static bulla_status name_over(struct cli_outfile *file, bulla_call *call)
{
    char path[32];
    int result = file->temp[0] == '\0' ? -1 : 0;
    errno = ENOENT;
    for (int i = 0; result != 0 && i < TEMP_TRIES; i++) {
        CLI_TRY(temp_name(file, call));
        result = proc_path(file->fd, path) ? linkat(AT_FDCWD, path, file->dir_fd, file->temp, AT_SYMLINK_FOLLOW) : -1;
        if (result != 0 && errno != EEXIST) break;
    }
    if (result != 0) {
        int code = errno;
        file->temp[0] = '\0';
        return cli_errno_fail(call, code, "cannot name the output");
    }
    if (renameat(file->dir_fd, file->temp, file->dir_fd, file->name) != 0)
        return cli_errno_fail(call, errno, "cannot replace the output");
    return BULLA_OK;
}

static bulla_status name_give(struct cli_outfile *file, bulla_call *call)
{
    if (file->replace) return name_over(file, call);
    if (name_new(file) == 0) return BULLA_OK;
    if (errno == EEXIST) return bulla_fail(call, BULLA_EEXISTS, "the output was made by somebody else meanwhile");
    return cli_errno_fail(call, errno, "cannot name the output");
}

bulla_status cli_outfile_commit(struct cli_outfile *file, bulla_call *call, const struct cli_outfile_look *look,
                                bool sync_folder)
{
    CLI_TRY(content_keep(file, call, look));
    CLI_TRY(name_give(file, call));
    file->temp[0] = '\0';
    if (!sync_folder || cli_folder_sync(call, file->dir_fd) == BULLA_OK) return BULLA_OK;
    if (!file->replace && unlinkat(file->dir_fd, file->name, 0) == 0)
        return bulla_fail(call, BULLA_EIO, "the folder could not be synchronised: the output was taken back");
    return bulla_fail(call, BULLA_EUNKNOWN,
                      "the output is in place, but a power cut may undo it: the folder could not be synchronised");
}

void cli_outfile_done(struct cli_outfile *file)
{
    if (file->fd < 0) return;
    if (file->temp[0] != '\0') (void)unlinkat(file->dir_fd, file->temp, 0);
    cli_fd_done(&file->fd);
    file->fd = -1;
}

bulla_status cli_folder_sync(bulla_call *call, int dir_fd)
{
    /* A folder that may be entered but not read is open without access to its content, and cannot be synchronised. */
    if (fsync(dir_fd) == 0 || errno == EBADF || errno == EINVAL) return BULLA_OK;
    return cli_errno_fail(call, errno, "cannot synchronise the folder");
}
