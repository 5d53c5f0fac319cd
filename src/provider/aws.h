/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the aws: back end. From the ground up: credentials that are shared (aws_creds.c), where they come from
 * (aws_chain.c, aws_profile.c, aws_metadata.c, aws_sts.c), when they are renewed (aws_login.c), signed requests
 * (aws_url.c, aws_sign.c, aws_send.c), what refusals mean (aws_error.c), the key itself and its relatives
 * (aws.c, aws_manage.c, aws_replica.c).
 */
#ifndef BULLA_PROVIDER_AWS_H
#define BULLA_PROVIDER_AWS_H

#include "net/http.h"
#include "provider/kms.h"
#include "wire/awscreds.h"
#include "wire/awsini.h"
#include "wire/awskms.h"
#include "wire/awssts.h"
#include "wire/sigv4.h"

#include <pthread.h>

#define BULLA_AWS_MAX_URL 512u
#define BULLA_AWS_MAX_REGION 33u
#define BULLA_AWS_MAX_SOURCE 128u
#define BULLA_AWS_MAX_WHY sizeof(((bulla_call *)0)->why)

/* --- credentials in use: shared, never changed --- */

typedef struct bulla_aws_creds {
    size_t refs;
    const bulla_env *env;
    bulla_awscreds value;
    char source[BULLA_AWS_MAX_SOURCE]; /* for people: "profile \"prod\"" */

    /* One signing key for each day, region and service: two services in a few regions. The lock may be taken in a
     * forked child; what it is of is empty there, and not used. */
    pthread_mutex_t lock;
    struct bulla_aws_signing {
        char scope[96];
        bulla_secret *key;
    } signing[4];
    size_t next_signing;
} bulla_aws_creds;

/* Takes over what `value` holds. */
BULLA_MUST_USE bulla_status bulla_aws_creds_new(bulla_call *call, bulla_awscreds *value, const char *source,
                                                bulla_aws_creds **out_creds);
bulla_aws_creds *bulla_aws_creds_ref(bulla_aws_creds *creds);
void bulla_aws_creds_unref(bulla_aws_creds *creds);
BULLA_AUTO_DEFINE(bulla_aws_creds, bulla_aws_creds_unref)
bool bulla_aws_creds_are_same(const bulla_aws_creds *a, const bulla_aws_creds *b);
/* The key that signs in this scope; one reference is the caller's. */
BULLA_MUST_USE bulla_status bulla_aws_creds_key(bulla_aws_creds *creds, bulla_call *call,
                                                const bulla_sigv4_scope *scope, bulla_secret **out_key);

/* --- where they come from --- */

/* What every source needs to know. */
typedef struct bulla_aws_asker {
    bulla_call *call;
    const bulla_kms_config *config;
    const char *region;       /* of STS */
    int64_t *skew_s;          /* what the clocks of AWS are ahead of ours */
    const char *instance_url; /* where the metadata service is, unless the environment says; NULL: where it always is */
} bulla_aws_asker;

/* Goes through the chain (docs/guide/aws.md, Credentials) and takes what is found first; then assumes the role of the
 * configuration. Errors: EAUTHN when there is nothing or who gives credentials refuses, EUNAVAIL when he does not
 * answer, ECONFIG, … */
BULLA_MUST_USE bulla_status bulla_aws_chain_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds);

/* One source each: OK with *out_creds NULL when it is not set up here. */
BULLA_MUST_USE bulla_status bulla_aws_environment_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds);
BULLA_MUST_USE bulla_status bulla_aws_profile_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds);
BULLA_MUST_USE bulla_status bulla_aws_container_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds);
/* `is_named`: a profile says that they come from there, so silence is an outage wherever this runs. *out_why completes
 * "no credentials: …" when *out_creds is NULL. */
BULLA_MUST_USE bulla_status bulla_aws_instance_ask(const bulla_aws_asker *asker, bool is_named,
                                                   bulla_aws_creds **out_creds, const char **out_why);

/* The name that the metadata service has at `path`, and that errors call `what`. */
BULLA_MUST_USE bulla_status bulla_aws_instance_text(const bulla_aws_asker *asker, const char *what, const char *path,
                                                    char *out, size_t cap);

/* Where instances have their metadata service. */
const char *bulla_aws_instance_url(void);
/* Whether this is a machine of EC2, by what its firmware says in files of the folder `firmware`. */
bool bulla_aws_is_ec2(const char *firmware);

/* A role on the way: what is asked of STS, and with whose credentials. */
typedef struct bulla_aws_role {
    bulla_awssts_request request; /* without web_identity */
    const char *token_file;       /* not NULL: of a web identity, read at each try */
    bulla_aws_creds *signer;      /* NULL with a web identity */
} bulla_aws_role;
BULLA_MUST_USE bulla_status bulla_aws_role_ask(const bulla_aws_asker *asker, const bulla_aws_role *role,
                                               bulla_aws_creds **out_creds);

/* The region of the profile in use; false when there is none. Files that cannot be read have none. */
bool bulla_aws_profile_region(bulla_call *call, const bulla_kms_config *config, char out[BULLA_AWS_MAX_REGION]);

/* --- renewing them --- */

/* Zeroed, then initialised. What is in it is read and changed under the forklock. */
typedef struct bulla_aws_login {
    pthread_cond_t changed;
    size_t num_forks; /* of the process whose threads wait here */
    bool is_busy;
    bulla_aws_creds *current; /* NULL: none yet */
    bulla_aws_creds *refused; /* by AWS: renewed before they are used again */
    int64_t renew_s;          /* from then on a caller asks for new ones; 0: never */
    int64_t next_try_s;       /* not before, after a failure */
    uint64_t flights;         /* that have ended */
    bulla_status failure;     /* of the last flight, and why */
    char why[BULLA_AWS_MAX_WHY];
} bulla_aws_login;

void bulla_aws_login_init(bulla_aws_login *login);
void bulla_aws_login_done(bulla_aws_login *login);
/* Credentials to use now; one reference is the caller's. One caller asks while the others go on with what is there, or
 * wait no longer than their own deadline. Expired ones stay in use while no new ones are to be had. */
BULLA_MUST_USE bulla_status bulla_aws_login_get(bulla_aws_login *login, const bulla_aws_asker *asker,
                                                bulla_aws_creds **out_creds);
/* AWS does not take these: the next get asks for new ones. */
void bulla_aws_login_refuse(bulla_aws_login *login, bulla_aws_creds *creds);
/* The status of the last login and why, when it failed because nobody answered; else BULLA_OK. */
bulla_status bulla_aws_login_outage(bulla_aws_login *login, char out_why[BULLA_AWS_MAX_WHY]);

/* --- requests --- */

/* The url of a service ("kms", "sts") in a region: the configuration's, the environment's, with "{region}" replaced, or
 * AWS's own. Plain http only to this machine, or where the configuration says so. */
BULLA_MUST_USE bulla_status bulla_aws_url_format(bulla_call *call, const bulla_kms_config *config, const char *service,
                                                 const char *region, char out[BULLA_AWS_MAX_URL]);

/* `pattern` with the region in each place of "{region}"; false when that does not fit. */
bool bulla_aws_region_fill(const char *pattern, const char *region, char out[BULLA_AWS_MAX_URL]);

/* What reaches one endpoint. The login is endpoint 0's: all endpoints of a store use the same. */
typedef struct bulla_aws_client {
    bulla_client base; /* first */
    const bulla_env *env;
    const bulla_kms_config *config;
    bulla_http *http;
    int64_t skew_s; /* atomic */
    bulla_aws_login login;
} bulla_aws_client;

/* A POST that may be signed. */
typedef struct bulla_aws_post {
    const char *url, *region, *service;
    const char *content_type, *target; /* target NULL: none */
    bulla_view body;
    bulla_aws_creds *signer; /* NULL: not signed */
    int64_t now_s;
} bulla_aws_post;

typedef struct bulla_aws_headers {
    bulla_http_header list[8];
    size_t num;
    char time[BULLA_SIGV4_TIME], host[BULLA_AWS_MAX_URL];
    bulla_secret *authorization;
} bulla_aws_headers;
void bulla_aws_headers_done(bulla_aws_headers *headers);
#define BULLA_AWS_HEADERS(name)                                                                                        \
    __attribute__((cleanup(bulla_aws_headers_done))) bulla_aws_headers name = {.authorization = NULL}
/* Views into the post and into *headers, which must stay where it is. */
BULLA_MUST_USE bulla_status bulla_aws_headers_init(bulla_call *call, const bulla_aws_post *post,
                                                   bulla_aws_headers *headers);

/* The value of the header Authorization, in a secret of its length: who has it has the request. */
BULLA_MUST_USE bulla_status bulla_aws_authorize(bulla_call *call, bulla_aws_creds *signer,
                                                const bulla_sigv4_request *request, const bulla_sigv4_scope *scope,
                                                bulla_secret **out_authorization);

/* Takes note of how far our clock is off by the answer's date; true when a refused request should be signed anew. */
bool bulla_aws_skew_note(const bulla_call *call, int64_t *skew_s, const bulla_http_answer *answer, int64_t signed_s);
/* The time by AWS's clocks. */
int64_t bulla_aws_now_s(const bulla_call *call, const int64_t *skew_s);

/* A key: one region of one endpoint. */
typedef struct bulla_aws_key {
    bulla_provider base; /* first */
    const bulla_env *env;
    bulla_aws_client *home, *client; /* endpoint 0's and this one's */
    const bulla_kms_config *config;
    bulla_context *bound; /* of the configuration; NULL: nothing */
    char key_id[BULLA_AWSARN_MAX], region[BULLA_AWS_MAX_REGION], url[BULLA_AWS_MAX_URL];
} bulla_aws_key;

/* The ARN of replica_keys that stands in for a key at `endpoint`, of 1 and up; NULL: the key has no such endpoint. Only
 * relatives do, and for an alias what the configuration says of it. */
const char *bulla_aws_replica_at(const bulla_kms_config *config, const char *key_id, size_t endpoint);
BULLA_MUST_USE bulla_status bulla_aws_replicas_check(bulla_call *call, const bulla_kms_config *config);

/* Sends one request to KMS. On OK the answer is one of success; every other answer has become an error. */
BULLA_MUST_USE bulla_status bulla_aws_send(bulla_aws_key *key, bulla_call *call, const bulla_awskms_request *request,
                                           bulla_http_answer *out_answer);

/* What an answer that is no success means. `op` and `key` are named in the sentence. */
typedef struct bulla_aws_refusal {
    bulla_status status;
    bool is_login; /* new credentials may help */
} bulla_aws_refusal;
bulla_aws_refusal bulla_aws_refusal_of(bulla_awskms_op op, int code, const bulla_awskms_error *error);
bulla_status bulla_aws_fail(const bulla_aws_key *key, bulla_call *call, bulla_awskms_op op,
                            const bulla_http_answer *answer, const bulla_aws_creds *creds);

/* Makes the call as if its last failure had not been: it was gone round, or is part of an answer. */
static inline void bulla_aws_forgive(bulla_call *call)
{
    call->status = BULLA_OK;
    call->native = 0;
    call->retry_after_ms = 0;
}

/* The same sentence with another status. */
bulla_status bulla_aws_restate(bulla_call *call, bulla_status status);
/* An answer of success that is not what it should be comes from somebody else, such as a proxy: EUNAVAIL. */
bulla_status bulla_aws_nonsense(bulla_call *call, bulla_status status);

/* Slots. */
BULLA_MUST_USE bulla_status bulla_aws_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info);
BULLA_MUST_USE bulla_status bulla_aws_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version);
BULLA_MUST_USE bulla_status bulla_aws_check(bulla_provider *provider, bulla_call *call);
BULLA_MUST_USE bulla_status bulla_aws_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit,
                                           void *arg);

#endif
