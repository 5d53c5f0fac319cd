/* SPDX-License-Identifier: Apache-2.0 */
/* What the answers of web services have in common: words that may be shown to a person, and dates. */
#ifndef BULLA_WIRE_ANSWER_H
#define BULLA_WIRE_ANSWER_H

#include "base/json.h"

/* A string as it may stand in an error: printable ASCII, one line, cut to fit. Empty when the value is no string. */
void bulla_answer_words(bulla_json_value value, char *out, size_t cap);

/* A date-time of RFC 3339, such as 2026-03-01T12:00:00.25Z, as seconds since 1970; fractions are cut. */
bool bulla_answer_date(bulla_json_value value, int64_t *out_s);
bool bulla_answer_date_parse(const char *text, int64_t *out_s);

/* An integer that services write as a number or as a string of digits. */
bool bulla_answer_int(bulla_json_value value, int64_t *out);

/* Where the next page of a list is: its address or token, empty after the last page (no value, or null). False when it
 * is no text or has no room. */
bool bulla_answer_next(bulla_json_value value, char *out, size_t cap);

#endif
