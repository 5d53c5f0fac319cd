/* SPDX-License-Identifier: Apache-2.0 */
/* The seam as the rooms above see it: the public headers, with cleanup for their types. */
#ifndef BULLA_PROVIDER_PROVIDER_H
#define BULLA_PROVIDER_PROVIDER_H

#include "base/macros.h"
#include "bulla/provider_impl.h"

BULLA_AUTO_DEFINE(bulla_provider, bulla_provider_unref)
BULLA_AUTO_DEFINE(bulla_wrapped, bulla_wrapped_free)

/* BULLA_OP_* bits of the slots that are there, and of those that may be repeated when nobody knows the outcome: what a
 * wrapper says of itself. */
uint32_t bulla_provider_can(const bulla_provider *provider);
uint32_t bulla_provider_idempotent(const bulla_provider *provider);

#define BULLA_DEK_MIN 16u /* bytes of a data key */
#define BULLA_DEK_MAX 64u
#define BULLA_WRAPPED_PART_MAX 65535u /* message-header.md, Encrypted Data Key Entry: 16-bit lengths */

/* EINVAL when there is none, ELIMIT when a part is too long to be in a message. */
BULLA_MUST_USE bulla_status bulla_wrapped_check(bulla_call *call, const bulla_wrapped *wrapped);

/* Makes an owned wrapped key of three parts. */
BULLA_MUST_USE bulla_status bulla_wrapped_new(bulla_call *call, bulla_view provider, bulla_view info, bulla_view blob,
                                              bulla_wrapped **out_wrapped);

#endif
