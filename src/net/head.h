/* SPDX-License-Identifier: Apache-2.0 */
/* The header lines of an answer, one after another, from a server that may be hostile. No I/O, no clock, no memory. */
#ifndef BULLA_NET_HEAD_H
#define BULLA_NET_HEAD_H

#include "net/http.h"

#define BULLA_HEAD_LINES 256u /* of all heads of one answer, interim ones too */
#define BULLA_HEAD_BYTES (64u * 1024)

typedef struct bulla_head {
    bulla_http_answer *answer; /* code and header members are filled in */
    size_t num_lines, num_bytes;
    int64_t retry_at_s; /* Retry-After as a date; 0: none */
    bool is_over;       /* the empty line came: what follows are trailers, which are not looked at */
} bulla_head;

/* Takes one line, with or without its end. A status line begins anew, as after 100 (Continue). False: more than the
 * bounds, or not HTTP. */
bool bulla_head_line(bulla_head *head, bulla_view line);

/* After the last line: a date to wait for becomes a time to wait, by the server's own clock where it told its Date, for
 * ours may differ, else by `now_s`. */
void bulla_head_end(bulla_head *head, int64_t now_s);

/* The three forms of an HTTP date (RFC 9110, 5.6.7) as seconds since 1970; false for anything else. */
bool bulla_http_date_parse(bulla_view text, int64_t *out_s);

#endif
