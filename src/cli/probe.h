/* SPDX-License-Identifier: Apache-2.0 */
/* One key store asked step by step whether it can be leaned on: reach, authenticate, describe, wrap, unwrap, and a
 * wrong context refused. */
#ifndef BULLA_CLI_PROBE_H
#define BULLA_CLI_PROBE_H

#include "cli/cli.h"

enum cli_step_name {
    CLI_STEP_OPEN,
    CLI_STEP_REACH,
    CLI_STEP_AUTHENTICATE,
    CLI_STEP_DESCRIBE,
    CLI_STEP_WRAP,
    CLI_STEP_UNWRAP,
    CLI_STEP_CONTEXT,
    CLI_NUM_STEPS
};

enum cli_step_result {
    CLI_STEP_SKIPPED, /* an earlier one failed */
    CLI_STEP_OK,
    CLI_STEP_UNSAID, /* the store did not let us know, and nothing depends on it */
    CLI_STEP_FAILED
};

struct cli_step {
    enum cli_step_result result;
    int64_t ns;
    bulla_status status;
    char why[256];
};

struct cli_probe {
    const char *address;
    struct cli_step steps[CLI_NUM_STEPS];
    bulla_key_info info; /* when describe said it */
    bool ok;
};

/* Opens a house like the configured one, but with nothing between us and the stores: no cache, no retries, no breaker,
 * no stand-ins. The caller closes it. */
bulla_status cli_plain_house_open(struct cli *cli, bulla **out_house);
void cli_plain_house_done(bulla **house);

/* Asks the key at `address`; every step has `timeout_ms`. What fails is in the steps, not in cli->call. */
void cli_probe_run(struct cli *cli, bulla *house, const char *address, uint32_t timeout_ms,
                   struct cli_probe *out_probe);

const char *cli_step_label(enum cli_step_name name);

/* Whether a data key came back as the bytes that it was; EINTEGRITY. */
bulla_status cli_datakey_compare(bulla_call *call, const bulla_secret *made, const bulla_secret *opened);

/* What to do about a step that failed; one sentence. */
const char *cli_step_remedy(enum cli_step_name name, bulla_status status);

#endif
