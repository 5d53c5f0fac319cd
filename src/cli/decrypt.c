/* SPDX-License-Identifier: Apache-2.0 */
/* bulla decrypt */
#include "cli/opening.h"
#include "cli/transfer.h"
#include "cli/verbs.h"

struct decryption {
    struct cli_transfer transfer; /* first: its copy and describe are handed nothing else */
    bulla_decrypt_options options;
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

/* Nothing of a signed message may be seen before the signature, which comes last, is checked: to a stream it goes in a
 * second reading. */
static bulla_status read_signed_first(struct decryption *decryption, struct cli_input *input)
{
    bulla_call *call = &decryption->transfer.files.cli->call;
    bulla_source source = cli_input_source(input);
    CLI_AUTO(message_done) bulla_message *message = NULL;
    CLI_TRY(bulla_message_open(call, &source, &message));
    CLI_TRY(cli_input_rewind(call, input));
    if (!bulla_message_info_get(message)->is_signed) return BULLA_OK;
    struct cli_progress *progress = input->progress;
    input->progress = NULL;
    decryption->options.release_signed = true;
    CLI_TRY(pass(decryption, input, &(bulla_sink){.write = discard, .random_access = true}));
    input->progress = progress;
    CLI_TRY(cli_input_check_same(call, input));
    return cli_input_rewind(call, input);
}

/* By how it begins: version and suite (algorithm-suites.md; 02xx, 03xx and 05xx are the signed ones). */
static bool is_signed(const struct cli_input *input)
{
    const uint8_t *first = input->first;
    return (first[0] == 2 && first[1] == 5) || (first[0] == 1 && (first[2] == 2 || first[2] == 3));
}

static bulla_status explain(bulla_call *call, bulla_status status, const struct cli_input *input, bool released)
{
    if (status == BULLA_EUNSUPPORTED && released && is_signed(input))
        return bulla_fail(call, status,
                          "a signed message cannot be checked before it is written when it comes from a pipe: "
                          "say -o FILE");
    return status;
}

static bulla_status copy(struct cli_transfer *transfer, struct cli_input *input, const bulla_sink *sink, bool kept)
{
    struct decryption *decryption = (struct decryption *)transfer;
    bulla_call *call = &transfer->files.cli->call;
    bool regular = cli_input_is_regular(input);
    if (regular) CLI_TRY(cli_input_lock(call, input, false));
    decryption->options.threads = cli_transfer_threads(transfer, input);
    decryption->options.release_signed = kept;
    bulla_status status = kept || !regular ? BULLA_OK : read_signed_first(decryption, input);
    if (status == BULLA_OK) status = pass(decryption, input, sink);
    return explain(call, status, input, !kept && !regular);
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
    CLI_AUTO(cli_providers_done) struct cli_providers keys = {{NULL}, 0};
    CLI_TRY(cli_opening_open(cli, "recipient", &keys));
    decryption.options = (bulla_decrypt_options){.size = sizeof decryption.options,
                                                 .recipients = keys.list,
                                                 .num_recipients = keys.num,
                                                 .require = pairs,
                                                 .num_require = num_pairs,
                                                 .legacy = cli_flag(cli, "legacy")};
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
        "message cut short shows at its end: what came before a failure must be thrown away. A signed message goes to\n"
        "standard output only from a file, which is read twice; from a pipe say -o FILE.\n\n"
        "Without -r the keystore is asked for whatever key the message names, and the configured recipients are "
        "tried.\n",
    .examples = "  bulla decrypt letter.pdf.bulla\n"
                "  bulla decrypt -r file:escrow.key -o letter.pdf letter.pdf.bulla\n"
                "  bulla decrypt --context host=a1 <site.tar.bulla | tar x\n",
    .options = options,
    .run = run,
};
