/* SPDX-License-Identifier: Apache-2.0 */
/* A whole message in memory, made or opened at once. */
#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/stream.h"

void bulla_bytes_done(bulla_bytes *bytes)
{
    if (bytes == NULL || bytes->data == NULL) return;
    bulla_wipe(bytes->data, bytes->len);
    bulla_free(bytes->env, bytes->data);
    *bytes = (bulla_bytes){0};
}

static void bytes_take(bulla_buffer *buffer, bulla_bytes *out_bytes)
{
    *out_bytes = (bulla_bytes){buffer->data, buffer->len, buffer->env};
    *buffer = (bulla_buffer){0};
}

/* Room for all that encrypting `len` bytes produces; exact but for the signature. */
static bulla_status message_room(const bulla_encryptor *encryptor, bulla_call *call, size_t len, bulla_buffer *out)
{
    const bulla_body *body = &encryptor->sealer.body;
    size_t head = encryptor->buffer.len + BULLA_FINAL_OVERHEAD, frames = 0, total = 0;
    if (body->suite->is_signed) head += BULLA_FOOTER_MAX;
    if (__builtin_mul_overflow(len / body->frame_len, (size_t)BULLA_FRAME_OVERHEAD, &frames) ||
        __builtin_add_overflow(len, frames, &total) || __builtin_add_overflow(total, head, &total))
        return bulla_fail(call, BULLA_ELIMIT, "a message of %zu bytes in frames of %u does not fit in memory", len,
                          (unsigned)body->frame_len);
    return bulla_buffer_reserve(out, call, total);
}

/* Its length is known, so a data key that it shares with others may be limited in bytes. */
static bulla_status encryptor_begin(bulla_encryptor *encryptor, bulla_call *call, const bulla_encrypt_options *options,
                                    size_t len)
{
    uint64_t message_len = call->message_len;
    call->message_len = len == 0 ? 1 : len;
    bulla_status status = bulla_encryptor_init(encryptor, call, options);
    call->message_len = message_len;
    return status;
}

bulla_status bulla_encrypt(bulla_call *call, const bulla_encrypt_options *options, bulla_view plaintext,
                           bulla_bytes *out_message)
{
    if (call == NULL) return BULLA_EINVAL;
    BULLA_AUTO(bulla_encryptor) encryptor = {.seq = 0};
    BULLA_AUTO(bulla_buffer) message = {0};
    BULLA_TRY(encryptor_begin(&encryptor, call, options, plaintext.len));
    BULLA_TRY(message_room(&encryptor, call, plaintext.len, &message));
    bulla_flow flow = {plaintext, message.data, message.cap, 0, 0};
    bool is_done = false;
    BULLA_TRY(bulla_encryptor_write(&encryptor, call, &flow));
    BULLA_TRY(bulla_encryptor_finish(&encryptor, call, &flow, &is_done));
    if (!is_done) return bulla_fail(call, BULLA_EINTERNAL, "a message is longer than was computed");
    message.len = flow.produced;
    bytes_take(&message, out_message);
    return BULLA_OK;
}

/* `plaintext` has room for the whole message, which is longer than what it holds. */
static bulla_status decrypt_all(bulla_decryptor *decryptor, bulla_call *call, bulla_view message,
                                bulla_buffer *plaintext)
{
    bulla_flow flow = {message, plaintext->data, plaintext->cap, 0, 0};
    bool is_done = false;
    bulla_status status = bulla_decryptor_write(decryptor, call, &flow);
    if (status == BULLA_OK) status = bulla_decryptor_finish(decryptor, call, &flow, &is_done);
    plaintext->len = flow.produced; /* also of a failure: this much is to be wiped */
    return status;
}

bulla_status bulla_decrypt(bulla_call *call, const bulla_decrypt_options *options, bulla_view message,
                           bulla_bytes *out_plaintext)
{
    if (call == NULL) return BULLA_EINVAL;
    BULLA_AUTO(bulla_decryptor) decryptor = {.state = BULLA_READ_HEADER};
    BULLA_AUTO(bulla_buffer) plaintext = {0};
    BULLA_TRY(bulla_decryptor_init(&decryptor, call, options));
    decryptor.opener.release_signed = true; /* into this function's memory, and no further before the verdict */
    BULLA_TRY(bulla_buffer_reserve(&plaintext, call, message.len == 0 ? 1 : message.len));
    BULLA_TRY(decrypt_all(&decryptor, call, message, &plaintext));
    bytes_take(&plaintext, out_plaintext);
    return BULLA_OK;
}
