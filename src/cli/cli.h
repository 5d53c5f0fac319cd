/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command from inside: what every verb has at hand. A verb is one const struct cli_verb in its own file, one line
 * in verbs.c, and a page in docs/man. Verbs see the public headers and this one, nothing else of the library.
 *
 * A verb returns BULLA_OK or the status of what failed, with the sentence in cli->call; main prints it and exits with
 * its class. Whoever goes on after a failure (the next file) calls cli_report for it and returns the status at the end.
 */
#ifndef BULLA_CLI_CLI_H
#define BULLA_CLI_CLI_H

#include "bulla/bulla.h"
#include "bulla/config.h"

#include <jansson.h>
#include <stdio.h>

/* Returns from the calling function when `expr` is not BULLA_OK: BULLA_TRY of the rooms, which are out of sight here.
 */
#define CLI_TRY(expr)                                                                                                  \
    do {                                                                                                               \
        bulla_status cli_try_ = (expr);                                                                                \
        if (__builtin_expect(cli_try_ != BULLA_OK, 0)) return cli_try_;                                                \
    } while (0)

#define CLI_AUTO(release) __attribute__((cleanup(release)))

struct cli;

struct cli_option {
    char letter;       /* short name; 0: none */
    const char *name;  /* long name without dashes; NULL ends a table */
    const char *value; /* what help calls its value, such as "FILE"; NULL: a flag */
    const char *help;  /* one line, no full stop */
    bool repeated;     /* may be given more than once */
};

struct cli_verb {
    const char *name;
    const char *summary;              /* one line, no full stop */
    const char *operands;             /* as usage shows them, such as "NAME" or "[FILE...]"; NULL: none */
    int min_operands, max_operands;   /* max -1: any number */
    bool leaves_no_history;           /* nobody needs to know who runs it */
    const char *details;              /* paragraphs for --help; may be NULL */
    const char *examples;             /* lines for --help, each ended by a newline */
    const struct cli_option *options; /* besides the global ones; NULL: none */
    bulla_status (*run)(struct cli *cli, int argc, char **argv); /* the operands alone */
    const struct cli_verb *const *subs;                          /* NULL-terminated; then run is NULL */
};

extern const struct cli_verb *const cli_verbs[]; /* NULL-terminated, in the order of help */
extern const struct cli_option cli_global_options[];

struct cli_given {
    const struct cli_option *option;
    const char *value;
};

struct cli {
    bulla_env env;
    bulla_call call;
    bulla_config *config; /* through cli_config_open */
    bulla *house;         /* through cli_house_open */
    const struct cli_verb *verb;
    char title[64]; /* the verb in full, such as "key alias set" */
    struct cli_given *given;
    size_t num_given;
    bool json, quiet;
    bool tty_in, tty_out, tty_err; /* standard streams that are terminals */
    bool color_out, color_err;
    bool misused;  /* the failure in `call` is a mistake in the command line */
    bool reported; /* it has been shown */
};

/* --- main.c --- */

/* bulla_call_check for who waits in a callback of the library: several threads have calls of their own, which learn of
 * a signal only between two callbacks. */
bulla_status cli_call_check(bulla_call *call);

/* --- options.c: what was given --- */

/* Takes the command line apart: cli->verb, options, and the operands into `operands` (argc + 1 places). EINVAL names
 * what is wrong and the nearest that is right. */
bulla_status cli_parse(struct cli *cli, int argc, char **argv, char **operands, int *out_num_operands);

/* The options of the present verb by long name; a name that is not in its table is a defect and aborts. */
bool cli_flag(const struct cli *cli, const char *name);
const char *cli_value(const struct cli *cli, const char *name);                  /* NULL when not given */
const char *cli_value_at(const struct cli *cli, const char *name, size_t index); /* NULL past the last one */

/* Typed values; `fallback` when not given. Sizes take K, M, G (binary); durations s, m, h, d and come in seconds. */
bulla_status cli_number(struct cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                        uint64_t *out_number);
bulla_status cli_size(struct cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                      uint64_t *out_bytes);
bulla_status cli_duration(struct cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                          uint64_t *out_seconds);
/* `text` as a whole number in a range; `what` names it in the error. */
bulla_status cli_number_parse(struct cli *cli, const char *what, const char *text, uint64_t min, uint64_t max,
                              uint64_t *out_number);

/* --- help.c --- */

/* The lines of --help for the present verb (cli->verb NULL: for the command) on `out`. */
void cli_help(const struct cli *cli, FILE *out);

/* The word of a NULL-terminated list that `word` was most likely meant to be, or NULL. */
const char *cli_nearest(const char *word, const char *const *known);

/* --- output.c --- */

/* A mistake in the command line: EINVAL, and cli_report points to --help. */
bulla_status cli_usage(struct cli *cli, const char *format, ...) BULLA_PRINTF(2, 3);

/* EIO, ENOSPACE, ENOFILE or the like for `errno`, with `what` (usually a path) in the sentence. */
bulla_status cli_errno(struct cli *cli, const char *what);

/* Shows the failure in cli->call on standard error, as a line or, with --json, an object. `what` (may be NULL) is the
 * file or key it is about. */
void cli_report(struct cli *cli, const char *what);

/* An object in a line of its own on standard error: {WHAT: TEXT}, or with `level` {WHAT: {"level": …, "text": TEXT}}.
 */
void cli_json_say(const char *what, const char *level, const char *text);

/* One line for people on standard error, or an object with --json; nothing with --quiet. */
void cli_note(const struct cli *cli, const char *format, ...) BULLA_PRINTF(2, 3);

/* Prints a JSON value on standard output and takes it; NULL is ENOMEM. */
bulla_status cli_json(struct cli *cli, json_t *take_value);

/* Flushes standard output: a pipe that is gone or a full disk is an error like any other. */
bulla_status cli_flush(struct cli *cli);

/* All of `len` bytes to a file descriptor, past stdio: raw output, and key bytes that no buffer may keep. */
bulla_status cli_write(struct cli *cli, int fd, const void *data, size_t len);

enum cli_paint { CLI_PLAIN, CLI_BOLD, CLI_RED, CLI_GREEN, CLI_YELLOW };
/* The escape sequence for standard output, or "" when it is no terminal or NO_COLOR is set. */
const char *cli_paint(const struct cli *cli, enum cli_paint paint);

/* --- text.c: how people read and write things --- */

struct cli_text {
    char text[80];
};
struct cli_text cli_date(int64_t seconds);                        /* 2026-01-31T12:00:00Z; "never" for 0 */
struct cli_text cli_age(const struct cli *cli, int64_t seconds);  /* "3 days ago", "in 2 hours" */
struct cli_text cli_when(const struct cli *cli, int64_t seconds); /* date and age */
struct cli_text cli_period(uint64_t seconds);                     /* "90d", "1h 30m" */
struct cli_text cli_bytes(uint64_t bytes);                        /* "1.5 MiB" */
json_t *cli_json_date(int64_t seconds);                           /* RFC 3339 string, or null for 0 */
void cli_base64(const uint8_t *data, size_t len, char *out);      /* 4 * ((len + 2) / 3) + 1 places */
void cli_hex(const uint8_t *data, size_t len, char *out);         /* 2 * len + 1 places */
json_t *cli_json_view(bulla_view bytes);                          /* text when UTF-8, else base64 after "base64:" */

/* Nanoseconds from an arbitrary start, to measure with: the env's own clock is as coarse as deadlines need. */
int64_t cli_clock_ns(void);

/* --- progress.c: for work that may take over a second --- */

struct cli_progress {
    struct cli *cli;
    const char *what; /* such as "encrypting" */
    uint64_t done, total;
    int64_t start_ns, shown_ns;
    bool bytes, shown;
    int busy; /* somebody is drawing */
};
/* `total` 0: not known. `bytes`: done and total are bytes, else things. Nothing is drawn with --quiet or --json. */
void cli_progress_begin(struct cli *cli, struct cli_progress *progress, const char *what, uint64_t total, bool bytes);
void cli_progress_add(struct cli_progress *progress, uint64_t more); /* any thread */
void cli_progress_set(struct cli_progress *progress, uint64_t done, uint64_t total);
void cli_progress_end(struct cli_progress *progress); /* clears the bar */

/* --- house.c: what verbs open --- */

bulla_status cli_config_open(struct cli *cli, const bulla_settings **out_settings);
bulla_status cli_house_open(struct cli *cli, bulla **out_house);

/* Whether kms:NAME of a configured store means a key; the keys of others are meant by their own addresses. */
bool cli_store_names_key(const bulla_kms_config *store);

/* Providers by address: those of the repeated option `name`, else, where `defaults`, the configured recipients. */
struct cli_providers {
    bulla_provider *list[BULLA_MAX_RECIPIENTS];
    const char *addresses[BULLA_MAX_RECIPIENTS]; /* of the command line or the configuration */
    size_t num;
};
bulla_status cli_providers_open(struct cli *cli, const char *name, bool defaults, struct cli_providers *out_providers);
/* The same for keys that are to wrap: EINVAL for "local:", which stands for the whole keystore and only opens. */
bulla_status cli_recipients_open(struct cli *cli, const char *name, bool defaults, struct cli_providers *out_providers);
bulla_status cli_wrapping_check(struct cli *cli, const char *address);
void cli_providers_done(struct cli_providers *providers);

/* The pairs of the repeated option "context" (K=V) as a context; NULL when there are none. Pairs are borrowed from the
 * command line. */
bulla_status cli_context_new(struct cli *cli, bulla_context **out_context);
bulla_status cli_context_pairs(struct cli *cli, bulla_pair *pairs, size_t cap, size_t *out_num);
#define CLI_MAX_PAIRS 128u

/* Cleanup for locals: CLI_AUTO(cli_context_done) bulla_context *context = NULL; */
void cli_context_done(bulla_context **context);
void cli_provider_done(bulla_provider **provider);
void cli_secret_done(bulla_secret **secret);
void cli_wrapped_done(bulla_wrapped **wrapped);
void cli_datakey_done(bulla_datakey **datakey);
void cli_json_done(json_t **value);
void cli_fd_done(int *fd);

/* --- read.c: small inputs --- */

/* A whole file ("-": standard input) of at most `cap` bytes into memory the caller frees with bulla_bytes_done (wiped).
 * ELIMIT when it is longer. */
bulla_status cli_read(struct cli *cli, const char *path, size_t cap, bulla_bytes *out_bytes);

#endif
