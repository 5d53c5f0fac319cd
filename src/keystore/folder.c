/* SPDX-License-Identifier: Apache-2.0 */
/* The store's folder (spec/keystore.md, Folder): a store appears in it whole or not at all. */
#include "keystore/inside.h"

#include "base/mem.h"
#include "base/oserror.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STAGE "new"
#define LOCK_TRIES 1000 /* of 10 ms each */

static const char *const staged_files[] = {STAGE "/" BULLA_DB_FILE, STAGE "/" BULLA_DB_FILE "-wal",
                                           STAGE "/" BULLA_DB_FILE "-shm", STAGE "/" BULLA_DB_FILE "-journal"};

bulla_status bulla_file_fail(bulla_call *call, const char *doing, const char *path)
{
    return bulla_errno_fail(call, "cannot %s %s", doing, path);
}

bulla_status bulla_path_join(bulla_call *call, const char *folder, const char *name, char *out)
{
    int len = snprintf(out, BULLA_DB_PATH, "%s/%s", folder, name);
    return len > 0 && (unsigned)len < BULLA_DB_PATH
               ? BULLA_OK
               : bulla_fail(call, BULLA_EINVAL, "the keystore's path is over %u bytes", BULLA_DB_PATH);
}

/* SQLite would play the log of a database that is gone into the one that comes to its place. */
static bulla_status logs_check(bulla_call *call, const char *path)
{
    static const char *const logs[] = {BULLA_DB_FILE "-wal", BULLA_DB_FILE "-journal"};
    char file[BULLA_DB_PATH];
    struct stat info;
    for (size_t i = 0; i < BULLA_LEN(logs); i++) {
        BULLA_TRY(bulla_path_join(call, path, logs[i], file));
        if (lstat(file, &info) == 0)
            return bulla_fail(call, BULLA_EEXISTS, "%s is left of a keystore whose database is gone: move it away",
                              file);
    }
    return BULLA_OK;
}

bulla_status bulla_folder_check(bulla_call *call, const char *path, bool there)
{
    char file[BULLA_DB_PATH];
    struct stat info;
    BULLA_TRY(bulla_path_join(call, path, BULLA_DB_FILE, file));
    bool found = stat(file, &info) == 0;
    if (!found && errno != ENOENT && errno != ENOTDIR) return bulla_file_fail(call, "look at", file);
    if (found && !there) return bulla_fail(call, BULLA_EEXISTS, "there is a keystore in %s already", path);
    if (!found && there)
        return bulla_fail(call, BULLA_ENOFILE, "there is no keystore in %s: create one first (bulla init)", path);
    if (found && !S_ISREG(info.st_mode)) return bulla_fail(call, BULLA_EFORMAT, "%s is not a file", file);
    return there ? BULLA_OK : logs_check(call, path);
}

/* Makes the entry of a folder just made durable. Who may write the one above but not read it cannot. */
static bulla_status made_sync(bulla_call *call, const char *path)
{
    char above[BULLA_DB_PATH];
    BULLA_TRY(bulla_path_join(call, path, "..", above));
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES ? BULLA_OK : bulla_file_fail(call, "open the folder", above);
    bulla_status status = fsync(fd) == 0 ? BULLA_OK : bulla_file_fail(call, "write", above);
    (void)close(fd);
    return status;
}

/* Makes the folder and those above it, readable by nobody else. */
static bulla_status folder_make(bulla_call *call, const char *path, bool *out_made)
{
    char part[BULLA_DB_PATH];
    size_t len = strlen(path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        *out_made = mkdir(part, 0700) == 0;
        if (!*out_made && errno != EEXIST) return bulla_file_fail(call, "make the folder", part);
        if (*out_made) BULLA_TRY(made_sync(call, part));
    }
    return BULLA_OK;
}

static bulla_status lock_wait(bulla_call *call, int fd, const char *path)
{
    const struct timespec pause = {0, 10000000};
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK && errno != EINTR) return bulla_file_fail(call, "lock", path);
        BULLA_TRY(bulla_call_check(call));
        if (tries == LOCK_TRIES)
            return bulla_fail(call, BULLA_EBUSY, "somebody else makes, restores or copies the keystore in %s", path);
        (void)nanosleep(&pause, NULL);
    }
    return BULLA_OK;
}

bulla_status bulla_folder_lock(bulla_call *call, const char *path, bool make, bulla_folder *out_folder)
{
    if (strlen(path) >= sizeof out_folder->path)
        return bulla_fail(call, BULLA_EINVAL, "the keystore's path is over %u bytes", BULLA_DB_PATH);
    memcpy(out_folder->path, path, strlen(path) + 1);
    if (make) BULLA_TRY(folder_make(call, path, &out_folder->made));
    out_folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out_folder->fd < 0) return bulla_file_fail(call, "open the folder", path);
    return lock_wait(call, out_folder->fd, path);
}

static void stage_remove(const bulla_folder *folder)
{
    for (size_t i = 0; i < BULLA_LEN(staged_files); i++)
        (void)unlinkat(folder->fd, staged_files[i], 0);
    (void)unlinkat(folder->fd, STAGE, AT_REMOVEDIR);
}

void bulla_folder_done(bulla_folder *folder)
{
    if (folder->fd >= 0) {
        if (folder->staged) stage_remove(folder);
        (void)close(folder->fd);
    }
    if (folder->made) (void)rmdir(folder->path);
    folder->fd = -1;
}

bulla_status bulla_folder_file(bulla_folder *folder, bulla_call *call, const char *name, int *out_fd)
{
    (void)unlinkat(folder->fd, name, 0);
    int fd = openat(folder->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return bulla_file_fail(call, "make a file in", folder->path);
    if (fchmod(fd, 0600) != 0) { /* whatever the umask took away or left */
        bulla_status status = bulla_file_fail(call, "set the mode of a file in", folder->path);
        (void)close(fd);
        return status;
    }
    *out_fd = fd;
    return BULLA_OK;
}

bulla_status bulla_folder_stage(bulla_folder *folder, bulla_call *call, char *out)
{
    int fd = -1;
    stage_remove(folder);
    if (mkdirat(folder->fd, STAGE, 0700) != 0) return bulla_file_fail(call, "make a folder in", folder->path);
    folder->staged = true;
    BULLA_TRY(bulla_folder_file(folder, call, staged_files[0], &fd));
    (void)close(fd);
    return bulla_path_join(call, folder->path, staged_files[0], out);
}

static bulla_status sync_at(bulla_call *call, int fd, const char *name, const char *path)
{
    int opened = openat(fd, name, O_RDONLY | O_CLOEXEC);
    if (opened < 0) return bulla_file_fail(call, "open", path);
    bulla_status status = fsync(opened) == 0 ? BULLA_OK : bulla_file_fail(call, "write", path);
    (void)close(opened);
    return status;
}

/* SQLite takes its log into the database when it closes it, and does not tell when it could not: then the log is there,
 * and without it the database is not whole. */
static bulla_status staged_check(const bulla_folder *folder, bulla_call *call)
{
    struct stat info;
    if (fstatat(folder->fd, staged_files[1], &info, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) return BULLA_OK;
    return bulla_fail(call, BULLA_EIO, "the new keystore in %s could not be written to its end", folder->path);
}

bulla_status bulla_folder_install(bulla_folder *folder, bulla_call *call)
{
    BULLA_TRY(staged_check(folder, call));
    BULLA_TRY(sync_at(call, folder->fd, staged_files[0], folder->path));
    BULLA_TRY(bulla_folder_check(call, folder->path, false)); /* nobody comes between: we hold the lock */
    if (renameat(folder->fd, staged_files[0], folder->fd, BULLA_DB_FILE) != 0)
        return bulla_file_fail(call, "put the keystore into", folder->path);
    folder->made = false; /* it holds something now */
    if (sync_at(call, folder->fd, ".", folder->path) == BULLA_OK) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNKNOWN, "the keystore is in %s, but the disk failed to keep that: look again",
                      folder->path);
}
