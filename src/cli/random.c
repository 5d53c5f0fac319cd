/* SPDX-License-Identifier: Apache-2.0 */
/* bulla random */
#include "cli/verbs.h"

#include <string.h>
#include <unistd.h>

#define MAX_RANDOM (1ull << 40)
#define CHUNK 3072u /* a multiple of three, so that base64 of the pieces is base64 of the whole */

/* Random bytes become keys, so they are drawn and wiped like keys. */
struct draw {
    bulla_secret *bytes;
    char text[2 * CHUNK + 2];
};

static void draw_done(struct draw *draw)
{
    bulla_secret_unref(draw->bytes);
    bulla_wipe(draw->text, sizeof draw->text);
}

static bulla_status write_piece(struct cli *cli, size_t len)
{
    CLI_AUTO(draw_done) struct draw draw = {.bytes = NULL};
    CLI_TRY(bulla_secret_random(&cli->call, len, &draw.bytes));
    const uint8_t *bytes = bulla_secret_borrow(draw.bytes).data;
    if (cli_flag(cli, "raw")) return cli_write(cli, STDOUT_FILENO, bytes, len);
    if (cli_flag(cli, "base64"))
        cli_base64(bytes, len, draw.text);
    else
        cli_hex(bytes, len, draw.text);
    return cli_write(cli, STDOUT_FILENO, draw.text, strlen(draw.text));
}

static bulla_status write_all(struct cli *cli, uint64_t left)
{
    while (left != 0) {
        size_t len = left < CHUNK ? (size_t)left : CHUNK;
        CLI_TRY(write_piece(cli, len));
        left -= len;
    }
    return BULLA_OK;
}

/* Written piece by piece and not through a JSON value, which would keep a copy. */
static bulla_status write_json(struct cli *cli, uint64_t num)
{
    char head[80];
    int len = snprintf(head, sizeof head, "{\n  \"bytes\": %llu,\n  \"%s\": \"", (unsigned long long)num,
                       cli_flag(cli, "base64") ? "base64" : "hex");
    CLI_TRY(cli_write(cli, STDOUT_FILENO, head, (size_t)len));
    CLI_TRY(write_all(cli, num));
    return cli_write(cli, STDOUT_FILENO, "\"\n}\n", 4);
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    uint64_t num = 0;
    bool raw = cli_flag(cli, "raw");
    CLI_TRY(cli_number_parse(cli, "N", argv[0], 1, MAX_RANDOM, &num));
    if (cli_flag(cli, "hex") + cli_flag(cli, "base64") + raw > 1)
        return cli_usage(cli, "--hex, --base64 and --raw exclude each other");
    if (raw && cli->json) return cli_usage(cli, "--raw cannot be written as JSON");
    if (raw && cli->tty_out) return cli_usage(cli, "raw bytes do not go to a terminal");
    if (cli->json) return write_json(cli, num);
    CLI_TRY(write_all(cli, num));
    return raw ? BULLA_OK : cli_write(cli, STDOUT_FILENO, "\n", 1);
}

static const struct cli_option options[] = {
    {0, "hex", NULL, "as hexadecimal digits (the default)", false},
    {0, "base64", NULL, "as base64", false},
    {0, "raw", NULL, "as they are", false},
    {0},
};

const struct cli_verb cli_verb_random = {
    .name = "random",
    .summary = "Print random bytes",
    .operands = "N",
    .min_operands = 1,
    .max_operands = 1,
    .details = "N bytes from where keys come from too.\n",
    .examples = "  bulla random 32\n"
                "  bulla random 32 --base64 > app.key\n",
    .options = options,
    .run = run,
};
