/* SPDX-License-Identifier: Apache-2.0 */
/* Answers and challenges of a hostile vault: every reader is given the input, and what it takes keeps to its header. */
#include "wire/azurekv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

static bulla_status count(void *arg, bulla_call *call, const bulla_azurekv_key *key)
{
    bulla_azurekv_kid kid;
    (void)call;
    require(bulla_azurekv_kid_parse(bulla_view_text(key->kid), &kid));
    ++*(size_t *)arg;
    return BULLA_OK;
}

static void challenge_check(const char *header)
{
    bulla_azurekv_challenge challenge;
    if (bulla_azurekv_challenge_parse(NULL, header, &challenge) != BULLA_OK) return;
    require(strncmp(challenge.authority, "https://", 8) == 0 && strncmp(challenge.resource, "https://", 8) == 0);
    require(strpbrk(challenge.tenant, "/?#@ ") == NULL && strpbrk(challenge.authority + 8, "/?#@ ") == NULL);
    require(!bulla_azurekv_challenge_is_for(&challenge, ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_view body = bulla_view_of(data, len);
    char link[BULLA_AZUREKV_MAX_LINK] = "";
    bulla_azurekv_error error;
    bulla_azurekv_key key;
    bulla_azurekv_kid kid;
    size_t num = 0;
    char *header = strndup((const char *)data, len);
    BULLA_AZUREKV_RESULT(result);
    if (header == NULL) return 0;
    challenge_check(header);
    free(header);
    if (bulla_azurekv_result_read(NULL, body, &result) == BULLA_OK)
        require(bulla_azurekv_kid_parse(bulla_view_text(result.kid), &kid) && kid.version.len != 0);
    if (bulla_azurekv_key_read(NULL, body, &key) == BULLA_OK) require(count(&num, NULL, &key) == BULLA_OK);
    if (bulla_azurekv_list_read(NULL, body, count, &num, link) == BULLA_OK) require(num <= len);
    bulla_azurekv_error_read(body, &error);
    for (const char *c = error.text; *c != '\0'; c++)
        require(*c >= 0x20 && *c < 0x7F);
    if (bulla_azurekv_kid_parse(body, &kid)) require(bulla_azurekv_kid_is_of(&kid, &kid));
    return 0;
}
