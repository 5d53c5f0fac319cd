/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the SDKs' drivers call for Bulla's side:
 *   esdk_driver encrypt IN OUT SUITE FRAME_LEN [KEY=VALUE]... -- ADDRESS...
 *   esdk_driver decrypt IN OUT [KEY=VALUE]... -- ADDRESS...
 * With two threads, so that the parallel way is the one that is held against the SDKs. The pairs of decrypt are
 * required.
 */
#include "base/bytes.h"
#include "bulla/envelope.h"
#include "provider/registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_PAIRS 16u
#define THREADS 2u

typedef struct driver_order {
    const char *in, *out, *suite, *frame_len;
    bulla_pair pairs[MAX_PAIRS];
    size_t num_pairs;
    bulla_provider *keys[BULLA_MAX_RECIPIENTS];
    size_t num_keys;
} driver_order;

static bulla_status file_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    ssize_t got = read(*(int *)arg, buf, len);
    if (got < 0) return bulla_fail(call, BULLA_EIO, "cannot read the input");
    *out_len = (size_t)got;
    return BULLA_OK;
}

static bulla_status file_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    while (bytes.len != 0) {
        ssize_t put = pwrite(*(int *)arg, bytes.data, bytes.len, (off_t)offset);
        if (put <= 0) return bulla_fail(call, BULLA_EIO, "cannot write the output");
        offset += (uint64_t)put;
        bytes = bulla_view_of(bytes.data + put, bytes.len - (size_t)put);
    }
    return BULLA_OK;
}

static bulla_status pair_read(driver_order *order, bulla_call *call, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || order->num_pairs == MAX_PAIRS) return bulla_fail(call, BULLA_EINVAL, "not a pair: %s", text);
    order->pairs[order->num_pairs++] =
        (bulla_pair){bulla_view_of(text, (size_t)(equals - text)), bulla_view_text(equals + 1)};
    return BULLA_OK;
}

static bulla_status order_read(driver_order *order, bulla_call *call, char **rest)
{
    bulla_registry registry;
    bulla_registry_init(&registry, NULL);
    for (; *rest != NULL && strcmp(*rest, "--") != 0; rest++)
        BULLA_TRY(pair_read(order, call, *rest));
    if (*rest == NULL) return bulla_fail(call, BULLA_EINVAL, "the keys are missing");
    for (rest++; *rest != NULL && order->num_keys < BULLA_MAX_RECIPIENTS; rest++) {
        BULLA_TRY(bulla_registry_open(&registry, call, *rest, &order->keys[order->num_keys]));
        order->num_keys++;
    }
    return BULLA_OK;
}

static bulla_status encrypt(const driver_order *order, bulla_call *call, const bulla_source *source,
                            const bulla_sink *sink)
{
    bulla_context *context = NULL;
    bulla_encrypt_options options = {.size = sizeof options,
                                     .recipients = order->keys,
                                     .num_recipients = order->num_keys,
                                     .suite = (uint16_t)strtoul(order->suite, NULL, 0),
                                     .frame_len = (uint32_t)strtoul(order->frame_len, NULL, 0),
                                     .threads = THREADS};
    BULLA_TRY(bulla_context_new(call, order->pairs, order->num_pairs, &context));
    options.context = context;
    bulla_status status = bulla_encrypt_copy(call, &options, source, sink);
    bulla_context_unref(context);
    return status;
}

static bulla_status decrypt(const driver_order *order, bulla_call *call, const bulla_source *source,
                            const bulla_sink *sink)
{
    const bulla_decrypt_options options = {.size = sizeof options,
                                           .recipients = order->keys,
                                           .num_recipients = order->num_keys,
                                           .require = order->pairs,
                                           .num_require = order->num_pairs,
                                           .release_signed = true,
                                           .threads = THREADS};
    return bulla_decrypt_copy(call, &options, source, sink);
}

static bulla_status run(bulla_call *call, int argc, char **argv, driver_order *order)
{
    bool is_encrypt = argc > 1 && strcmp(argv[1], "encrypt") == 0;
    if (argc < (is_encrypt ? 6 : 4)) return bulla_fail(call, BULLA_EINVAL, "arguments are missing");
    order->in = argv[2];
    order->out = argv[3];
    order->suite = argv[4];
    order->frame_len = argv[5];
    BULLA_TRY(order_read(order, call, argv + (is_encrypt ? 6 : 4)));
    int in = open(order->in, O_RDONLY | O_CLOEXEC),
        out = open(order->out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (in < 0 || out < 0) return bulla_fail(call, BULLA_ENOFILE, "cannot open %s or %s", order->in, order->out);
    const bulla_source source = {file_read, &in};
    const bulla_sink sink = {file_write, &out, true};
    bulla_status status = is_encrypt ? encrypt(order, call, &source, &sink) : decrypt(order, call, &source, &sink);
    (void)close(in);
    (void)close(out);
    return status;
}

int main(int argc, char **argv)
{
    bulla_call call;
    static driver_order order;
    bulla_call_init(&call, NULL);
    bulla_status status = run(&call, argc, argv, &order);
    for (size_t i = 0; i < order.num_keys; i++)
        bulla_provider_unref(order.keys[i]);
    if (status != BULLA_OK) (void)fprintf(stderr, "%s: %s\n", bulla_status_name(status), call.why);
    return status == BULLA_OK ? 0 : 1;
}
