/* SPDX-License-Identifier: Apache-2.0 */
/* bulla kms test, bulla kms list */
#include "cli/probe.h"
#include "cli/shown.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

/* --- kms test --- */

#define MAX_ROUNDS 10000u

struct rounds {
    int64_t wrap_ns[MAX_ROUNDS], unwrap_ns[MAX_ROUNDS];
    size_t num;
};

static bulla_status round_run(struct cli *cli, bulla_provider *provider, struct rounds *rounds)
{
    CLI_AUTO(cli_secret_done) bulla_secret *dek = NULL, *opened = NULL;
    CLI_AUTO(cli_wrapped_done) bulla_wrapped *wrapped = NULL;
    int64_t start = cli_clock_ns();
    CLI_TRY(bulla_provider_datakey(provider, &cli->call, NULL, 32, &dek, &wrapped));
    int64_t middle = cli_clock_ns();
    CLI_TRY(bulla_provider_unwrap(provider, &cli->call, NULL, wrapped, &opened));
    rounds->unwrap_ns[rounds->num] = cli_clock_ns() - middle;
    rounds->wrap_ns[rounds->num++] = middle - start;
    bulla_view left = bulla_secret_borrow(dek), right = bulla_secret_borrow(opened);
    if (left.len != right.len || memcmp(left.data, right.data, left.len) != 0)
        return bulla_fail(&cli->call, BULLA_EINTEGRITY, "the store opened the data key to other bytes");
    return BULLA_OK;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static double quantile_ms(int64_t *sorted, size_t num, size_t percent)
{
    return (double)sorted[(num - 1) * percent / 100] / 1e6;
}

static bulla_status rounds_show(struct cli *cli, const char *address, struct rounds *rounds)
{
    qsort(rounds->wrap_ns, rounds->num, sizeof rounds->wrap_ns[0], compare);
    qsort(rounds->unwrap_ns, rounds->num, sizeof rounds->unwrap_ns[0], compare);
    const double wrap50 = quantile_ms(rounds->wrap_ns, rounds->num, 50),
                 unwrap50 = quantile_ms(rounds->unwrap_ns, rounds->num, 50);
    const double wrap99 = quantile_ms(rounds->wrap_ns, rounds->num, 99),
                 unwrap99 = quantile_ms(rounds->unwrap_ns, rounds->num, 99);
    if (cli->json)
        return cli_json(cli, json_pack("{s:s, s:b, s:I, s:{s:f, s:f}, s:{s:f, s:f}}", "address", address, "ok", 1,
                                       "rounds", (json_int_t)rounds->num, "wrap_ms", "p50", wrap50, "p99", wrap99,
                                       "unwrap_ms", "p50", unwrap50, "p99", unwrap99));
    (void)printf("%s: ok, %zu rounds; wrap p50 %.2f ms, p99 %.2f ms; unwrap p50 %.2f ms, p99 %.2f ms\n", address,
                 rounds->num, wrap50, wrap99, unwrap50, unwrap99);
    return BULLA_OK;
}

static bulla_status test_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    CLI_AUTO(cli_plain_house_done) bulla *house = NULL;
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    static struct rounds rounds; /* too large for a stack */
    uint64_t num = 0;
    const char *address = cli_value(cli, "key");
    if (address == NULL) return cli_usage(cli, "which key? --key ADDRESS");
    CLI_TRY(cli_number(cli, "rounds", 1, MAX_ROUNDS, 10, &num));
    CLI_TRY(cli_plain_house_open(cli, &house));
    CLI_TRY(bulla_provider_open(house, &cli->call, address, &provider));
    for (uint64_t i = 0; i < num; i++) {
        bulla_call_deadline_set(&cli->call, 30000);
        CLI_TRY(round_run(cli, provider, &rounds));
    }
    return rounds_show(cli, address, &rounds);
}

static const struct cli_option test_options[] = {
    {0, "key", "ADDRESS", "the key to wrap and unwrap with", false},
    {'n', "rounds", "N", "how often (10)", false},
    {0},
};

static const struct cli_verb test_verb = {
    .name = "test",
    .summary = "Wrap and unwrap with one key, and say how long it takes",
    .leaves_no_history = true,
    .details =
        "Each round makes a data key in the store, opens it again and compares. Every request goes to the store: no\n"
        "cache, no retries. bulla verify kms tells more when something fails.\n",
    .examples = "  bulla kms test --key vault:transit/keys/app\n"
                "  bulla kms test --key kms:main -n 100\n",
    .options = test_options,
    .run = test_run,
};

/* --- kms list --- */

static json_t *store_json(const bulla_kms_config *store)
{
    char address[48];
    (void)snprintf(address, sizeof address, "kms:%s", store->name);
    return json_pack("{s:s, s:s, s:s}", "name", store->name, "provider", store->provider, "address", address);
}

static bulla_status stores_show(struct cli *cli)
{
    const bulla_settings *settings = NULL;
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    CLI_TRY(cli_config_open(cli, &settings));
    for (size_t i = 0; i < settings->options.num_kms; i++) {
        const bulla_kms_config *store = &settings->options.kms[i];
        if (cli->json)
            (void)json_array_append_new(list, store_json(store));
        else
            (void)printf("%-20s %-8s kms:%s\n", store->name, store->provider, store->name);
    }
    if (cli->json) return cli_json(cli, json_incref(list));
    if (settings->options.num_kms == 0) cli_note(cli, "no key store is configured (section kms of bulla.yaml(5))");
    return BULLA_OK;
}

struct shown_keys {
    struct cli *cli;
    json_t *list;
};

static bulla_status key_show(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    (void)call;
    struct shown_keys *keys = arg;
    const char *state = info->state == BULLA_KEY_STATE_UNKNOWN ? "-" : bulla_key_state_name(info->state);
    const char *name = info->name[0] == '\0' ? info->id : info->name;
    char shown_address[CLI_SHOWN], shown_name[CLI_SHOWN], shown_id[CLI_SHOWN]; /* the store chose them */
    const bool json = keys->cli->json;
    address = cli_shown_text(address, json, shown_address, sizeof shown_address);
    if (json)
        (void)json_array_append_new(keys->list,
                                    json_pack("{s:s, s:s, s:s, s:I}", "address", address, "id",
                                              cli_shown_text(info->id, json, shown_id, sizeof shown_id), "state", state,
                                              "version", (json_int_t)info->primary_version));
    else
        (void)printf("%-60s %-18s %s\n", address, state, cli_shown_text(name, json, shown_name, sizeof shown_name));
    return BULLA_OK;
}

static bulla_status list_run(struct cli *cli, int argc, char **argv)
{
    CLI_AUTO(cli_plain_house_done) bulla *house = NULL;
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    struct shown_keys keys = {cli, list};
    if (argc == 0) return stores_show(cli);
    CLI_TRY(cli_plain_house_open(cli, &house));
    CLI_TRY(bulla_provider_open(house, &cli->call, argv[0], &provider));
    CLI_TRY(bulla_provider_list(provider, &cli->call, key_show, &keys));
    return cli->json ? cli_json(cli, json_incref(list)) : BULLA_OK;
}

static const struct cli_verb list_verb = {
    .name = "list",
    .summary = "List the configured key stores, or the keys of one",
    .operands = "[ADDRESS]",
    .min_operands = 0,
    .max_operands = 1,
    .leaves_no_history = true,
    .details =
        "Without ADDRESS the stores of the section kms of the configuration. With the address of a key, such as\n"
        "kms:NAME, the keys that lie in the same store and that we may see.\n",
    .examples = "  bulla kms list\n"
                "  bulla kms list kms:main\n",
    .run = list_run,
};

const struct cli_verb cli_verb_kms = {
    .name = "kms",
    .summary = "Look at key stores outside",
    .subs = (const struct cli_verb *const[]){&list_verb, &test_verb, NULL},
};
