/* SPDX-License-Identifier: Apache-2.0 */
/* Key material in files and in text: read into secret memory at once, from files that nobody else can read. */
#ifndef BULLA_PROVIDER_KEYFILE_H
#define BULLA_PROVIDER_KEYFILE_H

#include "base/secret.h"
#include "bulla/call.h"

#include <sys/types.h>

typedef struct bulla_keyfile {
    int fd;
    const char *path; /* borrowed */
    mode_t mode;
    uid_t owner;
    size_t len;
} bulla_keyfile;

/* Opens a regular file of 1 to `max` bytes; symbolic links are followed, for mounted secrets are links, and what counts
 * is the file they lead to. ENOFILE, EAUTHZ, EINVAL, EFORMAT (its size), ENOMEM, EIO. Close with bulla_keyfile_close.
 */
BULLA_MUST_USE bulla_status bulla_keyfile_open(bulla_call *call, const char *path, size_t max, bulla_keyfile *out_file);
void bulla_keyfile_close(bulla_keyfile *file);

/* EAUTHZ, with the command that mends it, when others may read or write the file or it belongs to somebody else. */
BULLA_MUST_USE bulla_status bulla_keyfile_private_check(bulla_call *call, const bulla_keyfile *file);

BULLA_MUST_USE bulla_status bulla_keyfile_read(bulla_call *call, const bulla_keyfile *file, bulla_secret **out_bytes);

/* The part of a path after its last slash. */
const char *bulla_path_base(const char *path);

/* An AES key of 16, 24 or 32 bytes from base64 text, one newline at its end allowed. `what` names the place in the
 * message. ECONFIG. */
BULLA_MUST_USE bulla_status bulla_keytext_decode(bulla_call *call, const char *what, bulla_view text,
                                                 bulla_secret **out_key);

#endif
