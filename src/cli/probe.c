/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/probe.h"

#include <string.h>

/* Only while the steps run. */
struct run {
    struct cli *cli;
    bulla *house;
    struct cli_probe *probe;
    uint32_t timeout_ms;
    bulla_provider *provider;
    bulla_context *context, *other;
    bulla_secret *dek;
    bulla_wrapped *wrapped;
};

static void run_done(struct run *run)
{
    bulla_wrapped_free(run->wrapped);
    bulla_secret_unref(run->dek);
    bulla_context_unref(run->context);
    bulla_context_unref(run->other);
    bulla_provider_unref(run->provider);
}

static const char *const labels[CLI_NUM_STEPS] = {
    [CLI_STEP_OPEN] = "open",
    [CLI_STEP_REACH] = "reach",
    [CLI_STEP_AUTHENTICATE] = "authenticate",
    [CLI_STEP_DESCRIBE] = "describe",
    [CLI_STEP_WRAP] = "wrap",
    [CLI_STEP_UNWRAP] = "unwrap",
    [CLI_STEP_CONTEXT] = "wrong context refused",
};

const char *cli_step_label(enum cli_step_name name)
{
    return labels[name];
}

/* --- the houses --- */

static bool is_among(const bulla_kms_config *stores, size_t num, const char *word)
{
    for (size_t i = 0; i < num; i++)
        if (strcmp(stores[i].provider, word) == 0 || strcmp(stores[i].name, word) == 0) return true;
    return false;
}

/* The stores that the environment alone configures, under the names that they have then. */
static size_t unnamed_add(bulla_kms_config *stores, size_t num)
{
    static const char *const kinds[] = {"vault", "aws", "azure", "gcp", "pkcs11"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && num < BULLA_MAX_KMS; i++)
        if (!is_among(stores, num, kinds[i]))
            stores[num++] = (bulla_kms_config){.size = sizeof *stores, .name = kinds[i], .provider = kinds[i]};
    return num;
}

bulla_status cli_plain_house_open(struct cli *cli, bulla **out_house)
{
    static const bulla_cache_options no_cache = {.size = sizeof no_cache};
    const bulla_settings *settings = NULL;
    bulla_kms_config plain[BULLA_MAX_KMS];
    CLI_TRY(cli_config_open(cli, &settings));
    bulla_options options = settings->options;
    for (size_t i = 0; i < options.num_kms; i++) /* no more than BULLA_MAX_KMS: the configuration was read */
        plain[i] = options.kms[i];
    options.num_kms = unnamed_add(plain, options.num_kms);
    for (size_t i = 0; i < options.num_kms; i++) {
        plain[i].cache = &no_cache;
        plain[i].retry.disabled = true;
        plain[i].breaker.disabled = true;
        plain[i].failover.enabled = false;
    }
    options.kms = plain;
    options.cache = NULL;
    return bulla_open(&cli->call, &options, out_house);
}

void cli_plain_house_done(bulla **house)
{
    bulla_close(*house);
}

/* --- the steps --- */

static void note(struct run *run, enum cli_step_name name, enum cli_step_result result, bulla_status status,
                 int64_t since_ns)
{
    struct cli_step *step = &run->probe->steps[name];
    step->result = result;
    step->status = status;
    step->ns = cli_clock_ns() - since_ns;
    if (status != BULLA_OK) (void)snprintf(step->why, sizeof step->why, "%s", run->cli->call.why);
}

static int64_t begin(struct run *run)
{
    bulla_call_deadline_set(&run->cli->call, run->timeout_ms);
    return cli_clock_ns();
}

static bulla_view view(const char *text)
{
    return (bulla_view){(const uint8_t *)text, strlen(text)};
}

static bool open_step(struct run *run)
{
    const bulla_pair pairs[] = {{view("purpose"), view("bulla verify kms")}};
    const bulla_pair others[] = {{view("purpose"), view("something else")}};
    bulla_call *call = &run->cli->call;
    int64_t since = begin(run);
    bulla_status status = bulla_provider_open(run->house, call, run->probe->address, &run->provider);
    if (status == BULLA_OK) status = bulla_context_new(call, pairs, 1, &run->context);
    if (status == BULLA_OK) status = bulla_context_new(call, others, 1, &run->other);
    note(run, CLI_STEP_OPEN, status == BULLA_OK ? CLI_STEP_OK : CLI_STEP_FAILED, status, since);
    return status == BULLA_OK;
}

static bool is_outage(bulla_status status)
{
    bulla_class class = bulla_status_class(status);
    return class == BULLA_CLASS_RETRY || class == BULLA_CLASS_UNSURE || class == BULLA_CLASS_STOP;
}

/* Whether the answer is that of a store which knows us: not an outage, of the store or of where we log in, and not a
 * mistake that was found before anybody was asked. */
static bool knows_us(const bulla_call *call, bulla_status status)
{
    if (is_outage(status) || status == BULLA_EUNTRUSTED || status == BULLA_EAUTHN || status == BULLA_ENOFILE ||
        status == BULLA_EIO)
        return false;
    return (status != BULLA_ECONFIG && status != BULLA_EINVAL) || call->native != 0;
}

/* A store that refuses has been reached; what failed before it was asked says nothing of it. */
static bool reach_step(struct run *run)
{
    int64_t since = begin(run);
    bulla_status status = bulla_provider_check(run->provider, &run->cli->call);
    if (is_outage(status) || status == BULLA_EUNTRUSTED) {
        note(run, CLI_STEP_REACH, CLI_STEP_FAILED, status, since);
        return false;
    }
    bool known = knows_us(&run->cli->call, status);
    bool asked = known || (status == BULLA_EAUTHN && run->cli->call.native != 0);
    note(run, CLI_STEP_REACH, asked ? CLI_STEP_OK : CLI_STEP_UNSAID, BULLA_OK, since);
    if (!known) note(run, CLI_STEP_AUTHENTICATE, CLI_STEP_FAILED, status, since);
    return known;
}

/* The first description brings the login with it, and the second one is without. */
static bool authenticate_step(struct run *run)
{
    int64_t since = begin(run);
    bulla_status status = bulla_provider_describe(run->provider, &run->cli->call, &run->probe->info);
    bool known = knows_us(&run->cli->call, status);
    note(run, CLI_STEP_AUTHENTICATE, known ? CLI_STEP_OK : CLI_STEP_FAILED, known ? BULLA_OK : status, since);
    return known;
}

/* A least privilege that does not let us describe is no fault. */
static bool describe_step(struct run *run)
{
    int64_t since = begin(run);
    bulla_status status = bulla_provider_describe(run->provider, &run->cli->call, &run->probe->info);
    bool unsaid = status == BULLA_EAUTHZ || status == BULLA_EUNSUPPORTED;
    note(run, CLI_STEP_DESCRIBE,
         status == BULLA_OK ? CLI_STEP_OK
         : unsaid           ? CLI_STEP_UNSAID
                            : CLI_STEP_FAILED,
         status, since);
    return status == BULLA_OK || unsaid;
}

static bool wrap_step(struct run *run)
{
    int64_t since = begin(run);
    bulla_status status =
        bulla_provider_datakey(run->provider, &run->cli->call, run->context, 32, &run->dek, &run->wrapped);
    note(run, CLI_STEP_WRAP, status == BULLA_OK ? CLI_STEP_OK : CLI_STEP_FAILED, status, since);
    return status == BULLA_OK;
}

bulla_status cli_datakey_compare(bulla_call *call, const bulla_secret *made, const bulla_secret *opened)
{
    bulla_view left = bulla_secret_borrow(made), right = bulla_secret_borrow(opened);
    if (left.len == right.len && memcmp(left.data, right.data, left.len) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_EINTEGRITY, "the store opened the data key to other bytes");
}

static bool unwrap_step(struct run *run)
{
    CLI_AUTO(cli_secret_done) bulla_secret *opened = NULL;
    bulla_call *call = &run->cli->call;
    int64_t since = begin(run);
    bulla_status status = bulla_provider_unwrap(run->provider, call, run->context, run->wrapped, &opened);
    if (status == BULLA_OK) status = cli_datakey_compare(call, run->dek, opened);
    note(run, CLI_STEP_UNWRAP, status == BULLA_OK ? CLI_STEP_OK : CLI_STEP_FAILED, status, since);
    return status == BULLA_OK;
}

static bool context_step(struct run *run)
{
    CLI_AUTO(cli_secret_done) bulla_secret *opened = NULL;
    bulla_call *call = &run->cli->call;
    int64_t since = begin(run);
    bulla_status status = bulla_provider_unwrap(run->provider, call, run->other, run->wrapped, &opened);
    if (status == BULLA_EINTEGRITY) {
        note(run, CLI_STEP_CONTEXT, CLI_STEP_OK, BULLA_OK, since);
        return true;
    }
    if (status == BULLA_OK)
        status = bulla_fail(call, BULLA_ECONTRACT, "the store opened the data key under another context");
    note(run, CLI_STEP_CONTEXT, CLI_STEP_FAILED, status, since);
    return false;
}

void cli_probe_run(struct cli *cli, bulla *house, const char *address, uint32_t timeout_ms, struct cli_probe *out_probe)
{
    memset(out_probe, 0, sizeof *out_probe);
    out_probe->address = address;
    CLI_AUTO(run_done) struct run run = {.cli = cli, .house = house, .probe = out_probe, .timeout_ms = timeout_ms};
    out_probe->ok = open_step(&run) && reach_step(&run) && authenticate_step(&run) && describe_step(&run) &&
                    wrap_step(&run) && unwrap_step(&run) && context_step(&run);
    bulla_call_deadline_set(&cli->call, 0);
}

/* --- what to do --- */

static const char *context_remedy(bulla_status status)
{
    if (status == BULLA_ECONTRACT) return "this kind of key binds no context (rsa:); do not rely on --context with it";
    return "the store answered something else than \"does not fit\": look at its log";
}

const char *cli_step_remedy(enum cli_step_name name, bulla_status status)
{
    if (name == CLI_STEP_CONTEXT) return context_remedy(status);
    if (name == CLI_STEP_OPEN) return "mend the address or the section kms of the configuration (bulla config show)";
    switch (status) {
    case BULLA_EAUTHN: return "check the token, role or key file that the configuration names, and its expiry";
    case BULLA_EAUTHZ: return "grant the role or policy of docs/guide for this kind of store";
    case BULLA_ENOKEY: return "create the key in the store, or mend its name, mount or region";
    case BULLA_EDESTROYED:
    case BULLA_ESTATE: return "enable the key in the store, or choose another";
    case BULLA_ETHROTTLED: return "wait, ask for a higher quota, or set cache.enabled";
    case BULLA_EUNAVAIL:
    case BULLA_EUNKNOWN:
    case BULLA_EDEADLINE:
        return "see the cause; else check address, DNS, firewall, proxy and tls.ca_cert, and whether the store is up";
    case BULLA_EUNTRUSTED:
        return "see the cause: tls.ca_cert, tls.server_name or the store's certificate; else this is not the store";
    case BULLA_EINTEGRITY: return "stop: the store gave a wrong answer; look for a proxy or a restored, older store";
    case BULLA_OK:
    case BULLA_EINVAL:
    case BULLA_ECONFIG:
    case BULLA_EEXISTS:
    case BULLA_ENOFILE:
    case BULLA_ELIMIT:
    case BULLA_EFORMAT:
    case BULLA_EUNSUPPORTED:
    case BULLA_ENORECIPIENT:
    case BULLA_EBUSY:
    case BULLA_ECANCELLED:
    case BULLA_ECORRUPT:
    case BULLA_ENOMEM:
    case BULLA_ENOSPACE:
    case BULLA_EIO:
    case BULLA_ECRYPTO:
    case BULLA_ECONTRACT:
    case BULLA_EINTERNAL: break;
    }
    return "see the cause";
}
