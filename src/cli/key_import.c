/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key import, bulla key export-public */
#include "cli/key.h"
#include "cli/save.h"

#include <string.h>

#define MAX_TOKEN_FILE 256u
#define MAX_MATERIAL 4096u /* RSA-4096 ciphertext and AES-KWP of a key are under 1 KiB */

static bulla_status print_import(struct cli *cli, const bulla_import *import, const char *pem_path)
{
    if (cli->json)
        return cli_json(cli, json_pack("{s:s, s:s, s:s, s:o}", "token", import->token, "public_key", import->public_pem,
                                       "public_key_file", pem_path, "expires", cli_json_date(import->expires_s)));
    (void)printf("%s\n", import->token);
    cli_note(cli, "Wrap the key with %s and import it with this token until %s.", pem_path,
             cli_when(cli, import->expires_s).text);
    return BULLA_OK;
}

static bulla_status begin(struct cli *cli, bulla *house, const char *name)
{
    bulla_import import;
    uint64_t valid = 0;
    const char *path = cli_value(cli, "public-key");
    if (path == NULL) return cli_usage(cli, "--begin needs --public-key OUT.pem");
    CLI_AUTO(cli_save_done) struct cli_save save = CLI_NO_SAVE;
    CLI_TRY(cli_duration(cli, "valid", 60, 604800, 86400, &valid));
    CLI_TRY(cli_save_open(cli, path, cli_flag(cli, "force"), &save)); /* first: a token without its key is of no use */
    CLI_TRY(bulla_key_import_begin(house, &cli->call, name, (uint32_t)valid, &import));
    CLI_TRY(cli_write(cli, save.fd, import.public_pem, strlen(import.public_pem)));
    CLI_TRY(cli_save_commit(cli, &save, 0644));
    return print_import(cli, &import, path);
}

/* Never from the command line, which every user of the machine can read. */
static bulla_status read_token(struct cli *cli, char out_token[65])
{
    CLI_AUTO(bulla_bytes_done) bulla_bytes text = {NULL, 0, &cli->env};
    const char *path = cli_flag(cli, "token-stdin") ? "-" : cli_value(cli, "token-file");
    CLI_TRY(cli_read(cli, path, MAX_TOKEN_FILE, &text));
    size_t len = text.len;
    while (len != 0 && (text.data[len - 1] == '\n' || text.data[len - 1] == '\r' || text.data[len - 1] == ' '))
        len--;
    if (len == 0 || len > 64 || memchr(text.data, 0, len) != NULL)
        return bulla_fail(&cli->call, BULLA_EFORMAT, "%s holds no import token", path);
    memcpy(out_token, text.data, len);
    out_token[len] = '\0';
    return BULLA_OK;
}

static bulla_status finish(struct cli *cli, bulla *house, const char *name, const char *wrapped_path)
{
    bulla_key_info info;
    char token[65];
    if (cli_flag(cli, "token-stdin") && strcmp(wrapped_path, "-") == 0)
        return cli_usage(cli, "standard input can be the token or the wrapped key, not both");
    CLI_AUTO(bulla_bytes_done) bulla_bytes wrapped = {NULL, 0, &cli->env};
    CLI_TRY(read_token(cli, token));
    CLI_TRY(cli_read(cli, wrapped_path, MAX_MATERIAL, &wrapped));
    bulla_status status =
        bulla_key_import_finish(house, &cli->call, name, token, (bulla_view){wrapped.data, wrapped.len}, &info);
    bulla_wipe(token, sizeof token);
    CLI_TRY(status);
    return cli_key_print(cli, house, info.id);
}

static bulla_status import_run(struct cli *cli, int argc, char **argv)
{
    bulla *house = NULL;
    bool begins = cli_flag(cli, "begin");
    int num_tokens = cli_flag(cli, "token-file") + cli_flag(cli, "token-stdin");
    if (begins && (argc != 1 || num_tokens != 0)) return cli_usage(cli, "--begin takes NAME and no token");
    if (!begins && (argc != 2 || num_tokens != 1))
        return cli_usage(cli, "give --begin, or one of --token-file and --token-stdin with NAME and WRAPPED");
    CLI_TRY(cli_house_open(cli, &house));
    return begins ? begin(cli, house, argv[0]) : finish(cli, house, argv[0], argv[1]);
}

static bulla_status export_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    const char *path = cli_value(cli, "output");
    CLI_AUTO(bulla_bytes_done) bulla_bytes pem = {NULL, 0, &cli->env};
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_export_public(house, &cli->call, argv[0], &pem));
    if (cli->json) return cli_json(cli, json_pack("{s:s%}", "public_key", (const char *)pem.data, pem.len));
    return cli_save_bytes(cli, path == NULL ? "-" : path, cli_flag(cli, "force"), 0644,
                          (bulla_view){pem.data, pem.len});
}

static const struct cli_option import_options[] = {
    {0, "begin", NULL, "make the key, its import key and the token", false},
    {0, "valid", "DURATION", "how long the token is good: 1m to 7d, 24h when not given", false},
    {0, "public-key", "OUT.pem", "where to write the public import key", false},
    {0, "token-file", "FILE", "the file that holds the token", false},
    {0, "token-stdin", NULL, "read the token from standard input", false},
    {'f', "force", NULL, "replace OUT.pem", false},
    {0},
};

const struct cli_verb cli_verb_key_import = {
    .name = "import",
    .summary = "Bring a key of your own",
    .operands = "NAME [WRAPPED]",
    .min_operands = 1,
    .max_operands = 2,
    .details =
        "--begin prints a token that works once, and writes an RSA-4096 public key. Wrap 32 bytes of key as\n"
        "CKM_RSA_AES_KEY_WRAP does: a fresh AES-256 key with OAEP (SHA-256, MGF1 SHA-256), then the key material with\n"
        "that in AES-KWP; WRAPPED is both, one after the other. \"-\" is standard input.\n",
    .examples = "  bulla key import mine --begin --public-key import.pem > token\n"
                "  bulla key import mine --token-file token wrapped.bin\n",
    .options = import_options,
    .run = import_run,
};

static const struct cli_option export_options[] = {
    {'o', "output", "FILE", "where to; standard output when not given", false},
    {'f', "force", NULL, "replace FILE", false},
    {0},
};

const struct cli_verb cli_verb_key_export_public = {
    .name = "export-public",
    .summary = "Print the public half of a key, or of the import key of a pending one",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .examples = "  bulla key export-public mine -o import.pem\n",
    .options = export_options,
    .run = export_run,
};
