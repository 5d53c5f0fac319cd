/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/place.h"

#include "cli/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 50 /* between two looks whether somebody reads a pipe */

void cli_last_part(const char *path, size_t *out_begin, size_t *out_end)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    *out_begin = begin;
    *out_end = end;
}

bulla_status cli_base_name(bulla_call *call, const char *path, char *out_name)
{
    size_t begin = 0, end = 0;
    cli_last_part(path, &begin, &end);
    size_t len = end - begin;
    if (len > NAME_MAX) return bulla_fail(call, BULLA_ELIMIT, "a name is over %d bytes", NAME_MAX);
    bool dots = (len == 1 && path[begin] == '.') || (len == 2 && strncmp(path + begin, "..", 2) == 0);
    if (len == 0 || dots) return bulla_fail(call, BULLA_EINVAL, "does not end in a name: say -o OUT");
    memcpy(out_name, path + begin, len);
    out_name[len] = '\0';
    return BULLA_OK;
}

static bulla_status folder_open(bulla_call *call, const char *path, int *out_fd)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A folder that may be entered and written, but not listed, is good enough. */
    if (fd < 0 && errno == EACCES) fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return cli_errno_fail(call, errno, "cannot open the output's folder");
    *out_fd = fd;
    return BULLA_OK;
}

bulla_status cli_place_open(bulla_call *call, const char *path, struct cli_place *out_place)
{
    struct cli_place place = CLI_NO_PLACE;
    size_t begin = 0, end = 0, len = strlen(path);
    if (len >= sizeof place.path) return bulla_fail(call, BULLA_ELIMIT, "the path is over %d bytes", PATH_MAX - 1);
    CLI_TRY(cli_base_name(call, path, place.name));
    cli_last_part(path, &begin, &end);
    memcpy(place.path, path, begin);
    CLI_TRY(folder_open(call, begin == 0 ? "." : place.path, &place.dir_fd));
    memcpy(place.path, path, len + 1);
    *out_place = place;
    return BULLA_OK;
}

/* A device, or a pipe as soon as somebody reads it. */
static bulla_status taker_open(bulla_call *call, const char *path, bool is_pipe, int *out_fd)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    int fd = -1;
    do {
        CLI_TRY(bulla_call_check(call));
        fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    } while (fd < 0 && is_pipe && errno == ENXIO && (nanosleep(&pause, NULL) == 0 || errno == EINTR));
    if (fd < 0) return cli_errno_fail(call, errno, "cannot open the output");
    *out_fd = fd;
    return BULLA_OK;
}

bulla_status cli_place_open_output(bulla_call *call, const char *path, struct cli_place *out_place)
{
    struct cli_place place = CLI_NO_PLACE;
    struct stat st;
    /* By name: where standard output is a file, the other branch would put a new one in the place of the device. */
    if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0) {
        place.fd = STDOUT_FILENO;
        (void)snprintf(place.path, sizeof place.path, "standard output");
    } else if (stat(path, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
        CLI_TRY(taker_open(call, path, S_ISFIFO(st.st_mode), &place.fd));
        (void)snprintf(place.path, sizeof place.path, "%s", path);
    } else {
        return cli_place_open(call, path, out_place);
    }
    *out_place = place;
    return BULLA_OK;
}

bulla_status cli_place_open_beside(bulla_call *call, const char *path, const char *folder, const char *name,
                                   struct cli_place *out_place)
{
    char joined[PATH_MAX];
    size_t begin = 0, end = 0;
    cli_last_part(path, &begin, &end);
    int len = folder != NULL ? snprintf(joined, sizeof joined, "%s/%s", folder, name)
                             : snprintf(joined, sizeof joined, "%.*s%s", (int)begin, path, name);
    if (len < 0 || (size_t)len >= sizeof joined) return bulla_fail(call, BULLA_ELIMIT, "the output's path is too long");
    return cli_place_open(call, joined, out_place);
}

void cli_place_done(struct cli_place *place)
{
    cli_fd_done(&place->fd);
    cli_fd_done(&place->dir_fd);
}
