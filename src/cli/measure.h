/* SPDX-License-Identifier: Apache-2.0 */
/* How long the plaintext of a message is, by the structure of its body and without a key. */
#ifndef BULLA_CLI_MEASURE_H
#define BULLA_CLI_MEASURE_H

#include "cli/cli.h"

/* The length that the message in the regular file `fd`, of `file_len` bytes, says its plaintext has. false when the
 * body does not have the shape of a whole message. Not authenticated. */
bool cli_measure(int fd, const bulla_message_info *info, uint64_t file_len, uint64_t *out_plaintext_len);

#endif
