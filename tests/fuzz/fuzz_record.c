/* SPDX-License-Identifier: Apache-2.0 */
/* Records from outside: the first byte says how long the bound bytes are, the rest is the record. */
#include "base/bytes.h"
#include "base/macros.h"
#include "envelope/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Key, id and version of the vectors' refused record: the corpus holds records that open. */
static const uint8_t material[32] = {0x7a, 0x5b, 0x45, 0x01, 0x58, 0x7f, 0x57, 0x56, 0x55, 0x86, 0x1d,
                                     0xf0, 0xc6, 0xd6, 0x34, 0xcc, 0x61, 0x20, 0x1f, 0xe7, 0x31, 0xcb,
                                     0x06, 0x1a, 0xa3, 0x26, 0x33, 0x3b, 0xf2, 0xce, 0x4e, 0x79};
static bulla_record_key key = {
    .id = {0x87, 0x75, 0x72, 0xdd, 0x53, 0x24, 0xab, 0x65, 0x7f, 0x86, 0x67, 0x99, 0x3c, 0xef, 0xf1, 0x61},
    .version = 1};

static void must(bool is_true)
{
    if (!is_true) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0 || (size_t)data[0] + 1 > len) return 0;
    if (key.aead == NULL) must(bulla_aead_new(NULL, bulla_view_of(material, sizeof material), &key.aead) == BULLA_OK);
    bulla_view bound = bulla_view_of(data + 1, data[0]);
    bulla_view record = bulla_view_of(data + 1 + data[0], len - 1 - data[0]);
    bulla_record_header header;
    bool is_shaped = bulla_record_header_decode(NULL, record, &header) == BULLA_OK;
    size_t out_len = record.len < BULLA_RECORD_OVERHEAD ? 0 : record.len - BULLA_RECORD_OVERHEAD;
    uint8_t *out = malloc(out_len + 1), *again = malloc(record.len + 1);
    must(out != NULL && again != NULL);
    bool opens = bulla_record_open(&key, NULL, bound, record, out) == BULLA_OK;
    if (opens) {
        must(is_shaped && header.version == key.version);
        must(bulla_record_seal(&key, NULL, bound, bulla_view_of(out, out_len), again) == BULLA_OK);
        must(bulla_record_open(&key, NULL, bound, bulla_view_of(again, record.len), out) == BULLA_OK);
    }
    bool rewraps = bulla_record_rewrap(&key, &key, NULL, bound, record, again) == BULLA_OK;
    must(rewraps == (opens && out_len <= 64));
    free(out);
    free(again);
    return 0;
}
