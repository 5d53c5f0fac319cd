/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key alias, bulla key tag */
#include "cli/key.h"
#include "cli/shown.h"

#include <string.h>

static bulla_status alias_set_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_alias_set(house, &cli->call, argv[0], argv[1]));
    return cli_key_print(cli, house, argv[1]);
}

static bulla_status alias_remove_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_alias_set(house, &cli->call, argv[0], NULL));
    if (cli->json) return cli_json(cli, json_pack("{s:s}", "removed", argv[0]));
    (void)printf("%s: removed\n", argv[0]);
    return BULLA_OK;
}

static bulla_status tag_set_run(struct cli *cli, int argc, char **argv)
{
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    for (int i = 1; i < argc; i++) {
        char tag[BULLA_MAX_NAME + 1];
        const char *equals = strchr(argv[i], '=');
        size_t len = equals == NULL ? 0 : (size_t)(equals - argv[i]);
        if (len == 0 || len >= sizeof tag) return cli_usage(cli, "\"%.64s\" is not TAG=VALUE", argv[i]);
        memcpy(tag, argv[i], len);
        tag[len] = '\0';
        CLI_TRY(bulla_key_tag_set(house, &cli->call, argv[0], tag, equals + 1));
    }
    return cli_key_print(cli, house, argv[0]);
}

static bulla_status tag_remove_run(struct cli *cli, int argc, char **argv)
{
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    for (int i = 1; i < argc; i++)
        CLI_TRY(bulla_key_tag_set(house, &cli->call, argv[0], argv[i], NULL));
    return cli_key_print(cli, house, argv[0]);
}

struct listing {
    const struct cli *cli;
    json_t *object;
    const char *between;
    const char *key; /* what an alias means; NULL: a tag has a value of its own */
};

static bulla_status list_label(void *arg, bulla_call *call, const char *name, const char *value)
{
    struct listing *listing = arg;
    if (listing->key != NULL) value = listing->key;
    if (!listing->cli->json) {
        char shown[CLI_SHOWN];
        cli_shown((bulla_view){(const uint8_t *)value, strlen(value)}, shown, sizeof shown);
        (void)printf("%s%s%s\n", name, listing->between, shown);
        return BULLA_OK;
    }
    if (json_object_set_new(listing->object, name, json_string(value)) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_ENOMEM, "not enough memory for the result");
}

/* Ids first, aliases after: the walk over the keys holds the store. */
static bulla_status collect_id(void *arg, bulla_call *call, const bulla_key_info *info)
{
    if (json_object_set_new(arg, info->name, json_string(info->id)) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_ENOMEM, "not enough memory for the result");
}

static bulla_status alias_list_run(struct cli *cli, int argc, char **argv)
{
    bulla *house = NULL;
    CLI_AUTO(cli_json_done) json_t *object = json_object();
    CLI_AUTO(cli_json_done) json_t *keys = json_object(); /* ids by name */
    struct listing listing = {cli, object, " -> ", NULL};
    CLI_TRY(cli_house_open(cli, &house));
    if (argc == 1) {
        bulla_key_info info;
        CLI_TRY(bulla_key_info_get(house, &cli->call, argv[0], &info));
        CLI_TRY(collect_id(keys, &cli->call, &info));
    } else {
        CLI_TRY(bulla_key_list(house, &cli->call, false, collect_id, keys));
    }
    json_t *id = NULL;
    json_object_foreach(keys, listing.key, id)
        CLI_TRY(bulla_key_aliases(house, &cli->call, json_string_value(id), list_label, &listing));
    return cli->json ? cli_json(cli, json_incref(object)) : BULLA_OK;
}

static bulla_status tag_list_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    CLI_AUTO(cli_json_done) json_t *object = json_object();
    struct listing listing = {cli, object, "=", NULL};
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_key_tags(house, &cli->call, argv[0], list_label, &listing));
    return cli->json ? cli_json(cli, json_incref(object)) : BULLA_OK;
}

static const struct cli_verb alias_set_verb = {
    .name = "set",
    .summary = "Let an alias mean a key, or another key than before",
    .operands = "ALIAS NAME",
    .min_operands = 2,
    .max_operands = 2,
    .examples = "  bulla key alias set current orders-2026\n",
    .run = alias_set_run,
};

static const struct cli_verb alias_remove_verb = {
    .name = "remove",
    .summary = "Remove an alias",
    .operands = "ALIAS",
    .min_operands = 1,
    .max_operands = 1,
    .examples = "  bulla key alias remove current\n",
    .run = alias_remove_run,
};

static const struct cli_verb alias_list_verb = {
    .name = "list",
    .summary = "List aliases, of one key or of all",
    .operands = "[NAME]",
    .max_operands = 1,
    .examples = "  bulla key alias list\n",
    .run = alias_list_run,
};

const struct cli_verb cli_verb_key_alias = {
    .name = "alias",
    .summary = "Other names of keys",
    .subs = (const struct cli_verb *const[]){&alias_set_verb, &alias_remove_verb, &alias_list_verb, NULL},
};

static const struct cli_verb tag_set_verb = {
    .name = "set",
    .summary = "Set tags of a key",
    .operands = "NAME TAG=VALUE...",
    .min_operands = 2,
    .max_operands = -1,
    .details = "At most 50 tags; values of up to 256 bytes.\n",
    .examples = "  bulla key tag set orders team=payments\n",
    .run = tag_set_run,
};

static const struct cli_verb tag_remove_verb = {
    .name = "remove",
    .summary = "Remove tags of a key",
    .operands = "NAME TAG...",
    .min_operands = 2,
    .max_operands = -1,
    .examples = "  bulla key tag remove orders team\n",
    .run = tag_remove_run,
};

static const struct cli_verb tag_list_verb = {
    .name = "list",
    .summary = "List the tags of a key",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .examples = "  bulla key tag list orders\n",
    .run = tag_list_run,
};

const struct cli_verb cli_verb_key_tag = {
    .name = "tag",
    .summary = "Tags of keys",
    .subs = (const struct cli_verb *const[]){&tag_set_verb, &tag_remove_verb, &tag_list_verb, NULL},
};
