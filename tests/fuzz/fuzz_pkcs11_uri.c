/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of keys on tokens, and the infos of wrapped keys: what is read is written so that it reads the same. */
#include "base/bytes.h"
#include "provider/pkcs11_uri.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[BULLA_MAX_ADDRESS + 1], again[4 * BULLA_MAX_ADDRESS], twice[4 * BULLA_MAX_ADDRESS];
    bulla_pkcs11_uri uri, back;
    (void)bulla_pkcs11_info_parse(bulla_view_of(data, len), &uri);
    if (len > BULLA_MAX_ADDRESS) return 0;
    bulla_copy(text, data, len);
    text[len] = '\0';
    if (bulla_pkcs11_uri_parse(NULL, text, &uri) != BULLA_OK) return 0;
    if (bulla_pkcs11_uri_format(NULL, &uri, again, sizeof again) != BULLA_OK) abort();
    if (bulla_pkcs11_uri_parse(NULL, again, &back) != BULLA_OK) abort();
    if (bulla_pkcs11_uri_format(NULL, &back, twice, sizeof twice) != BULLA_OK) abort();
    if (!bulla_view_is(bulla_view_text(again), twice)) abort();
    return 0;
}
