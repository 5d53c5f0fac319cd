/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of AWS STS (XML) and of metadata services (JSON): what comes out of them may stand in a header. */
#include "wire/awssts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

static void header_check(bulla_view text)
{
    for (size_t i = 0; i < text.len; i++)
        require(text.data[i] > ' ' && text.data[i] < 0x7F);
}

static void creds_check(bulla_status status, const bulla_awscreds *creds)
{
    require((status == BULLA_OK) == (creds->secret_key != NULL));
    if (status != BULLA_OK) return;
    require(creds->access_key_id[0] != '\0');
    header_check(bulla_view_text(creds->access_key_id));
    header_check(bulla_secret_borrow(creds->token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_view body = bulla_view_of(data, len);
    BULLA_AWSCREDS(of_role);
    BULLA_AWSCREDS(of_metadata);
    bulla_awssts_error error;
    creds_check(bulla_awssts_answer_decode(&call, body, &of_role), &of_role);
    creds_check(bulla_awscreds_decode(&call, body, "the answer", &of_metadata), &of_metadata);
    bulla_awssts_error_decode(body, &error);
    for (const char *c = error.message; *c != '\0'; c++)
        require(*c >= ' ' && *c < 0x7F);
    return 0;
}
