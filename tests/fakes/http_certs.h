/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of http_server.h: made once in a process, written to a folder that goes with it. */
#ifndef BULLA_TESTS_HTTP_CERTS_H
#define BULLA_TESTS_HTTP_CERTS_H

#include "fakes/http_server.h"

#include <openssl/ssl.h>

/* A server's side of TLS with the identity of `tls`. The caller frees it. */
SSL_CTX *http_certs_context(const http_server_options *options);

/* Says what failed and ends the program. */
_Noreturn void http_server_die(const char *what);

#endif
