/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Your own provider: here a wrapper that writes a line for every data key that is opened. A back end is made the same
 * way; its slots talk to a key store instead of to another provider. Arguments, results, deadline and cancellation are
 * checked by the dispatcher on both sides, so the slots hold nothing but what is special about them. To be opened by
 * addresses of its own, it is added with bulla_scheme_add.
 *
 *   own_provider ADDRESS     ADDRESS: the key to watch, such as file:watched.key
 */
#include <bulla/bulla.h>

#include <stdio.h>

typedef struct watched {
    bulla_provider base; /* first */
    bulla_provider *inner;
} watched;

static bool watched_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return bulla_provider_matches(((const watched *)(const void *)provider)->inner, wrapped);
}

static bulla_status watched_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                                 bulla_wrapped **out_wrapped)
{
    return bulla_provider_wrap(((watched *)(void *)provider)->inner, call, context, dek, out_wrapped);
}

static bulla_status watched_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                   const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    bulla_status status = bulla_provider_unwrap(((watched *)(void *)provider)->inner, call, context, wrapped, out_dek);
    printf("a data key was asked for: %s\n", bulla_status_text(status));
    return status;
}

static void watched_destroy(bulla_provider *provider)
{
    bulla_provider_unref(((watched *)(void *)provider)->inner); /* the struct itself is main's */
}

static const bulla_provider_ops watched_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "watched",
    .can = BULLA_OP_WRAP | BULLA_OP_UNWRAP, /* data keys and rewrapping come from these two */
    .matches = watched_matches,
    .wrap = watched_wrap,
    .unwrap = watched_unwrap,
    .destroy = watched_destroy,
};

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: own_provider ADDRESS\n");
        return BULLA_CLASS_CALLER;
    }
    bulla *house = NULL;
    watched own = {.inner = NULL};
    bulla_secret *dek = NULL, *opened = NULL;
    bulla_wrapped *wrapped = NULL;
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_provider_init(&own.base, &watched_ops);
    bulla_options options = {.size = sizeof options};
    bulla_status status = bulla_open(&call, &options, &house);
    if (status == BULLA_OK) status = bulla_provider_open(house, &call, argv[1], &own.inner);
    if (status == BULLA_OK) status = bulla_provider_datakey(&own.base, &call, NULL, 32, &dek, &wrapped);
    if (status == BULLA_OK) status = bulla_provider_unwrap(&own.base, &call, NULL, wrapped, &opened);
    if (status != BULLA_OK) fprintf(stderr, "own_provider: %s: %s\n", bulla_status_text(status), call.why);
    bulla_secret_unref(opened);
    bulla_secret_unref(dek);
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(&own.base);
    bulla_close(house);
    return (int)bulla_status_class(status);
}
