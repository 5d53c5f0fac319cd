/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the back end for HashiCorp Vault and OpenBao: one client for each endpoint of a store. */
#ifndef BULLA_PROVIDER_VAULT_H
#define BULLA_PROVIDER_VAULT_H

#include "net/http.h"
#include "provider/kms.h"
#include "provider/oauth.h"
#include "wire/transit.h"
#include "wire/vault.h"

#define BULLA_VAULT_MAX_URL 512u   /* scheme, host, port and the path of a proxy */
#define BULLA_VAULT_MAX_MOUNT 128u /* bytes of a mount's path, and of a namespace's */
#define BULLA_VAULT_MAX_PATH 512u

typedef struct bulla_vault_client {
    bulla_client base; /* first */
    const bulla_env *env;
    const bulla_kms_config *config;
    bulla_http *http;
    bulla_oauth *tokens; /* the token in use: kept, renewed and replaced through bulla_vault_login */
    char url[BULLA_VAULT_MAX_URL];
    char host[272];                             /* host:port, for people */
    char namespace_[BULLA_VAULT_MAX_MOUNT + 1]; /* without slashes around it; empty: none */

    /* Of the login under way: one caller at a time. */
    bulla_secret *token; /* the last one */
    int64_t first_lease_s;
    bool is_renewable;
    bool is_given;       /* a value of the configuration or the environment: a login finds the same one */
    int64_t logged_ns;   /* atomic: when the last login was */
    uint32_t num_logins; /* atomic */
} bulla_vault_client;

typedef struct bulla_vault_request {
    const char *verb;   /* in errors and metrics: "unwrap" */
    const char *method; /* "GET" or "POST" */
    const char *path;   /* after /v1/ */
    const char *key;    /* MOUNT/keys/NAME, for people; NULL: the request is about none */
    bulla_view body;
    bool is_repeatable;
    bool is_rootless; /* without the namespace: sys/health knows none */
    bool is_login;    /* a refusal is about credentials */
} bulla_vault_request;

/* For bulla_kms_client. Errors: ECONFIG, ENOMEM, those of bulla_http_open. */
BULLA_MUST_USE bulla_status bulla_vault_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config,
                                                   size_t endpoint, bulla_client **out_client);

/* One exchange, with `token` (NULL: none), whatever the answer. */
BULLA_MUST_USE bulla_status bulla_vault_send(bulla_vault_client *client, bulla_call *call,
                                             const bulla_vault_request *request, const bulla_secret *token,
                                             bulla_http_answer *out_answer);

/* The same with the client's own token, which is replaced once when it is refused. */
BULLA_MUST_USE bulla_status bulla_vault_exchange(bulla_vault_client *client, bulla_call *call,
                                                 const bulla_vault_request *request, bulla_http_answer *out_answer);

/* The same, and everything but success is a failure with a sentence. */
BULLA_MUST_USE bulla_status bulla_vault_ask(bulla_vault_client *client, bulla_call *call,
                                            const bulla_vault_request *request, bulla_http_answer *out_answer);

/* The failure that an answer other than success is. */
bulla_status bulla_vault_refused(const bulla_vault_client *client, bulla_call *call, const bulla_vault_request *request,
                                 const bulla_http_answer *answer);

/* The failure that an answer is which succeeded and cannot be read: EFORMAT of a codec as the store's fault. Other
 * statuses pass. */
bulla_status bulla_vault_taken(const bulla_vault_client *client, bulla_call *call, const bulla_vault_request *request,
                               bulla_status status);

/* Makes the call as if its last failure had not been: it is part of an answer that is none. */
static inline void bulla_vault_forgive(bulla_call *call)
{
    call->status = BULLA_OK;
    call->native = 0;
    call->retry_after_ms = 0;
}

/* What the server says of itself, to anybody. */
BULLA_MUST_USE bulla_status bulla_vault_health_ask(bulla_vault_client *client, bulla_call *call,
                                                   bulla_vault_health *out_health);

/* For bulla_oauth: renews the token or logs in. `arg` is the client. */
BULLA_MUST_USE bulla_status bulla_vault_login(void *arg, bulla_call *call, bulla_oauth_grant *out_grant);

/* Whether another try may help after a refusal: with the token that has replaced `token`, or with one that a new login
 * brings. Then `token` is given up. */
bool bulla_vault_give_up(bulla_vault_client *client, const bulla_vault_error *error, const bulla_secret *token);

/* A path of a mount or namespace: segments of A-Z a-z 0-9 _ . - with slashes between. Slashes around it are cut. False
 * when it is not that or does not fit. */
bool bulla_vault_path_copy(const char *path, char *out, size_t cap);

/* --- keys --- */

/* What is known of whether the server binds contexts, and since which login: atomic. */
typedef uint32_t bulla_vault_proof;

typedef struct bulla_vault_key {
    bulla_provider base; /* first */
    const bulla_env *env;
    bulla_vault_client *client;
    char mount[BULLA_VAULT_MAX_MOUNT + 1], name[BULLA_TRANSIT_MAX_NAME + 1];
    char path[BULLA_VAULT_MAX_PATH];                             /* MOUNT/keys/NAME */
    char info[BULLA_VAULT_MAX_PATH + BULLA_VAULT_MAX_MOUNT + 2]; /* the same, under the namespace */
    char suffix[BULLA_KMS_NAME_MAX + 8];                         /* ?kms=STORE, when the address has it */

    /* Atomic: what the last look at the key said. */
    int64_t known_until_ns; /* 0: nobody looked */
    uint32_t latest_version;

    bulla_vault_proof wrapping, making; /* of encrypt, and of datakey */
    bulla_secret *proving;              /* the lock of who finds out (vault_proof.c) */

    /* Of unwraps that come together (vault_batch.c). */
    bulla_secret *queue;
    unsigned max_flying;
    int64_t patience_ns; /* that one waits for others */
    bulla_metric *queued, *batched;
} bulla_vault_key;

/* What Transit does with a key: our word for it, its word, and what the answer must hold. */
typedef struct bulla_vault_operation {
    const char *verb, *name;
    unsigned wanted;
} bulla_vault_operation;
extern const bulla_vault_operation bulla_vault_decrypting;

BULLA_MUST_USE bulla_status bulla_vault_transit_ask(const bulla_vault_key *self, bulla_call *call,
                                                    const bulla_vault_operation *what,
                                                    const bulla_transit_request *from,
                                                    bulla_transit_answer *out_answer);

/* Opens a ciphertext by a request for it alone. */
BULLA_MUST_USE bulla_status bulla_vault_unwrap_alone(const bulla_vault_key *self, bulla_call *call,
                                                     bulla_context *context, bulla_view ciphertext,
                                                     bulla_secret **out_dek);

/* The same by whichever request comes first, its own or one for several. */
BULLA_MUST_USE bulla_status bulla_vault_unwrap_together(bulla_vault_key *self, bulla_call *call, bulla_context *context,
                                                        bulla_view ciphertext, bulla_secret **out_dek);
BULLA_MUST_USE bulla_status bulla_vault_queue_init(bulla_vault_key *self, bulla_call *call, bulla_metrics *metrics);

/* --- whether contexts are bound (vault_proof.c) --- */

BULLA_MUST_USE bulla_status bulla_vault_proof_init(bulla_vault_key *self, bulla_call *call);

/* Before something is wrapped with a context: EUNSUPPORTED when the server is known not to bind it. */
BULLA_MUST_USE bulla_status bulla_vault_binding_recall(const bulla_vault_key *self, bulla_call *call);

/* What encrypt has wrapped with a context may be handed out. The first time the server is asked to open it without. */
BULLA_MUST_USE bulla_status bulla_vault_binding_check(bulla_vault_key *self, bulla_call *call,
                                                      const bulla_transit_answer *wrapped);

/* The same of what datakey made; where the server does not bind that, *out_binds is false and no failure. */
BULLA_MUST_USE bulla_status bulla_vault_making_check(bulla_vault_key *self, bulla_call *call,
                                                     const bulla_transit_answer *made, bool *out_binds);
bool bulla_vault_makes_unbound(const bulla_vault_key *self); /* it is known that datakey does not bind */

/* A server that was found not to bind contexts may be another one by now. */
void bulla_vault_binding_forget(bulla_vault_key *self);

/* --- slots of the provider, and what they share --- */

/* The key as the store has it. `verb` is what for, in errors. */
BULLA_MUST_USE bulla_status bulla_vault_key_read(bulla_vault_key *self, bulla_call *call, const char *verb,
                                                 bulla_transit_key *out_key);

/* EUNSUPPORTED or ESTATE for a key that nothing is wrapped under. */
BULLA_MUST_USE bulla_status bulla_vault_key_check(const bulla_vault_key *self, bulla_call *call,
                                                  const bulla_transit_key *key);

BULLA_MUST_USE bulla_status bulla_vault_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info);
BULLA_MUST_USE bulla_status bulla_vault_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version);
BULLA_MUST_USE bulla_status bulla_vault_create(bulla_provider *provider, bulla_call *call);
BULLA_MUST_USE bulla_status bulla_vault_check(bulla_provider *provider, bulla_call *call);
BULLA_MUST_USE bulla_status bulla_vault_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit,
                                             void *arg);

#endif
