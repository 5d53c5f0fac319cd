/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a hostile server: every reader is given the body; what it takes for a ciphertext has one spelling. */
#include "wire/transit.h"
#include "wire/vault.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bulla_status count(void *arg, bulla_call *call, const char *name)
{
    (void)call;
    if (strlen(name) > BULLA_TRANSIT_MAX_NAME) abort();
    ++*(size_t *)arg;
    return BULLA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_view body = bulla_view_of(data, len);
    bulla_vault_grant grant = {.token = NULL};
    bulla_vault_health health;
    bulla_vault_error error;
    bulla_transit_key key;
    uint32_t version = 0;
    size_t num = 0;
    for (unsigned wanted = 0; wanted < 4; wanted++) {
        BULLA_TRANSIT_ANSWER(answer);
        if (bulla_transit_answer_decode(NULL, body, wanted, &answer) != BULLA_OK || (wanted & 1) == 0) continue;
        if (!bulla_transit_ciphertext_is(bulla_view_text(answer.ciphertext), &version)) abort();
    }
    if (bulla_transit_key_decode(NULL, body, &key) == BULLA_OK && key.latest_version == 0) abort();
    if (bulla_transit_list_decode(NULL, body, count, &num) == BULLA_OK && num > len) abort();
    (void)bulla_vault_health_decode(body, &health);
    bulla_vault_error_decode(body, &error);
    for (size_t i = 0; error.text[i] != '\0'; i++)
        if (error.text[i] < 0x20 || error.text[i] > 0x7E) abort();
    if (bulla_vault_grant_decode(NULL, body, &grant) == BULLA_OK) bulla_vault_grant_done(&grant);
    if (bulla_vault_lookup_decode(NULL, body, &grant) == BULLA_OK && grant.lease_s < 0) abort();
    return 0;
}
