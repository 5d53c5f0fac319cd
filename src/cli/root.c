/* SPDX-License-Identifier: Apache-2.0 */
/* bulla root show, bulla root rotate */
#include "cli/rootkey.h"
#include "cli/shown.h"
#include "cli/verbs.h"

static bulla_status print(struct cli *cli, bulla *house)
{
    bulla_keystore_info info;
    CLI_TRY(bulla_keystore_info_get(house, &cli->call, &info));
    if (cli->json)
        return cli_json(cli,
                        json_pack("{s:o, s:i, s:o, s:s, s:i, s:o, s:I, s:I, s:I}", "path", cli_json_path(info.path),
                                  "format", (int)info.format, "created", cli_json_date(info.created_s), "root",
                                  info.root_address, "root_generation", (int)info.root_generation, "root_rotated",
                                  cli_json_date(info.root_rotated_s), "keys", (json_int_t)info.num_keys, "versions",
                                  (json_int_t)info.num_versions, "deks", (json_int_t)info.num_deks));
    (void)printf("keystore:      %s (format %u)\n", info.path, info.format);
    (void)printf("created:       %s\n", cli_when(cli, info.created_s).text);
    (void)printf("root key:      %s\n", info.root_address);
    (void)printf("generation:    %u\n", info.root_generation);
    (void)printf("rotated:       %s\n", cli_when(cli, info.root_rotated_s).text);
    (void)printf("keys:          %llu\n", (unsigned long long)info.num_keys);
    (void)printf("versions:      %llu\n", (unsigned long long)info.num_versions);
    (void)printf("kept DEKs:     %llu\n", (unsigned long long)info.num_deks);
    return BULLA_OK;
}

static bulla_status show_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    return print(cli, house);
}

static bulla_status rotate_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    char root[CLI_ADDRESS] = "", key_path[PATH_MAX] = "";
    bool moves = cli_flag(cli, "root");
    CLI_TRY(cli_house_open(cli, &house));
    if (moves) CLI_TRY(cli_root_address(cli, root));
    if (moves) CLI_TRY(cli_root_key_create(cli, root, key_path));
    CLI_TRY(bulla_keystore_root_rotate(house, &cli->call, moves ? root : NULL));
    CLI_TRY(print(cli, house));
    if (key_path[0] != '\0') cli_note(cli, "\nBack up the new key file, apart from the keystore:\n  %s", key_path);
    return BULLA_OK;
}

static const struct cli_option rotate_options[] = {
    {0, "root", "ADDRESS", "protect the new root key by this provider from now on", false},
    {0},
};

static const struct cli_verb show_verb = {
    .name = "show",
    .summary = "Show the keystore and what protects its root key",
    .examples = "  bulla root show\n",
    .run = show_run,
};

static const struct cli_verb rotate_verb = {
    .name = "rotate",
    .summary = "Make a new root key and protect every key with it",
    .details = "In one transaction: it has happened for all keys or for none. Backups made before are opened with the\n"
               "provider that protected the root key then.\n",
    .examples = "  bulla root rotate\n"
                "  bulla root rotate --root file:/media/stick/root-2027.key\n",
    .options = rotate_options,
    .run = rotate_run,
};

const struct cli_verb cli_verb_root = {
    .name = "root",
    .summary = "The root key of the keystore",
    .subs = (const struct cli_verb *const[]){&show_verb, &rotate_verb, NULL},
};
