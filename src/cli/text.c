/* SPDX-License-Identifier: Apache-2.0 */
/* Dates, ages, sizes and bytes as text. */
#include "cli/cli.h"

#include <string.h>
#include <time.h>

struct cli_text cli_date(int64_t seconds)
{
    struct cli_text out = {"never"};
    time_t when = (time_t)seconds;
    struct tm utc;
    if (seconds == 0 || gmtime_r(&when, &utc) == NULL) return out;
    (void)strftime(out.text, sizeof out.text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return out;
}

json_t *cli_json_date(int64_t seconds)
{
    return seconds == 0 ? json_null() : json_string(cli_date(seconds).text);
}

struct cli_text cli_age(const struct cli *cli, int64_t seconds)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    struct cli_text out = {"now"};
    int64_t now = cli->env.wall_ns(cli->env.arg) / 1000000000;
    bool ahead = seconds > now;
    int64_t span = ahead ? seconds - now : now - seconds;
    if (ahead && span > 3600) span += 59; /* what is 7 days ahead stays so for the first minute */
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (span < units[i].seconds) continue;
        long long num = (long long)(span / units[i].seconds);
        (void)snprintf(out.text, sizeof out.text, "%s%lld %s%s%s", ahead ? "in " : "", num, units[i].name,
                       num == 1 ? "" : "s", ahead ? "" : " ago");
        break;
    }
    return out;
}

struct cli_text cli_when(const struct cli *cli, int64_t seconds)
{
    struct cli_text out = cli_date(seconds);
    if (seconds == 0) return out;
    struct cli_text age = cli_age(cli, seconds);
    size_t len = strlen(out.text);
    (void)snprintf(out.text + len, sizeof out.text - len, " (%.40s)", age.text);
    return out;
}

struct cli_text cli_period(uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        char name;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    struct cli_text out = {""};
    size_t len = 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0] && seconds != 0; i++) {
        uint64_t num = seconds / units[i].seconds;
        seconds %= units[i].seconds;
        if (num == 0) continue;
        len += (size_t)snprintf(out.text + len, sizeof out.text - len, "%s%llu%c", len == 0 ? "" : " ",
                                (unsigned long long)num, units[i].name);
    }
    return out;
}

struct cli_text cli_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct cli_text out;
    (void)snprintf(out.text, sizeof out.text, "%llu B", (unsigned long long)bytes);
    double value = (double)bytes;
    for (size_t i = 0; i < sizeof units / sizeof units[0] && value >= 1024; i++) {
        value /= 1024;
        (void)snprintf(out.text, sizeof out.text, "%.1f %s", value, units[i]);
    }
    return out;
}

/* The digit of six bits, without a look-up: key bytes pass through here and must leave no trace in the cache. */
static char base64_digit(unsigned six)
{
    int value = (int)six;
    int digit = 'A' + value;
    digit += ((25 - value) >> 8) & ('a' - 'Z' - 1);
    digit += ((51 - value) >> 8) & ('0' - 'z' - 1);
    digit += ((61 - value) >> 8) & ('+' - '9' - 1);
    digit += ((62 - value) >> 8) & ('/' - '+' - 1);
    return (char)digit;
}

void cli_base64(const uint8_t *data, size_t len, char *out)
{
    while (len != 0) {
        size_t num = len < 3 ? len : 3;
        unsigned group = (unsigned)data[0] << 16;
        if (num > 1) group |= (unsigned)data[1] << 8;
        if (num > 2) group |= data[2];
        out[0] = base64_digit(group >> 18);
        out[1] = base64_digit(group >> 12 & 63);
        out[2] = num > 1 ? base64_digit(group >> 6 & 63) : '=';
        out[3] = num > 2 ? base64_digit(group & 63) : '=';
        data += num;
        len -= num;
        out += 4;
    }
    *out = '\0';
}

static char hex_digit(unsigned four)
{
    int value = (int)four;
    return (char)('0' + value + (((9 - value) >> 8) & ('a' - '9' - 1)));
}

void cli_hex(const uint8_t *data, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        *out++ = hex_digit(data[i] >> 4);
        *out++ = hex_digit(data[i] & 15u);
    }
    *out = '\0';
}

json_t *cli_json_view(bulla_view bytes)
{
    json_t *text = json_stringn((const char *)bytes.data, bytes.len);
    if (text != NULL || bytes.len > 65535) return text;
    char encoded[7 + 4 * ((65535 + 2) / 3) + 1];
    memcpy(encoded, "base64:", 7);
    cli_base64(bytes.data, bytes.len, encoded + 7);
    return json_string(encoded);
}

int64_t cli_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
