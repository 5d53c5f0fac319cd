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

struct due {
    struct cli *cli;
    bulla *house;
    const bulla_key_info *key;
    json_t *names;
};

static bulla_status add_due_version(void *arg, bulla_call *call, const bulla_version_info *info)
{
    (void)call;
    const struct due *due = arg;
    if (!info->rotation_due) return BULLA_OK;
    (void)json_array_append_new(due->names, json_string(due->key->name));
    if (!due->cli->json)
        (void)printf("key %s: version %u has wrapped about %llu data keys: rotate the key\n", due->key->name,
                     info->version, (unsigned long long)info->num_wraps);
    return BULLA_OK;
}

static bulla_status add_due_key(void *arg, bulla_call *call, const bulla_key_info *info)
{
    struct due *due = arg;
    due->key = info;
    return bulla_key_versions(due->house, call, info->id, add_due_version, due);
}

/* Keys that should be rotated for what they have wrapped: no damage, but somebody who verifies wants to know. */
static bulla_status due_show(struct cli *cli, bulla *house, json_t *names)
{
    struct due due = {cli, house, NULL, names};
    return bulla_key_list(house, &cli->call, false, add_due_key, &due);
}

static bulla_status store_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bulla *house = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    CLI_AUTO(cli_json_done) json_t *list = json_array();
    CLI_AUTO(cli_json_done) json_t *due = json_array();
    struct findings findings = {cli, list, 0};
    bulla_status status = bulla_keystore_check(house, &cli->call, add_finding, &findings);
    if (status != BULLA_OK && findings.num == 0) return status; /* it could not even be read */
    if (status == BULLA_OK) CLI_TRY(due_show(cli, house, due)); /* a damaged one may not even be listed */
    if (cli->json)
        CLI_TRY(cli_json(
            cli, json_pack("{s:b, s:O, s:O}", "ok", status == BULLA_OK, "findings", list, "due_for_rotation", due)));
    else if (status == BULLA_OK)
        (void)printf("the keystore is whole\n");
    return status;
}

static const struct cli_verb store_verb = {
    .name = "store",
    .summary = "Read and check the whole keystore",
    .details =
        "Every key version, kept data key and import key is opened once; states, counters and history are compared.\n"
        "Nothing is changed. Each finding is one line. Keys that are due for rotation by what they have wrapped are\n"
        "named too; that is no damage.\n",
    .examples = "  bulla verify store\n",
    .run = store_run,
};

const struct cli_verb cli_verb_verify = {
    .name = "verify",
    .summary = "Check what is stored, and who keeps the keys",
    .subs = (const struct cli_verb *const[]){&store_verb, &cli_verb_verify_kms, NULL},
};
