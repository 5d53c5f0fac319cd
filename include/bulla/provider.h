/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam. A provider is one master key in some key store, opened by its address; it wraps and unwraps data keys. A
 * wrapper (such as the unwrap cache below) is a provider around another provider. Every call goes through a dispatcher
 * that checks what goes in and what comes out, so a faulty back end is caught here and nowhere else.
 *
 * Addresses: local:NAME, file:PATH?namespace=N&name=K, env:VAR?namespace=N&name=K, rsa:PATH?namespace=N&name=K; see
 * docs/guide/addresses.md.
 *
 * All functions are safe from any thread. Outputs are untouched on failure.
 */
#ifndef BULLA_PROVIDER_H
#define BULLA_PROVIDER_H

#include "bulla/context.h"
#include "bulla/key.h"
#include "bulla/secret.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A wrapped data key as messages carry it (message-header.md, Encrypted Data Key Entry). Borrowed views when the caller
 * fills it; one allocation when the library returns a pointer to it. */
typedef struct bulla_wrapped {
    bulla_view provider; /* who can open it: "bulla", a namespace, "aws-kms"; UTF-8 */
    bulla_view info;     /* which key: the provider's own words */
    bulla_view blob;     /* the wrapped key itself */
} bulla_wrapped;

/* bulla_wrapped_copy makes an owned copy. Free it with bulla_wrapped_free. Errors: ELIMIT (a part over 65,535 bytes),
 * ENOMEM. */
BULLA_API BULLA_MUST_USE bulla_status bulla_wrapped_copy(bulla_call *call, const bulla_wrapped *wrapped,
                                                         bulla_wrapped **out_wrapped);

/* bulla_wrapped_free releases what the library returned. Accepts NULL. */
BULLA_API void bulla_wrapped_free(bulla_wrapped *wrapped);

/* bulla_provider_name returns the back end's name, such as "file". Static; never NULL. */
BULLA_API const char *bulla_provider_name(const bulla_provider *provider);

/* bulla_provider_matches tells, without asking the store, whether this provider may be able to open `wrapped`; of one
 * that can only wrap, such as a public key, whether it bears the name that `wrapped` does. */
BULLA_API bool bulla_provider_matches(const bulla_provider *provider, const bulla_wrapped *wrapped);

/* bulla_provider_describe says what the store knows of the key. Members the store does not know are zero.
 * Errors: ENOKEY, EDESTROYED, EUNAVAIL and the other classes; no answer is never "no such key". */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_describe(bulla_provider *provider, bulla_call *call,
                                                              bulla_key_info *out_info);

/* bulla_provider_wrap wraps `dek` under the key's primary version with `context` (may be NULL) bound.
 * Ownership: *out_wrapped is the caller's. Errors: ESTATE, EUNSUPPORTED, … */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_wrap(bulla_provider *provider, bulla_call *call,
                                                          bulla_context *context, bulla_secret *dek,
                                                          bulla_wrapped **out_wrapped);

/* bulla_provider_unwrap opens `wrapped`. Anything wrong with the bytes or the context is EINTEGRITY and no more than
 * that; a key that is not this provider's is ENOKEY. Ownership: *out_dek holds one reference, possibly shared. */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_unwrap(bulla_provider *provider, bulla_call *call,
                                                            bulla_context *context, const bulla_wrapped *wrapped,
                                                            bulla_secret **out_dek);

/* bulla_provider_datakey makes a data key of `len` bytes (16 to 64; 0: as the store is configured, data_key_spec of
 * aws, else 32) together with its wrapped form. Where the store has no such operation it is drawn here and wrapped
 * there. `out_dek` NULL asks for the wrapped form alone, for whoever may open it later: a store that can (aws) then
 * shows the key to nobody, else it is wiped here. */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_datakey(bulla_provider *provider, bulla_call *call,
                                                             bulla_context *context, size_t len, bulla_secret **out_dek,
                                                             bulla_wrapped **out_wrapped);

/* bulla_provider_rewrap wraps the same data key under the key's primary version, inside the store where the store can
 * and keeps the context, else here. */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_rewrap(bulla_provider *provider, bulla_call *call,
                                                            bulla_context *context, const bulla_wrapped *wrapped,
                                                            bulla_wrapped **out_wrapped);

/* bulla_provider_rotate makes a new primary version and returns its number. Not idempotent: after EUNKNOWN look with
 * bulla_provider_describe. */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_rotate(bulla_provider *provider, bulla_call *call,
                                                            uint32_t *out_version);

/* bulla_provider_create makes the key that the address names, in the store and so that it never leaves it. Not
 * idempotent: after EUNKNOWN look with bulla_provider_describe. Errors: EEXISTS, EUNSUPPORTED, EAUTHZ, … */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_create(bulla_provider *provider, bulla_call *call);

/* bulla_provider_check asks the store whether it would serve now, as cheaply as the store allows. OK or why not. */
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_check(bulla_provider *provider, bulla_call *call);

/* bulla_provider_list shows the keys of the store that this key lies in, in the store's order, at most 10,000; members
 * of `info` that a listing does not say are zero. `address` opens the key. A visitor ends the walk by failing. */
typedef bulla_status (*bulla_provider_visit)(void *arg, bulla_call *call, const char *address,
                                             const bulla_key_info *info);
BULLA_API BULLA_MUST_USE bulla_status bulla_provider_list(bulla_provider *provider, bulla_call *call,
                                                          bulla_provider_visit visit, void *arg);

/* bulla_provider_purge forgets every data key that was opened with `key_id` (empty: all of them). */
BULLA_API void bulla_provider_purge(bulla_provider *provider, bulla_view key_id);

/* bulla_provider_forget says that what `wrapped` was opened to with `context` is not the right data key: a cache that
 * has it asks the store again before it gives it out once more. Without an answer the doubted one serves; what the
 * store has said twice is asked for again once a second at most, or as often as entries are renewed: so whoever hands
 * in damaged data neither has a store asked without end nor takes a good entry away. Decryption and rewrap of messages
 * do this themselves, by the commitment; it is for programs that use bare data keys or records, and see them fail. */
BULLA_API void bulla_provider_forget(bulla_provider *provider, bulla_context *context, const bulla_wrapped *wrapped);

/* bulla_provider_ref and bulla_provider_unref share and release a provider. Both accept NULL. */
BULLA_API bulla_provider *bulla_provider_ref(bulla_provider *provider);
BULLA_API void bulla_provider_unref(bulla_provider *provider);

/* The unwrap cache: a provider that keeps opened data keys for a while. A hit takes no call to the store, no allocation
 * and no system call; of many that miss one key at a time, one asks the store and the others wait for its answer, each
 * within its own deadline.
 *
 * A key that is disabled or destroyed in the store, without a purge here, opens data keys here for at most
 * stale_bound_ms (bulla_cache_stats): ttl_ms counted from when the store was last asked, and offline_window_ms more if
 * the store has not answered since, or answers again only for as long as the outage lasted, ttl_ms at most: what ended
 * meanwhile is renewed one by one, unless the store refuses one of them. Where data keys are reused, new messages are
 * encrypted under them for at most reuse_ms. Whatever the store refuses is forgotten at once, outage or not.
 *
 * An entry past its end is never given out but then; it is wiped as calls come by and not by a timer, so purge a cache
 * that is to stand idle. With refresh_ahead_ms or offline_window_ms set, up to four threads of the library's
 * own ask the store, started when first needed and joined when the cache goes; env's functions are called from them.
 * Time is env's monotonic clock, by default one that stands still while the machine sleeps. See
 * docs/guide/resilience.md. */
typedef struct bulla_cache_options {
    size_t size;                /* sizeof(bulla_cache_options) */
    uint32_t ttl_ms;            /* how long an opened key may be used; required, 1 ms to 24 h */
    uint32_t max_entries;       /* 0: 4,096; oldest unused goes first; at most 1,048,576 */
    uint64_t max_uses;          /* hits on one entry before the store is asked again; 0: no limit */
    uint64_t max_bytes;         /* of wrapped keys and contexts remembered; 0: no limit but max_entries */
    uint32_t refresh_ahead_ms;  /* an entry in use is renewed this long, or half as long, before its end; 0: never */
    uint32_t offline_window_ms; /* past its end an entry may serve this long while the store does not answer */
    uint32_t negative_ttl_ms;   /* how long ENOKEY and EINTEGRITY are remembered, at most 5 min; 0: never */

    /* Reuse of data keys made for encryption, as caching materials managers have it; 0: every message has its own. */
    uint32_t reuse_ms;       /* age of a data key */
    uint64_t reuse_messages; /* that may share one; 0: 2^32 */
    uint64_t reuse_bytes;    /* of plaintext under one, by bulla_call.message_len; a message of unknown length has its
                              * own then; 0: no limit */
} bulla_cache_options;

typedef struct bulla_cache_stats {
    uint64_t hits, misses, expired, used_up, evicted, purged;
    uint64_t entries;
    uint32_t ttl_ms;
    uint64_t bytes;          /* remembered now */
    uint64_t shared_flights; /* misses that waited for another's request instead of making one */
    uint64_t refreshed;      /* entries renewed before their end */
    uint64_t offline_hits;   /* served after their end because the store did not answer, or had not for a while */
    uint64_t negative_hits;  /* refused from memory */
    uint64_t reused;         /* data keys given out again for encryption */
    uint32_t stale_bound_ms; /* a key disabled or destroyed in the store serves here at most this long */
    int64_t oldest_ms;       /* age of the oldest entry */
    bool is_offline;         /* the store did not answer the last time it was asked */
} bulla_cache_stats;

/* bulla_cache_new wraps `inner` (one more reference is taken). Errors: EINVAL (no TTL), ENOMEM. */
BULLA_API BULLA_MUST_USE bulla_status bulla_cache_new(bulla_call *call, bulla_provider *inner,
                                                      const bulla_cache_options *options, bulla_provider **out_cache);

/* bulla_cache_warm opens many data keys at once, so that a cache behind `provider` knows them before they are needed:
 * with up to `parallelism` requests at a time (1 to 64), each in a thread that ends before this returns. Members that
 * fail keep nobody else back; each item's status says how it went. Returns BULLA_OK when all were opened, else the
 * first failure in the order of the items, or ECANCELLED or EDEADLINE when the call ended before: items that were not
 * tried have its status then. Errors besides: EINVAL, ENOMEM. */
typedef struct bulla_cache_item {
    const bulla_wrapped *wrapped;
    bulla_context *context; /* may be NULL */
    bulla_status status;    /* filled in */
} bulla_cache_item;
BULLA_API BULLA_MUST_USE bulla_status bulla_cache_warm(bulla_call *call, bulla_provider *provider,
                                                       bulla_cache_item *items, size_t num_items, unsigned parallelism);

/* bulla_cache_stats_get fills `out_stats`. EINVAL when `cache` is not a cache. */
BULLA_API BULLA_MUST_USE bulla_status bulla_cache_stats_get(bulla_provider *cache, bulla_call *call,
                                                            bulla_cache_stats *out_stats);

#ifdef __cplusplus
}
#endif

#endif
