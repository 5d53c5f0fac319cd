/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/answer.h"

#define MAX_WORDS 4096u /* longer texts are no messages */

void bulla_answer_words(bulla_json_value value, char *out, size_t cap)
{
    char text[MAX_WORDS];
    size_t len = 0;
    out[0] = '\0';
    if (!bulla_json_text(value, text, sizeof text)) return;
    for (size_t i = 0; text[i] != '\0' && len + 1 < cap; i++) {
        char c = text[i];
        if (c == '\r' || c == '\n') break;
        out[len++] = c >= 0x20 && c < 0x7F ? c : '?';
    }
    while (len != 0 && (out[len - 1] == ' ' || out[len - 1] == '.'))
        len--;
    out[len] = '\0';
}

/* `num` digits at *text, which moves on; -1 when they are none. */
static int64_t digits(const char **text, size_t num)
{
    int64_t value = 0;
    for (size_t i = 0; i < num; i++, (*text)++) {
        if (**text < '0' || **text > '9') return -1;
        value = value * 10 + (**text - '0');
    }
    return value;
}

/* The character at *text, which moves on. */
static bool is_next(const char **text, const char *any_of)
{
    if (**text == '\0' || strchr(any_of, **text) == NULL) return false;
    (*text)++;
    return true;
}

/* Days from 1970-01-01 of a date in the Gregorian calendar, with years that begin in March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* "Z" or "+hh:mm", in seconds, and nothing after it. */
static bool zone_read(const char *text, int64_t *out_s)
{
    *out_s = 0;
    if (is_next(&text, "Zz")) return *text == '\0';
    int64_t sign = *text == '-' ? -1 : 1;
    if (!is_next(&text, "+-")) return false;
    int64_t hours = digits(&text, 2);
    bool has_colon = is_next(&text, ":");
    int64_t minutes = has_colon ? digits(&text, 2) : -1;
    *out_s = sign * (hours * 3600 + minutes * 60);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60 && *text == '\0';
}

bool bulla_answer_date_parse(const char *text, int64_t *out_s)
{
    int64_t part[6], zone = 0;
    static const size_t widths[6] = {4, 2, 2, 2, 2, 2};
    static const char *const after[6] = {"-", "-", "Tt ", ":", ":", NULL};
    static const int64_t most[6] = {9999, 12, 31, 23, 59, 60};
    for (size_t i = 0; i < BULLA_LEN(part); i++) {
        part[i] = digits(&text, widths[i]);
        if (part[i] < 0 || part[i] > most[i] || (after[i] != NULL && !is_next(&text, after[i]))) return false;
    }
    if (part[0] < 1970 || part[1] < 1 || part[2] < 1) return false;
    if (is_next(&text, "."))
        while (*text >= '0' && *text <= '9')
            text++;
    if (!zone_read(text, &zone)) return false;
    *out_s = days_of(part[0], part[1], part[2]) * 86400 + part[3] * 3600 + part[4] * 60 + part[5] - zone;
    return true;
}

bool bulla_answer_date(bulla_json_value value, int64_t *out_s)
{
    char text[48];
    return bulla_json_text(value, text, sizeof text) && bulla_answer_date_parse(text, out_s);
}

bool bulla_answer_int(bulla_json_value value, int64_t *out)
{
    char buffer[20];
    const char *text = buffer;
    if (bulla_json_int(value, out)) return true;
    if (!bulla_json_text(value, buffer, sizeof buffer) || buffer[0] == '\0' || strlen(buffer) > 18) return false;
    int64_t number = digits(&text, strlen(buffer));
    if (number < 0) return false;
    *out = number;
    return true;
}

bool bulla_answer_next(bulla_json_value value, char *out, size_t cap)
{
    bulla_json_kind kind = bulla_json_kind_of(value);
    if (kind != BULLA_JSON_NONE && kind != BULLA_JSON_NULL) return bulla_json_text(value, out, cap);
    out[0] = '\0';
    return true;
}
