/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding (RFC 3986, 2.1): everything but the unreserved characters, and back. */
#ifndef BULLA_WIRE_URI_H
#define BULLA_WIRE_URI_H

#include "base/bytes.h"

/* Bytes of `keep` stay as they are too. */
void bulla_uri_encode(bulla_writer *writer, bulla_view text, const char *keep);

/* One decoded byte from the front of *text, which must not be empty. What is no %XX stands for itself. */
uint8_t bulla_uri_decode_next(bulla_view *text);

#endif
