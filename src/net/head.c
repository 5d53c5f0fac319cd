/* SPDX-License-Identifier: Apache-2.0 */
#include "net/head.h"

#include "base/bytes.h"

#include <stddef.h>
#include <strings.h>

#define MAX_WAIT_S 3600

/* Answer headers that are kept as text, each by its first occurrence. Of the request ids a store sends one. */
typedef struct kept {
    const char *name;
    size_t offset, cap;
} kept;
#define KEPT(name, member)                                                                                             \
    {                                                                                                                  \
        name, offsetof(bulla_http_answer, member), sizeof((bulla_http_answer *)NULL)->member                           \
    }
static const kept kept_headers[] = {
    KEPT("content-type", content_type),   KEPT("x-amzn-requestid", request_id), KEPT("x-amz-request-id", request_id),
    KEPT("x-ms-request-id", request_id),  KEPT("x-request-id", request_id),     KEPT("www-authenticate", challenge),
    KEPT("x-amzn-errortype", error_type), KEPT("metadata-flavor", flavor),
};

static bulla_view cut(bulla_view text, size_t from, size_t to)
{
    return bulla_view_of(text.data + from, to - from);
}

/* Without the line's end and blanks around. */
static bulla_view trim(bulla_view text)
{
    size_t from = 0, to = text.len;
    while (from < to && (text.data[from] == ' ' || text.data[from] == '\t'))
        from++;
    while (to > from && strchr(" \t\r\n", text.data[to - 1]) != NULL && text.data[to - 1] != '\0')
        to--;
    return cut(text, from, to);
}

static bool name_is(bulla_view name, const char *wanted)
{
    return name.len == strlen(wanted) && strncasecmp((const char *)name.data, wanted, name.len) == 0;
}

/* Printable ASCII: these end up in error texts, on terminals and in logs. */
static void keep_text(char *out, size_t cap, bulla_view value)
{
    if (out[0] != '\0') return;
    size_t len = value.len < cap ? value.len : cap - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = value.data[i] >= 0x20 && value.data[i] < 0x7F ? (char)value.data[i] : '?';
    out[len] = '\0';
}

/* Digits alone; what does not fit is `most`. */
static bool read_number(bulla_view text, uint32_t most, uint32_t *out_number)
{
    uint32_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        if (number <= most) number = number * 10 + (uint32_t)(text.data[i] - '0');
    }
    *out_number = number <= most ? number : most;
    return text.len != 0;
}

static void keep_retry_after(bulla_head *head, bulla_view value)
{
    uint32_t seconds = 0;
    if (head->answer->retry_after_ms != 0 || head->retry_at_s != 0) return;
    if (read_number(value, MAX_WAIT_S, &seconds))
        head->answer->retry_after_ms = seconds * 1000;
    else
        (void)bulla_http_date_parse(value, &head->retry_at_s);
}

static void keep_header(bulla_head *head, bulla_view name, bulla_view value)
{
    if (name_is(name, "retry-after")) keep_retry_after(head, value);
    if (name_is(name, "date") && head->answer->date_s == 0) (void)bulla_http_date_parse(value, &head->answer->date_s);
    for (size_t i = 0; i < BULLA_LEN(kept_headers); i++)
        if (name_is(name, kept_headers[i].name))
            keep_text((char *)head->answer + kept_headers[i].offset, kept_headers[i].cap, value);
}

/* HTTP/1.1 200 OK; HTTP/2 200 */
static bool begin_head(bulla_head *head, bulla_view line)
{
    const uint8_t *blank = memchr(line.data, ' ', line.len);
    size_t at = blank == NULL ? line.len : (size_t)(blank - line.data) + 1;
    uint32_t code = 0;
    if (line.len - at < 3 || !read_number(cut(line, at, at + 3), 999, &code) || code < 100 || code > 599) return false;
    if (line.len > at + 3 && line.data[at + 3] != ' ') return false;
    *head->answer = (bulla_http_answer){.code = (int)code};
    head->retry_at_s = 0;
    head->is_over = false;
    return true;
}

bool bulla_head_line(bulla_head *head, bulla_view line)
{
    head->num_lines++;
    head->num_bytes += line.len;
    if (head->num_lines > BULLA_HEAD_LINES || head->num_bytes > BULLA_HEAD_BYTES) return false;
    bulla_view text = trim(line);
    if (text.len >= 5 && memcmp(text.data, "HTTP/", 5) == 0) return begin_head(head, text);
    if (head->is_over) return true;
    if (head->answer->code == 0) return false;
    if (text.len == 0) {
        head->is_over = true;
        return true;
    }
    const uint8_t *colon = memchr(text.data, ':', text.len);
    if (colon == NULL) return false;
    size_t at = (size_t)(colon - text.data);
    keep_header(head, cut(text, 0, at), trim(cut(text, at + 1, text.len)));
    return true;
}

void bulla_head_end(bulla_head *head, int64_t now_s)
{
    if (head->retry_at_s == 0) return;
    int64_t wait_s = head->retry_at_s - (head->answer->date_s != 0 ? head->answer->date_s : now_s);
    if (wait_s > MAX_WAIT_S) wait_s = MAX_WAIT_S;
    head->answer->retry_after_ms = wait_s > 0 ? (uint32_t)wait_s * 1000 : 0;
}
