/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes and durations as people type them. */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit plain[] = {{"", 1}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1},           {"K", 1u << 10},   {"M", 1u << 20},   {"G", 1u << 30},
                                    {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {NULL, 0}};
static const struct unit durations[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};

static bool parse_unit(const char *text, const struct unit *units, uint64_t *out_value)
{
    if (!isdigit((unsigned char)text[0])) return false;
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0) return false;
    for (; units->name != NULL; units++)
        if (strcmp(end, units->name) == 0) return !__builtin_mul_overflow((uint64_t)number, units->factor, out_value);
    return false;
}

static bulla_status parse(struct cli *cli, const char *what, const char *text, const struct unit *units,
                          const uint64_t range[2], uint64_t *out_value)
{
    uint64_t value = 0;
    if (!parse_unit(text, units, &value)) {
        const char *kind = units == plain   ? "a whole number"
                           : units == sizes ? "a size such as 64K or 1M"
                                            : "a duration such as 90s, 15m, 24h or 90d";
        return cli_usage(cli, "%s: \"%.64s\" is not %s", what, text, kind);
    }
    if (value < range[0] || value > range[1])
        return cli_usage(cli, "%s: %.64s is out of range: %llu to %llu%s", what, text, (unsigned long long)range[0],
                         (unsigned long long)range[1], units == durations ? " seconds" : "");
    *out_value = value;
    return BULLA_OK;
}

static bulla_status parse_option(struct cli *cli, const char *name, const struct unit *units, const uint64_t range[2],
                                 uint64_t fallback, uint64_t *out_value)
{
    const char *text = cli_value(cli, name);
    if (text == NULL) {
        *out_value = fallback;
        return BULLA_OK;
    }
    char what[40];
    (void)snprintf(what, sizeof what, "--%s", name);
    return parse(cli, what, text, units, range, out_value);
}

bulla_status cli_number(struct cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                        uint64_t *out_number)
{
    return parse_option(cli, name, plain, (const uint64_t[]){min, max}, fallback, out_number);
}

bulla_status cli_size(struct cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                      uint64_t *out_bytes)
{
    return parse_option(cli, name, sizes, (const uint64_t[]){min, max}, fallback, out_bytes);
}

bulla_status cli_duration(struct cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                          uint64_t *out_seconds)
{
    return parse_option(cli, name, durations, (const uint64_t[]){min, max}, fallback, out_seconds);
}

bulla_status cli_number_parse(struct cli *cli, const char *what, const char *text, uint64_t min, uint64_t max,
                              uint64_t *out_number)
{
    return parse(cli, what, text, plain, (const uint64_t[]){min, max}, out_number);
}
