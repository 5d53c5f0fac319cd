/* SPDX-License-Identifier: Apache-2.0 */
/* bulla profile kms */
#include "cli/histogram.h"
#include "cli/probe.h"
#include "cli/verbs.h"

#include <pthread.h>
#include <string.h>

#define MAX_THREADS 64u
#define CALL_MS 30000u

enum { WRAP, UNWRAP, NUM_CALLS };
static const char *const call_names[NUM_CALLS] = {"datakey", "unwrap"};

struct worker {
    struct cli *cli;
    bulla_provider *provider;
    int64_t until_ns;
    bulla_call call;
    struct cli_histogram calls[NUM_CALLS];
    uint64_t failed[NUM_CALLS];
    bulla_status status; /* the last failure */
    char why[256];
};

static bool count(struct worker *worker, int call, bulla_status status, int64_t since_ns)
{
    cli_histogram_add(&worker->calls[call], cli_clock_ns() - since_ns);
    if (status == BULLA_OK) return true;
    worker->failed[call]++;
    worker->status = status;
    (void)snprintf(worker->why, sizeof worker->why, "%s", worker->call.why);
    return false;
}

static void round_run(struct worker *worker)
{
    CLI_AUTO(cli_secret_done) bulla_secret *dek = NULL, *opened = NULL;
    CLI_AUTO(cli_wrapped_done) bulla_wrapped *wrapped = NULL;
    bulla_call_deadline_set(&worker->call, CALL_MS);
    int64_t start = cli_clock_ns();
    if (!count(worker, WRAP, bulla_provider_datakey(worker->provider, &worker->call, NULL, 32, &dek, &wrapped), start))
        return;
    start = cli_clock_ns();
    (void)count(worker, UNWRAP, bulla_provider_unwrap(worker->provider, &worker->call, NULL, wrapped, &opened), start);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    while (cli_clock_ns() < worker->until_ns && bulla_call_check(&worker->cli->call) == BULLA_OK)
        round_run(worker);
    return NULL;
}

/* Runs on `num` threads and adds all of it up in workers[0]. */
static bulla_status work_all(struct cli *cli, struct worker *workers, size_t num)
{
    pthread_t threads[MAX_THREADS];
    size_t started = 0;
    for (; started < num; started++)
        if (pthread_create(&threads[started], NULL, work, &workers[started]) != 0) break;
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    if (started < num)
        return bulla_fail(&cli->call, BULLA_ELIMIT, "the system gives no more than %zu threads", started);
    for (size_t i = 1; i < num; i++)
        for (int call = 0; call < NUM_CALLS; call++) {
            cli_histogram_merge(&workers[0].calls[call], &workers[i].calls[call]);
            workers[0].failed[call] += workers[i].failed[call];
            if (workers[i].status != BULLA_OK) {
                workers[0].status = workers[i].status;
                memcpy(workers[0].why, workers[i].why, sizeof workers[0].why);
            }
        }
    return BULLA_OK;
}

/* --- showing --- */

struct phases {
    struct cli *cli;
    json_t *list;
};

static bulla_status phase_show(void *arg, bulla_call *call, const bulla_metric_sample *sample)
{
    (void)call;
    const struct phases *phases = arg;
    bool phase = strcmp(sample->name, "bulla_kms_phase_seconds") == 0;
    if ((!phase && strcmp(sample->name, "bulla_kms_request_seconds") != 0) || sample->count == 0) return BULLA_OK;
    struct cli_histogram histogram;
    cli_histogram_take(&histogram, sample);
    char label[200];
    (void)snprintf(label, sizeof label, "%s{%s}", phase ? "phase" : "request", sample->labels);
    if (phases->cli->json) {
        (void)json_array_append_new(phases->list, cli_histogram_json(&histogram, label));
        return BULLA_OK;
    }
    (void)printf("%s%s%s: %llu\n", cli_paint(phases->cli, CLI_BOLD), label, cli_paint(phases->cli, CLI_PLAIN),
                 (unsigned long long)histogram.count);
    cli_histogram_draw(&histogram, phases->cli);
    return BULLA_OK;
}

static bulla_status show(struct cli *cli, bulla *house, const char *address, const struct worker *all, double seconds)
{
    CLI_AUTO(cli_json_done) json_t *calls = json_array(), *list = json_array();
    struct phases phases = {cli, list};
    for (int call = 0; call < NUM_CALLS; call++) {
        const struct cli_histogram *histogram = &all->calls[call];
        if (cli->json) {
            json_t *shown = cli_histogram_json(histogram, call_names[call]);
            (void)json_object_set_new(shown, "failed", json_integer((json_int_t)all->failed[call]));
            (void)json_array_append_new(calls, shown);
            continue;
        }
        (void)printf("%s%s%s: %llu calls, %llu failed, %.1f a second\n", cli_paint(cli, CLI_BOLD), call_names[call],
                     cli_paint(cli, CLI_PLAIN), (unsigned long long)histogram->count,
                     (unsigned long long)all->failed[call], (double)histogram->count / seconds);
        cli_histogram_draw(histogram, cli);
    }
    CLI_TRY(bulla_metrics_visit(house, &cli->call, phase_show, &phases));
    if (!cli->json) return BULLA_OK;
    return cli_json(cli, json_pack("{s:s, s:f, s:O, s:O}", "address", address, "seconds", seconds, "calls", calls,
                                   "requests", list));
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    CLI_AUTO(cli_plain_house_done) bulla *house = NULL;
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    static struct worker workers[MAX_THREADS];
    const bulla_settings *settings = NULL;
    uint64_t seconds = 0, threads = 0;
    char usual[48];
    const char *address = argc == 0 ? NULL : argv[0];
    CLI_TRY(cli_duration(cli, "duration", 1, 86400, 10, &seconds));
    CLI_TRY(cli_number(cli, "jobs", 1, MAX_THREADS, 1, &threads));
    CLI_TRY(cli_config_open(cli, &settings));
    for (size_t i = 0; address == NULL && i < settings->options.num_kms; i++) {
        if (!cli_store_names_key(&settings->options.kms[i])) continue;
        (void)snprintf(usual, sizeof usual, "kms:%s", settings->options.kms[i].name);
        address = usual;
    }
    if (address == NULL) return cli_usage(cli, "no key store is configured: give an ADDRESS or a section kms");
    CLI_TRY(cli_plain_house_open(cli, &house));
    CLI_TRY(bulla_provider_open(house, &cli->call, address, &provider));
    const int64_t start = cli_clock_ns();
    for (size_t i = 0; i < threads; i++) {
        workers[i] =
            (struct worker){.cli = cli, .provider = provider, .until_ns = start + (int64_t)seconds * 1000000000};
        bulla_call_init(&workers[i].call, &cli->env);
        memcpy(workers[i].call.principal, cli->call.principal, sizeof cli->call.principal);
    }
    round_run(&workers[0]); /* a store that does not do it once is not asked over and over */
    if (workers[0].status != BULLA_OK) return bulla_fail(&cli->call, workers[0].status, "%s", workers[0].why);
    CLI_TRY(work_all(cli, workers, (size_t)threads));
    CLI_TRY(show(cli, house, address, &workers[0], (double)(cli_clock_ns() - start) / 1e9));
    if (workers[0].status == BULLA_OK) return BULLA_OK;
    return bulla_fail(&cli->call, workers[0].status, "%s", workers[0].why);
}

static const struct cli_option options[] = {
    {0, "duration", "DURATION", "how long (10s)", false},
    {'j', "jobs", "N", "threads that ask at a time (1)", false},
    {0},
};

static const struct cli_verb kms_verb = {
    .name = "kms",
    .summary = "Measure how a key store answers",
    .operands = "[ADDRESS]",
    .min_operands = 0,
    .max_operands = 1,
    .leaves_no_history = true,
    .details = "Makes data keys and opens them, over and over, past every cache, and draws how long the calls took. "
               "For a store\n"
               "behind a network also how long name lookup, connection, TLS, the server and the transfer took.\n",
    .examples = "  bulla profile kms --duration 60s\n"
                "  bulla profile kms vault:transit/keys/app -j 8 --json\n",
    .options = options,
    .run = run,
};

const struct cli_verb cli_verb_profile = {
    .name = "profile",
    .summary = "Measure",
    .subs = (const struct cli_verb *const[]){&kms_verb, NULL},
};
