/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small records: rows, cells, values, tokens. A data key is made or opened once through a provider and then seals any
 * number of records without asking the store again, in a compact format (spec/record.md) of 49 bytes over the
 * plaintext, with a context bound. After a thread's first record, and with a context of up to 1,000 bytes, sealing and
 * opening allocate nothing and make no system call but for a fresh batch of random bytes every few hundred records.
 */
#ifndef BULLA_RECORD_H
#define BULLA_RECORD_H

#include "bulla/provider.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_RECORD_OVERHEAD 49u /* bytes of a record over its plaintext (spec/record.md, Layout) */

typedef struct bulla_datakey_options {
    size_t size;          /* sizeof(bulla_datakey_options) */
    uint64_t max_records; /* encryptions before BULLA_ELIMIT; 0 and more than 2^32: 2^32 (SP 800-38D, 8.3) */
    uint64_t max_bytes;   /* plaintext bytes before BULLA_ELIMIT; 0: no limit beyond max_records */
} bulla_datakey_options;

/* bulla_datakey_create makes a data key under `provider`. `context` (may be NULL) is bound to the wrapped key, not to
 * the records. `options` may be NULL. Keep bulla_datakey_wrapped beside the records: it is the only way back.
 * Ownership: *out_datakey holds one reference. */
BULLA_API BULLA_MUST_USE bulla_status bulla_datakey_create(bulla_call *call, bulla_provider *provider,
                                                           bulla_context *context, const bulla_datakey_options *options,
                                                           bulla_datakey **out_datakey);

/* bulla_datakey_open opens a wrapped data key. The count of earlier encryptions is not known here: a program that
 * re-opens one key for writing for years gives max_records accordingly. Should a store have opened it to wrong bytes,
 * so that records are of another key (ENOKEY): bulla_provider_forget with the same arguments, and open it again. */
BULLA_API BULLA_MUST_USE bulla_status bulla_datakey_open(bulla_call *call, bulla_provider *provider,
                                                         bulla_context *context, const bulla_wrapped *wrapped,
                                                         const bulla_datakey_options *options,
                                                         bulla_datakey **out_datakey);

/* bulla_datakey_wrapped returns the wrapped form. Borrowed for the life of the data key. */
BULLA_API const bulla_wrapped *bulla_datakey_wrapped(const bulla_datakey *datakey);

/* bulla_datakey_ref and bulla_datakey_unref share and release a data key. Both accept NULL. Any thread. */
BULLA_API bulla_datakey *bulla_datakey_ref(bulla_datakey *datakey);
BULLA_API void bulla_datakey_unref(bulla_datakey *datakey);

/* bulla_record_encrypt seals `plaintext` into `out` (capacity `cap`, needs plaintext.len + BULLA_RECORD_OVERHEAD; may
 * not overlap) and sets *out_len. `call` may be NULL. Any thread. Errors: ELIMIT (limits of the data key, or capacity).
 */
BULLA_API BULLA_MUST_USE bulla_status bulla_record_encrypt(bulla_datakey *datakey, bulla_call *call,
                                                           const bulla_context *context, bulla_view plaintext,
                                                           uint8_t *out, size_t cap, size_t *out_len);

/* bulla_record_decrypt opens `record` into `out` (needs record.len - BULLA_RECORD_OVERHEAD) and sets *out_len. A record
 * of another data key is ENOKEY; anything else wrong is EINTEGRITY, an unknown version EUNSUPPORTED. Nothing is left in
 * `out` on failure. `call` may be NULL. Any thread. */
BULLA_API BULLA_MUST_USE bulla_status bulla_record_decrypt(bulla_datakey *datakey, bulla_call *call,
                                                           const bulla_context *context, bulla_view record,
                                                           uint8_t *out, size_t cap, size_t *out_len);

#ifdef __cplusplus
}
#endif

#endif
