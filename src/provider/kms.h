/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key stores that are configured, as back ends see them: a copy of each configuration, and one client for each
 * store and endpoint (its connections, its login) that every key opened from it shares.
 */
#ifndef BULLA_PROVIDER_KMS_H
#define BULLA_PROVIDER_KMS_H

#include "base/metrics.h"
#include "bulla/kms.h"
#include "provider/provider.h"

#define BULLA_KMS_NAME_MAX 31u
#define BULLA_FAILOVER_MAX_MS 600000u /* failover_timeout_ms: those of all endpoints of a key are added up */

typedef struct bulla_kms bulla_kms;

/* Copies the configurations (secrets by reference). The call's env and `metrics` (may be NULL) are borrowed for the
 * life of it, and it must outlive every provider opened from it. Errors: ECONFIG naming the configuration and the
 * member at fault, ENOMEM. */
BULLA_MUST_USE bulla_status bulla_kms_new(bulla_call *call, const bulla_kms_config *configs, size_t num_configs,
                                          bulla_metrics *metrics, bulla_kms **out_kms);
void bulla_kms_free(bulla_kms *kms);
BULLA_AUTO_DEFINE(bulla_kms, bulla_kms_free)

bulla_metrics *bulla_kms_metrics(const bulla_kms *kms); /* may be NULL; borrowed */
size_t bulla_kms_count(const bulla_kms *kms);
const bulla_kms_config *bulla_kms_at(const bulla_kms *kms, size_t index);

/* The configuration for `scheme`: the one named `name` (ECONFIG when there is none, or of another scheme), with NULL
 * the first of the scheme, else an empty one named as the scheme, which that name means too. Borrowed for the life of
 * `kms`. */
BULLA_MUST_USE bulla_status bulla_kms_find(const bulla_kms *kms, bulla_call *call, const char *scheme, const char *name,
                                           const bulla_kms_config **out_config);

/* The name after kms= in the query of an address; false when there is none. */
bool bulla_kms_name_of(const char *address, char *out, size_t cap);

/* What reaches one endpoint of one store: connections, login. A back end embeds it first. */
typedef struct bulla_client {
    void (*destroy)(struct bulla_client *client);
    size_t refs; /* through bulla_client_ref and unref */
} bulla_client;
bulla_client *bulla_client_ref(bulla_client *client);
void bulla_client_unref(bulla_client *client);
BULLA_AUTO_DEFINE(bulla_client, bulla_client_unref)

/* The client of `config` for `endpoint`, made through `make` (which opens no connection) when there is none yet. One
 * more reference is the caller's. */
typedef bulla_status (*bulla_client_make)(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config,
                                          size_t endpoint, bulla_client **out_client);
BULLA_MUST_USE bulla_status bulla_kms_client(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config,
                                             size_t endpoint, bulla_client_make make, bulla_client **out_client);

/* A networked back end: one line in registry.c. `endpoints` says how many endpoints a key of a configuration has (1 to
 * BULLA_MAX_ENDPOINTS): the stack puts a breaker and retries before each. `address_of` writes the address of the key
 * that the configuration itself names, ECONFIG when it names none. */
typedef struct bulla_backend {
    const char *scheme;
    size_t (*endpoints)(const bulla_kms_config *config, const char *address);
    bulla_status (*address_of)(bulla_call *call, const bulla_kms_config *config, char *out, size_t cap);
    bulla_status (*open)(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config, const char *address,
                         size_t endpoint, bulla_provider **out_provider);
} bulla_backend;

/* The back end of a scheme, or NULL. */
const bulla_backend *bulla_backend_find(const char *scheme);

/* The rule for every address that keys and credentials go to: https, or http to this machine; http to another one only
 * where tls.accept_unencrypted_http is set, which is logged each time. ECONFIG saying so; `what` names the setting. */
BULLA_MUST_USE bulla_status bulla_kms_url_check(bulla_call *call, const bulla_kms_config *config, const char *what,
                                                const char *url);

/* The value of a setting: the configuration's, else the first variable of the call's environment that is set and not
 * empty, else `fallback`. `names` are separated by blanks. The result is borrowed from whoever has it. */
const char *bulla_kms_setting(const bulla_call *call, const char *configured, const char *names, const char *fallback);
/* The same for a secret: one reference is the caller's; NULL when there is none. */
BULLA_MUST_USE bulla_status bulla_kms_secret(bulla_call *call, bulla_secret *configured, const char *names,
                                             bulla_secret **out_secret);
/* A secret from a file (trailing newline cut); at most 64 KiB. ENOFILE, EAUTHZ, EIO naming the path. */
BULLA_MUST_USE bulla_status bulla_kms_secret_file(bulla_call *call, const char *path, bulla_secret **out_secret);

#endif
