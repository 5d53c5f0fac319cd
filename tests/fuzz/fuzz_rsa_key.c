/* SPDX-License-Identifier: Apache-2.0 */
/* RSA private keys: DER that is read is written and read again the same; PEM is taken apart block by block. */
#include "base/bytes.h"
#include "crypto/pem.h"
#include "crypto/rsa.h"
#include "crypto/rsa_der.h"

#include <stdlib.h>

static void der_again(const bulla_rsa_numbers *numbers)
{
    bulla_rsa_numbers again;
    size_t len = bulla_rsa_pkcs8_len(numbers);
    uint8_t *der = malloc(len);
    if (der == NULL) return;
    bulla_rsa_pkcs8_write(numbers, der);
    if (!bulla_rsa_pkcs8_read(bulla_view_of(der, len), &again)) abort();
    for (size_t i = 0; i < BULLA_RSA_NUMBERS; i++)
        if (!bulla_view_equal(numbers->at[i], again.at[i])) abort();
    free(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_view bytes = bulla_view_of(data, len);
    bulla_rsa_numbers numbers;
    bulla_pem block;
    if (len < 32768 && (bulla_rsa_pkcs8_read(bytes, &numbers) || bulla_rsa_pkcs1_read(bytes, &numbers)))
        der_again(&numbers);
    while (bulla_pem_next(&bytes, &block)) {
        BULLA_AUTO(bulla_secret) *secret = NULL;
        if (bulla_pem_decode(NULL, &block, &secret) == BULLA_OK && bulla_secret_borrow(secret).len == 0) abort();
    }
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    if (bulla_rsa_parse(NULL, bulla_view_of(data, len), &rsa) == BULLA_OK && rsa == NULL) abort();
    return 0;
}
