/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a hostile Cloud KMS: every reader is given the body, and what it takes keeps to what its header promises.
 */
#include "wire/crc32c.h"
#include "wire/gcpkms.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

static bulla_status count(void *arg, bulla_call *call, const bulla_gcpkms_key *key)
{
    bulla_gcpkms_name name;
    (void)call;
    require(bulla_gcpkms_name_parse(bulla_view_text(key->name), &name) && name.version == 0);
    ++*(size_t *)arg;
    return BULLA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_view body = bulla_view_of(data, len);
    char page[BULLA_GCPKMS_MAX_PAGE] = "";
    bulla_gcpkms_version version;
    bulla_gcpkms_error error;
    bulla_gcpkms_name name;
    bulla_gcpkms_key key;
    uint32_t total = 0;
    size_t num = 0;
    BULLA_GCPKMS_ANSWER(encrypted);
    BULLA_GCPKMS_ANSWER(decrypted);
    if (bulla_gcpkms_encrypt_read(NULL, body, &encrypted) == BULLA_OK)
        require(bulla_gcpkms_name_parse(bulla_view_text(encrypted.name), &name) && name.version != 0);
    if (bulla_gcpkms_decrypt_read(NULL, body, &decrypted) == BULLA_OK)
        require(bulla_secret_borrow(decrypted.bytes).len != 0);
    if (bulla_gcpkms_key_read(NULL, body, &key) == BULLA_OK) require(count(&num, NULL, &key) == BULLA_OK);
    if (bulla_gcpkms_version_read(NULL, body, &version) == BULLA_OK) require(version.number != 0);
    if (bulla_gcpkms_list_read(NULL, body, count, &num, page) == BULLA_OK) require(num <= len);
    if (bulla_gcpkms_total_read(NULL, body, &total) == BULLA_OK) num += total;
    bulla_gcpkms_error_read(body, &error);
    for (const char *c = error.text; *c != '\0'; c++)
        require(*c >= 0x20 && *c < 0x7F);
    if (bulla_gcpkms_name_parse(body, &name)) require(name.key.len <= len && name.id.len != 0);
    return 0;
}
