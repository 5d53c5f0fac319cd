/* SPDX-License-Identifier: Apache-2.0 */
/* bulla datakey */
#include "cli/verbs.h"

#include <string.h>
#include <unistd.h>

#define MAX_ENTRY 8192u /* bytes of a wrapped key with its provider and info; every provider's is far smaller */

static size_t put_part(uint8_t *out, size_t len, bulla_view part)
{
    out[len] = (uint8_t)(part.len >> 8);
    out[len + 1] = (uint8_t)part.len;
    if (part.len != 0) memcpy(out + len + 2, part.data, part.len);
    return len + 2 + part.len;
}

/* Base64 of the entry as messages carry it (message-header.md, Encrypted Data Key Entry). */
static bulla_status entry_text(struct cli *cli, const bulla_wrapped *wrapped, char out[2 * MAX_ENTRY])
{
    uint8_t entry[MAX_ENTRY];
    if (wrapped->provider.len + wrapped->info.len + wrapped->blob.len + 6 > sizeof entry)
        return bulla_fail(&cli->call, BULLA_ELIMIT, "the wrapped key is over %u bytes", MAX_ENTRY);
    size_t len = put_part(entry, 0, wrapped->provider);
    len = put_part(entry, len, wrapped->info);
    len = put_part(entry, len, wrapped->blob);
    cli_base64(entry, len, out);
    return BULLA_OK;
}

struct plain_line {
    char text[128];
};

static void plain_line_done(struct plain_line *line)
{
    bulla_wipe(line, sizeof *line);
}

/* Past stdio and JSON values: both would keep a copy of the key. */
static bulla_status print_plain(struct cli *cli, const bulla_secret *dek)
{
    CLI_AUTO(plain_line_done) struct plain_line line;
    bulla_view bytes = bulla_secret_borrow(dek);
    const char *before = cli->json ? "  \"plaintext\": \"" : "plaintext:  ", *after = cli->json ? "\",\n" : "\n";
    size_t len = strlen(before);
    memcpy(line.text, before, len);
    cli_base64(bytes.data, bytes.len, line.text + len);
    len += 4 * ((bytes.len + 2) / 3);
    memcpy(line.text + len, after, strlen(after));
    return cli_write(cli, STDOUT_FILENO, line.text, len + strlen(after));
}

/* `dek` and `id` may be NULL. */
static bulla_status print(struct cli *cli, const bulla_secret *dek, const char *id, const bulla_wrapped *wrapped)
{
    char text[2 * MAX_ENTRY];
    CLI_TRY(entry_text(cli, wrapped, text));
    if (cli->json) (void)printf("{\n");
    if (dek != NULL) CLI_TRY(print_plain(cli, dek));
    if (id != NULL) (void)printf(cli->json ? "  \"id\": \"%s\",\n" : "id:         %s\n", id);
    (void)printf(cli->json ? "  \"wrapped\": \"%s\"\n}\n" : "wrapped:    %s\n", text);
    return BULLA_OK;
}

static bulla_status keep(struct cli *cli, bulla *house, const char *address, bulla_context *context)
{
    CLI_AUTO(cli_datakey_done) bulla_datakey *datakey = NULL;
    char id[33] = "";
    if (strncmp(address, "local:", 6) != 0) return cli_usage(cli, "--keep is for local: keys");
    CLI_TRY(bulla_datakey_keep(house, &cli->call, address + 6, context, NULL, id, &datakey));
    return print(cli, NULL, id, bulla_datakey_wrapped(datakey));
}

static bulla_status make(struct cli *cli, bulla *house, const char *address, bulla_context *context)
{
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    CLI_AUTO(cli_secret_done) bulla_secret *dek = NULL;
    CLI_AUTO(cli_wrapped_done) bulla_wrapped *wrapped = NULL;
    bool is_wanted = !cli_flag(cli, "wrapped-only");
    CLI_TRY(bulla_provider_open(house, &cli->call, address, &provider));
    CLI_TRY(bulla_provider_datakey(provider, &cli->call, context, 0, is_wanted ? &dek : NULL, &wrapped));
    return print(cli, dek, NULL, wrapped);
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    CLI_AUTO(cli_context_done) bulla_context *context = NULL;
    CLI_TRY(cli_wrapping_check(cli, argv[0]));
    bool shows_key = !cli_flag(cli, "keep") && !cli_flag(cli, "wrapped-only");
    if (shows_key && cli->tty_out && !cli_flag(cli, "yes"))
        return cli_usage(cli, "this would show a key on the terminal: pipe it on, or say --yes or --wrapped-only");
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(cli_context_new(cli, &context));
    return cli_flag(cli, "keep") ? keep(cli, house, argv[0], context) : make(cli, house, argv[0], context);
}

static const struct cli_option options[] = {
    {0, "context", "KEY=VALUE", "bind this pair to the wrapped key", true},
    {0, "keep", NULL, "keep the wrapped key in the keystore and print its id, not the key", false},
    {0, "wrapped-only", NULL, "print the wrapped key alone; AWS KMS then shows the key to nobody", false},
    {'y', "yes", NULL, "show the key even on a terminal", false},
    {0},
};

const struct cli_verb cli_verb_datakey = {
    .name = "datakey",
    .summary = "Make a data key",
    .operands = "ADDRESS",
    .min_operands = 1,
    .max_operands = 1,
    .details = "Prints fresh bytes as base64, and the same wrapped under the key at ADDRESS: the entry that messages\n"
               "carry, as base64. They are 32, or as many as data_key_spec of the key store says.\n",
    .examples = "  bulla datakey local:orders --context table=orders --json\n"
                "  bulla datakey local:orders --keep\n",
    .options = options,
    .run = run,
};
