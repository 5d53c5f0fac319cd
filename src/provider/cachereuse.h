/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reuse of data keys on encrypt: several messages of one context may share a data key, within limits of age, messages
 * and bytes, as the caching materials manager of the AWS Encryption SDK does it (caching-cmm.md). Each message still
 * derives a key of its own from it.
 */
#ifndef BULLA_PROVIDER_CACHEREUSE_H
#define BULLA_PROVIDER_CACHEREUSE_H

#include "provider/keyhash.h"
#include "provider/provider.h"

typedef struct bulla_reuse {
    const bulla_env *env;
    bulla_secret *memory; /* NULL: no reuse. Emptied in a forked child, like the keys */
    const bulla_keyhash *hash;
    int64_t age_ns;
    uint64_t max_messages, max_bytes; /* bytes 0: no limit */
} bulla_reuse;

/* One request for a data key. */
typedef struct bulla_reuse_request {
    bulla_context *context;
    size_t len;           /* of the data key */
    uint64_t message_len; /* as bulla_call has it */
    int64_t now_ns;       /* before the store is asked */
    uint64_t generation;  /* filled by bulla_reuse_take, for bulla_reuse_put */
} bulla_reuse_request;

/* Makes room, when the options ask for reuse. */
BULLA_MUST_USE bulla_status bulla_reuse_init(bulla_reuse *reuse, bulla_call *call, const bulla_cache_options *options,
                                             const bulla_keyhash *hash);
void bulla_reuse_done(bulla_reuse *reuse);

/* True: *out_dek and *out_wrapped are a reference and a copy of a data key that may protect this message too. */
BULLA_MUST_USE bool bulla_reuse_take(bulla_reuse *reuse, bulla_reuse_request *request, bulla_secret **out_dek,
                                     bulla_wrapped **out_wrapped);

/* Keeps a new data key, whose first message is this one. Not when there was a purge meanwhile. */
void bulla_reuse_put(bulla_reuse *reuse, const bulla_reuse_request *request, bulla_secret *dek,
                     const bulla_wrapped *wrapped);

/* Forgets what was wrapped by keys that start with `key_id`. */
void bulla_reuse_purge(bulla_reuse *reuse, bulla_view key_id);

#endif
