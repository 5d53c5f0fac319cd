/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of work over a second: a bar on a terminal, now and then a line elsewhere. */
#include "cli/cli.h"

#include <string.h>

#define SECOND 1000000000ll
#define BAR_NS (SECOND / 10) /* between two drawings of the bar */
#define LINE_NS (3 * SECOND) /* between two lines where there is no terminal */
#define BAR_CELLS 24

static int64_t now_ns(const struct cli *cli)
{
    return cli->env.ticks_ns(cli->env.arg);
}

void cli_progress_begin(struct cli *cli, struct cli_progress *progress, const char *what, uint64_t total, bool bytes)
{
    memset(progress, 0, sizeof *progress);
    progress->cli = cli;
    progress->what = what;
    progress->total = total;
    progress->bytes = bytes;
    progress->start_ns = now_ns(cli);
    progress->shown_ns = progress->start_ns;
}

static struct cli_text amount(const struct cli_progress *progress, double value)
{
    if (progress->bytes) return cli_bytes((uint64_t)value);
    struct cli_text out;
    (void)snprintf(out.text, sizeof out.text, "%.0f", value);
    return out;
}

/* "1.2 GiB, 45 %, 310.0 MiB/s, 5s left" */
static void describe(const struct cli_progress *progress, int64_t now, char *out, size_t cap)
{
    uint64_t done = __atomic_load_n(&progress->done, __ATOMIC_RELAXED);
    double seconds = (double)(now - progress->start_ns) / (double)SECOND;
    double rate = (double)done / seconds;
    int len = snprintf(out, cap, "%s", amount(progress, (double)done).text);
    if (progress->total != 0)
        len += snprintf(out + len, cap - (size_t)len, ", %.0f %%", 100.0 * (double)done / (double)progress->total);
    len += snprintf(out + len, cap - (size_t)len, ", %s/s", amount(progress, rate).text);
    if (progress->total <= done || rate <= 0) return;
    uint64_t left = (uint64_t)((double)(progress->total - done) / rate) + 1;
    (void)snprintf(out + len, cap - (size_t)len, ", %s left", cli_period(left).text);
}

static void draw(struct cli_progress *progress, int64_t now)
{
    char text[200];
    describe(progress, now, text, sizeof text);
    if (!progress->cli->tty_err) {
        (void)fprintf(stderr, "%s: %s\n", progress->what, text);
        return;
    }
    char bar[BAR_CELLS + 1] = "";
    uint64_t done = __atomic_load_n(&progress->done, __ATOMIC_RELAXED);
    size_t cells = progress->total == 0 ? 0 : (size_t)((double)BAR_CELLS * (double)done / (double)progress->total);
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', cells < BAR_CELLS ? cells : BAR_CELLS);
    (void)fprintf(stderr, "\r\033[K%s%s%s%s %s", progress->what, progress->total == 0 ? "" : " [",
                  progress->total == 0 ? ":" : bar, progress->total == 0 ? "" : "]", text);
    progress->shown = true;
}

static void show(struct cli_progress *progress)
{
    const struct cli *cli = progress->cli;
    if (cli->quiet || cli->json) return;
    int64_t now = now_ns(cli);
    int64_t pause = cli->tty_err ? BAR_NS : LINE_NS;
    if (now - progress->start_ns < SECOND) return;
    if (now - __atomic_load_n(&progress->shown_ns, __ATOMIC_RELAXED) < pause) return;
    if (__atomic_exchange_n(&progress->busy, 1, __ATOMIC_ACQUIRE) != 0) return; /* another thread draws */
    __atomic_store_n(&progress->shown_ns, now, __ATOMIC_RELAXED);
    draw(progress, now);
    __atomic_store_n(&progress->busy, 0, __ATOMIC_RELEASE);
}

void cli_progress_add(struct cli_progress *progress, uint64_t more)
{
    (void)__atomic_fetch_add(&progress->done, more, __ATOMIC_RELAXED);
    show(progress);
}

void cli_progress_set(struct cli_progress *progress, uint64_t done, uint64_t total)
{
    __atomic_store_n(&progress->done, done, __ATOMIC_RELAXED);
    progress->total = total;
    show(progress);
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->shown) (void)fputs("\r\033[K", stderr);
    progress->shown = false;
}
