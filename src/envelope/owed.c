/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/owed.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"

static const uint8_t owed_version[] = {1}; /* a wrapped key is never empty */

void bulla_wrapped_list_done(bulla_wrapped_list *list)
{
    for (size_t i = 0; i < list->num; i++)
        bulla_wrapped_free(list->items[i]);
    list->num = 0;
}

bool bulla_wrapped_is_owed(const bulla_wrapped *wrapped, const char *name)
{
    return bulla_view_is(wrapped->provider, BULLA_OWED_PROVIDER) &&
           (name == NULL || bulla_view_is(wrapped->info, name));
}

bool bulla_status_may_be_owed(bulla_status status)
{
    bulla_class class = bulla_status_class(status);
    return class == BULLA_CLASS_RETRY || class == BULLA_CLASS_UNSURE || status == BULLA_EDEADLINE ||
           status == BULLA_EAUTHN || status == BULLA_EUNTRUSTED;
}

bulla_status bulla_owed_options_check(bulla_call *call, const bulla_encrypt_options *options)
{
    if (options->min_recipients == 0) return BULLA_OK;
    if (options->min_recipients > options->num_recipients)
        return bulla_fail(call, BULLA_EINVAL, "%zu recipients are to answer, but only %zu are given",
                          options->min_recipients, options->num_recipients);
    if (options->min_recipients == options->num_recipients) return BULLA_OK;
    for (size_t i = 0; i < options->num_recipients; i++)
        if (options->names == NULL || options->names[i] == NULL || options->names[i][0] == '\0')
            return bulla_fail(call, BULLA_EINVAL,
                              "recipients that may be owed need names: set names to their addresses");
    return BULLA_OK;
}

/* It may be one that other messages have, where a cache is told so: each message derives its own key from it. */
static bulla_status dek_get(bulla_call *call, bulla_provider *provider, const bulla_suite *suite,
                            bulla_context *context, bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    uint64_t message_len = call->message_len;
    if (message_len == 0) call->message_len = BULLA_MESSAGE_UNKNOWN;
    if (!suite->has_kdf) call->message_len = 0;
    bulla_status status = bulla_provider_datakey(provider, call, context, suite->key_len, out_dek, out_wrapped);
    call->message_len = message_len;
    return status;
}

/* One of several that may be owed gets its share of the time that is left, so that one that hangs leaves some to the
 * others. */
static int64_t share_take(bulla_call *call, size_t num_left)
{
    int64_t deadline_ns = call->deadline_ns;
    if (deadline_ns == 0 || num_left == 0) return deadline_ns;
    int64_t now_ns = call->env->ticks_ns(call->env->arg);
    if (deadline_ns > now_ns) call->deadline_ns = now_ns + (deadline_ns - now_ns) / (int64_t)num_left;
    return deadline_ns;
}

/* The first that answers makes the data key in its store, the others wrap it (multi-keyring.md, OnEncrypt). */
static bulla_status recipient_ask(bulla_call *call, bulla_provider *provider, const bulla_suite *suite,
                                  bulla_context *context, bulla_secret **dek, bulla_wrapped **out_wrapped)
{
    if (*dek != NULL) return bulla_provider_wrap(provider, call, context, *dek, out_wrapped);
    return dek_get(call, provider, suite, context, dek, out_wrapped);
}

static bulla_status owed_add(bulla_call *call, const bulla_encrypt_options *options, const bool *owed,
                             bulla_wrapped_list *list)
{
    for (size_t i = 0; i < options->num_recipients; i++) {
        if (!owed[i]) continue;
        BULLA_TRY(bulla_wrapped_new(call, bulla_view_text(BULLA_OWED_PROVIDER), bulla_view_text(options->names[i]),
                                    bulla_view_of(owed_version, sizeof owed_version), &list->items[list->num]));
        list->num++;
        list->num_owed++;
    }
    return BULLA_OK;
}

bulla_status bulla_recipients_wrap(bulla_call *call, const bulla_encrypt_options *options, const bulla_suite *suite,
                                   bulla_context *context, bulla_secret **out_dek, bulla_wrapped_list *out_list)
{
    BULLA_AUTO(bulla_wrapped_list) list = {.num = 0};
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bool owed[BULLA_MAX_RECIPIENTS] = {false};
    size_t num = options->num_recipients, num_owed = 0;
    size_t may_owe = options->min_recipients == 0 ? 0 : num - options->min_recipients;
    for (size_t i = 0; i < num; i++) {
        int64_t deadline_ns = share_take(call, may_owe == 0 ? 0 : num - i);
        bulla_status status = recipient_ask(call, options->recipients[i], suite, context, &dek, &list.items[list.num]);
        call->deadline_ns = deadline_ns;
        list.num += status == BULLA_OK;
        if (status == BULLA_OK) continue;
        owed[i] = true;
        num_owed++;
        if (!bulla_status_may_be_owed(status) || num_owed > may_owe) return status;
        bulla_log(bulla_env_of(call), BULLA_LOG_WARN, "recipient %.160s wraps later, for now it does not: %s",
                  options->names[i], call->why);
        BULLA_TRY(bulla_call_check(call)); /* the whole request has ended, not only this recipient's share */
    }
    BULLA_TRY(owed_add(call, options, owed, &list));
    if (options->num_owed != NULL) *options->num_owed = list.num_owed;
    *out_list = list;
    *out_dek = BULLA_TAKE(dek);
    list.num = 0;
    return BULLA_OK;
}
