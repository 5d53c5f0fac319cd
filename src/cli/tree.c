/* SPDX-License-Identifier: Apache-2.0 */
/* Whole trees: a walk over the one that is read, and in step with it the one that is written. */
#include "cli/fdio.h"
#include "cli/files.h"
#include "cli/outfile.h"
#include "cli/shown.h"
#include "cli/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tree {
    struct cli_files *files;
    const struct cli_tree_place *place;
    size_t root_len; /* of the walked root's path */
    unsigned depth;  /* folders of the written tree that are open */
    struct {
        int fd;
        bool made;
    } folders[CLI_WALK_DEPTH];
    struct stat out_root;
    char out_path[CLI_WALK_PATH + PATH_MAX];
};

static bool in_place(const struct tree *tree)
{
    return tree->place->out_dir < 0;
}

/* Opens the folder of the written tree that belongs to `entry`, after making it where there is none. A symbolic link in
 * its place is not followed. */
static bulla_status folder_make(struct tree *tree, bulla_call *call, const cli_walk_entry *entry)
{
    int parent = entry->depth == 0 ? tree->place->out_dir : tree->folders[entry->depth - 1].fd;
    const char *name = entry->depth == 0 ? tree->place->out_name : entry->name;
    bool made = mkdirat(parent, name, 0700) == 0;
    if (!made && errno != EEXIST) return cli_errno_fail(call, errno, "cannot make its folder in the results");
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return cli_errno_fail(call, errno, "cannot open its folder in the results");
    tree->folders[entry->depth].fd = fd;
    tree->folders[entry->depth].made = made;
    tree->depth = entry->depth + 1;
    return BULLA_OK;
}

/* A walk that met its own results would go on for ever. */
static bulla_status results_check_outside(const struct tree *tree, bulla_call *call, const cli_walk_entry *entry)
{
    if (entry->st.st_dev != tree->out_root.st_dev || entry->st.st_ino != tree->out_root.st_ino) return BULLA_OK;
    return bulla_fail(call, BULLA_EINVAL, "is the folder of the results, which must lie outside the tree");
}

static void folder_close(struct tree *tree)
{
    tree->depth--;
    cli_fd_done(&tree->folders[tree->depth].fd);
}

static bulla_status folder_enter(struct tree *tree, bulla_call *call, const cli_walk_entry *entry)
{
    if (entry->depth == 0) tree->root_len = strlen(entry->path);
    if (in_place(tree)) return BULLA_OK;
    if (entry->depth > 0) {
        CLI_TRY(results_check_outside(tree, call, entry));
        return folder_make(tree, call, entry);
    }
    CLI_TRY(folder_make(tree, call, entry));
    bulla_status status = fstat(tree->folders[0].fd, &tree->out_root) == 0
                              ? results_check_outside(tree, call, entry)
                              : cli_errno_fail(call, errno, "cannot look at the results' folder");
    if (status != BULLA_OK) folder_close(tree);
    return status;
}

/* What the folder held is written: now its look, which may forbid writing, and its durability. */
static bulla_status folder_leave(struct tree *tree, bulla_call *call, const cli_walk_entry *entry)
{
    if (in_place(tree)) return BULLA_OK;
    int fd = tree->folders[entry->depth].fd;
    const struct timespec times[2] = {entry->st.st_atim, entry->st.st_mtim};
    bulla_status status = BULLA_OK;
    bool made = tree->folders[entry->depth].made;
    mode_t mode = made ? cli_group_give(fd, entry->st.st_gid, entry->st.st_mode & 0777) : 0;
    if (made && (fchmod(fd, mode) != 0 || futimens(fd, times) != 0))
        status = cli_errno_fail(call, errno, "cannot set the mode and times of its folder in the results");
    else if (fsync(fd) != 0)
        status = cli_errno_fail(call, errno, "cannot synchronise its folder in the results");
    folder_close(tree);
    return status;
}

static void skip(struct tree *tree, const cli_walk_entry *entry, const char *why)
{
    char shown[CLI_SHOWN];
    cli_shown((bulla_view){(const uint8_t *)entry->path, strlen(entry->path)}, shown, sizeof shown);
    tree->files->num_skipped++;
    if (why != NULL) cli_note(tree->files->cli, "%s: skipped: %s", shown, why);
}

static bool has_suffix(const char *name)
{
    size_t len = strlen(name), suffix = sizeof CLI_SUFFIX - 1;
    return len > suffix && strcmp(name + len - suffix, CLI_SUFFIX) == 0;
}

static bulla_status file_visit(struct tree *tree, const cli_walk_entry *entry)
{
    struct cli_files *files = tree->files;
    if (files->naming != CLI_NAME_ADD && !has_suffix(entry->name)) {
        skip(tree, entry, files->naming == CLI_NAME_STRIP ? "does not end in " CLI_SUFFIX : NULL);
        return BULLA_OK;
    }
    struct cli_task task = {.in_fd = -1,
                            .in_dir = entry->dir_fd,
                            .in_name = entry->name,
                            .in_path = entry->path,
                            .in_tree = true,
                            .out_fd = -1,
                            .out_dir = -1};
    if (in_place(tree)) return cli_files_do(files, &task);
    char name[NAME_MAX + 1];
    CLI_TRY(cli_files_name(files, entry->name, name, sizeof name));
    int folder = (int)(strlen(entry->path) - strlen(entry->name) - tree->root_len);
    (void)snprintf(tree->out_path, sizeof tree->out_path, "%s%.*s%s", tree->place->out_path, folder,
                   entry->path + tree->root_len, name);
    task.out_dir = tree->folders[entry->depth - 1].fd;
    task.out_name = name;
    task.out_path = tree->out_path;
    return cli_files_do(files, &task);
}

static bulla_status visit(void *arg, bulla_call *call, cli_walk_event event, const cli_walk_entry *entry)
{
    struct tree *tree = arg;
    switch (event) {
    case CLI_WALK_FILE: return file_visit(tree, entry);
    case CLI_WALK_ENTER: return folder_enter(tree, call, entry);
    case CLI_WALK_LEAVE: return folder_leave(tree, call, entry);
    case CLI_WALK_SKIP:
        skip(tree, entry, S_ISLNK(entry->st.st_mode) ? "a symbolic link" : "not a regular file");
        return BULLA_OK;
    case CLI_WALK_FAIL: cli_files_failed(tree->files, call->status, entry->path); return BULLA_OK;
    }
    return BULLA_OK;
}

bulla_status cli_files_tree(struct cli_files *files, const char *path, const struct cli_tree_place *place)
{
    bulla_call *call = &files->cli->call;
    struct tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory to walk the folder");
    tree->files = files;
    tree->place = place;
    bulla_status status = cli_walk(call, AT_FDCWD, path, path, visit, tree);
    while (tree->depth > 0)
        folder_close(tree);
    free(tree);
    return status;
}
