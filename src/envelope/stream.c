/* SPDX-License-Identifier: Apache-2.0 */
/* Streams as callers see them: one struct for both directions, pushed or pulled. */
#include "envelope/stream.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/intake.h"

#define PULL_LEN (256u << 10) /* bytes read from a source at once */

static bulla_status stream_new(bulla_call *call, bulla_stream **out_stream)
{
    void *memory = NULL;
    if (call == NULL) return BULLA_EINVAL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_stream), &memory));
    bulla_stream *stream = memory;
    stream->env = bulla_env_of(call);
    *out_stream = stream;
    return BULLA_OK;
}

bulla_status bulla_encrypt_open(bulla_call *call, const bulla_encrypt_options *options, bulla_stream **out_stream)
{
    BULLA_AUTO(bulla_stream) *stream = NULL;
    BULLA_TRY(stream_new(call, &stream));
    stream->is_encrypting = true;
    BULLA_TRY(bulla_encryptor_init(&stream->encryptor, call, options));
    *out_stream = BULLA_TAKE(stream);
    return BULLA_OK;
}

bulla_status bulla_decrypt_open(bulla_call *call, const bulla_decrypt_options *options, bulla_stream **out_stream)
{
    BULLA_AUTO(bulla_stream) *stream = NULL;
    BULLA_TRY(stream_new(call, &stream));
    BULLA_TRY(bulla_decryptor_init(&stream->decryptor, call, options));
    *out_stream = BULLA_TAKE(stream);
    return BULLA_OK;
}

static bulla_status alive_check(const bulla_stream *stream, bulla_call *call)
{
    if (stream == NULL || call == NULL) return bulla_fail(call, BULLA_EINVAL, "a stream and a call must be given");
    if (stream->failed != BULLA_OK) return bulla_fail(call, stream->failed, "the stream failed before; open a new one");
    return bulla_call_check(call);
}

/* A stream that failed stays failed: its caller must not get at what comes behind the fault. */
static bulla_status settle(bulla_stream *stream, bulla_status status)
{
    if (status != BULLA_OK) stream->failed = status;
    return status;
}

static bulla_status push(bulla_stream *stream, bulla_call *call, bulla_flow *flow)
{
    return settle(stream, stream->is_encrypting ? bulla_encryptor_write(&stream->encryptor, call, flow)
                                                : bulla_decryptor_write(&stream->decryptor, call, flow));
}

static bulla_status finish(bulla_stream *stream, bulla_call *call, bulla_flow *flow)
{
    stream->is_finishing = true;
    return settle(stream, stream->is_encrypting
                              ? bulla_encryptor_finish(&stream->encryptor, call, flow, &stream->is_done)
                              : bulla_decryptor_finish(&stream->decryptor, call, flow, &stream->is_done));
}

bulla_status bulla_stream_write(bulla_stream *stream, bulla_call *call, bulla_view in, size_t *out_consumed,
                                uint8_t *out, size_t cap, size_t *out_len)
{
    BULLA_TRY(alive_check(stream, call));
    if (stream->is_finishing && in.len != 0)
        return bulla_fail(call, BULLA_EINVAL, "the stream's input has ended already");
    bulla_flow flow = {in, out, cap, 0, 0};
    BULLA_TRY(push(stream, call, &flow));
    *out_consumed = flow.consumed;
    *out_len = flow.produced;
    return BULLA_OK;
}

bulla_status bulla_stream_finish(bulla_stream *stream, bulla_call *call, uint8_t *out, size_t cap, size_t *out_len,
                                 bool *out_done)
{
    BULLA_TRY(alive_check(stream, call));
    bulla_flow flow = {{NULL, 0}, out, cap, 0, 0};
    BULLA_TRY(finish(stream, call, &flow));
    *out_len = flow.produced;
    *out_done = stream->is_done;
    return BULLA_OK;
}

static bulla_status refill(bulla_stream *stream, bulla_call *call, const bulla_source *source)
{
    if (stream->source_ended || stream->pulled_at < stream->pulled.len) return BULLA_OK;
    bulla_buffer_reset(&stream->pulled);
    stream->pulled_at = 0;
    BULLA_TRY(bulla_buffer_reserve(&stream->pulled, call, PULL_LEN));
    BULLA_TRY(bulla_source_read(source, call, stream->pulled.data, PULL_LEN, &stream->pulled.len));
    stream->source_ended = stream->pulled.len == 0;
    return BULLA_OK;
}

bulla_view bulla_stream_pulled(const bulla_stream *stream)
{
    if (stream->pulled_at == stream->pulled.len) return (bulla_view){NULL, 0};
    return bulla_view_of(stream->pulled.data + stream->pulled_at, stream->pulled.len - stream->pulled_at);
}

bulla_status bulla_stream_header_pull(bulla_stream *stream, bulla_call *call, const bulla_source *source)
{
    while (stream->decryptor.state == BULLA_READ_HEADER) {
        bulla_flow flow = {{NULL, 0}, NULL, 0, 0, 0};
        BULLA_TRY(alive_check(stream, call));
        BULLA_TRY(settle(stream, refill(stream, call, source)));
        if (stream->source_ended) return finish(stream, call, &flow);
        flow.in = bulla_stream_pulled(stream);
        BULLA_TRY(settle(stream, bulla_decryptor_header_write(&stream->decryptor, call, &flow)));
        stream->pulled_at += flow.consumed;
    }
    return BULLA_OK;
}

/* One round of pulling: may produce nothing. */
static bulla_status pull(bulla_stream *stream, bulla_call *call, const bulla_source *source, bulla_flow *flow)
{
    BULLA_TRY(alive_check(stream, call));
    BULLA_TRY(settle(stream, refill(stream, call, source)));
    if (stream->source_ended) return finish(stream, call, flow);
    flow->in = bulla_stream_pulled(stream);
    BULLA_TRY(push(stream, call, flow));
    stream->pulled_at += flow->consumed;
    flow->consumed = 0;
    return BULLA_OK;
}

bulla_status bulla_stream_read(bulla_stream *stream, bulla_call *call, const bulla_source *source, uint8_t *buf,
                               size_t cap, size_t *out_len)
{
    BULLA_TRY(alive_check(stream, call));
    if (source == NULL || cap == 0) return bulla_fail(call, BULLA_EINVAL, "a source and room for output must be given");
    bulla_flow flow = {{NULL, 0}, buf, cap, 0, 0};
    while (flow.produced == 0 && !stream->is_done)
        BULLA_TRY(pull(stream, call, source, &flow));
    *out_len = flow.produced;
    return BULLA_OK;
}

bulla_context *bulla_stream_context(bulla_stream *stream)
{
    if (stream == NULL) return NULL;
    if (stream->is_encrypting) return stream->encryptor.sealer.context;
    /* decrypt.md, Parse the header: nothing of it is released before it is verified. */
    return stream->decryptor.opener.is_ready ? stream->decryptor.opener.context : NULL;
}

void bulla_stream_close(bulla_stream *stream)
{
    if (stream == NULL) return;
    bulla_encryptor_done(&stream->encryptor);
    bulla_decryptor_done(&stream->decryptor);
    bulla_buffer_done(&stream->pulled);
    bulla_free(stream->env, stream);
}
