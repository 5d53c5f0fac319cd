/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message bodies from outside, behind a header that is taken as opened, under a key that the corpus was made with: the
 * way past the tags is open to whoever mutates well. Bytes: kind (0 framed, 1 one block, 2 signed), step, frame length
 * - 1; of a signed one its public key; then the body.
 */
#include "base/bytes.h"
#include "base/context.h"
#include "envelope/stream.h"

#include <stdlib.h>

#define OUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool is_true)
{
    if (!is_true) abort();
}

/* Also what the corpus was made with. */
static bool decryptor_make(bulla_decryptor *decryptor, bulla_call *call, bulla_reader *input)
{
    static const uint8_t key[32] = {'f', 'u', 'z', 'z'};
    static const uint16_t suites[] = {0x0478, 0x0178, 0x0578};
    uint8_t kind = bulla_read_u8(input) % 3;
    bulla_body *body = &decryptor->opener.body;
    body->suite = bulla_suite_find(suites[kind]);
    body->id_len = body->suite->version == 2 ? 32 : 16;
    (void)bulla_read_u8(input);
    body->frame_len = bulla_read_u8(input) + 1u;
    if (kind == 1) body->frame_len = 0;
    must(bulla_aead_new(call, bulla_view_of(key, body->suite->key_len), &body->aead) == BULLA_OK);
    decryptor->opener.is_ready = true;
    decryptor->state = BULLA_READ_BODY;
    decryptor->place.seq = 1;
    if (!body->suite->is_signed) return !input->failed;
    char text[4 * ((BULLA_POINT_MAX + 2) / 3) + 1];
    bulla_view point = bulla_read_view(input, BULLA_POINT_MAX);
    if (input->failed) return false;
    bulla_base64_encode(point, text);
    const bulla_pair pair = {bulla_view_text(BULLA_CONTEXT_PUBLIC_KEY), bulla_view_text(text)};
    must(bulla_context_new_reserved(call, &pair, 1, &decryptor->opener.context) == BULLA_OK);
    return bulla_hasher_new(call, body->suite->sign_hash, &decryptor->opener.hasher) == BULLA_OK;
}

/* Pushes the body in pieces of `step`; true when it was whole and genuine. */
static bool opens(bulla_view input, size_t step, uint8_t *out, size_t *out_len)
{
    bulla_call call;
    bulla_decryptor decryptor = {.footer_len = 0};
    bulla_reader reader = bulla_reader_of(input);
    bulla_call_init(&call, NULL);
    bool is_good = decryptor_make(&decryptor, &call, &reader), is_done = false;
    bulla_flow flow = {.out = out};
    while (is_good && reader.rest.len != 0) {
        size_t left = reader.rest.len;
        flow.in = bulla_view_of(reader.rest.data, left < step ? left : step);
        flow.consumed = 0;
        flow.cap = OUT_MAX - flow.produced < step ? OUT_MAX : flow.produced + step;
        is_good = bulla_decryptor_write(&decryptor, &call, &flow) == BULLA_OK;
        (void)bulla_read_view(&reader, flow.consumed);
    }
    flow.cap = OUT_MAX;
    is_good = is_good && bulla_decryptor_finish(&decryptor, &call, &flow, &is_done) == BULLA_OK && is_done;
    *out_len = flow.produced;
    bulla_decryptor_done(&decryptor);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t at_once[OUT_MAX], stepped[OUT_MAX];
    size_t len_at_once = 0, len_stepped = 0;
    if (len < 3 || len > OUT_MAX / 2) return 0;
    bulla_view input = bulla_view_of(data, len);
    bool is_good = opens(input, OUT_MAX, at_once, &len_at_once);
    must(is_good == opens(input, data[1] + 1u, stepped, &len_stepped));
    if (is_good) must(bulla_view_equal(bulla_view_of(at_once, len_at_once), bulla_view_of(stepped, len_stepped)));
    return 0;
}
