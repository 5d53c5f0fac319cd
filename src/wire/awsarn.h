/* SPDX-License-Identifier: Apache-2.0 */
/* Names of KMS keys: an id, "alias/NAME", or the ARN of either, arn:PARTITION:kms:REGION:ACCOUNT:key/ID. Pure. */
#ifndef BULLA_WIRE_AWSARN_H
#define BULLA_WIRE_AWSARN_H

#include "base/bytes.h"

#define BULLA_AWSARN_MAX 512u /* bytes of an ARN, with its NUL: a real one has under 350 */

typedef struct bulla_awsarn {
    bulla_view partition, region, account;
    bulla_view resource; /* key/ID or alias/NAME */
    bulla_view name;     /* of the resource: ID or NAME */
    bool is_alias;
} bulla_awsarn;

/* Takes the ARN of a KMS key or alias apart; the parts are views into it. */
bool bulla_awsarn_parse(bulla_view text, bulla_awsarn *out_arn);

/* Whether it is of a multi-region key: their ids start with "mrk-". */
bool bulla_awsarn_is_multi_region(const bulla_awsarn *arn);

/* Whether KMS could take this as a key: an ARN, alias/NAME, or an id of [A-Za-z0-9-]. */
bool bulla_awsarn_is_key(bulla_view text);

/* Whether two key ARNs name one key: the same one, or related multi-region keys (ids that start with "mrk-"), which
 * share id and material and differ in the region (aws-kms-mrk-match-for-decrypt.md). */
bool bulla_awsarn_is_same_key(bulla_view a, bulla_view b);

/* [a-z0-9-], 1 to 32: it becomes part of a host's name. */
bool bulla_awsarn_is_region(bulla_view text);

#endif
