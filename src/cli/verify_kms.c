/* SPDX-License-Identifier: Apache-2.0 */
/* bulla verify kms */
#include "cli/probe.h"
#include "cli/shown.h"
#include "cli/verify.h"

#include <string.h>

#define MAX_ADDRESSES (BULLA_MAX_KMS + 64u)

static json_t *step_json(const struct cli_probe *probe, enum cli_step_name name)
{
    static const char *const results[] = {"skipped", "ok", "unsaid", "failed"};
    const struct cli_step *step = &probe->steps[name];
    json_t *shown = json_pack("{s:s, s:s, s:f}", "step", cli_step_label(name), "result", results[step->result], "ms",
                              (double)step->ns / 1e6);
    if (shown == NULL || step->status == BULLA_OK) return shown;
    (void)json_object_set_new(shown, "status", json_string(bulla_status_name(step->status)));
    (void)json_object_set_new(shown, "cause", cli_json_path(step->why));
    (void)json_object_set_new(shown, "remedy", json_string(cli_step_remedy(name, step->status)));
    return shown;
}

static json_t *probe_json(const struct cli_probe *probe)
{
    json_t *steps = json_array();
    for (enum cli_step_name name = CLI_STEP_OPEN; name < CLI_NUM_STEPS; name++)
        (void)json_array_append_new(steps, step_json(probe, name));
    return json_pack("{s:o, s:b, s:o}", "address", cli_json_path(probe->address), "ok", probe->ok, "steps", steps);
}

static void probe_print(const struct cli *cli, const struct cli_probe *probe)
{
    static const char *const words[] = {"-", "ok", "not told", "FAILED"};
    static const enum cli_paint paints[] = {CLI_PLAIN, CLI_GREEN, CLI_YELLOW, CLI_RED};
    char shown[CLI_SHOWN]; /* what stores and command lines say */
    (void)printf("%s%s%s\n", cli_paint(cli, CLI_BOLD), cli_shown_text(probe->address, false, shown, sizeof shown),
                 cli_paint(cli, CLI_PLAIN));
    for (enum cli_step_name name = CLI_STEP_OPEN; name < CLI_NUM_STEPS; name++) {
        const struct cli_step *step = &probe->steps[name];
        if (step->result == CLI_STEP_SKIPPED) continue;
        (void)printf("  %-22s %s%-8s%s %9.2f ms\n", cli_step_label(name), cli_paint(cli, paints[step->result]),
                     words[step->result], cli_paint(cli, CLI_PLAIN), (double)step->ns / 1e6);
        if (step->status == BULLA_OK) continue;
        (void)printf("    cause:  %s (%s)\n", cli_shown_text(step->why, false, shown, sizeof shown),
                     bulla_status_name(step->status));
        if (step->result == CLI_STEP_FAILED) (void)printf("    remedy: %s\n", cli_step_remedy(name, step->status));
    }
}

/* Every key that the configuration names: of each store, and the recipients. */
static size_t configured(const bulla_settings *settings, char names[BULLA_MAX_KMS][40], const char **addresses)
{
    size_t num = 0;
    for (size_t i = 0; i < settings->options.num_kms; i++) {
        if (!cli_store_names_key(&settings->options.kms[i])) continue;
        (void)snprintf(names[i], 40, "kms:%s", settings->options.kms[i].name);
        addresses[num++] = names[i];
    }
    for (size_t i = 0; i < settings->num_recipients && num < MAX_ADDRESSES; i++)
        if (strncmp(settings->recipients[i], "kms:", 4) != 0) addresses[num++] = settings->recipients[i];
    return num;
}

static bulla_status failure(struct cli *cli, const struct cli_probe *probe)
{
    for (enum cli_step_name name = CLI_STEP_OPEN; name < CLI_NUM_STEPS; name++)
        if (probe->steps[name].result == CLI_STEP_FAILED)
            return bulla_fail(&cli->call, probe->steps[name].status, "%.80s: %s: %.140s", probe->address,
                              cli_step_label(name), probe->steps[name].why);
    return BULLA_OK;
}

static bulla_status run_all(struct cli *cli, const char *const *addresses, size_t num)
{
    uint64_t timeout_s = 0;
    CLI_AUTO(cli_plain_house_done) bulla *house = NULL;
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    bulla_status status = BULLA_OK;
    CLI_TRY(cli_duration(cli, "timeout", 1, 600, 10, &timeout_s));
    CLI_TRY(cli_plain_house_open(cli, &house));
    for (size_t i = 0; i < num; i++) {
        struct cli_probe probe;
        cli_probe_run(cli, house, addresses[i], (uint32_t)timeout_s * 1000, &probe);
        if (cli->json)
            (void)json_array_append_new(list, probe_json(&probe));
        else
            probe_print(cli, &probe);
        if (!probe.ok && status == BULLA_OK) status = failure(cli, &probe);
    }
    if (cli->json) CLI_TRY(cli_json(cli, json_pack("{s:b, s:O}", "ok", status == BULLA_OK, "keys", list)));
    return status;
}

static bulla_status kms_run(struct cli *cli, int argc, char **argv)
{
    const bulla_settings *settings = NULL;
    const char *addresses[MAX_ADDRESSES];
    char names[BULLA_MAX_KMS][40];
    size_t num = (size_t)argc;
    CLI_TRY(cli_config_open(cli, &settings));
    if (num > MAX_ADDRESSES) return cli_usage(cli, "more than %u addresses", MAX_ADDRESSES);
    for (size_t i = 0; i < num; i++)
        addresses[i] = argv[i];
    if (num == 0) num = configured(settings, names, addresses);
    if (num == 0 && settings->options.num_kms != 0)
        return cli_usage(cli, "no store of the configuration names a key: give an ADDRESS");
    if (num == 0) return cli_usage(cli, "no key store is configured: give an ADDRESS or a section kms");
    return run_all(cli, addresses, num);
}

const struct cli_verb cli_verb_verify_kms = {
    .name = "kms",
    .summary = "Ask key stores, step by step, whether they can be leaned on",
    .operands = "[ADDRESS...]",
    .min_operands = 0,
    .max_operands = -1,
    .leaves_no_history = true,
    .details =
        "Reach, authenticate, describe, wrap, unwrap, and a wrong context refused: each step with its time and, when "
        "it\n"
        "fails, the cause and what to do. Nothing stands between: no cache, no retries, no stand-ins. Nothing is\n"
        "left in the store. Without ADDRESS: every key that the configuration names. --timeout is each step's, by "
        "default 10s.\n",
    .examples = "  bulla verify kms\n"
                "  bulla verify kms vault:transit/keys/app --json\n",
    .run = kms_run,
};
