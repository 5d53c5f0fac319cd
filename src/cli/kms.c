/* SPDX-License-Identifier: Apache-2.0 */
/* bulla kms list, show, rotate and test */
#include "cli/probe.h"
#include "cli/shown.h"
#include "cli/verbs.h"

#include <stdlib.h>

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
    return cli_datakey_compare(&cli->call, dek, opened);
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static double quantile_ms(int64_t *sorted, size_t num, size_t percent)
{
    size_t at = (num - 1) * percent / 100;
    return (double)sorted[at] / 1e6;
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

/* Not every store tells it. */
static json_t *version_json(uint32_t version)
{
    return version == 0 ? json_null() : json_integer((json_int_t)version);
}

static bulla_status key_show(void *arg, bulla_call *call, const char *address, const bulla_key_info *info)
{
    (void)call;
    struct shown_keys *keys = arg;
    const char *state = info->state == BULLA_KEY_STATE_UNKNOWN ? NULL : bulla_key_state_name(info->state);
    const char *name = info->name[0] == '\0' ? info->id : info->name;
    char shown_address[CLI_SHOWN], shown_name[CLI_SHOWN], shown_id[CLI_SHOWN]; /* the store chose them */
    const bool json = keys->cli->json;
    address = cli_shown_text(address, json, shown_address, sizeof shown_address);
    if (json)
        (void)json_array_append_new(keys->list,
                                    json_pack("{s:s, s:s, s:s?, s:o}", "address", address, "id",
                                              cli_shown_text(info->id, json, shown_id, sizeof shown_id), "state", state,
                                              "version", version_json(info->primary_version)));
    else
        (void)printf("%-60s %-18s %s\n", address, state == NULL ? "-" : state,
                     cli_shown_text(name, json, shown_name, sizeof shown_name));
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

/* --- kms show, kms rotate --- */

static bulla_status key_open(struct cli *cli, const char *address, bulla **out_house, bulla_provider **out_provider)
{
    CLI_TRY(cli_house_open(cli, out_house));
    return bulla_provider_open(*out_house, &cli->call, address, out_provider);
}

static void fact(const char *label, const char *value)
{
    char shown[CLI_SHOWN]; /* the store chose some of them */
    if (value[0] != '\0') (void)printf("%-18s %s\n", label, cli_shown_text(value, false, shown, sizeof shown));
}

static bulla_status show_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    bulla_key_info info;
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    CLI_TRY(key_open(cli, argv[0], &house, &provider));
    CLI_TRY(bulla_provider_describe(provider, &cli->call, &info));
    if (cli->json)
        return cli_json(cli, json_pack("{s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "address",
                                       cli_json_path(argv[0]), "id", cli_json_path(info.id), "name",
                                       cli_json_path(info.name), "type", bulla_key_type_name(info.type), "state",
                                       bulla_key_state_name(info.state), "version", version_json(info.primary_version),
                                       "versions", version_json(info.num_versions), "created",
                                       cli_json_date(info.created_s), "rotated", cli_json_date(info.rotated_s),
                                       "next_rotation", cli_json_date(info.next_rotation_s)));
    char version[32] = "";
    if (info.primary_version != 0) (void)snprintf(version, sizeof version, "%u", (unsigned)info.primary_version);
    fact("address:", argv[0]);
    fact("name:", info.name);
    fact("id:", info.id);
    fact("type:", bulla_key_type_name(info.type));
    fact("state:", bulla_key_state_name(info.state));
    fact("current version:", version);
    if (info.created_s != 0) fact("created:", cli_when(cli, info.created_s).text);
    if (info.rotated_s != 0) fact("rotated:", cli_when(cli, info.rotated_s).text);
    if (info.next_rotation_s != 0) fact("next rotation:", cli_when(cli, info.next_rotation_s).text);
    return BULLA_OK;
}

static const struct cli_verb show_verb = {
    .name = "show",
    .summary = "Show what a store says of a key",
    .operands = "ADDRESS",
    .min_operands = 1,
    .max_operands = 1,
    .leaves_no_history = true,
    .examples = "  bulla kms show kms:main\n",
    .run = show_run,
};

static bulla_status rotate_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    bulla *house = NULL;
    uint32_t version = 0;
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    CLI_TRY(key_open(cli, argv[0], &house, &provider));
    CLI_TRY(bulla_provider_rotate(provider, &cli->call, &version));
    if (cli->json) return cli_json(cli, json_pack("{s:s, s:I}", "address", argv[0], "version", (json_int_t)version));
    (void)printf("%s: version %u\n", argv[0], (unsigned)version);
    return BULLA_OK;
}

static const struct cli_verb rotate_verb = {
    .name = "rotate",
    .summary = "Give a key in its store a new version",
    .operands = "ADDRESS",
    .min_operands = 1,
    .max_operands = 1,
    .details = "What was wrapped before still opens; bulla rewrap --renew puts files under the new version. Should the "
               "answer be\n"
               "lost (exit status 4), look with bulla kms show before you try again.\n",
    .examples = "  bulla kms rotate vault:transit/keys/app\n",
    .run = rotate_run,
};

/* --- kms create --- */

static bulla_status create_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    CLI_AUTO(cli_plain_house_done) bulla *house = NULL;
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    CLI_TRY(cli_plain_house_open(cli, &house));
    CLI_TRY(bulla_provider_open(house, &cli->call, argv[0], &provider));
    CLI_TRY(bulla_provider_create(provider, &cli->call));
    if (cli->json) return cli_json(cli, json_pack("{s:s, s:b}", "address", argv[0], "created", 1));
    (void)printf("%s: created\n", argv[0]);
    return BULLA_OK;
}

static const struct cli_verb create_verb = {
    .name = "create",
    .summary = "Make the key that an address names, in its store",
    .operands = "ADDRESS",
    .min_operands = 1,
    .max_operands = 1,
    .leaves_no_history = true,
    .details =
        "The key never leaves the store. Made from here: keys in Vault and OpenBao (aes256-gcm96), and on PKCS#11 "
        "tokens.\n"
        "One that is there is left as it is, and is an error. Should the answer be lost (exit status 4), look with\n"
        "bulla kms show before you try again.\n",
    .examples = "  bulla kms create vault:transit/keys/app\n"
                "  bulla kms create 'pkcs11:token=prod;object=app?kms=hsm'\n",
    .run = create_run,
};

const struct cli_verb cli_verb_kms = {
    .name = "kms",
    .summary = "Keys in stores outside",
    .subs = (const struct cli_verb *const[]){&create_verb, &list_verb, &show_verb, &rotate_verb, &test_verb, NULL},
};
