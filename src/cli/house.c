/* SPDX-License-Identifier: Apache-2.0 */
/* What verbs open: the configuration, the house, providers, contexts. */
#include "cli/cli.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

void cli_context_done(bulla_context **context)
{
    bulla_context_unref(*context);
}

void cli_provider_done(bulla_provider **provider)
{
    bulla_provider_unref(*provider);
}

void cli_secret_done(bulla_secret **secret)
{
    bulla_secret_unref(*secret);
}

void cli_wrapped_done(bulla_wrapped **wrapped)
{
    bulla_wrapped_free(*wrapped);
}

void cli_datakey_done(bulla_datakey **datakey)
{
    bulla_datakey_unref(*datakey);
}

void cli_json_done(json_t **value)
{
    json_decref(*value);
}

static bulla_status config_load(struct cli *cli)
{
    CLI_TRY(bulla_config_open(&cli->call, cli_value(cli, "config"), &cli->config));
    const char *store = cli_value(cli, "store");
    if (store != NULL) CLI_TRY(bulla_config_set(cli->config, &cli->call, "keystore.path", store, "--store"));
    const bulla_settings *settings = bulla_config_settings(cli->config);
    if (!cli->quiet && settings->log_level > cli->env.log_level) cli->env.log_level = settings->log_level;
    return BULLA_OK;
}

bulla_status cli_config_open(struct cli *cli, const bulla_settings **out_settings)
{
    if (cli->config == NULL) CLI_TRY(config_load(cli));
    *out_settings = bulla_config_settings(cli->config);
    return BULLA_OK;
}

/* Who asks, for the history: "0:root". From the system, since USER is only a claim. */
static void name_principal(struct cli *cli)
{
    const struct passwd *user = getpwuid(getuid());
    (void)snprintf(cli->call.principal, sizeof cli->call.principal, "%u:%s", (unsigned)getuid(),
                   user == NULL ? "" : user->pw_name);
}

bulla_status cli_house_open(struct cli *cli, bulla **out_house)
{
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    if (cli->house == NULL && !cli->verb->leaves_no_history) name_principal(cli);
    if (cli->house == NULL) CLI_TRY(bulla_open(&cli->call, &settings->options, &cli->house));
    *out_house = cli->house;
    return BULLA_OK;
}

bool cli_store_names_key(const bulla_kms_config *store)
{
    if (strcmp(store->provider, "aws") == 0) return store->key_id != NULL;
    if (strcmp(store->provider, "pkcs11") == 0) return store->uri != NULL;
    return store->key_name != NULL;
}

void cli_providers_done(struct cli_providers *providers)
{
    for (size_t i = 0; i < providers->num; i++)
        bulla_provider_unref(providers->list[i]);
    providers->num = 0;
}

static bulla_status provider_add(struct cli *cli, bulla *house, const char *address, struct cli_providers *providers)
{
    if (providers->num == BULLA_MAX_RECIPIENTS)
        return bulla_fail(&cli->call, BULLA_ELIMIT, "more than %u recipients", BULLA_MAX_RECIPIENTS);
    CLI_TRY(bulla_provider_open(house, &cli->call, address, &providers->list[providers->num]));
    providers->addresses[providers->num++] = address;
    return BULLA_OK;
}

bulla_status cli_providers_open(struct cli *cli, const char *name, bool defaults, struct cli_providers *out_providers)
{
    bulla *house = NULL;
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    CLI_TRY(cli_house_open(cli, &house));
    CLI_AUTO(cli_providers_done) struct cli_providers providers = {.num = 0};
    for (size_t i = 0; cli_value_at(cli, name, i) != NULL; i++)
        CLI_TRY(provider_add(cli, house, cli_value_at(cli, name, i), &providers));
    for (size_t i = 0; defaults && !cli_flag(cli, name) && i < settings->num_recipients; i++)
        CLI_TRY(provider_add(cli, house, settings->recipients[i], &providers));
    *out_providers = providers;
    providers.num = 0;
    return BULLA_OK;
}

bulla_status cli_wrapping_check(struct cli *cli, const char *address)
{
    if (strcmp(address, "local:") != 0) return BULLA_OK;
    return bulla_fail(&cli->call, BULLA_EINVAL, "local: names no key to wrap with: write local:NAME");
}

bulla_status cli_recipients_open(struct cli *cli, const char *name, bool defaults, struct cli_providers *out_providers)
{
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    for (size_t i = 0; cli_value_at(cli, name, i) != NULL; i++)
        CLI_TRY(cli_wrapping_check(cli, cli_value_at(cli, name, i)));
    for (size_t i = 0; defaults && !cli_flag(cli, name) && i < settings->num_recipients; i++)
        CLI_TRY(cli_wrapping_check(cli, settings->recipients[i]));
    return cli_providers_open(cli, name, defaults, out_providers);
}

bulla_status cli_context_pairs(struct cli *cli, bulla_pair *pairs, size_t cap, size_t *out_num)
{
    size_t num = 0;
    for (const char *text = cli_value_at(cli, "context", 0); text != NULL; text = cli_value_at(cli, "context", num)) {
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals == text) return cli_usage(cli, "--context: \"%.64s\" is not KEY=VALUE", text);
        if (num == cap) return cli_usage(cli, "--context: more than %zu pairs", cap);
        bulla_view key = {(const uint8_t *)text, (size_t)(equals - text)};
        bulla_view value = {(const uint8_t *)equals + 1, strlen(equals + 1)};
        pairs[num++] = (bulla_pair){key, value};
    }
    *out_num = num;
    return BULLA_OK;
}

bulla_status cli_context_new(struct cli *cli, bulla_context **out_context)
{
    bulla_pair pairs[CLI_MAX_PAIRS];
    size_t num = 0;
    CLI_TRY(cli_context_pairs(cli, pairs, CLI_MAX_PAIRS, &num));
    if (num == 0) return BULLA_OK;
    return bulla_context_new(&cli->call, pairs, num, out_context);
}
