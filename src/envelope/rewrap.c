/* SPDX-License-Identifier: Apache-2.0 */
/* The same message for other recipients: a new header, whose data key, message id and frames are the old one's. */
#include "base/bytes.h"
#include "envelope/failure.h"
#include "envelope/keys.h"
#include "envelope/message.h"
#include "envelope/opener.h"
#include "envelope/owed.h"

typedef struct rewrapping {
    bulla_rewrap_options options;
    bulla_secret *dek;
    bulla_aead *aead;
    bulla_binding binding;
    bulla_header header; /* the new one; borrows all its parts */
    bulla_wrapped *fresh[BULLA_MAX_RECIPIENTS];
    size_t num_fresh;
    bool is_renewed[BULLA_MAX_RECIPIENTS]; /* by provider of options.renew */
} rewrapping;

static inline void rewrapping_auto(rewrapping *work)
{
    for (size_t i = 0; i < work->num_fresh; i++)
        bulla_wrapped_free(work->fresh[i]);
    bulla_aead_unref(work->aead);
    bulla_secret_unref(work->dek);
    bulla_binding_done(&work->binding);
}

static bulla_status options_get(bulla_call *call, const bulla_rewrap_options *options, bulla_rewrap_options *out)
{
    if (options == NULL || options->size == 0)
        return bulla_fail(call, BULLA_EINVAL, "bulla_rewrap_options.size is 0, set it to sizeof the struct");
    memcpy(out, options, options->size < sizeof *out ? options->size : sizeof *out);
    const bulla_keyring open = {out->open, out->num_open, NULL}, renew = {out->renew, out->num_renew, NULL};
    const bulla_keyring add = {out->add, out->num_add, NULL}, drop = {out->drop, out->num_drop, NULL};
    BULLA_TRY(bulla_keyring_check(call, &open, 1, "to open the data key"));
    BULLA_TRY(bulla_keyring_check(call, &renew, 0, "to renew"));
    BULLA_TRY(bulla_keyring_check(call, &add, 0, "to add"));
    return bulla_keyring_check(call, &drop, 0, "to drop");
}

static bulla_status kind_check(bulla_call *call, const bulla_header *header)
{
    if (header->suite->is_signed)
        return bulla_fail(
            call, BULLA_ESTATE,
            "a signed message cannot be rewrapped, its signature covers the header: decrypt it and encrypt "
            "it again");
    if (header->suite->version == 1)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "a message of version 1 is not rewrapped: decrypt it (as legacy) and encrypt it again");
    return BULLA_OK;
}

static bulla_status recipient_add(rewrapping *work, bulla_call *call, const bulla_wrapped *wrapped)
{
    bulla_header *header = &work->header;
    if (header->num_recipients == BULLA_MAX_RECIPIENTS)
        return bulla_fail(call, BULLA_ELIMIT, "the message would have more than %u recipients", BULLA_MAX_RECIPIENTS);
    header->recipients[header->num_recipients++] = *wrapped;
    return BULLA_OK;
}

/* Wraps the data key that the header's commitment vouches for, not what another wrapped key may hold. */
static bulla_status recipient_wrap(rewrapping *work, bulla_call *call, bulla_provider *provider)
{
    if (work->num_fresh == BULLA_MAX_RECIPIENTS)
        return bulla_fail(call, BULLA_ELIMIT, "the message would have more than %u recipients", BULLA_MAX_RECIPIENTS);
    bulla_wrapped **fresh = &work->fresh[work->num_fresh];
    BULLA_TRY(bulla_provider_wrap(provider, call, work->binding.context, work->dek, fresh));
    work->num_fresh++;
    return recipient_add(work, call, *fresh);
}

static bool is_named(const bulla_wrapped *wrapped, const char *const *names, size_t num)
{
    for (size_t i = 0; names != NULL && i < num; i++)
        if (names[i] != NULL && bulla_wrapped_is_owed(wrapped, names[i])) return true;
    return false;
}

/* Two wrapped keys of one renewing key, such as of two of its versions, become one. */
static bulla_status recipient_keep(rewrapping *work, bulla_call *call, const bulla_wrapped *wrapped)
{
    const bulla_rewrap_options *options = &work->options;
    const bulla_keyring drop = {options->drop, options->num_drop, NULL};
    if (bulla_keyring_find(&drop, wrapped) != NULL) return BULLA_OK;
    if (is_named(wrapped, options->drop_names, options->num_drop)) return BULLA_OK;
    if (is_named(wrapped, options->add_names, options->num_add)) return BULLA_OK; /* recipient_settle puts it back */
    for (size_t i = 0; i < work->options.num_renew; i++) {
        if (!bulla_provider_matches(work->options.renew[i], wrapped)) continue;
        if (work->is_renewed[i]) return BULLA_OK;
        work->is_renewed[i] = true;
        return recipient_wrap(work, call, work->options.renew[i]);
    }
    return recipient_add(work, call, wrapped);
}

static const bulla_wrapped *owed_find(const bulla_header *old, const char *name)
{
    for (size_t i = 0; name != NULL && i < old->num_recipients; i++)
        if (bulla_wrapped_is_owed(&old->recipients[i], name)) return &old->recipients[i];
    return NULL;
}

/* Adds recipient `index`. One that was owed and whose store still does not answer goes on being owed, when that is
 * wanted; `failure` keeps why. */
static bulla_status recipient_settle(rewrapping *work, bulla_call *call, const bulla_header *old, size_t index,
                                     bulla_failure *failure)
{
    const bulla_rewrap_options *options = &work->options;
    const bulla_wrapped *owed = owed_find(old, options->add_names == NULL ? NULL : options->add_names[index]);
    bulla_status status = recipient_wrap(work, call, options->add[index]);
    if (status == BULLA_OK || owed == NULL || !options->keep_owed || !bulla_status_may_be_owed(status)) return status;
    BULLA_TRY(bulla_call_check(call));
    bulla_failure_keep(failure, call);
    return recipient_add(work, call, owed);
}

static bulla_status recipients_make(rewrapping *work, bulla_call *call, const bulla_header *old)
{
    work->header = *old;
    work->header.num_recipients = 0;
    for (size_t i = 0; i < old->num_recipients; i++)
        BULLA_TRY(recipient_keep(work, call, &old->recipients[i]));
    bulla_failure failure = {.status = BULLA_OK};
    size_t num_before = work->num_fresh;
    for (size_t i = 0; i < work->options.num_add; i++)
        BULLA_TRY(recipient_settle(work, call, old, i, &failure));
    if (failure.status != BULLA_OK && work->num_fresh == num_before) return bulla_failure_give(&failure, call);
    if (work->header.num_recipients == 0)
        return bulla_fail(call, BULLA_EINVAL, "no recipient would be left: nobody could open the message");
    return BULLA_OK;
}

/* Opens the old header: only what is genuine goes into a new one. */
static bulla_status header_unlock(rewrapping *work, bulla_call *call, const bulla_header *old)
{
    BULLA_AUTO(bulla_context) *require = NULL;
    const bulla_keyring open = {work->options.open, work->options.num_open, NULL};
    if (work->options.num_require != 0)
        BULLA_TRY(bulla_context_new(call, work->options.require, work->options.num_require, &require));
    BULLA_TRY(bulla_binding_get(call, require, old->context, &work->binding));
    return bulla_header_unlock(call, &open, old, &work->binding, &work->dek, &work->aead);
}

bulla_status bulla_message_rewrap(bulla_message *message, bulla_call *call, const bulla_rewrap_options *options,
                                  bulla_bytes *out_header)
{
    if (message == NULL || call == NULL) return bulla_fail(call, BULLA_EINVAL, "a message and a call must be given");
    __attribute__((cleanup(rewrapping_auto))) rewrapping work = {.num_fresh = 0};
    BULLA_AUTO(bulla_buffer) bytes = {0};
    const bulla_header *old = &message->header;
    BULLA_TRY(options_get(call, options, &work.options));
    BULLA_TRY(kind_check(call, old));
    BULLA_TRY(header_unlock(&work, call, old));
    BULLA_TRY(recipients_make(&work, call, old));
    bulla_view unwritten = bulla_context_bytes(work.binding.unwritten);
    BULLA_TRY(bulla_header_write(call, &work.header, unwritten, work.aead, &bytes));
    *out_header = (bulla_bytes){bytes.data, bytes.len, bytes.env};
    bytes = (bulla_buffer){0};
    return BULLA_OK;
}
