/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole source into a sink. Frames are sealed one by one under numbers that their place gives them, so chunks of
 * whole frames are worked on side by side. A signed message is hashed in order and goes through one thread; so does an
 * old message without frames.
 */
#include "base/bytes.h"
#include "envelope/intake.h"
#include "envelope/pump.h"
#include "envelope/stream.h"

#include <inttypes.h>

typedef struct copying {
    bulla_intake intake;
    const bulla_body *body;
    size_t num_frames; /* of a chunk */
    uint64_t start;    /* bytes of the message before its body */
} copying;

static size_t chunk_frames(const bulla_body *body)
{
    size_t num_frames = BULLA_CHUNK / bulla_frame_size(body);
    return num_frames == 0 ? 1 : num_frames;
}

static bulla_status endpoints_check(bulla_call *call, const bulla_source *source, const bulla_sink *sink)
{
    if (call == NULL) return BULLA_EINVAL;
    if (source == NULL || sink == NULL) return bulla_fail(call, BULLA_EINVAL, "a source and a sink must be given");
    return BULLA_OK;
}

/* The way through a stream, by one thread and in order. */
static bulla_status copy_streamed(bulla_stream *stream, bulla_call *call, const bulla_source *source,
                                  const bulla_sink *sink)
{
    BULLA_AUTO(bulla_buffer) out = {0};
    BULLA_TRY(bulla_buffer_reserve(&out, call, BULLA_CHUNK));
    uint64_t offset = 0;
    do {
        BULLA_TRY(bulla_stream_read(stream, call, source, out.data, out.cap, &out.len));
        BULLA_TRY(bulla_sink_write(sink, call, offset, bulla_buffer_view(&out)));
        offset += out.len;
    } while (out.len != 0);
    return BULLA_OK;
}

/* --- encrypting --- */

static bulla_status plain_fill(void *arg, bulla_call *call, bulla_chunk *chunk)
{
    copying *copy = arg;
    size_t len = copy->num_frames * copy->body->frame_len;
    BULLA_TRY(bulla_intake_read(&copy->intake, call, chunk->in.data, len, &chunk->in.len));
    chunk->is_last = chunk->in.len < len;
    return BULLA_OK;
}

static bulla_status plain_seal(const void *arg, bulla_call *call, bulla_chunk *chunk)
{
    const copying *copy = arg;
    const bulla_body *body = copy->body;
    uint64_t seq = chunk->index * copy->num_frames + 1;
    size_t at = 0;
    for (; chunk->in.len - at >= body->frame_len; at += body->frame_len) {
        bulla_view in = bulla_view_of(chunk->in.data + at, body->frame_len);
        BULLA_TRY(bulla_frame_seal(body, call, seq++, in, chunk->out.data + chunk->out.len));
        chunk->out.len += bulla_frame_size(body);
    }
    if (!chunk->is_last) return BULLA_OK;
    bulla_view rest = bulla_view_of(chunk->in.data + at, chunk->in.len - at);
    BULLA_TRY(bulla_final_seal(body, call, seq, rest, chunk->out.data + chunk->out.len));
    chunk->out.len += rest.len + BULLA_FINAL_OVERHEAD;
    return BULLA_OK;
}

static bulla_status encrypt_frames(const bulla_encryptor *encryptor, bulla_call *call, const bulla_intake *intake,
                                   const bulla_sink *sink, unsigned threads)
{
    const bulla_body *body = &encryptor->sealer.body;
    bulla_view header = bulla_buffer_view(&encryptor->buffer);
    copying copy = {*intake, body, chunk_frames(body), header.len};
    BULLA_TRY(bulla_sink_write(sink, call, 0, header));
    const bulla_pump pump = {.sink = sink,
                             .threads = threads,
                             .in_cap = copy.num_frames * body->frame_len,
                             .out_cap = copy.num_frames * bulla_frame_size(body) + BULLA_FINAL_OVERHEAD,
                             .start = copy.start,
                             .step = copy.num_frames * bulla_frame_size(body),
                             .arg = &copy,
                             .fill = plain_fill,
                             .work = plain_seal};
    return bulla_pump_run(&pump, call);
}

/* --- decrypting --- */

/* Where the final frame starts in a chunk of whole regular frames, or its length when there is none. */
static size_t final_find(const copying *copy, bulla_view bytes)
{
    size_t at = 0;
    while (bytes.len - at >= 4 && bulla_get_u32(bytes.data + at) != BULLA_FINAL_MARK) {
        if (bytes.len - at < bulla_frame_size(copy->body)) return bytes.len;
        at += bulla_frame_size(copy->body);
    }
    return bytes.len - at >= 4 ? at : bytes.len;
}

/* The final frame may reach past a chunk by the few bytes by which its head is longer. Then there must be nothing more:
 * one byte more is asked for. */
static bulla_status final_fill(copying *copy, bulla_call *call, bulla_chunk *chunk, size_t at)
{
    size_t room = at + copy->body->frame_len + BULLA_FINAL_OVERHEAD + 1, got = 0;
    if (chunk->in.len < room) {
        BULLA_TRY(bulla_intake_read(&copy->intake, call, chunk->in.data + chunk->in.len, room - chunk->in.len, &got));
        chunk->in.len += got;
    }
    chunk->is_last = true;
    return BULLA_OK;
}

static bulla_status sealed_fill(void *arg, bulla_call *call, bulla_chunk *chunk)
{
    copying *copy = arg;
    size_t len = copy->num_frames * bulla_frame_size(copy->body);
    BULLA_TRY(bulla_intake_read(&copy->intake, call, chunk->in.data, len, &chunk->in.len));
    size_t at = final_find(copy, bulla_buffer_view(&chunk->in));
    if (at < chunk->in.len) return final_fill(copy, call, chunk, at);
    chunk->is_last = chunk->in.len < len; /* cut off: the work on it will find that out */
    return BULLA_OK;
}

/* What is left of the last chunk when no whole frame is. */
static bulla_status rest_check(bulla_call *call, const bulla_place *place, bool is_ended, size_t left)
{
    if (!is_ended)
        return bulla_fail(call, BULLA_EINTEGRITY,
                          "the message ends early: at byte %" PRIu64 ", before or in frame %" PRIu64, place->at + left,
                          place->seq);
    if (left != 0)
        return bulla_fail(call, BULLA_EFORMAT, "the message ends at byte %" PRIu64 " but more bytes follow", place->at);
    return BULLA_OK;
}

static bulla_status sealed_open(const void *arg, bulla_call *call, bulla_chunk *chunk)
{
    const copying *copy = arg;
    uint64_t frames_before = chunk->index * copy->num_frames;
    bulla_place place = {copy->start + frames_before * bulla_frame_size(copy->body), frames_before + 1};
    bulla_view rest = bulla_buffer_view(&chunk->in);
    bool is_ended = false;
    while (rest.len != 0 && !is_ended) {
        bulla_frame frame = {0};
        size_t need = 0;
        BULLA_TRY(bulla_frame_decode(copy->body, call, rest, &place, &frame, &need));
        if (need > rest.len) break;
        BULLA_TRY(bulla_frame_open(copy->body, call, &frame, chunk->out.data + chunk->out.len));
        chunk->out.len += frame.content.len;
        is_ended = frame.kind == BULLA_FRAME_FINAL;
        place = (bulla_place){place.at + need, place.seq + 1};
        rest = bulla_view_of(rest.data + need, rest.len - need);
    }
    return chunk->is_last ? rest_check(call, &place, is_ended, rest.len) : BULLA_OK;
}

static bulla_status decrypt_frames(const bulla_opener *opener, bulla_call *call, const bulla_intake *intake,
                                   const bulla_sink *sink, unsigned threads)
{
    const bulla_body *body = &opener->body;
    copying copy = {*intake, body, chunk_frames(body), opener->header.len};
    const bulla_pump pump = {.sink = sink,
                             .threads = threads,
                             .in_cap = copy.num_frames * bulla_frame_size(body) + BULLA_FINAL_OVERHEAD + 1,
                             .out_cap = copy.num_frames * body->frame_len,
                             .start = 0,
                             .step = copy.num_frames * body->frame_len,
                             .arg = &copy,
                             .fill = sealed_fill,
                             .work = sealed_open};
    return bulla_pump_run(&pump, call);
}

/* --- what callers see --- */

bulla_status bulla_encrypt_copy(bulla_call *call, const bulla_encrypt_options *options, const bulla_source *source,
                                const bulla_sink *sink)
{
    BULLA_AUTO(bulla_stream) *stream = NULL;
    BULLA_TRY(endpoints_check(call, source, sink));
    BULLA_TRY(bulla_encrypt_open(call, options, &stream));
    if (stream->encryptor.sealer.body.suite->is_signed) return copy_streamed(stream, call, source, sink);
    const bulla_intake intake = {.source = source};
    return encrypt_frames(&stream->encryptor, call, &intake, sink, stream->encryptor.sealer.threads);
}

bulla_status bulla_decrypt_copy(bulla_call *call, const bulla_decrypt_options *options, const bulla_source *source,
                                const bulla_sink *sink)
{
    BULLA_AUTO(bulla_stream) *stream = NULL;
    BULLA_TRY(endpoints_check(call, source, sink));
    BULLA_TRY(bulla_decrypt_open(call, options, &stream));
    BULLA_TRY(bulla_stream_header_pull(stream, call, source));
    const bulla_opener *opener = &stream->decryptor.opener;
    if (opener->hasher != NULL || !opener->header.framed) return copy_streamed(stream, call, source, sink);
    const bulla_intake intake = {source, bulla_stream_pulled(stream), stream->source_ended};
    return decrypt_frames(opener, call, &intake, sink, opener->threads);
}
