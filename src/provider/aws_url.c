/* SPDX-License-Identifier: Apache-2.0 */
/* Where the services of AWS are. */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/aws.h"

#include <stdio.h>

/* Regions of other partitions, by how they begin, and their domains. */
static const struct {
    const char *prefix, *domain;
} domains[] = {
    {"cn-", "amazonaws.com.cn"},    {"us-iso-", "c2s.ic.gov"},      {"us-isob-", "sc2s.sgov.gov"},
    {"us-isof-", "csp.hci.ic.gov"}, {"eu-isoe-", "cloud.adc-e.uk"}, {"eusc-", "amazonaws.eu"},
};

static const char *domain_of(const char *region)
{
    for (size_t i = 0; i < BULLA_LEN(domains); i++)
        if (strncmp(region, domains[i].prefix, strlen(domains[i].prefix)) == 0) return domains[i].domain;
    return "amazonaws.com";
}

bool bulla_aws_region_fill(const char *pattern, const char *region, char out[BULLA_AWS_MAX_URL])
{
    static const char place[] = "{region}";
    bulla_writer writer = bulla_writer_of((uint8_t *)out, BULLA_AWS_MAX_URL - 1);
    for (;;) {
        const char *found = strstr(pattern, place);
        size_t len = found == NULL ? strlen(pattern) : (size_t)(found - pattern);
        bulla_write_view(&writer, bulla_view_of(pattern, len));
        if (found == NULL) break;
        bulla_write_view(&writer, bulla_view_text(region));
        pattern = found + sizeof place - 1;
    }
    out[writer.len] = '\0';
    return !writer.failed;
}

bulla_status bulla_aws_url_format(bulla_call *call, const bulla_kms_config *config, const char *service,
                                  const char *region, char out[BULLA_AWS_MAX_URL])
{
    bool is_kms = strcmp(service, "kms") == 0;
    const char *configured = is_kms ? config->endpoint : config->sts_endpoint;
    const char *names = is_kms ? "AWS_ENDPOINT_URL_KMS AWS_ENDPOINT_URL" : "AWS_ENDPOINT_URL_STS AWS_ENDPOINT_URL";
    char usual[BULLA_AWS_MAX_URL];
    (void)snprintf(usual, sizeof usual, "https://%s.%s.%s/", service, region, domain_of(region));
    if (!bulla_aws_region_fill(bulla_kms_setting(call, configured, names, usual), region, out))
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the endpoint of %s is too long", config->name,
                          service);
    if (strchr(out, '?') != NULL || strchr(out, '#') != NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the endpoint of %s has a query", config->name,
                          service);
    return bulla_kms_url_check(call, config, is_kms ? "endpoint" : "sts_endpoint", out);
}
