/* SPDX-License-Identifier: Apache-2.0 */
#include "base/oserror.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bulla_status status_of(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR: return BULLA_ENOFILE;
    case EACCES:
    case EPERM:
    case EROFS: return BULLA_EAUTHZ;
    case ENOSPC:
    case EDQUOT: return BULLA_ENOSPACE;
    case ENOMEM: return BULLA_ENOMEM;
    case ELOOP:
    case ENAMETOOLONG: return BULLA_EINVAL;
    default: return BULLA_EIO;
    }
}

bulla_status bulla_errno_fail(bulla_call *call, const char *format, ...)
{
    int code = errno;
    bulla_status status = status_of(code);
    char what[sizeof call->why];
    if (call == NULL) return status;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    status = bulla_fail(call, status, "%s: %s", what, strerrordesc_np(code));
    call->native = code;
    return status;
}
