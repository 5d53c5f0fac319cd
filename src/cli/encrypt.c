/* SPDX-License-Identifier: Apache-2.0 */
/* bulla encrypt */
#include "cli/transfer.h"
#include "cli/verbs.h"

#define MIN_FRAME 1u

struct encryption {
    struct cli_transfer transfer; /* first: its copy and describe are handed nothing else */
    bulla_encrypt_options options;
    size_t num_owed;    /* recipients of the last message that are owed */
    uint64_t num_owing; /* messages with such */
};

static bulla_status copy(struct cli_transfer *transfer, struct cli_input *input, const bulla_sink *sink, bool kept)
{
    (void)kept; /* half a message is no secret and does not decrypt */
    struct encryption *encryption = (struct encryption *)transfer;
    encryption->options.threads = cli_transfer_threads(transfer, input);
    bulla_source source = cli_input_source(input);
    CLI_TRY(bulla_encrypt_copy(&transfer->files.cli->call, &encryption->options, &source, sink));
    if (encryption->num_owed != 0) encryption->num_owing++;
    return BULLA_OK;
}

static bulla_status describe(struct cli_transfer *transfer, struct cli_input *input, json_t *result)
{
    (void)input;
    const struct encryption *encryption = (const struct encryption *)transfer;
    char suite[8];
    (void)snprintf(suite, sizeof suite, "0x%04x", encryption->options.suite);
    if (json_object_set_new(result, "suite", json_string(suite)) == 0 &&
        json_object_set_new(result, "recipients", json_integer((json_int_t)encryption->options.num_recipients)) == 0 &&
        json_object_set_new(result, "owed", json_integer((json_int_t)encryption->num_owed)) == 0)
        return BULLA_OK;
    return bulla_fail(&transfer->files.cli->call, BULLA_ENOMEM, "no memory for the result");
}

static bulla_status options_read(struct cli *cli, struct encryption *encryption)
{
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    bulla_encrypt_options *options = &encryption->options;
    options->size = sizeof *options;
    options->suite = settings->suite == 0 ? BULLA_SUITE_COMMIT : settings->suite;
    if (cli_flag(cli, "sign")) options->suite = BULLA_SUITE_COMMIT_SIGNED;
    uint64_t frame = 0;
    uint64_t min = 0;
    CLI_TRY(cli_number(cli, "min-recipients", 1, BULLA_MAX_RECIPIENTS, settings->min_recipients, &min));
    options->min_recipients = (size_t)min;
    CLI_TRY(cli_size(cli, "frame-size", MIN_FRAME, BULLA_MAX_FRAME, settings->frame_len, &frame));
    options->frame_len = (uint32_t)frame;
    return BULLA_OK;
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    struct encryption encryption = {.transfer = {.copy = copy, .describe = describe}};
    CLI_TRY(cli_transfer_init(&encryption.transfer, cli));
    encryption.transfer.files.naming = CLI_NAME_ADD;
    encryption.transfer.files.done_word = "encrypted";
    CLI_TRY(options_read(cli, &encryption));
    CLI_AUTO(cli_providers_done) struct cli_providers recipients = {.num = 0};
    CLI_TRY(cli_recipients_open(cli, "recipient", true, &recipients));
    if (recipients.num == 0)
        return cli_usage(cli, "no recipient: say -r ADDRESS, such as -r local:NAME, or configure recipients");
    CLI_AUTO(cli_context_done) bulla_context *context = NULL;
    CLI_TRY(cli_context_new(cli, &context));
    encryption.options.recipients = recipients.list;
    encryption.options.num_recipients = recipients.num;
    encryption.options.context = context;
    encryption.options.names = recipients.addresses;
    encryption.options.num_owed = &encryption.num_owed;
    bulla_status status = cli_files_run(&encryption.transfer.files, argc, argv);
    if (encryption.num_owing != 0)
        cli_note(cli, "%llu message%s made without a recipient that did not answer: run \"bulla repair\" when it does",
                 (unsigned long long)encryption.num_owing, encryption.num_owing == 1 ? " was" : "s were");
    return status;
}

static const struct cli_option options[] = {
    {'r', "recipient", "ADDRESS", "wrap the data key for this key", true},
    {0, "context", "KEY=VALUE", "bind this pair to the message; it is stored in clear", true},
    CLI_TRANSFER_OPTIONS,
    {0, "sign", NULL, "add an ECDSA P-384 signature (suite 0x0578)", false},
    {0, "min-recipients", "N", "enough when this many of the keys answer; \"bulla repair\" adds the others", false},
    {0, "frame-size", "SIZE", "bytes of plaintext in a frame", false},
    {0},
};

const struct cli_verb cli_verb_encrypt = {
    .name = "encrypt",
    .summary = "Encrypt files, folders or a stream",
    .operands = "[FILE...|-]",
    .max_operands = -1,
    .leaves_no_history = true,
    .details =
        "Each FILE is encrypted to FILE.bulla beside it, with its mode and times; with -R a folder to a folder of the\n"
        "same shape. -o names the result instead: the file for one FILE, the folder for several or for one folder.\n"
        "Without FILE, or with -, standard input is encrypted to standard output. Nothing is replaced without "
        "--force,\n"
        "and nothing is left behind on failure. Symbolic links met in folders are left out, and said so.\n\n"
        "Without -r the message is for the recipients in the configuration.\n",
    .examples = "  bulla encrypt -r local:files letter.pdf\n"
                "  bulla encrypt -r local:files -r file:escrow.key -R photos -o /backup/photos\n"
                "  tar c . | bulla encrypt -r local:files --context host=a1 >site.tar.bulla\n",
    .options = options,
    .run = run,
};
