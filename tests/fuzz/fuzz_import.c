/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapped material of an import. A first byte of odd value puts a good first half before the rest, so that the second
 * is reached; the information beside a wrapped data key is read from the same bytes. */
#include "crypto/rsa.h"
#include "keystore/inside.h"

#include <stdlib.h>

#define RSA_LEN 256u

static bulla_rsa *rsa;
static uint8_t good[RSA_LEN];

static void prepare(void)
{
    const uint8_t kek[32] = {1, 2, 3};
    size_t len = 0;
    if (bulla_rsa_generate(NULL, 8 * RSA_LEN, &rsa) != BULLA_OK ||
        bulla_rsa_encrypt(NULL, rsa, BULLA_RSA_OAEP_SHA256, bulla_view_of(kek, sizeof kek), good, sizeof good, &len) !=
            BULLA_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t wrapped[RSA_LEN + 64], material[BULLA_MATERIAL_LEN], id[BULLA_ID_LEN];
    uint32_t version = 0;
    char again[BULLA_LOCAL_INFO_LEN + 1];
    if (rsa == NULL) prepare();
    bulla_writer writer = bulla_writer_of(wrapped, sizeof wrapped);
    if (len > 0 && data[0] % 2 == 1) bulla_write_view(&writer, bulla_view_of(good, sizeof good));
    bulla_write_view(&writer, bulla_view_of(data + (len != 0), len - (len != 0)));
    bulla_status status = bulla_import_unwrap(NULL, rsa, bulla_view_of(wrapped, writer.len), material);
    if (status != BULLA_EINTEGRITY && !(status == BULLA_OK && writer.len == RSA_LEN + 40)) abort();
    if (!bulla_local_info_parse(bulla_view_of(data, len), id, &version)) return 0;
    bulla_local_info(id, version, again);
    if (!bulla_view_is(bulla_view_of(data, len), again)) abort();
    return 0;
}
