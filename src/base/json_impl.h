/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a JSON document: one node for each value, in the order of the text, so that a value's inside follows it.
 */
#ifndef BULLA_BASE_JSON_IMPL_H
#define BULLA_BASE_JSON_IMPL_H

#include "base/json.h"

#define BULLA_JSON_NO_NODE UINT32_MAX

typedef struct bulla_json_node {
    uint32_t at, len;           /* of a scalar in the text; of a string, what is between the quotes */
    uint32_t name_at, name_len; /* of a member's name, between the quotes */
    uint32_t parent;            /* BULLA_JSON_NO_NODE: the root */
    uint32_t end;               /* the node after everything inside: the next sibling, when the parent goes on */
    uint32_t num;               /* items or members */
    bulla_json_kind kind;
} bulla_json_node;

struct bulla_json {
    const bulla_env *env;
    bulla_view text;
    uint32_t num_nodes, max_nodes;
    bulla_json_node nodes[];
};

/* The decoded bytes of a string, one after another. */
typedef struct bulla_json_walk {
    bulla_view rest;    /* still to be decoded */
    uint8_t pending[4]; /* of an escape, in UTF-8; taken from num_taken on */
    unsigned num_pending, num_taken;
} bulla_json_walk;

bulla_json_walk bulla_json_walk_of(const bulla_json *json, uint32_t at, uint32_t len);
int bulla_json_walk_next(bulla_json_walk *walk); /* the next byte, or -1 after the last */

#endif
