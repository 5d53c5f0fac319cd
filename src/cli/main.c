/* SPDX-License-Identifier: Apache-2.0 */
/* The command: setting, one verb, exit code by status class. */
#include "cli/cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a signal cancels; set once, before the handlers. */
static bulla_call *running;

/* Set before anything is logged. */
static bool logs_json;

static void on_signal(int number)
{
    (void)number;
    bulla_call_cancel(running);
}

bulla_status cli_call_check(bulla_call *call)
{
    if (call != running && __atomic_load_n(&running->cancelled, __ATOMIC_ACQUIRE) != 0) bulla_call_cancel(call);
    return bulla_call_check(call);
}

/* The first signal asks the work to end, without SA_RESTART so that waits end too; SA_RESETHAND lets the second kill.
 * A pipe whose reader is gone, and a file over the limit of its size, are errors of write and not a death. */
static void catch_signals(bulla_call *call)
{
    running = call;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    (void)sigaction(SIGPIPE, &action, NULL);
    (void)sigaction(SIGXFSZ, &action, NULL);
}

/* Keys are in this process: no core file, and no look into its memory by others of the same user. */
static void harden(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static void log_line(void *arg, bulla_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)arg;
    if (logs_json)
        cli_json_say("log", names[level], line);
    else
        (void)fprintf(stderr, "bulla: %s: %s\n", names[level], line);
}

static bool has_color(bool terminal)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return terminal && (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

static void set_up(struct cli *cli)
{
    cli->env = *bulla_env_default();
    cli->env.size = sizeof cli->env;
    cli->env.lookup = lookup;
    cli->env.log = log_line;
    cli->env.log_level = BULLA_LOG_WARN;
    bulla_call_init(&cli->call, &cli->env);
    cli->tty_in = isatty(STDIN_FILENO) == 1;
    cli->tty_out = isatty(STDOUT_FILENO) == 1;
    cli->tty_err = isatty(STDERR_FILENO) == 1;
    cli->color_out = has_color(cli->tty_out);
    cli->color_err = has_color(cli->tty_err);
}

static bulla_status take_globals(struct cli *cli)
{
    cli->quiet = cli_flag(cli, "quiet");
    if (cli->quiet) cli->env.log_level = BULLA_LOG_ERROR;
    if (cli_value_at(cli, "verbose", 0) != NULL) cli->env.log_level = BULLA_LOG_INFO;
    if (cli_value_at(cli, "verbose", 1) != NULL) cli->env.log_level = BULLA_LOG_DEBUG;
    uint64_t timeout = 0;
    CLI_TRY(cli_duration(cli, "timeout", 1, 4294967, 0, &timeout));
    bulla_call_deadline_set(&cli->call, (uint32_t)(timeout * 1000));
    return BULLA_OK;
}

/* A command line that could not be read to its end may still have asked for JSON. */
static bool asks_json(char **argv)
{
    for (; *argv != NULL && strcmp(*argv, "--") != 0; argv++)
        if (strcmp(*argv, "--json") == 0) return true;
    return false;
}

static bulla_status run(struct cli *cli, int argc, char **argv, char **operands)
{
    int num_operands = 0;
    cli->json = logs_json = asks_json(argv);
    CLI_TRY(cli_parse(cli, argc, argv, operands, &num_operands));
    cli->json = cli_flag(cli, "json");
    if (cli_flag(cli, "help")) {
        cli_help(cli, stdout);
        return cli_flush(cli);
    }
    CLI_TRY(take_globals(cli));
    CLI_TRY(cli->verb->run(cli, num_operands, operands));
    return cli_flush(cli);
}

/* Without what exit() would have OpenSSL take apart at the end, memory that goes with the process anyway: a tenth of
 * the time of a short run. Builds with sanitizers need exit(), at which they look for leaks. */
static _Noreturn void leave(int code)
{
    (void)fflush(NULL);
#if CLI_LEAVES_AT_ONCE
    _exit(code);
#else
    exit(code);
#endif
}

int main(int argc, char **argv)
{
    harden();
    struct cli cli;
    memset(&cli, 0, sizeof cli);
    set_up(&cli);
    catch_signals(&cli.call);
    char **operands = calloc((size_t)argc + 1, sizeof *operands);
    cli.given = calloc((size_t)argc + 1, sizeof *cli.given);
    bulla_status status = BULLA_ENOMEM;
    if (operands != NULL && cli.given != NULL)
        status = run(&cli, argc, argv, operands);
    else
        (void)bulla_fail(&cli.call, BULLA_ENOMEM, "not enough memory for the command line");
    if (status != BULLA_OK && !cli.reported) cli_report(&cli, NULL);
    bulla_close(cli.house);
    bulla_config_free(cli.config);
    free(cli.given);
    free(operands);
    leave((int)bulla_status_class(status));
}
