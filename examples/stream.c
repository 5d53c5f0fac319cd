/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of any size in constant memory, pushed through a stream piece by piece. The output is a new file that is kept
 * only when the whole of it is genuine: what a stream releases may be the beginning of something longer until
 * bulla_stream_finish has said BULLA_OK.
 *
 *   stream encrypt|decrypt ADDRESS IN OUT
 */
#include <bulla/bulla.h>

#include <stdio.h>
#include <string.h>

static uint8_t in_buf[64 * 1024], out_buf[64 * 1024];

static bulla_status put(bulla_call *call, FILE *out, size_t len)
{
    bool written = fwrite(out_buf, 1, len, out) == len;
    return written ? BULLA_OK : bulla_fail(call, BULLA_EIO, "the output cannot be written");
}

static bulla_status pump(bulla_call *call, bulla_stream *stream, FILE *in, FILE *out)
{
    bulla_status status = BULLA_OK;
    size_t num_read, num_out;
    while (status == BULLA_OK && (num_read = fread(in_buf, 1, sizeof in_buf, in)) > 0) {
        bulla_view rest = {in_buf, num_read};
        while (status == BULLA_OK && rest.len > 0) {
            size_t used = 0;
            status = bulla_stream_write(stream, call, rest, &used, out_buf, sizeof out_buf, &num_out);
            if (status == BULLA_OK) status = put(call, out, num_out);
            rest = (bulla_view){rest.data + used, rest.len - used};
        }
    }
    if (status == BULLA_OK && ferror(in)) status = bulla_fail(call, BULLA_EIO, "the input cannot be read");
    for (bool done = false; status == BULLA_OK && !done;) {
        status = bulla_stream_finish(stream, call, out_buf, sizeof out_buf, &num_out, &done);
        if (status == BULLA_OK) status = put(call, out, num_out);
    }
    bulla_wipe(in_buf, sizeof in_buf);
    bulla_wipe(out_buf, sizeof out_buf);
    return status;
}

static bulla_status run(bulla_call *call, bulla_provider *key, bool encrypt, FILE *in, FILE *out)
{
    bulla_encrypt_options to = {.size = sizeof to, .recipients = &key, .num_recipients = 1};
    bulla_decrypt_options from = {.size = sizeof from, .recipients = &key, .num_recipients = 1};
    bulla_stream *stream = NULL;
    bulla_status status = encrypt ? bulla_encrypt_open(call, &to, &stream) : bulla_decrypt_open(call, &from, &stream);
    if (status == BULLA_OK) status = pump(call, stream, in, out);
    bulla_stream_close(stream);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: stream encrypt|decrypt ADDRESS IN OUT\n");
        return BULLA_CLASS_CALLER;
    }
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla *house = NULL;
    bulla_provider *key = NULL;
    FILE *in = fopen(argv[3], "rb"), *out = fopen(argv[4], "wbx");
    bulla_status status = BULLA_OK;
    if (in == NULL || out == NULL) status = bulla_fail(&call, BULLA_ENOFILE, "no input, or an output that exists");
    if (status == BULLA_OK) status = bulla_open(&call, NULL, &house);
    if (status == BULLA_OK) status = bulla_provider_open(house, &call, argv[2], &key);
    if (status == BULLA_OK) status = run(&call, key, strcmp(argv[1], "encrypt") == 0, in, out);
    if (in != NULL) fclose(in);
    if (out != NULL && fclose(out) != 0 && status == BULLA_OK)
        status = bulla_fail(&call, BULLA_EIO, "output not saved");
    if (out != NULL && status != BULLA_OK) remove(argv[4]);
    if (status != BULLA_OK) fprintf(stderr, "stream: %s: %s\n", bulla_status_text(status), call.why);
    bulla_provider_unref(key);
    bulla_close(house);
    return (int)bulla_status_class(status);
}
