/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/files.h"

#include "cli/place.h"
#include "cli/shown.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int gravity(bulla_status status)
{
    switch (bulla_status_class(status)) {
    case BULLA_CLASS_OK: return 0;
    case BULLA_CLASS_RETRY: return 1;
    case BULLA_CLASS_CALLER: return 2;
    case BULLA_CLASS_UNSURE: return 3;
    case BULLA_CLASS_FATAL: return 4;
    case BULLA_CLASS_STOP: return 5;
    }
    return 4;
}

bulla_status cli_graver(bulla_status a, bulla_status b)
{
    return gravity(b) > gravity(a) ? b : a;
}

void cli_files_failed(struct cli_files *files, bulla_status status, const char *path)
{
    cli_progress_end(&files->progress);
    cli_report(files->cli, path);
    files->num_failed++;
    files->worst = cli_graver(files->worst, status);
}

bulla_status cli_files_do(struct cli_files *files, const struct cli_task *task)
{
    bulla_status status = files->job(files->arg, files->cli, task);
    if (status == BULLA_OK) {
        files->num_done++;
        return BULLA_OK;
    }
    cli_files_failed(files, status, task->in_path);
    return bulla_status_class(status) == BULLA_CLASS_STOP ? status : BULLA_OK;
}

bulla_status cli_files_name(struct cli_files *files, const char *name, char *out, size_t cap)
{
    bulla_call *call = &files->cli->call;
    size_t len = strlen(name), suffix = sizeof CLI_SUFFIX - 1;
    if (files->naming == CLI_NAME_ADD) {
        if (len + suffix >= cap) return bulla_fail(call, BULLA_ELIMIT, "the name is too long with %s", CLI_SUFFIX);
        memcpy(out, name, len);
        memcpy(out + len, CLI_SUFFIX, suffix + 1);
        return BULLA_OK;
    }
    if (len <= suffix || len - suffix >= cap || strcmp(name + len - suffix, CLI_SUFFIX) != 0)
        return bulla_fail(call, BULLA_EINVAL, "does not end in %s: say -o OUT", CLI_SUFFIX);
    memcpy(out, name, len - suffix);
    out[len - suffix] = '\0';
    return BULLA_OK;
}

/* --- one operand --- */

/* The place of an operand's result. `several`: -o names the folder for all of them. */
static bulla_status place_of(struct cli_files *files, const char *path, bool several, bool is_tree,
                             struct cli_place *out_place)
{
    bulla_call *call = &files->cli->call;
    struct stat st;
    const char *output = files->output;
    bool folder = output != NULL && !is_tree && stat(output, &st) == 0 && S_ISDIR(st.st_mode);
    size_t len = output == NULL ? 0 : strlen(output);
    if (!several && !folder && !is_tree && len != 0 && output[len - 1] == '/')
        return bulla_fail(call, BULLA_ENOFILE, "there is no folder %.160s to write to", output);
    if (output != NULL && !several && !folder) return cli_place_open_output(call, output, out_place);

    char base[NAME_MAX + 1], name[NAME_MAX + 1];
    CLI_TRY(cli_base_name(call, path, base));
    CLI_TRY(cli_files_name(files, base, name, sizeof name));
    return cli_place_open_beside(call, path, output, name, out_place);
}

static bulla_status tree_do(struct cli_files *files, const char *path, bool several)
{
    bulla_call *call = &files->cli->call;
    if (!files->recursive) return bulla_fail(call, BULLA_EINVAL, "is a folder: use -R for whole trees");
    if (files->naming == CLI_NAME_KEEP) return cli_files_tree(files, path, &(struct cli_tree_place){-1, NULL, NULL});
    CLI_AUTO(cli_place_done) struct cli_place place = CLI_NO_PLACE;
    CLI_TRY(place_of(files, path, several, true, &place));
    if (place.fd >= 0) return bulla_fail(call, BULLA_EINVAL, "a tree needs a folder for its results, not a stream");
    return cli_files_tree(files, path, &(struct cli_tree_place){place.dir_fd, place.name, place.path});
}

static bulla_status file_do(struct cli_files *files, const char *path, bool several)
{
    bulla_call *call = &files->cli->call;
    CLI_AUTO(cli_place_done) struct cli_place place = CLI_NO_PLACE;
    if (files->naming == CLI_NAME_KEEP) {
        CLI_TRY(cli_place_open(call, path, &place));
        return cli_files_do(files, &(struct cli_task){.in_fd = -1,
                                                      .in_dir = place.dir_fd,
                                                      .in_name = place.name,
                                                      .in_path = path,
                                                      .out_fd = -1,
                                                      .out_dir = -1});
    }
    CLI_TRY(place_of(files, path, several, false, &place));
    if (place.fd == STDOUT_FILENO && files->cli->json)
        return cli_usage(files->cli, "--json needs standard output for itself: say -o FILE");
    return cli_files_do(files, &(struct cli_task){.in_fd = -1,
                                                  .in_dir = AT_FDCWD,
                                                  .in_name = path,
                                                  .in_path = path,
                                                  .out_fd = place.fd,
                                                  .out_dir = place.dir_fd,
                                                  .out_name = place.name,
                                                  .out_path = place.path,
                                                  .any_input = files->output != NULL && !several});
}

static bulla_status operand_do(struct cli_files *files, const char *path, bool several)
{
    struct stat st;
    /* Links on the command line are what the caller means; links inside trees are not followed. */
    bool is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    uint64_t failed = files->num_failed;
    bulla_status status = is_folder ? tree_do(files, path, several) : file_do(files, path, several);
    bool counted = files->num_failed != failed;
    if (status != BULLA_OK && !counted) cli_files_failed(files, status, path);
    return bulla_status_class(status) == BULLA_CLASS_STOP ? status : BULLA_OK;
}

/* --- all of them --- */

static bulla_status stream_do(struct cli_files *files)
{
    struct cli *cli = files->cli;
    const char *output = files->output == NULL ? "-" : files->output;
    if (files->naming == CLI_NAME_KEEP) return cli_usage(cli, "a stream cannot be changed in place: name a file");
    if (files->naming == CLI_NAME_STRIP && cli->tty_in)
        return cli_usage(cli, "standard input is a terminal: name a FILE, or read from a pipe");
    if (files->naming == CLI_NAME_ADD && files->output == NULL && cli->tty_out)
        return cli_usage(cli, "standard output is a terminal: say -o FILE, or -o - if that is what you want");
    CLI_AUTO(cli_place_done) struct cli_place place = CLI_NO_PLACE;
    CLI_TRY(cli_place_open_output(&cli->call, output, &place));
    if (place.fd == STDOUT_FILENO && cli->json)
        return cli_usage(cli, "--json needs standard output for itself: say -o FILE");
    CLI_TRY(cli_files_do(files, &(struct cli_task){.in_fd = STDIN_FILENO,
                                                   .in_path = "standard input",
                                                   .out_fd = place.fd,
                                                   .out_dir = place.dir_fd,
                                                   .out_name = place.name,
                                                   .out_path = place.path,
                                                   .any_input = true}));
    return files->worst;
}

/* One stream for several files is not what -o - means, and "-" is no folder. */
static bulla_status operands_check(const struct cli_files *files, int argc, char **argv)
{
    for (int i = 0; i < argc && argc > 1; i++)
        if (strcmp(argv[i], "-") == 0)
            return cli_usage(files->cli, "standard input (-) goes alone; a file of that name is ./-");
    if (argc > 1 && files->output != NULL && strcmp(files->output, "-") == 0)
        return cli_usage(files->cli, "standard output (-o -) takes one FILE; a folder of that name is ./-");
    return BULLA_OK;
}

struct operand {
    const char *path, *name;
    size_t len; /* of the name, without slashes after it */
};

static int by_name(const void *left, const void *right)
{
    const struct operand *a = left, *b = right;
    int order = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* With --force the second of one name would take the place of the first, in silence. */
static bulla_status names_check(const struct cli_files *files, int argc, char **argv)
{
    size_t num = (size_t)argc;
    struct operand *operands = calloc(num, sizeof *operands);
    if (operands == NULL) return bulla_fail(&files->cli->call, BULLA_ENOMEM, "no memory for the names");
    for (size_t i = 0; i < num; i++) {
        size_t begin = 0, end = 0;
        cli_last_part(argv[i], &begin, &end);
        operands[i] = (struct operand){argv[i], argv[i] + begin, end - begin};
    }
    qsort(operands, num, sizeof *operands, by_name);
    bulla_status status = BULLA_OK;
    for (size_t i = 1; i < num && status == BULLA_OK; i++)
        if (by_name(&operands[i - 1], &operands[i]) == 0)
            status = bulla_fail(&files->cli->call, BULLA_EINVAL,
                                "%.80s and %.80s would have one result in %.80s: do them apart", operands[i - 1].path,
                                operands[i].path, files->output);
    free(operands);
    return status;
}

/* Bytes of all operands; 0 when that is not known before the work is done. */
static uint64_t total_of(const struct cli_files *files, int argc, char **argv)
{
    uint64_t total = 0;
    for (int i = 0; i < argc && !files->recursive; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISREG(st.st_mode)) total += (uint64_t)st.st_size;
    }
    return total;
}

static struct cli_text count(uint64_t num, const char *what)
{
    struct cli_text text = {""};
    if (num != 0) (void)snprintf(text.text, sizeof text.text, ", %llu %s", (unsigned long long)num, what);
    return text;
}

static void summarize(const struct cli_files *files)
{
    uint64_t done = files->num_done - files->num_unchanged;
    cli_note(files->cli, "%s %llu file%s%s%s%s", files->done_word, (unsigned long long)done, done == 1 ? "" : "s",
             count(files->num_unchanged, "unchanged").text, count(files->num_skipped, "skipped").text,
             count(files->num_failed, "failed").text);
}

bulla_status cli_files_run(struct cli_files *files, int argc, char **argv)
{
    struct cli *cli = files->cli;
    bool several = argc > 1;
    bool stream = argc == 0 || (argc == 1 && strcmp(argv[0], "-") == 0);
    CLI_TRY(operands_check(files, argc, argv));
    if (several && files->output != NULL) CLI_TRY(names_check(files, argc, argv));
    cli_progress_begin(cli, &files->progress, files->done_word, total_of(files, argc, argv), true);
    if (stream) {
        bulla_status status = stream_do(files);
        cli_progress_end(&files->progress);
        return status;
    }
    if (several && files->output != NULL && mkdir(files->output, 0777) != 0 && errno != EEXIST)
        return cli_errno(cli, files->output);
    bulla_status status = BULLA_OK;
    for (int i = 0; i < argc && status == BULLA_OK; i++)
        status = operand_do(files, argv[i], several);
    cli_progress_end(&files->progress);
    if (several || files->recursive) summarize(files);
    return status != BULLA_OK ? status : files->worst;
}
