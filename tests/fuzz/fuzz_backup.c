/* SPDX-License-Identifier: Apache-2.0 */
/* The container of a backup, in pieces whose length the first byte says: what comes out is what went in. */
#include "keystore/container.h"

#include <stdlib.h>

typedef struct counted {
    uint64_t num_bytes;
    unsigned last;
} counted;

static bulla_status count_part(void *arg, bulla_call *call, bulla_part part, bulla_view piece)
{
    counted *self = arg;
    (void)call;
    if ((unsigned)part < self->last || part == BULLA_PART_END) abort();
    self->last = (unsigned)part;
    self->num_bytes += piece.len;
    return BULLA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    counted seen = {0, 0};
    bulla_container container = {.visit = count_part, .arg = &seen};
    bulla_reader reader = bulla_reader_of(bulla_view_of(data, len));
    size_t piece = 1 + bulla_read_u8(&reader);
    bulla_status status = BULLA_OK;
    while (status == BULLA_OK && reader.rest.len != 0)
        status = bulla_container_read(&container, NULL,
                                      bulla_read_view(&reader, piece < reader.rest.len ? piece : reader.rest.len));
    if (status == BULLA_OK) status = bulla_container_finish(&container, NULL);
    uint64_t overhead = BULLA_CONTAINER_START + 4 * BULLA_CONTAINER_HEAD + BULLA_CONTAINER_END;
    if (status == BULLA_OK && (seen.last != BULLA_PART_ROTATION || seen.num_bytes + overhead != len - 1)) abort();
    return 0;
}
