/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/attributes.h"

#include "cli/fdio.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static bulla_status owner_copy(bulla_call *call, int from, int to)
{
    struct stat old, new;
    if (fstat(from, &old) != 0 || fstat(to, &new) != 0) return cli_errno_fail(call, errno, "cannot look at it");
    if (old.st_uid == new.st_uid && old.st_gid == new.st_gid) return BULLA_OK;
    if (fchown(to, old.st_uid, old.st_gid) == 0) return BULLA_OK;
    return cli_errno_fail(call, errno, "a new file cannot be given to its owner");
}

static bool is_systems(const char *name)
{
    return strncmp(name, "security.", 9) == 0 || strncmp(name, "trusted.", 8) == 0;
}

static bulla_status one_copy(bulla_call *call, int from, int to, const char *name, char *value)
{
    ssize_t len = fgetxattr(from, name, value, XATTR_SIZE_MAX);
    if (len >= 0 && fsetxattr(to, name, value, (size_t)len, 0) == 0) return BULLA_OK;
    if (is_systems(name) || errno == ENODATA) return BULLA_OK;
    return cli_errno_fail(call, errno, "cannot keep an extended attribute");
}

static bulla_status all_copy(bulla_call *call, int from, int to, char *names, char *value)
{
    ssize_t len = flistxattr(from, names, XATTR_LIST_MAX);
    if (len < 0 && errno == ENOTSUP) return BULLA_OK;
    if (len < 0) return cli_errno_fail(call, errno, "cannot list the extended attributes");
    for (const char *name = names; name < names + len; name += strlen(name) + 1)
        CLI_TRY(one_copy(call, from, to, name, value));
    return BULLA_OK;
}

bulla_status cli_attributes_copy(bulla_call *call, int from, int to)
{
    CLI_TRY(owner_copy(call, from, to));
    if (flistxattr(from, NULL, 0) == 0) return BULLA_OK;
    char *memory = malloc(XATTR_LIST_MAX + XATTR_SIZE_MAX);
    if (memory == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory for the extended attributes");
    bulla_status status = all_copy(call, from, to, memory, memory + XATTR_LIST_MAX);
    free(memory);
    return status;
}
