/* SPDX-License-Identifier: Apache-2.0 */
/* Message headers from outside, at once and byte field by byte field, and written again. */
#include "base/bytes.h"
#include "base/context.h"
#include "envelope/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool is_true)
{
    if (!is_true) abort();
}

/* As a stream does it: never more bytes than were asked for. Ends with the same verdict. */
static bulla_status decode_in_steps(bulla_call *call, bulla_view bytes, bulla_header *header, size_t *out_need)
{
    bulla_status status = BULLA_OK;
    size_t need = 1, have = 0;
    while (status == BULLA_OK && have < need && need <= bytes.len) {
        have = need;
        status = bulla_header_decode(call, bulla_view_of(bytes.data, have), header, &need);
        must(status != BULLA_OK || header->suite != NULL || need > have); /* it gets further with every round */
    }
    *out_need = need;
    return status;
}

/* What is read of a version 2 header says all there is to it. */
static void encode_again(const bulla_header *header)
{
    size_t len = 0;
    if (header->suite->version != 2) return;
    must(bulla_header_encoded_len(header) == header->len);
    uint8_t *out = malloc(header->body.len);
    must(out != NULL && bulla_header_encode(NULL, header, out, header->body.len, &len) == BULLA_OK);
    must(bulla_view_equal(bulla_view_of(out, len), header->body));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_call call;
    bulla_header header = {0}, stepped = {0};
    size_t need = 0, stepped_need = 0;
    bulla_call_init(&call, NULL);
    bulla_status status = bulla_header_decode(&call, bulla_view_of(data, len), &header, &need);
    must(status == decode_in_steps(&call, bulla_view_of(data, len), &stepped, &stepped_need));
    if (status == BULLA_OK && need <= len) {
        must(header.len == need && need <= BULLA_MAX_HEADER && header.num_recipients >= 1);
        must(stepped.len == need && stepped_need == need);
        encode_again(&header);
    }
    bulla_header_done(&header);
    bulla_header_done(&stepped);
    return 0;
}
