/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, loaded when it is first needed and kept until the process ends (docs/adr/0011). */
#ifndef BULLA_NET_CURL_H
#define BULLA_NET_CURL_H

#include "base/macros.h"
#include "bulla/call.h"

#include <curl/curl.h>

/* What the room calls of it, without the prefix. */
#define BULLA_CURL_TABLE(X)                                                                                            \
    X(global_init_mem)                                                                                                 \
    X(version_info)                                                                                                    \
    X(easy_init)                                                                                                       \
    X(easy_cleanup)                                                                                                    \
    X(easy_setopt)                                                                                                     \
    X(easy_getinfo)                                                                                                    \
    X(easy_strerror)                                                                                                   \
    X(multi_init)                                                                                                      \
    X(multi_cleanup)                                                                                                   \
    X(multi_setopt)                                                                                                    \
    X(multi_add_handle)                                                                                                \
    X(multi_remove_handle)                                                                                             \
    X(multi_perform)                                                                                                   \
    X(multi_poll)                                                                                                      \
    X(multi_info_read)

typedef struct bulla_curl {
#define BULLA_CURL_MEMBER(name) __typeof__(curl_##name) *name;
    BULLA_CURL_TABLE(BULLA_CURL_MEMBER)
#undef BULLA_CURL_MEMBER
    /* SSL_CTX_set_options and SSL_CTX_set_keylog_callback of the OpenSSL that libcurl stands on; NULL: on another. */
    uint64_t (*tls_options_set)(void *context, uint64_t options);
    void (*tls_keylog_set)(void *context, void (*write)(void));
    bool keeps_sent; /* since 8.7: what was sent lies in a handle's memory until the handle goes */
    bool wipes;      /* its heap goes through base/heap.h; false: the program had initialised it before */
} bulla_curl;

/* The one table. Errors: EUNAVAIL with what to install. Any thread. */
BULLA_MUST_USE bulla_status bulla_curl_get(bulla_call *call, const bulla_curl **out_curl);

/* How often libcurl was refused memory, where it takes it from us. */
size_t bulla_curl_num_refused(void);

#endif
