/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the gcp: back end share: its client, its key, and requests with their refusals. */
#ifndef BULLA_PROVIDER_GCP_CLIENT_H
#define BULLA_PROVIDER_GCP_CLIENT_H

#include "provider/kms.h"
#include "provider/oauth.h"
#include "wire/gcpkms.h"

#define BULLA_GCP_MAX_URL 1536u

typedef struct bulla_gcp_client {
    bulla_client base; /* first */
    const bulla_env *env;
    const bulla_kms_config *config;
    bulla_http *http;
    bulla_oauth *oauth;
    char endpoint[256], quota_project[128];
} bulla_gcp_client;

typedef struct bulla_gcp_key {
    bulla_provider base; /* first */
    const bulla_env *env;
    bulla_gcp_client *client;
    char name[BULLA_GCPKMS_MAX_NAME]; /* without a version */
    uint32_t version;                 /* to wrap under; 0: the primary one */
} bulla_gcp_key;

typedef struct bulla_gcp_request {
    const char *method, *verb, *url;
    bulla_view body;
    bool is_repeatable;
} bulla_gcp_request;

static inline bulla_gcp_key *bulla_gcp_key_of(bulla_provider *provider)
{
    return (bulla_gcp_key *)(void *)provider;
}

/* In the shape of bulla_client_make. */
BULLA_MUST_USE bulla_status bulla_gcp_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config,
                                                 size_t endpoint, bulla_client **out_client);

/* The key's url with `suffix`. */
BULLA_MUST_USE bulla_status bulla_gcp_url_of(const bulla_gcp_key *self, bulla_call *call, const char *suffix,
                                             char out[BULLA_GCP_MAX_URL]);

/* One request, whatever its answer; or only when that is 200. */
BULLA_MUST_USE bulla_status bulla_gcp_send(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                                           bulla_http_answer *out_answer);
BULLA_MUST_USE bulla_status bulla_gcp_send_ok(const bulla_gcp_key *self, bulla_call *call,
                                              const bulla_gcp_request *from, bulla_http_answer *out_answer);

/* The failure that an answer other than 200 is. */
bulla_status bulla_gcp_refused(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                               const bulla_http_answer *answer);

/* What reading the body of a 200 gave. When it is not what the interface promises, it is no answer of Cloud KMS. */
BULLA_MUST_USE bulla_status bulla_gcp_taken(const bulla_gcp_key *self, bulla_call *call, const bulla_gcp_request *from,
                                            bulla_status status);

/* What is known of a key from its resource. */
void bulla_gcp_info_of(const bulla_gcpkms_key *key, bulla_key_info *out_info);

/* Slots. */
BULLA_MUST_USE bulla_status bulla_gcp_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version);
BULLA_MUST_USE bulla_status bulla_gcp_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit,
                                           void *arg);

#endif
