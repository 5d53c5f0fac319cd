/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a master key is: its type, usage, state and versions. The functions that manage keys are in bulla/keystore.h.
 */
#ifndef BULLA_KEY_H
#define BULLA_KEY_H

#include "bulla/call.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bulla_key_type {
    BULLA_KEY_UNKNOWN = 0,
    BULLA_KEY_AES256_GCM = 1,
    BULLA_KEY_RSA = 2 /* a PEM key outside the keystore (rsa: addresses) */
} bulla_key_type;

typedef enum bulla_key_usage {
    BULLA_USAGE_UNKNOWN = 0,
    BULLA_USAGE_WRAP = 1, /* wraps and unwraps data keys */
    BULLA_USAGE_SIGN = 2, /* reserved */
    BULLA_USAGE_MAC = 3   /* reserved */
} bulla_key_usage;

typedef enum bulla_key_state {
    BULLA_KEY_STATE_UNKNOWN = 0,
    BULLA_KEY_ENABLED = 1,
    BULLA_KEY_DISABLED = 2,         /* neither wraps nor unwraps until enabled */
    BULLA_KEY_PENDING_IMPORT = 3,   /* waits for its material */
    BULLA_KEY_PENDING_DELETION = 4, /* neither wraps nor unwraps; destroyed at deletion_s */
    BULLA_KEY_DESTROYED = 5         /* material wiped; the id is never used again, the name may be */
} bulla_key_state;

/* Dates are seconds since 1970-01-01 UTC; 0: never, or not known. Text is NUL-terminated. */
typedef struct bulla_key_info {
    char id[40]; /* BULLA_KEY_ID_TEXT characters for our own keys; a back end's own id otherwise, shortened */
    char name[132];
    bulla_key_type type;
    bulla_key_usage usage;
    bulla_key_state state;
    uint32_t primary_version; /* wraps new data keys; 0: none yet */
    uint32_t num_versions;
    int64_t created_s, rotated_s, deletion_s;
    uint32_t rotation_period_s; /* 0: rotated by hand */
    int64_t next_rotation_s;
    uint64_t num_deks;      /* wrapped data keys kept in the store */
    uint64_t num_rewrapped; /* of those, under the primary version */
    int64_t rewrapped_s;    /* last rewrap that finished */
    bool imported;
} bulla_key_info;

/* bulla_key_type_name, bulla_key_usage_name and bulla_key_state_name return lower-case words such as "aes-256-gcm",
 * "wrap", "pending_deletion". Static; never NULL. */
BULLA_API const char *bulla_key_type_name(bulla_key_type type);
BULLA_API const char *bulla_key_usage_name(bulla_key_usage usage);
BULLA_API const char *bulla_key_state_name(bulla_key_state state);

#ifdef __cplusplus
}
#endif

#endif
