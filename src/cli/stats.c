/* SPDX-License-Identifier: Apache-2.0 */
/* bulla stats cache */
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

#define MAX_METRICS (4u << 20)

static json_t *cache_json(const char *address, const bulla_cache_stats *stats)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "key", address, "ttl_ms",
                     (json_int_t)stats->ttl_ms, "stale_bound_ms", (json_int_t)stats->stale_bound_ms, "entries",
                     (json_int_t)stats->entries, "bytes", (json_int_t)stats->bytes, "hits", (json_int_t)stats->hits,
                     "misses", (json_int_t)stats->misses, "shared_flights", (json_int_t)stats->shared_flights,
                     "refreshed", (json_int_t)stats->refreshed, "offline_hits", (json_int_t)stats->offline_hits,
                     "oldest_ms", (json_int_t)stats->oldest_ms, "offline", (int)stats->is_offline);
}

struct shown {
    struct cli *cli;
    json_t *list;
    size_t num;
};

/* Not less than it is: somebody may count on it. */
static uint64_t whole_seconds(uint64_t ms)
{
    return (ms + 999) / 1000;
}

static bulla_status cache_show(void *arg, bulla_call *call, const char *address, const bulla_cache_stats *stats)
{
    (void)call;
    struct shown *shown = arg;
    shown->num++;
    if (shown->cli->json) {
        (void)json_array_append_new(shown->list, cache_json(address, stats));
        return BULLA_OK;
    }
    (void)printf(
        "%s\n  opened keys are kept for %s; a key that is disabled or destroyed in its store stops serving here "
        "after at most %s\n",
        address, cli_period(whole_seconds(stats->ttl_ms)).text, cli_period(whole_seconds(stats->stale_bound_ms)).text);
    return BULLA_OK;
}

/* --- what a running program wrote with bulla_metrics_text --- */

struct line {
    char name[64], key[200];
    double value;
};

/* NAME{key="ADDRESS"} VALUE */
static bool line_parse(const char *text, size_t len, struct line *line)
{
    static const char start[] = "bulla_cache_";
    const char *brace = memchr(text, '{', len);
    if (len < sizeof start || strncmp(text, start, sizeof start - 1) != 0 || brace == NULL) return false;
    size_t name_len = (size_t)(brace - text) - (sizeof start - 1), rest = len - (size_t)(brace - text);
    if (name_len >= sizeof line->name || rest < 8 || strncmp(brace, "{key=\"", 6) != 0) return false;
    const char *end = memchr(brace + 6, '"', rest - 6);
    if (end == NULL || (size_t)(end - brace - 6) >= sizeof line->key || (size_t)(text + len - end) < 4) return false;
    memcpy(line->name, text + sizeof start - 1, name_len);
    line->name[name_len] = '\0';
    if (name_len > 6 && strcmp(line->name + name_len - 6, "_total") == 0) line->name[name_len - 6] = '\0';
    memcpy(line->key, brace + 6, (size_t)(end - brace - 6));
    line->key[end - brace - 6] = '\0';
    char number[32] = "";
    size_t number_len = (size_t)(text + len - end) - 3;
    if (end[1] != '}' || end[2] != ' ' || number_len >= sizeof number) return false;
    memcpy(number, end + 3, number_len);
    char *after = NULL;
    line->value = strtod(number, &after);
    return after != number && *after == '\0';
}

static void line_show(const struct cli *cli, json_t *list, struct line *line, char *last_key)
{
    if (cli->json) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:f}", "key", line->key, "name", line->name, "value", line->value));
        return;
    }
    if (strcmp(last_key, line->key) != 0) (void)printf("%s\n", line->key);
    memcpy(last_key, line->key, sizeof line->key);
    (void)printf("  %-24s %.0f\n", line->name, line->value);
}

static int by_key(const void *a, const void *b)
{
    const struct line *left = a, *right = b;
    int order = strcmp(left->key, right->key);
    return order != 0 ? order : strcmp(left->name, right->name);
}

#define MAX_LINES 4096u

static bulla_status file_show(struct cli *cli, const char *path)
{
    static struct line lines[MAX_LINES]; /* too large for a stack */
    bulla_bytes bytes = {0};
    size_t num = 0;
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    char last_key[sizeof lines[0].key] = "";
    CLI_TRY(cli_read(cli, path, MAX_METRICS, &bytes));
    const char *text = (const char *)bytes.data, *end = text + bytes.len;
    for (const char *at = text; at < end && num < MAX_LINES;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = newline == NULL ? (size_t)(end - at) : (size_t)(newline - at);
        num += line_parse(at, len, &lines[num]);
        at += len + 1;
    }
    bulla_bytes_done(&bytes);
    if (num == 0) return bulla_fail(&cli->call, BULLA_EFORMAT, "%.160s: no figures of a cache in it", path);
    qsort(lines, num, sizeof lines[0], by_key);
    for (size_t i = 0; i < num; i++)
        line_show(cli, list, &lines[i], last_key);
    return cli->json ? cli_json(cli, json_incref(list)) : BULLA_OK;
}

/* --- the verbs --- */

static bool is_among(const struct cli_providers *providers, const char *address)
{
    for (size_t i = 0; i < providers->num; i++)
        if (strcmp(providers->addresses[i], address) == 0) return true;
    return false;
}

/* `stores` has room for all: there are fewer of them than recipients may be. */
_Static_assert(BULLA_MAX_KMS <= BULLA_MAX_RECIPIENTS, "every store fits");
static bulla_status stores_open(struct cli *cli, struct cli_providers *stores, const struct cli_providers *recipients,
                                bulla *house)
{
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    for (size_t i = 0; i < settings->options.num_kms; i++) {
        char address[48];
        (void)snprintf(address, sizeof address, "kms:%s", settings->options.kms[i].name);
        if (!cli_store_names_key(&settings->options.kms[i]) || is_among(recipients, address)) continue;
        if (bulla_provider_open(house, &cli->call, address, &stores->list[stores->num]) != BULLA_OK)
            cli_report(cli, address);
        else
            stores->num++;
    }
    return BULLA_OK;
}

static bulla_status cache_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    CLI_AUTO(cli_providers_done) struct cli_providers recipients = {.num = 0}, stores = {.num = 0};
    struct shown shown = {cli, list, 0};
    const char *path = cli_value(cli, "metrics");
    if (path != NULL) return file_show(cli, path);
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(cli_providers_open(cli, "recipient", true, &recipients));
    if (!cli_flag(cli, "recipient")) CLI_TRY(stores_open(cli, &stores, &recipients, house));
    CLI_TRY(bulla_caches_visit(house, &cli->call, cache_show, &shown));
    if (cli->json) return cli_json(cli, json_incref(list));
    if (shown.num == 0) cli_note(cli, "no cache is configured: cache.enabled (bulla.yaml(5))");
    return BULLA_OK;
}

static const struct cli_option cache_options[] = {
    {0, "metrics", "FILE", "figures that a running program wrote, as Prometheus text; - for standard input", false},
    {'r', "recipient", "ADDRESS", "a key (default: all that the configuration names)", true},
    {0},
};

static const struct cli_verb cache_verb = {
    .name = "cache",
    .summary = "Show what caches keep and for how long",
    .leaves_no_history = true,
    .details =
        "Without --metrics: for each key that the configuration names, how long opened data keys are kept, and how\n"
        "long a key that was disabled or destroyed in its store may go on serving. With --metrics: the counts of a\n"
        "running program (bulla_metrics_text): hits, misses, age, requests shared, served offline.\n",
    .examples = "  bulla stats cache\n"
                "  curl -s http://127.0.0.1:9100/metrics | bulla stats cache --metrics -\n",
    .options = cache_options,
    .run = cache_run,
};

const struct cli_verb cli_verb_stats = {
    .name = "stats",
    .summary = "Show figures",
    .subs = (const struct cli_verb *const[]){&cache_verb, NULL},
};
