/* SPDX-License-Identifier: Apache-2.0 */
/* The secret arena, for the rooms that fill secrets themselves. */
#ifndef BULLA_BASE_SECRET_H
#define BULLA_BASE_SECRET_H

#include "base/macros.h"
#include "bulla/secret.h"

/* A zeroed secret of `len` bytes, aligned to 64, to be filled through bulla_secret_fill before it is shared. */
BULLA_MUST_USE bulla_status bulla_secret_new(bulla_call *call, size_t len, bulla_secret **out_secret);

/* The bytes for writing; only the maker, before anybody else has a reference. NULL in a forked child. */
uint8_t *bulla_secret_fill(bulla_secret *secret);

/* True until a fork emptied it: the cheap check before key schedules kept in a secret are used. */
bool bulla_secret_is_live(const bulla_secret *secret);

BULLA_AUTO_DEFINE(bulla_secret, bulla_secret_unref)

#endif
