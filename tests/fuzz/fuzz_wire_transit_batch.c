/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a hostile server to several ciphertexts at once: as many keys as were asked for, each one a key, or none.
 */
#include "wire/transit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The first byte says how many were asked for, the second from which number on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_secret *keys[BULLA_TRANSIT_MAX_BATCH + 1] = {NULL};
    if (len < 2) return 0;
    size_t num = data[0] % (BULLA_TRANSIT_MAX_BATCH + 2);
    bulla_view body = bulla_view_of(data + 2, len - 2);
    bulla_status status = bulla_transit_batch_decode(NULL, body, num, data[1], keys);
    if (status == BULLA_OK && num > BULLA_TRANSIT_MAX_BATCH) abort();
    for (size_t i = 0; i < BULLA_LEN(keys); i++) {
        if (keys[i] == NULL) continue;
        if (status != BULLA_OK || i >= num || bulla_secret_borrow(keys[i]).len == 0) abort();
        bulla_secret_unref(keys[i]);
    }
    (void)bulla_transit_says_exists(body);
    return 0;
}
