/* SPDX-License-Identifier: Apache-2.0 */
/* bulla repair: recipients that were owed when a message was made get their wrapped key. */
#include "cli/entry.h"
#include "cli/files.h"
#include "cli/header_swap.h"
#include "cli/opening.h"
#include "cli/shown.h"
#include "cli/verbs.h"

#include <string.h>

struct repair {
    struct cli_files files;
    struct cli_providers with;    /* open the data key */
    struct cli_providers allowed; /* may be made recipients: an address in a file alone opens nothing */
    uint64_t num_owed_still;
};

/* What one message owes. */
struct debts {
    bulla_provider *add[BULLA_MAX_RECIPIENTS];
    const char *names[BULLA_MAX_RECIPIENTS];
    size_t num;
    bulla_view unknown; /* the first that is owed to somebody who was not named here */
    size_t num_unknown;
};

static void message_done(bulla_message **message)
{
    bulla_message_close(*message);
}

static bool view_is(bulla_view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

static size_t owed_count(const bulla_message_info *info)
{
    size_t num = 0;
    for (size_t i = 0; i < info->num_recipients; i++)
        num += cli_entry_is_owed(&info->recipients[i]);
    return num;
}

static void debts_find(const struct repair *repair, const bulla_message_info *info, struct debts *debts)
{
    for (size_t i = 0; i < info->num_recipients; i++) {
        const bulla_wrapped *wrapped = &info->recipients[i];
        if (!cli_entry_is_owed(wrapped)) continue;
        size_t k = 0;
        while (k < repair->allowed.num && !view_is(wrapped->info, repair->allowed.addresses[k]))
            k++;
        if (k == repair->allowed.num) {
            if (debts->num_unknown++ == 0) debts->unknown = wrapped->info;
            continue;
        }
        debts->add[debts->num] = repair->allowed.list[k];
        debts->names[debts->num++] = repair->allowed.addresses[k];
    }
}

static bulla_status tell(struct repair *repair, const struct cli_task *task, size_t num_settled, size_t num_left)
{
    struct cli *cli = repair->files.cli;
    if (num_settled == 0) repair->files.num_unchanged++;
    if (cli->json)
        return cli_json(cli, json_pack("{s:o, s:I, s:I}", "file", cli_json_path(task->in_path), "settled",
                                       (json_int_t)num_settled, "owed", (json_int_t)num_left));
    if (cli->quiet || (task->in_tree && !cli_flag(cli, "verbose"))) return BULLA_OK;
    char shown[CLI_SHOWN];
    cli_shown((bulla_view){(const uint8_t *)task->in_path, strlen(task->in_path)}, shown, sizeof shown);
    if (num_settled == 0 && num_left == 0)
        (void)printf("%s: owes nothing\n", shown);
    else
        (void)printf("%s: %zu settled, %zu owed still\n", shown, num_settled, num_left);
    return BULLA_OK;
}

static bulla_status unknown_fail(struct cli *cli, const struct debts *debts)
{
    char shown[CLI_SHOWN];
    cli_shown(debts->unknown, shown, sizeof shown);
    return bulla_fail(&cli->call, BULLA_EINVAL,
                      "is owed to %.120s, which is no recipient here: name it with -r, or give it up with bulla rewrap "
                      "--drop INDEX",
                      shown);
}

static bulla_status header_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    (void)call;
    bulla_view *rest = arg;
    *out_len = len < rest->len ? len : rest->len;
    memcpy(buf, rest->data, *out_len);
    *rest = (bulla_view){rest->data + *out_len, rest->len - *out_len};
    return BULLA_OK;
}

/* Settles what can be settled; `out_left` is what is owed after it. */
static bulla_status settle(const struct repair *repair, struct cli_message_file *file, bulla_message *message,
                           const struct debts *debts, size_t *out_left)
{
    bulla_call *call = &repair->files.cli->call;
    bool in_place = false;
    CLI_AUTO(bulla_bytes_done) bulla_bytes header = {NULL, 0, NULL};
    CLI_AUTO(message_done) bulla_message *made = NULL;
    const bulla_message_info *info = bulla_message_info_get(message);
    const bulla_rewrap_options options = {.size = sizeof options,
                                          .open = repair->with.list,
                                          .num_open = repair->with.num,
                                          .add = debts->add,
                                          .num_add = debts->num,
                                          .add_names = debts->names,
                                          .keep_owed = true};
    CLI_TRY(bulla_message_rewrap(message, call, &options, &header));
    CLI_TRY(cli_header_swap(call, file, info->header_len, (bulla_view){header.data, header.len}, &in_place));
    bulla_view rest = {header.data, header.len};
    const bulla_source source = {header_read, &rest};
    CLI_TRY(bulla_message_open(call, &source, &made));
    *out_left = owed_count(bulla_message_info_get(made));
    return BULLA_OK;
}

static bulla_status job(void *arg, struct cli *cli, const struct cli_task *task)
{
    struct repair *repair = arg;
    struct debts debts = {.num = 0};
    CLI_AUTO(cli_message_file_done) struct cli_message_file file = {.input = {.fd = -1}};
    CLI_TRY(cli_message_file_open(&cli->call, task->in_dir, task->in_name, &file));
    bulla_source source = cli_input_source(&file.input);
    CLI_AUTO(message_done) bulla_message *message = NULL;
    CLI_TRY(bulla_message_open(&cli->call, &source, &message));
    const bulla_message_info *info = bulla_message_info_get(message);
    size_t num_owed = owed_count(info), num_left = num_owed;
    debts_find(repair, info, &debts);
    file.input.progress = &repair->files.progress;
    if (debts.num != 0) CLI_TRY(settle(repair, &file, message, &debts, &num_left));
    CLI_TRY(tell(repair, task, num_owed - num_left, num_left));
    repair->num_owed_still += num_left;
    if (debts.num_unknown != 0) return unknown_fail(cli, &debts);
    if (num_left == 0) return BULLA_OK;
    return bulla_fail(&cli->call, BULLA_EUNAVAIL, "%zu recipients do not answer still: try again later", num_left);
}

static void repair_done(struct repair *repair)
{
    cli_providers_done(&repair->with);
    cli_providers_done(&repair->allowed);
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    CLI_AUTO(repair_done)
    struct repair repair = {.files = {.cli = cli,
                                      .naming = CLI_NAME_KEEP,
                                      .done_word = "looked at",
                                      .job = job,
                                      .recursive = cli_flag(cli, "recursive")}};
    repair.files.arg = &repair;
    CLI_TRY(cli_opening_open(cli, "with", NULL, &repair.with));
    CLI_TRY(cli_recipients_open(cli, "recipient", true, &repair.allowed));
    bulla_status status = cli_files_run(&repair.files, argc, argv);
    if (repair.num_owed_still != 0)
        cli_note(cli, "%llu wrapped keys are owed still", (unsigned long long)repair.num_owed_still);
    return status;
}

static const struct cli_option options[] = {
    {'r', "recipient", "ADDRESS", "who may be made a recipient (default: the recipients in the configuration)", true},
    {0, "with", "ADDRESS", "open the data key with this key", true},
    {'R', "recursive", NULL, "do all files in folders whose names end in " CLI_SUFFIX, false},
    {0},
};

const struct cli_verb cli_verb_repair = {
    .name = "repair",
    .summary = "Add the recipients that did not answer when a file was encrypted",
    .operands = "FILE...",
    .min_operands = 1,
    .max_operands = -1,
    .leaves_no_history = true,
    .details =
        "A message made with --min-recipients may owe its data key to recipients whose stores did not answer. Each of\n"
        "them that is named with -r or in the configuration, by the same address, gets it now; the header alone\n"
        "changes, as with rewrap. What cannot be settled yet stays owed, and the exit status says so. bulla inspect\n"
        "shows what a file owes.\n",
    .examples = "  bulla repair -R /backup\n"
                "  bulla repair -r kms:dr letter.pdf.bulla\n",
    .options = options,
    .run = run,
};
