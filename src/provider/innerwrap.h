/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer that binds a context where the store cannot (spec/wrapped.md): the store wraps a fresh inner key, and the
 * data key is sealed under that, together with the context and the store's key it belongs to.
 */
#ifndef BULLA_PROVIDER_INNERWRAP_H
#define BULLA_PROVIDER_INNERWRAP_H

#include "base/secret.h"
#include "provider/provider.h"

#define BULLA_INNERWRAP_KEY_LEN 32u

/* What the blob is bound to. */
typedef struct bulla_innerwrap_site {
    bulla_view provider, info; /* the other two parts of the wrapped key */
    bulla_context *context;    /* may be NULL */
} bulla_innerwrap_site;

/* Seals `dek` under `key`, which the store has wrapped to `outer`. `key` is 32 random bytes that nothing else uses. */
BULLA_MUST_USE bulla_status bulla_innerwrap_seal(bulla_call *call, const bulla_innerwrap_site *site,
                                                 const bulla_secret *key, bulla_view outer, const bulla_secret *dek,
                                                 bulla_wrapped **out_wrapped);

/* What the store has to unwrap to get the inner key; a view into `blob`. EINTEGRITY when there is none. */
BULLA_MUST_USE bulla_status bulla_innerwrap_outer(bulla_call *call, bulla_view blob, bulla_view *out_outer);

/* Opens `wrapped` with the inner key that the store gave. EINTEGRITY for whatever is wrong. */
BULLA_MUST_USE bulla_status bulla_innerwrap_open(bulla_call *call, const bulla_wrapped *wrapped, bulla_context *context,
                                                 const bulla_secret *key, bulla_secret **out_dek);

#endif
