/* SPDX-License-Identifier: Apache-2.0 */
/* The command line taken apart by the tables of the verbs. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

const struct cli_option cli_global_options[] = {
    {0, "config", "FILE", "read this configuration instead of the usual one", false},
    {0, "store", "DIR", "use the keystore in this folder", false},
    {0, "timeout", "DURATION", "give up after this time, such as 30s", false},
    {0, "json", NULL, "print results and errors as JSON", false},
    {'q', "quiet", NULL, "print nothing but results and errors", false},
    {'v', "verbose", NULL, "log what is done on standard error; twice for more", true},
    {'h', "help", NULL, "explain the command or the verb", false},
    {0},
};

static const struct cli_option *find_in(const struct cli_option *table, const char *name, size_t len, char letter)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (name == NULL ? table->letter == letter && letter != 0
                         : strncmp(table->name, name, len) == 0 && table->name[len] == '\0')
            return table;
    }
    return NULL;
}

static const struct cli_option *find(const struct cli *cli, const char *name, size_t len, char letter)
{
    const struct cli_option *option = cli->verb == NULL ? NULL : find_in(cli->verb->options, name, len, letter);
    return option != NULL ? option : find_in(cli_global_options, name, len, letter);
}

#define MAX_OPTIONS 64

static bulla_status fail_unknown(struct cli *cli, const char *word, size_t len)
{
    const char *known[MAX_OPTIONS];
    size_t num = 0;
    const struct cli_option *tables[] = {cli->verb == NULL ? NULL : cli->verb->options, cli_global_options};
    for (size_t i = 0; i < 2; i++)
        for (const struct cli_option *o = tables[i]; o != NULL && o->name != NULL && num < MAX_OPTIONS - 1; o++)
            known[num++] = o->name;
    known[num] = NULL;

    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), word);
    const char *nearest = cli_nearest(name, known);
    if (nearest != NULL) return cli_usage(cli, "there is no option --%s; did you mean --%s?", name, nearest);
    return cli_usage(cli, "there is no option --%s", name);
}

static bulla_status give(struct cli *cli, const struct cli_option *option, const char *value)
{
    for (size_t i = 0; i < cli->num_given && !option->repeated; i++)
        if (cli->given[i].option == option) return cli_usage(cli, "--%s is given twice", option->name);
    cli->given[cli->num_given++] = (struct cli_given){option, value};
    return BULLA_OK;
}

/* An option where a value is missing would be taken for it, and the mistake show somewhere else. */
static bool is_option(const struct cli *cli, const char *word)
{
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0') return false;
    return find(cli, word + 2, strcspn(word + 2, "="), 0) != NULL;
}

/* The value that follows, in the same word or as the next one. */
static bulla_status take_value(struct cli *cli, const struct cli_option *option, const char *attached, char **argv,
                               int *index)
{
    if (option->value == NULL) {
        if (attached != NULL) return cli_usage(cli, "--%s takes no value", option->name);
        return give(cli, option, NULL);
    }
    if (attached != NULL) return give(cli, option, attached);
    const char *next = argv[*index + 1];
    if (next == NULL) return cli_usage(cli, "--%s needs a value: %s", option->name, option->value);
    if (is_option(cli, next))
        return cli_usage(cli, "--%s needs a value: %s; if %s is meant to be it, write --%s=%s", option->name,
                         option->value, next, option->name, next);
    *index += 1;
    return give(cli, option, argv[*index]);
}

static bulla_status parse_long(struct cli *cli, char **argv, int *index)
{
    const char *word = argv[*index] + 2;
    size_t len = strcspn(word, "=");
    const struct cli_option *option = find(cli, word, len, 0);
    if (option == NULL) return fail_unknown(cli, word, len);
    return take_value(cli, option, word[len] == '=' ? word + len + 1 : NULL, argv, index);
}

/* A cluster such as -qo FILE or -oFILE. */
static bulla_status parse_short(struct cli *cli, char **argv, int *index)
{
    for (const char *letter = argv[*index] + 1; *letter != '\0'; letter++) {
        const struct cli_option *option = find(cli, NULL, 0, *letter);
        if (option == NULL) return cli_usage(cli, "there is no option -%c", *letter);
        if (option->value != NULL) return take_value(cli, option, letter[1] != '\0' ? letter + 1 : NULL, argv, index);
        CLI_TRY(give(cli, option, NULL));
    }
    return BULLA_OK;
}

#define MAX_VERBS 64

static bulla_status enter_verb(struct cli *cli, const char *word)
{
    const struct cli_verb *const *verbs = cli->verb == NULL ? cli_verbs : cli->verb->subs;
    const char *known[MAX_VERBS];
    size_t num = 0;
    for (; verbs[num] != NULL && num < MAX_VERBS - 1; num++) {
        known[num] = verbs[num]->name;
        if (strcmp(word, known[num]) != 0) continue;
        size_t len = strlen(cli->title);
        (void)snprintf(cli->title + len, sizeof cli->title - len, "%s%s", len == 0 ? "" : " ", word);
        cli->verb = verbs[num];
        return BULLA_OK;
    }
    known[num] = NULL;
    const char *nearest = cli_nearest(word, known);
    const char *space = cli->title[0] == '\0' ? "" : " ";
    if (nearest == NULL) return cli_usage(cli, "there is no verb \"%s%s%s\"", cli->title, space, word);
    return cli_usage(cli, "there is no verb \"%s%s%s\"; did you mean \"%s%s%s\"?", cli->title, space, word, cli->title,
                     space, nearest);
}

static bulla_status parse_word(struct cli *cli, char **argv, int *index, bool *only_operands, bool *out_operand)
{
    const char *word = argv[*index];
    *out_operand = false;
    if (!*only_operands && strcmp(word, "--") == 0) {
        *only_operands = true;
        return BULLA_OK;
    }
    /* What hands type out of habit. */
    bool first = cli->verb == NULL && !*only_operands;
    if (first && strcmp(word, "--version") == 0) return enter_verb(cli, "version");
    if (first && strcmp(word, "help") == 0) return give(cli, find(cli, "help", 4, 0), NULL);
    if (!*only_operands && word[0] == '-' && word[1] == '-') return parse_long(cli, argv, index);
    if (!*only_operands && word[0] == '-' && word[1] != '\0') return parse_short(cli, argv, index);
    if (cli->verb == NULL || cli->verb->subs != NULL) return enter_verb(cli, word);
    *out_operand = true;
    return BULLA_OK;
}

static bulla_status check_operands(struct cli *cli, int num)
{
    const struct cli_verb *verb = cli->verb;
    if (cli_flag(cli, "help")) return BULLA_OK;
    if (verb == NULL) return cli_usage(cli, "say which verb");
    if (verb->subs != NULL) return cli_usage(cli, "say which verb below it");
    if (num < verb->min_operands) return cli_usage(cli, "operands are missing: %s", verb->operands);
    if (verb->max_operands < 0 || num <= verb->max_operands) return BULLA_OK;
    if (verb->max_operands == 0) return cli_usage(cli, "there are no operands to it");
    return cli_usage(cli, "too many operands, only: %s", verb->operands);
}

bulla_status cli_parse(struct cli *cli, int argc, char **argv, char **operands, int *out_num_operands)
{
    bool only_operands = false;
    int num = 0;
    for (int i = 1; i < argc; i++) {
        bool operand = false;
        int at = i;
        CLI_TRY(parse_word(cli, argv, &i, &only_operands, &operand));
        if (operand) operands[num++] = argv[at];
    }
    operands[num] = NULL;
    CLI_TRY(check_operands(cli, num));
    *out_num_operands = num;
    return BULLA_OK;
}

const char *cli_value_at(const struct cli *cli, const char *name, size_t index)
{
    const struct cli_option *option = find(cli, name, strlen(name), 0);
    if (option == NULL) abort();
    for (size_t i = 0; i < cli->num_given; i++) {
        if (cli->given[i].option != option) continue;
        if (index-- == 0) return cli->given[i].value == NULL ? "" : cli->given[i].value;
    }
    return NULL;
}

const char *cli_value(const struct cli *cli, const char *name)
{
    return cli_value_at(cli, name, 0);
}

bool cli_flag(const struct cli *cli, const char *name)
{
    return cli_value_at(cli, name, 0) != NULL;
}
