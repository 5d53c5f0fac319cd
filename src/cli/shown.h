/* SPDX-License-Identifier: Apache-2.0 */
/* Names and values that somebody else chose, made safe to look at. */
#ifndef BULLA_CLI_SHOWN_H
#define BULLA_CLI_SHOWN_H

#include "cli/cli.h"

/* Writes `bytes` into `out` (capacity `cap`, at least 8) for a terminal: control characters, those that turn the
 * direction of writing, and whatever is not UTF-8 appear as \xHH; what does not fit is cut and ends in "...". */
void cli_shown(bulla_view bytes, char *out, size_t cap);

#define CLI_SHOWN 512u /* places for a path or a name in a message */

/* Whether `bytes` are UTF-8 without anything that cli_shown would have to replace. */
bool cli_is_plain(bulla_view bytes);

/* cli_report for a file, whatever bytes its name has. */
void cli_report_path(struct cli *cli, const char *path);

/* A path as JSON: as it is when it is UTF-8, else as cli_shown writes it. NULL when out of memory. */
json_t *cli_json_path(const char *path);

#endif
