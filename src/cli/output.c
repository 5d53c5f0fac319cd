/* SPDX-License-Identifier: Apache-2.0 */
/* What the command says: results on standard output, everything else on standard error. */
#include "cli/cli.h"
#include "cli/fdio.h"
#include "cli/shown.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bulla_status cli_usage(struct cli *cli, const char *format, ...)
{
    char why[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    cli->misused = true;
    return bulla_fail(&cli->call, BULLA_EINVAL, "%s", why);
}

bulla_status cli_errno(struct cli *cli, const char *what)
{
    return cli_errno_fail(&cli->call, errno, what);
}

static const char *class_name(bulla_class class_)
{
    switch (class_) {
    case BULLA_CLASS_OK: return "ok";
    case BULLA_CLASS_FATAL: return "fatal";
    case BULLA_CLASS_CALLER: return "caller";
    case BULLA_CLASS_RETRY: return "retry";
    case BULLA_CLASS_UNSURE: return "unsure";
    case BULLA_CLASS_STOP: return "stop";
    }
    return "fatal";
}

static void report_json(const struct cli *cli, const char *why, const char *what)
{
    const bulla_call *call = &cli->call;
    bulla_class class_ = bulla_status_class(call->status);
    json_t *error = json_pack("{s:{s:s, s:s, s:i, s:s, s:s*, s:s*, s:s*, s:I}}", "error", "status",
                              bulla_status_name(call->status), "class", class_name(class_), "exit", (int)class_, "why",
                              why, "about", what, "verb", cli->title[0] == '\0' ? NULL : cli->title, "provider",
                              call->provider[0] == '\0' ? NULL : call->provider, "native", (json_int_t)call->native);
    if (error == NULL || json_dumpf(error, stderr, JSON_COMPACT) != 0)
        (void)fprintf(stderr, "{\"error\":{\"status\":\"%s\"}}", bulla_status_name(call->status));
    (void)fputc('\n', stderr);
    json_decref(error);
}

void cli_report(struct cli *cli, const char *what)
{
    const bulla_call *call = &cli->call;
    cli->reported = true;
    (void)fflush(stdout); /* in the order in which things were said; main asks whether it went well */
    /* Names and sentences may hold bytes that somebody else chose, from a file's name or a message. */
    char shown_what[CLI_SHOWN], shown_why[CLI_SHOWN];
    const char *why = call->why[0] == '\0' ? bulla_status_text(call->status) : call->why;
    why = cli_shown_text(why, cli->json, shown_why, sizeof shown_why);
    what = cli_shown_text(what, cli->json, shown_what, sizeof shown_what);
    if (cli->json) {
        report_json(cli, why, what);
        return;
    }
    (void)fprintf(stderr, "%sbulla:%s ", cli->color_err ? "\033[1;31m" : "", cli->color_err ? "\033[0m" : "");
    if (cli->title[0] != '\0') (void)fprintf(stderr, "%s: ", cli->title);
    if (what != NULL) (void)fprintf(stderr, "%s: ", what);
    (void)fprintf(stderr, "%s (%s%s%s)\n", why, bulla_status_name(call->status), call->provider[0] == '\0' ? "" : ", ",
                  call->provider);
    if (cli->misused)
        (void)fprintf(stderr, "See \"bulla%s%s --help\".\n", cli->title[0] == '\0' ? "" : " ", cli->title);
    cli->misused = false;
}

void cli_json_say(const char *what, const char *level, const char *text)
{
    char shown[CLI_SHOWN];
    text = cli_shown_text(text, true, shown, sizeof shown);
    json_t *said = level == NULL ? json_pack("{s:s}", what, text)
                                 : json_pack("{s:{s:s, s:s}}", what, "level", level, "text", text);
    flockfile(stderr); /* logs come from any thread */
    if (said != NULL && json_dumpf(said, stderr, JSON_COMPACT) == 0) (void)fputc('\n', stderr);
    funlockfile(stderr);
    json_decref(said);
}

void cli_note(const struct cli *cli, const char *format, ...)
{
    char *text = NULL;
    if (cli->quiet) return;
    (void)fflush(stdout);
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) return; /* no memory: what follows will say so */
    if (cli->json)
        cli_json_say("note", NULL, text);
    else
        (void)fprintf(stderr, "%s\n", text);
    free(text);
}

bulla_status cli_json(struct cli *cli, json_t *take_value)
{
    if (take_value == NULL) return bulla_fail(&cli->call, BULLA_ENOMEM, "not enough memory for the result");
    int failed = json_dumpf(take_value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    json_decref(take_value);
    if (failed != 0 || fputc('\n', stdout) == EOF) return cli_errno(cli, "standard output");
    return BULLA_OK;
}

bulla_status cli_flush(struct cli *cli)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return BULLA_OK;
    if (errno == 0) errno = EIO; /* an earlier write failed, and what it said is lost */
    return cli_errno(cli, "standard output");
}

bulla_status cli_write(struct cli *cli, int fd, const void *data, size_t len)
{
    if (fd == STDOUT_FILENO) CLI_TRY(cli_flush(cli));
    const uint8_t *rest = data;
    while (len != 0) {
        CLI_TRY(cli_ready_wait(&cli->call, fd, POLLOUT));
        /* So much goes into a pipe that is ready without waiting (pipe(7)). */
        ssize_t num = write(fd, rest, len < PIPE_BUF ? len : PIPE_BUF);
        if (num < 0 && errno != EINTR && errno != EAGAIN)
            return cli_errno(cli, fd == STDOUT_FILENO ? "standard output" : "write");
        if (num < 0) continue;
        rest += num;
        len -= (size_t)num;
    }
    return BULLA_OK;
}

const char *cli_paint(const struct cli *cli, enum cli_paint paint)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[31m", "\033[32m", "\033[33m"};
    return cli->color_out ? codes[paint] : "";
}
