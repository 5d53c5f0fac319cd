/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of 1 GiB through bulla_stream_write in frames of 64 KiB, one thread. As with `openssl speed`, which
 * bench/run sets against it, the input is a buffer that stays in the processor's cache, and so is the output;
 * "stream_ram" passes the same amount from memory to memory, where its width is the limit.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME ((size_t)64 * 1024)
#define PIECE FRAME
#define OUT_LEN (PIECE + 8192) /* a frame, its overhead, and the header at the start */

typedef struct run {
    uint64_t total;
    bool from_ram;
    uint8_t *in, *out;
} run;

static void piece_write(bench_setup *b, bulla_stream *stream, const run *r, uint64_t done, uint64_t *made)
{
    bulla_view in = {r->from_ram ? r->in + done : r->in, PIECE};
    while (in.len != 0) {
        size_t consumed = 0, len = 0;
        uint8_t *out = r->from_ram ? r->out + *made : r->out;
        bench_ok(b, bulla_stream_write(stream, &b->call, in, &consumed, out, OUT_LEN, &len));
        in.data += consumed;
        in.len -= consumed;
        *made += len;
    }
}

static double seal_all(bench_setup *b, const run *r)
{
    bulla_provider *const recipients[] = {b->key};
    const bulla_encrypt_options options = {
        .size = sizeof options, .recipients = recipients, .num_recipients = 1, .frame_len = (uint32_t)FRAME};
    bulla_stream *stream = NULL;
    uint64_t made = 0;
    bool is_done = false;
    double start = bench_now_ns();
    bench_ok(b, bulla_encrypt_open(&b->call, &options, &stream));
    for (uint64_t done = 0; done < r->total; done += PIECE)
        piece_write(b, stream, r, done, &made);
    while (!is_done) {
        size_t len = 0;
        bench_ok(b,
                 bulla_stream_finish(stream, &b->call, r->from_ram ? r->out + made : r->out, OUT_LEN, &len, &is_done));
        made += len;
    }
    bulla_stream_close(stream);
    bench_must(made > r->total, "the message is shorter than its text");
    return bench_now_ns() - start;
}

static void rate_print(const bench_setup *b, const char *row, const run *r, double ns)
{
    (void)printf("{\"row\": \"%s\", \"engine\": \"%s\", \"bytes\": %llu, \"ns\": %.0f}\n", row, b->engine,
                 (unsigned long long)r->total, ns);
}

int main(int argc, char **argv)
{
    bench_setup b;
    bench_init(&b, argc, argv);
    uint64_t total = b.quick ? (uint64_t)1 << 22 : (uint64_t)1 << 30;
    bool from_ram = b.dir != NULL && strcmp(b.dir, "ram") == 0;
    size_t room = from_ram ? (size_t)(total + total / 16) + OUT_LEN : OUT_LEN;
    run r = {total, from_ram, aligned_alloc(4096, from_ram ? (size_t)total : PIECE),
             aligned_alloc(4096, room / 4096 * 4096 + 4096)};
    bench_must(r.in != NULL && r.out != NULL, "no memory");
    memset(r.in, 0x5A, from_ram ? (size_t)total : PIECE);
    memset(r.out, 0, room);
    run warm = r;
    warm.total = PIECE * 16;
    (void)seal_all(&b, &warm);
    rate_print(&b, from_ram ? "stream_ram" : "stream", &r, seal_all(&b, &r));
    free(r.in);
    free(r.out);
    bench_done(&b);
    return 0;
}
