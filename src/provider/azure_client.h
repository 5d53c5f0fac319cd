/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the azure: back end share: its client, its key, and requests with their refusals. */
#ifndef BULLA_PROVIDER_AZURE_CLIENT_H
#define BULLA_PROVIDER_AZURE_CLIENT_H

#include "provider/kms.h"
#include "provider/oauth.h"
#include "wire/azurekv.h"

#include <pthread.h>

#define BULLA_AZURE_MAX_URL 2560u
#define BULLA_AZURE_MAX_VAULTS 8u

/* A vault and the tokens for it. */
typedef struct bulla_azure_vault {
    const bulla_kms_config *config;
    bulla_http *http;
    char base[320]; /* https://HOST[:PORT]; empty: not in use yet */
    bulla_oauth *oauth;
} bulla_azure_vault;

typedef struct bulla_azure_client {
    bulla_client base; /* first */
    const bulla_env *env;
    const bulla_kms_config *config;
    bulla_http *http;
    pthread_mutex_t lock; /* over the list: held while a key is opened, never during a request */
    bulla_azure_vault vaults[BULLA_AZURE_MAX_VAULTS];
} bulla_azure_client;

/* What was last seen of the key that wraps: asked for again after some seconds. */
typedef struct bulla_azure_seen {
    bulla_azurekv_key key;
    int64_t until_ns; /* 0: nothing seen */
} bulla_azure_seen;

typedef struct bulla_azure_key {
    bulla_provider base; /* first */
    const bulla_env *env;
    bulla_azure_client *client;
    bulla_azure_vault *vault;        /* in client */
    char kid[BULLA_AZUREKV_MAX_KID]; /* without a version */
    char version[128];               /* to wrap under; empty: the current one */
    bulla_azure_seen seen;           /* under the forklock */
} bulla_azure_key;

static inline bulla_azure_key *bulla_azure_key_of(bulla_provider *provider)
{
    return (bulla_azure_key *)(void *)provider;
}

typedef struct bulla_azure_request {
    const char *method, *verb, *url;
    bulla_view body;
    bool is_repeatable;
} bulla_azure_request;

/* In the shape of bulla_client_make. */
BULLA_MUST_USE bulla_status bulla_azure_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config,
                                                   size_t endpoint, bulla_client **out_client);

/* The vault of a key identifier; it lives as long as the client. */
BULLA_MUST_USE bulla_status bulla_azure_vault_find(bulla_azure_client *client, bulla_call *call,
                                                   const bulla_azurekv_kid *kid, bulla_azure_vault **out_vault);

/* `kid`, "/" and `suffix` (NULL: neither), and the version of the interface. */
BULLA_MUST_USE bulla_status bulla_azure_url_of(const bulla_azure_key *self, bulla_call *call, const char *kid,
                                               const char *suffix, char out[BULLA_AZURE_MAX_URL]);

/* One request, whatever its answer; or only when that is 200. */
BULLA_MUST_USE bulla_status bulla_azure_send(const bulla_azure_key *self, bulla_call *call,
                                             const bulla_azure_request *from, bulla_http_answer *out_answer);
BULLA_MUST_USE bulla_status bulla_azure_send_ok(const bulla_azure_key *self, bulla_call *call,
                                                const bulla_azure_request *from, bulla_http_answer *out_answer);

/* What reading the body of a 200 gave. When it is not what the interface promises, it is no answer of a vault. */
BULLA_MUST_USE bulla_status bulla_azure_taken(const bulla_azure_key *self, bulla_call *call,
                                              const bulla_azure_request *from, bulla_status status);

/* A key identifier in an answer is on this vault and of this key, or nothing of the answer is believed. */
BULLA_MUST_USE bulla_status bulla_azure_kid_check(const bulla_azure_key *self, bulla_call *call, const char *kid);

/* The version to wrap under, or another, as the vault has it now. */
BULLA_MUST_USE bulla_status bulla_azure_key_get(const bulla_azure_key *self, bulla_call *call,
                                                bulla_azurekv_key *out_key);

/* Slots. */
BULLA_MUST_USE bulla_status bulla_azure_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info);
BULLA_MUST_USE bulla_status bulla_azure_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version);
BULLA_MUST_USE bulla_status bulla_azure_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit,
                                             void *arg);

#endif
