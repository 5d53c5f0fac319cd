/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only home of key bytes. A secret lies in memory that is locked, left out of core dumps, emptied in a forked
 * child, fenced by guard pages, and wiped when its last reference goes. There is one way to see the bytes and no way to
 * print them.
 */
#ifndef BULLA_SECRET_H
#define BULLA_SECRET_H

#include "bulla/call.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_MAX_SECRET (1u << 20) /* bytes in one secret */

/* bulla_secret_copy makes a secret of `bytes` (1 to BULLA_MAX_SECRET). The caller wipes its own copy.
 * Ownership: *out_secret holds one reference. Errors: EINVAL, ENOMEM. */
BULLA_API BULLA_MUST_USE bulla_status bulla_secret_copy(bulla_call *call, bulla_view bytes, bulla_secret **out_secret);

/* bulla_secret_random makes a secret of `len` random bytes. Errors: EINVAL, ENOMEM, ECRYPTO. */
BULLA_API BULLA_MUST_USE bulla_status bulla_secret_random(bulla_call *call, size_t len, bulla_secret **out_secret);

/* bulla_secret_borrow shows the bytes for as long as the caller holds its reference. In a forked child the view is
 * empty: the parent's keys are not there. NULL gives an empty view. */
BULLA_API bulla_view bulla_secret_borrow(const bulla_secret *secret);

/* bulla_secret_ref takes one more reference and returns `secret`. Accepts NULL. Any thread. */
BULLA_API bulla_secret *bulla_secret_ref(bulla_secret *secret);

/* bulla_secret_unref gives one reference back; the last one wipes. Accepts NULL. Any thread. */
BULLA_API void bulla_secret_unref(bulla_secret *secret);

/* bulla_wipe overwrites `len` bytes in a way the compiler keeps. */
BULLA_API void bulla_wipe(void *ptr, size_t len);

#ifdef __cplusplus
}
#endif

#endif
