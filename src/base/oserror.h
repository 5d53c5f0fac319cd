/* SPDX-License-Identifier: Apache-2.0 */
/* What errno says, as a status: one table for every room that opens files. */
#ifndef BULLA_BASE_OSERROR_H
#define BULLA_BASE_OSERROR_H

#include "bulla/call.h"

/* Fails by errno: ENOFILE, EAUTHZ, ENOSPACE, ENOMEM, EINVAL (the path itself is at fault) or EIO. The sentence is the
 * format's, a colon, and what errno means; call->native is errno. */
bulla_status bulla_errno_fail(bulla_call *call, const char *format, ...) BULLA_PRINTF(2, 3);

#endif
