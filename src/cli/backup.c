/* SPDX-License-Identifier: Apache-2.0 */
/* bulla backup, bulla restore */
#include "cli/fdio.h"
#include "cli/rootkey.h"
#include "cli/save.h"
#include "cli/shown.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct target {
    struct cli *cli;
    int fd;
    uint64_t len;
};

static bulla_status target_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    struct target *target = arg;
    (void)call;
    (void)offset; /* in order: the sink says so */
    target->len += bytes.len;
    return cli_write(target->cli, target->fd, bytes.data, bytes.len);
}

/* The text of the configuration in use, as a part of the backup. */
static bulla_status config_text(struct cli *cli, bulla_bytes *out_text)
{
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    const char *path = bulla_config_path(cli->config);
    return path == NULL ? BULLA_OK : cli_read(cli, path, BULLA_MAX_CONFIG, out_text);
}

static bulla_status backup_print(struct cli *cli, const char *path, uint64_t len)
{
    if (cli->json) return cli_json(cli, json_pack("{s:o, s:I}", "path", cli_json_path(path), "bytes", (json_int_t)len));
    (void)printf("%s: %s\n", path, cli_bytes(len).text);
    return BULLA_OK;
}

static bulla_status backup_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const char *path = cli_value(cli, "output");
    bulla *house = NULL;
    if (path == NULL) return cli_usage(cli, "say where to: -o FILE");
    CLI_AUTO(bulla_bytes_done) bulla_bytes config = {NULL, 0, &cli->env};
    CLI_AUTO(cli_providers_done) struct cli_providers recipients = {.num = 0};
    CLI_AUTO(cli_save_done) struct cli_save save = CLI_NO_SAVE;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(config_text(cli, &config));
    CLI_TRY(cli_recipients_open(cli, "recipient", false, &recipients));
    CLI_TRY(cli_save_open(cli, path, cli_flag(cli, "force"), &save));
    if (save.fd == STDOUT_FILENO && cli->tty_out) return cli_usage(cli, "a backup does not go to a terminal");
    struct target target = {cli, save.fd, 0};
    const bulla_sink sink = {target_write, &target, false};
    CLI_TRY(
        bulla_backup(house, &cli->call, (bulla_view){config.data, config.len}, recipients.list, recipients.num, &sink));
    CLI_TRY(cli_save_commit(cli, &save, 0600));
    return save.fd == STDOUT_FILENO ? BULLA_OK : backup_print(cli, path, target.len);
}

static bulla_status file_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    const struct target *file = arg;
    for (;;) {
        CLI_TRY(cli_ready_wait(call, file->fd, POLLIN));
        ssize_t num = read(file->fd, buf, len);
        if (num < 0 && errno != EINTR && errno != EAGAIN) return cli_errno(file->cli, "the backup");
        if (num < 0) continue;
        *out_len = (size_t)num;
        return BULLA_OK;
    }
}

static bulla_status restore_print(struct cli *cli, bulla *house, const bulla_bytes *config)
{
    bulla_keystore_info info;
    CLI_TRY(bulla_keystore_info_get(house, &cli->call, &info));
    if (cli->json)
        return cli_json(cli, json_pack("{s:o, s:s, s:I, s:I, s:I}", "path", cli_json_path(info.path), "root",
                                       info.root_address, "keys", (json_int_t)info.num_keys, "deks",
                                       (json_int_t)info.num_deks, "config_bytes", (json_int_t)config->len));
    char shown[CLI_SHOWN];
    (void)printf("%s: keys %llu, kept DEKs %llu, root key %s\n", info.path, (unsigned long long)info.num_keys,
                 (unsigned long long)info.num_deks, cli_shown_text(info.root_address, false, shown, sizeof shown));
    if (!cli_flag(cli, "config-out") && config->len != 0)
        cli_note(cli, "The backup holds a configuration too; --config-out FILE would have written it.");
    return BULLA_OK;
}

/* The keystore, and its configuration where that is wanted. The place for the latter comes first: a keystore that is
 * restored cannot be restored again for the sake of it. */
static bulla_status restore_all(struct cli *cli, bulla *house, const struct cli_providers *recipients, int fd,
                                bulla_bytes *out_config)
{
    const char *path = cli_value(cli, "config-out");
    struct target file = {cli, fd, 0};
    const bulla_source source = {file_read, &file};
    CLI_AUTO(cli_save_done) struct cli_save save = CLI_NO_SAVE;
    if (path != NULL) CLI_TRY(cli_save_open(cli, path, cli_flag(cli, "force"), &save));
    CLI_TRY(bulla_restore(house, &cli->call, recipients->list, recipients->num, &source, out_config));
    if (path == NULL) return BULLA_OK;
    CLI_TRY(cli_write(cli, save.fd, out_config->data, out_config->len));
    return cli_save_commit(cli, &save, 0600);
}

static bulla_status restore_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    const bulla_settings *settings = NULL;
    CLI_AUTO(cli_providers_done) struct cli_providers recipients = {.num = 0};
    CLI_AUTO(cli_fd_done) int fd = STDIN_FILENO;
    CLI_AUTO(bulla_bytes_done) bulla_bytes config = {NULL, 0, &cli->env};
    CLI_TRY(cli_config_open(cli, &settings));
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(cli_providers_open(cli, "recipient", false, &recipients));
    if (strcmp(argv[0], "-") != 0) fd = open(argv[0], O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return cli_errno(cli, argv[0]);
    if (settings->options.store != NULL) CLI_TRY(cli_folders_create(cli, settings->options.store, false));
    CLI_TRY(restore_all(cli, house, &recipients, fd, &config));
    return restore_print(cli, house, &config);
}

static const struct cli_option backup_options[] = {
    {'o', "output", "FILE", "where to; \"-\": standard output", false},
    {'r', "recipient", "ADDRESS", "who else may open it", true},
    {'f', "force", NULL, "replace FILE", false},
    {0},
};

const struct cli_verb cli_verb_backup = {
    .name = "backup",
    .summary = "Write the keystore and the configuration to one file",
    .details =
        "Keys stay wrapped, and the file is encrypted to what protects the root key and to every ADDRESS given.\n"
        "The root key itself is not in it: keep that elsewhere.\n",
    .examples = "  bulla backup -o keys.backup\n"
                "  bulla backup -o keys.backup -r 'rsa:/etc/bulla/escrow.pem?name=escrow'\n",
    .options = backup_options,
    .run = backup_run,
};

static const struct cli_option restore_options[] = {
    {'r', "recipient", "ADDRESS", "open it with this key instead of what protects the root key", true},
    {0, "config-out", "FILE", "write the configuration in the backup here", false},
    {'f', "force", NULL, "replace FILE of --config-out", false},
    {0},
};

const struct cli_verb cli_verb_restore = {
    .name = "restore",
    .summary = "Put a keystore back from a backup",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .details = "Into an empty place, and only after the whole backup was verified. \"-\" is standard input.\n",
    .examples = "  bulla --store /srv/keys restore keys.backup\n",
    .options = restore_options,
    .run = restore_run,
};
