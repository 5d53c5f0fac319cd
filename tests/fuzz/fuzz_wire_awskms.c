/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of AWS KMS: whatever a server sends, each reader ends, keeps to its bounds, and leaves no half-read result.
 */
#include "wire/awskms.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

static bulla_status item_seen(void *arg, bulla_call *call, const char *name, const char *target)
{
    (void)call;
    require(strlen(name) < BULLA_AWSKMS_MAX_ALIAS && strlen(target) < BULLA_AWSARN_MAX);
    return --*(int *)arg < 0 ? BULLA_ELIMIT : BULLA_OK;
}

static void lists_read(bulla_call *call, bulla_view body)
{
    static const bulla_awskms_op ops[] = {BULLA_AWSKMS_LIST_KEYS, BULLA_AWSKMS_LIST_ALIASES,
                                          BULLA_AWSKMS_LIST_KEY_ROTATIONS};
    for (size_t i = 0; i < BULLA_LEN(ops); i++) {
        bulla_awskms_page page;
        int left = 1000;
        if (bulla_awskms_page_decode(call, ops[i], body, item_seen, &left, &page) == BULLA_OK)
            require(strlen(page.marker) < BULLA_AWSKMS_MAX_MARKER);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_view body = bulla_view_of(data, len);
    BULLA_AWSKMS_ANSWER(answer);
    bulla_awskms_key key;
    bulla_awskms_rotation rotation;
    bulla_awskms_error error;
    bulla_awsarn arn;
    bulla_status status = bulla_awskms_answer_decode(&call, BULLA_AWSKMS_GENERATE_DATA_KEY, body, &answer);
    require((status == BULLA_OK) == (answer.plaintext != NULL));
    if (status == BULLA_OK) require(answer.blob_len != 0 && answer.blob_len <= sizeof answer.blob);
    if (status == BULLA_OK) require(bulla_awsarn_parse(bulla_view_text(answer.key_arn), &arn) && !arn.is_alias);
    if (bulla_awskms_key_decode(&call, body, &key) == BULLA_OK) require(bulla_awsarn_is_key(bulla_view_text(key.arn)));
    if (bulla_awskms_rotation_decode(&call, body, &rotation) == BULLA_OK) require(rotation.period_days <= 36500);
    lists_read(&call, body);
    bulla_awskms_error_decode(body, "", &error);
    for (const char *c = error.message; *c != '\0'; c++)
        require(*c >= ' ' && *c < 0x7F);
    return 0;
}
