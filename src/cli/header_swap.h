/* SPDX-License-Identifier: Apache-2.0 */
/* A new header for the message in a file, its body untouched: whatever happens, the old header or the new one is there.
 */
#ifndef BULLA_CLI_HEADER_SWAP_H
#define BULLA_CLI_HEADER_SWAP_H

#include "cli/fdio.h"

/* A message in a regular file, open for reading and writing and locked. */
struct cli_message_file {
    struct cli_input input;
    int dir_fd; /* borrowed */
    const char *name;
};

/* Opens `name` in `dir_fd`, never through a symbolic link, and keeps others from rewrapping it until
 * cli_message_file_done. EBUSY when somebody else goes on for too long. */
bulla_status cli_message_file_open(bulla_call *call, int dir_fd, const char *name, struct cli_message_file *out_file);
void cli_message_file_done(struct cli_message_file *file);

/* Puts `header` in the place of the first `old_len` bytes. Where it stands when that cannot be torn (docs/adr/0008),
 * else in a new file that takes the other's place with its owner, mode, times and attributes. *out_in_place tells. */
bulla_status cli_header_swap(bulla_call *call, struct cli_message_file *file, uint64_t old_len, bulla_view header,
                             bool *out_in_place);

#endif
