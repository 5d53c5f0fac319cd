/* SPDX-License-Identifier: Apache-2.0 */
/* bulla rewrap */
#include "cli/entry.h"
#include "cli/files.h"
#include "cli/header_swap.h"
#include "cli/opening.h"
#include "cli/shown.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_KEYS 8u

/* A key of the keystore that messages have named: trees are mostly under a few. */
struct known_key {
    char id[BULLA_KEY_ID_TEXT + 1];
    bulla_provider *provider; /* NULL: of another keystore */
};

struct rewrap {
    struct cli_files files;
    struct cli_providers with, add, to, drop, renew;
    const char *drop_text[BULLA_MAX_RECIPIENTS]; /* the addresses of `drop` */
    uint64_t num_undropped;                      /* files met in trees that a key of `drop` has no entry in */
    bulla_pair pairs[CLI_MAX_PAIRS];             /* that must be bound, written in the header or not */
    size_t num_pairs;
    bool dropped_index[BULLA_MAX_RECIPIENTS]; /* from 0 */
    size_t num_dropped_indexes;
    struct known_key known[KNOWN_KEYS];
    size_t num_known; /* ever; the oldest goes first */
};

/* What is to happen to one header. */
struct plan {
    const bulla_message_info *info;
    bulla_context *context; /* all that is bound */
    bulla_provider *renew[BULLA_MAX_RECIPIENTS], *add[BULLA_MAX_RECIPIENTS];
    size_t num_renew, num_add, num_drop;
    bool drop[BULLA_MAX_RECIPIENTS]; /* by index of the wrapped key */
    const char *undropped;           /* the address of a key to drop that no entry is of; NULL: none */
};

static void message_done(bulla_message **message)
{
    bulla_message_close(*message);
}

/* --- the entries to drop, as a provider that matches exactly these --- */

struct picker {
    bulla_provider base;
    const struct plan *plan;
};

static bool same(bulla_view a, bulla_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool picker_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const struct plan *plan = ((const struct picker *)provider)->plan;
    for (size_t i = 0; i < plan->info->num_recipients; i++) {
        const bulla_wrapped *entry = &plan->info->recipients[i];
        if (plan->drop[i] && same(entry->provider, wrapped->provider) && same(entry->info, wrapped->info) &&
            same(entry->blob, wrapped->blob))
            return true;
    }
    return false;
}

static void picker_destroy(bulla_provider *provider)
{
    (void)provider; /* on the stack of its maker */
}

static const bulla_provider_ops picker_ops = {
    .size = sizeof(bulla_provider_ops), .name = "picker", .matches = picker_matches, .destroy = picker_destroy};

/* --- the plan --- */

static void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->num_renew; i++)
        bulla_provider_unref(plan->renew[i]);
    for (size_t i = 0; i < plan->num_add; i++)
        bulla_provider_unref(plan->add[i]);
    bulla_context_unref(plan->context);
}

static bool is_written(const bulla_context *context, bulla_view key)
{
    for (size_t i = 0; i < bulla_context_count(context); i++)
        if (same(bulla_context_at(context, i).key, key)) return true;
    return false;
}

/* The pairs of the header and those that were given besides. Whether these are the right ones is found out when the
 * header is opened. */
static bulla_status context_make(const struct rewrap *rewrap, struct plan *plan)
{
    bulla_call *call = &rewrap->files.cli->call;
    size_t num = bulla_context_count(plan->info->context);
    if (rewrap->num_pairs == 0 || plan->info->is_signed) { /* the signed ones are refused anyway */
        plan->context = bulla_context_ref(plan->info->context);
        return BULLA_OK;
    }
    bulla_pair *pairs = calloc(num + rewrap->num_pairs, sizeof *pairs);
    if (pairs == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory for the context");
    for (size_t i = 0; i < num; i++)
        pairs[i] = bulla_context_at(plan->info->context, i);
    for (size_t i = 0; i < rewrap->num_pairs; i++)
        if (!is_written(plan->info->context, rewrap->pairs[i].key)) pairs[num++] = rewrap->pairs[i];
    bulla_status status = bulla_context_new(call, pairs, num, &plan->context);
    free(pairs);
    return status;
}

static bulla_status push(bulla_call *call, bulla_provider *provider, bulla_provider **list, size_t *num)
{
    if (*num == BULLA_MAX_RECIPIENTS)
        return bulla_fail(call, BULLA_ELIMIT, "would have over %u recipients", BULLA_MAX_RECIPIENTS);
    list[(*num)++] = bulla_provider_ref(provider);
    return BULLA_OK;
}

/* Whether an entry is of this key. Keys outside of a keystore go by names that two of them may share, so such a one
 * must open the entry too; a public key cannot, and is taken at its name. */
static bulla_status is_own(bulla_call *call, bulla_provider *provider, const bulla_wrapped *wrapped,
                           const struct plan *plan, bool *out_own)
{
    CLI_AUTO(cli_secret_done) bulla_secret *dek = NULL;
    *out_own = bulla_provider_matches(provider, wrapped);
    if (!*out_own || cli_entry_of(wrapped).kind == CLI_ENTRY_KEYSTORE) return BULLA_OK;
    bulla_status status = bulla_provider_unwrap(provider, call, plan->context, wrapped, &dek);
    if (status == BULLA_EUNSUPPORTED) return BULLA_OK;
    if (status != BULLA_EINTEGRITY && status != BULLA_ENOKEY) return status;
    *out_own = false;
    return BULLA_OK;
}

/* With --to, what is of none of its keys goes. */
static bulla_status is_unwanted(const struct rewrap *rewrap, const bulla_wrapped *wrapped, const struct plan *plan,
                                bool *out_unwanted)
{
    bool own = rewrap->to.num == 0;
    for (size_t i = 0; i < rewrap->to.num && !own; i++)
        CLI_TRY(is_own(&rewrap->files.cli->call, rewrap->to.list[i], wrapped, plan, &own));
    *out_unwanted = !own;
    return BULLA_OK;
}

/* By name alone: to drop a key that is lost it need not open anything. */
static bool is_dropped(const struct rewrap *rewrap, const bulla_wrapped *wrapped, bool met[BULLA_MAX_RECIPIENTS])
{
    bool dropped = false;
    for (size_t i = 0; i < rewrap->drop.num; i++) {
        if (!bulla_provider_matches(rewrap->drop.list[i], wrapped)) continue;
        met[i] = dropped = true;
    }
    return dropped;
}

static bulla_status plan_drops(const struct rewrap *rewrap, struct plan *plan)
{
    bool met[BULLA_MAX_RECIPIENTS] = {false};
    for (size_t i = plan->info->num_recipients; i < BULLA_MAX_RECIPIENTS; i++)
        if (rewrap->dropped_index[i])
            return bulla_fail(&rewrap->files.cli->call, BULLA_EINVAL, "has no entry %zu to drop, only %zu", i + 1,
                              plan->info->num_recipients);
    for (size_t i = 0; i < plan->info->num_recipients; i++) {
        const bulla_wrapped *wrapped = &plan->info->recipients[i];
        bool unwanted = false;
        CLI_TRY(is_unwanted(rewrap, wrapped, plan, &unwanted));
        plan->drop[i] = is_dropped(rewrap, wrapped, met) || unwanted || rewrap->dropped_index[i];
        if (plan->drop[i]) plan->num_drop++;
    }
    for (size_t i = 0; i < rewrap->drop.num && plan->undropped == NULL; i++)
        if (!met[i]) plan->undropped = rewrap->drop_text[i];
    return BULLA_OK;
}

/* An entry of our own keystore that is not under its key's primary version. Other entries do not tell their version. */
static bulla_status is_stale(bulla_call *call, bulla_provider *provider, const bulla_wrapped *wrapped, bool *out_stale)
{
    bulla_key_info info;
    struct cli_entry entry = cli_entry_of(wrapped);
    *out_stale = false;
    if (entry.kind != CLI_ENTRY_KEYSTORE) return BULLA_OK;
    CLI_TRY(bulla_provider_describe(provider, call, &info));
    *out_stale = info.primary_version != entry.version;
    return BULLA_OK;
}

/* `provider` shall be a recipient under its present version: what does that take? */
static bulla_status plan_wanted(bulla_call *call, bulla_provider *provider, struct plan *plan)
{
    bool found = false, stale = false;
    for (size_t i = 0; i < plan->info->num_recipients && !stale; i++) {
        const bulla_wrapped *wrapped = &plan->info->recipients[i];
        bool own = false;
        if (!plan->drop[i]) CLI_TRY(is_own(call, provider, wrapped, plan, &own));
        if (own) CLI_TRY(is_stale(call, provider, wrapped, &stale));
        found = found || own;
    }
    if (!found) return push(call, provider, plan->add, &plan->num_add);
    return stale ? push(call, provider, plan->renew, &plan->num_renew) : BULLA_OK;
}

/* The keystore's key of this id; NULL when it is another keystore's. */
static bulla_status key_find(struct rewrap *rewrap, const char *id, bulla_provider **out_provider)
{
    struct cli *cli = rewrap->files.cli;
    for (size_t i = 0; i < rewrap->num_known && i < KNOWN_KEYS; i++) {
        *out_provider = rewrap->known[i].provider;
        if (strcmp(rewrap->known[i].id, id) == 0) return BULLA_OK;
    }
    bulla *house = NULL;
    bulla_provider *provider = NULL;
    char address[sizeof "local:" + BULLA_KEY_ID_TEXT];
    (void)snprintf(address, sizeof address, "local:%s", id);
    CLI_TRY(cli_house_open(cli, &house));
    bulla_status status = bulla_provider_open(house, &cli->call, address, &provider);
    if (status != BULLA_OK && status != BULLA_ENOKEY && status != BULLA_ENOFILE) return status;
    struct known_key *known = &rewrap->known[rewrap->num_known++ % KNOWN_KEYS];
    bulla_provider_unref(known->provider);
    memcpy(known->id, id, sizeof known->id);
    known->provider = provider;
    *out_provider = provider;
    return BULLA_OK;
}

/* Nothing was asked for: every entry of this keystore goes under its key's primary version. */
static bulla_status plan_renewals(struct rewrap *rewrap, struct plan *plan)
{
    bulla_call *call = &rewrap->files.cli->call;
    for (size_t i = 0; i < plan->info->num_recipients; i++) {
        const bulla_wrapped *wrapped = &plan->info->recipients[i];
        struct cli_entry entry = cli_entry_of(wrapped);
        if (entry.kind != CLI_ENTRY_KEYSTORE) continue;
        bulla_provider *provider = NULL;
        bool stale = false;
        CLI_TRY(key_find(rewrap, entry.key_id, &provider));
        if (provider != NULL) CLI_TRY(is_stale(call, provider, wrapped, &stale));
        if (stale) CLI_TRY(push(call, provider, plan->renew, &plan->num_renew));
    }
    return BULLA_OK;
}

/* Wrapped again whatever its version: most stores do not tell it. */
static bulla_status plan_asked_renewals(const struct rewrap *rewrap, struct plan *plan)
{
    for (size_t k = 0; k < rewrap->renew.num; k++) {
        bool found = false;
        for (size_t i = 0; i < plan->info->num_recipients && !found; i++)
            found = !plan->drop[i] && bulla_provider_matches(rewrap->renew.list[k], &plan->info->recipients[i]);
        if (found)
            CLI_TRY(push(&rewrap->files.cli->call, rewrap->renew.list[k], plan->renew, &plan->num_renew));
        else if (plan->undropped == NULL)
            plan->undropped = rewrap->renew.addresses[k];
    }
    return BULLA_OK;
}

static bulla_status plan_make(struct rewrap *rewrap, struct plan *plan)
{
    bulla_call *call = &rewrap->files.cli->call;
    const struct cli_providers *wanted[] = {&rewrap->to, &rewrap->add};
    bool asked =
        rewrap->drop.num + rewrap->num_dropped_indexes + rewrap->to.num + rewrap->add.num + rewrap->renew.num != 0;
    if (plan->info->num_recipients > BULLA_MAX_RECIPIENTS)
        return bulla_fail(call, BULLA_ELIMIT, "has over %u recipients", BULLA_MAX_RECIPIENTS);
    if (!asked) return plan_renewals(rewrap, plan);
    CLI_TRY(context_make(rewrap, plan));
    CLI_TRY(plan_drops(rewrap, plan));
    CLI_TRY(plan_asked_renewals(rewrap, plan));
    for (size_t list = 0; list < 2; list++)
        for (size_t i = 0; i < wanted[list]->num; i++)
            CLI_TRY(plan_wanted(call, wanted[list]->list[i], plan));
    return BULLA_OK;
}

/* --- one file --- */

static bulla_status header_make(const struct rewrap *rewrap, bulla_message *message, const struct plan *plan,
                                bulla_bytes *out_header)
{
    struct picker picker = {.plan = plan};
    bulla_provider_init(&picker.base, &picker_ops);
    bulla_provider *drop[] = {&picker.base};
    const bulla_rewrap_options options = {.size = sizeof options,
                                          .open = rewrap->with.list,
                                          .num_open = rewrap->with.num,
                                          .renew = plan->renew,
                                          .num_renew = plan->num_renew,
                                          .add = plan->add,
                                          .num_add = plan->num_add,
                                          .drop = drop,
                                          .num_drop = plan->num_drop == 0 ? 0 : 1,
                                          .require = rewrap->pairs,
                                          .num_require = rewrap->num_pairs};
    return bulla_message_rewrap(message, &rewrap->files.cli->call, &options, out_header);
}

enum outcome { UNCHANGED, IN_PLACE, COPIED };

static bulla_status tell(struct rewrap *rewrap, const struct cli_task *task, enum outcome outcome)
{
    static const char *const words[] = {"unchanged", "rewrapped in place", "rewrapped"};
    struct cli *cli = rewrap->files.cli;
    if (outcome == UNCHANGED) rewrap->files.num_unchanged++;
    if (cli->json)
        return cli_json(cli, json_pack("{s:o, s:b, s:b}", "file", cli_json_path(task->in_path), "rewrapped",
                                       outcome != UNCHANGED, "in_place", outcome == IN_PLACE));
    /* Of a tree the summary says enough. */
    if (cli->quiet || (task->in_tree && !cli_flag(cli, "verbose"))) return BULLA_OK;
    char shown[CLI_SHOWN];
    cli_shown((bulla_view){(const uint8_t *)task->in_path, strlen(task->in_path)}, shown, sizeof shown);
    (void)printf("%s: %s\n", shown, words[outcome]);
    return BULLA_OK;
}

static bulla_status header_swap(struct rewrap *rewrap, struct cli_message_file *file, bulla_message *message,
                                const struct plan *plan, enum outcome *out_outcome)
{
    bulla_call *call = &rewrap->files.cli->call;
    bool in_place = false;
    CLI_AUTO(bulla_bytes_done) bulla_bytes header = {NULL, 0, NULL};
    CLI_TRY(header_make(rewrap, message, plan, &header));
    bulla_view view = {header.data, header.len};
    CLI_TRY(cli_header_swap(call, file, plan->info->header_len, view, &in_place));
    *out_outcome = in_place ? IN_PLACE : COPIED;
    return BULLA_OK;
}

/* A file that was named is one that the key was thought to be in; of a tree the files are counted. */
static bulla_status undropped_check(struct rewrap *rewrap, const struct cli_task *task, const struct plan *plan)
{
    if (plan->undropped == NULL) return BULLA_OK;
    rewrap->num_undropped++;
    if (task->in_tree) return BULLA_OK;
    return bulla_fail(&rewrap->files.cli->call, BULLA_EINVAL, "has no entry of the key %.160s: see \"bulla inspect\"",
                      plan->undropped);
}

static bulla_status job(void *arg, struct cli *cli, const struct cli_task *task)
{
    struct rewrap *rewrap = arg;
    CLI_AUTO(cli_message_file_done) struct cli_message_file file = {.input = {.fd = -1}};
    CLI_TRY(cli_message_file_open(&cli->call, task->in_dir, task->in_name, &file));
    bulla_source source = cli_input_source(&file.input);
    CLI_AUTO(message_done) bulla_message *message = NULL;
    CLI_TRY(bulla_message_open(&cli->call, &source, &message));

    enum outcome outcome = UNCHANGED;
    CLI_AUTO(plan_done) struct plan plan = {.info = bulla_message_info_get(message)};
    CLI_TRY(plan_make(rewrap, &plan));
    CLI_TRY(undropped_check(rewrap, task, &plan));
    file.input.progress = &rewrap->files.progress;
    if (plan.num_renew + plan.num_add + plan.num_drop != 0)
        CLI_TRY(header_swap(rewrap, &file, message, &plan, &outcome));
    return tell(rewrap, task, outcome);
}

/* --- the verb --- */

static bulla_status drop_add(struct rewrap *rewrap, const char *text)
{
    struct cli *cli = rewrap->files.cli;
    if (strspn(text, "0123456789") == strlen(text)) {
        uint64_t index = 0;
        CLI_TRY(cli_number_parse(cli, "--drop", text, 1, BULLA_MAX_RECIPIENTS, &index));
        rewrap->dropped_index[index - 1] = true;
        rewrap->num_dropped_indexes++;
        return BULLA_OK;
    }
    bulla *house = NULL;
    if (rewrap->drop.num == BULLA_MAX_RECIPIENTS) return cli_usage(cli, "--drop is given too often");
    CLI_TRY(cli_house_open(cli, &house));
    CLI_TRY(bulla_provider_open(house, &cli->call, text, &rewrap->drop.list[rewrap->drop.num]));
    rewrap->drop_text[rewrap->drop.num] = text;
    rewrap->drop.num++;
    return BULLA_OK;
}

static bulla_status keys_open(struct rewrap *rewrap)
{
    struct cli *cli = rewrap->files.cli;
    if (cli_flag(cli, "to") && (cli_flag(cli, "add") || cli_flag(cli, "drop") || cli_flag(cli, "renew")))
        return cli_usage(cli, "--to says who all the recipients are: leave --add, --drop and --renew out");
    CLI_TRY(cli_opening_open(cli, "with", "renew", &rewrap->with));
    CLI_TRY(cli_recipients_open(cli, "to", false, &rewrap->to));
    CLI_TRY(cli_recipients_open(cli, "add", false, &rewrap->add));
    CLI_TRY(cli_recipients_open(cli, "renew", false, &rewrap->renew));
    for (size_t i = 0; cli_value_at(cli, "drop", i) != NULL; i++)
        CLI_TRY(drop_add(rewrap, cli_value_at(cli, "drop", i)));
    return cli_context_pairs(cli, rewrap->pairs, CLI_MAX_PAIRS, &rewrap->num_pairs);
}

static void rewrap_done(struct rewrap *rewrap)
{
    for (size_t i = 0; i < KNOWN_KEYS; i++)
        bulla_provider_unref(rewrap->known[i].provider);
    cli_providers_done(&rewrap->with);
    cli_providers_done(&rewrap->to);
    cli_providers_done(&rewrap->add);
    cli_providers_done(&rewrap->renew);
    cli_providers_done(&rewrap->drop);
}

static bulla_status run(struct cli *cli, int argc, char **argv)
{
    CLI_AUTO(rewrap_done)
    struct rewrap rewrap = {.files = {.cli = cli,
                                      .naming = CLI_NAME_KEEP,
                                      .done_word = "rewrapped",
                                      .job = job,
                                      .recursive = cli_flag(cli, "recursive")}};
    rewrap.files.arg = &rewrap;
    CLI_TRY(keys_open(&rewrap));
    bulla_status status = cli_files_run(&rewrap.files, argc, argv);
    if (rewrap.files.recursive && rewrap.num_undropped != 0)
        cli_note(cli, "a key had no entry in %llu file%s", (unsigned long long)rewrap.num_undropped,
                 rewrap.num_undropped == 1 ? "" : "s");
    return status;
}

static const struct cli_option options[] = {
    {0, "with", "ADDRESS", "open the data key with this key", true},
    {0, "to", "ADDRESS", "make this key a recipient, and drop all that are not named so", true},
    {0, "add", "ADDRESS", "make this key a recipient too", true},
    {0, "renew", "ADDRESS", "wrap the data key again by this key, as after its rotation in a store outside", true},
    {0, "drop", "ADDRESS|INDEX", "leave out this key, or the entry with this number in bulla inspect", true},
    {0, "context", "KEY=VALUE", "rewrap only messages that this pair is bound to, written in the header or not", true},
    {'R', "recursive", NULL, "do all files in folders whose names end in " CLI_SUFFIX, false},
    {0},
};

const struct cli_verb cli_verb_rewrap = {
    .name = "rewrap",
    .summary = "Put encrypted files under other versions or keys, their bodies untouched",
    .operands = "FILE...",
    .min_operands = 1,
    .max_operands = -1,
    .leaves_no_history = true,
    .details =
        "Without --to, --add, --renew and --drop every data key that a key of the keystore wraps is wrapped again "
        "under that\n"
        "key's newest version, as after a rotation. The header alone changes: where it stands, when it keeps its "
        "length\n"
        "and is short enough that a crash cannot tear it, else in a new file that takes the old one's place. The "
        "file's\n"
        "mode, owner and times stay. Files that are as they should be are left alone.\n\n"
        "A copy of the file made before still opens with what was dropped: whoever must not read it any more needs it\n"
        "encrypted again. Signed messages cannot be rewrapped.\n",
    .examples = "  bulla key rotate files && bulla rewrap -R /backup\n"
                "  bulla kms rotate kms:main && bulla rewrap -R --renew kms:main /backup\n"
                "  bulla rewrap --add file:escrow.key letter.pdf.bulla\n"
                "  bulla rewrap --to local:archive letter.pdf.bulla\n",
    .options = options,
    .run = run,
};
