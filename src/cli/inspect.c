/* SPDX-License-Identifier: Apache-2.0 */
/* bulla inspect */
#include "cli/entry.h"
#include "cli/fdio.h"
#include "cli/files.h"
#include "cli/measure.h"
#include "cli/shown.h"
#include "cli/verbs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_SHOWN 4096u /* places for a value; longer ones are cut and say so */

struct findings {
    const bulla_message_info *info;
    bool has_file, has_plaintext; /* lengths below are known */
    uint64_t body_len, plaintext_len;
};

static void message_done(bulla_message **message)
{
    bulla_message_close(*message);
}

/* --- for people --- */

static void print_label(const struct cli *cli, const char *label)
{
    (void)printf("  %s%-12s%s ", cli_paint(cli, CLI_BOLD), label, cli_paint(cli, CLI_PLAIN));
}

static void print_view(bulla_view bytes)
{
    char shown[MAX_SHOWN];
    cli_shown(bytes, shown, sizeof shown);
    (void)fputs(shown, stdout);
}

static void print_context(const struct cli *cli, const bulla_context *context)
{
    for (size_t i = 0; i < bulla_context_count(context); i++) {
        bulla_pair pair = bulla_context_at(context, i);
        print_label(cli, i == 0 ? "context" : "");
        print_view(pair.key);
        (void)fputs(" = ", stdout);
        print_view(pair.value);
        (void)fputc('\n', stdout);
    }
}

static void print_recipients(const struct cli *cli, const bulla_message_info *info)
{
    for (size_t i = 0; i < info->num_recipients; i++) {
        const bulla_wrapped *wrapped = &info->recipients[i];
        struct cli_entry entry = cli_entry_of(wrapped);
        print_label(cli, i == 0 ? "recipients" : "");
        (void)printf("%zu. ", i + 1);
        if (cli_entry_is_owed(wrapped)) {
            (void)fputs("owed to ", stdout);
            print_view(wrapped->info);
            (void)fputc('\n', stdout);
            continue;
        }
        print_view(wrapped->provider);
        (void)fputs(entry.kind == CLI_ENTRY_RAW_AES ? ", AES key " : ", key ", stdout);
        print_view(entry.name);
        if (entry.kind == CLI_ENTRY_KEYSTORE) (void)printf(", version %u", (unsigned)entry.version);
        (void)fputc('\n', stdout);
    }
}

static void print_lengths(const struct cli *cli, const struct findings *findings)
{
    print_label(cli, "frames");
    if (findings->info->framed)
        (void)printf("of %u bytes\n", (unsigned)findings->info->frame_len);
    else
        (void)printf("none: one block\n");
    print_label(cli, "header");
    (void)printf("%zu bytes\n", findings->info->header_len);
    if (!findings->has_file) return;
    print_label(cli, "body");
    (void)printf("%llu bytes\n", (unsigned long long)findings->body_len);
    print_label(cli, "plaintext");
    if (findings->has_plaintext)
        (void)printf("%llu bytes\n", (unsigned long long)findings->plaintext_len);
    else
        (void)printf("unknown: the body is not that of a whole message\n");
}

static void print_findings(const struct cli *cli, const char *path, const struct findings *findings)
{
    const bulla_message_info *info = findings->info;
    char id[2 * 32 + 1] = "";
    if (info->message_id.len <= 32) cli_hex(info->message_id.data, info->message_id.len, id);
    print_view((bulla_view){(const uint8_t *)path, strlen(path)});
    (void)printf(":\n");
    print_label(cli, "message");
    (void)printf("version %u, id %s\n", info->version, id);
    print_label(cli, "suite");
    (void)printf("0x%04x: %s\n", info->suite, info->suite_name);
    print_label(cli, "signed");
    (void)printf("%s\n", info->is_signed ? "yes" : "no");
    print_context(cli, info->context);
    print_recipients(cli, info);
    print_lengths(cli, findings);
    (void)printf("  Anybody can write such a header: only decrypting shows whether it is genuine.\n");
}

/* --- for programs --- */

static json_t *context_json(const bulla_context *context)
{
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < bulla_context_count(context); i++) {
        bulla_pair pair = bulla_context_at(context, i);
        const char *key = (const char *)pair.key.data;
        if (json_object_setn_new(object, key, pair.key.len, cli_json_view(pair.value)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *recipient_json(const bulla_wrapped *wrapped, size_t index)
{
    static const char *const kinds[] = {
        [CLI_ENTRY_KEYSTORE] = "keystore", [CLI_ENTRY_RAW_AES] = "raw-aes", [CLI_ENTRY_OTHER] = "other"};
    struct cli_entry entry = cli_entry_of(wrapped);
    json_t *version = entry.kind == CLI_ENTRY_KEYSTORE ? json_integer((json_int_t)entry.version) : NULL;
    return json_pack("{s:I, s:o, s:s, s:o, s:o*, s:I}", "index", (json_int_t)index, "provider",
                     cli_json_view(wrapped->provider), "kind", kinds[entry.kind], "key", cli_json_view(entry.name),
                     "key_version", version, "wrapped_length", (json_int_t)wrapped->blob.len);
}

static json_t *recipients_json(const bulla_message_info *info)
{
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < info->num_recipients; i++) {
        if (json_array_append_new(array, recipient_json(&info->recipients[i], i + 1)) == 0) continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *length_json(bool known, uint64_t len)
{
    return known ? json_integer((json_int_t)len) : json_null();
}

static json_t *findings_json(const char *path, const struct findings *findings)
{
    const bulla_message_info *info = findings->info;
    char id[2 * 32 + 1] = "", suite[8];
    if (info->message_id.len <= 32) cli_hex(info->message_id.data, info->message_id.len, id);
    (void)snprintf(suite, sizeof suite, "0x%04x", info->suite);
    return json_pack("{s:o, s:b, s:i, s:s, s:s, s:b, s:b, s:s, s:o, s:o, s:b, s:I, s:I, s:o, s:o}", "file",
                     cli_json_path(path), "authenticated", 0, "version", (int)info->version, "suite", suite,
                     "suite_name", info->suite_name, "committing", info->committing, "signed", info->is_signed,
                     "message_id", id, "context", context_json(info->context), "recipients", recipients_json(info),
                     "framed", info->framed, "frame_length", (json_int_t)info->frame_len, "header_length",
                     (json_int_t)info->header_len, "body_length", length_json(findings->has_file, findings->body_len),
                     "plaintext_length", length_json(findings->has_plaintext, findings->plaintext_len));
}

/* --- the verb --- */

static bulla_status input_open(struct cli *cli, const char *path, struct cli_input *out_input)
{
    if (strcmp(path, "-") == 0) return cli_input_take(&cli->call, STDIN_FILENO, out_input);
    return cli_input_open(&cli->call, AT_FDCWD, path, O_RDONLY, true, out_input);
}

static bulla_status inspect(struct cli *cli, const char *path)
{
    CLI_AUTO(cli_input_done) struct cli_input input = {.fd = -1};
    CLI_TRY(input_open(cli, path, &input));
    if (cli_input_is_regular(&input)) CLI_TRY(cli_input_lock(&cli->call, &input, false));
    bulla_source source = cli_input_source(&input);
    CLI_AUTO(message_done) bulla_message *message = NULL;
    CLI_TRY(bulla_message_open(&cli->call, &source, &message));

    struct findings findings = {.info = bulla_message_info_get(message)};
    uint64_t len = (uint64_t)input.st.st_size;
    findings.has_file = cli_input_is_regular(&input) && input.start == 0 && len >= findings.info->header_len;
    if (findings.has_file) {
        findings.body_len = len - findings.info->header_len;
        findings.has_plaintext = cli_measure(input.fd, findings.info, len, &findings.plaintext_len);
    }
    if (cli->json) return cli_json(cli, findings_json(path, &findings));
    print_findings(cli, path, &findings);
    return BULLA_OK;
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    bulla_status worst = BULLA_OK;
    for (int i = 0; i < (argc == 0 ? 1 : argc); i++) {
        const char *path = argc == 0 ? "-" : argv[i];
        bulla_status status = inspect(cli, path);
        if (status == BULLA_OK) continue;
        cli_report(cli, strcmp(path, "-") == 0 ? "standard input" : path);
        worst = cli_graver(worst, status);
        if (bulla_status_class(status) == BULLA_CLASS_STOP) break;
    }
    return worst;
}

const struct cli_verb cli_verb_inspect = {
    .name = "inspect",
    .summary = "Show what an encrypted file's header says",
    .operands = "[FILE...|-]",
    .max_operands = -1,
    .leaves_no_history = true,
    .details =
        "Needs no key: version, suite, message id, context, and for each recipient the key that opens it. Nothing\n"
        "of this is authenticated; only decrypting shows whether it is genuine.\n",
    .examples = "  bulla inspect letter.pdf.bulla\n"
                "  bulla inspect --json letter.pdf.bulla | jq -r '.recipients[].key'\n",
    .run = run,
};
