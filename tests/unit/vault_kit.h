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
    bulla_kms *kms;
    bulla_provider *key;
    bulla_context *context;
    bulla_secret *dek, *secret_id;

    /* What the server does. */
    char token[32]; /* the one that is good; each login makes the next */
    int64_t lease_s, renewed_lease_s;
    bool is_not_renewable, is_missing, ignores_data, is_standby, is_sealed;
    unsigned version;
    const char *key_more;   /* further members of the key */
    const char *fault_path; /* part of the targets that are answered so: */
    unsigned num_faults;    /* so often */
    int fault_code;
    const char *fault_headers, *fault_body;
    http_fault fault;

    /* What it saw. */
    unsigned num_logins, num_lookups, num_renewals, num_describes, num_encrypts, num_decrypts, num_datakeys,
        num_rewraps;
    char space[64], login[512], plaintext[256], data[256];
} vault_kit;

/* Starts the server; the configuration, which the test may change then, logs in by AppRole. */
void vault_kit_start(vault_kit *kit, const http_server_options *options);
/* Opens the key by `address`, or by the usual one with NULL. */
bulla_status vault_kit_open(vault_kit *kit, const char *address);
void vault_kit_stop(vault_kit *kit);

/* Wraps the kit's data key with its context; unwraps the result again. */
bulla_status vault_kit_wrap(vault_kit *kit, bulla_wrapped **out_wrapped);
bulla_status vault_kit_unwrap(vault_kit *kit, const bulla_wrapped *wrapped);

void assert_why(const vault_kit *kit, const char *part);

#endif
