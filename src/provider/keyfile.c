/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/keyfile.h"

#include "base/bytes.h"
#include "base/oserror.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bulla_status file_fail(bulla_call *call, const char *verb, const char *path)
{
    return bulla_errno_fail(call, "cannot %s key file \"%.128s\"", verb, path);
}

static bulla_status stat_check(bulla_call *call, const struct stat *status, const char *path, size_t max)
{
    if (!S_ISREG(status->st_mode))
        return bulla_fail(call, BULLA_EINVAL, "key file \"%.128s\" is not a regular file", path);
    if (status->st_size < 1 || (uintmax_t)status->st_size > max)
        return bulla_fail(call, BULLA_EFORMAT, "key file \"%.128s\" has %jd bytes: it should have 1 to %zu", path,
                          (intmax_t)status->st_size, max);
    return BULLA_OK;
}

bulla_status bulla_keyfile_open(bulla_call *call, const char *path, size_t max, bulla_keyfile *out_file)
{
    /* O_NONBLOCK: a pipe under this name must not hold us up; it has no effect on regular files. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return file_fail(call, "open", path);
    struct stat status;
    bulla_status result =
        fstat(fd, &status) != 0 ? file_fail(call, "look at", path) : stat_check(call, &status, path, max);
    if (result != BULLA_OK) {
        (void)close(fd);
        return result;
    }
    *out_file = (bulla_keyfile){fd, path, status.st_mode, status.st_uid, (size_t)status.st_size};
    return BULLA_OK;
}

void bulla_keyfile_close(bulla_keyfile *file)
{
    if (file->fd >= 0) (void)close(file->fd);
    file->fd = -1;
}

bulla_status bulla_keyfile_private_check(bulla_call *call, const bulla_keyfile *file)
{
    if (file->owner != geteuid() && file->owner != 0)
        return bulla_fail(call, BULLA_EAUTHZ, "key file \"%.128s\" belongs to another user: run chown %ju \"%.64s\"",
                          file->path, (uintmax_t)geteuid(), file->path);
    if ((file->mode & (S_IRWXG | S_IRWXO)) != 0)
        return bulla_fail(call, BULLA_EAUTHZ, "others have access to key file \"%.128s\": run chmod 600 \"%.64s\"",
                          file->path, file->path);
    return BULLA_OK;
}

bulla_status bulla_keyfile_read(bulla_call *call, const bulla_keyfile *file, bulla_secret **out_bytes)
{
    BULLA_AUTO(bulla_secret) *bytes = NULL;
    BULLA_TRY(bulla_secret_new(call, file->len, &bytes));
    uint8_t *to = bulla_secret_fill(bytes);
    for (size_t at = 0; at < file->len;) {
        ssize_t got = pread(file->fd, to + at, file->len - at, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_fail(call, "read", file->path);
        if (got == 0) return bulla_fail(call, BULLA_EIO, "key file \"%.128s\" shrank while it was read", file->path);
        at += (size_t)got;
    }
    *out_bytes = BULLA_TAKE(bytes);
    return BULLA_OK;
}

const char *bulla_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bulla_view without_newline(bulla_view text)
{
    if (text.len > 0 && text.data[text.len - 1] == '\n') text.len--;
    if (text.len > 0 && text.data[text.len - 1] == '\r') text.len--;
    return text;
}

bulla_status bulla_keytext_decode(bulla_call *call, const char *what, bulla_view text, bulla_secret **out_key)
{
    BULLA_WIPED(uint8_t, key, 32);
    size_t len = 0;
    if (!bulla_base64_decode(without_newline(text), key, sizeof key, &len) || (len != 16 && len != 24 && len != 32))
        return bulla_fail(call, BULLA_ECONFIG, "%.160s is not the base64 of a key of 16, 24 or 32 bytes", what);
    return bulla_secret_copy(call, bulla_view_of(key, len), out_key);
}
