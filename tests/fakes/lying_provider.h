/* SPDX-License-Identifier: Apache-2.0 */
/* A provider that says ok and lies: the one thing each lie is about has a name. */
#ifndef BULLA_TESTS_LYING_PROVIDER_H
#define BULLA_TESTS_LYING_PROVIDER_H

#include "bulla/provider_impl.h"

typedef enum lie {
    LIE_NOTHING,        /* ok, without any output */
    LIE_SHORT_KEY,      /* a key of half the length asked for; 8 bytes for unwrap */
    LIE_LONG_KEY,       /* a key of 65 bytes */
    LIE_EMPTY_BLOB,     /* a wrapped key without a blob */
    LIE_NO_NAME,        /* a wrapped key without a provider name */
    LIE_BAD_NAME,       /* a provider name that is not UTF-8 */
    LIE_FOREIGN_KEY,    /* somebody else's wrapped key */
    LIE_NO_VERSION,     /* rotated, version 0 */
    LIE_ENDLESS_TEXT,   /* a description without a terminator */
    LIE_UNKNOWN_STATE,  /* a key state that does not exist */
    LIE_UNKNOWN_STATUS, /* a status that does not exist */
    LIE_SILENT_FAILURE, /* fails without a sentence: no lie, but rude */
    NUM_LIES
} lie;

/* In the caller's storage, one reference; nothing to release. */
typedef struct lying_provider {
    bulla_provider base;
    lie lie;
} lying_provider;

void lying_provider_init(lying_provider *lying, lie told);

#endif
