/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/transfer.h"

#include "cli/outfile.h"
#include "cli/shown.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LARGE_FILE (64u << 20) /* from here on a second thread earns its start */

static bulla_status tell(struct cli_transfer *transfer, const struct cli_task *task, struct cli_input *input,
                         const struct cli_output *output)
{
    struct cli *cli = transfer->files.cli;
    if (!cli->json) return BULLA_OK;
    CLI_AUTO(cli_json_done)
    json_t *result = json_pack("{s:o, s:o, s:I, s:I}", "input", cli_json_path(task->in_path), "output",
                               cli_json_path(task->out_path), "bytes_in", (json_int_t)input->len, "bytes_out",
                               (json_int_t)output->len);
    if (result == NULL) return bulla_fail(&cli->call, BULLA_ENOMEM, "no memory for the result");
    CLI_TRY(transfer->describe(transfer, input, result));
    return cli_json(cli, json_incref(result));
}

static bulla_status input_open(struct cli *cli, const struct cli_task *task, struct cli_input *out_input)
{
    if (task->in_fd >= 0) return cli_input_take(&cli->call, task->in_fd, out_input);
    int follow = task->in_tree ? O_NOFOLLOW : 0;
    return cli_input_open(&cli->call, task->in_dir, task->in_name, O_RDONLY | follow, task->any_input, out_input);
}

/* What a stream has taken cannot be called back. */
static bulla_status fail_incomplete(bulla_call *call, bulla_status status)
{
    char why[sizeof call->why];
    memcpy(why, call->why, sizeof why);
    return bulla_fail(call, status, "%.160s; the output is incomplete: throw it away", why);
}

static bulla_status to_stream(struct cli_transfer *transfer, const struct cli_task *task, struct cli_input *input)
{
    CLI_AUTO(cli_fd_done) int pipe = cli_pipe_reopen(task->out_fd);
    struct cli_output output = {.fd = pipe >= 0 ? pipe : task->out_fd};
    bulla_sink sink = cli_output_sink(&output);
    bulla_status status = transfer->copy(transfer, input, &sink, false);
    if (status == BULLA_OK) return tell(transfer, task, input, &output);
    return output.len == 0 ? status : fail_incomplete(&transfer->files.cli->call, status);
}

static bulla_status to_file(struct cli_transfer *transfer, const struct cli_task *task, struct cli_input *input)
{
    bulla_call *call = &transfer->files.cli->call;
    CLI_AUTO(cli_outfile_done) struct cli_outfile file = {.fd = -1};
    CLI_TRY(cli_outfile_open(call, task->out_dir, task->out_name, transfer->force, &file));
    struct cli_output output = {.fd = file.fd, .at = true};
    bulla_sink sink = cli_output_sink(&output);
    CLI_TRY(transfer->copy(transfer, input, &sink, true));
    CLI_TRY(cli_input_check_same(call, input));
    struct cli_outfile_look look = cli_outfile_look_of(cli_input_is_regular(input) ? &input->st : NULL);
    /* The walk synchronises a tree's folders, each once. */
    CLI_TRY(cli_outfile_commit(&file, call, &look, !task->in_tree));
    return tell(transfer, task, input, &output);
}

static bulla_status job(void *arg, struct cli *cli, const struct cli_task *task)
{
    struct cli_transfer *transfer = arg;
    CLI_AUTO(cli_input_done) struct cli_input input = {.fd = -1};
    CLI_TRY(input_open(cli, task, &input));
    input.progress = &transfer->files.progress;
    return task->out_fd >= 0 ? to_stream(transfer, task, &input) : to_file(transfer, task, &input);
}

bulla_status cli_transfer_init(struct cli_transfer *transfer, struct cli *cli)
{
    uint64_t threads = 0;
    CLI_TRY(cli_number(cli, "threads", 1, CLI_MAX_THREADS, 0, &threads));
    transfer->threads = (unsigned)threads;
    transfer->force = cli_flag(cli, "force");
    transfer->files.cli = cli;
    transfer->files.output = cli_value(cli, "output");
    transfer->files.recursive = cli_flag(cli, "recursive");
    transfer->files.job = job;
    transfer->files.arg = transfer;
    return BULLA_OK;
}

unsigned cli_transfer_threads(const struct cli_transfer *transfer, const struct cli_input *input)
{
    if (transfer->threads != 0) return transfer->threads;
    bool large = cli_input_is_regular(input) && input->st.st_size >= LARGE_FILE;
    return large && sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1;
}
