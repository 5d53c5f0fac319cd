/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_MS 10000
#define LOCK_PAUSE_MS 20
#define WAIT_MS 100 /* between two looks at cancellation */

static bulla_status status_of(int code)
{
    switch (code) {
    case ENOENT: return BULLA_ENOFILE;
    case EEXIST:
    case ENOTEMPTY: return BULLA_EEXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return BULLA_EAUTHZ;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return BULLA_ENOSPACE;
    case ENOMEM: return BULLA_ENOMEM;
    case EMFILE:
    case ENFILE:
    case ENAMETOOLONG: return BULLA_ELIMIT;
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case ENXIO: return BULLA_EINVAL;
    case ETXTBSY:
    case EBUSY: return BULLA_EBUSY;
    default: return BULLA_EIO;
    }
}

bulla_status cli_errno_fail(bulla_call *call, int code, const char *doing)
{
    /* A signal ended the system call: that was asked for, unless it was another signal. */
    if (code == EINTR && call != NULL) CLI_TRY(bulla_call_check(call));
    bulla_status status = bulla_fail(call, status_of(code), "%s: %s", doing, strerror(code));
    if (call != NULL) call->native = code;
    return status;
}

/* --- input --- */

bulla_status cli_input_take(bulla_call *call, int fd, struct cli_input *out_input)
{
    struct cli_input input = {.fd = fd};
    if (fstat(fd, &input.st) != 0) return cli_errno_fail(call, errno, "cannot look at it");
    if (S_ISDIR(input.st.st_mode)) return bulla_fail(call, BULLA_EINVAL, "is a folder, not a file");
    off_t start = lseek(fd, 0, SEEK_CUR);
    input.start = start > 0 ? (uint64_t)start : 0;
    if (S_ISREG(input.st.st_mode)) (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *out_input = input;
    return BULLA_OK;
}

bulla_status cli_input_open(bulla_call *call, int dir_fd, const char *name, int flags, bool any,
                            struct cli_input *out_input)
{
    /* O_NONBLOCK: a pipe without a writer must hold up neither a walk, where it took a file's place, nor the end of the
     * time allowed: whoever reads waits first. Regular files do not care. */
    CLI_AUTO(cli_fd_done) int fd = openat(dir_fd, name, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ELOOP && (flags & O_NOFOLLOW) != 0)
        return bulla_fail(call, BULLA_EINVAL, "is a symbolic link: name the file that it points to");
    if (fd < 0) return cli_errno_fail(call, errno, "cannot open");
    struct cli_input input;
    CLI_TRY(cli_input_take(call, fd, &input));
    if (!any && !cli_input_is_regular(&input)) return bulla_fail(call, BULLA_EINVAL, "is not a regular file");
    fd = -1;
    *out_input = input;
    return BULLA_OK;
}

void cli_input_done(struct cli_input *input)
{
    cli_fd_done(&input->fd);
}

bool cli_input_is_regular(const struct cli_input *input)
{
    return S_ISREG(input->st.st_mode);
}

bulla_status cli_input_check_same(bulla_call *call, const struct cli_input *input)
{
    struct stat now;
    if (!cli_input_is_regular(input)) return BULLA_OK;
    if (fstat(input->fd, &now) != 0) return cli_errno_fail(call, errno, "cannot look at it");
    bool same = now.st_size == input->st.st_size && now.st_mtim.tv_sec == input->st.st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == input->st.st_mtim.tv_nsec;
    return same ? BULLA_OK
                : bulla_fail(call, BULLA_EBUSY, "changed while it was read: try again, or read it through a pipe");
}

bulla_status cli_input_rewind(bulla_call *call, struct cli_input *input)
{
    if (lseek(input->fd, (off_t)input->start, SEEK_SET) < 0) return cli_errno_fail(call, errno, "cannot go back in it");
    input->len = 0;
    input->num_peeked = 0;
    return BULLA_OK;
}

bulla_status cli_input_lock(bulla_call *call, const struct cli_input *input, bool alone)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};
    for (int waited = 0; waited < LOCK_WAIT_MS; waited += LOCK_PAUSE_MS) {
        if (flock(input->fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return BULLA_OK;
        /* Where locks do not work nobody can hold one: who only reads goes on. */
        if (errno != EWOULDBLOCK && errno != EINTR)
            return alone ? cli_errno_fail(call, errno, "cannot lock it") : BULLA_OK;
        CLI_TRY(bulla_call_check(call));
        (void)nanosleep(&pause, NULL);
    }
    return bulla_fail(call, BULLA_EBUSY, "is being %s by another process", alone ? "read or rewrapped" : "rewrapped");
}

bulla_status cli_ready_wait(bulla_call *call, int fd, short events)
{
    struct pollfd waiting = {.fd = fd, .events = events};
    int num = 0;
    do {
        CLI_TRY(cli_call_check(call));
        num = poll(&waiting, 1, WAIT_MS);
    } while (num == 0 || (num < 0 && (errno == EINTR || errno == EAGAIN)));
    return BULLA_OK; /* also when poll failed: reading or writing says what is wrong */
}

static bulla_status read_some(bulla_call *call, const struct cli_input *input, uint8_t *buf, size_t len,
                              size_t *out_len)
{
    ssize_t num = 0;
    do {
        CLI_TRY(cli_input_is_regular(input) ? bulla_call_check(call) : cli_ready_wait(call, input->fd, POLLIN));
        num = read(input->fd, buf, len);
    } while (num < 0 && (errno == EINTR || errno == EAGAIN));
    if (num < 0) return cli_errno_fail(call, errno, "cannot read");
    *out_len = (size_t)num;
    return BULLA_OK;
}

bulla_status cli_input_peek(bulla_call *call, struct cli_input *input)
{
    size_t num = 1;
    while (input->num_first < sizeof input->first && num != 0) {
        size_t room = sizeof input->first - input->num_first;
        CLI_TRY(read_some(call, input, input->first + input->num_first, room, &num));
        input->num_first += num;
    }
    input->num_peeked = input->num_first;
    return BULLA_OK;
}

static size_t peeked_take(struct cli_input *input, uint8_t *buf, size_t len)
{
    size_t num = input->num_peeked < len ? input->num_peeked : len;
    memcpy(buf, input->first + input->num_first - input->num_peeked, num);
    input->num_peeked -= num;
    return num;
}

static bulla_status output_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes);

static bulla_status input_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    struct cli_input *input = arg;
    size_t num = peeked_take(input, buf, len);
    if (num == 0) CLI_TRY(read_some(call, input, buf, len, &num));
    if (input->copy != NULL) CLI_TRY(output_write(input->copy, call, input->len, (bulla_view){buf, num}));
    input->len += num;
    if (input->progress != NULL) cli_progress_add(input->progress, num);
    *out_len = num;
    return BULLA_OK;
}

bulla_source cli_input_source(struct cli_input *input)
{
    return (bulla_source){.read = input_read, .arg = input};
}

/* --- output --- */

bulla_status cli_write_at(bulla_call *call, int fd, uint64_t offset, bulla_view bytes)
{
    while (bytes.len > 0) {
        ssize_t num = pwrite(fd, bytes.data, bytes.len, (off_t)offset);
        if (num < 0 && errno == EINTR) continue;
        if (num <= 0) return cli_errno_fail(call, num < 0 ? errno : EIO, "cannot write");
        bytes = (bulla_view){bytes.data + num, bytes.len - (size_t)num};
        offset += (uint64_t)num;
    }
    return BULLA_OK;
}

int cli_pipe_reopen(int fd)
{
    struct stat st;
    char path[32];
    if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode)) return -1;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static bulla_status write_on(bulla_call *call, int fd, bulla_view bytes)
{
    while (bytes.len > 0) {
        CLI_TRY(cli_call_check(call));
        ssize_t num = write(fd, bytes.data, bytes.len);
        if (num < 0 && (errno == EINTR || errno == EAGAIN)) {
            if (errno == EAGAIN) CLI_TRY(cli_ready_wait(call, fd, POLLOUT));
            continue;
        }
        if (num < 0) return cli_errno_fail(call, errno, "cannot write");
        bytes = (bulla_view){bytes.data + num, bytes.len - (size_t)num};
    }
    return BULLA_OK;
}

static bulla_status output_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    struct cli_output *output = arg;
    if (output->at)
        CLI_TRY(cli_write_at(call, output->fd, offset, bytes));
    else
        CLI_TRY(write_on(call, output->fd, bytes));
    (void)__atomic_add_fetch(&output->len, bytes.len, __ATOMIC_RELAXED);
    return BULLA_OK;
}

bulla_sink cli_output_sink(struct cli_output *output)
{
    return (bulla_sink){.write = output_write, .arg = output, .random_access = output->at};
}
