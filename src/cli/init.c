/* SPDX-License-Identifier: Apache-2.0 */
/* bulla init */
#include "cli/rootkey.h"
#include "cli/shown.h"
#include "cli/verbs.h"

/* Before a key file is made for nothing. */
static bulla_status check_new(struct cli *cli, bulla *house)
{
    bulla_keystore_info info;
    bulla_status status = bulla_keystore_info_get(house, &cli->call, &info);
    if (status == BULLA_OK)
        return bulla_fail(&cli->call, BULLA_EEXISTS, "there is a keystore in %.200s already", info.path);
    return status == BULLA_ENOFILE ? BULLA_OK : status;
}

static bulla_status print(struct cli *cli, const bulla_keystore_info *info, const char *key_path)
{
    if (cli->json)
        return cli_json(cli, json_pack("{s:o, s:s, s:o}", "path", cli_json_path(info->path), "root", info->root_address,
                                       "root_key_made", key_path[0] == '\0' ? json_null() : cli_json_path(key_path)));
    (void)printf("keystore:  %s\nroot key:  %s%s\n", info->path, info->root_address,
                 key_path[0] == '\0' ? "" : " (new)");
    if (key_path[0] != '\0')
        cli_note(cli,
                 "\nBack up the root key now, apart from the keystore and its backups:\n  %s\n"
                 "Without it nothing under this keystore can ever be opened; with it and a copy of the keystore\n"
                 "everything can.",
                 key_path);
    return BULLA_OK;
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    const bulla_settings *settings = NULL;
    char root[CLI_ADDRESS] = "", key_path[PATH_MAX] = "";
    bulla_keystore_info info;
    CLI_TRY(cli_config_open(cli, &settings));
    CLI_TRY(cli_root_address(cli, root));
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(check_new(cli, house));
    if (settings->options.store != NULL) CLI_TRY(cli_folders_create(cli, settings->options.store, false));
    CLI_TRY(cli_root_key_create(cli, root, key_path));
    CLI_TRY(bulla_keystore_create(house, &cli->call, root));
    CLI_TRY(bulla_keystore_info_get(house, &cli->call, &info));
    return print(cli, &info, key_path);
}

static const struct cli_option options[] = {
    {0, "root", "ADDRESS", "the provider that protects the root key (file: when not given)", false},
    {0},
};

const struct cli_verb cli_verb_init = {
    .name = "init",
    .summary = "Make an empty keystore",
    .details = "Every key of a keystore is wrapped under its root key, and a provider outside of it protects that.\n"
               "With a file: address the key file is made when it is not there; one that is there is used.\n",
    .examples = "  bulla init\n"
                "  bulla init --root file:/media/stick/root.key\n"
                "  bulla --store /srv/keys init --root env:BULLA_ROOT_KEY\n",
    .options = options,
    .run = run,
};
