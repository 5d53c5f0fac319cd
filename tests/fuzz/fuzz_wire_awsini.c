/* SPDX-License-Identifier: Apache-2.0 */
/* The files that AWS's tools share: the reader ends, its values lie within the text, and mistakes have a sentence. */
#include "wire/awsini.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

static void within(bulla_view value, bulla_view text)
{
    if (value.len == 0) return;
    require(value.data >= text.data && value.len <= text.len && value.data <= text.data + (text.len - value.len));
    require(memchr(value.data, '\n', value.len) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"default", "app"};
    bulla_view text = bulla_view_of(data, len);
    for (size_t i = 0; i < 4; i++) {
        bulla_call call;
        bulla_awsini_profile profile;
        memset(&profile, 0, sizeof profile);
        bulla_call_init(&call, NULL);
        bulla_awsini_kind kind = i < 2 ? BULLA_AWSINI_CREDENTIALS : BULLA_AWSINI_CONFIG;
        bulla_status status = bulla_awsini_read(&call, text, "the file", kind, names[i % 2], &profile);
        require(status == BULLA_OK || (status == BULLA_EFORMAT && call.why[0] != '\0' && !profile.is_there));
        within(profile.access_key_id, text);
        within(profile.secret_access_key, text);
        within(profile.role_arn, text);
        within(profile.source_profile, text);
        within(profile.region, text);
    }
    return 0;
}
