/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a hostile token endpoint: what becomes a header is one line, and lifetimes and words are bounded. */
#include "wire/answer.h"
#include "wire/oauth.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_view body = bulla_view_of(data, len);
    bulla_oauth_grant grant = {.bearer = NULL};
    bulla_oauth_error error;
    bulla_json *json = NULL;
    int64_t s = 0;
    if (bulla_oauth_grant_read(NULL, body, 1700000000, &grant) == BULLA_OK) {
        bulla_view bearer = bulla_secret_borrow(grant.bearer);
        for (size_t i = 7; i < bearer.len; i++)
            require(bearer.data[i] > 0x20 && bearer.data[i] < 0x7F);
        require(bearer.len > 7 && grant.lifetime_s >= 0 && grant.lifetime_s <= 86400);
    }
    bulla_oauth_grant_done(&grant);
    bulla_oauth_error_read(body, &error);
    for (const char *c = error.text; *c != '\0'; c++)
        require(*c >= 0x20 && *c < 0x7F);
    if (bulla_json_parse(NULL, body, "a value", &json) != BULLA_OK) return 0;
    if (bulla_answer_date(bulla_json_root(json), &s)) require(s > -86400 && s < INT64_C(253402387200));
    (void)bulla_answer_int(bulla_json_root(json), &s);
    bulla_json_free(json);
    return 0;
}
