/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted Vault with one key, transit/keys/app, and a provider for it. */
#ifndef BULLA_TESTS_VAULT_KIT_H
#define BULLA_TESTS_VAULT_KIT_H

#include "base/context.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/http_server.h"
#include "provider/backends.h"
#include "provider/provider.h"

typedef struct vault_kit {
    fake_env fake; /* its clocks stand */
    bulla_call call;
    http_server *server;
    bulla_kms_config config;
    bulla_metrics *metrics; /* NULL unless the test makes it before it opens */
    bulla_kms *kms;
    bulla_provider *key;
    bulla_context *context;
    bulla_secret *dek, *secret_id;

    /* What the server does. */
    char token[32]; /* the one that is good; each login makes the next */
    int64_t lease_s, renewed_lease_s;
    bool is_not_renewable, is_missing, ignores_data, is_standby, is_sealed;
    bool is_deaf, is_deaf_in_encrypt; /* to associated_data, in silence: in all it does, or in that */
    bool is_terse, loses_creates;     /* answers with nothing, or not at all, when it has made a key */
    const char *health;               /* the version that sys/health tells; NULL: none */
    const char *made_more;            /* further members of the answer to making a key */
    unsigned version;
    const char *key_more;   /* further members of the key */
    const char *fault_path; /* part of the targets that are answered so: */
    unsigned num_faults;    /* so often */
    int fault_code;
    const char *fault_headers, *fault_body;
    http_fault fault;
    bool (*on_decrypt)(const http_seen *seen, http_reply *reply); /* answers instead, unless it is false */

    /* What it saw. */
    unsigned num_logins, num_lookups, num_renewals, num_describes, num_encrypts, num_decrypts, num_datakeys,
        num_rewraps, num_creates;
    char space[64], login[512], made_type[32], plaintext[256], data[256];
} vault_kit;

extern vault_kit kit;

/* cmocka set-up and tear-down: the server runs, and the configuration, which the test may change then, logs in by
 * AppRole. kit_start_open opens the key, too. */
int kit_start(void **state);
int kit_start_open(void **state);
int kit_stop(void **state);
#define CASE(test) cmocka_unit_test_setup_teardown(test, kit_start, kit_stop)
#define OPEN_CASE(test) cmocka_unit_test_setup_teardown(test, kit_start_open, kit_stop)

/* Begins anew, with a server of another kind or a usual one (NULL). */
void kit_restart(const http_server_options *options);
/* Opens the key by `address`, or by the usual one with NULL; what was open before is closed. */
bulla_status kit_open(const char *address);
void kit_must_open(void);

/* Wraps the kit's data key with its context; unwraps the result again. */
bulla_status kit_wrap(bulla_wrapped **out_wrapped);
bulla_status kit_unwrap(const bulla_wrapped *wrapped);
bulla_status kit_use(void); /* wraps and forgets */
void assert_used(void);

/* The next `num` requests to a target with `path` in it are answered so. */
void kit_fault(const char *path, unsigned num, int code, const char *body);

void assert_why(const char *part);

#endif
