/* SPDX-License-Identifier: Apache-2.0 */
/* --help, and the word somebody probably meant. */
#include "cli/cli.h"

#include <string.h>

#define MAX_WORD 32u

static size_t least(size_t a, size_t b, size_t c)
{
    size_t d = a < b ? a : b;
    return d < c ? d : c;
}

/* Edit distance; words that are too long are far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > MAX_WORD || b_len > MAX_WORD) return MAX_WORD;
    size_t row[MAX_WORD + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t next = least(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = row[j];
            row[j] = next;
        }
    }
    return row[b_len];
}

const char *cli_nearest(const char *word, const char *const *known)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2; /* further than that is another word */
    for (; *known != NULL; known++) {
        size_t far = distance(word, *known);
        if (far >= best || far >= strlen(*known)) continue;
        best = far;
        nearest = *known;
    }
    return nearest;
}

static void print_options(const struct cli_option *option, FILE *out)
{
    for (; option != NULL && option->name != NULL; option++) {
        char left[48];
        char letter[5] = "    ";
        if (option->letter != 0) (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
        (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->value == NULL ? "" : " ",
                       option->value == NULL ? "" : option->value);
        (void)fprintf(out, "  %-30s %s%s\n", left, option->help,
                      option->repeated && option->value ? " (repeatable)" : "");
    }
}

static void print_verbs(const struct cli_verb *const *verbs, FILE *out)
{
    for (; *verbs != NULL; verbs++)
        (void)fprintf(out, "  %-20s %s\n", (*verbs)->name, (*verbs)->summary);
}

static void help_command(const struct cli *cli, FILE *out)
{
    (void)fprintf(out,
                  "%sUsage:%s bulla VERB [OPTION...] [OPERAND...]\n\n"
                  "Encrypts files under master keys that you own, in any key store, and keeps those keys.\n\n"
                  "%sVerbs:%s\n",
                  cli_paint(cli, CLI_BOLD), cli_paint(cli, CLI_PLAIN), cli_paint(cli, CLI_BOLD),
                  cli_paint(cli, CLI_PLAIN));
    print_verbs(cli_verbs, out);
    (void)fprintf(out, "\n%sOptions of every verb:%s\n", cli_paint(cli, CLI_BOLD), cli_paint(cli, CLI_PLAIN));
    print_options(cli_global_options, out);
    (void)fprintf(out, "\n\"bulla VERB --help\" explains a verb; bulla(1) has it all.\n");
}

static void help_title(const struct cli *cli, const char *title, FILE *out)
{
    (void)fprintf(out, "\n%s%s:%s\n", cli_paint(cli, CLI_BOLD), title, cli_paint(cli, CLI_PLAIN));
}

void cli_help(const struct cli *cli, FILE *out)
{
    const struct cli_verb *verb = cli->verb;
    if (verb == NULL) {
        help_command(cli, out);
        return;
    }
    (void)fprintf(out, "%sUsage:%s bulla %s%s%s%s%s\n\n%s.\n", cli_paint(cli, CLI_BOLD), cli_paint(cli, CLI_PLAIN),
                  cli->title, verb->subs != NULL ? " VERB" : "", verb->options != NULL ? " [OPTION...]" : "",
                  verb->operands == NULL ? "" : " ", verb->operands == NULL ? "" : verb->operands, verb->summary);
    if (verb->details != NULL) (void)fprintf(out, "\n%s", verb->details);
    if (verb->subs != NULL) {
        help_title(cli, "Verbs", out);
        print_verbs(verb->subs, out);
    }
    if (verb->options != NULL) {
        help_title(cli, "Options", out);
        print_options(verb->options, out);
    }
    help_title(cli, "Options of every verb", out);
    print_options(cli_global_options, out);
    if (verb->examples == NULL) return;
    help_title(cli, "Examples", out);
    (void)fputs(verb->examples, out);
}
