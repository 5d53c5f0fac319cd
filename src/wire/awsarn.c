/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/awsarn.h"

#define MAX_REGION 32u
#define MAX_ALIAS 256u

static bool consists_of(bulla_view text, size_t max, const char *others)
{
    if (text.len == 0 || text.len > max) return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        if (!is_plain && (c == 0 || strchr(others, c) == NULL)) return false;
    }
    return true;
}

static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char alias_others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_/";

bool bulla_awsarn_is_region(bulla_view text)
{
    return consists_of(text, MAX_REGION, "");
}

static bool starts_with(bulla_view text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len > len && memcmp(text.data, prefix, len) == 0;
}

static bulla_view after(bulla_view text, size_t len)
{
    return bulla_view_of(text.data + len, text.len - len);
}

static bool part_take(bulla_view *rest, bulla_view *out_part)
{
    const uint8_t *colon = rest->len == 0 ? NULL : memchr(rest->data, ':', rest->len);
    if (colon == NULL) return false;
    *out_part = bulla_view_of(rest->data, (size_t)(colon - rest->data));
    *rest = after(*rest, out_part->len + 1);
    return true;
}

bool bulla_awsarn_parse(bulla_view text, bulla_awsarn *out_arn)
{
    bulla_awsarn arn = {.is_alias = false};
    bulla_view scheme, service, rest = text;
    if (text.len >= BULLA_AWSARN_MAX || !part_take(&rest, &scheme) || !part_take(&rest, &arn.partition) ||
        !part_take(&rest, &service) || !part_take(&rest, &arn.region) || !part_take(&rest, &arn.account))
        return false;
    if (!bulla_view_is(scheme, "arn") || !bulla_view_is(service, "kms")) return false;
    if (!consists_of(arn.partition, MAX_REGION, "") || memcmp(text.data, "arn:aws", 7) != 0) return false;
    if (!bulla_awsarn_is_region(arn.region) || !consists_of(arn.account, MAX_REGION, capitals)) return false;
    arn.resource = rest;
    arn.is_alias = starts_with(rest, "alias/");
    if (!arn.is_alias && !starts_with(rest, "key/")) return false;
    arn.name = after(rest, arn.is_alias ? 6 : 4);
    if (!consists_of(arn.name, MAX_ALIAS, arn.is_alias ? alias_others : capitals)) return false;
    *out_arn = arn;
    return true;
}

bool bulla_awsarn_is_multi_region(const bulla_awsarn *arn)
{
    return !arn->is_alias && starts_with(arn->name, "mrk-");
}

bool bulla_awsarn_is_key(bulla_view text)
{
    bulla_awsarn arn;
    if (bulla_awsarn_parse(text, &arn)) return true;
    if (starts_with(text, "alias/")) return consists_of(after(text, 6), MAX_ALIAS, alias_others);
    return consists_of(text, MAX_ALIAS, capitals);
}

bool bulla_awsarn_is_same_key(bulla_view a, bulla_view b)
{
    bulla_awsarn first, second;
    if (!bulla_awsarn_parse(a, &first) || !bulla_awsarn_parse(b, &second) || first.is_alias || second.is_alias)
        return false;
    if (!bulla_view_equal(first.partition, second.partition) || !bulla_view_equal(first.account, second.account) ||
        !bulla_view_equal(first.name, second.name))
        return false;
    return bulla_view_equal(first.region, second.region) || bulla_awsarn_is_multi_region(&first);
}
