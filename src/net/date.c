/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP dates. Not strptime, which reads the names of days and months in the program's language. */
#include "base/bytes.h"
#include "net/head.h"

#include <time.h>

static bool take_char(bulla_reader *text, char wanted)
{
    return bulla_read_u8(text) == (uint8_t)wanted && !text->failed;
}

/* `min` to `max` digits. */
static bool take_number(bulla_reader *text, size_t min, size_t max, int *out_number)
{
    size_t len = 0;
    *out_number = 0;
    while (len < max && len < text->rest.len && text->rest.data[len] >= '0' && text->rest.data[len] <= '9')
        *out_number = *out_number * 10 + (text->rest.data[len++] - '0');
    (void)bulla_read_view(text, len);
    return len >= min;
}

static bool take_month(bulla_reader *text, int *out_month)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    bulla_view name = bulla_read_view(text, 3);
    for (int i = 0; i < 12; i++)
        if (bulla_view_equal(name, bulla_view_of(months + (size_t)i * 3, 3))) {
            *out_month = i;
            return true;
        }
    return false;
}

static bool take_time(bulla_reader *text, struct tm *date)
{
    return take_number(text, 2, 2, &date->tm_hour) && take_char(text, ':') && take_number(text, 2, 2, &date->tm_min) &&
           take_char(text, ':') && take_number(text, 2, 2, &date->tm_sec) && date->tm_hour < 24 && date->tm_min < 60 &&
           date->tm_sec <= 60;
}

/* 06 Nov 1994 08:49:37 GMT, or 06-Nov-94 08:49:37 GMT where two digits are the year within 1970 to 2069. */
static bool take_date(bulla_reader *text, struct tm *date)
{
    if (!take_char(text, ' ') || !take_number(text, 2, 2, &date->tm_mday)) return false;
    char between = (char)bulla_read_u8(text);
    if ((between != ' ' && between != '-') || !take_month(text, &date->tm_mon) || !take_char(text, between))
        return false;
    size_t digits = between == ' ' ? 4 : 2;
    if (!take_number(text, digits, digits, &date->tm_year) || !take_char(text, ' ')) return false;
    if (digits == 2) date->tm_year += date->tm_year < 70 ? 2000 : 1900;
    return take_time(text, date) && bulla_view_is(text->rest, " GMT");
}

/* Sun Nov  6 08:49:37 1994 */
static bool take_asctime(bulla_reader *text, struct tm *date)
{
    if (!take_month(text, &date->tm_mon) || !take_char(text, ' ')) return false;
    if (text->rest.len != 0 && text->rest.data[0] == ' ') (void)bulla_read_u8(text);
    return take_number(text, 1, 2, &date->tm_mday) && take_char(text, ' ') && take_time(text, date) &&
           take_char(text, ' ') && take_number(text, 4, 4, &date->tm_year) && text->rest.len == 0;
}

bool bulla_http_date_parse(bulla_view text, int64_t *out_s)
{
    size_t weekday = 0;
    while (weekday < text.len && weekday < 9 && text.data[weekday] != ',' && text.data[weekday] != ' ')
        weekday++;
    bulla_reader rest = bulla_reader_of(text);
    struct tm date = {.tm_mday = 0};
    (void)bulla_read_view(&rest, weekday);
    uint8_t after = bulla_read_u8(&rest);
    if (rest.failed || (after != ',' && after != ' ')) return false;
    if (!(after == ',' ? take_date(&rest, &date) : take_asctime(&rest, &date))) return false;
    if (date.tm_mday < 1 || date.tm_mday > 31 || date.tm_year < 1970) return false;
    date.tm_year -= 1900;
    *out_s = (int64_t)timegm(&date);
    return true;
}
