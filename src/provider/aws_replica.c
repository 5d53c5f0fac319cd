/* SPDX-License-Identifier: Apache-2.0 */
/* Multi-region keys: one id and one material in several regions, of which any opens what any other has wrapped. */
#include "provider/aws.h"

static bool is_alias(const char *key_id)
{
    bulla_awsarn arn;
    return strncmp(key_id, "alias/", 6) == 0 || (bulla_awsarn_parse(bulla_view_text(key_id), &arn) && arn.is_alias);
}

/* Whether `replica` is the same key in another region: related multi-region keys have one id. Of the alias that the
 * configuration names, nobody but the configuration can say so. */
static bool is_replica_of(const bulla_kms_config *config, const char *key_id, const char *replica)
{
    bulla_awsarn of_key, of_replica;
    if (is_alias(key_id)) return config->key_id != NULL && strcmp(config->key_id, key_id) == 0;
    if (!bulla_awsarn_parse(bulla_view_text(replica), &of_replica)) return false;
    if (!bulla_awsarn_parse(bulla_view_text(key_id), &of_key)) return bulla_view_is(of_replica.name, key_id);
    return bulla_awsarn_is_same_key(bulla_view_text(key_id), bulla_view_text(replica)) &&
           !bulla_view_equal(of_key.region, of_replica.region);
}

const char *bulla_aws_replica_at(const bulla_kms_config *config, const char *key_id, size_t endpoint)
{
    for (size_t i = 0; i < config->num_replica_keys; i++)
        if (is_replica_of(config, key_id, config->replica_keys[i]) && --endpoint == 0) return config->replica_keys[i];
    return NULL;
}

bulla_status bulla_aws_replicas_check(bulla_call *call, const bulla_kms_config *config)
{
    bulla_awsarn first = {.is_alias = false}, arn;
    for (size_t i = 0; i < config->num_replica_keys; i++) {
        const char *replica = config->replica_keys[i];
        if (!bulla_awsarn_parse(bulla_view_text(replica), &arn) || !bulla_awsarn_is_multi_region(&arn))
            return bulla_fail(call, BULLA_ECONFIG,
                              "key store \"%s\": replica_keys wants ARNs of multi-region keys (key/mrk-...), not "
                              "\"%.80s\"",
                              config->name, replica);
        if (i == 0) first = arn;
        if (config->key_id != NULL && is_alias(config->key_id) && !bulla_view_equal(arn.name, first.name))
            return bulla_fail(call, BULLA_ECONFIG,
                              "key store \"%s\": key_id is an alias, so replica_keys are of one key: \"%.80s\" is of "
                              "another than the first",
                              config->name, replica);
    }
    return BULLA_OK;
}
