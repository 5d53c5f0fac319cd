/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/walk.h"

#include "cli/fdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct level {
    DIR *dir;
    struct stat st;
    size_t path_len; /* of the folder's own path */
    size_t name_at;  /* where its last part begins */
};

struct walk {
    cli_walk_visit visit;
    void *arg;
    int root_fd; /* where the root's name is; borrowed */
    const char *root_name;
    unsigned depth; /* open levels */
    struct level levels[CLI_WALK_DEPTH];
    char path[CLI_WALK_PATH];
};

static bool is_stop(bulla_status status)
{
    return bulla_status_class(status) == BULLA_CLASS_STOP;
}

static bulla_status visit_failed(struct walk *walk, bulla_call *call, bulla_status status, const cli_walk_entry *entry)
{
    if (is_stop(status)) return status;
    return walk->visit(walk->arg, call, CLI_WALK_FAIL, entry);
}

/* The folder that is open at `depth`, as an entry in its parent. */
static cli_walk_entry folder_entry(const struct walk *walk, unsigned depth)
{
    const struct level *level = &walk->levels[depth];
    return (cli_walk_entry){.path = walk->path,
                            .name = depth == 0 ? walk->root_name : walk->path + level->name_at,
                            .dir_fd = depth == 0 ? walk->root_fd : dirfd(walk->levels[depth - 1].dir),
                            .fd = dirfd(level->dir),
                            .depth = depth,
                            .st = level->st};
}

static bulla_status level_open(struct walk *walk, bulla_call *call, const cli_walk_entry *entry)
{
    if (walk->depth == CLI_WALK_DEPTH)
        return bulla_fail(call, BULLA_ELIMIT, "over %u folders inside one another", CLI_WALK_DEPTH);
    /* Only the root, which the caller named, may be a link. */
    int follow = walk->depth == 0 ? 0 : O_NOFOLLOW;
    int fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow);
    if (fd < 0) return cli_errno_fail(call, errno, "cannot open the folder");
    struct level *level = &walk->levels[walk->depth];
    level->dir = fstat(fd, &level->st) == 0 ? fdopendir(fd) : NULL;
    if (level->dir == NULL) {
        int code = errno;
        (void)close(fd);
        return cli_errno_fail(call, code, "cannot read the folder");
    }
    walk->depth++;
    return BULLA_OK;
}

static void level_close(struct walk *walk)
{
    walk->depth--;
    (void)closedir(walk->levels[walk->depth].dir);
}

/* Goes down into a folder. The path already ends with its name, which begins at `name_at`. */
static bulla_status folder_enter(struct walk *walk, bulla_call *call, const cli_walk_entry *entry, size_t name_at)
{
    bulla_status status = level_open(walk, call, entry);
    if (status != BULLA_OK) return visit_failed(walk, call, status, entry);
    struct level *level = &walk->levels[walk->depth - 1];
    level->path_len = strlen(walk->path);
    level->name_at = name_at;
    cli_walk_entry folder = folder_entry(walk, walk->depth - 1);
    status = walk->visit(walk->arg, call, CLI_WALK_ENTER, &folder);
    if (status == BULLA_OK) return BULLA_OK;
    status = visit_failed(walk, call, status, &folder);
    level_close(walk);
    return status;
}

static bulla_status folder_leave(struct walk *walk, bulla_call *call)
{
    cli_walk_entry folder = folder_entry(walk, walk->depth - 1);
    bulla_status status = walk->visit(walk->arg, call, CLI_WALK_LEAVE, &folder);
    if (status != BULLA_OK) status = visit_failed(walk, call, status, &folder);
    level_close(walk);
    return status;
}

static bulla_status entry_visit(struct walk *walk, bulla_call *call, const char *name, size_t name_at)
{
    cli_walk_entry entry = {.path = walk->path,
                            .name = name,
                            .dir_fd = dirfd(walk->levels[walk->depth - 1].dir),
                            .fd = -1,
                            .depth = walk->depth};
    bulla_status status = BULLA_OK;
    if (fstatat(entry.dir_fd, name, &entry.st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return BULLA_OK; /* gone since the folder was read */
        status = cli_errno_fail(call, errno, "cannot look at it");
    } else if (S_ISDIR(entry.st.st_mode)) {
        return folder_enter(walk, call, &entry, name_at);
    } else {
        cli_walk_event event = S_ISREG(entry.st.st_mode) ? CLI_WALK_FILE : CLI_WALK_SKIP;
        status = walk->visit(walk->arg, call, event, &entry);
    }
    return status == BULLA_OK ? BULLA_OK : visit_failed(walk, call, status, &entry);
}

/* The next name in the innermost folder; NULL at its end. A folder that cannot be read to its end is a failure. */
static bulla_status name_next(struct walk *walk, bulla_call *call, const char **out_name)
{
    struct level *level = &walk->levels[walk->depth - 1];
    walk->path[level->path_len] = '\0';
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(level->dir);
        *out_name = found == NULL ? NULL : found->d_name;
        if (found == NULL) break;
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0) return BULLA_OK;
    }
    if (errno == 0) return BULLA_OK;
    cli_walk_entry folder = folder_entry(walk, walk->depth - 1);
    return visit_failed(walk, call, cli_errno_fail(call, errno, "cannot read the folder"), &folder);
}

static bulla_status step(struct walk *walk, bulla_call *call)
{
    const char *name = NULL;
    bulla_status status = bulla_call_check(call);
    if (status == BULLA_OK) status = name_next(walk, call, &name);
    if (status != BULLA_OK) return status;
    if (name == NULL) return folder_leave(walk, call);

    size_t at = walk->levels[walk->depth - 1].path_len;
    size_t len = strlen(name);
    if (at + 1 + len >= CLI_WALK_PATH) {
        cli_walk_entry folder = folder_entry(walk, walk->depth - 1);
        status = bulla_fail(call, BULLA_ELIMIT, "a path in it is over %u bytes", CLI_WALK_PATH - 1);
        return visit_failed(walk, call, status, &folder);
    }
    walk->path[at] = '/';
    memcpy(walk->path + at + 1, name, len + 1);
    return entry_visit(walk, call, walk->path + at + 1, at + 1);
}

bulla_status cli_walk(bulla_call *call, int dir_fd, const char *name, const char *path, cli_walk_visit visit, void *arg)
{
    size_t len = strlen(path);
    if (len >= CLI_WALK_PATH) return bulla_fail(call, BULLA_ELIMIT, "the path is too long");
    struct walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory to walk the folder");
    walk->visit = visit;
    walk->arg = arg;
    walk->root_fd = dir_fd;
    walk->root_name = name;
    while (len > 1 && path[len - 1] == '/')
        len--;
    memcpy(walk->path, path, len);
    cli_walk_entry root = {.path = walk->path, .name = name, .dir_fd = dir_fd, .fd = -1};
    bulla_status status = folder_enter(walk, call, &root, 0);
    while (status == BULLA_OK && walk->depth > 0)
        status = step(walk, call);
    while (walk->depth > 0)
        level_close(walk);
    free(walk);
    return status;
}
