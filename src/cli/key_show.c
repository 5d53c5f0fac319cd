/* SPDX-License-Identifier: Apache-2.0 */
/* bulla key show, key status */
#include "cli/key.h"
#include "cli/shown.h"

#include <string.h>

struct detail {
    const struct cli *cli;
    const char *title; /* of the lines */
    json_t *into;
    unsigned long num;
};

static bulla_status set_json(bulla_call *call, json_t *object, const char *name, json_t *take_value)
{
    if (json_object_set_new(object, name, take_value) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_ENOMEM, "not enough memory for the result");
}

static bulla_status add_label(void *arg, bulla_call *call, const char *name, const char *value)
{
    struct detail *detail = arg;
    if (detail->cli->json) {
        if (json_is_object(detail->into)) return set_json(call, detail->into, name, json_string(value));
        return json_array_append_new(detail->into, json_string(name)) == 0
                   ? BULLA_OK
                   : bulla_fail(call, BULLA_ENOMEM, "not enough memory for the result");
    }
    bool tag = detail->title[0] == 't';
    char shown[CLI_SHOWN] = "";
    if (tag) cli_shown((bulla_view){(const uint8_t *)value, strlen(value)}, shown, sizeof shown);
    (void)printf("%-18s %s%s%s\n", detail->num++ == 0 ? detail->title : "", name, tag ? "=" : "", shown);
    return BULLA_OK;
}

static json_t *version_json(const bulla_version_info *info)
{
    return json_pack("{s:i, s:o, s:b, s:b, s:b, s:I, s:I, s:b}", "version", (int)info->version, "created",
                     cli_json_date(info->created_s), "primary", (int)info->primary, "destroyed", (int)info->destroyed,
                     "imported", (int)info->imported, "deks", (json_int_t)info->num_deks, "wraps_estimate",
                     (json_int_t)info->num_wraps, "rotation_due", (int)info->rotation_due);
}

static bulla_status add_version(void *arg, bulla_call *call, const bulla_version_info *info)
{
    struct detail *detail = arg;
    if (detail->cli->json)
        return json_array_append_new(detail->into, version_json(info)) == 0
                   ? BULLA_OK
                   : bulla_fail(call, BULLA_ENOMEM, "not enough memory for the result");
    (void)printf("%-18s %u: %s, %llu DEKs", detail->num++ == 0 ? "versions:" : "", info->version,
                 cli_when(detail->cli, info->created_s).text, (unsigned long long)info->num_deks);
    if (info->num_wraps != 0) (void)printf(", about %llu wraps", (unsigned long long)info->num_wraps);
    (void)printf("%s%s%s%s\n", info->primary ? ", current" : "", info->imported ? ", imported" : "",
                 info->destroyed ? ", destroyed" : "", info->rotation_due ? ", due for rotation" : "");
    return BULLA_OK;
}

static bulla_status add_versions(struct cli *cli, bulla *house, const bulla_key_info *info, json_t *into)
{
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    struct detail detail = {cli, "versions:", list, 0};
    CLI_TRY(bulla_key_versions(house, &cli->call, info->id, add_version, &detail));
    return cli->json ? set_json(&cli->call, into, "version_list", json_incref(list)) : BULLA_OK;
}

static bulla_status add_labels(struct cli *cli, bulla *house, const bulla_key_info *info, json_t *into)
{
    CLI_AUTO(cli_json_done) json_t *aliases = json_array();
    CLI_AUTO(cli_json_done) json_t *tags = json_object();
    struct detail alias_detail = {cli, "aliases:", aliases, 0}, tag_detail = {cli, "tags:", tags, 0};
    CLI_TRY(bulla_key_aliases(house, &cli->call, info->id, add_label, &alias_detail));
    CLI_TRY(bulla_key_tags(house, &cli->call, info->id, add_label, &tag_detail));
    if (!cli->json) return BULLA_OK;
    CLI_TRY(set_json(&cli->call, into, "aliases", json_incref(aliases)));
    return set_json(&cli->call, into, "tags", json_incref(tags));
}

static void print_head(const struct cli *cli, const bulla_key_info *info)
{
    (void)printf("%-18s %s\n%-18s %s\n%-18s ", "name:", info->name, "id:", info->id, "state:");
    cli_key_state_print(cli, info->state, 0);
    if (info->state == BULLA_KEY_PENDING_DELETION) (void)printf(", destroyed %s", cli_when(cli, info->deletion_s).text);
    (void)putchar('\n');
}

static void print_dates(const struct cli *cli, const bulla_key_info *info)
{
    (void)printf("%-18s %u\n", "current version:", info->primary_version);
    (void)printf("%-18s %s\n", "created:", cli_when(cli, info->created_s).text);
    (void)printf("%-18s %s\n", "rotated:", cli_when(cli, info->rotated_s).text);
    (void)printf("%-18s %s\n",
                 "next rotation:", info->next_rotation_s == 0 ? "by hand" : cli_when(cli, info->next_rotation_s).text);
}

static void print_deks(const struct cli *cli, const bulla_key_info *info)
{
    double percent = info->num_deks == 0 ? 100.0 : 100.0 * (double)info->num_rewrapped / (double)info->num_deks;
    (void)printf("%-18s %llu\n", "active DEKs:", (unsigned long long)info->num_deks);
    (void)printf("%-18s %.1f %% (%llu / %llu)\n", "rewrapped:", percent, (unsigned long long)info->num_rewrapped,
                 (unsigned long long)info->num_deks);
    (void)printf("%-18s %s\n", "last rewrap:", cli_when(cli, info->rewrapped_s).text);
}

/* What both verbs begin with: the house, the key, and with --json an object for it. */
static bulla_status key_read(struct cli *cli, const char *name, bulla **out_house, bulla_key_info *out_info,
                             json_t **out_object)
{
    CLI_TRY(cli_house_open(cli, out_house));
    CLI_TRY(bulla_key_info_get(*out_house, &cli->call, name, out_info));
    if (cli->json)
        *out_object = cli_key_json(out_info);
    else
        print_head(cli, out_info);
    return BULLA_OK;
}

static bulla_status show_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    bulla_key_info info;
    CLI_AUTO(cli_json_done) json_t *object = NULL;
    CLI_TRY(key_read(cli, argv[0], &house, &info, &object));
    if (!cli->json) {
        (void)printf("%-18s %s, %s%s\n", "type:", bulla_key_type_name(info.type), bulla_key_usage_name(info.usage),
                     info.imported ? ", imported" : "");
        print_dates(cli, &info);
        if (info.rotation_period_s != 0)
            (void)printf("%-18s every %s\n", "rotation:", cli_period(info.rotation_period_s).text);
    }
    CLI_TRY(add_labels(cli, house, &info, object));
    CLI_TRY(add_versions(cli, house, &info, object));
    return cli->json ? cli_json(cli, json_incref(object)) : BULLA_OK;
}

static bulla_status status_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    bulla_key_info info;
    CLI_AUTO(cli_json_done) json_t *object = NULL;
    CLI_TRY(key_read(cli, argv[0], &house, &info, &object));
    if (!cli->json) {
        print_dates(cli, &info);
        print_deks(cli, &info);
    }
    CLI_TRY(add_versions(cli, house, &info, object));
    return cli->json ? cli_json(cli, json_incref(object)) : BULLA_OK;
}

const struct cli_verb cli_verb_key_show = {
    .name = "show",
    .summary = "Show what a key is",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .examples = "  bulla key show orders\n",
    .run = show_run,
};

const struct cli_verb cli_verb_key_status = {
    .name = "status",
    .summary = "Show how a key stands: versions, rotation, rewrap",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .details =
        "The data keys counted are those kept in the keystore (\"bulla datakey --keep\"); those in the headers of\n"
        "messages are with the messages. The wraps of a version are all that it ever wrapped, by estimate: a version\n"
        "that comes to 2^31 is due for rotation, and one that comes near 2^32 wraps nothing more.\n",
    .examples = "  bulla key status orders\n"
                "  bulla key status orders --json | jq .rewrap.percent\n",
    .run = status_run,
};
