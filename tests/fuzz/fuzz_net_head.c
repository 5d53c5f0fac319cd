/* SPDX-License-Identifier: Apache-2.0 */
/* The header lines of a hostile server: bounded, and what is kept of them is printable and ends. */
#include "base/bytes.h"
#include "net/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require_text(const char *text, size_t cap)
{
    if (strnlen(text, cap) == cap) abort();
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text == 0x7F) abort();
}

static void require(bool holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_http_answer answer = {.code = 0};
    bulla_head head = {.answer = &answer};
    bool takes = true;
    while (len != 0 && takes) {
        const uint8_t *end = memchr(data, '\n', len);
        size_t line = end == NULL ? len : (size_t)(end - data) + 1;
        takes = bulla_head_line(&head, bulla_view_of(data, line));
        data += line;
        len -= line;
    }
    bulla_head_end(&head, 1700000000);
    require(!takes || (head.num_lines <= BULLA_HEAD_LINES && head.num_bytes <= BULLA_HEAD_BYTES));
    require(answer.code == 0 || (answer.code >= 100 && answer.code <= 599));
    require(answer.retry_after_ms <= 3600000 && answer.body == NULL);
    require_text(answer.content_type, sizeof answer.content_type);
    require_text(answer.request_id, sizeof answer.request_id);
    require_text(answer.challenge, sizeof answer.challenge);
    require_text(answer.flavor, sizeof answer.flavor);
    require_text(answer.error_type, sizeof answer.error_type);
    return 0;
}
