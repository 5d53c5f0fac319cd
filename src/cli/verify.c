/* SPDX-License-Identifier: Apache-2.0 */
/* bulla verify store; verify kms is in verify_kms.c */
#include "cli/verify.h"

#include "cli/verbs.h"

struct findings {
    const struct cli *cli;
    json_t *list;
    unsigned long num;
};

static void add_finding(void *arg, const char *finding)
{
    struct findings *findings = arg;
    findings->num++;
    if (findings->cli->json)
        (void)json_array_append_new(findings->list, json_string(finding));
    else
        (void)printf("%s\n", finding);
}

static bulla_status store_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    struct findings findings = {cli, list, 0};
    bulla_status status = bulla_keystore_check(house, &cli->call, add_finding, &findings);
    if (status != BULLA_OK && findings.num == 0) return status; /* it could not even be read */
    if (cli->json)
        CLI_TRY(cli_json(cli, json_pack("{s:b, s:O}", "ok", status == BULLA_OK, "findings", list)));
    else if (status == BULLA_OK)
        (void)printf("the keystore is whole\n");
    return status;
}

static const struct cli_verb store_verb = {
    .name = "store",
    .summary = "Read and check the whole keystore",
    .details =
        "Every key version, kept data key and import key is opened once; states, counters and history are compared.\n"
        "Nothing is changed. Each finding is one line.\n",
    .examples = "  bulla verify store\n",
    .run = store_run,
};

const struct cli_verb cli_verb_verify = {
    .name = "verify",
    .summary = "Check what is stored, and who keeps the keys",
    .subs = (const struct cli_verb *const[]){&store_verb, &cli_verb_verify_kms, NULL},
};
