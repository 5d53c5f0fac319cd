/* SPDX-License-Identifier: Apache-2.0 */
/* The container inside a backup (spec/keystore.md, Backup): parts one after the other, read as they come. */
#ifndef BULLA_KEYSTORE_CONTAINER_H
#define BULLA_KEYSTORE_CONTAINER_H

#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/call.h"

#define BULLA_CONTAINER_START 10u /* bytes: magic, format */
#define BULLA_CONTAINER_HEAD 10u  /* bytes before a part's content: type, length */
#define BULLA_CONTAINER_END 20u   /* bytes of the end part */
#define BULLA_MAX_PART (1u << 20) /* of manifest and configuration */

typedef enum bulla_part {
    BULLA_PART_MANIFEST = 1,
    BULLA_PART_KEYSTORE = 2,
    BULLA_PART_CONFIG = 3,
    BULLA_PART_ROTATION = 4,
    BULLA_PART_END = 0xffff
} bulla_part;

/* Writers. */
void bulla_container_start(uint8_t out[BULLA_CONTAINER_START]);
void bulla_container_head(bulla_part part, uint64_t len, uint8_t out[BULLA_CONTAINER_HEAD]);
void bulla_container_end(uint16_t num_parts, uint64_t num_bytes, uint8_t out[BULLA_CONTAINER_END]);

/* What a reader finds: the content of a part in pieces, in order; an empty one is told once. */
typedef bulla_status (*bulla_part_visit)(void *arg, bulla_call *call, bulla_part part, bulla_view piece);

typedef struct bulla_container {
    bulla_part_visit visit;
    void *arg;
    uint8_t head[BULLA_CONTAINER_HEAD]; /* what has come of a head, start or end */
    size_t head_len, num_parts;
    uint64_t offset, left; /* bytes read; bytes that the part still has */
    bulla_part part;       /* 0 before the first */
    bool started, inside, ended;
} bulla_container;

/* Takes the next bytes. EFORMAT, EUNSUPPORTED (another format), or what the visitor says. */
BULLA_MUST_USE bulla_status bulla_container_read(bulla_container *container, bulla_call *call, bulla_view bytes);
/* EFORMAT unless all of it has come. */
BULLA_MUST_USE bulla_status bulla_container_finish(const bulla_container *container, bulla_call *call);

#endif
