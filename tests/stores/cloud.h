/* SPDX-License-Identifier: Apache-2.0 */
/* A key of a cloud's key store with nothing around it, and a data key to try it with. */
#ifndef BULLA_TESTS_STORES_CLOUD_H
#define BULLA_TESTS_STORES_CLOUD_H

#include "base/bytes.h"
#include "base/context.h"
#include "base/secret.h"
#include "bulla/kms.h"
#include "cmocka_all.h"
#include "provider/kms.h"
#include "provider/provider.h"

typedef struct cloud {
    bulla_call call;
    bulla_env env;
    int64_t later_ns;       /* added to the monotonic clock */
    const char *vars[6][2]; /* the environment */
    bulla_kms_config config;
    bulla_kms *kms;
    bulla_provider *key;
    bulla_context *context;
    bulla_secret *dek;
    bulla_wrapped *wrapped; /* what was wrapped last */
} cloud;

/* Fills in all but the configuration; opens the key by `address`; releases what there is. */
void cloud_init(cloud *c, const char *provider);
bulla_status cloud_open(cloud *c, const char *address);
void cloud_done(cloud *c);
/* Opens the key that the store calls `name`, as it must go. */
void cloud_key(cloud *c, const char *name);
void cloud_close(cloud *c);

bulla_status cloud_wrap(cloud *c);
/* Unwraps what was wrapped last, and compares when it opens. */
bulla_status cloud_unwrap(cloud *c);
/* Both, as they must go. */
void cloud_roundtrip(cloud *c);

/* What a fault of a fake server comes to. */
typedef struct cloud_refusal {
    const char *fault;
    bulla_status status;
    long native;
    uint32_t retry_after_ms;
} cloud_refusal;
/* Tells `server` each fault in turn, for one request of either kind, and finds the key at work again after it. */
void cloud_refusals_check(cloud *c, const char *server, const cloud_refusal *rows, size_t num_rows);

/* The last failure's sentence has `part` in it, and nothing that is secret. */
void assert_why(const cloud *c, const char *part);

#endif
