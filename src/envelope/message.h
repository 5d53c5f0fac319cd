/* SPDX-License-Identifier: Apache-2.0 */
/* A header that was read from a source, for looking at and for rewrapping. */
#ifndef BULLA_ENVELOPE_MESSAGE_H
#define BULLA_ENVELOPE_MESSAGE_H

#include "bulla/envelope.h"
#include "envelope/buffer.h"
#include "envelope/header.h"

struct bulla_message {
    const bulla_env *env;
    bulla_buffer bytes;
    bulla_header header;
    bulla_message_info info;
};

#endif
