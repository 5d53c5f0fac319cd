/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For those who write a provider: the only header they need. Embed bulla_provider first in your own struct, fill a
 * const table, call bulla_provider_init. See examples/own_provider.c.
 *
 * The dispatcher has checked arguments, capability, deadline and cancellation before it calls a slot, and checks the
 * results after: a slot that returns BULLA_OK without its output, a key of another length than asked for (16 to 64
 * bytes from unwrap), a wrapped key without provider name or blob or that `matches` does not know again, is reported as
 * BULLA_ECONTRACT and its output is dropped. What `matches` does not know is BULLA_ENOKEY without any slot being
 * called. Wrapped keys are made with bulla_wrapped_copy, data keys with bulla_secret_copy.
 */
#ifndef BULLA_PROVIDER_IMPL_H
#define BULLA_PROVIDER_IMPL_H

#include "bulla/provider.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_OP_DESCRIBE 0x01u
#define BULLA_OP_WRAP 0x02u
#define BULLA_OP_UNWRAP 0x04u
#define BULLA_OP_DATAKEY 0x08u
#define BULLA_OP_REWRAP 0x10u
#define BULLA_OP_ROTATE 0x20u
#define BULLA_OP_CHECK 0x40u
#define BULLA_OP_LIST 0x80u
#define BULLA_OP_CREATE 0x100u
#define BULLA_OP_DATAKEY_BLIND 0x200u /* the slot `datakey` takes len 0 and out_dek NULL, as bulla_provider_datakey */

/* What a purge is about. With `wrapped`: what that one was opened to with `context` is in doubt, as
 * bulla_provider_forget says; whoever keeps data keys asks again before that one is given out, and takes away no other.
 * Without: every data key that was opened with `key_id` (empty: all of them) is wiped. The slot calls no house. */
typedef struct bulla_purge {
    bulla_view key_id;
    const bulla_wrapped *wrapped;
    bulla_context *context; /* may be NULL */
} bulla_purge;

typedef struct bulla_provider_ops {
    size_t size;         /* sizeof(bulla_provider_ops) the provider was built with; slots beyond it are missing */
    const char *name;    /* short, lower case: for errors, audit and metrics; required */
    uint32_t can;        /* BULLA_OP_* bits of the slots that are filled */
    uint32_t idempotent; /* BULLA_OP_* bits that may be repeated after BULLA_CLASS_UNSURE */

    bool (*matches)(const bulla_provider *provider, const bulla_wrapped *wrapped); /* required with UNWRAP; pure */
    bulla_status (*describe)(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info);
    bulla_status (*wrap)(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                         bulla_wrapped **out_wrapped);
    bulla_status (*unwrap)(bulla_provider *provider, bulla_call *call, bulla_context *context,
                           const bulla_wrapped *wrapped, bulla_secret **out_dek);
    bulla_status (*datakey)(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                            bulla_secret **out_dek, bulla_wrapped **out_wrapped); /* optional: else drawn and wrapped */
    bulla_status (*rewrap)(bulla_provider *provider, bulla_call *call, bulla_context *context,
                           const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped); /* optional: unwrap, wrap */
    bulla_status (*rotate)(bulla_provider *provider, bulla_call *call, uint32_t *out_version);
    void (*purge)(bulla_provider *provider, const bulla_purge *what);  /* optional; wrappers pass it on */
    void (*destroy)(bulla_provider *provider);                         /* last reference gone; required */
    bulla_status (*check)(bulla_provider *provider, bulla_call *call); /* optional: else describe */
    bulla_status (*list)(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg);
    bulla_status (*create)(bulla_provider *provider, bulla_call *call);
} bulla_provider_ops;

struct bulla_provider {
    const bulla_provider_ops *ops;
    size_t refs; /* used through atomic built-ins only */
};

/* bulla_provider_init gives `provider` its table and one reference. */
BULLA_API void bulla_provider_init(bulla_provider *provider, const bulla_provider_ops *ops);

/* bulla_provider_pass_purge hands a purge on to what a wrapper stands around. */
BULLA_API void bulla_provider_pass_purge(bulla_provider *inner, const bulla_purge *what);

/* An address scheme: opens providers for addresses that start with "NAME:". See bulla_scheme_add in bulla/house.h. */
typedef struct bulla_scheme {
    const char *name; /* lower case, without the colon */
    bulla_status (*open)(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider);
    void *arg;
} bulla_scheme;

#ifdef __cplusplus
}
#endif

#endif
