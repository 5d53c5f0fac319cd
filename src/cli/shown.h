/* SPDX-License-Identifier: Apache-2.0 */
/* Names and values that somebody else chose, made safe to look at. */
#ifndef BULLA_CLI_SHOWN_H
#define BULLA_CLI_SHOWN_H

#include "cli/cli.h"

/* Writes `bytes` into `out` (capacity `cap`, at least 8) for a terminal: control characters, those that turn the
 * direction of writing, and whatever is not UTF-8 appear as \xHH; what does not fit is cut and ends in "...". */
void cli_shown(bulla_view bytes, char *out, size_t cap);

#define CLI_SHOWN 512u /* places for a path or a name in a message */

/* The same for text, into `out` only where something had to be replaced; as JSON, which escapes for itself, only what
 * is not UTF-8. NULL stays NULL. */
const char *cli_shown_text(const char *text, bool as_json, char *out, size_t cap);

/* A path as JSON: as it is when it is UTF-8, else as cli_shown writes it. NULL when out of memory. */
json_t *cli_json_path(const char *path);

#endif
