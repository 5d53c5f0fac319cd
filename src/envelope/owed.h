/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for N of M recipients. A recipient whose store does not answer while the message is made is owed its wrapped
 * key: the header names it in an entry of provider "bulla-owed", which every reader passes over, until a rewrap settles
 * it (docs/adr/0014-owed-recipients.md). The entry is authenticated with the header like any other.
 */
#ifndef BULLA_ENVELOPE_OWED_H
#define BULLA_ENVELOPE_OWED_H

#include "base/macros.h"
#include "bulla/envelope.h"
#include "envelope/suite.h"
#include "provider/provider.h"

/* What the recipients gave, and what they owe, in the order of the header. */
typedef struct bulla_wrapped_list {
    bulla_wrapped *items[BULLA_MAX_RECIPIENTS];
    size_t num, num_owed;
} bulla_wrapped_list;

void bulla_wrapped_list_done(bulla_wrapped_list *list);
static inline void bulla_wrapped_list_auto(bulla_wrapped_list *list)
{
    bulla_wrapped_list_done(list);
}

/* EINVAL for options whose N of M cannot be. */
BULLA_MUST_USE bulla_status bulla_owed_options_check(bulla_call *call, const bulla_encrypt_options *options);

/* Makes a data key for `suite` and wraps it for the options' recipients: all of them, or as many as answer when at
 * least options->min_recipients do. */
BULLA_MUST_USE bulla_status bulla_recipients_wrap(bulla_call *call, const bulla_encrypt_options *options,
                                                  const bulla_suite *suite, bulla_context *context,
                                                  bulla_secret **out_dek, bulla_wrapped_list *out_list);

/* The failures after which a recipient may be owed: its store does not answer, or does not know us now. */
bool bulla_status_may_be_owed(bulla_status status);

/* True for an entry that stands for a recipient which is owed; with `name` only for that one. */
bool bulla_wrapped_is_owed(const bulla_wrapped *wrapped, const char *name);

#endif
