/* SPDX-License-Identifier: Apache-2.0 */
/* Makes messages that Bulla only reads: version 1 of every suite, and bodies without frames. */
#ifndef BULLA_TESTS_OLD_MESSAGE_H
#define BULLA_TESTS_OLD_MESSAGE_H

#include "envelope/header.h"
#include "message_kit.h"

typedef struct old_message {
    uint16_t suite;
    uint32_t frame_len; /* 0: no frames */
    size_t len;         /* of the plaintext, kit_text(len) */
    bool random_ivs;    /* of frames, as the first releases wrote */
} old_message;

/* For ann, with the kit's context. Free with bulla_bytes_done. */
bulla_bytes old_message_make(const old_message *what);

/* Only the header's bytes, unauthenticated (zero tag), with ann's label as the wrapped key. */
size_t old_header_make(uint16_t suite, uint32_t frame_len, uint8_t *out, size_t cap);

#endif
