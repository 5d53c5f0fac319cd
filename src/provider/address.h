/* SPDX-License-Identifier: Apache-2.0 */
/* Key addresses: SCHEME ":" BODY [ "?" KEY "=" VALUE { "&" KEY "=" VALUE } ], values percent-encoded. One parser for
 * all. */
#ifndef BULLA_PROVIDER_ADDRESS_H
#define BULLA_PROVIDER_ADDRESS_H

#include "base/macros.h"
#include "bulla/call.h"

#define BULLA_ADDRESS_PARAMS 8u
#define BULLA_SCHEME_MAX 15u

typedef struct bulla_address {
    char scheme[BULLA_SCHEME_MAX + 1];
    char body[BULLA_MAX_ADDRESS + 1]; /* decoded */
    struct {
        char key[32];
        char value[512]; /* decoded */
    } params[BULLA_ADDRESS_PARAMS];
    size_t num_params;
} bulla_address;

/* EINVAL with the position of the first mistake, EUNSUPPORTED never: schemes are the registry's business. */
BULLA_MUST_USE bulla_status bulla_address_parse(bulla_call *call, const char *text, bulla_address *out_address);

/* Only the scheme: what the registry needs, whatever grammar a scheme of somebody else has after its colon. EINVAL. */
BULLA_MUST_USE bulla_status bulla_address_scheme_parse(bulla_call *call, const char *text,
                                                       char out_scheme[BULLA_SCHEME_MAX + 1]);
bool bulla_scheme_name_is(const char *name, size_t len);

/* The value of a parameter, or `fallback`. */
const char *bulla_address_param(const bulla_address *address, const char *key, const char *fallback);

/* EINVAL naming the first parameter that is not in `known` (NULL-terminated), with the nearest that is. */
BULLA_MUST_USE bulla_status bulla_address_params_check(bulla_call *call, const bulla_address *address,
                                                       const char *const *known);

#endif
