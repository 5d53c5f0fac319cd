/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/header_swap.h"

#include "cli/attributes.h"
#include "cli/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECTOR 512u
#define OPEN_TRIES 16
#define COPY_STEP (64u << 20) /* between two looks at the call */
#define BUFFER_LEN (256u << 10)

/* --- opening --- */

/* Whether the name still means the file that is open: another rewrap may have put a new one in its place while we
 * waited for the lock of the old one. */
static bulla_status is_current(const struct cli_message_file *file, bulla_call *call, bool *out_current)
{
    struct stat st;
    if (fstatat(file->dir_fd, file->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return cli_errno_fail(call, errno, "cannot look at it");
    *out_current = st.st_dev == file->input.st.st_dev && st.st_ino == file->input.st.st_ino;
    return BULLA_OK;
}

static bulla_status open_and_lock(struct cli_message_file *file, bulla_call *call, bool *out_current)
{
    CLI_TRY(cli_input_open(call, file->dir_fd, file->name, O_RDWR | O_NOFOLLOW, false, &file->input));
    CLI_TRY(cli_input_lock(call, &file->input, true));
    CLI_TRY(cli_input_take(call, file->input.fd, &file->input)); /* as it is now that nobody changes it */
    return is_current(file, call, out_current);
}

bulla_status cli_message_file_open(bulla_call *call, int dir_fd, const char *name, struct cli_message_file *out_file)
{
    for (int i = 0; i < OPEN_TRIES; i++) {
        CLI_AUTO(cli_message_file_done)
        struct cli_message_file file = {.input = {.fd = -1}, .dir_fd = dir_fd, .name = name};
        bool current = false;
        CLI_TRY(open_and_lock(&file, call, &current));
        if (!current) continue;
        *out_file = file;
        file.input.fd = -1;
        return BULLA_OK;
    }
    return bulla_fail(call, BULLA_EBUSY, "is replaced again and again by another process");
}

void cli_message_file_done(struct cli_message_file *file)
{
    cli_input_done(&file->input);
}

/* --- in place --- */

/* A write that failed in its middle is taken back. */
static bulla_status header_write(bulla_call *call, int fd, bulla_view header)
{
    uint8_t old[SECTOR];
    ssize_t len = (ssize_t)header.len;
    if (pread(fd, old, header.len, 0) != len) return cli_errno_fail(call, EIO, "cannot read the old header again");
    bulla_status status = cli_write_at(call, fd, 0, header);
    if (status == BULLA_OK || pwrite(fd, old, header.len, 0) == len) return status;
    return bulla_fail(call, BULLA_EUNKNOWN,
                      "the new header was not written whole and the old one cannot be put back: look at it with "
                      "\"bulla inspect\" when the disk works again");
}

static bulla_status swap_in_place(bulla_call *call, const struct cli_message_file *file, bulla_view header)
{
    const struct stat *st = &file->input.st;
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    CLI_TRY(header_write(call, file->input.fd, header));
    if (futimens(file->input.fd, times) == 0 && fsync(file->input.fd) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNKNOWN, "the new header is in place, but a power cut may bring back the old one");
}

/* --- by a new file --- */

static bulla_status body_read_write(bulla_call *call, struct cli_message_file *file, int out, uint64_t from,
                                    uint64_t to)
{
    uint8_t *buffer = malloc(BUFFER_LEN);
    if (buffer == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory to copy the body");
    bulla_status status = BULLA_OK;
    for (;;) {
        ssize_t num = pread(file->input.fd, buffer, BUFFER_LEN, (off_t)from);
        if (num < 0 && errno != EINTR) status = cli_errno_fail(call, errno, "cannot read");
        if (status == BULLA_OK) status = bulla_call_check(call);
        if (num == 0 || status != BULLA_OK) break;
        if (num < 0) continue;
        status = cli_write_at(call, out, to, (bulla_view){buffer, (size_t)num});
        if (status != BULLA_OK) break;
        from += (uint64_t)num;
        to += (uint64_t)num;
    }
    free(buffer);
    return status;
}

/* In the kernel, which shares blocks where the file system can; what it leaves is copied here. */
static bulla_status body_copy(bulla_call *call, struct cli_message_file *file, int out, uint64_t from, uint64_t to)
{
    off_t in_at = (off_t)from, out_at = (off_t)to;
    for (;;) {
        CLI_TRY(bulla_call_check(call));
        ssize_t num = copy_file_range(file->input.fd, &in_at, out, &out_at, COPY_STEP, 0);
        if (num <= 0) break;
        if (file->input.progress != NULL) cli_progress_add(file->input.progress, (uint64_t)num);
    }
    return body_read_write(call, file, out, (uint64_t)in_at, (uint64_t)out_at);
}

/* A whole file that shares all blocks with the old one, where the file system can: only the header's block is new. */
static bool body_share(const struct cli_message_file *file, int out, uint64_t old_len, size_t new_len)
{
    return old_len == new_len && ioctl(out, FICLONE, file->input.fd) == 0;
}

static bulla_status swap_by_copy(bulla_call *call, struct cli_message_file *file, uint64_t old_len, bulla_view header)
{
    const struct stat *st = &file->input.st;
    CLI_AUTO(cli_outfile_done) struct cli_outfile out = {.fd = -1};
    CLI_TRY(cli_outfile_open(call, file->dir_fd, file->name, true, &out));
    if (!body_share(file, out.fd, old_len, header.len)) CLI_TRY(body_copy(call, file, out.fd, old_len, header.len));
    CLI_TRY(cli_write_at(call, out.fd, 0, header));
    CLI_TRY(cli_input_check_same(call, &file->input));
    CLI_TRY(cli_attributes_copy(call, file->input.fd, out.fd));
    struct cli_outfile_look look = cli_outfile_look_of(st);
    look.mode = st->st_mode & 07777;
    return cli_outfile_commit(&out, call, &look, true);
}

bulla_status cli_header_swap(bulla_call *call, struct cli_message_file *file, uint64_t old_len, bulla_view header,
                             bool *out_in_place)
{
    *out_in_place = header.len == old_len && old_len <= SECTOR;
    return *out_in_place ? swap_in_place(call, file, header) : swap_by_copy(call, file, old_len, header);
}
