/* SPDX-License-Identifier: Apache-2.0 */
/* bulla config check, bulla config show */
#include "cli/shown.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

static bulla_status check_run(struct cli *cli, int argc, char **argv)
{
    const bulla_settings *settings = NULL;
    if (argc == 1) CLI_TRY(bulla_config_open(&cli->call, argv[0], &cli->config));
    CLI_TRY(cli_config_open(cli, &settings));
    const char *path = bulla_config_path(cli->config);
    if (cli->json)
        return cli_json(cli,
                        json_pack("{s:b, s:o}", "ok", 1, "path", path == NULL ? json_null() : cli_json_path(path)));
    if (path == NULL)
        (void)printf("no configuration file: the defaults hold\n");
    else
        (void)printf("%s: ok\n", path);
    return BULLA_OK;
}

/* A text as YAML, quoted unless it is plainly a word. */
static void print_text(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    if (text[0] != '\0' && text[0] != '-' && strspn(text, plain) == strlen(text)) {
        (void)fputs(text, stdout);
        return;
    }
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') (void)putchar('\\');
        (void)putchar(*text);
    }
    (void)putchar('"');
}

static void print_source(const bulla_config_item *item)
{
    if (item->line != 0)
        (void)printf("  # %s:%u\n", item->source, item->line);
    else
        (void)printf("  # %s\n", item->source);
}

#define MAX_SECTION 128u

/* The length of the whole sections that two names have in common: "kms.main." of "kms.main.tls.ca_cert" and
 * "kms.main.address". */
static size_t common_len(const char *a, const char *b)
{
    size_t common = 0;
    for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++)
        if (a[i] == '.') common = i + 1;
    return common;
}

static int depth_of(const char *name, size_t len)
{
    int depth = 0;
    for (size_t i = 0; i < len; i++)
        depth += name[i] == '.';
    return depth;
}

/* Opens the sections of `name` that are not open: `open` has those of the last one, each with its dot. Returns where
 * the last part of the name begins. */
static size_t sections_open(const char *name, char open[MAX_SECTION])
{
    size_t at = common_len(name, open), leaf = 0;
    for (const char *dot; (dot = strchr(name + at, '.')) != NULL; at = (size_t)(dot - name) + 1)
        (void)printf("%*s%.*s:\n", 2 * depth_of(name, at), "", (int)(dot - name - (ptrdiff_t)at), name + at);
    leaf = at;
    (void)snprintf(open, MAX_SECTION, "%.*s", (int)leaf, name);
    return leaf;
}

static bulla_status show_yaml(void *arg, bulla_call *call, const bulla_config_item *item)
{
    (void)call;
    size_t leaf = sections_open(item->name, arg);
    int indent = 2 * depth_of(item->name, leaf);
    bool empty = item->value[0] == '\0' && item->kind != BULLA_CONFIG_LIST;
    (void)printf("%s%*s%s:", empty ? "# " : "", indent, "", item->name + leaf);
    if (item->kind == BULLA_CONFIG_LIST) {
        (void)fputs(item->num_values == 0 ? " []" : "", stdout);
        print_source(item);
        for (size_t i = 0; i < item->num_values; i++) {
            (void)printf("%*s- ", indent + 2, "");
            print_text(item->values[i]);
            (void)putchar('\n');
        }
        return BULLA_OK;
    }
    (void)putchar(' ');
    if (!empty) print_text(item->value);
    print_source(item);
    return BULLA_OK;
}

static json_t *item_value(const bulla_config_item *item)
{
    if (item->kind == BULLA_CONFIG_BOOL && item->value[0] != '$') return json_boolean(strcmp(item->value, "true") == 0);
    if (item->kind == BULLA_CONFIG_LIST) {
        json_t *list = json_array();
        for (size_t i = 0; i < item->num_values; i++)
            (void)json_array_append_new(list, cli_json_path(item->values[i]));
        return list;
    }
    char *end = NULL;
    long long number = strtoll(item->value, &end, 10);
    if (item->kind == BULLA_CONFIG_NUMBER && *end == '\0') return json_integer((json_int_t)number);
    return item->value[0] == '\0' ? json_null() : cli_json_path(item->value);
}

static bulla_status show_json(void *arg, bulla_call *call, const bulla_config_item *item)
{
    json_t *entry = json_pack("{s:o, s:o}", "value", item_value(item), "source", cli_json_path(item->source));
    if (entry != NULL && item->line != 0) (void)json_object_set_new(entry, "line", json_integer(item->line));
    if (json_object_set_new(arg, item->name, entry) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_ENOMEM, "not enough memory for the result");
}

static bulla_status show_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    if (!cli->json) {
        char open[MAX_SECTION] = "";
        return bulla_config_show(cli->config, &cli->call, show_yaml, open);
    }
    CLI_AUTO(cli_json_done) json_t *all = json_object();
    CLI_TRY(bulla_config_show(cli->config, &cli->call, show_json, all));
    return cli_json(cli, json_incref(all));
}

static const struct cli_verb check_verb = {
    .name = "check",
    .summary = "Check a configuration",
    .operands = "[FILE]",
    .max_operands = 1,
    .details = "Without FILE: the configuration that the command would use.\n",
    .examples = "  bulla config check /etc/bulla.yaml\n",
    .run = check_run,
};

static const struct cli_verb show_verb = {
    .name = "show",
    .summary = "Print every value and where it comes from",
    .details = "Values appear as they are written: what a variable holds may be a secret and is not shown.\n",
    .examples = "  bulla config show\n"
                "  bulla config show --json | jq '.\"cache.ttl\"'\n",
    .run = show_run,
};

const struct cli_verb cli_verb_config = {
    .name = "config",
    .summary = "Look at the configuration",
    .subs = (const struct cli_verb *const[]){&check_verb, &show_verb, NULL},
};
