/* SPDX-License-Identifier: Apache-2.0 */
/* The root key's file: found by its address, made where there is none. */
#ifndef BULLA_CLI_ROOTKEY_H
#define BULLA_CLI_ROOTKEY_H

#include "cli/cli.h"

#include <limits.h>

#define CLI_ADDRESS (BULLA_MAX_ADDRESS + 1u) /* places for an address */

/* The address of --root, of the configuration, or of the usual place: "file:" alone means the latter two. A relative
 * file: path becomes an absolute one, since the keystore keeps it and is used from anywhere. */
bulla_status cli_root_address(struct cli *cli, char out_address[CLI_ADDRESS]);

/* Makes the key file that a file: address names, with mode 0600, when it is not there. `out_path` is empty when nothing
 * was made. Addresses of other schemes are left alone. */
bulla_status cli_root_key_create(struct cli *cli, const char *address, char out_path[PATH_MAX]);

/* Makes the folders above `path`, with mode 0700, and with `whole` the one it names too. */
bulla_status cli_folders_create(struct cli *cli, const char *path, bool whole);

#endif
