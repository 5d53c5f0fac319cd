/* SPDX-License-Identifier: Apache-2.0 */
/* Owner, group, access control list and other extended attributes of a file that takes another's place. */
#ifndef BULLA_CLI_ATTRIBUTES_H
#define BULLA_CLI_ATTRIBUTES_H

#include "cli/cli.h"

/* Gives the file `to` those of the file `from`. EAUTHZ when the caller may not. What only the system itself sets
 * (security labels) is copied where that is allowed. */
bulla_status cli_attributes_copy(bulla_call *call, int from, int to);

#endif
