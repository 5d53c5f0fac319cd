/* SPDX-License-Identifier: Apache-2.0 */
/* bulla decrypt */
#include "cli/opening.h"
#include "cli/spool.h"
#include "cli/transfer.h"
#include "cli/verbs.h"

struct decryption {
    struct cli_transfer transfer; /* first: its copy and describe are handed nothing else */
    bulla_decrypt_options options;
    size_t likeliest; /* the key that opened the last file */
};

static void message_done(bulla_message **message)
{
    bulla_message_close(*message);
}

static bulla_status pass(struct decryption *decryption, struct cli_input *input, const bulla_sink *sink)
{
    bulla_source source = cli_input_source(input);
    return bulla_decrypt_copy(&decryption->transfer.files.cli->call, &decryption->options, &source, sink);
}

static bulla_status discard(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    (void)arg, (void)call, (void)offset, (void)bytes;
    return BULLA_OK;
}

/* By how it begins: version and suite (algorithm-suites.md; 02xx, 03xx and 05xx are the signed ones). */
static bool is_signed(const struct cli_input *input)
{
    const uint8_t *first = input->first;
    return (first[0] == 2 && first[1] == 5) || (first[0] == 1 && (first[2] == 2 || first[2] == 3));
}

/* Nothing of a signed message may be seen before the signature, which comes last, is checked. So the message is kept
 * while it is checked, encrypted as it is, and what is released is read from there: whoever could change the input
 * meanwhile cannot change that. */
static bulla_status copy_signed(struct decryption *decryption, struct cli_input *input, const bulla_sink *sink)
{
    struct cli *cli = decryption->transfer.files.cli;
    CLI_AUTO(cli_input_done) struct cli_input kept = {.fd = -1};
    CLI_AUTO(cli_fd_done) int fd = -1;
    CLI_TRY(cli_spool_open(cli, &fd));
    struct cli_output copy = {.fd = fd, .at = true};
    decryption->options.release_signed = true;
    input->copy = &copy;
    bulla_status status = pass(decryption, input, &(bulla_sink){.write = discard, .random_access = true});
    input->copy = NULL;
    if (status == BULLA_ENOSPACE)
        return bulla_fail(&cli->call, status,
                          "no room in %.80s to keep the signed message until it is checked: set TMPDIR, or say -o FILE",
                          cli_spool_folder(cli));
    CLI_TRY(status);
    CLI_TRY(cli_input_take(&cli->call, fd, &kept));
    fd = -1;
    return pass(decryption, &kept, sink);
}

static bulla_status copy(struct cli_transfer *transfer, struct cli_input *input, const bulla_sink *sink, bool kept)
{
    struct decryption *decryption = (struct decryption *)transfer;
    bulla_call *call = &transfer->files.cli->call;
    if (cli_input_is_regular(input)) CLI_TRY(cli_input_lock(call, input, false));
    decryption->options.threads = cli_transfer_threads(transfer, input);
    decryption->options.release_signed = kept;
    if (kept) return pass(decryption, input, sink);
    CLI_TRY(cli_input_peek(call, input));
    return is_signed(input) ? copy_signed(decryption, input, sink) : pass(decryption, input, sink);
}

static bulla_status describe(struct cli_transfer *transfer, struct cli_input *input, json_t *result)
{
    bulla_call *call = &transfer->files.cli->call;
    if (!cli_input_is_regular(input)) return BULLA_OK;
    CLI_TRY(cli_input_rewind(call, input));
    bulla_source source = cli_input_source(input);
    CLI_AUTO(message_done) bulla_message *message = NULL;
    CLI_TRY(bulla_message_open(call, &source, &message));
    const bulla_message_info *info = bulla_message_info_get(message);
    char suite[8];
    (void)snprintf(suite, sizeof suite, "0x%04x", info->suite);
    if (json_object_set_new(result, "suite", json_string(suite)) == 0 &&
        json_object_set_new(result, "recipients", json_integer((json_int_t)info->num_recipients)) == 0)
        return BULLA_OK;
    return bulla_fail(call, BULLA_ENOMEM, "no memory for the result");
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    struct decryption decryption = {.transfer = {.copy = copy, .describe = describe}};
    CLI_TRY(cli_transfer_init(&decryption.transfer, cli));
    decryption.transfer.files.naming = CLI_NAME_STRIP;
    decryption.transfer.files.done_word = "decrypted";
    bulla_pair pairs[CLI_MAX_PAIRS];
    size_t num_pairs = 0;
    CLI_TRY(cli_context_pairs(cli, pairs, CLI_MAX_PAIRS, &num_pairs));
    CLI_AUTO(cli_providers_done) struct cli_providers keys = {.num = 0};
    CLI_TRY(cli_opening_open(cli, "recipient", NULL, &keys));
    decryption.options = (bulla_decrypt_options){.size = sizeof decryption.options,
                                                 .recipients = keys.list,
                                                 .num_recipients = keys.num,
                                                 .require = pairs,
                                                 .num_require = num_pairs,
                                                 .legacy = cli_flag(cli, "legacy")};
    decryption.likeliest = SIZE_MAX;
    decryption.options.likeliest = &decryption.likeliest;
    return cli_files_run(&decryption.transfer.files, argc, argv);
}

static const struct cli_option options[] = {
    {'r', "recipient", "ADDRESS", "open with this key", true},
    {0, "context", "KEY=VALUE", "open only messages whose context holds this pair", true},
    CLI_TRANSFER_OPTIONS,
    {0, "legacy", NULL, "open messages of version 1, which have no key commitment, too", false},
    {0},
};

const struct cli_verb cli_verb_decrypt = {
    .name = "decrypt",
    .summary = "Decrypt files, folders or a stream",
    .operands = "[FILE...|-]",
    .max_operands = -1,
    .leaves_no_history = true,
    .details =
        "Each FILE.bulla is decrypted to FILE beside it, with its mode and times; with -R a folder to a folder of the\n"
        "same shape. -o names the result instead: the file for one FILE, the folder for several or for one folder. An\n"
        "output file appears only when all of the message was genuine. Nothing is replaced without --force.\n\n"
        "Without FILE, or with -, standard input is decrypted to standard output. Only genuine bytes are written, but "
        "a\n"
        "message cut short shows at its end: what came before a failure must be thrown away. A signed message is kept\n"
        "in a temporary file in $TMPDIR or /var/tmp, encrypted as it is, until its signature at the end is checked.\n\n"
        "Without -r the keystore is asked for whatever key the message names, and the configured recipients are "
        "tried.\n",
    .examples = "  bulla decrypt letter.pdf.bulla\n"
                "  bulla decrypt -r file:escrow.key -o letter.pdf letter.pdf.bulla\n"
                "  bulla decrypt --context host=a1 <site.tar.bulla | tar x\n",
    .options = options,
    .run = run,
};
