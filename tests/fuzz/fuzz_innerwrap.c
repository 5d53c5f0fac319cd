/* SPDX-License-Identifier: Apache-2.0 */
/* The inner wrap of a data key, as a message from outside carries it (spec/wrapped.md). */
#include "base/bytes.h"
#include "provider/innerwrap.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Of the first vector in spec/vectors/wrapped.json: the corpus holds a blob that opens. */
static const uint8_t inner[32] = {0x94, 0xb8, 0xe2, 0x00, 0x94, 0x0d, 0x7a, 0xd6, 0x17, 0xea, 0xdc,
                                  0xbe, 0x0e, 0x9b, 0x76, 0xf4, 0x4a, 0x40, 0x31, 0xf5, 0x51, 0x45,
                                  0xeb, 0x29, 0x1b, 0x7b, 0xff, 0xaa, 0x07, 0xeb, 0x2f, 0x4d};
static bulla_secret *key;

static void must(bool is_true)
{
    if (!is_true) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    BULLA_AUTO(bulla_secret) *dek = NULL, *again = NULL;
    bulla_view outer = {NULL, 0};
    bulla_wrapped *made = NULL;
    const bulla_wrapped wrapped = {bulla_view_text("azure-kv"),
                                   bulla_view_text("https://v.vault.azure.net/keys/k/0123"), bulla_view_of(data, len)};
    const bulla_innerwrap_site site = {wrapped.provider, wrapped.info, NULL};
    if (key == NULL) must(bulla_secret_copy(NULL, bulla_view_of(inner, sizeof inner), &key) == BULLA_OK);
    bulla_status shaped = bulla_innerwrap_outer(NULL, wrapped.blob, &outer);
    bulla_status opened = bulla_innerwrap_open(NULL, &wrapped, NULL, key, &dek);
    must(shaped == BULLA_OK || (shaped == BULLA_EINTEGRITY && opened == BULLA_EINTEGRITY));
    must(opened == BULLA_OK || (opened == BULLA_EINTEGRITY && dek == NULL));
    if (shaped == BULLA_OK) must(outer.len != 0 && outer.data > data && outer.data + outer.len < data + len);
    if (opened != BULLA_OK) return 0;
    must(bulla_innerwrap_seal(NULL, &site, key, outer, dek, &made) == BULLA_OK && made->blob.len == len);
    must(bulla_innerwrap_open(NULL, made, NULL, key, &again) == BULLA_OK);
    must(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(again)));
    bulla_wrapped_free(made);
    return 0;
}
