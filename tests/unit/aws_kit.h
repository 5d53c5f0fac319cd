/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS on a loopback port, as far as the tests of the aws: back end need it: KMS, STS, a container's credential service
 * and the metadata service of an instance, told apart by method and path. It gives the answers that a test has put into
 * it and remembers what it was asked. The tests against moto check the signatures; these check who signed.
 */
#ifndef BULLA_TESTS_AWS_KIT_H
#define BULLA_TESTS_AWS_KIT_H

#include "cmocka_all.h"

#include "base/bytes.h"
#include "fakes/http_server.h"
#include "provider/aws.h"
#include "provider/backends.h"
#include "provider/provider.h"

#define AWS_REGION_NAME "eu-central-1"
#define AWS_KEY_ARN "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define AWS_WRAPPED "{\"CiphertextBlob\":\"YmxvYg==\",\"KeyId\":\"" AWS_KEY_ARN "\"}"
#define AWS_OPENED "{\"KeyId\":\"" AWS_KEY_ARN "\",\"Plaintext\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}"

/* What KMS says of credentials that have ended. */
#define AWS_EXPIRED                                                                                                    \
    "{\"__type\":\"ExpiredTokenException\",\"message\":\"The security token included in the request is expired\"}"
/* What it says of a key. */
#define AWS_KEY(state, spec)                                                                                           \
    "{\"KeyMetadata\":{\"Arn\":\"" AWS_KEY_ARN                                                                         \
    "\",\"KeyId\":\"1234abcd-12ab-34cd-56ef-1234567890ab\",\"KeyState\":\"" state "\",\"KeySpec\":\"" spec             \
    "\",\"KeyUsage\":\"ENCRYPT_DECRYPT\",\"CreationDate\":1.6E9}}"

/* In place of an HTTP status. */
#define AWS_CLOSED (-1) /* the connection ends without an answer */
#define AWS_SILENT (-2) /* nothing ever comes */

#define AWS_KIT_VARS 24u
#define AWS_KIT_SEEN 32u

/* An answer of KMS; a code of 0 ends the list, and from then on everything succeeds. */
typedef struct aws_answer {
    int code;
    const char *body, *headers;
    http_fault fault;
} aws_answer;

/* Whether logins are answered. */
typedef enum aws_hold { AWS_HOLD_NONE, AWS_HOLD_NEXT, AWS_HOLD_HAS_ONE } aws_hold;

typedef struct aws_kit {
    bulla_env env;
    bulla_call call;
    http_server *server;
    bulla_kms *kms;
    bulla_kms_config config;
    bulla_provider *key;
    char url[64], dir[64];

    const char *vars[AWS_KIT_VARS][2];
    char texts[AWS_KIT_VARS][256]; /* of variables that a test prints */
    int64_t wall_ns;
    size_t num_wall_reads; /* by the library */
    char log[4096];

    /* What is answered. */
    aws_answer kms_answers[8];
    size_t kms_at;
    unsigned kms_delay_ms;
    int sts_code, container_code;   /* 0: 200 */
    int imds_token_code, imds_code; /* 0: 200 */
    const char *sts_body;           /* NULL: credentials ASIAROLE<n> */
    const char *login_headers;      /* of the container's answers */
    size_t imds_stale;              /* so many GETs with a token are answered 401 */
    int64_t life_s;                 /* of credentials that are given out; 0: an hour */
    unsigned login_delay_ms;
    int login_hold; /* an aws_hold; of STS */

    /* What was asked. */
    size_t num_kms, num_sts, num_container, num_imds_token, num_imds;
    char operation[AWS_KIT_SEEN][40]; /* of KMS, in order */
    char signer[AWS_KIT_SEEN][32];    /* the access key */
    char kms_body[4096], kms_date[32], kms_token[128];
    char sts_form[4096], sts_signer[32], container_token[128], imds_sent_token[64];
} aws_kit;

/* A server, an environment with nothing in it but a fake HOME, and a configuration that points at the server and has an
 * access key. */
int aws_kit_setup(void **state);
int aws_kit_teardown(void **state);

void aws_kit_var(aws_kit *kit, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Without the access key: credentials come from the chain. */
void aws_kit_chain_use(aws_kit *kit);
/* The same, where STS gives them for a web identity, a container's credential service, or an instance's metadata
 * service has them. */
void aws_kit_web_identity_use(aws_kit *kit);
void aws_kit_container_use(aws_kit *kit);
void aws_kit_instance_use(aws_kit *kit);
/* From now on STS answers nothing, until it is released. */
void aws_kit_login_hold(aws_kit *kit);
/* Waits until there is a login that it does not answer. */
void aws_kit_login_await(aws_kit *kit);
void aws_kit_login_release(aws_kit *kit);
/* A file in the kit's folder, which `path` then names. */
void aws_kit_file(aws_kit *kit, const char *name, const char *text);

/* Opens the configuration, and "aws:ADDRESS" of it as kit->key. */
bulla_status aws_kit_open(aws_kit *kit, const char *address);
/* The same at another endpoint; the provider is the caller's. */
bulla_status aws_kit_open_at(aws_kit *kit, const char *address, size_t endpoint, bulla_provider **out_provider);
/* Closes them again: what is opened next has what kit->config says then. */
void aws_kit_close(aws_kit *kit);
/* Asks for credentials, by the cheapest request there is. */
bulla_status aws_kit_ask(aws_kit *kit);
/* The access key that signed the last request. */
const char *aws_kit_signer(const aws_kit *kit);

/* An answer of KMS, behind those that wait already. */
void aws_kit_say(aws_kit *kit, int code, const char *body);
/* One that a request ends with, in `status`. */
void aws_kit_means(aws_kit *kit, int code, const char *body, bulla_status status);

/* What the server answers with, for another one. */
void aws_kit_answer(void *arg, const http_seen *seen, http_reply *reply);

void aws_kit_advance(aws_kit *kit, int64_t seconds);

#endif
